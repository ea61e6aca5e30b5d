#include "protocol/client_auth.h"

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

ClientAuth::Params params() {
  ClientAuth::Params out;
  out.server_version = "10.11.6-Consort";
  out.connection_id = 9;
  out.client_host = "127.0.0.1";
  out.salt = fixed_salt();
  return out;
}

AccountCredential account_of(std::string_view password) {
  AccountCredential out;
  out.methods = {{std::string(kNativePlugin),
                  password.empty() ? "" : native_hash_text(stage2_of(stage1_of(password)))}};
  return out;
}

Buffer native_token(std::string_view password) {
  if (password.empty()) {
    return {};
  }
  const auto token = native_answer(stage1_of(password), fixed_salt());
  return Buffer(token.begin(), token.end());
}

/// What a client answers to the greeting.
Buffer response(std::string_view plugin, Bytes auth_response, std::uint64_t also = 0) {
  HandshakeResponse out;
  out.capabilities =
      (kClientCapabilities & ~capability::kExpiredPasswords) | capability::kMariadbProgress | also;
  out.zstd_level = 9;
  out.packet_bytes_max = 1 << 24;
  out.collation = 33;
  out.user = "demo";
  out.database = "shop";
  out.auth_plugin = plugin;
  out.auth_response = auth_response;
  out.attributes = {{"_os", "Linux"}};
  Buffer payload;
  encode_handshake_response(payload, out);
  return payload;
}

Buffer ssl_request() {
  Buffer payload;
  append_le<4>(payload, capability::kProtocol41 | capability::kSsl);
  payload.resize(32);
  return payload;
}

const SqlError& error_of(const ClientAuth::Step& step) {
  const auto* failed = std::get_if<ClientAuth::Failed>(&step);
  REQUIRE(failed != nullptr);
  return failed->error;
}

const LoginInfo& login_of(const ClientAuth::Step& step) {
  const auto* done = std::get_if<ClientAuth::Authenticated>(&step);
  REQUIRE(done != nullptr);
  return done->login;
}

}  // namespace

TEST_SUITE("protocol") {
  TEST_CASE("the greeting's version has what MariaDB 10 puts in front") {
    EXPECT(greeted_version("10.11.6-MariaDB-log") == "5.5.5-10.11.6-MariaDB-log");
    EXPECT(greeted_version("11.4.2-MariaDB") == "11.4.2-MariaDB");
    EXPECT(greeted_version("8.0.36") == "8.0.36");
    EXPECT(greeted_version("").empty());
  }

  TEST_CASE("ClientAuth: a native client with the right password") {
    ClientAuth auth(params());
    const Buffer greeting = auth.greeting();
    const auto handshake = decode_handshake(peek_packet(greeting)->payload);
    REQUIRE(handshake.ok());
    EXPECT(handshake->connection_id == 9);
    EXPECT(handshake->auth_plugin == kNativePlugin);
    EXPECT(handshake->capabilities == kClientCapabilities);
    const auto step = auth.on_packet(response(kNativePlugin, native_token("pw")), 1);
    const auto* need = std::get_if<ClientAuth::NeedAccount>(&step);
    REQUIRE(need != nullptr);
    EXPECT(need->user == "demo");
    EXPECT(need->database == "shop");
    const auto verdict = auth.on_account(account_of("pw"));
    const LoginInfo& login = login_of(verdict);
    EXPECT(login.user == "demo");
    EXPECT(login.database == "shop");
    EXPECT(login.collation == 33);
    EXPECT(login.packet_bytes_max == 1 << 24);
    EXPECT(login.capabilities == (kClientCapabilities & ~capability::kExpiredPasswords));
    REQUIRE(login.attributes.size() == 1);
    EXPECT(login.attributes[0].second == "Linux");
    EXPECT((login.secret == LoginSecret(stage1_of("pw"))));
    EXPECT(auth.next_sequence() == 2);
    EXPECT(auth.authenticated());
  }

  TEST_CASE("ClientAuth: verdicts on passwords and accounts") {
    struct Row {
      const char* sent;
      std::optional<AccountCredential> account;
      std::uint16_t code;  // 0: let in
      const char* message;
    };

    AccountCredential locked = account_of("pw");
    locked.locked = true;
    AccountCredential spoilt = account_of("pw");
    spoilt.methods[0].authentication_string = "invalid";
    AccountCredential unnamed = account_of("pw");
    unnamed.methods[0].plugin.clear();
    AccountCredential ghost = account_of("pw");
    ghost.exists = false;
    AccountCredential expired = account_of("pw");
    expired.expired = true;
    const Row rows[] = {
        {"pw", ghost, 1045, "Access denied for user 'demo'@'127.0.0.1' (using password: YES)"},
        {"pw", expired, 1862,
         "Your password has expired. To log in you must change it using a client that supports "
         "expired passwords"},
        {"pw", account_of("pw"), 0, ""},
        {"pw", unnamed, 0, ""},
        {"", account_of(""), 0, ""},
        {"no", account_of("pw"), 1045,
         "Access denied for user 'demo'@'127.0.0.1' (using password: YES)"},
        {"", account_of("pw"), 1045,
         "Access denied for user 'demo'@'127.0.0.1' (using password: NO)"},
        {"pw", account_of(""), 1045,
         "Access denied for user 'demo'@'127.0.0.1' (using password: YES)"},
        {"pw", std::nullopt, 1045,
         "Access denied for user 'demo'@'127.0.0.1' (using password: YES)"},
        {"pw", locked, 4151, "Access denied, this account is locked"},
        {"no", locked, 1045, "Access denied for user 'demo'@'127.0.0.1' (using password: YES)"},
        {"pw", spoilt, 1045, "Access denied for user 'demo'@'127.0.0.1' (using password: YES)"},
    };
    for (const bool switched : {false, true}) {
      for (const Row& row : rows) {
        CAPTURE(switched);
        CAPTURE(row.sent);
        CAPTURE(row.message);
        ClientAuth auth(params());
        static_cast<void>(auth.greeting());
        const Buffer other = text_bytes("a token of thirty-two bytes.....");
        auto step = auth.on_packet(switched ? response("caching_sha2_password", other)
                                            : response(kNativePlugin, native_token(row.sent)),
                                   1);
        REQUIRE(std::holds_alternative<ClientAuth::NeedAccount>(step));
        step = auth.on_account(row.account);
        if (switched) {
          const auto* send = std::get_if<ClientAuth::Send>(&step);
          REQUIRE(send != nullptr);
          const auto frame = peek_packet(send->bytes);
          EXPECT(frame->sequence == 2);
          const auto request = decode_auth_switch(frame->payload);
          EXPECT(request->plugin == kNativePlugin);
          EXPECT(as_text(request->data) == as_text(fixed_salt()));
          step = auth.on_packet(native_token(row.sent), 3);
        }
        EXPECT(auth.next_sequence() == (switched ? 4 : 2));
        if (row.code == 0) {
          EXPECT(std::holds_alternative<Stage1>(login_of(step).secret) == (row.sent[0] != 0));
        } else {
          EXPECT(error_of(step).code == row.code);
          EXPECT(error_of(step).message == row.message);
        }
      }
    }
  }

  TEST_CASE("ClientAuth: compression where both want it, zlib before zstd") {
    using namespace capability;
    for (const std::uint64_t offered : {std::uint64_t{0}, kCompress, kZstdCompression}) {
      for (const std::uint64_t asked :
           {std::uint64_t{0}, kCompress, kZstdCompression, kCompress | kZstdCompression}) {
        ClientAuth::Params with = params();
        with.capabilities |= offered;
        ClientAuth auth(with);
        static_cast<void>(auth.greeting());
        static_cast<void>(auth.on_packet(response(kNativePlugin, native_token("pw"), asked), 1));
        const auto verdict = auth.on_account(account_of("pw"));
        const LoginInfo& login = login_of(verdict);
        REQUIRE(login.compression.has_value() == ((offered & asked) != 0));
        if (login.compression) {
          EXPECT(
              login.compression->algorithm ==
              (offered == kCompress ? CompressionAlgorithm::kZlib : CompressionAlgorithm::kZstd));
          EXPECT(login.compression->level == (offered == kCompress ? 0 : 9));
        }
      }
    }
  }

  TEST_CASE("ClientAuth: a client's address that becomes known later") {
    ClientAuth auth(params());
    static_cast<void>(auth.greeting());
    auth.set_client_host("10.1.2.3");
    static_cast<void>(auth.on_packet(response(kNativePlugin, native_token("wrong")), 1));
    const auto verdict = auth.on_account(account_of("pw"));
    EXPECT(error_of(verdict).message ==
           "Access denied for user 'demo'@'10.1.2.3' (using password: YES)");
  }

  TEST_CASE("ClientAuth: TLS where it is offered") {
    ClientAuth::Params offered = params();
    offered.capabilities |= capability::kSsl;
    ClientAuth auth(offered);
    const Buffer greeting = auth.greeting();
    EXPECT((decode_handshake(peek_packet(greeting)->payload)->capabilities & capability::kSsl) !=
           0);
    REQUIRE(std::holds_alternative<ClientAuth::StartTls>(auth.on_packet(ssl_request(), 1)));
    EXPECT(auth.next_sequence() == 2);
    const auto step = auth.on_packet(response(kNativePlugin, native_token("pw")), 2);
    REQUIRE(std::holds_alternative<ClientAuth::NeedAccount>(step));
    EXPECT(login_of(auth.on_account(account_of("pw"))).user == "demo");

    ClientAuth twice(offered);
    static_cast<void>(twice.greeting());
    REQUIRE(std::holds_alternative<ClientAuth::StartTls>(twice.on_packet(ssl_request(), 1)));
    EXPECT(error_of(twice.on_packet(ssl_request(), 2)).code == sql_code::kHandshakeError);

    ClientAuth plain(offered);
    static_cast<void>(plain.greeting());
    EXPECT(std::holds_alternative<ClientAuth::NeedAccount>(
        plain.on_packet(response(kNativePlugin, native_token("pw")), 1)));
  }

  TEST_CASE("ClientAuth: TLS where it is required") {
    ClientAuth::Params required = params();
    required.capabilities |= capability::kSsl;
    required.tls_required = true;
    ClientAuth plain(required);
    static_cast<void>(plain.greeting());
    const auto refused = plain.on_packet(response(kNativePlugin, native_token("pw")), 1);
    EXPECT(error_of(refused).code == sql_code::kAccessDenied);
    EXPECT(error_of(refused).message.find("TLS is required here") != std::string::npos);

    ClientAuth secure(required);
    static_cast<void>(secure.greeting());
    REQUIRE(std::holds_alternative<ClientAuth::StartTls>(secure.on_packet(ssl_request(), 1)));
    EXPECT(std::holds_alternative<ClientAuth::NeedAccount>(
        secure.on_packet(response(kNativePlugin, native_token("pw")), 2)));
  }

  TEST_CASE("ClientAuth: an account that demands other TLS denies even the right password") {
    for (const std::string_view password : {"pw", ""}) {
      ClientAuth auth(params());
      static_cast<void>(auth.greeting());
      static_cast<void>(auth.on_packet(response(kNativePlugin, native_token(password)), 1));
      AccountCredential account = account_of(password);
      account.transport_suffices = false;
      const auto step = auth.on_account(account);
      EXPECT(error_of(step).code == sql_code::kAccessDenied);
      const std::string used = password.empty() ? "using password: NO" : "using password: YES";
      EXPECT(error_of(step).message.find(used) != std::string::npos);
    }
  }

  TEST_CASE("ClientAuth: clients we cannot serve") {
    struct Row {
      Buffer payload;
      std::uint8_t sequence;
      std::uint16_t code;
    };

    const Row rows[] = {
        {ssl_request(), 1, sql_code::kHandshakeError},
        {bytes_of({5, 0, 0, 0, 0, 'u', 0}), 1, sql_code::kHandshakeError},
        {{}, 1, sql_code::kHandshakeError},
        {response(kNativePlugin, {}), 2, sql_code::kPacketsOutOfOrder},
        {response(kNativePlugin, {}), 0, sql_code::kPacketsOutOfOrder},
    };
    for (const Row& row : rows) {
      ClientAuth auth(params());
      static_cast<void>(auth.greeting());
      const auto step = auth.on_packet(row.payload, row.sequence);
      EXPECT(error_of(step).code == row.code);
      EXPECT(auth.next_sequence() == row.sequence + 1);
    }
  }

  TEST_CASE("ClientAuth: clients that know no plugins") {
    struct Row {
      std::uint64_t capabilities;
      std::uint16_t code;  // 0: let in
    };

    const std::uint64_t base = capability::kProtocol41 | capability::kConnectWithDb;
    const Row rows[] = {{base | capability::kSecureConnection, 0},
                        {base, sql_code::kHandshakeError}};
    for (const Row& row : rows) {
      Buffer payload;
      append_le<4>(payload, row.capabilities);
      append_le<4>(payload, 1 << 24);
      payload.push_back(8);
      payload.resize(32);
      append_nul_text(payload, "demo");
      if ((row.capabilities & capability::kSecureConnection) != 0) {
        append_lenenc_bytes(payload, native_token("pw"));
      } else {
        append_nul_text(payload, "8letters");
      }
      append_nul_text(payload, "shop");
      ClientAuth auth(params());
      static_cast<void>(auth.greeting());
      REQUIRE(std::holds_alternative<ClientAuth::NeedAccount>(auth.on_packet(payload, 1)));
      const auto step = auth.on_account(account_of("pw"));
      if (row.code == 0) {
        EXPECT(login_of(step).database == "shop");
      } else {
        EXPECT(error_of(step).code == row.code);
      }
    }
  }

  TEST_CASE("ClientAuth: every cut of a response ends in a step, never worse") {
    const Buffer whole = response(kNativePlugin, native_token("pw"));
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
      ClientAuth auth(params());
      static_cast<void>(auth.greeting());
      const auto step = auth.on_packet(Bytes(whole).first(cut), 1);
      if (std::holds_alternative<ClientAuth::NeedAccount>(step)) {
        static_cast<void>(auth.on_account(account_of("pw")));
      } else {
        EXPECT(error_of(step).code == sql_code::kHandshakeError);
      }
    }
  }

  TEST_CASE("ClientAuth: COM_CHANGE_USER authenticates again, against the same salt") {
    ClientAuth auth(params());
    static_cast<void>(auth.greeting());
    static_cast<void>(auth.on_packet(response(kNativePlugin, native_token("pw")), 1));
    static_cast<void>(auth.on_account(account_of("pw")));
    for (int round = 0; round < 2; ++round) {
      for (const bool switched : {false, true}) {
        ChangeUser change;
        change.user = "second";
        const Buffer token = native_token("two");
        change.auth_response = token;
        change.auth_plugin = switched ? "client_ed25519" : kNativePlugin;
        change.collation = 45;
        Buffer payload;
        encode_change_user(payload, change, kClientCapabilities);
        auto step = auth.begin_change_user(payload, 0);
        REQUIRE(std::holds_alternative<ClientAuth::NeedAccount>(step));
        step = auth.on_account(account_of("two"));
        if (switched) {
          REQUIRE(std::holds_alternative<ClientAuth::Send>(step));
          step = auth.on_packet(token, 2);
        }
        const LoginInfo& login = login_of(step);
        EXPECT(login.user == "second");
        EXPECT(login.database.empty());
        EXPECT(login.collation == 45);
        EXPECT(login.capabilities == (kClientCapabilities & ~capability::kExpiredPasswords));
        EXPECT((login.secret == LoginSecret(stage1_of("two"))));
        EXPECT(auth.next_sequence() == (switched ? 3 : 1));
      }
    }
    EXPECT(error_of(auth.begin_change_user(bytes_of({0x11, 'u'}), 0)).code == 1047);
    auth.stay();  // it is who it was, and may try again
    ChangeUser change;
    change.user = "second";
    change.auth_plugin = kNativePlugin;
    Buffer payload;
    encode_change_user(payload, change, kClientCapabilities);
    REQUIRE(std::holds_alternative<ClientAuth::NeedAccount>(auth.begin_change_user(payload, 0)));
    EXPECT(error_of(auth.on_account(account_of("two"))).code == sql_code::kAccessDenied);
    auth.stay();
    EXPECT(auth.authenticated());
  }
}
