#include <string>

#include "protocol/decode.h"
#include "protocol/encode.h"
#include "tests/support/test.h"
#include "tests/unit/protocol/wire_script.h"

using namespace consort;
using namespace consort::protocol;
using namespace consort::protocol::test;

namespace {

Buffer salt_of_20() {
  return text_bytes("abcdefghijklmnopqrst");
}

HandshakeV10 sample_handshake(std::uint64_t capabilities) {
  HandshakeV10 out;
  out.server_version = "10.11.6-MariaDB";
  out.connection_id = 0xA1B2C3D4;
  out.salt = salt_of_20();
  out.capabilities = capabilities;
  out.collation = 45;
  out.status = 2;
  out.auth_plugin = (capabilities & capability::kPluginAuth) != 0 ? kNativePlugin : "";
  return out;
}

}  // namespace

TEST_SUITE("protocol") {
  TEST_CASE("codec: greeting, of MariaDB and of MySQL") {
    using namespace capability;
    const std::uint64_t base = kProtocol41 | kSecureConnection | kConnectWithDb;
    const std::uint64_t sets[] = {base, base | kPluginAuth,
                                  base | kPluginAuth | kMariadbCacheMetadata,
                                  base | kPluginAuth | kLongPassword | kDeprecateEof};
    for (const std::uint64_t capabilities : sets) {
      CAPTURE(capabilities);
      Buffer out;
      encode_handshake(out, sample_handshake(capabilities));
      const auto back = decode_handshake(out);
      REQUIRE(back.ok());
      EXPECT(back->server_version == "10.11.6-MariaDB");
      EXPECT(back->connection_id == 0xA1B2C3D4);
      EXPECT(back->salt == salt_of_20());
      EXPECT(back->capabilities == capabilities);
      EXPECT(back->collation == 45);
      EXPECT(back->status == 2);
      EXPECT(back->auth_plugin == ((capabilities & kPluginAuth) != 0 ? kNativePlugin : ""));
    }
  }

  TEST_CASE("codec: MySQL does not carry extended capabilities") {
    Buffer out;
    encode_handshake(
        out, sample_handshake(capability::kLongPassword | capability::kProtocol41 |
                              capability::kSecureConnection | capability::kMariadbProgress));
    EXPECT((decode_handshake(out)->capabilities >> 32U) == 0);
  }

  TEST_CASE("codec: handshake response, with every optional part") {
    using namespace capability;
    const std::uint64_t base = kProtocol41 | kSecureConnection;
    for (unsigned choice = 0; choice < 32; ++choice) {
      CAPTURE(choice);
      HandshakeResponse response;
      response.zstd_level = 7;
      response.capabilities = base | ((choice & 1U) != 0 ? kConnectWithDb : 0) |
                              ((choice & 2U) != 0 ? kPluginAuth : 0) |
                              ((choice & 4U) != 0 ? kConnectAttrs : 0) |
                              ((choice & 8U) != 0 ? kPluginAuthLenenc : 0) |
                              ((choice & 16U) != 0 ? kZstdCompression : 0) | kMariadbProgress;
      response.packet_bytes_max = 1 << 24;
      response.collation = 33;
      response.user = "demo";
      const Buffer token = salt_of_20();
      response.auth_response = token;
      response.database = "shop";
      response.auth_plugin = kNativePlugin;
      response.attributes = {{"_client_name", "test"}, {"empty", ""}};
      Buffer out;
      encode_handshake_response(out, response);
      const auto back = decode_handshake_response(out);
      REQUIRE(back.ok());
      EXPECT(back->capabilities == response.capabilities);
      EXPECT(back->packet_bytes_max == 1 << 24);
      EXPECT(back->collation == 33);
      EXPECT(back->user == "demo");
      EXPECT(as_text(back->auth_response) == as_text(token));
      EXPECT(back->database == ((choice & 1U) != 0 ? "shop" : ""));
      EXPECT(back->auth_plugin == ((choice & 2U) != 0 ? kNativePlugin : ""));
      EXPECT(back->attributes.size() == ((choice & 4U) != 0 ? 2 : 0));
      EXPECT(back->zstd_level == ((choice & 16U) != 0 ? 7 : 0));
      for (std::size_t cut = 0; cut < out.size(); ++cut) {
        static_cast<void>(decode_handshake_response(Bytes(out).first(cut)));  // must not crash
      }
    }
  }

  TEST_CASE("codec: an old client and a request for TLS") {
    Buffer old = bytes_of({0x85, 0xA6, 0, 0, 0, 0, 0, 'u', 0});
    old[1] = 0;  // no kProtocol41
    EXPECT(decode_handshake_response(old).error().code ==
           static_cast<int>(DecodeError::kUnexpectedPacket));
    Buffer ssl;
    append_le<4>(ssl, capability::kProtocol41 | capability::kSsl);
    ssl.resize(32);
    const auto response = decode_handshake_response(ssl);
    REQUIRE(response.ok());
    EXPECT(response->is_ssl_request);
  }

  TEST_CASE("codec: connection attributes are bounded") {
    HandshakeResponse response;
    response.capabilities =
        capability::kProtocol41 | capability::kSecureConnection | capability::kConnectAttrs;
    const std::string large(3000, 'v');
    for (int i = 0; i < 100; ++i) {
      response.attributes.emplace_back("name", i < 2 ? std::string_view(large) : "v");
    }
    Buffer out;
    encode_handshake_response(out, response);
    const auto back = decode_handshake_response(out);
    REQUIRE(back.ok());
    EXPECT(back->attributes.size() == 1);
  }

  TEST_CASE("codec: authentication switch, in all spellings") {
    Buffer out;
    encode_auth_switch(out, AuthSwitchRequest{kNativePlugin, salt_of_20()});
    auto back = decode_auth_switch(out);
    REQUIRE(back.ok());
    EXPECT(back->plugin == kNativePlugin);
    EXPECT(as_text(back->data) == as_text(salt_of_20()));
    out.pop_back();
    back = decode_auth_switch(out);
    REQUIRE(back.ok());
    EXPECT(back->data.size() == 20);
    EXPECT(decode_auth_switch(bytes_of({0xFE}))->plugin == "mysql_old_password");
    EXPECT_FALSE(decode_auth_switch(bytes_of({0x00})).ok());
  }

  TEST_CASE("codec: COM_CHANGE_USER") {
    using namespace capability;
    const std::uint64_t capabilities =
        kProtocol41 | kSecureConnection | kPluginAuth | kConnectAttrs | kPluginAuthLenenc;
    ChangeUser change;
    change.user = "other";
    const Buffer token = salt_of_20();
    change.auth_response = token;
    change.database = "db";
    change.collation = 255;
    change.auth_plugin = kNativePlugin;
    change.attributes = {{"a", "b"}};
    Buffer out;
    encode_change_user(out, change, capabilities);
    const auto back = decode_change_user(out, capabilities);
    REQUIRE(back.ok());
    EXPECT(back->user == "other");
    EXPECT(back->database == "db");
    EXPECT(*back->collation == 255);
    EXPECT(back->auth_plugin == kNativePlugin);
    EXPECT(back->auth_response.size() == 20);
    EXPECT(back->attributes == change.attributes);
    // The shortest form that clients send ends behind the database.
    const auto shortest = decode_change_user(bytes_of({0x11, 'u', 0, 0, 0}), capabilities);
    REQUIRE(shortest.ok());
    EXPECT_FALSE(shortest->collation.has_value());
    EXPECT_FALSE(decode_change_user(bytes_of({0x11, 'u', 0, 9, 0}), capabilities).ok());
  }

  TEST_CASE("codec: OK with session changes, for those who track and those who do not") {
    using namespace capability;
    OkPacket ok;
    ok.affected_rows = 3;
    ok.last_insert_id = 0x1122334455;
    ok.status = status_flag::kAutocommit;
    ok.warnings = 2;
    ok.info = "Rows matched: 3";
    const Buffer other = bytes_of({0, 3, 'g', 't', 'i'});
    ok.changes.system_variables = {{"last_gtid", "0-1-27"}, {"autocommit", "ON"}};
    ok.changes.schema = "shop";
    ok.changes.state_changed = true;
    ok.changes.transaction_characteristics = "START TRANSACTION;";
    ok.changes.transaction_state = "T_______";
    ok.changes.gtids = "0c7d6a04-cc1b-11f0-9d6a-0242ac110002:17";
    ok.changes.others = {OtherSessionChange{9, other}};
    Buffer tracked;
    encode_ok(tracked, ok, kProtocol41 | kSessionTrack, OkHeader::kOk);
    auto back = decode_ok(tracked, kProtocol41 | kSessionTrack);
    REQUIRE(back.ok());
    EXPECT(back->affected_rows == 3);
    EXPECT(back->last_insert_id == 0x1122334455);
    EXPECT(back->status == (status_flag::kAutocommit | status_flag::kSessionStateChanged));
    EXPECT(back->warnings == 2);
    EXPECT(back->info == "Rows matched: 3");
    EXPECT(back->changes.find_variable("last_gtid") == "0-1-27");
    EXPECT(back->changes.find_variable("autocommit") == "ON");
    EXPECT_FALSE(back->changes.find_variable("other"));
    EXPECT(back->changes.schema == "shop");
    EXPECT(*back->changes.state_changed);
    EXPECT(back->changes.transaction_characteristics == "START TRANSACTION;");
    EXPECT(back->changes.transaction_state == "T_______");
    EXPECT(back->changes.gtids == ok.changes.gtids);
    REQUIRE(back->changes.others.size() == 1);
    EXPECT(as_text(back->changes.others[0].data) == as_text(other));

    Buffer plain;
    encode_ok(plain, ok, kProtocol41, OkHeader::kOk);
    back = decode_ok(plain, kProtocol41);
    REQUIRE(back.ok());
    EXPECT(back->info == "Rows matched: 3");
    EXPECT(back->status == status_flag::kAutocommit);
    EXPECT(back->changes.empty());
    for (std::size_t cut = 0; cut < tracked.size(); ++cut) {
      static_cast<void>(decode_ok(Bytes(tracked).first(cut), kSessionTrack));  // must not crash
    }
  }

  TEST_CASE("codec: the GTIDs that an OK of MySQL tells") {
    // XA PREPARE with session_track_gtids=OWN_GTID; 9.7.
    const std::string_view gtid = "0c7d6a04-cc1b-11f0-9d6a-0242ac110002:17";
    REQUIRE(gtid.size() == 39);
    Buffer wire = bytes_of({0x00, 0x00, 0x00, 0x02, 0x40, 0x00, 0x00, 0x00,  // no info
                            0x2B, 0x03, 0x29, 0x00, 0x27});
    append(wire, gtid);
    const auto ok = decode_ok(wire, capability::kProtocol41 | capability::kSessionTrack);
    REQUIRE(ok.ok());
    EXPECT(ok->changes.gtids == gtid);
    EXPECT(ok->changes.others.empty());
    EXPECT_FALSE(ok->changes.empty());
    Buffer again;
    encode_ok(again, *ok, capability::kProtocol41 | capability::kSessionTrack, OkHeader::kOk);
    EXPECT(again == wire);
    wire[12] = 0x28;  // longer than its entry
    EXPECT_FALSE(decode_ok(wire, capability::kProtocol41 | capability::kSessionTrack).ok());
  }

  TEST_CASE("codec: an OK as MariaDB writes it in a database of ucs2, utf16 or utf32") {
    // UPDATE, XA PREPARE, and with more than fits into one byte of length; 10.11.
    const std::string_view info = "(Rows matched: 2  Changed: 2  Warnings: 0";
    for (const std::size_t zeros : {0U, 1U, 3U}) {
      for (const bool informs : {true, false}) {
        for (const bool is_long : {true, false}) {
          Buffer wire = bytes_of({0x00, 0x02, 0x00, 0x22, 0x40, 0x00, 0x00});
          append(wire, informs ? info : std::string_view("\0", 1));
          wire.insert(wire.end(), zeros, 0);
          const std::string schema(is_long ? 300 : 2, 'd');
          append(wire, is_long ? std::string_view("\xFC\x46\x01", 3) : std::string_view("\x18"));
          append(wire, std::string_view("\x00\x11\x09last_gtid\x06"
                                        "0-9-18",
                                        19));
          append(wire, is_long ? std::string_view("\x01\xFC\x2F\x01\xFC\x2C\x01", 7)
                               : std::string_view("\x01\x03\x02"));
          append(wire, schema);
          const auto ok = decode_ok(wire, capability::kSessionTrack);
          REQUIRE(ok.ok());
          EXPECT(ok->affected_rows == 2);
          EXPECT(ok->info == (informs ? info.substr(1) : std::string_view()));
          EXPECT(ok->changes.find_variable("last_gtid") == "0-9-18");
          EXPECT(ok->changes.schema == schema);
        }
      }
    }
    Buffer nothing = bytes_of({0x00, 0x00, 0x00, 0x02, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00});
    const auto ok = decode_ok(nothing, capability::kSessionTrack);
    REQUIRE(ok.ok());
    EXPECT(ok->changes.empty());
  }

  TEST_CASE("codec: an OK as MariaDB writes it, byte by byte") {
    // BEGIN with every tracker on: schema, state change, transaction state and characteristics.
    Buffer wire = bytes_of({0x00, 0x00, 0x00, 0x03, 0x40, 0x00, 0x00, 0x00, 0x2B});
    append(wire, std::string_view("\x01\x06\x05mysql\x02\x01"
                                  "1\x05\x09\x08T_______"));
    append(wire, std::string_view("\x04\x13\x12START TRANSACTION;"));
    const auto ok = decode_ok(wire, capability::kSessionTrack);
    REQUIRE(ok.ok());
    EXPECT(ok->changes.schema == "mysql");
    EXPECT(*ok->changes.state_changed);
    EXPECT(ok->changes.transaction_state == "T_______");
    EXPECT(ok->changes.transaction_characteristics == "START TRANSACTION;");
    Buffer again;
    encode_ok(again, *ok, capability::kSessionTrack, OkHeader::kOk);
    EXPECT(again == wire);
  }

  TEST_CASE("codec: OK without changes claims none") {
    OkPacket ok;
    ok.status = status_flag::kAutocommit | status_flag::kSessionStateChanged;
    Buffer out;
    encode_ok(out, ok, capability::kSessionTrack, OkHeader::kOk);
    EXPECT(out == bytes_of({0, 0, 0, 2, 0, 0, 0}));
  }

  TEST_CASE("codec: the end of rows, in both forms") {
    OkPacket ok;
    ok.status = status_flag::kMoreResultsExist;
    ok.warnings = 7;
    Buffer old_form;
    encode_ok(old_form, ok, 0, OkHeader::kEof);
    EXPECT(old_form == bytes_of({0xFE, 7, 0, 8, 0}));
    Buffer new_form;
    encode_ok(new_form, ok, capability::kDeprecateEof, OkHeader::kEof);
    EXPECT(new_form == bytes_of({0xFE, 0, 0, 8, 0, 7, 0}));
    for (const std::uint64_t capabilities : {std::uint64_t{0}, capability::kDeprecateEof}) {
      const auto back = decode_ok(capabilities == 0 ? old_form : new_form, capabilities);
      REQUIRE(back.ok());
      EXPECT(back->status == status_flag::kMoreResultsExist);
      EXPECT(back->warnings == 7);
    }
  }

  TEST_CASE("codec: an info text without its length is taken to the end") {
    Buffer out = bytes_of({0, 0, 0, 2, 0, 0, 0});
    append(out, "Rows");
    EXPECT(decode_ok(out, 0)->info == "Rows");
  }

  TEST_CASE("codec: ERR with and without a state") {
    Buffer out;
    encode_err(out, ErrPacket{1213, "40001", "Deadlock found"});
    SqlError error = sql_error_of(out);
    EXPECT(error.code == 1213);
    EXPECT(error.state == "40001");
    EXPECT(error.message == "Deadlock found");
    error = sql_error_of(bytes_of({0xFF, 0x10, 0x04, 'T', 'o', 'o'}));
    EXPECT(error.code == 1040);
    EXPECT(error.state == "HY000");
    EXPECT(error.message == "Too");
    EXPECT(sql_error_of(bytes_of({0xFF, 0x10})).code == sql_code::kMalformedPacket);
    EXPECT_FALSE(decode_err(bytes_of({0x00, 0x10, 0x04})).ok());
  }

  TEST_CASE("codec: PREPARE_OK") {
    Buffer out;
    encode_prepare_ok(out, StmtPrepareOk{7, 2, 3, 1});
    EXPECT(out.size() == 12);
    const auto back = decode_prepare_ok(out);
    REQUIRE(back.ok());
    EXPECT(back->statement_id == 7);
    EXPECT(back->columns == 2);
    EXPECT(back->parameters == 3);
    EXPECT(back->warnings == 1);
    EXPECT_FALSE(decode_prepare_ok(Bytes(out).first(8)).ok());
  }
}
