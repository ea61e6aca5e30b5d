// The commit thread against real servers, with the test in the workers' place: commits from every
// home, conflicts, blocked lanes, replay, DDL, crashes of backends, restarts of the loop.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>
#include <thread>

#include "certifier/ddl_fence.h"
#include "certifier/lane_batch.h"
#include "certifier/lane_sql.h"
#include "tests/integration/cpp/commit_cluster.h"
#include "tests/integration/cpp/dump_client.h"
#include "tests/support/test.h"

using namespace consort;
using namespace consort::proxy;
using consort::test::CommitCluster;
using consort::test::SessionLink;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kServers = 3;

BackendId id(std::size_t i) {
  return BackendId{static_cast<std::uint8_t>(i)};
}

CommitCluster& cluster() {
  static CommitCluster shared(kServers);
  return shared;
}

unsigned from_environment(const char* name, unsigned usual) {
  const char* const given = std::getenv(name);
  return given == nullptr ? usual : static_cast<unsigned>(std::strtoul(given, nullptr, 10));
}

/// The shared cluster with a running loop and a fresh table.
CommitCluster& ready(const std::string& table, int rows) {
  CommitCluster& c = cluster();
  c.start_loop();
  c.wait_until_caught_up();
  c.wait_until_applied();
  EXPECT(c.ddl(id(0),
               "CREATE OR REPLACE TABLE t." + table +
                   " (id INT PRIMARY KEY, v INT NOT NULL, s VARCHAR(50)) ENGINE=InnoDB",
               {{"t", table}}) == 0);
  c.wait_until_applied();
  std::string insert = "INSERT INTO t." + table + " VALUES ";
  for (int i = 1; i <= rows; ++i) {
    insert += (i > 1 ? ",(" : "(") + std::to_string(i) + ",0,'x')";
  }
  SessionLink link(c.server(0).port());
  EXPECT(c.commit(link, id(0), {insert}).verdict == BranchVerdict::kCommitted);
  c.wait_until_applied();
  return c;
}

std::string update(const std::string& table, int row, int by = 1) {
  return "UPDATE t." + table + " SET v=v+" + std::to_string(by) +
         " WHERE id=" + std::to_string(row);
}

std::string value(std::uint16_t port, const std::string& table, int row) {
  SessionLink link(port);
  link.must("SELECT v FROM t." + table + " WHERE id=" + std::to_string(row));
  return link.first_cell();
}

void expect_nothing_prepared(CommitCluster& c) {
  for (std::size_t i = 0; i < c.size(); ++i) {
    const auto until = std::chrono::steady_clock::now() + 5s;
    SessionLink link(c.server(i).port());
    do {
      link.must("XA RECOVER");
    } while (!link.last_rows().empty() && std::chrono::steady_clock::now() < until);
    EXPECT_MESSAGE(link.last_rows().empty(), "prepared branches stay on server ", i + 1);
  }
}

/// Clients that update random rows on one home until told to stop.
struct Load {
  Load(CommitCluster& c, std::size_t home, const std::string& table, int rows, unsigned seed)
      : thread([this, &c, home, table, rows, seed] {
          std::mt19937 random(seed);
          std::unique_ptr<SessionLink> link;
          while (!stop) {
            if (!link) {
              link = std::make_unique<SessionLink>(c.server(home).port());
            }
            const BranchOutcome outcome =
                c.commit(*link, id(home), {update(table, 1 + static_cast<int>(random() % rows))});
            committed += outcome.verdict == BranchVerdict::kCommitted ? 1 : 0;
            conflicts += outcome.verdict == BranchVerdict::kConflict ? 1 : 0;
          }
        }) {}

  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> committed{0};
  std::atomic<std::uint64_t> conflicts{0};
  std::thread thread;
};

/// CPU time that the threads of that name have used: the commit thread and libuv's pool, which
/// inherits the name.
double thread_cpu_seconds(const std::string& name) {
  double seconds = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string comm;
    std::ifstream(task.path() / "comm") >> comm;
    if (comm != name) {
      continue;
    }
    std::ifstream stat(task.path() / "schedstat");
    double run_ns = 0;
    stat >> run_ns;
    seconds += run_ns / 1e9;
  }
  return seconds;
}

}  // namespace

TEST_SUITE("commit_loop") {
  TEST_CASE("commits from every home reach every backend") {
    CommitCluster& c = ready("a", 10);
    for (std::size_t home = 0; home < kServers; ++home) {
      SessionLink link(c.server(home).port());
      const BranchOutcome outcome =
          c.commit(link, id(home), {update("a", 1), update("a", static_cast<int>(home) + 2)});
      EXPECT(outcome.verdict == BranchVerdict::kCommitted);
      EXPECT(outcome.seqno > Seqno{0});
      c.wait_until_applied();
    }
    c.expect_equal("SELECT * FROM t.a ORDER BY id");
    EXPECT(value(c.server(2).port(), "a", 1) == "3");
    expect_nothing_prepared(c);
    c.stop_loop();
  }

  TEST_CASE("of two homes that change one row at once, one wins and one gets a conflict") {
    CommitCluster& c = ready("b", 3);
    for (int round = 0; round < 20; ++round) {
      SessionLink one(c.server(0).port());
      SessionLink two(c.server(1).port());
      const BranchId first = c.new_branch();
      const BranchId second = c.new_branch();
      one.must("XA START " + c.xid(first));
      two.must("XA START " + c.xid(second));
      one.must(update("b", 1));
      two.must(update("b", 1));
      EXPECT(c.prepare(one, id(0), first));
      EXPECT(c.prepare(two, id(1), second));
      const BranchVerdict a = c.expect_outcome(first).verdict;
      const BranchVerdict b = c.expect_outcome(second).verdict;
      EXPECT((a == BranchVerdict::kCommitted) != (b == BranchVerdict::kCommitted));
      EXPECT(((a == BranchVerdict::kConflict) != (b == BranchVerdict::kConflict)));
      c.wait_until_applied();
    }
    c.expect_equal("SELECT * FROM t.b ORDER BY id");
    EXPECT(value(c.server(2).port(), "b", 1) == "20");
    expect_nothing_prepared(c);
    c.stop_loop();
  }

  TEST_CASE("load on all homes leaves equal servers and exact sums") {
    const int rows = static_cast<int>(from_environment("LOAD_ROWS", 200));
    CommitCluster& c = ready("load", rows);
    const double cpu_before = thread_cpu_seconds("commit");
    std::vector<std::unique_ptr<Load>> loads;
    for (unsigned i = 0; i < from_environment("LOAD_CLIENTS", 12); ++i) {
      loads.push_back(std::make_unique<Load>(c, i % kServers, "load", rows, i));
    }
    const auto begun = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(std::chrono::seconds(from_environment("LOAD_SECONDS", 4)));
    std::uint64_t committed = 0;
    std::uint64_t conflicts = 0;
    for (const auto& load : loads) {
      load->stop = true;
      load->thread.join();
      committed += load->committed;
      conflicts += load->conflicts;
    }
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    const double cpu = thread_cpu_seconds("commit") - cpu_before;
    std::printf("%.0f commits/s, %.0f conflicts/s, %.1f us of commit thread per verdict\n",
                static_cast<double>(committed) / seconds, static_cast<double>(conflicts) / seconds,
                cpu * 1e6 / static_cast<double>(committed + conflicts));
    const CommitStats& stats = c.loop().stats();
    std::printf(
        "stalls %lu %lu %lu, replays %lu, batch failures %lu, append p50 %lu us, capture p50 %lu "
        "us, commit p50 %lu us\n",
        stats.lanes[0].stalls.value(), stats.lanes[1].stalls.value(), stats.lanes[2].stalls.value(),
        stats.lanes[0].replays.value(), stats.lanes[0].batch_failures.value(),
        stats.append_latency.snapshot().quantile_us(0.5),
        stats.capture_latency.snapshot().quantile_us(0.5),
        stats.commit_latency.snapshot().quantile_us(0.5));
    c.wait_until_applied();
    c.expect_equal("SELECT * FROM t.load ORDER BY id");
    SessionLink link(c.server(1).port());
    link.must("SELECT SUM(v) FROM t.load");
    EXPECT(link.first_cell() == std::to_string(committed));
    expect_nothing_prepared(c);
    c.stop_loop();
  }

  TEST_CASE("an open branch that keeps a lane waiting is named to the workers") {
    CommitCluster& c = ready("open", 3);
    SessionLink holder(c.server(1).port());
    const BranchId branch = c.new_branch();
    holder.must("XA START " + c.xid(branch));
    holder.must(update("open", 1));
    std::atomic<std::uint64_t> named{0};
    std::thread session;
    c.on_abort = [&](const CommitEvent& event) {
      if (const auto* abort = std::get_if<AbortBranch>(&event);
          abort != nullptr && abort->home == id(1) && named.exchange(abort->thread_id) == 0) {
        session = std::thread([&c, &holder, branch] {  // as its session would
          holder.must("XA END " + c.xid(branch));
          holder.must("XA ROLLBACK " + c.xid(branch));
        });
      }
    };
    SessionLink link(c.server(0).port());
    const auto begun = std::chrono::steady_clock::now();
    EXPECT(c.commit(link, id(0), {update("open", 1)}).verdict == BranchVerdict::kCommitted);
    c.wait_until_applied();
    const auto took = std::chrono::steady_clock::now() - begun;
    EXPECT(named == holder.thread_id());
    EXPECT(took < 15s);  // innodb_lock_wait_timeout is 20
    c.expect_equal("SELECT * FROM t.open ORDER BY id");
    c.on_abort = nullptr;
    c.stop_loop();
    REQUIRE(session.joinable());
    session.join();
  }

  TEST_CASE("a holder that nobody ends is killed") {
    CommitCluster& c = ready("stubborn", 3);
    SessionLink holder(c.server(1).port());
    holder.must("BEGIN");
    holder.must(update("stubborn", 1));
    SessionLink link(c.server(0).port());
    EXPECT(c.commit(link, id(0), {update("stubborn", 1)}).verdict == BranchVerdict::kCommitted);
    c.wait_until_applied();
    EXPECT(holder.run("SELECT 1") != 0);
    c.expect_equal("SELECT * FROM t.stubborn ORDER BY id");
    c.stop_loop();
  }

  TEST_CASE("a certified branch that holds a row an earlier entry needs is replayed") {
    CommitCluster& c = ready("replay", 5);
    SessionLink later(c.server(1).port());
    const BranchId second = c.new_branch();
    later.must("XA START " + c.xid(second));
    later.must("SELECT * FROM t.replay WHERE id=1 FOR UPDATE");
    later.must(update("replay", 2, 10));
    later.must("XA END " + c.xid(second));
    later.must("XA PREPARE " + c.xid(second));

    SessionLink link(c.server(0).port());
    EXPECT(c.commit(link, id(0), {update("replay", 1)}).verdict == BranchVerdict::kCommitted);
    REQUIRE(c.loop().post(c.begun(id(1), second)));
    EXPECT(c.expect_outcome(second).verdict == BranchVerdict::kCommitted);
    c.wait_until_applied();
    EXPECT(c.loop().stats().lanes[1].replays.value() == 1);
    c.expect_equal("SELECT * FROM t.replay ORDER BY id");
    EXPECT(value(c.server(1).port(), "replay", 2) == "10");
    expect_nothing_prepared(c);
    c.stop_loop();
  }

  TEST_CASE("DDL takes its place in the order, also under load") {
    CommitCluster& c = ready("ddl", 50);
    c.on_abort = [](const CommitEvent&) {};
    std::vector<std::unique_ptr<Load>> loads;
    for (unsigned i = 0; i < 3; ++i) {
      loads.push_back(std::make_unique<Load>(c, i, "ddl", 50, i));
    }
    EXPECT(c.ddl(id(1), "ALTER TABLE t.ddl ADD COLUMN extra INT DEFAULT 7", {{"t", "ddl"}}) == 0);
    EXPECT(c.ddl(id(2), "CREATE UNIQUE INDEX s ON t.ddl (id, s)", {{"t", "ddl"}}) == 0);
    EXPECT(c.ddl(id(0), "ALTER TABLE t.ddl ADD COLUMN extra INT", {{"t", "ddl"}}) == 1060);
    EXPECT(c.ddl(id(0), "CREATE VIEW t.ddl_view AS SELECT id FROM t.ddl", {{"t", "ddl_view"}}) ==
           0);
    std::uint64_t committed = 0;
    for (const auto& load : loads) {
      load->stop = true;
      load->thread.join();
      committed += load->committed;
    }
    EXPECT(committed > 0);
    c.wait_until_applied();
    c.expect_equal("SELECT * FROM t.ddl ORDER BY id");
    c.expect_equal("SHOW CREATE TABLE t.ddl");
    c.expect_equal("SHOW CREATE VIEW t.ddl_view");
    EXPECT(c.ddl(id(0), "DROP VIEW t.ddl_view", {{"t", "ddl_view"}}) == 0);
    c.wait_until_applied();
    c.on_abort = nullptr;
    c.stop_loop();
  }

  TEST_CASE("DDL of a lost connection takes effect once, or nowhere when it did not run") {
    enum class Runs { kBefore, kBeforeTheNextRun, kAfter, kNever, kNotBeforeTheNextRun };
    // Run twice, the first would undo itself. Nothing but the binlog shows that the second ran.
    const std::string swap = "RENAME TABLE t.one TO t.three, t.two TO t.one, t.three TO t.two";
    const std::string view = "CREATE OR REPLACE VIEW t.seen AS SELECT 1 AS a";
    CommitCluster& c = ready("one", 1);
    for (const std::string& sql : {swap, view}) {
      for (const Runs runs : {Runs::kBefore, Runs::kBeforeTheNextRun, Runs::kAfter, Runs::kNever,
                              Runs::kNotBeforeTheNextRun}) {
        CAPTURE(sql);
        CAPTURE(static_cast<int>(runs));
        EXPECT(c.ddl(id(0), "CREATE OR REPLACE TABLE t.one (id INT)", {{"t", "one"}}) == 0);
        EXPECT(c.ddl(id(0), "CREATE OR REPLACE TABLE t.two (b INT)", {{"t", "two"}}) == 0);
        EXPECT(c.ddl(id(0), "DROP VIEW IF EXISTS t.seen", {{"t", "seen"}}) == 0);
        c.wait_until_applied();
        const std::uint32_t slot =
            sql == swap ? c.request_ddl(id(1), sql, {{"t", "one"}, {"t", "two"}, {"t", "three"}})
                        : c.request_ddl(id(1), sql, {{"t", "seen"}});
        const auto turn = c.expect_turn(slot);
        REQUIRE(turn.has_value());
        auto link = std::make_unique<SessionLink>(c.server(turn->backend.value).port());
        link->must(std::string(certifier::kDdlFenceSql));
        const bool ran = runs != Runs::kNever && runs != Runs::kNotBeforeTheNextRun;
        if (runs == Runs::kBefore || runs == Runs::kBeforeTheNextRun) {
          link->must(sql);
        }
        if (runs == Runs::kBeforeTheNextRun || runs == Runs::kNotBeforeTheNextRun) {
          c.stop_loop();
          c.start_loop();
        } else {
          REQUIRE(c.loop().post(DdlExecuted{turn->seqno, turn->backend, DdlEnd::kLost}));
        }
        if (runs == Runs::kAfter) {
          // The lane must wait for the connection that may still execute it.
          std::this_thread::sleep_for(300ms);
          link->must(sql);
        }
        link.reset();
        if (runs == Runs::kNever) {
          const auto again = c.expect_turn(slot);  // its session may: it surely did not run
          REQUIRE(again.has_value());
          REQUIRE(c.loop().post(DdlExecuted{again->seqno, again->backend, DdlEnd::kNotExecuted}));
        }
        c.wait_until_caught_up();
        c.wait_until_applied();
        for (std::size_t i = 0; i < kServers; ++i) {
          SessionLink look(c.server(i).port());
          look.must(sql == swap
                        ? "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='t' "
                          "AND TABLE_NAME='one' AND COLUMN_NAME='b'"
                        : "SELECT COUNT(*) FROM information_schema.VIEWS WHERE TABLE_NAME='seen'");
          EXPECT(look.first_cell() == (ran ? "1" : "0"));
        }
      }
    }
    c.stop_loop();
  }

  TEST_CASE("foreign keys: cascades run everywhere") {
    CommitCluster& c = ready("unused", 1);
    EXPECT(c.ddl(id(0), "CREATE OR REPLACE TABLE t.child (id INT PRIMARY KEY, p INT)",
                 {{"t", "child"}}) == 0);
    EXPECT(c.ddl(id(0), "CREATE OR REPLACE TABLE t.parent (id INT PRIMARY KEY, v INT)",
                 {{"t", "parent"}}) == 0);
    EXPECT(
        c.ddl(id(1),
              "ALTER TABLE t.child ADD FOREIGN KEY (p) REFERENCES t.parent (id) ON DELETE CASCADE "
              "ON UPDATE CASCADE",
              {{"t", "child"}, {"t", "parent"}}) == 0);
    c.wait_until_applied();
    SessionLink link(c.server(0).port());
    EXPECT(c.commit(link, id(0), {"INSERT INTO t.parent VALUES (1,1),(2,2)"}).verdict ==
           BranchVerdict::kCommitted);
    EXPECT(c.commit(link, id(0), {"INSERT INTO t.child VALUES (1,1),(2,1),(3,2)"}).verdict ==
           BranchVerdict::kCommitted);
    c.wait_until_applied();
    SessionLink other(c.server(1).port());
    EXPECT(c.commit(other, id(1), {"DELETE FROM t.parent WHERE id=1"}).verdict ==
           BranchVerdict::kCommitted);
    c.wait_until_applied();
    EXPECT(c.commit(link, id(0), {"UPDATE t.parent SET id=9 WHERE id=2"}).verdict ==
           BranchVerdict::kCommitted);
    c.wait_until_applied();
    c.expect_equal("SELECT * FROM t.child ORDER BY id");
    c.expect_equal("SELECT * FROM t.parent ORDER BY id");
    SessionLink look(c.server(2).port());
    look.must("SELECT COUNT(*), MIN(p) FROM t.child");
    EXPECT(look.last_rows()[0] == std::vector<std::string>{"1", "9"});
    c.stop_loop();
  }

  TEST_CASE("a long transaction becomes too old only where it may remove parents") {
    constexpr std::uint32_t kHistory = 100;
    CommitCluster& c = ready("long", 5);
    EXPECT(c.ddl(id(0), "CREATE OR REPLACE TABLE t.old_parent (id INT PRIMARY KEY, v INT)",
                 {{"t", "old_parent"}}) == 0);
    EXPECT(c.ddl(id(0),
                 "CREATE OR REPLACE TABLE t.old_child (id INT PRIMARY KEY, p INT,"
                 " FOREIGN KEY (p) REFERENCES t.old_parent (id))",
                 {{"t", "old_child"}, {"t", "old_parent"}}) == 0);
    c.wait_until_applied();
    SessionLink link(c.server(0).port());
    EXPECT(c.commit(link, id(0), {"INSERT INTO t.old_parent VALUES (1,1),(2,2)"}).verdict ==
           BranchVerdict::kCommitted);
    c.wait_until_applied();
    c.stop_loop();
    c.start_loop([](CommitOptions& options) { options.index_entries_max = kHistory; });
    c.wait_until_caught_up();

    SessionLink links[] = {SessionLink(c.server(1).port()), SessionLink(c.server(1).port())};
    const char* const statements[] = {"UPDATE t.long SET v=100 WHERE id=2",
                                      "UPDATE t.old_parent SET v=100 WHERE id=2"};
    BranchPrepared begun[2];
    for (int i = 0; i < 2; ++i) {
      begun[i] = c.begun(id(1), c.new_branch());
      links[i].must("XA START " + c.xid(begun[i].branch));
      links[i].must(statements[i]);
    }
    for (std::uint32_t i = 0; i < 3 * kHistory; ++i) {
      REQUIRE(c.commit(link, id(0), {update("long", 1)}).verdict == BranchVerdict::kCommitted);
    }
    c.wait_until_applied();
    const BranchVerdict expected[] = {BranchVerdict::kCommitted, BranchVerdict::kTooOld};
    for (int i = 0; i < 2; ++i) {
      begun[i].last_seen_at_prepare = begun[i].last_seen_at_answer = c.applied(id(1));
      links[i].must("XA END " + c.xid(begun[i].branch));
      links[i].must("XA PREPARE " + c.xid(begun[i].branch));
      REQUIRE(c.loop().post(begun[i]));
      EXPECT(c.expect_outcome(begun[i].branch).verdict == expected[i]);
    }
    c.wait_until_applied();
    c.expect_equal("SELECT * FROM t.long ORDER BY id");
    c.expect_equal("SELECT * FROM t.old_parent ORDER BY id");
    expect_nothing_prepared(c);
    c.stop_loop();
  }

  TEST_CASE("a backend that lost a certified branch stays out, also after a restart") {
    CommitCluster& c = ready("gone", 3);
    c.stop_loop();
    c.start_loop([](CommitOptions& options) { options.lock_lookup_interval = 5s; });
    c.wait_until_caught_up();
    SessionLink holder(c.server(2).port());
    holder.must("START TRANSACTION");
    holder.must("SELECT * FROM t.gone WHERE id=1 FOR UPDATE");
    SessionLink link(c.server(0).port());
    EXPECT(c.commit(link, id(0), {update("gone", 1)}).verdict == BranchVerdict::kCommitted);
    SessionLink home(c.server(2).port());
    const BranchId branch = c.new_branch();
    home.must("XA START " + c.xid(branch));
    home.must(update("gone", 2));
    REQUIRE(c.prepare(home, id(2), branch));
    EXPECT(c.expect_outcome(branch).verdict == BranchVerdict::kCommitted);
    link.must("SELECT cluster FROM consort.`position`");
    const std::string cluster_id = link.first_cell();
    home.must("XA ROLLBACK " + c.xid(branch));  // by somebody who should not
    holder.must("ROLLBACK");
    const auto is_out = [&c] {
      const auto until = std::chrono::steady_clock::now() + 10s;
      const auto out = [&c] {
        const auto report = c.report(id(2));
        return report && report->state == healthcheck::LaneState::kInconsistent;
      };
      while (!out() && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(5ms);
      }
      return out();
    };
    EXPECT(is_out());
    c.stop_loop();
    c.start_loop();
    EXPECT(is_out());
    c.stop_loop();
    // A copy, as far as this table goes.
    home.must("SET SESSION sql_log_bin=0");
    home.must("UPDATE consort.`position` SET cluster='" + cluster_id + "'");
    home.must(update("gone", 2));
    home.must("SET SESSION sql_log_bin=1");
    c.start_loop();
    c.wait_until_caught_up();
    c.wait_until_applied();
    c.expect_equal("SELECT * FROM t.gone ORDER BY id");
    c.stop_loop();
  }

  TEST_CASE("a batch whose branch is gone disowns the position by itself") {
    CommitCluster& c = ready("orphaned", 2);
    c.stop_loop();
    SessionLink lane(c.server(2).port());
    lane.must("SHOW MASTER STATUS");
    const protocol::BinlogPosition end{lane.last_rows()[0][0], std::stoull(lane.last_rows()[0][1])};
    const Buffer format = test::read_dump(c.server(2).port(), end).format_description;
    lane.must("SET SESSION sql_log_bin=0,innodb_lock_wait_timeout=1");
    lane.must("BINLOG '" + certifier::base64(format) + "'");
    lane.must("SELECT cluster,owner,seqno FROM consort.`position`");
    const std::vector<std::string> before = lane.last_rows()[0];
    certifier::BatchStart start;
    const std::uint64_t owner = std::stoull(before[1]);
    start.owner = {static_cast<std::uint32_t>(owner >> 32), static_cast<std::uint32_t>(owner)};
    start.cluster_id = before[0];
    REQUIRE(start.owner.value() == owner);
    start.position = Seqno{std::stoull(before[2])};
    certifier::LogEntry entry;
    entry.seqno = start.position.next();
    certifier::Writeset writeset;
    writeset.branch = {1, 0, 999'999};
    entry.body = writeset;
    const certifier::BatchEntry entries[] = {{&entry, certifier::EntryRole::kBranch}};
    const std::string batch = certifier::writeset_batch(start, entries).statements[0];
    const auto now = [&lane] {
      lane.must("SELECT cluster,seqno FROM consort.`position`");
      return lane.last_rows()[0];
    };
    EXPECT(lane.run(batch) == 1397);
    EXPECT((now() == std::vector<std::string>{"differs", std::to_string(entry.seqno.value)}));
    // Of somebody else's position nothing changes; where it cannot be disowned, 1397 is told.
    lane.must("UPDATE consort.`position` SET cluster='x',seqno=" + before[2]);
    lane.must("UPDATE consort.`position` SET owner=owner+1");
    EXPECT(lane.run(batch) == 1032);  // another's cluster, another's owner: no such row
    EXPECT((now() == std::vector<std::string>{"x", before[2]}));
    lane.must("UPDATE consort.`position` SET owner=owner-1,seqno=" + before[2]);
    SessionLink holder(c.server(2).port());
    holder.must("SET SESSION sql_log_bin=0");
    holder.must("START TRANSACTION");
    holder.must("SELECT * FROM consort.`position` FOR UPDATE");
    EXPECT(lane.run(certifier::compound_sql("XA COMMIT 'gone'; ", certifier::OnError::kStop,
                                            certifier::vanished_branch_handler_sql(start.owner))) ==
           1397);
    holder.must("ROLLBACK");
    lane.must("UPDATE consort.`position` SET cluster='" + before[0] + "',seqno=" + before[2]);
    c.start_loop();
    c.wait_until_caught_up();
    c.stop_loop();
  }

  TEST_CASE("a branch begun on a server that lacked commits is refused") {
    CommitCluster& c = ready("setback", 3);
    SessionLink link(c.server(1).port());
    EXPECT(c.commit(link, id(1), {update("setback", 1)}).verdict == BranchVerdict::kCommitted);
    c.wait_until_applied();
    // The server comes back as a crash may leave it: with one commit less than it had.
    c.stop_loop();
    link.must("SET SESSION sql_log_bin=0");
    link.must("UPDATE consort.`position` SET seqno=seqno-1");
    link.must("UPDATE t.setback SET v=0 WHERE id=1");
    link.must("SET SESSION sql_log_bin=1");
    BranchPrepared early = c.begun(id(1), {});
    c.start_loop();
    c.wait_until_caught_up();
    c.wait_until_applied();
    early.branch = c.new_branch();
    for (const BranchVerdict expected : {BranchVerdict::kHomeLost, BranchVerdict::kCommitted}) {
      const BranchId branch = early.branch;
      link.must("XA START " + c.xid(branch));
      link.must(update("setback", 2));
      link.must("XA END " + c.xid(branch));
      link.must("XA PREPARE " + c.xid(branch));
      REQUIRE(c.loop().post(early));
      EXPECT(c.expect_outcome(branch).verdict == expected);
      // What was sampled while the position went back is no reason to end the process either.
      early = c.begun(id(1), c.new_branch());
      early.last_seen_at_start.value += 2;
      early.last_seen_at_prepare.value += 1;
    }
    c.wait_until_applied();
    c.expect_equal("SELECT * FROM t.setback ORDER BY id");
    EXPECT(value(c.server(1).port(), "setback", 1) == "1");
    EXPECT(value(c.server(0).port(), "setback", 2) == "1");
    expect_nothing_prepared(c);
    c.stop_loop();
  }

  TEST_CASE("a branch whose rows were dropped with its stream is answered at once") {
    CommitCluster& c = ready("dropped", 2);
    SessionLink link(c.server(1).port());
    const BranchId branch = c.new_branch();
    const CommitStats& stats = c.loop().stats();
    const auto captured = stats.lanes[1].captured_groups.value();
    link.must("XA START " + c.xid(branch));
    link.must(update("dropped", 1));
    BranchPrepared prepared = c.begun(id(1), branch);
    link.must("XA END " + c.xid(branch));
    link.must("XA PREPARE " + c.xid(branch));
    const auto until = std::chrono::steady_clock::now() + 10s;
    const auto wait_for = [until](const std::function<bool()>& done) {
      while (!done() && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(5ms);
      }
      REQUIRE(done());
    };
    wait_for([&] { return stats.lanes[1].captured_groups.value() > captured; });
    // The stream breaks and goes on behind that group before the word on the branch arrives.
    const auto reader = [&link] {
      link.must("SELECT id FROM information_schema.PROCESSLIST WHERE COMMAND='Binlog Dump'");
      return link.last_rows().size() == 1 ? link.first_cell() : std::string();
    };
    const std::string before = reader();
    REQUIRE(!before.empty());
    link.must("KILL " + before);
    wait_for([&] { return !reader().empty() && reader() != before; });
    wait_for([&] {
      const auto report = c.report(id(1));
      return report && report->state == healthcheck::LaneState::kCaughtUp;
    });
    std::this_thread::sleep_for(200ms);
    prepared.last_seen_at_answer = prepared.last_seen_at_prepare;
    const auto posted = std::chrono::steady_clock::now();
    REQUIRE(c.loop().post(prepared));
    EXPECT(c.expect_outcome(branch).verdict == BranchVerdict::kHomeLost);
    EXPECT(std::chrono::steady_clock::now() - posted < 8s);  // group_wait_max is 10
    EXPECT(c.commit(link, id(1), {update("dropped", 1)}).verdict == BranchVerdict::kCommitted);
    c.wait_until_applied();
    c.expect_equal("SELECT * FROM t.dropped ORDER BY id");
    c.stop_loop();
  }

  TEST_CASE("a branch of which nobody knows whether it changed anything") {
    CommitCluster& c = ready("unsure", 2);
    SessionLink link(c.server(1).port());
    for (const bool changes : {true, false}) {
      CAPTURE(changes);
      BranchPrepared prepared = c.begun(id(1), c.new_branch());
      prepared.surely_logged = false;
      link.must("XA START " + c.xid(prepared.branch));
      link.must(changes ? update("unsure", 1) : "SELECT * FROM t.unsure FOR UPDATE");
      link.must("XA END " + c.xid(prepared.branch));
      link.must("XA PREPARE " + c.xid(prepared.branch));
      REQUIRE(c.loop().post(prepared));
      EXPECT(c.expect_outcome(prepared.branch).verdict ==
             (changes ? BranchVerdict::kCommitted : BranchVerdict::kConflict));
    }
    c.wait_until_applied();
    c.expect_equal("SELECT * FROM t.unsure ORDER BY id");
    EXPECT(value(c.server(0).port(), "unsure", 1) == "1");
    expect_nothing_prepared(c);
    c.stop_loop();
  }

  TEST_CASE("a backend that takes no packet of a writeset's size says so, and recovers") {
    // Too small for a piece of the text; enough for a piece, but not for the text in a variable.
    for (const char* const limit : {"2097152", "5242880"}) {
      CAPTURE(limit);
      CommitCluster& c = ready("packet", 1);
      EXPECT(c.ddl(id(0), "ALTER TABLE t.packet MODIFY s LONGTEXT", {{"t", "packet"}}) == 0);
      c.wait_until_applied();
      c.stop_loop();
      SessionLink third(c.server(2).port());
      third.must("SET GLOBAL max_allowed_packet=" + std::string(limit));
      c.start_loop();
      c.wait_until_caught_up();
      SessionLink link(c.server(0).port());
      EXPECT(c.commit(link, id(0), {"INSERT INTO t.packet VALUES (2,0,REPEAT('x',12000000))"})
                 .verdict == BranchVerdict::kCommitted);
      const auto until = std::chrono::steady_clock::now() + 10s;
      const auto told = [&c] {
        const auto report = c.report(id(2));
        return report && report->state != healthcheck::LaneState::kInconsistent &&
               report->reason.find("max_allowed_packet") != std::string::npos;
      };
      while (!told() && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(5ms);
      }
      EXPECT(told());
      third.must("SET GLOBAL max_allowed_packet=1073741824");
      c.wait_until_applied();
      c.expect_equal("SELECT id,v,MD5(s) FROM t.packet ORDER BY id");
      c.stop_loop();
    }
  }

  TEST_CASE("limits: rows of one transaction, keys remembered, entries and bytes of a batch") {
    CommitCluster& c = ready("limits", 5);
    EXPECT(c.ddl(id(0), "ALTER TABLE t.limits MODIFY s LONGTEXT", {{"t", "limits"}}) == 0);
    c.wait_until_applied();
    const auto with = [&c](const std::function<void(CommitOptions&)>& change) {
      c.stop_loop();
      c.start_loop(change);
      c.wait_until_caught_up();
    };
    SessionLink link(c.server(0).port());
    const auto update_often = [&](int times) {
      for (int i = 0; i < times; ++i) {
        REQUIRE(c.commit(link, id(0), {update("limits", 1)}).verdict == BranchVerdict::kCommitted);
      }
    };

    with([](CommitOptions& options) { options.writeset_bytes_max = 100'000; });
    EXPECT(c.commit(link, id(0), {"UPDATE t.limits SET s=REPEAT('x',90000) WHERE id=2"}).verdict ==
           BranchVerdict::kCommitted);
    const BranchOutcome outcome =
        c.commit(link, id(0), {"UPDATE t.limits SET s=REPEAT('y',110000) WHERE id=3"});
    EXPECT(outcome.verdict == BranchVerdict::kRefused);
    EXPECT(outcome.message.find("100000 bytes") != std::string::npos);

    with([](CommitOptions& options) { options.index_keys_max = 100; });
    SessionLink old(c.server(1).port());
    const BranchPrepared begun = c.begun(id(1), c.new_branch());
    old.must("XA START " + c.xid(begun.branch));
    old.must(update("limits", 4));
    old.must("XA END " + c.xid(begun.branch));
    old.must("XA PREPARE " + c.xid(begun.branch));
    update_often(101);
    REQUIRE(c.loop().post(begun));
    EXPECT(c.expect_outcome(begun.branch).verdict == BranchVerdict::kTooOld);

    const auto batches_for_20_entries = [&] {
      const BackendId away = id(2);
      c.wait_until_applied();
      const auto batches = [&] { return c.loop().stats().lanes[away.value].batches.value(); };
      const std::uint64_t before = batches();
      c.loop().set_backend(away, false);
      update_often(20);
      c.loop().set_backend(away, true);
      c.wait_until_applied();
      return batches() - before;
    };
    with([](CommitOptions&) {});
    EXPECT(batches_for_20_entries() <= 2);
    with([](CommitOptions& options) { options.batch.entries_max = 5; });
    EXPECT(batches_for_20_entries() >= 4);
    with([](CommitOptions& options) { options.batch.payload_bytes_max = 1; });
    EXPECT(batches_for_20_entries() == 20);
    c.expect_equal("SELECT id,v,MD5(s) FROM t.limits ORDER BY id");
    expect_nothing_prepared(c);
    c.stop_loop();
  }

  TEST_CASE("a lane that a global read lock stops is paused, not lost") {
    CommitCluster& c = ready("pause", 2);
    SessionLink backup(c.server(1).port());
    backup.must("FLUSH TABLES WITH READ LOCK");
    SessionLink link(c.server(0).port());
    EXPECT(c.commit(link, id(0), {update("pause", 1)}).verdict == BranchVerdict::kCommitted);
    const auto becomes = [&c](healthcheck::LaneState state) {
      const auto until = std::chrono::steady_clock::now() + 10s;
      while (c.report(id(1))->state != state && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(2ms);
      }
      return c.report(id(1))->state == state;
    };
    EXPECT(becomes(healthcheck::LaneState::kPaused));
    backup.must("UNLOCK TABLES");
    c.wait_until_applied();
    EXPECT(becomes(healthcheck::LaneState::kCaughtUp));
    c.expect_equal("SELECT * FROM t.pause ORDER BY id");
    c.stop_loop();
  }

  TEST_CASE("the server's lock tables are asked no oftener than allowed") {
    CommitCluster& c = ready("looks", 2);
    c.stop_loop();
    constexpr auto kInterval = 400ms;
    std::mutex mutex;
    std::vector<std::chrono::steady_clock::time_point> looks;
    c.on_abort = [&](const CommitEvent&) {
      const std::lock_guard lock(mutex);
      looks.push_back(std::chrono::steady_clock::now());
    };
    c.start_loop([&](CommitOptions& options) { options.lock_lookup_interval = kInterval; });
    c.wait_until_caught_up();
    SessionLink holder(c.server(1).port());
    holder.must("START TRANSACTION");
    holder.must("SELECT * FROM t.looks WHERE id=1 FOR UPDATE");
    SessionLink link(c.server(0).port());
    EXPECT(c.commit(link, id(0), {update("looks", 1)}).verdict == BranchVerdict::kCommitted);
    c.wait_until_applied();  // the holder is killed at the third look
    c.stop_loop();
    c.on_abort = nullptr;
    REQUIRE(looks.size() == 3);
    EXPECT(looks[1] - looks[0] >= kInterval - 20ms);
    EXPECT(looks[2] - looks[1] >= kInterval - 20ms);
  }

  TEST_CASE("what cannot be replicated is refused") {
    CommitCluster& c = ready("refuse", 2);
    EXPECT(c.ddl(id(0), "CREATE OR REPLACE TABLE t.stm (id INT PRIMARY KEY)", {{"t", "stm"}}) == 0);
    c.wait_until_applied();
    SessionLink link(c.server(0).port());
    link.must("SET SESSION binlog_format=STATEMENT");
    link.must("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    const BranchOutcome outcome = c.commit(link, id(0), {"INSERT INTO t.stm VALUES (1)"});
    EXPECT(outcome.verdict == BranchVerdict::kRefused);
    EXPECT(!outcome.message.empty());
    expect_nothing_prepared(c);
    c.expect_equal("SELECT * FROM t.stm");
    c.stop_loop();
  }

  TEST_CASE("a killed backend comes back and catches up, under load") {
    constexpr int kRows = 100;
    CommitCluster& c = ready("crash", kRows);
    std::vector<std::unique_ptr<Load>> loads;
    for (unsigned i = 0; i < 4; ++i) {
      loads.push_back(std::make_unique<Load>(c, i % 2, "crash", kRows, i));  // homes 1 and 2 only
    }
    std::uint64_t third = 0;
    for (int round = 0; round < 3; ++round) {
      {
        // Something on the third as well, up to the moment it dies.
        SessionLink link(c.server(2).port());
        for (int i = 0; i < 20; ++i) {
          const BranchOutcome outcome = c.commit(link, id(2), {update("crash", 1 + i)});
          third += outcome.verdict == BranchVerdict::kCommitted ? 1 : 0;
        }
        const BranchId lost = c.new_branch();
        link.must("XA START " + c.xid(lost));
        link.must(update("crash", 50));
        EXPECT(c.prepare(link, id(2), lost));
        c.server(2).crash();
        const BranchOutcome outcome = c.expect_outcome(lost);
        third += outcome.verdict == BranchVerdict::kCommitted ? 1 : 0;
      }
      std::this_thread::sleep_for(300ms);
      c.server(2).start();
      c.wait_until_caught_up(id(2));
    }
    std::uint64_t committed = third;
    for (const auto& load : loads) {
      load->stop = true;
      load->thread.join();
      committed += load->committed;
    }
    c.wait_until_applied();
    c.expect_equal("SELECT * FROM t.crash ORDER BY id");
    SessionLink link(c.server(2).port());
    link.must("SELECT SUM(v) FROM t.crash");
    EXPECT(link.first_cell() == std::to_string(committed));
    expect_nothing_prepared(c);
    c.stop_loop();
  }

  TEST_CASE("a loop that starts again goes on where the log ends") {
    CommitCluster& c = ready("again", 5);
    const std::uint32_t epoch = c.loop().identity().epoch;
    SessionLink link(c.server(0).port());
    // Prepared, never told to the loop: the next run must roll it back.
    const BranchId lost = c.new_branch();
    link.must("XA START " + c.xid(lost));
    link.must(update("again", 1, 100));
    link.must("XA END " + c.xid(lost));
    link.must("XA PREPARE " + c.xid(lost));
    c.stop_loop();
    c.start_loop();
    c.wait_until_caught_up();
    EXPECT(c.loop().identity().epoch == epoch + 1);
    expect_nothing_prepared(c);
    EXPECT(c.commit(link, id(0), {update("again", 1)}).verdict == BranchVerdict::kCommitted);
    c.wait_until_applied();
    c.expect_equal("SELECT * FROM t.again ORDER BY id");
    EXPECT(value(c.server(1).port(), "again", 1) == "1");
    c.stop_loop();
  }
}
