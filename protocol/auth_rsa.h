// RSA as caching_sha2_password uses it where there is no TLS: the client encrypts its password,
// masked by the salt, with the server's public key (OAEP, SHA-1).
// Spec: MySQL Internals "Caching_sha2_password information". Threads: any.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

struct evp_pkey_st;

namespace consort::protocol {

/// A server's key pair. Immutable.
class RsaKeyPair {
 public:
  /// A new one of 2048 bits: about 0.1 s of work.
  [[nodiscard]] static std::shared_ptr<const RsaKeyPair> generate();

  ~RsaKeyPair();
  RsaKeyPair(const RsaKeyPair&) = delete;
  RsaKeyPair& operator=(const RsaKeyPair&) = delete;

  /// The public key as clients get it.
  [[nodiscard]] const std::string& public_pem() const { return public_pem_; }

  /// The password of which a client sent `encrypted`, or nullopt when it is none.
  [[nodiscard]] std::optional<std::string> password_of(Bytes encrypted, Bytes salt) const;

 private:
  explicit RsaKeyPair(evp_pkey_st* key);

  evp_pkey_st* key_;
  std::string public_pem_;
};

/// The client's side: `password` for the server with this key; nullopt when the key is none or the
/// password too long for it.
[[nodiscard]] std::optional<Buffer> rsa_encrypted(std::string_view password,
                                                  Bytes salt,
                                                  std::string_view public_pem);

}  // namespace consort::protocol
