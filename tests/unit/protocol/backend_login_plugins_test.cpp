// BackendLogin with backends that ask for other plugins than mysql_native_password.
#include <string>

#include "protocol/auth_ed25519.h"
#include "protocol/auth_rsa.h"
#include "protocol/auth_sha2.h"
#include "protocol/backend_login.h"
#include "protocol/decode.h"
#include "protocol/encode.h"
#include "protocol/packet_reader.h"
#include "tests/support/test.h"
#include "tests/unit/protocol/salt.h"
#include "tests/unit/protocol/wire_script.h"

using namespace consort;
using namespace consort::protocol;
using namespace consort::protocol::test;

namespace {

const std::string_view kOther = "ABCDEFGHIJKLMNOPQRST";

/// A scripted backend: sends, and looks at what came back.
class Backend {
 public:
  Backend(LoginSecret secret, std::string_view plugin, TlsMode tls = TlsMode::kOff)
      : login_(params_of(std::move(secret), tls)) {
    HandshakeV10 greeting;
    greeting.server_version = "8.4.0";
    greeting.salt = text_bytes(kSalt);
    greeting.capabilities = capability::kProtocol41 | capability::kSecureConnection |
                            capability::kPluginAuth | capability::kSsl;
    greeting.auth_plugin = plugin;
    Buffer payload;
    encode_handshake(payload, greeting);
    send(payload);
  }

  Backend& send(Bytes payload) {
    step_ = login_.on_packet(payload, sequence_++);
    answer_.clear();
    Bytes wire;
    if (const auto* plain = std::get_if<BackendLogin::Send>(&step_)) {
      wire = plain->bytes;
    } else if (const auto* secure = std::get_if<BackendLogin::StartTls>(&step_)) {
      ++sequence_;
      wire = secure->response;
    }
    if (!wire.empty()) {
      const auto frame = peek_packet(wire);
      REQUIRE(frame);
      REQUIRE(frame->sequence == sequence_++);
      answer_.assign(frame->payload.begin(), frame->payload.end());
    }
    return *this;
  }

  Backend& switch_to(std::string_view plugin, Bytes data) {
    Buffer payload;
    encode_auth_switch(payload, AuthSwitchRequest{plugin, data});
    return send(payload);
  }

  Backend& ok() {
    Buffer payload;
    encode_ok(payload, {}, capability::kProtocol41, OkHeader::kOk);
    return send(payload);
  }

  Backend& deny() {
    Buffer payload;
    encode_err(payload, ErrPacket{1045, "28000", "no"});
    return send(payload);
  }

  [[nodiscard]] const Buffer& answer() const { return answer_; }

  [[nodiscard]] HandshakeResponse response() const {
    const auto out = decode_handshake_response(answer_);
    REQUIRE(out.ok());
    return *out;
  }

  [[nodiscard]] bool done() const { return std::holds_alternative<BackendLogin::Done>(step_); }

  [[nodiscard]] const BackendLogin::Failed& failed() const {
    const auto* out = std::get_if<BackendLogin::Failed>(&step_);
    REQUIRE(out != nullptr);
    return *out;
  }

 private:
  static BackendLogin::Params params_of(LoginSecret secret, TlsMode tls) {
    BackendLogin::Params out;
    out.user = "app";
    out.credential = std::move(secret);
    out.tls = tls;
    return out;
  }

  BackendLogin login_;
  BackendLogin::Step step_;
  Buffer answer_;
  std::uint8_t sequence_ = 0;
};

const LoginSecret kPassword = std::string("pw");
const LoginSecret kHash = stage1_of("pw");

Buffer sha2_of(std::string_view salt) {
  const Sha2Hash token = sha2_answer("pw", as_bytes(salt));
  return Buffer(token.begin(), token.end());
}

}  // namespace

TEST_SUITE("protocol") {
  TEST_CASE("BackendLogin: caching_sha2_password, fast") {
    Backend announced(kPassword, kSha2Plugin);
    EXPECT(announced.response().auth_plugin == kSha2Plugin);
    EXPECT(as_text(announced.response().auth_response) == as_text(sha2_of(kSalt)));
    EXPECT(announced.send(bytes_of({1, 3})).answer().empty());
    EXPECT(announced.ok().done());

    Backend switched(kPassword, kNativePlugin);
    EXPECT(switched.response().auth_plugin == kNativePlugin);
    EXPECT(switched.switch_to(kSha2Plugin, as_bytes(kOther)).answer() == sha2_of(kOther));
    EXPECT(switched.send(bytes_of({1, 3})).ok().done());
  }

  TEST_CASE("BackendLogin: caching_sha2_password, in full through TLS") {
    Backend backend(kPassword, kSha2Plugin, TlsMode::kRequired);
    EXPECT(backend.send(bytes_of({1, 4})).answer() == bytes_of({'p', 'w', 0}));
    EXPECT(backend.ok().done());
  }

  TEST_CASE("BackendLogin: caching_sha2_password, in full by the backend's key") {
    const auto key = RsaKeyPair::generate();
    Backend backend(kPassword, kSha2Plugin);
    EXPECT(backend.send(bytes_of({1, 4})).answer() == bytes_of({2}));
    Buffer pem = {kAuthMoreByte};
    append(pem, key->public_pem());
    const Buffer sent = backend.send(pem).answer();
    EXPECT(key->password_of(sent, as_bytes(kSalt)) == "pw");
    EXPECT(backend.ok().done());

    Backend other(kPassword, kSha2Plugin);
    other.send(bytes_of({1, 4})).send(bytes_of({1, 'x'}));
    EXPECT(other.failed().error.code == sql_code::kAuthModeNotSupported);
  }

  TEST_CASE("BackendLogin: caching_sha2_password without the password") {
    Backend none(NoPassword{}, kNativePlugin);
    EXPECT(none.switch_to(kSha2Plugin, as_bytes(kSalt)).answer() == bytes_of({0}));
    EXPECT(none.ok().done());
    Backend hash(kHash, kSha2Plugin);
    EXPECT(hash.response().auth_plugin == kNativePlugin);
    hash.switch_to(kSha2Plugin, as_bytes(kSalt));
    EXPECT(hash.failed().permanent);
    EXPECT(hash.failed().error.message.find("caching_sha2_password") != std::string::npos);
  }

  TEST_CASE("BackendLogin: ed25519, also where the account has another method") {
    const Ed25519Nonce nonce = make_ed25519_nonce();
    Backend signs(kPassword, kNativePlugin);
    EXPECT(verify_ed25519_answer(signs.switch_to(kEd25519ClientPlugin, nonce).answer(), nonce,
                                 ed25519_key_of("pw")));
    EXPECT(signs.ok().done());

    Backend next(kHash, kNativePlugin);
    EXPECT(next.switch_to(kEd25519ClientPlugin, nonce).answer().size() == kEd25519SignatureBytes);
    const Buffer token = next.switch_to(kNativePlugin, as_bytes(kOther)).answer();
    EXPECT(recover_stage1(token, as_bytes(kOther), stage2_of(stage1_of("pw"))));
    EXPECT(next.ok().done());

    Backend alone(kHash, kNativePlugin);
    alone.switch_to(kEd25519ClientPlugin, nonce).deny();
    EXPECT(alone.failed().error.code == 1045);
    EXPECT(
        alone.failed().error.message ==
        "no: the backend asks for the authentication plugin 'client_ed25519', and Consort has no "
        "password for this account");
  }

  TEST_CASE("BackendLogin: a nonce that ends in zero is whole") {
    Ed25519Nonce nonce{};
    nonce.fill(7);
    nonce.back() = 0;
    Backend backend(kPassword, kNativePlugin);
    EXPECT(verify_ed25519_answer(backend.switch_to(kEd25519ClientPlugin, nonce).answer(), nonce,
                                 ed25519_key_of("pw")));
  }

  TEST_CASE("BackendLogin: the password as it is, through TLS only and once") {
    for (const std::string_view plugin : {"mysql_clear_password", "dialog"}) {
      const Buffer question = text_bytes("\4Password: ");
      Backend secure(kPassword, kNativePlugin, TlsMode::kRequired);
      EXPECT(secure.switch_to(plugin, question).answer() == bytes_of({'p', 'w', 0}));
      EXPECT(secure.ok().done());
      Backend again(kPassword, kNativePlugin, TlsMode::kRequired);
      again.switch_to(plugin, question).switch_to(plugin, question);
      EXPECT(again.failed().permanent);
      Backend plain(kPassword, kNativePlugin);
      plain.switch_to(plugin, question);
      EXPECT(plain.failed().error.message.find("set backend_tls") != std::string::npos);
      Backend hash(kHash, kNativePlugin, TlsMode::kRequired);
      hash.switch_to(plugin, question);
      EXPECT(hash.failed().error.message.find("no password") != std::string::npos);
    }
  }

  TEST_CASE("BackendLogin: packets out of place") {
    for (const Buffer& payload :
         {Buffer{}, bytes_of({1}), bytes_of({1, 3}), bytes_of({1, 4}), bytes_of({7, 7})}) {
      Backend backend(kHash, kNativePlugin);
      backend.send(payload);
      EXPECT(backend.failed().permanent);
    }
    for (const std::size_t bytes : {0U, 19U, 31U, 33U}) {
      Backend backend(kPassword, kNativePlugin);
      backend.switch_to(kEd25519ClientPlugin, Buffer(bytes, 1));
      EXPECT(backend.failed().error.code == sql_code::kAuthModeNotSupported);
    }
  }
}
