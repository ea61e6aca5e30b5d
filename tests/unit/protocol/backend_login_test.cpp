#include "protocol/backend_login.h"

#include <string>

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

constexpr std::uint64_t kServer = capability::kProtocol41 | capability::kSecureConnection |
                                  capability::kPluginAuth | capability::kConnectWithDb |
                                  capability::kConnectAttrs | capability::kSessionTrack |
                                  capability::kDeprecateEof | capability::kSsl |
                                  capability::kCompress | capability::kPluginAuthLenenc;

Buffer greeting(std::uint64_t capabilities = kServer, std::string_view plugin = kNativePlugin) {
  HandshakeV10 out;
  out.server_version = "5.5.5-10.11.6-MariaDB";
  out.connection_id = 77;
  out.salt = text_bytes(kSalt);
  out.capabilities = capabilities;
  out.collation = 8;
  out.status = 2;
  out.auth_plugin = plugin;
  Buffer payload;
  encode_handshake(payload, out);
  return payload;
}

BackendLogin::Params params(BackendLogin::Credential credential) {
  BackendLogin::Params out;
  out.user = "app";
  out.credential = std::move(credential);
  out.database = "shop";
  out.capabilities = backend_capabilities_for(capability::kDeprecateEof | capability::kFoundRows);
  out.attributes = {{"program_name", "consort"}};
  return out;
}

Buffer ok_payload() {
  OkPacket ok;
  ok.status = status_flag::kAutocommit;
  Buffer out;
  encode_ok(out, ok, kServer, OkHeader::kOk);
  return out;
}

Buffer err_payload(std::uint16_t code) {
  Buffer out;
  encode_err(out, ErrPacket{code, "28000", "no"});
  return out;
}

const BackendLogin::Failed& failed(const BackendLogin::Step& step) {
  const auto* out = std::get_if<BackendLogin::Failed>(&step);
  REQUIRE(out != nullptr);
  return *out;
}

Frame sent(const BackendLogin::Step& step) {
  const auto* out = std::get_if<BackendLogin::Send>(&step);
  REQUIRE(out != nullptr);
  const auto frame = peek_packet(out->bytes);
  REQUIRE(frame);
  REQUIRE(frame->bytes == out->bytes.size());
  return *frame;
}

}  // namespace

TEST_SUITE("protocol") {
  TEST_CASE("BackendLogin: each kind of credential") {
    struct Row {
      BackendLogin::Credential credential;
      bool token;
    };

    const Row rows[] = {{BackendLogin::NoPassword{}, false},
                        {stage1_of("pw"), true},
                        {std::string("pw"), true},
                        {std::string(), false}};
    for (const Row& row : rows) {
      BackendLogin login(params(row.credential));
      const auto step = login.on_packet(greeting(), 0);
      const Frame frame = sent(step);
      EXPECT(frame.sequence == 1);
      const auto response = decode_handshake_response(frame.payload);
      REQUIRE(response.ok());
      EXPECT(response->user == "app");
      EXPECT(response->database == "shop");
      EXPECT(response->auth_plugin == kNativePlugin);
      EXPECT(response->attributes.size() == 1);
      EXPECT((response->capabilities & ~kServer) == 0);
      EXPECT((response->capabilities & (capability::kSsl | capability::kCompress)) == 0);
      EXPECT((response->capabilities & capability::kDeprecateEof) != 0);
      const Stage2 stage2 = stage2_of(stage1_of("pw"));
      EXPECT(response->auth_response.empty() == !row.token);
      EXPECT(recover_stage1(response->auth_response, as_bytes(kSalt), stage2).has_value() ==
             row.token);
      const auto done = login.on_packet(ok_payload(), 2);
      const auto* info = std::get_if<BackendLogin::Done>(&done);
      REQUIRE(info != nullptr);
      EXPECT(info->server.version == "10.11.6-MariaDB");
      EXPECT(info->server.thread_id == 77);
      EXPECT(info->server.status == status_flag::kAutocommit);
      EXPECT(info->server.capabilities == response->capabilities);
      EXPECT(login.finished());
    }
  }

  TEST_CASE("BackendLogin: TLS as far as it is wanted and offered") {
    struct Row {
      TlsMode mode;
      bool offered;
      bool fails;
      bool secure;
    };

    const Row rows[] = {
        {TlsMode::kOff, true, false, false},
        {TlsMode::kOff, false, false, false},
        {TlsMode::kPreferred, true, false, true},
        {TlsMode::kPreferred, false, false, false},
        {TlsMode::kRequired, true, false, true},
        {TlsMode::kRequired, false, true, false},
        {TlsMode::kVerifyCa, true, false, true},
        {TlsMode::kVerifyCa, false, true, false},
        {TlsMode::kVerifyIdentity, true, false, true},
        {TlsMode::kVerifyIdentity, false, true, false},
    };
    for (const Row& row : rows) {
      BackendLogin::Params wanted = params(std::string("pw"));
      wanted.tls = row.mode;
      BackendLogin login(wanted);
      const auto step =
          login.on_packet(greeting(row.offered ? kServer : kServer & ~capability::kSsl), 0);
      if (row.fails) {
        EXPECT(failed(step).permanent);
        EXPECT(failed(step).error.message.find("offers no TLS") != std::string::npos);
        continue;
      }
      const auto* secure = std::get_if<BackendLogin::StartTls>(&step);
      REQUIRE((secure != nullptr) == row.secure);
      if (secure == nullptr) {
        EXPECT(sent(step).sequence == 1);
        continue;
      }
      const auto request = peek_packet(secure->request);
      REQUIRE(request);
      EXPECT(request->sequence == 1);
      EXPECT(request->bytes == secure->request.size());
      EXPECT(decode_handshake_response(request->payload)->is_ssl_request);
      const auto response = peek_packet(secure->response);
      REQUIRE(response);
      EXPECT(response->sequence == 2);
      const auto decoded = decode_handshake_response(response->payload);
      REQUIRE(decoded.ok());
      EXPECT(decoded->user == "app");
      EXPECT((decoded->capabilities & capability::kSsl) != 0);
      const auto done = login.on_packet(ok_payload(), 3);
      const auto* info = std::get_if<BackendLogin::Done>(&done);
      REQUIRE(info != nullptr);
      EXPECT((info->server.capabilities & capability::kSsl) == 0);
    }
  }

  TEST_CASE("BackendLogin: the server asks for the native answer again") {
    for (const bool closing_zero : {true, false}) {
      BackendLogin login(params(stage1_of("pw")));
      static_cast<void>(login.on_packet(greeting(kServer, "caching_sha2_password"), 0));
      Buffer request;
      encode_auth_switch(request,
                         AuthSwitchRequest{kNativePlugin, as_bytes("ABCDEFGHIJKLMNOPQRST")});
      if (!closing_zero) {
        request.pop_back();
      }
      const auto step = login.on_packet(request, 2);
      const Frame frame = sent(step);
      EXPECT(frame.sequence == 3);
      EXPECT(recover_stage1(frame.payload, as_bytes("ABCDEFGHIJKLMNOPQRST"),
                            stage2_of(stage1_of("pw"))));
      EXPECT(std::holds_alternative<BackendLogin::Done>(login.on_packet(ok_payload(), 4)));
    }
  }

  TEST_CASE("BackendLogin: failures, and whether trying again may help") {
    struct Row {
      Buffer first;    // instead of the greeting when not empty
      Buffer verdict;  // behind a good greeting
      std::uint8_t sequence;
      std::uint16_t code;
      bool permanent;
    };

    const Buffer old_server = greeting(capability::kSecureConnection);
    const Row rows[] = {
        {err_payload(1040), {}, 0, 1040, false},
        {err_payload(1130), {}, 0, 1130, true},
        {err_payload(1053), {}, 9, 1053, false},
        {bytes_of({9, 'x'}), {}, 0, 1043, true},
        {bytes_of({10, 'x'}), {}, 0, 1043, true},
        {old_server, {}, 0, 1043, true},
        {greeting(), {}, 1, 1156, false},
        {{}, err_payload(1045), 2, 1045, true},
        {{}, err_payload(1049), 2, 1049, true},
        {{}, err_payload(1203), 2, 1203, false},
        {{}, ok_payload(), 3, 1156, false},
        {{}, bytes_of({1, 3}), 2, 1043, true},
        {{}, bytes_of({}), 2, 1043, true},
        {{}, bytes_of({0, 0}), 2, 1043, true},
        {{}, bytes_of({0xFE}), 2, 1251, true},
        {{},
         text_bytes("\xFE"
                    "client_ed25519"),
         2,
         1251,
         true},
    };
    int number = 0;
    for (const Row& row : rows) {
      CAPTURE(number++);
      BackendLogin login(params(stage1_of("pw")));
      auto step = login.on_packet(row.first.empty() ? greeting() : row.first,
                                  row.first.empty() ? std::uint8_t{0} : row.sequence);
      if (row.first.empty()) {
        step = login.on_packet(row.verdict, row.sequence);
      }
      EXPECT(failed(step).error.code == row.code);
      EXPECT(failed(step).permanent == row.permanent);
      EXPECT(login.finished());
    }
  }

  TEST_CASE("BackendLogin: names the plugin it does not speak") {
    BackendLogin login(params(stage1_of("pw")));
    static_cast<void>(login.on_packet(greeting(), 0));
    const auto step = login.on_packet(text_bytes("\xFE"
                                                 "caching_sha2_password"),
                                      2);
    EXPECT(failed(step).error.message.find("'caching_sha2_password'") != std::string::npos);
  }

  TEST_CASE("BackendLogin: switches without end are refused") {
    BackendLogin login(params(stage1_of("pw")));
    static_cast<void>(login.on_packet(greeting(), 0));
    Buffer request;
    encode_auth_switch(request, AuthSwitchRequest{kNativePlugin, as_bytes(kSalt)});
    std::uint8_t sequence = 2;
    for (int i = 0; i < 8; ++i, sequence = static_cast<std::uint8_t>(sequence + 2)) {
      EXPECT(sent(login.on_packet(request, sequence)).sequence == sequence + 1);
    }
    EXPECT(failed(login.on_packet(request, sequence)).permanent);
  }

  TEST_CASE("BackendLogin: every cut of a greeting ends in a step, never worse") {
    const Buffer whole = greeting();
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
      BackendLogin login(params(stage1_of("pw")));
      static_cast<void>(login.on_packet(Bytes(whole).first(cut), 0));
    }
  }
}
