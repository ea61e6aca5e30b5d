#include "protocol/auth_ed25519.h"

#include <algorithm>
#include <sodium.h>

#include "base/check.h"

namespace consort::protocol {
namespace {

using Sha512 = std::array<std::uint8_t, crypto_hash_sha512_BYTES>;
using Scalar = std::array<std::uint8_t, crypto_core_ed25519_SCALARBYTES>;

/// libsodium wants this once; later calls do nothing.
void begin() {
  CHECK(sodium_init() >= 0);
}

/// Front half: the secret scalar, clamped as RFC 8032 has it; back half: the prefix.
Sha512 secret_of(std::string_view password) {
  Sha512 out{};
  const Bytes bytes = as_bytes(password);
  CHECK(crypto_hash_sha512(out.data(), bytes.data(), bytes.size()) == 0);
  out[0] &= 0xF8U;
  out[31] = static_cast<std::uint8_t>((out[31] & 0x3FU) | 0x40U);
  return out;
}

Ed25519Key point_of(const std::uint8_t* scalar) {
  Ed25519Key out{};
  CHECK(crypto_scalarmult_ed25519_base_noclamp(out.data(), scalar) == 0);
  return out;
}

Scalar reduced_hash(std::initializer_list<Bytes> pieces) {
  crypto_hash_sha512_state state;
  CHECK(crypto_hash_sha512_init(&state) == 0);
  for (const Bytes& piece : pieces) {
    CHECK(crypto_hash_sha512_update(&state, piece.data(), piece.size()) == 0);
  }
  Sha512 hash{};
  CHECK(crypto_hash_sha512_final(&state, hash.data()) == 0);
  Scalar out{};
  crypto_core_ed25519_scalar_reduce(out.data(), hash.data());
  return out;
}

}  // namespace

Ed25519Nonce make_ed25519_nonce() {
  begin();
  Ed25519Nonce out{};
  randombytes_buf(out.data(), out.size());
  return out;
}

std::optional<Ed25519Key> parse_ed25519_key(std::string_view authentication_string) {
  begin();
  Ed25519Key out{};
  std::size_t bytes = 0;
  const char* end = nullptr;
  const int done = sodium_base642bin(out.data(), out.size(), authentication_string.data(),
                                     authentication_string.size(), nullptr, &bytes, &end,
                                     sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
  const bool whole =
      end == authentication_string.data() + authentication_string.size() && bytes == out.size();
  return done == 0 && whole ? std::optional(out) : std::nullopt;
}

Ed25519Key ed25519_key_of(std::string_view password) {
  begin();
  return point_of(secret_of(password).data());
}

// R = rB, S = r + H(R, A, M) a  (RFC 8032, 5.1.6)
Ed25519Signature ed25519_answer(std::string_view password, Bytes nonce) {
  begin();
  Sha512 secret = secret_of(password);
  const Ed25519Key public_key = point_of(secret.data());
  Scalar random = reduced_hash({Bytes(secret).subspan(32), nonce});
  const Ed25519Key commitment = point_of(random.data());
  Scalar answer = reduced_hash({commitment, public_key, nonce});
  // The clamped secret may exceed the group's order: reduce it, since mul() wants scalars.
  std::array<std::uint8_t, crypto_core_ed25519_NONREDUCEDSCALARBYTES> wide{};
  std::copy_n(secret.begin(), 32, wide.begin());
  Scalar key{};
  crypto_core_ed25519_scalar_reduce(key.data(), wide.data());
  crypto_core_ed25519_scalar_mul(answer.data(), answer.data(), key.data());
  crypto_core_ed25519_scalar_add(answer.data(), answer.data(), random.data());
  Ed25519Signature out{};
  std::copy(commitment.begin(), commitment.end(), out.begin());
  std::copy(answer.begin(), answer.end(), out.begin() + commitment.size());
  sodium_memzero(secret.data(), secret.size());
  sodium_memzero(wide.data(), wide.size());
  sodium_memzero(key.data(), key.size());
  sodium_memzero(random.data(), random.size());
  return out;
}

bool verify_ed25519_answer(Bytes signature, Bytes nonce, const Ed25519Key& key) {
  begin();
  return signature.size() == kEd25519SignatureBytes &&
         crypto_sign_verify_detached(signature.data(), nonce.data(), nonce.size(), key.data()) == 0;
}

}  // namespace consort::protocol
