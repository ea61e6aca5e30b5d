#include "protocol/auth_rsa.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/check.h"

namespace consort::protocol {
namespace {

constexpr int kBits = 2048;

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Context = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

std::string public_text(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()), BIO_free);
  CHECK(bio != nullptr);
  CHECK(PEM_write_bio_PUBKEY(bio.get(), key) == 1);
  char* data = nullptr;
  const long bytes = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(bytes));
}

/// The password and its closing zero, XORed with the salt over and over; its own inverse.
Buffer masked(Bytes bytes, Bytes salt) {
  CHECK(!salt.empty());
  Buffer out(bytes.begin(), bytes.end());
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] ^= salt[i % salt.size()];
  }
  return out;
}

/// En- or decrypts. Peers can make it fail, so OpenSSL's error queue is emptied.
template <typename Init, typename Run>
std::optional<Buffer> run_rsa(EVP_PKEY* key, Bytes in, Init init, Run run) {
  const Context context(EVP_PKEY_CTX_new(key, nullptr), EVP_PKEY_CTX_free);
  CHECK(context != nullptr);
  std::size_t bytes = 0;
  Buffer out;
  bool done = init(context.get()) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1 &&
              run(context.get(), nullptr, &bytes, in.data(), in.size()) == 1;
  if (done) {
    out.resize(bytes);
    done = run(context.get(), out.data(), &bytes, in.data(), in.size()) == 1;
  }
  ERR_clear_error();
  if (!done) {
    return std::nullopt;
  }
  out.resize(bytes);
  return out;
}

}  // namespace

std::shared_ptr<const RsaKeyPair> RsaKeyPair::generate() {
  EVP_PKEY* key = EVP_RSA_gen(kBits);
  CHECK(key != nullptr);
  return std::shared_ptr<const RsaKeyPair>(new RsaKeyPair(key));
}

RsaKeyPair::RsaKeyPair(evp_pkey_st* key) : key_(key), public_pem_(public_text(key)) {}

RsaKeyPair::~RsaKeyPair() {
  EVP_PKEY_free(key_);
}

std::optional<std::string> RsaKeyPair::password_of(Bytes encrypted, Bytes salt) const {
  const std::optional<Buffer> plain =
      run_rsa(key_, encrypted, EVP_PKEY_decrypt_init, EVP_PKEY_decrypt);
  if (!plain) {
    return std::nullopt;
  }
  const Buffer text = masked(*plain, salt);
  if (text.empty() || text.back() != 0) {
    return std::nullopt;
  }
  return std::string(as_text(text).substr(0, text.size() - 1));
}

std::optional<Buffer> rsa_encrypted(std::string_view password,
                                    Bytes salt,
                                    std::string_view public_pem) {
  const Bio bio(BIO_new_mem_buf(public_pem.data(), static_cast<int>(public_pem.size())), BIO_free);
  CHECK(bio != nullptr);
  const Key key(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  ERR_clear_error();
  if (key == nullptr || EVP_PKEY_base_id(key.get()) != EVP_PKEY_RSA) {
    return std::nullopt;
  }
  Buffer text(password.begin(), password.end());
  text.push_back(0);
  return run_rsa(key.get(), masked(text, salt), EVP_PKEY_encrypt_init, EVP_PKEY_encrypt);
}

}  // namespace consort::protocol
