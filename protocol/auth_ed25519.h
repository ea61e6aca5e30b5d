// ed25519 of MariaDB: the client signs the server's 32 random bytes. Verification is ordinary
// Ed25519; the secret is SHA-512 of a password of any length where Ed25519 has that of a 32-byte
// seed.
// Spec: RFC 8032; MariaDB KB "Authentication Plugin - ed25519". Threads: any.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace consort::protocol {

inline constexpr std::string_view kEd25519Plugin = "ed25519";               ///< of the account
inline constexpr std::string_view kEd25519ClientPlugin = "client_ed25519";  ///< on the wire
inline constexpr std::size_t kEd25519NonceBytes = 32;
inline constexpr std::size_t kEd25519KeyBytes = 32;
inline constexpr std::size_t kEd25519SignatureBytes = 64;

using Ed25519Nonce = std::array<std::uint8_t, kEd25519NonceBytes>;
using Ed25519Key = std::array<std::uint8_t, kEd25519KeyBytes>;
using Ed25519Signature = std::array<std::uint8_t, kEd25519SignatureBytes>;

/// Fresh random bytes of any value.
[[nodiscard]] Ed25519Nonce make_ed25519_nonce();

/// Reads what the account stores: 43 characters of base64 without padding.
[[nodiscard]] std::optional<Ed25519Key> parse_ed25519_key(std::string_view authentication_string);

/// The public key of a password.
[[nodiscard]] Ed25519Key ed25519_key_of(std::string_view password);

/// Signs what the server sent.
[[nodiscard]] Ed25519Signature ed25519_answer(std::string_view password, Bytes nonce);

[[nodiscard]] bool verify_ed25519_answer(Bytes signature, Bytes nonce, const Ed25519Key& key);

}  // namespace consort::protocol
