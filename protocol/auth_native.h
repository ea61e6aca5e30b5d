// mysql_native_password: hashes and answers.
//   stage1 = SHA1(password), stage2 = SHA1(stage1): the server's account holds stage2.
//   token  = stage1 XOR SHA1(salt + stage2): the client's answer. Who knows stage2 wins stage1 back
//   from a right token and can log in elsewhere with it.
// Spec: MariaDB KB "mysql_native_password". Threads: any.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace consort::protocol {

inline constexpr std::size_t kNativeHashBytes = 20;

/// The salt of a greeting: 20 bytes, none of them zero.
using Scramble = std::array<std::uint8_t, kNativeHashBytes>;

/// SHA1(password): a secret as good as the password. Never logged.
struct Stage1 {
  std::array<std::uint8_t, kNativeHashBytes> hash{};
  friend bool operator==(const Stage1&, const Stage1&) = default;
};

/// SHA1(SHA1(password)): what mysql.user stores as '*HEX'.
struct Stage2 {
  std::array<std::uint8_t, kNativeHashBytes> hash{};
  friend bool operator==(const Stage2&, const Stage2&) = default;
};

/// A fresh random scramble of printable characters.
[[nodiscard]] Scramble make_scramble();

[[nodiscard]] Stage1 stage1_of(std::string_view password);

[[nodiscard]] Stage2 stage2_of(const Stage1& stage1);

/// Reads "*" and 40 hex digits; nullopt for anything else.
[[nodiscard]] std::optional<Stage2> parse_native_hash(std::string_view authentication_string);

/// The reverse: "*" and 40 upper-case hex digits.
[[nodiscard]] std::string native_hash_text(const Stage2& stage2);

/// The token that proves stage1 to a server that sent `salt`. REQUIRES: salt of 20 bytes.
[[nodiscard]] std::array<std::uint8_t, kNativeHashBytes> native_answer(const Stage1& stage1,
                                                                       Bytes salt);

/// Verifies `token` and wins stage1 back from it; nullopt when it is wrong (or not 20 bytes).
[[nodiscard]] std::optional<Stage1> recover_stage1(Bytes token, Bytes salt, const Stage2& stage2);

}  // namespace consort::protocol
