#include "protocol/auth_sha2.h"

#include <charconv>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <optional>

#include "base/check.h"

namespace consort::protocol {
namespace {

constexpr std::size_t kSaltBytes = 20;
constexpr std::size_t kCryptBytes = 43;
constexpr std::uint32_t kRoundsUnit = 1000;
/// More are refused: one login must not hold a thread for long. Servers write 5.
constexpr std::uint32_t kRoundsMax = 100 * kRoundsUnit;

/// SHA-256 over pieces; starts anew after finish().
class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new()) {
    CHECK(context_ != nullptr);
    restart();
  }

  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  ~Sha256() { EVP_MD_CTX_free(context_); }

  void add(Bytes bytes) { CHECK(EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1); }

  Sha2Hash finish() {
    Sha2Hash out{};
    unsigned int written = 0;
    CHECK(EVP_DigestFinal_ex(context_, out.data(), &written) == 1);
    CHECK(written == kSha2Bytes);
    restart();
    return out;
  }

 private:
  void restart() { CHECK(EVP_DigestInit_ex(context_, EVP_sha256(), nullptr) == 1); }

  EVP_MD_CTX* context_;
};

Sha2Hash sha256(Bytes front, Bytes back = {}) {
  Sha256 hash;
  hash.add(front);
  hash.add(back);
  return hash.finish();
}

/// `hash` again and again until there are `count` bytes.
Buffer stretched(const Sha2Hash& hash, std::size_t count) {
  Buffer out(count);
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = hash[i % kSha2Bytes];
  }
  return out;
}

/// The hash that the rounds begin with.
Sha2Hash first_digest(Bytes password, Bytes salt) {
  Sha256 hash;
  hash.add(password);
  hash.add(salt);
  hash.add(password);
  const Sha2Hash inner = hash.finish();
  hash.add(password);
  hash.add(salt);
  hash.add(stretched(inner, password.size()));
  for (std::size_t bits = password.size(); bits > 0; bits >>= 1U) {
    hash.add((bits & 1U) != 0 ? Bytes(inner) : password);
  }
  return hash.finish();
}

/// The order of bytes and the alphabet that crypt(3) prints.
std::string crypt_text(const Sha2Hash& hash) {
  constexpr std::string_view kAlphabet =
      "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string out;
  const auto put = [&](std::uint32_t bits, int characters) {
    for (int i = 0; i < characters; ++i, bits >>= 6U) {
      out += kAlphabet[bits & 0x3FU];
    }
  };
  std::size_t a = 0;
  std::size_t b = 10;
  std::size_t c = 20;
  for (int i = 0; i < 10; ++i) {
    put(static_cast<std::uint32_t>(hash[a] << 16U) | static_cast<std::uint32_t>(hash[b] << 8U) |
            hash[c],
        4);
    const std::size_t next = a;
    a = (c + 1) % 30;
    c = (b + 1) % 30;
    b = (next + 1) % 30;
  }
  put(static_cast<std::uint32_t>(hash[31] << 8U) | hash[30], 3);
  return out;
}

struct StoredHash {
  std::uint32_t rounds = 0;
  std::string_view salt;
  std::string_view crypt;
};

std::optional<StoredHash> parse_stored(std::string_view text) {
  constexpr std::string_view kHead = "$A$";
  constexpr std::size_t kRoundsBytes = 3;
  if (text.size() != kHead.size() + kRoundsBytes + 1 + kSaltBytes + kCryptBytes ||
      !text.starts_with(kHead) || text[kHead.size() + kRoundsBytes] != '$') {
    return std::nullopt;
  }
  const std::string_view digits = text.substr(kHead.size(), kRoundsBytes);
  std::uint32_t thousands = 0;
  const auto [stopped, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), thousands, 16);
  if (error != std::errc() || stopped != digits.data() + digits.size() || thousands == 0 ||
      thousands * kRoundsUnit > kRoundsMax) {
    return std::nullopt;
  }
  const std::string_view tail = text.substr(kHead.size() + kRoundsBytes + 1);
  return StoredHash{thousands * kRoundsUnit, tail.substr(0, kSaltBytes), tail.substr(kSaltBytes)};
}

bool same(Bytes left, Bytes right) {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace

Sha2Hash sha2_answer(std::string_view password, Bytes salt) {
  const Sha2Hash stage1 = sha256(as_bytes(password));
  Sha2Hash token = sha256(sha256(stage1), salt);
  for (std::size_t i = 0; i < kSha2Bytes; ++i) {
    token[i] ^= stage1[i];
  }
  return token;
}

bool verify_sha2_answer(Bytes token, std::string_view password, Bytes salt) {
  return same(token, sha2_answer(password, salt));
}

bool sha2_account_has(std::string_view authentication_string, std::string_view password) {
  const std::optional<StoredHash> stored = parse_stored(authentication_string);
  if (!stored || password.size() > kSha2PasswordBytesMax) {
    return false;
  }
  const std::string crypt = sha256_crypt(password, stored->salt, stored->rounds);
  return same(as_bytes(crypt), as_bytes(stored->crypt));
}

std::string sha256_crypt(std::string_view password, std::string_view salt, std::uint32_t rounds) {
  CHECK(password.size() <= kSha2PasswordBytesMax);
  CHECK(salt.size() <= kSha2Bytes);
  const Bytes key = as_bytes(password);
  Sha2Hash digest = first_digest(key, as_bytes(salt));
  Sha256 hash;
  for (std::size_t i = 0; i < key.size(); ++i) {
    hash.add(key);
  }
  const Buffer key_bytes = stretched(hash.finish(), key.size());
  for (unsigned i = 0; i < 16U + digest[0]; ++i) {
    hash.add(as_bytes(salt));
  }
  const Buffer salt_bytes = stretched(hash.finish(), salt.size());
  for (std::uint32_t round = 0; round < rounds; ++round) {
    const bool odd = round % 2 != 0;
    hash.add(odd ? Bytes(key_bytes) : Bytes(digest));
    if (round % 3 != 0) {
      hash.add(salt_bytes);
    }
    if (round % 7 != 0) {
      hash.add(key_bytes);
    }
    hash.add(odd ? Bytes(digest) : Bytes(key_bytes));
    digest = hash.finish();
  }
  return crypt_text(digest);
}

}  // namespace consort::protocol
