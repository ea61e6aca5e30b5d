#include "certifier/apply_lane.h"

#include <string>

#include "certifier/ddl_fence.h"
#include "certifier/sequence_reserve.h"
#include "tests/support/row_events.h"
#include "tests/support/test.h"

namespace {

using namespace consort;
using namespace consort::certifier;

constexpr BackendId kHere{0};
constexpr BackendId kThere{1};
constexpr std::uint32_t kCluster = 0xAB;
constexpr const char* kClusterId = "c1";

bool contains(std::string_view text, std::string_view what) {
  return text.find(what) != text.npos;
}

/// What insert_events() adds to the rows.
const std::size_t kFrameBytes = test::insert_events("").size();

std::shared_ptr<const LogEntry> writeset(std::uint64_t seqno,
                                         BackendId home,
                                         std::string_view payload = "rows") {
  Writeset body;
  body.branch = {1, 0, seqno};
  body.home = home;
  body.payload = test::insert_events(payload);
  return std::make_shared<LogEntry>(LogEntry{1, Seqno{seqno}, body});
}

/// Its statements, what BINLOG does in words.
std::string sql_of(const LaneBatch& batch) {
  return test::describe_binlog(batch.statements.back());
}

std::shared_ptr<const LogEntry> ddl(std::uint64_t seqno,
                                    const char* sql = "CREATE TABLE t (a INT)") {
  Ddl body;
  body.home = kHere;
  body.sql = sql;
  body.targets = {{"shop", "t"}};
  body.schema = "shop";
  body.session_set = "SET SESSION sql_mode=X'41'";
  return std::make_shared<LogEntry>(LogEntry{1, Seqno{seqno}, body});
}

std::shared_ptr<const LogEntry> other(EntryBody body) {
  return std::make_shared<LogEntry>(LogEntry{1, Seqno{0}, std::move(body)});
}

std::shared_ptr<const LogEntry> program(std::uint64_t seqno, BackendId home) {
  Ddl body;
  body.home = home;
  body.sql = "CALL p()";
  body.program_thread = 77;
  return std::make_shared<LogEntry>(LogEntry{1, Seqno{seqno}, body});
}

/// Rows that the program of `of` has committed on `home`, as group `group` of its binlog.
std::shared_ptr<const LogEntry> part(std::uint64_t seqno,
                                     std::uint64_t of,
                                     BackendId home,
                                     std::uint64_t group) {
  Writeset body;
  body.home = home;
  body.flags = kWritesetAtHome;
  body.part = {Seqno{of}, {0, 1, group}, true};
  body.payload = test::insert_events("part");
  return std::make_shared<LogEntry>(LogEntry{1, Seqno{seqno}, body});
}

std::shared_ptr<const LogEntry> ddl_part(std::uint64_t seqno,
                                         std::uint64_t of,
                                         BackendId home,
                                         std::uint64_t group,
                                         std::uint16_t error = 0) {
  Ddl body;
  body.home = home;
  body.sql = "TRUNCATE t";
  body.part = {Seqno{of}, {0, 1, group}, true, error};
  return std::make_shared<LogEntry>(LogEntry{1, Seqno{seqno}, body});
}

/// A lane that is connected at `position` with everything before it listed.
struct Rig {
  ApplyLane lane{kHere, kCluster};
  std::uint32_t generation = 0;

  explicit Rig(std::uint64_t position = 0, LaneLimits limits = {}) : lane(kHere, kCluster, limits) {
    connect(position);
  }

  void connect(std::uint64_t position,
               std::vector<BranchId> held = {},
               std::uint64_t listed_up_to = 0,
               std::uint64_t mark = 0,
               std::uint64_t durable = 0,
               const char* binlog = "",
               std::uint64_t binlog_of = 0) {
    LaneStart start;
    start.cluster_id = kClusterId;
    start.owner = {1, ++generation};
    start.position = Seqno{position};
    start.ddl_mark = Seqno{mark};
    start.held = std::move(held);
    start.listed_up_to = Seqno{listed_up_to};
    start.durable = Seqno{durable};
    start.binlog = GtidState::parse(binlog).value();
    start.binlog_of = Seqno{binlog_of};
    lane.on_connected(start);
  }

  template <typename... Start>
  void restart(Start... start) {
    lane.on_disconnected();
    connect(start...);
  }

  LaneBatch batch(const BatchLimits& limits = {}) {
    const auto turn = lane.next_turn(limits);
    REQUIRE(turn.has_value());
    const auto* batch = std::get_if<LaneBatch>(&*turn);
    REQUIRE(batch != nullptr);
    return *batch;
  }

  template <typename Turn>
  Turn turn() {
    const auto turn = lane.next_turn();
    REQUIRE(turn.has_value());
    REQUIRE(std::holds_alternative<Turn>(*turn));
    return std::get<Turn>(*turn);
  }

  LaneAction fail(std::uint16_t error, std::size_t statement = 0) {
    return lane.on_turn_failed(error, "because", statement);
  }

  void apply_all() {
    while (const auto turn = lane.next_turn()) {
      REQUIRE(std::holds_alternative<LaneBatch>(*turn));
      lane.on_turn_done();
    }
  }
};

}  // namespace

TEST_SUITE("certifier") {
  TEST_CASE("ApplyLane: applies payloads of others and commits its own branches, in order") {
    Rig rig;
    rig.lane.push(writeset(1, kThere));
    rig.lane.push(writeset(2, kHere));
    rig.lane.push(writeset(3, kThere));
    const LaneBatch batch = rig.batch();
    EXPECT((batch.first == Seqno{1}));
    EXPECT((batch.last == Seqno{3}));
    REQUIRE(batch.statements.size() == 1);
    EXPECT(contains(sql_of(batch), "BINLOG [0>2 s.t:rows]"));  // over the branch behind the payload
    EXPECT(contains(batch.statements[0], "XA COMMIT 'consort-ab-1-0-2'"));
    EXPECT(contains(sql_of(batch), "BINLOG [2>3 s.t:rows]"));
    EXPECT_FALSE(rig.lane.next_turn().has_value());  // one at a time
    EXPECT((rig.lane.applied() == Seqno{0}));
    rig.lane.on_turn_done();
    EXPECT((rig.lane.applied() == Seqno{3}));
    EXPECT(rig.lane.queued_entries() == 0);
    EXPECT(rig.lane.queued_bytes() == 0);
    EXPECT_FALSE(rig.lane.next_turn().has_value());
  }

  TEST_CASE("ApplyLane: does nothing before it is connected") {
    ApplyLane lane(kHere, kCluster);
    lane.push(writeset(1, kThere));
    EXPECT_FALSE(lane.next_turn().has_value());
    EXPECT_FALSE(lane.wants_from().has_value());
    lane.on_disconnected();
    EXPECT(lane.state() == LaneState::kOffline);
  }

  TEST_CASE("ApplyLane: rows that the home committed by itself only move its position") {
    Rig rig;
    Writeset body;
    body.home = kHere;
    body.flags = kWritesetAtHome;
    body.payload = {1};
    rig.lane.push(std::make_shared<LogEntry>(LogEntry{1, Seqno{1}, body}));
    const LaneBatch batch = rig.batch();
    EXPECT(sql_of(batch) == "BINLOG [0>1]");
  }

  TEST_CASE("ApplyLane: all rows of a table take the place of those that are there, everywhere") {
    for (const BackendId home : {kHere, kThere}) {
      Rig rig;
      rig.lane.push(writeset(1, kThere));
      Writeset body;
      body.home = home;
      body.flags = kWritesetAtHome | kWritesetWholeTable;
      body.payload = test::insert_events("all");
      rig.lane.push(std::make_shared<LogEntry>(LogEntry{1, Seqno{2}, body}));
      rig.lane.push(writeset(3, kThere));
      EXPECT((rig.batch().last == Seqno{1}));
      rig.lane.on_turn_done();
      const LaneBatch batch = rig.batch();
      EXPECT((batch.first == Seqno{2}));
      EXPECT((batch.last == Seqno{2}));
      REQUIRE(batch.statements.size() == 1);
      const std::string& sql = batch.statements[0];
      const auto begins = sql.find("START TRANSACTION; BINLOG '");
      const auto clears =
          sql.find("'; SET STATEMENT foreign_key_checks=0 FOR DELETE FROM `s`.`t`; BINLOG '");
      const auto rows = sql.find(base64(body.payload) + "'; COMMIT; ");
      EXPECT(begins < clears);
      EXPECT(clears < rows);
      EXPECT(rows != std::string::npos);
      EXPECT(rig.lane.held_entries().empty());
      rig.lane.on_turn_done();
      EXPECT((rig.batch().first == Seqno{3}));
    }
  }

  TEST_CASE("ApplyLane: a large table is deleted behind the pieces of its rows") {
    LaneLimits limits;
    Rig rig(0, limits);
    Writeset body;
    body.home = kThere;
    body.flags = kWritesetAtHome | kWritesetWholeTable;
    body.payload = test::insert_events(std::string(5 << 20, 'x'));
    rig.lane.push(std::make_shared<LogEntry>(LogEntry{1, Seqno{1}, body}));
    const LaneBatch batch = rig.batch();
    REQUIRE(batch.statements.size() > 3);
    const std::string& last = batch.statements[batch.statements.size() - 2];
    EXPECT(last.find("FOR DELETE FROM `s`.`t`; BINLOG @consort_1,@consort_2; COMMIT; ") !=
           std::string::npos);
    EXPECT(batch.statements.front().starts_with("SET @consort_1="));
  }

  TEST_CASE("ApplyLane: numbers of sequences raise them, on other backends and after a new start") {
    const auto numbers = [](std::uint64_t seqno, BackendId home, std::int64_t next) {
      const SequenceReserve reserve{"d", "s", next, 10, 2};
      Writeset body;
      body.home = home;
      body.flags = kWritesetAtHome | kWritesetSequences;
      body.payload = encode_reserves({&reserve, 1});
      return std::make_shared<LogEntry>(LogEntry{1, Seqno{seqno}, body});
    };
    const auto raises = [](const std::string& sql, const std::string& value) {
      return sql.find("DO SETVAL(`d`.`s`," + value + ",0)") != std::string::npos;
    };
    Rig rig;
    rig.lane.push(numbers(1, kThere, 121));
    rig.lane.push(numbers(2, kThere, 141));  // of one sequence the newest counts
    rig.lane.push(numbers(3, kHere, 1001));  // reserved by the backend as it is now
    rig.lane.push(writeset(4, kThere));
    const LaneBatch batch = rig.batch();
    REQUIRE(batch.statements.size() == 2);
    EXPECT(raises(batch.statements[0], "121"));
    EXPECT_FALSE(raises(batch.statements[0], "101"));
    EXPECT_FALSE(raises(batch.statements[0], "1001"));
    EXPECT_FALSE(raises(batch.statements[0], "981"));
    EXPECT((batch.last == Seqno{4}));
    EXPECT(rig.lane.held_entries().empty());
    rig.lane.on_turn_done();

    // The backend begins anew at 2, while the log has come to 3: it may have forgotten that one.
    rig.lane.on_disconnected();
    rig.connect(2, {}, 3, 0, 4);
    EXPECT((rig.lane.began_at() == Seqno{3}));
    rig.lane.push(numbers(3, kHere, 1001));
    rig.lane.push(numbers(4, kHere, 2001));
    const LaneBatch again = rig.batch();
    REQUIRE(again.statements.size() == 2);
    EXPECT(raises(again.statements[0], "1001"));  // behind it
    EXPECT_FALSE(raises(again.statements[0], "2001"));
    // A look at the position is no new start.
    EXPECT(rig.fail(1205, 1) == LaneAction::kRetry);
    rig.connect(2, {}, 4, 0, 4);
    EXPECT((rig.lane.began_at() == Seqno{3}));
  }

  TEST_CASE("ApplyLane: batches keep their limits") {
    Rig rig;
    for (std::uint64_t seqno = 1; seqno <= 10; ++seqno) {
      rig.lane.push(writeset(seqno, kThere, std::string(100 - kFrameBytes, 'x')));
    }
    EXPECT((rig.batch({4, 1000, 1000}).last == Seqno{4}));
    rig.lane.on_turn_done();
    EXPECT((rig.batch({100, 250, 1000}).last == Seqno{6}));
    rig.lane.on_turn_done();
    EXPECT((rig.batch({100, 10, 1000}).last == Seqno{7}));  // one goes always
    rig.lane.on_turn_done();
    const LaneBatch large = rig.batch({100, 1000, 99});
    EXPECT(large.statements.size() > 3);
    EXPECT((large.first == Seqno{8}));
    EXPECT((large.last == Seqno{8}));
    rig.lane.on_turn_done();
    rig.lane.push(writeset(11, kThere, std::string(500, 'x')));
    EXPECT((rig.batch({100, 10'000, 400}).last == Seqno{10}));  // stops before a large one
  }

  TEST_CASE("ApplyLane: a full queue asks for what it left out") {
    Rig rig(0, LaneLimits{4, 1000});
    for (std::uint64_t seqno = 1; seqno <= 6; ++seqno) {
      rig.lane.push(writeset(seqno, kThere));
    }
    EXPECT(rig.lane.queued_entries() == 4);
    EXPECT_FALSE(rig.lane.wants_from().has_value());  // no room yet
    rig.apply_all();
    EXPECT((rig.lane.wants_from() == Seqno{5}));
    rig.lane.push(writeset(7, kThere));  // live, but not its turn
    EXPECT(rig.lane.queued_entries() == 0);
    for (std::uint64_t seqno = 5; seqno <= 7; ++seqno) {
      rig.lane.push(writeset(seqno, kThere));
    }
    EXPECT_FALSE(rig.lane.wants_from().has_value());
    rig.apply_all();
    EXPECT((rig.lane.applied() == Seqno{7}));
  }

  TEST_CASE("ApplyLane: a full queue by bytes, and one entry that is larger than the bound") {
    Rig rig(0, LaneLimits{100, 50});
    rig.lane.push(writeset(1, kThere, std::string(80 - kFrameBytes, 'x')));
    rig.lane.push(writeset(2, kThere, "x"));
    EXPECT(rig.lane.queued_entries() == 1);
    EXPECT(rig.lane.queued_bytes() == 80);
    rig.apply_all();
    EXPECT((rig.lane.wants_from() == Seqno{2}));
  }

  TEST_CASE("ApplyLane: texts of DDL take room in the queue, which knows what it holds") {
    Rig rig(0, LaneLimits{100, 100});
    EXPECT(rig.lane.queued(Seqno{1}) == nullptr);
    rig.lane.push(ddl(1, "CREATE TABLE t (a INT COMMENT 'what a client says about it')"));
    rig.lane.push(writeset(2, kThere, ""));
    rig.lane.push(ddl(3, "CREATE TABLE t (a INT COMMENT 'what a client says about it')"));
    EXPECT(rig.lane.queued_ddl() == 1);
    EXPECT(rig.lane.queued_bytes() > 60);
    EXPECT(rig.lane.queued_bytes() <= 100);
    EXPECT(rig.lane.queued(Seqno{1})->ddl() != nullptr);
    EXPECT(rig.lane.queued(Seqno{3}) == nullptr);
    rig.lane.on_ddl_result({Seqno{1}, DdlOutcome::kRun});
    rig.apply_all();
    EXPECT(rig.lane.queued_ddl() == 0);
    EXPECT(rig.lane.queued_bytes() == 0);
    EXPECT(rig.lane.queued(Seqno{1}) == nullptr);
    EXPECT((rig.lane.wants_from() <= Seqno{3}));
  }

  TEST_CASE("ApplyLane: after a restart it asks for what the log has beyond the position") {
    ApplyLane lane(kHere, kCluster);
    lane.push(writeset(9, kThere));
    LaneStart start;
    start.owner = {1, 1};
    start.position = Seqno{5};
    start.durable = Seqno{8};
    lane.on_connected(start);
    EXPECT((lane.applied() == Seqno{5}));
    EXPECT((lane.wants_from() == Seqno{6}));
  }

  TEST_CASE("ApplyLane: what an error leads to") {
    struct Row {
      std::uint16_t error;
      LaneAction action;
      LaneState state;
    };

    const Row rows[] = {
        {1205, LaneAction::kRetry, LaneState::kUnsure},
        {1213, LaneAction::kRetry, LaneState::kUnsure},
        {1317, LaneAction::kResync, LaneState::kUnsure},
        {1021, LaneAction::kBackOff, LaneState::kUnsure},
        {1032, LaneAction::kResync, LaneState::kUnsure},  // at first
        {1062, LaneAction::kInconsistent, LaneState::kStopped},
        {1397, LaneAction::kInconsistent, LaneState::kStopped},
        {kFencedErrno, LaneAction::kFenced, LaneState::kStopped},
    };
    for (const Row& row : rows) {
      CAPTURE(row.error);
      Rig rig;
      rig.lane.push(writeset(1, kThere));
      (void)rig.batch();
      EXPECT(rig.fail(row.error) == row.action);
      EXPECT(rig.lane.state() == row.state);
      EXPECT((rig.lane.applied() == Seqno{0}));
      EXPECT_FALSE(rig.lane.next_turn().has_value());
      EXPECT(rig.lane.stop_reason().empty() == (row.state != LaneState::kStopped));
    }
  }

  TEST_CASE("ApplyLane: a row that is not there may be the position's: it is read first") {
    Rig rig;
    rig.lane.push(writeset(1, kThere));
    rig.lane.push(writeset(2, kThere));
    for (int i = 0; i < 2; ++i) {
      (void)rig.batch();
      EXPECT(rig.fail(1032) == LaneAction::kResync);
      rig.connect(1);  // the first batch got so far
    }
    (void)rig.batch();  // the same place again, and the position is as believed
    EXPECT(rig.fail(1032) == LaneAction::kInconsistent);
    EXPECT(contains(rig.lane.stop_reason(), "differs"));
  }

  TEST_CASE("ApplyLane: a stopped lane stays stopped and keeps nothing") {
    Rig rig;
    rig.lane.push(writeset(1, kThere));
    (void)rig.batch();
    (void)rig.fail(1062);
    EXPECT(contains(rig.lane.stop_reason(), "error 1062: because"));
    EXPECT(contains(rig.lane.stop_reason(), "seqno 1"));
    rig.lane.on_disconnected();
    rig.lane.push(writeset(1, kThere));
    rig.lane.push(writeset(2, kThere));
    EXPECT(rig.lane.state() == LaneState::kStopped);
    EXPECT(rig.lane.queued_entries() == 0);
    EXPECT_FALSE(rig.lane.wants_from().has_value());
  }

  TEST_CASE("ApplyLane: after a failure it goes on from where the backend says it is") {
    for (std::uint64_t position = 0; position <= 3; ++position) {
      CAPTURE(position);
      Rig rig;
      rig.lane.push(writeset(1, kThere));
      rig.lane.push(writeset(2, kHere));
      rig.lane.push(writeset(3, kThere));
      (void)rig.batch();
      EXPECT(rig.fail(1317) == LaneAction::kResync);
      rig.connect(position, {BranchId{1, 0, 2}}, 3);
      EXPECT((rig.lane.applied() == Seqno{position}));
      if (position < 3) {
        const LaneBatch batch = rig.batch();
        EXPECT((batch.first == Seqno{position + 1}));
        EXPECT(contains(batch.statements[0], "XA COMMIT") == (position < 2));
        const std::string sql = batch.statements[0];
        const std::size_t from = sql.find("BINLOG '") + 8;
        const Buffer events =
            test::decode_base64(std::string_view(sql).substr(from, sql.find('\'', from) - from));
        const auto [before, after] =
            test::position_images(test::parse_events(events).at(position == 1 ? 1 : 2).body);
        EXPECT(before.owner == LaneOwner{1, 2}.value());  // the new connection's
        EXPECT(after.owner == before.owner);
        rig.lane.on_turn_done();
      }
      EXPECT_FALSE(rig.lane.next_turn().has_value());
    }
  }

  TEST_CASE("ApplyLane: own entries are applied from the log where their branch is gone") {
    Rig rig;
    rig.lane.push(writeset(1, kHere, "one"));
    rig.lane.push(writeset(2, kHere, "two"));
    rig.lane.on_disconnected();
    rig.lane.push(writeset(3, kHere, "three"));
    rig.connect(0, {BranchId{1, 0, 2}}, 3);
    rig.lane.push(writeset(4, kHere, "four"));  // prepared after the list was read
    const std::string sql = sql_of(rig.batch());
    EXPECT(contains(sql, "s.t:one]"));
    EXPECT(contains(sql, "XA COMMIT 'consort-ab-1-0-2'"));
    EXPECT(contains(sql, "s.t:three]"));
    EXPECT(contains(sql, "XA COMMIT 'consort-ab-1-0-4'"));
    EXPECT_FALSE(contains(sql, "consort-ab-1-0-1'"));
    EXPECT_FALSE(contains(sql, "consort-ab-1-0-3'"));
  }

  TEST_CASE("ApplyLane: a backend that lost its newest commits gets them again") {
    Rig rig;
    for (std::uint64_t seqno = 1; seqno <= 4; ++seqno) {
      rig.lane.push(writeset(seqno, kThere));
    }
    (void)rig.batch({2, 1000, 1000});
    rig.lane.on_turn_done();
    EXPECT((rig.lane.applied() == Seqno{2}));
    rig.lane.on_disconnected();
    rig.connect(1, {}, 4);
    EXPECT((rig.lane.applied() == Seqno{1}));
    EXPECT((rig.lane.wants_from() == Seqno{2}));
    for (std::uint64_t seqno = 2; seqno <= 4; ++seqno) {
      rig.lane.push(writeset(seqno, kThere));
    }
    EXPECT((rig.batch().first == Seqno{2}));
  }

  TEST_CASE("ApplyLane: replay of an entry that waits") {
    Rig rig;
    rig.lane.push(writeset(1, kHere, "one"));
    rig.lane.push(writeset(2, kHere, "two"));
    const auto held = [&rig] {
      std::vector<std::uint64_t> seqnos;
      for (const auto& entry : rig.lane.held_entries()) {
        seqnos.push_back(entry->seqno.value);
      }
      return seqnos;
    };
    rig.lane.push(writeset(3, kThere));
    EXPECT(held() == std::vector<std::uint64_t>{1, 2});
    EXPECT(rig.lane.replay(Seqno{2}) == ReplayStep::kRollBack);
    EXPECT(held() == std::vector<std::uint64_t>{1});
    const std::string sql = rig.batch().statements[0];
    EXPECT(contains(sql, "XA COMMIT 'consort-ab-1-0-1'"));
    EXPECT(contains(test::describe_binlog(sql), "BINLOG [1>3 s.t:two s.t:rows]"));
    EXPECT_FALSE(contains(sql, "consort-ab-1-0-2"));
    rig.lane.on_turn_done();
    EXPECT(rig.lane.replay(Seqno{2}) == ReplayStep::kApplied);
  }

  TEST_CASE("ApplyLane: replay of an entry under way must interrupt the lane first") {
    Rig rig;
    rig.lane.push(writeset(1, kThere));
    rig.lane.push(writeset(2, kHere, "two"));
    (void)rig.batch();
    EXPECT(rig.lane.replay(Seqno{2}) == ReplayStep::kInterruptFirst);
    SUBCASE("the interrupt came in time") {
      EXPECT(rig.fail(1317) == LaneAction::kResync);
      EXPECT(rig.lane.replay(Seqno{2}) == ReplayStep::kInterruptFirst);  // how far did it get?
      rig.connect(0, {BranchId{1, 0, 2}}, 2);
      EXPECT(rig.lane.replay(Seqno{2}) == ReplayStep::kRollBack);
      EXPECT_FALSE(contains(rig.batch().statements[0], "XA COMMIT"));
    }
    SUBCASE("the interrupt came too late") {
      rig.lane.on_turn_done();
      EXPECT(rig.lane.replay(Seqno{2}) == ReplayStep::kApplied);
    }
    SUBCASE("the connection broke instead") {
      rig.lane.on_disconnected();
      EXPECT(rig.lane.replay(Seqno{2}) == ReplayStep::kInterruptFirst);
      rig.connect(2, {}, 2);
      EXPECT(rig.lane.replay(Seqno{2}) == ReplayStep::kApplied);
    }
  }

  TEST_CASE("ApplyLane: replay of an entry that has not come yet") {
    Rig rig;
    EXPECT(rig.lane.replay(Seqno{2}) == ReplayStep::kRollBack);
    rig.lane.push(writeset(1, kThere));
    rig.lane.push(writeset(2, kHere));
    EXPECT_FALSE(contains(rig.batch().statements[0], "XA COMMIT"));
  }

  TEST_CASE("ApplyLane: a Replay entry read from the archive does the same, here only") {
    Rig rig;
    rig.lane.push(writeset(1, kHere));
    rig.lane.push(writeset(2, kHere));
    rig.lane.push(other(Replay{Seqno{1}, kHere}));
    rig.lane.push(other(Replay{Seqno{2}, kThere}));
    const std::string sql = rig.batch().statements[0];
    EXPECT_FALSE(contains(sql, "consort-ab-1-0-1"));
    EXPECT(contains(sql, "XA COMMIT 'consort-ab-1-0-2'"));
  }

  TEST_CASE("ApplyLane: the session executes a DDL that the lane has marked") {
    Rig rig;
    rig.lane.push(writeset(1, kThere));
    rig.lane.push(ddl(2));
    rig.lane.push(writeset(3, kThere));
    EXPECT((rig.batch().last == Seqno{1}));  // not over the DDL
    rig.lane.on_turn_done();
    const auto reached = rig.turn<DdlReached>();
    EXPECT((reached.seqno == Seqno{2}));
    EXPECT_FALSE(reached.may_have_run);
    EXPECT_FALSE(rig.lane.next_turn().has_value());
    rig.lane.execute_ddl(Seqno{2}, DdlExecutor::kSession);
    const LaneBatch mark = rig.batch();
    EXPECT(contains(mark.statements[0], "SET ddl=2,"));
    EXPECT_FALSE(mark.ddl_statement.has_value());
    rig.lane.on_turn_done();
    EXPECT((rig.turn<DdlOffer>().seqno == Seqno{2}));
    EXPECT_FALSE(rig.lane.next_turn().has_value());
    rig.lane.on_ddl_executed(Seqno{2});
    EXPECT(rig.lane.state() == LaneState::kDdlWaiting);
    EXPECT_FALSE(rig.lane.next_turn().has_value());
    rig.lane.push(other(DdlResult{Seqno{2}, DdlOutcome::kRun}));
    const LaneBatch batch = rig.batch();  // moves over the DDL with what follows
    EXPECT((batch.first == Seqno{2}));
    EXPECT((batch.last == Seqno{3}));
    EXPECT_FALSE(contains(batch.statements[0], "CREATE"));
  }

  TEST_CASE("ApplyLane: a DDL whose session was in a schema that is not there") {
    Rig rig;
    rig.lane.push(ddl(1));
    (void)rig.turn<DdlReached>();
    rig.lane.push(other(DdlResult{Seqno{1}, DdlOutcome::kRun}));
    const LaneBatch batch = rig.batch();
    REQUIRE(batch.statements[3] == "USE `shop`");
    REQUIRE(rig.fail(1049, 3) == LaneAction::kResync);
    rig.connect(0);
    const LaneBatch again = rig.batch();
    REQUIRE(again.ddl_statement.has_value());
    EXPECT(std::find(again.statements.begin(), again.statements.end(), "USE `shop`") ==
           again.statements.end());
    // Its own 1049 is one as ever.
    EXPECT(rig.fail(1049, *again.ddl_statement) == LaneAction::kInconsistent);
  }

  TEST_CASE("ApplyLane: another backend's lane executes a DDL that succeeded") {
    Rig rig;
    rig.lane.push(ddl(1));
    (void)rig.turn<DdlReached>();
    rig.lane.push(other(DdlResult{Seqno{1}, DdlOutcome::kRun}));
    const LaneBatch batch = rig.batch();
    REQUIRE(batch.statements.size() == 7);
    EXPECT(batch.statements[0] == kDdlFenceSql);
    EXPECT(contains(batch.statements[1], "SET ddl=1,"));
    EXPECT(batch.statements[2] == "USE information_schema");
    EXPECT(batch.statements[3] == "USE `shop`");
    EXPECT(batch.statements[4] == "SET SESSION sql_mode=X'41'");
    EXPECT(batch.statements[5] == "CREATE TABLE t (a INT)");
    EXPECT(batch.ddl_statement == 5);
    rig.lane.on_turn_done();
    EXPECT((rig.lane.applied() == Seqno{0}));
    const LaneBatch move = rig.batch();
    REQUIRE(move.statements.size() == lane_session_setup().size() + 2);
    EXPECT(move.statements[0] == "SET SESSION sql_mode=0");  // alone: what follows depends on it
    EXPECT(contains(move.statements[1], "SET SESSION sql_mode=DEFAULT; END"));
    EXPECT(move.statements[2] == lane_session_setup()[1]);
    EXPECT(contains(sql_of(move), "BINLOG [0>1]"));
    rig.lane.on_turn_done();
    EXPECT((rig.lane.applied() == Seqno{1}));
    rig.lane.push(writeset(2, kThere));
    EXPECT(rig.batch().statements.size() == 1);  // its settings are back
  }

  TEST_CASE("ApplyLane: a result that is known before the DDL is reached, and a skipped one") {
    Rig rig;
    rig.lane.push(ddl(1));
    rig.lane.push(other(DdlResult{Seqno{1}, DdlOutcome::kSkip}));
    rig.lane.push(writeset(2, kThere));
    const LaneBatch batch = rig.batch();
    EXPECT(batch.statements.size() == 1);
    EXPECT((batch.last == Seqno{2}));
  }

  TEST_CASE("ApplyLane: a result with a text of its own is executed, also where the DDL was") {
    for (const bool executed_here : {true, false}) {
      CAPTURE(executed_here);
      Rig rig;
      rig.lane.push(ddl(1));
      (void)rig.turn<DdlReached>();
      if (executed_here) {
        rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kSession);
        (void)rig.batch();  // the mark
        rig.lane.on_turn_done();
        (void)rig.turn<DdlOffer>();
        rig.lane.on_ddl_executed(Seqno{1});
      }
      rig.lane.on_ddl_result({Seqno{1}, DdlOutcome::kRun, "SET GLOBAL a=1"});
      const LaneBatch batch = rig.batch();
      REQUIRE(batch.ddl_statement.has_value());
      EXPECT(batch.statements[*batch.ddl_statement] == "SET GLOBAL a=1");
      EXPECT_FALSE(contains(sql_of(batch), "CREATE TABLE"));
      rig.lane.on_turn_done();
      const LaneBatch move = rig.batch();
      EXPECT_FALSE(move.ddl_statement.has_value());
      EXPECT(contains(sql_of(move), "BINLOG [0>1]"));
      rig.lane.on_turn_done();
      EXPECT((rig.lane.applied() == Seqno{1}));
    }
  }

  TEST_CASE("ApplyLane: a DDL that fails here after it succeeded elsewhere") {
    const auto failing = [](std::uint16_t error, DdlOutcome outcome, std::uint64_t mark,
                            std::size_t statement) {
      Rig rig;
      rig.lane.on_disconnected();
      rig.connect(0, {}, 0, mark);
      rig.lane.push(ddl(1));
      rig.lane.push(other(DdlResult{Seqno{1}, outcome}));
      (void)rig.batch();
      return rig.fail(error, statement);
    };
    EXPECT(failing(1050, DdlOutcome::kRun, 0, 4) == LaneAction::kInconsistent);
    EXPECT(failing(1050, DdlOutcome::kRunTolerant, 0, 4) == LaneAction::kGoOn);
    EXPECT(failing(1965, DdlOutcome::kRunTolerant, 0, 4) == LaneAction::kGoOn);
    EXPECT(failing(1965, DdlOutcome::kRun, 1, 3) == LaneAction::kInconsistent);
    EXPECT(failing(1050, DdlOutcome::kRun, 1, 3) ==
           LaneAction::kGoOn);  // marked: no mark before it
    EXPECT(failing(1049, DdlOutcome::kRun, 1, 1) == LaneAction::kGoOn);  // USE of a dropped schema
    EXPECT(failing(1064, DdlOutcome::kRunTolerant, 1, 3) == LaneAction::kInconsistent);
    EXPECT(failing(1205, DdlOutcome::kRun, 0, 4) == LaneAction::kRetry);
    EXPECT(failing(1021, DdlOutcome::kRun, 0, 4) == LaneAction::kBackOff);
    EXPECT(failing(1050, DdlOutcome::kRunTolerant, 0, 1) == LaneAction::kInconsistent);  // the mark
    EXPECT(failing(kFencedErrno, DdlOutcome::kRun, 0, 1) == LaneAction::kFenced);
  }

  TEST_CASE("ApplyLane: goes on over a DDL that had been applied already") {
    Rig rig;
    rig.lane.on_disconnected();
    rig.connect(0, {}, 0, 1);
    rig.lane.push(ddl(1));
    rig.lane.push(other(DdlResult{Seqno{1}, DdlOutcome::kRun}));
    (void)rig.batch();
    REQUIRE(rig.fail(1050, 3) == LaneAction::kGoOn);
    const LaneBatch move = rig.batch();
    EXPECT(contains(sql_of(move), "BINLOG [0>1]"));
    rig.lane.on_turn_done();
    EXPECT((rig.lane.applied() == Seqno{1}));
  }

  TEST_CASE("ApplyLane: a DDL that had its effect when it was begun before counts as executed") {
    for (const bool decided_elsewhere : {true, false}) {
      CAPTURE(decided_elsewhere);
      Rig rig;
      rig.lane.on_disconnected();
      rig.connect(0, {}, 0, 1);
      rig.lane.push(ddl(1));
      if (decided_elsewhere) {
        rig.lane.on_ddl_result({Seqno{1}, DdlOutcome::kRun});
      } else {
        (void)rig.turn<DdlReached>();
        rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kLane);
      }
      const LaneBatch batch = rig.batch();
      REQUIRE(batch.ddl_statement.has_value());
      EXPECT(rig.fail(kDdlDoneErrno, 1) == LaneAction::kGoOn);
      if (!decided_elsewhere) {
        EXPECT((rig.turn<DdlDecided>().outcome == DdlOutcome::kRunTolerant));
        rig.lane.on_ddl_result({Seqno{1}, DdlOutcome::kRunTolerant});
      }
      const LaneBatch move = rig.batch();
      EXPECT_FALSE(move.ddl_statement.has_value());
      EXPECT(contains(sql_of(move), "BINLOG [0>1]"));
    }
  }

  TEST_CASE("ApplyLane: waits for whatever was begun of a DDL, then asks whether it ran") {
    for (const bool changed : {false, true}) {
      CAPTURE(changed);
      Rig rig;
      rig.lane.on_disconnected();
      rig.connect(0, {}, 0, 1);
      rig.lane.push(ddl(1, "ALTER TABLE t ADD INDEX (a)"));
      EXPECT(rig.turn<DdlReached>().may_have_run);
      rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kNobody);
      const LaneBatch look = rig.batch();
      REQUIRE(look.statements.size() == 3);
      EXPECT(look.statements[0] == kDdlFenceSql);
      EXPECT(contains(look.statements[1], std::to_string(kDdlDoneErrno)));
      EXPECT(look.statements[2] == kDdlReleaseSql);
      if (changed) {
        EXPECT(rig.fail(kDdlDoneErrno, 1) == LaneAction::kGoOn);
      } else {
        rig.lane.on_turn_done();
      }
      EXPECT(rig.turn<DdlLook>().changed == changed);
      EXPECT_FALSE(rig.lane.next_turn().has_value());
      rig.lane.on_ddl_looked(Seqno{1}, changed ? DdlTraces::kRan : DdlTraces::kNone);
      EXPECT(rig.lane.state() == LaneState::kDdlReached);
      if (!changed) {
        rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kSession);
        EXPECT((rig.turn<DdlOffer>().seqno == Seqno{1}));  // its mark still stands
      }
    }
  }

  TEST_CASE("ApplyLane: a DDL under way keeps the lane from looking") {
    Rig rig;
    rig.lane.on_disconnected();
    rig.connect(0, {}, 0, 1);
    rig.lane.push(ddl(1));
    (void)rig.turn<DdlReached>();
    rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kNobody);
    (void)rig.batch();
    EXPECT(rig.fail(1205, 0) == LaneAction::kRetry);
    rig.connect(0, {}, 0, 1);
    EXPECT(rig.turn<DdlReached>().may_have_run);
  }

  TEST_CASE("ApplyLane: a void DDL is passed over where it was not begun, else looked for") {
    Rig rig;
    rig.lane.push(ddl(1));
    rig.lane.push(writeset(2, kThere));
    rig.lane.on_ddl_result({Seqno{1}, DdlOutcome::kVoid});
    EXPECT((rig.batch().last == Seqno{2}));
    for (const auto traces : {DdlTraces::kNone, DdlTraces::kRan, DdlTraces::kUnknown}) {
      CAPTURE(static_cast<int>(traces));
      Rig marked;
      marked.lane.on_disconnected();
      marked.connect(0, {}, 0, 1);
      marked.lane.push(ddl(1));
      marked.lane.push(writeset(2, kThere));
      marked.lane.on_ddl_result({Seqno{1}, DdlOutcome::kVoid});
      EXPECT(marked.batch().statements.front() == kDdlFenceSql);
      marked.lane.on_turn_done();
      EXPECT_FALSE(marked.turn<DdlLook>().changed);
      marked.lane.on_ddl_looked(Seqno{1}, traces);
      if (traces == DdlTraces::kNone) {
        EXPECT((marked.batch().last == Seqno{2}));
      } else {
        EXPECT(marked.lane.state() == LaneState::kStopped);
        EXPECT(contains(marked.lane.stop_reason(), "seqno 1"));
      }
    }
  }

  TEST_CASE("ApplyLane: the lane decides a DDL of Consort's own") {
    struct Row {
      std::uint64_t mark;
      std::uint16_t error;
      DdlOutcome expected;
    };

    const Row rows[] = {
        {0, 0, DdlOutcome::kRun},
        {1, 0, DdlOutcome::kRunTolerant},
        {0, 1064, DdlOutcome::kSkip},
        {0, 1050, DdlOutcome::kSkip},
        {1, 1050, DdlOutcome::kRunTolerant},
        {0, 1051, DdlOutcome::kRunTolerant},
    };
    for (const Row& row : rows) {
      CAPTURE(row.mark);
      CAPTURE(row.error);
      Rig rig;
      rig.lane.on_disconnected();
      rig.connect(0, {}, 0, row.mark);
      rig.lane.push(ddl(1));
      EXPECT(rig.turn<DdlReached>().may_have_run == (row.mark == 1));
      rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kLane);
      const LaneBatch batch = rig.batch();
      if (row.error == 0) {
        rig.lane.on_turn_done();
      } else {
        REQUIRE(rig.fail(row.error, *batch.ddl_statement) == LaneAction::kGoOn);
      }
      const auto decided = rig.turn<DdlDecided>();
      EXPECT((decided.outcome == row.expected));
      EXPECT(decided.error == row.error);
      EXPECT_FALSE(rig.lane.next_turn().has_value());
      rig.lane.on_ddl_result({Seqno{1}, decided.outcome});
      const LaneBatch move = rig.batch();  // does not execute it again
      EXPECT_FALSE(move.ddl_statement.has_value());
      EXPECT((move.last == Seqno{1}));
    }
  }

  TEST_CASE("ApplyLane: a transient error decides no DDL") {
    Rig rig;
    rig.lane.push(ddl(1));
    (void)rig.turn<DdlReached>();
    rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kLane);
    const LaneBatch batch = rig.batch();
    EXPECT(rig.fail(1205, *batch.ddl_statement) == LaneAction::kRetry);
    rig.connect(0, {}, 1, 1);
    EXPECT(rig.turn<DdlReached>().may_have_run);
    rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kLane);
    EXPECT(rig.batch().statements[0] ==
           lane_session_setup()[0]);  // the first try left its settings
    rig.lane.on_turn_done();
    EXPECT((rig.turn<DdlDecided>().outcome == DdlOutcome::kRunTolerant));
  }

  TEST_CASE("ApplyLane: the lane takes over from a session that went away") {
    Rig rig;
    rig.lane.push(ddl(1));
    (void)rig.turn<DdlReached>();
    rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kSession);
    (void)rig.batch();
    rig.lane.on_turn_done();
    (void)rig.turn<DdlOffer>();
    rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kLane);
    const LaneBatch batch = rig.batch();
    EXPECT(batch.ddl_statement == 4);  // marked already
    rig.lane.on_turn_done();
    EXPECT((rig.turn<DdlDecided>().outcome == DdlOutcome::kRunTolerant));
  }

  TEST_CASE("ApplyLane: a connection lost at any step of a DDL") {
    // Brings a fresh lane to step `step` of a DDL and breaks the connection there.
    for (int step = 0; step <= 6; ++step) {
      CAPTURE(step);
      Rig rig;
      rig.lane.push(ddl(1));
      rig.lane.push(writeset(2, kThere));
      std::uint64_t mark = 0;
      for (int at = 0; at < step; ++at) {
        if (at == 0) {
          (void)rig.turn<DdlReached>();
        } else if (at == 1) {
          rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kSession);
        } else if (at == 2) {
          (void)rig.batch();
          mark = 1;
        } else if (at == 3) {
          rig.lane.on_turn_done();
        } else if (at == 4) {
          (void)rig.turn<DdlOffer>();
        } else if (at == 5) {
          rig.lane.on_ddl_executed(Seqno{1});
        }
      }
      rig.lane.on_disconnected();
      EXPECT(rig.lane.state() == LaneState::kOffline);
      rig.lane.on_ddl_executed(Seqno{1});  // too late: it is not known what the backend kept
      SUBCASE("the result came meanwhile") {
        rig.lane.on_ddl_result({Seqno{1}, DdlOutcome::kRun});
        EXPECT(rig.lane.state() == LaneState::kOffline);
        rig.connect(0, {}, 2, mark);
        const LaneBatch batch = rig.batch();
        REQUIRE(batch.ddl_statement.has_value());
        EXPECT(contains(batch.statements[1], "SET ddl=1") == (mark == 0));
        const LaneAction action = rig.fail(1050, *batch.ddl_statement);
        EXPECT((action == LaneAction::kGoOn) == (mark == 1));
      }
      SUBCASE("nobody has decided") {
        rig.connect(0, {}, 2, mark);
        EXPECT(rig.turn<DdlReached>().may_have_run == (mark == 1));
      }
    }
  }

  TEST_CASE("ApplyLane: a result that arrives while the mark is under way") {
    Rig rig;
    rig.lane.push(ddl(1));
    (void)rig.turn<DdlReached>();
    rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kSession);
    (void)rig.batch();
    rig.lane.on_ddl_result({Seqno{1}, DdlOutcome::kSkip});
    EXPECT(rig.lane.state() == LaneState::kDdlMarking);
    rig.lane.on_turn_done();
    EXPECT((rig.batch().last == Seqno{1}));
  }

  TEST_CASE("ApplyLane: a resync on the same connection remembers an executed DDL") {
    Rig rig;
    rig.lane.push(ddl(1));
    rig.lane.on_ddl_result({Seqno{1}, DdlOutcome::kRun});
    (void)rig.batch();
    rig.lane.on_turn_done();  // executed
    (void)rig.batch();        // moves the position
    EXPECT(rig.fail(1317) == LaneAction::kResync);
    rig.connect(0, {}, 1, 1);
    EXPECT_FALSE(rig.batch().ddl_statement.has_value());
  }

  TEST_CASE("ApplyLane: results for the far future are bounded") {
    Rig rig;
    for (std::uint64_t seqno = 1; seqno <= 10'000; ++seqno) {
      rig.lane.on_ddl_result({Seqno{seqno}, DdlOutcome::kSkip});
    }
    for (std::uint64_t seqno = 1; seqno <= 5'000; ++seqno) {
      rig.lane.push(ddl(seqno));
    }
    while (rig.lane.applied() < Seqno{5'000}) {
      auto turn = rig.lane.next_turn();
      REQUIRE(turn.has_value());
      if (const auto* reached = std::get_if<DdlReached>(&*turn)) {
        rig.lane.on_ddl_result({reached->seqno, DdlOutcome::kSkip});  // the shell knows
      } else {
        rig.lane.on_turn_done();
      }
    }
  }

  // ---- programs that commit by themselves ----

  TEST_CASE("ApplyLane: a program waits at its home until its session has run it and is settled") {
    Rig rig;
    rig.lane.push(program(1, kHere));
    EXPECT_FALSE(rig.turn<DdlReached>().may_have_run);
    rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kSession);
    const LaneBatch mark = rig.batch();
    REQUIRE(mark.statements.size() == 2);
    EXPECT(contains(mark.statements[0], "GLOBAL sync_binlog=1"));
    EXPECT(contains(mark.statements[1], "SET ddl=1"));
    rig.lane.on_turn_done();
    EXPECT((rig.turn<DdlOffer>().seqno == Seqno{1}));
    rig.lane.push(part(2, 1, kHere, 5));
    EXPECT_FALSE(rig.lane.next_turn().has_value());
    rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kEnded);
    const LaneBatch settle = rig.batch();
    EXPECT_FALSE(contains(settle.statements[0], "KILL"));
    EXPECT(contains(settle.statements[0], "SET SESSION sql_log_bin=1"));
    rig.lane.on_turn_done();
    EXPECT((rig.turn<DdlLook>().seqno == Seqno{1}));
    EXPECT_FALSE(rig.lane.next_turn().has_value());
    rig.lane.push(other(DdlResult{Seqno{1}, DdlOutcome::kSkip, {}}));
    EXPECT(sql_of(rig.batch()) == "BINLOG [0>2]");  // its rows are there
    rig.lane.on_turn_done();
    EXPECT((rig.lane.applied() == Seqno{2}));
  }

  TEST_CASE("ApplyLane: behind a program's first marker its lane stands at it again") {
    Rig rig;
    rig.lane.push(program(1, kHere));
    (void)rig.turn<DdlReached>();
    rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kEnded);
    (void)rig.batch();
    rig.lane.on_turn_done();
    (void)rig.turn<DdlLook>();
    rig.lane.on_program_marked(Seqno{1}, true);
    EXPECT(rig.lane.state() == LaneState::kDdlReached);
    rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kSession);
    (void)rig.batch();
  }

  TEST_CASE("ApplyLane: a program's result may come while the marker is written") {
    Rig rig;
    rig.lane.push(program(1, kHere));
    (void)rig.turn<DdlReached>();
    rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kEnded);
    (void)rig.batch();
    rig.lane.push(other(DdlResult{Seqno{1}, DdlOutcome::kSkip, {}}));
    rig.lane.on_turn_done();
    (void)rig.turn<DdlLook>();
    rig.lane.on_program_marked(Seqno{1}, false);
    EXPECT(sql_of(rig.batch()) == "BINLOG [0>1]");
  }

  TEST_CASE("ApplyLane: elsewhere a program's parts are applied, behind its result") {
    Rig rig;
    rig.lane.push(program(1, kThere));
    (void)rig.turn<DdlReached>();
    rig.lane.push(part(2, 1, kThere, 5));
    rig.lane.push(ddl_part(3, 1, kThere, 6));
    EXPECT_FALSE(rig.lane.next_turn().has_value());
    rig.lane.push(other(DdlResult{Seqno{1}, DdlOutcome::kSkip, {}}));
    EXPECT(sql_of(rig.batch()) == "BINLOG [0>2 s.t:part]");
    rig.lane.on_turn_done();
    const LaneBatch batch = rig.batch();  // without anybody's word: its home has executed it
    REQUIRE(batch.ddl_statement.has_value());
    EXPECT(batch.statements[*batch.ddl_statement] == "TRUNCATE t");
  }

  TEST_CASE("ApplyLane: a program's statement may fail as it did, or find what is so already") {
    struct Row {
      std::uint16_t at_home;
      std::uint16_t here;
      LaneAction then;
    };

    constexpr std::uint16_t kUnknownTable = 1051;
    constexpr std::uint16_t kCannotCreate = 1005;
    for (const Row& row : {Row{0, kUnknownTable, LaneAction::kGoOn},
                           Row{kCannotCreate, kCannotCreate, LaneAction::kGoOn},
                           Row{0, kCannotCreate, LaneAction::kInconsistent},
                           Row{kCannotCreate, 1062, LaneAction::kInconsistent}}) {
      Rig rig;
      rig.lane.push(other(DdlResult{Seqno{1}, DdlOutcome::kSkip, {}}));
      rig.lane.push(program(1, kThere));
      rig.lane.push(ddl_part(2, 1, kThere, 6, row.at_home));
      (void)rig.batch();
      rig.lane.on_turn_done();
      const LaneBatch batch = rig.batch();
      REQUIRE(batch.ddl_statement.has_value());
      CAPTURE(row.here);
      EXPECT(rig.fail(row.here, *batch.ddl_statement) == row.then);
    }
  }

  TEST_CASE("ApplyLane: a program in doubt is ended before it is settled") {
    Rig rig;
    rig.restart(0, std::vector<BranchId>{}, 0, 1);
    rig.lane.push(program(1, kHere));
    EXPECT(rig.turn<DdlReached>().may_have_run);
    rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kNobody);
    const LaneBatch settle = rig.batch();
    EXPECT(contains(settle.statements[0], "KILL HARD CONNECTION 77"));
    EXPECT(contains(settle.statements[1], "sql_log_bin=1"));
  }

  TEST_CASE("ApplyLane: a settlement that fails is tried again with the lane's own settings") {
    Rig rig;
    rig.lane.push(program(1, kHere));
    (void)rig.turn<DdlReached>();
    rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kNobody);
    (void)rig.batch();
    EXPECT(rig.fail(1205) == LaneAction::kRetry);
    rig.connect(0, {}, 0, 1);
    (void)rig.turn<DdlReached>();
    rig.lane.execute_ddl(Seqno{1}, DdlExecutor::kNobody);
    EXPECT(contains(rig.batch().statements[1], "sql_log_bin=0"));
    EXPECT(rig.fail(1227) == LaneAction::kBackOff);  // no sign that the backend differs
  }

  TEST_CASE("ApplyLane: after a crash its home keeps what its binlog has of a program") {
    Rig rig;
    rig.restart(0, std::vector<BranchId>{}, 9, 1, 0, "0-1-5", 9);
    rig.lane.push(other(DdlResult{Seqno{1}, DdlOutcome::kSkip, {}}));
    rig.lane.push(program(1, kHere));
    rig.lane.push(part(2, 1, kHere, 5));
    EXPECT(sql_of(rig.batch()) == "BINLOG [0>2]");
  }

  TEST_CASE("ApplyLane: a home that has lost a part of a program is refused") {
    Rig rig;
    rig.restart(0, std::vector<BranchId>{}, 9, 1, 0, "0-1-5", 9);
    rig.lane.push(other(DdlResult{Seqno{1}, DdlOutcome::kSkip, {}}));
    rig.lane.push(program(1, kHere));
    rig.lane.push(part(2, 1, kHere, 5));
    rig.lane.push(part(3, 1, kHere, 6));
    EXPECT(sql_of(rig.batch()) == "BINLOG [0>2]");
    rig.lane.on_turn_done();
    EXPECT_FALSE(rig.lane.next_turn().has_value());
    EXPECT(rig.lane.state() == LaneState::kStopped);
    EXPECT(contains(rig.lane.stop_reason(), "it has lost what a program had committed"));
  }

  TEST_CASE("ApplyLane: a copy in its home's place gets a program's parts as anybody does") {
    Rig rig;
    rig.restart(0, std::vector<BranchId>{}, 9, 0, 0, "0-1-99",
                9);  // whatever its binlog has: it was never begun there
    rig.lane.push(other(DdlResult{Seqno{1}, DdlOutcome::kSkip, {}}));
    rig.lane.push(program(1, kHere));
    rig.lane.push(part(2, 1, kHere, 5));
    EXPECT(sql_of(rig.batch()) == "BINLOG [0>2 s.t:part]");
    rig.lane.on_turn_done();
    rig.lane.push(ddl_part(3, 1, kHere, 6));
    EXPECT(rig.batch().ddl_statement.has_value());
  }

  TEST_CASE("ApplyLane: the home of a program that is void is refused, where it was begun") {
    Rig rig;
    rig.restart(0, std::vector<BranchId>{}, 9, 1, 0, "0-1-5", 9);
    rig.lane.push(other(DdlResult{Seqno{1}, DdlOutcome::kVoid, {}}));
    rig.lane.push(program(1, kHere));
    rig.lane.push(part(2, 1, kHere, 5));
    EXPECT_FALSE(rig.lane.next_turn().has_value());
    EXPECT(rig.lane.state() == LaneState::kStopped);
    EXPECT(contains(rig.lane.stop_reason(), "needs a copy"));

    Rig unmarked;
    unmarked.restart(0, std::vector<BranchId>{}, 9, 0, 0, "0-1-5", 9);
    unmarked.lane.push(other(DdlResult{Seqno{1}, DdlOutcome::kVoid, {}}));
    unmarked.lane.push(program(1, kHere));
    unmarked.lane.push(part(2, 1, kHere, 5));
    EXPECT(sql_of(unmarked.batch()) == "BINLOG [0>2 s.t:part]");
  }
}
