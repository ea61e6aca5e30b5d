#include "proxy/uv/tls_channel.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <utility>

#include "base/check.h"

namespace consort::proxy {
namespace {

/// What fits into one record (RFC 8446, 5.1).
constexpr std::size_t kRecordBytesMax = 16384;

/// OpenSSL's complaint about `ssl`, for people.
std::string failure_text(SSL* ssl) {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(code);
  std::string text = reason != nullptr ? reason : "the connection broke off";
  const long verified = SSL_get_verify_result(ssl);
  if (verified != X509_V_OK && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE) {
    text += std::string(": ") + X509_verify_cert_error_string(verified);
  }
  return text;
}

std::string one_line(const X509_NAME* name) {
  char* text = X509_NAME_oneline(name, nullptr, 0);
  std::string out = text != nullptr ? text : "";
  OPENSSL_free(text);
  return out;
}

/// Whom we want to speak to. The certificate is compared with it only where `verify` says so.
void name_peer(SSL* ssl, const std::string& host, bool verify) {
  ASN1_OCTET_STRING* const address = a2i_IPADDRESS(host.c_str());
  const bool is_address = address != nullptr;
  ASN1_OCTET_STRING_free(address);
  if (!is_address) {
    (void)SSL_set_tlsext_host_name(ssl, host.c_str());
  }
  if (verify && is_address) {
    CHECK(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1);
  } else if (verify) {
    CHECK(SSL_set1_host(ssl, host.c_str()) == 1);
  }
  ERR_clear_error();
}

}  // namespace

/// OpenSSL reads straight from input_ and writes straight to output_.
struct TlsChannel::Pipe {
  static TlsChannel& channel_of(BIO* bio) { return *static_cast<TlsChannel*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* into, std::size_t size, std::size_t* count) {
    BIO_clear_retry_flags(bio);
    Bytes& input = channel_of(bio).input_;
    *count = std::min(size, input.size());
    if (*count == 0) {
      BIO_set_retry_read(bio);
      return 0;
    }
    std::memcpy(into, input.data(), *count);
    input = input.subspan(*count);
    return 1;
  }

  static int write(BIO* bio, const char* from, std::size_t size, std::size_t* count) {
    BIO_clear_retry_flags(bio);
    append(channel_of(bio).output_, std::string_view(from, size));
    *count = size;
    return 1;
  }

  static long control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }

  static const BIO_METHOD* method() {
    static const BIO_METHOD* const made = [] {
      BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "spans");
      CHECK(method != nullptr);
      CHECK(BIO_meth_set_read_ex(method, &read) == 1);
      CHECK(BIO_meth_set_write_ex(method, &write) == 1);
      CHECK(BIO_meth_set_ctrl(method, &control) == 1);
      return method;
    }();
    return made;
  }
};

const Transition<TlsChannel::State> TlsChannel::kMoves[] = {
    {State::kHandshaking, State::kOpen},   {State::kHandshaking, State::kClosed},
    {State::kHandshaking, State::kFailed}, {State::kOpen, State::kClosed},
    {State::kOpen, State::kFailed},
};

TlsChannel::TlsChannel(const TlsContext& context, const std::string& host)
    : machine_(State::kHandshaking, kMoves), ssl_(SSL_new(context.raw())) {
  CHECK(ssl_ != nullptr);
  BIO* const pipe = BIO_new(Pipe::method());
  CHECK(pipe != nullptr);
  BIO_set_data(pipe, this);
  BIO_set_init(pipe, 1);
  SSL_set_bio(ssl_.get(), pipe, pipe);  // takes the pipe
  if (context.is_server()) {
    SSL_set_accept_state(ssl_.get());
    return;
  }
  SSL_set_connect_state(ssl_.get());
  name_peer(ssl_.get(), host, context.verifies_identity());
}

void TlsChannel::start() {
  if (SSL_is_server(ssl_.get()) == 0) {
    ERR_clear_error();
    check(SSL_do_handshake(ssl_.get()));
  }
}

void TlsChannel::feed(Bytes ciphertext) {
  CHECK(input_.empty());
  input_ = ciphertext;
}

Bytes TlsChannel::take_unread() {
  return std::exchange(input_, Bytes());
}

MutableBytes TlsChannel::read(MutableBytes into) {
  std::size_t total = 0;
  while (total < into.size() && (machine_.is(State::kHandshaking) || machine_.is(State::kOpen))) {
    std::size_t count = 0;
    ERR_clear_error();
    const int result = SSL_read_ex(ssl_.get(), into.data() + total, into.size() - total, &count);
    total += count;
    if (result != 1) {
      check(result);
    }
    if (machine_.is(State::kHandshaking) && SSL_is_init_finished(ssl_.get()) == 1) {
      on_established();
    }
    if (result != 1) {
      break;
    }
  }
  return into.first(total);
}

// What OpenSSL's last call came to. Its queue of errors was empty before.
void TlsChannel::check(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_NONE:
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return;
    case SSL_ERROR_ZERO_RETURN:
      machine_.move(State::kClosed);
      return;
    default:
      fail(failure_text(ssl_.get()));
  }
}

void TlsChannel::on_established() {
  machine_.move(State::kOpen);
  const Buffer held = std::exchange(held_, Buffer());
  encrypt(held);
}

void TlsChannel::write(std::initializer_list<Bytes> pieces) {
  if (!machine_.is(State::kOpen) && !machine_.is(State::kHandshaking)) {
    return;
  }
  std::size_t total = 0;
  for (const Bytes& piece : pieces) {
    total += piece.size();
  }
  if (machine_.is(State::kHandshaking)) {
    if (held_.size() + total > kHeldBytesMax) {
      fail("too much to say before the handshake is over");
      return;
    }
    for (const Bytes& piece : pieces) {
      append(held_, piece);
    }
    return;
  }
  if (pieces.size() == 1 || total > kRecordBytesMax) {
    for (const Bytes& piece : pieces) {
      encrypt(piece);
    }
    return;
  }
  // Small pieces share a record.
  std::array<std::uint8_t, kRecordBytesMax> joined;  // NOLINT: filled below
  std::size_t at = 0;
  for (const Bytes& piece : pieces) {
    std::copy(piece.begin(), piece.end(), joined.begin() + static_cast<std::ptrdiff_t>(at));
    at += piece.size();
  }
  encrypt(Bytes(joined).first(total));
}

void TlsChannel::encrypt(Bytes bytes) {
  if (bytes.empty() || !machine_.is(State::kOpen)) {
    return;
  }
  std::size_t written = 0;
  ERR_clear_error();
  const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written);
  if (result != 1 || written != bytes.size()) {
    fail(failure_text(ssl_.get()));  // the pipe takes everything: it cannot have been full
  }
}

void TlsChannel::close() {
  if (machine_.is(State::kOpen)) {
    ERR_clear_error();
    (void)SSL_shutdown(ssl_.get());
  }
}

void TlsChannel::fail(std::string error) {
  machine_.move(State::kFailed);
  error_ = std::move(error);
  held_ = Buffer();
  ERR_clear_error();
}

TlsPeer TlsChannel::peer() const {
  TlsPeer peer;
  peer.version = SSL_get_version(ssl_.get());
  peer.cipher = SSL_get_cipher_name(ssl_.get());
  const X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  peer.verified = certificate != nullptr && SSL_get_verify_mode(ssl_.get()) != SSL_VERIFY_NONE &&
                  SSL_get_verify_result(ssl_.get()) == X509_V_OK;
  if (peer.verified) {
    peer.issuer = one_line(X509_get_issuer_name(certificate));
    peer.subject = one_line(X509_get_subject_name(certificate));
  }
  return peer;
}

}  // namespace consort::proxy
