#include "protocol/auth_native.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/check.h"
#include "protocol/hex.h"

namespace consort::protocol {
namespace {

using Sha1 = std::array<std::uint8_t, kNativeHashBytes>;

Sha1 sha1(Bytes bytes) {
  Sha1 out{};
  unsigned int written = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), out.data(), &written, EVP_sha1(), nullptr) == 1);
  CHECK(written == kNativeHashBytes);
  return out;
}

/// SHA1(salt + stage2): what masks stage1 in a token.
Sha1 token_mask(Bytes salt, const Stage2& stage2) {
  CHECK(salt.size() == kNativeHashBytes);
  std::array<std::uint8_t, 2 * kNativeHashBytes> joined{};
  for (std::size_t i = 0; i < kNativeHashBytes; ++i) {
    joined[i] = salt[i];
    joined[kNativeHashBytes + i] = stage2.hash[i];
  }
  return sha1(joined);
}

}  // namespace

Scramble make_scramble() {
  // Printable, and without '$', which some clients take for a separator: 93 values. Drawing 7 bits
  // again where they miss keeps the distribution even.
  constexpr std::uint8_t kFirst = 0x21;
  constexpr std::uint8_t kLast = 0x7E;
  Scramble out{};
  std::size_t filled = 0;
  while (filled < out.size()) {
    std::array<std::uint8_t, 2 * kNativeHashBytes> random{};
    CHECK(RAND_bytes(random.data(), static_cast<int>(random.size())) == 1);
    for (std::size_t i = 0; i < random.size() && filled < out.size(); ++i) {
      const auto byte = static_cast<std::uint8_t>(random[i] & 0x7FU);
      if (byte >= kFirst && byte <= kLast && byte != '$') {
        out[filled++] = byte;
      }
    }
  }
  return out;
}

Stage1 stage1_of(std::string_view password) {
  return Stage1{sha1(as_bytes(password))};
}

Stage2 stage2_of(const Stage1& stage1) {
  return Stage2{sha1(stage1.hash)};
}

std::optional<Stage2> parse_native_hash(std::string_view authentication_string) {
  if (authentication_string.size() != 1 + 2 * kNativeHashBytes || authentication_string[0] != '*') {
    return std::nullopt;
  }
  Stage2 out;
  for (std::size_t i = 0; i < kNativeHashBytes; ++i) {
    const auto high = hex_digit(authentication_string[1 + 2 * i]);
    const auto low = hex_digit(authentication_string[2 + 2 * i]);
    if (!high || !low) {
      return std::nullopt;
    }
    out.hash[i] = static_cast<std::uint8_t>((*high << 4U) | *low);
  }
  return out;
}

std::string native_hash_text(const Stage2& stage2) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  std::string out = "*";
  for (const std::uint8_t byte : stage2.hash) {
    out += kDigits[byte >> 4U];
    out += kDigits[byte & 0x0FU];
  }
  return out;
}

std::array<std::uint8_t, kNativeHashBytes> native_answer(const Stage1& stage1, Bytes salt) {
  Sha1 token = token_mask(salt, stage2_of(stage1));
  for (std::size_t i = 0; i < kNativeHashBytes; ++i) {
    token[i] ^= stage1.hash[i];
  }
  return token;
}

std::optional<Stage1> recover_stage1(Bytes token, Bytes salt, const Stage2& stage2) {
  if (token.size() != kNativeHashBytes) {
    return std::nullopt;
  }
  const Sha1 mask = token_mask(salt, stage2);
  Stage1 stage1;
  for (std::size_t i = 0; i < kNativeHashBytes; ++i) {
    stage1.hash[i] = static_cast<std::uint8_t>(token[i] ^ mask[i]);
  }
  const Stage2 proof = stage2_of(stage1);
  if (CRYPTO_memcmp(proof.hash.data(), stage2.hash.data(), kNativeHashBytes) != 0) {
    return std::nullopt;
  }
  return stage1;
}

}  // namespace consort::protocol
