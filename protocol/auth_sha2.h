// caching_sha2_password: hashes, answers, and what an account stores.
//   stage1 = SHA256(password), stage2 = SHA256(stage1)
//   token  = stage1 XOR SHA256(stage2 + salt): the answer to a server that has seen the password
//            before and kept stage2 (fast); else the password itself goes there (full), through TLS
//            or encrypted with the server's RSA key (auth_rsa.h).
//   stored = "$A$" rounds/1000 in three hex digits "$" 20 bytes of salt, 43 of SHA-256 crypt
// Spec: MySQL Internals "Caching_sha2_password information"; "Unix crypt using SHA-256 and SHA-512"
// (U. Drepper). Threads: any.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace consort::protocol {

inline constexpr std::string_view kSha2Plugin = "caching_sha2_password";
inline constexpr std::size_t kSha2Bytes = 32;

/// Longer passwords are refused, as servers do; the work grows with the length.
inline constexpr std::size_t kSha2PasswordBytesMax = 256;

/// Second packets of the dialogue, behind kAuthMoreByte: what the server says.
namespace sha2_byte {
inline constexpr std::uint8_t kRequestPublicKey = 2;  ///< the client's, alone
inline constexpr std::uint8_t kFastSuccess = 3;
inline constexpr std::uint8_t kFullAuthentication = 4;
}  // namespace sha2_byte

using Sha2Hash = std::array<std::uint8_t, kSha2Bytes>;

/// The token that proves `password` to a server that sent `salt`.
[[nodiscard]] Sha2Hash sha2_answer(std::string_view password, Bytes salt);

/// Whether `token` is that of `password`; in constant time.
[[nodiscard]] bool verify_sha2_answer(Bytes token, std::string_view password, Bytes salt);

/// Whether an account that stores `authentication_string` has this password. Costs milliseconds:
/// it is made to. False also for a text that no server writes.
[[nodiscard]] bool sha2_account_has(std::string_view authentication_string,
                                    std::string_view password);

/// SHA-256 crypt without its "$5$" head: 43 characters. REQUIRES: password of at most
/// kSha2PasswordBytesMax bytes, salt of at most 32.
[[nodiscard]] std::string sha256_crypt(std::string_view password,
                                       std::string_view salt,
                                       std::uint32_t rounds);

}  // namespace consort::protocol
