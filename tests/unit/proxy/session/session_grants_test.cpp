// SHOW GRANTS: what Consort has granted does not show.
#include "tests/support/test.h"
#include "tests/unit/proxy/session/prepare_script.h"

namespace consort::proxy {
namespace {

/// A result set of one column with these rows.
void answer_rows(SessionScript& script,
                 const std::vector<std::string>& rows,
                 std::string_view head = "") {
  Buffer reply;
  const std::uint8_t count[] = {1};
  std::uint8_t sequence = protocol::append_packet(reply, count, 1);
  sequence = protocol::append_packet(reply, as_bytes("column definition"), sequence);
  for (const std::string& row : rows) {
    Buffer payload;
    append(payload, head);
    payload.push_back(static_cast<std::uint8_t>(row.size()));  // below 251
    append(payload, row);
    sequence = protocol::append_packet(reply, payload, sequence);
  }
  protocol::OkPacket ok;
  ok.status = protocol::status_flag::kAutocommit;
  protocol::append_ok(reply, ok, SessionScript::kCapabilities, sequence, protocol::OkHeader::kEof);
  script.feed(Channel::kRead, reply);
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: SHOW GRANTS leaves out what Consort has granted to PUBLIC") {
    SessionScript script;
    script.query("SHOW GRANTS");
    REQUIRE((script.sent(Channel::kRead) == Texts{"SHOW GRANTS"}));
    answer_rows(script,
                {"GRANT USAGE ON *.* TO `a`@`%`", "GRANT SELECT ON `consort`.`position` TO PUBLIC",
                 "GRANT SELECT ON `d`.* TO PUBLIC"});
    EXPECT(script.answer() == "data | data | data | data | EOF");
    EXPECT(script.last_sequence() == 5);
    EXPECT(script.core.idle());
    EXPECT_FALSE(script.core.lent(Channel::kRead));
  }

  TEST_CASE("SessionCore: SHOW GRANTS as a prepared statement") {
    SessionScript script;
    prepare_at_home(script, "SHOW GRANTS", 7);
    execute(script, 1);
    REQUIRE((script.sent(Channel::kRead) == Texts{"EXECUTE 7"}));
    answer_rows(script,
                {"GRANT USAGE ON *.* TO `a`@`%`", "GRANT SELECT ON `consort`.`position` TO PUBLIC"},
                std::string_view("\0\0", 2));
    EXPECT(script.last_sequence() == 4);  // a count, a definition, one row, the end
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: SHOW GRANTS that fails, or is very long, is the server's") {
    SessionScript script;
    script.query("SHOW GRANTS FOR nobody");
    script.backend_error(Channel::kRead, 1141);
    EXPECT(script.answer() == "ERR 1141");
    EXPECT(script.core.idle());
    script.query("SHOW GRANTS");
    script.sent(Channel::kRead);
    answer_rows(script, std::vector<std::string>(10000, std::string(200, 'x')));
    EXPECT(script.answer().empty());
    REQUIRE((script.sent(Channel::kRead) == Texts{"SHOW GRANTS"}));
    answer_rows(script, {"GRANT SELECT ON `consort`.`position` TO PUBLIC"});
    EXPECT(script.answer() == "data | data | data | EOF");
    EXPECT(script.core.idle());
  }
}

}  // namespace
}  // namespace consort::proxy
