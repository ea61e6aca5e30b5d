#include "proxy/uv/tls_context.h"

#include <cstring>
#include <openssl/err.h>
#include <string>

#include "base/check.h"

namespace consort::proxy {
namespace {

/// What OpenSSL complains of in this thread: of what the system said first, else of its own last.
Error file_error(const std::string& what, const std::string& file) {
  const unsigned long first = ERR_peek_error();
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  std::string why = reason != nullptr ? reason : "unknown error";
  if (ERR_SYSTEM_ERROR(first)) {
    why = std::strerror(ERR_GET_REASON(first));
  }
  ERR_clear_error();
  return make_error("cannot read the " + what + " " + file + ": " + why);
}

}  // namespace

TlsContext::TlsContext(bool is_server)
    : context_(SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method())),
      is_server_(is_server) {
  CHECK(context_ != nullptr);
  // No renegotiation, no compression, no resumption: sessions live long, and nothing of one
  // connection is kept for the next.
  SSL_CTX_set_options(context_.get(),
                      SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context_.get(), 0);
  // Idle connections hold no record buffers.
  SSL_CTX_set_mode(context_.get(), SSL_MODE_RELEASE_BUFFERS);
}

Result<TlsContext::Shared> TlsContext::for_server(const TlsFiles& files) {
  std::shared_ptr<TlsContext> context(new TlsContext(true));
  if (Status loaded = context->load(files); !loaded.ok()) {
    return loaded.error();
  }
  if (!files.ca.empty()) {
    SSL_CTX_set_verify(context->raw(), SSL_VERIFY_PEER, nullptr);
    STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(files.ca.c_str());
    if (names == nullptr) {
      return file_error("CA certificates", files.ca);
    }
    SSL_CTX_set_client_CA_list(context->raw(), names);  // takes the names
  }
  return Shared(std::move(context));
}

Result<TlsContext::Shared> TlsContext::for_client(const TlsFiles& files, TlsMode mode) {
  CHECK(mode != TlsMode::kOff);
  std::shared_ptr<TlsContext> context(new TlsContext(false));
  if (Status loaded = context->load(files); !loaded.ok()) {
    return loaded.error();
  }
  const bool verifies = mode == TlsMode::kVerifyCa || mode == TlsMode::kVerifyIdentity;
  SSL_CTX_set_verify(context->raw(), verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  context->verifies_identity_ = mode == TlsMode::kVerifyIdentity;
  return Shared(std::move(context));
}

Status TlsContext::load(const TlsFiles& files) {
  ERR_clear_error();
  const int version = files.version_min == TlsVersion::kTls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  CHECK(SSL_CTX_set_min_proto_version(context_.get(), version) == 1);
  if (!files.certificate.empty()) {
    if (Status loaded = load_certificate(files); !loaded.ok()) {
      return loaded;
    }
  }
  return files.ca.empty() ? Status(Ok{}) : load_ca(files.ca);
}

Status TlsContext::load_certificate(const TlsFiles& files) {
  if (SSL_CTX_use_certificate_chain_file(context_.get(), files.certificate.c_str()) != 1) {
    return file_error("certificate", files.certificate);
  }
  // A key with a passphrase would ask for it on the terminal.
  SSL_CTX_set_default_passwd_cb(context_.get(), [](char*, int, int, void*) { return 0; });
  if (SSL_CTX_use_PrivateKey_file(context_.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    if (ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH) {
      ERR_clear_error();
      return make_error("the key " + files.key + " does not belong to the certificate " +
                        files.certificate);
    }
    return file_error("key", files.key);
  }
  if (SSL_CTX_check_private_key(context_.get()) != 1) {
    ERR_clear_error();
    return make_error("the key " + files.key + " does not belong to the certificate " +
                      files.certificate);
  }
  return Ok{};
}

Status TlsContext::load_ca(const std::string& file) {
  if (SSL_CTX_load_verify_locations(context_.get(), file.c_str(), nullptr) != 1) {
    return file_error("CA certificates", file);
  }
  return Ok{};
}

}  // namespace consort::proxy
