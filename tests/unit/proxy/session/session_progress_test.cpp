// MariaDB's progress reports amid a reply: they pass, and count as a part of it.
#include "certifier/ddl_fence.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

struct ProgressScript : SessionScript {
  ProgressScript()
      : SessionScript({0xC1, 3, 16, {}}, kClient | protocol::capability::kMariadbProgress) {
    lease_capabilities = kCapabilities | protocol::capability::kMariadbProgress;
  }

  /// Part of a reply: the reports numbered from `first` on.
  void home_reports(std::uint8_t first, unsigned count) {
    Buffer wire;
    for (unsigned i = 0; i < count; ++i) {
      const std::uint8_t report[] = {0xFF, 0xFF, 0xFF, 1, 1, 2, 16, 39, 0, 4, 'c', 'o', 'p', 'y'};
      first = protocol::append_packet(wire, report, first);
    }
    feed_bytes(Channel::kHome, wire);
  }

  /// The end of that reply.
  void home_ok(std::uint8_t sequence) {
    Buffer wire;
    protocol::OkPacket ok;
    ok.status = protocol::status_flag::kAutocommit;
    protocol::append_ok(wire, ok, kCapabilities, sequence);
    feed(Channel::kHome, wire);
  }

  DdlRequest ordered(std::string_view sql, BackendId home) {
    query(sql);
    const auto request = posted_back<DdlRequest>();
    take_turn(request, home);
    return request;
  }

  void take_turn(const DdlRequest& request, BackendId home) {
    core.on_ddl_turn({request.session, Seqno{11}, home});
    backend_ok(Channel::kHome);  // the fence
    sent(Channel::kHome);
  }
};

TEST_SUITE("session") {
  TEST_CASE("SessionCore: reports pass amid a statement that all backends execute") {
    ProgressScript script;
    const DdlRequest request = script.ordered("ALTER TABLE t FORCE", BackendId{0});
    script.home_reports(1, 2);
    EXPECT(script.answer() == "ERR 65535 | ERR 65535");
    script.home_ok(3);
    EXPECT(script.last_sequence() == 2);
    script.core.on_ddl_outcome({request.session, Seqno{11}});
    EXPECT(script.answer() == "ERR 65535 | ERR 65535 | OK");
    EXPECT(script.last_sequence() == 3);
  }

  TEST_CASE("SessionCore: executed once more elsewhere, the reply goes on where reports ended") {
    ProgressScript script;
    const DdlRequest request = script.ordered("ALTER TABLE t FORCE", BackendId{0});
    script.home_reports(1, 2);
    script.lose(Channel::kHome);
    EXPECT(script.posted_back<DdlExecuted>().end == DdlEnd::kLost);
    script.take_turn(request, BackendId{1});
    script.home_reports(1, 3);
    script.home_ok(4);
    script.core.on_ddl_outcome({request.session, Seqno{11}});
    EXPECT(script.answer() == "ERR 65535 | ERR 65535 | OK");
    EXPECT(script.last_sequence() == 3);
    script.backend_ok(Channel::kHome);  // the fence is released
    script.backend_ok(Channel::kHome);  // the clock runs again
    script.applied_seqno = Seqno{11};
    script.sent(Channel::kHome);
    script.query("LOAD DATA INFILE 'x' INTO TABLE t");  // the next one begins anew
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"XA START", "LOAD DATA INFILE 'x' INTO TABLE t", "XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    script.home_reports(1, 1);
    script.home_ok(2);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kCommitted, 12);
    EXPECT(script.answer() == "ERR 65535 | OK");
    EXPECT(script.last_sequence() == 2);
  }

  TEST_CASE("SessionCore: behind a report a write is not run again in secret") {
    for (const bool prepared : {false, true}) {
      CAPTURE(prepared);
      ProgressScript script;
      script.query("LOAD DATA INFILE 'x' INTO TABLE t");
      script.backend_ok(Channel::kHome);
      script.home_reports(1, 2);
      if (prepared) {
        script.home_ok(3);
        script.backend_ok(Channel::kHome);
        script.backend_ok_gtid();
        script.outcome(BranchVerdict::kHomeLost);
      } else {
        script.lose(Channel::kHome);
      }
      EXPECT(script.answer() == "ERR 65535 | ERR 65535 | ERR 1213");
      EXPECT(script.last_sequence() == 3);
      EXPECT(script.core.idle());
    }
  }
}

}  // namespace
}  // namespace consort::proxy
