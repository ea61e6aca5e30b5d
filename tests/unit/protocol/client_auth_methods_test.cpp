// ClientAuth with accounts of other plugins than mysql_native_password.
#include <string>

#include "protocol/auth_sha2.h"
#include "protocol/client_auth.h"
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

constexpr std::string_view kDenied = "Access denied for user 'demo'@'127.0.0.1'";

const std::shared_ptr<const RsaKeyPair>& rsa_key() {
  static const std::shared_ptr<const RsaKeyPair> key = RsaKeyPair::generate();
  return key;
}

AuthMethod native(std::string_view password) {
  return {std::string(kNativePlugin), native_hash_text(stage2_of(stage1_of(password)))};
}

/// PASSWORD('pw'), as a server stores it.
AuthMethod ed25519() {
  return {std::string(kEd25519Plugin), "vRq+ROSzhW4MwhdoPvlkL1fHkT0w6ZDDbTpVQwSNQ90"};
}

/// Of the password "pw".
AuthMethod sha2() {
  const std::string salt = "abcdefghijklmnopqrst";
  return {std::string(kSha2Plugin), "$A$005$" + salt + sha256_crypt("pw", salt, 5000)};
}

AuthMethod pam() {
  return {"pam", "mariadb"};
}

AccountCredential account(std::vector<AuthMethod> methods, std::string_view known = "") {
  AccountCredential out;
  out.methods = std::move(methods);
  out.known_password = known;
  out.rsa_key = rsa_key();
  return out;
}

/// A client and its dialogue, up to the account.
class Dialogue {
 public:
  struct Options {
    bool tls = false;
    bool clear_password = false;
    std::string_view native_password = {};  ///< empty: the first answer is of another plugin
    std::uint64_t without = 0;              ///< capabilities that the client lacks
  };

  explicit Dialogue(const Options& options) : auth_(params_of(options)) {
    static_cast<void>(auth_.greeting());
    std::uint8_t sequence = 1;
    if (options.tls) {
      Buffer request;
      append_le<4>(request, capability::kProtocol41 | capability::kSsl);
      request.resize(32);
      REQUIRE(std::holds_alternative<ClientAuth::StartTls>(auth_.on_packet(request, sequence++)));
    }
    HandshakeResponse response;
    response.capabilities = kClientCapabilities & ~options.without;
    response.user = "demo";
    const bool native = !options.native_password.empty();
    response.auth_plugin = native ? kNativePlugin : kSha2Plugin;
    Buffer token;
    if (native) {
      const auto answer = native_answer(stage1_of(options.native_password), fixed_salt());
      token.assign(answer.begin(), answer.end());
    }
    response.auth_response = token;
    Buffer payload;
    encode_handshake_response(payload, response);
    REQUIRE(std::holds_alternative<ClientAuth::NeedAccount>(auth_.on_packet(payload, sequence)));
  }

  Dialogue& claim(const std::optional<AccountCredential>& claimed) {
    step_ = auth_.on_account(claimed);
    return *this;
  }

  Dialogue& answer(Bytes payload) {
    step_ = auth_.on_packet(payload, auth_.next_sequence());
    return *this;
  }

  Dialogue& change_user(std::string_view plugin, Bytes token) {
    ChangeUser change;
    change.user = "demo";
    change.auth_response = token;
    change.auth_plugin = plugin;
    Buffer payload;
    encode_change_user(payload, change, kClientCapabilities);
    REQUIRE(std::holds_alternative<ClientAuth::NeedAccount>(auth_.begin_change_user(payload, 0)));
    return *this;
  }

  /// The payload that was sent last.
  [[nodiscard]] Buffer asked() const {
    const auto* send = std::get_if<ClientAuth::Send>(&step_);
    REQUIRE(send != nullptr);
    const auto frame = peek_packet(send->bytes);
    REQUIRE(frame);
    return Buffer(frame->payload.begin(), frame->payload.end());
  }

  /// Asserts a switch to `plugin` and returns its data.
  [[nodiscard]] Buffer switched_to(std::string_view plugin) const {
    const Buffer payload = asked();
    const auto request = decode_auth_switch(payload);
    REQUIRE(request.ok());
    REQUIRE(request->plugin == plugin);
    return Buffer(request->data.begin(), request->data.end());
  }

  [[nodiscard]] const ClientAuth::Authenticated& done() const {
    const auto* out = std::get_if<ClientAuth::Authenticated>(&step_);
    REQUIRE(out != nullptr);
    return *out;
  }

  [[nodiscard]] const ClientAuth::Failed& failed() const {
    const auto* out = std::get_if<ClientAuth::Failed>(&step_);
    REQUIRE(out != nullptr);
    return *out;
  }

  void sign(std::string_view password) {
    answer(ed25519_answer(password, switched_to(kEd25519ClientPlugin)));
  }

 private:
  static ClientAuth::Params params_of(const Options& options) {
    ClientAuth::Params out;
    out.client_host = "127.0.0.1";
    out.salt = fixed_salt();
    out.clear_password = options.clear_password;
    out.capabilities |= options.tls ? capability::kSsl : 0;
    return out;
  }

  ClientAuth auth_;
  ClientAuth::Step step_;
};

std::string denied(bool used) {
  return std::string(kDenied) + " (using password: " + (used ? "YES)" : "NO)");
}

Buffer more(std::uint8_t byte) {
  return {kAuthMoreByte, byte};
}

}  // namespace

TEST_SUITE("protocol") {
  TEST_CASE("ClientAuth: ed25519 with a configured password") {
    Dialogue right({});
    right.claim(account({ed25519()}, "pw")).sign("pw");
    EXPECT((right.done().login.secret == LoginSecret(std::string("pw"))));
    EXPECT(right.done().login.proven);
    EXPECT_FALSE(right.done().login.shown_in_full);

    for (const std::string_view password : {"Pw", ""}) {
      Dialogue wrong({});
      wrong.claim(account({ed25519()}, "pw")).sign(password);
      EXPECT(wrong.failed().error.message == denied(true));
      EXPECT(wrong.failed().guess);
      EXPECT(wrong.failed().advice.empty());
    }
    Dialogue cut({});
    cut.claim(account({ed25519()}, "pw")).answer(bytes_of({1, 2, 3}));
    EXPECT(cut.failed().error.message == denied(true));
  }

  TEST_CASE("ClientAuth: ed25519 without the password the backends want") {
    struct Row {
      const char* known;
      const char* reason;
    };

    for (const Row& row : {Row{"", "Consort has no password for this account"},
                           Row{"old", "Consort has an outdated password for this account"}}) {
      Dialogue dialogue({});
      dialogue.claim(account({ed25519()}, row.known)).sign("pw");
      EXPECT(dialogue.failed().error.code == 1045);
      EXPECT(dialogue.failed().error.message == std::string(kDenied) + ": " + row.reason);
      EXPECT(dialogue.failed().advice.find("accounts.credentials_file") != std::string::npos);
      EXPECT_FALSE(dialogue.failed().guess);
    }
  }

  TEST_CASE("ClientAuth: ed25519 by the password itself, only where nobody can listen") {
    Dialogue plain({.clear_password = true});
    static_cast<void>(plain.claim(account({ed25519()})).switched_to(kEd25519ClientPlugin));
    Dialogue unwanted({.tls = true});
    static_cast<void>(unwanted.claim(account({ed25519()})).switched_to(kEd25519ClientPlugin));
    Dialogue known({.tls = true, .clear_password = true});
    static_cast<void>(known.claim(account({ed25519()}, "pw")).switched_to(kEd25519ClientPlugin));

    Dialogue right({.tls = true, .clear_password = true});
    EXPECT(right.claim(account({ed25519()})).switched_to("mysql_clear_password").empty());
    right.answer(bytes_of({'p', 'w', 0}));
    EXPECT((right.done().login.secret == LoginSecret(std::string("pw"))));
    EXPECT(right.done().login.proven);
    Dialogue wrong({.tls = true, .clear_password = true});
    wrong.claim(account({ed25519()})).answer(bytes_of({'p', 'W', 0}));
    EXPECT(wrong.failed().error.message == denied(true));
  }

  TEST_CASE("ClientAuth: several methods, tried in their order") {
    const auto native_token = [](std::string_view password) {
      return native_answer(stage1_of(password), fixed_salt());
    };
    Dialogue second({});
    second.claim(account({ed25519(), native("pn")})).sign("pn");
    EXPECT(second.switched_to(kNativePlugin).size() == kScrambleBytes);
    second.answer(native_token("pn"));
    EXPECT((second.done().login.secret == LoginSecret(stage1_of("pn"))));

    Dialogue first({.native_password = "pn"});
    first.claim(account({native("pn"), ed25519()}, "pw"));
    EXPECT((first.done().login.secret == LoginSecret(stage1_of("pn"))));

    Dialogue later({.native_password = "pw"});
    later.claim(account({native("pn"), ed25519()}, "pw")).sign("pw");
    EXPECT((later.done().login.secret == LoginSecret(std::string("pw"))));

    Dialogue none({.native_password = "no"});
    none.claim(account({native("pn"), {"unix_socket", ""}, ed25519()}, "pw")).sign("no");
    EXPECT(none.failed().error.message == denied(true));

    // A password was used with the first: the error says so of the whole login.
    Dialogue empty({});
    empty.claim(account({ed25519(), native("pn")})).sign("");
    empty.answer({});
    EXPECT(empty.failed().error.message == denied(true));
  }

  TEST_CASE("ClientAuth: plugins that no password opens, or that we do not speak") {
    struct Row {
      AuthMethod method;
      std::uint16_t code;
      std::string message;
    };

    const Row rows[] = {
        {{"unix_socket", ""}, 1698, std::string(kDenied)},
        {{"gssapi", ""},
         1045,
         std::string(kDenied) +
             ": the authentication plugin 'gssapi' is not supported by Consort yet"},
        {pam(), 1045,
         std::string(kDenied) + ": this account needs TLS: its password goes as it is"},
    };
    for (const Row& row : rows) {
      Dialogue dialogue({.native_password = "pw"});
      dialogue.claim(account({row.method}));
      EXPECT(dialogue.failed().error.code == row.code);
      EXPECT(dialogue.failed().error.message == row.message);
    }
  }

  TEST_CASE("ClientAuth: clients without plugins cannot have an account of another") {
    Dialogue dialogue({.native_password = "pw", .without = capability::kPluginAuth});
    dialogue.claim(account({ed25519()}));
    EXPECT(dialogue.failed().error.code == 1251);
    EXPECT(dialogue.failed().error.state == "08004");
    Dialogue other({.native_password = "no", .without = capability::kPluginAuth});
    other.claim(account({native("pw"), ed25519()}));
    EXPECT(other.failed().error.message == denied(true));
  }

  TEST_CASE("ClientAuth: pam is asked for through TLS and left to a backend") {
    Dialogue dialogue({.tls = true});
    static_cast<void>(dialogue.claim(account({pam()})).switched_to("mysql_clear_password"));
    dialogue.answer(bytes_of({'p', 'w', 0}));
    EXPECT((dialogue.done().login.secret == LoginSecret(std::string("pw"))));
    EXPECT_FALSE(dialogue.done().login.proven);
  }

  TEST_CASE("ClientAuth: caching_sha2_password, fast") {
    Dialogue dialogue({});
    const Buffer salt = dialogue.claim(account({sha2()}, "pw")).switched_to(kSha2Plugin);
    dialogue.answer(sha2_answer("pw", salt));
    const Buffer& bytes = dialogue.done().bytes;
    const auto frame = peek_packet(bytes);
    REQUIRE(frame);
    EXPECT(frame->bytes == bytes.size());
    EXPECT(Buffer(frame->payload.begin(), frame->payload.end()) == more(3));
    EXPECT(frame->sequence == 4);
    EXPECT((dialogue.done().login.secret == LoginSecret(std::string("pw"))));
    EXPECT_FALSE(dialogue.done().login.shown_in_full);
  }

  TEST_CASE("ClientAuth: caching_sha2_password, in full through TLS") {
    for (const std::string_view known : {"", "outdated"}) {
      Dialogue dialogue({.tls = true});
      const Buffer salt = dialogue.claim(account({sha2()}, known)).switched_to(kSha2Plugin);
      EXPECT(dialogue.answer(sha2_answer("pw", salt)).asked() == more(4));
      dialogue.answer(bytes_of({'p', 'w', 0}));
      EXPECT((dialogue.done().login.secret == LoginSecret(std::string("pw"))));
      EXPECT(dialogue.done().login.shown_in_full);
      EXPECT(dialogue.done().bytes.empty());
    }
    Dialogue wrong({.tls = true});
    wrong.claim(account({sha2()})).answer(sha2_answer("no", fixed_salt()));
    wrong.answer(bytes_of({'n', 'o', 0}));
    EXPECT(wrong.failed().error.message == denied(true));
  }

  TEST_CASE("ClientAuth: caching_sha2_password, in full by RSA") {
    for (const std::string_view password : {"pw", "no"}) {
      Dialogue dialogue({});
      dialogue.claim(account({sha2()})).answer(sha2_answer(password, fixed_salt()));
      const Buffer key = dialogue.answer(bytes_of({2})).asked();
      EXPECT(key[0] == kAuthMoreByte);
      const auto sent = rsa_encrypted(password, fixed_salt(), as_text(Bytes(key).subspan(1)));
      REQUIRE(sent);
      dialogue.answer(*sent);
      if (password == "pw") {
        EXPECT((dialogue.done().login.secret == LoginSecret(std::string("pw"))));
        EXPECT(dialogue.done().login.shown_in_full);
      } else {
        EXPECT(dialogue.failed().error.message == denied(true));
      }
    }
    AccountCredential keyless = account({sha2()});
    keyless.rsa_key = nullptr;
    Dialogue without({});
    without.claim(keyless).answer(sha2_answer("pw", fixed_salt()));
    EXPECT(without.failed().error.message ==
           std::string(kDenied) + ": this login needs TLS: the password is not known here yet");
    // The password as it is, without TLS: never taken.
    Dialogue clear({});
    clear.claim(account({sha2()})).answer(sha2_answer("pw", fixed_salt()));
    clear.answer(bytes_of({'p', 'w', 0}));
    EXPECT(clear.failed().error.message == denied(true));
  }

  TEST_CASE("ClientAuth: caching_sha2_password and empty passwords") {
    const AuthMethod none{std::string(kSha2Plugin), ""};
    for (const Buffer& token : {Buffer{}, Buffer{0}}) {
      Dialogue open({});
      open.claim(account({none})).answer(token);
      EXPECT((open.done().login.secret == LoginSecret(NoPassword{})));
      Dialogue closed({});
      closed.claim(account({sha2()})).answer(token);
      EXPECT(closed.failed().error.message == denied(false));
    }
    Dialogue given({});
    given.claim(account({none})).answer(sha2_answer("pw", fixed_salt()));
    EXPECT(given.failed().error.message == denied(true));
  }

  TEST_CASE("ClientAuth: who does not exist goes the way of who does") {
    AccountCredential ghost = account({ed25519()}, "pw");
    ghost.exists = false;
    Dialogue dialogue({});
    dialogue.claim(ghost).sign("pw");
    EXPECT(dialogue.failed().error.message == denied(true));
    EXPECT(dialogue.failed().advice.empty());
    ghost.known_password.clear();
    Dialogue unknown({});
    unknown.claim(ghost).sign("pw");
    EXPECT(unknown.failed().error.message == denied(true));
  }

  TEST_CASE("ClientAuth: COM_CHANGE_USER to any plugin and back") {
    Dialogue dialogue({.native_password = "pw"});
    static_cast<void>(dialogue.claim(account({native("pw")})).done());
    for (int round = 0; round < 2; ++round) {
      dialogue.change_user(kNativePlugin, native_answer(stage1_of("pw"), fixed_salt()));
      dialogue.claim(account({ed25519()}, "pw")).sign("pw");
      EXPECT((dialogue.done().login.secret == LoginSecret(std::string("pw"))));
      dialogue.change_user(kEd25519ClientPlugin, bytes_of({1}));
      dialogue.claim(account({sha2()}, "pw")).answer(sha2_answer("pw", fixed_salt()));
      EXPECT(dialogue.done().bytes.size() == 6);
      dialogue.change_user(kNativePlugin, native_answer(stage1_of("pw"), fixed_salt()));
      dialogue.claim(account({native("pw")}));
      EXPECT((dialogue.done().login.secret == LoginSecret(stage1_of("pw"))));
    }
  }
}
