// BackendController, ServerProbe, preflight facts and accounts against a real server: every
// command, and what becomes of them when the server dies, hangs or was never there.
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "base/branch_name.h"
#include "certifier/schema_catalog.h"
#include "healthcheck/server_facts.h"
#include "proxy/backend_controller.h"
#include "tests/integration/cpp/stoppable_server.h"
#include "tests/support/test.h"

using namespace consort;
using namespace consort::proxy;
using consort::test::StoppableServer;
using healthcheck::LinkTarget;
using healthcheck::LinkTimeouts;
using healthcheck::ProbeFailure;
using healthcheck::ServerLink;
using healthcheck::SqlRows;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr std::uint32_t kCluster = 0xC0FFEE01;
constexpr auto kPatience = seconds(30);

ControllerOptions controller_options(std::uint16_t port) {
  ControllerOptions options;
  options.name = "b";
  options.target = LinkTarget{"127.0.0.1", port, "root", "", {}};
  options.timeouts = LinkTimeouts{seconds(1), seconds(1)};
  options.cluster = kCluster;
  return options;
}

/// Posts a command and waits for its answer.
template <typename T, typename Post>
Result<T> ask(const Post& post) {
  auto promise = std::make_shared<std::promise<Result<T>>>();
  std::future<Result<T>> answer = promise->get_future();
  REQUIRE(post([promise](Result<T> result) { promise->set_value(std::move(result)); }));
  REQUIRE((answer.wait_for(kPatience) == std::future_status::ready));
  return answer.get();
}

healthcheck::ProbeResult ask_probe(BackendController& controller, bool fresh = false) {
  auto promise = std::make_shared<std::promise<healthcheck::ProbeResult>>();
  auto answer = promise->get_future();
  REQUIRE(controller.probe({fresh, true}, [promise](healthcheck::ProbeResult result) {
    promise->set_value(std::move(result));
  }));
  REQUIRE((answer.wait_for(kPatience) == std::future_status::ready));
  return answer.get();
}

Result<SqlRows> run(BackendController& controller, const std::string& sql) {
  return ask<SqlRows>([&](auto done) { return controller.run_sql(sql, std::move(done)); });
}

Result<BranchEnd> roll_back(BackendController& controller, const RollBackBranch& what) {
  return ask<BranchEnd>(
      [&](auto done) { return controller.roll_back_branch(what, std::move(done)); });
}

/// A client's connection to the server.
struct Client {
  ServerLink link;

  explicit Client(std::uint16_t port)
      : link(LinkTarget{"127.0.0.1", port, "root", "", {}}, LinkTimeouts{seconds(5), seconds(30)}) {
    REQUIRE(link.connect().ok());
    sql("SET SESSION innodb_lock_wait_timeout=20");
  }

  std::string sql(const std::string& text) {
    const auto rows = link.query(text);
    CAPTURE(text);
    REQUIRE_MESSAGE(rows.ok(), (rows.ok() ? "" : rows.error().message));
    return rows->first();
  }

  int error_of(const std::string& text) {
    const auto rows = link.query(text);
    return rows.ok() ? 0 : rows.error().code;
  }

  void prepare(const BranchId& branch, int row, bool detached) {
    const std::string xid = branch_xid_sql(kCluster, branch);
    sql(std::string("SET SESSION pseudo_slave_mode=") + (detached ? "1" : "0"));
    sql("XA START " + xid);
    sql("UPDATE d.t SET v=v+1 WHERE id=" + std::to_string(row));
    sql("XA END " + xid);
    sql("XA PREPARE " + xid);
  }
};

/// One server and one controller for the whole program.
struct Stage {
  StoppableServer server{7, {}};
  std::unique_ptr<BackendController> controller;

  Stage() {
    server.start();
    Client client(server.port());
    client.sql("CREATE DATABASE d");
    client.sql("CREATE TABLE d.t (id INT PRIMARY KEY, v INT NOT NULL) ENGINE=InnoDB");
    client.sql("INSERT INTO d.t VALUES (1,0),(2,0),(3,0),(4,0),(5,0)");
    controller = std::make_unique<BackendController>(controller_options(server.port()));
    controller->start();
  }
};

Stage& stage() {
  static Stage the_stage;
  return the_stage;
}

}  // namespace

TEST_SUITE("integration") {
  TEST_CASE("BackendController: probes, SQL, errors with their numbers") {
    BackendController& controller = *stage().controller;
    const auto probe = ask_probe(controller);
    REQUIRE(probe.ok());
    EXPECT(probe.server.server_id == 7);
    EXPECT(probe.server.version.find("MariaDB") != std::string::npos);
    EXPECT_FALSE(probe.server.read_only);
    EXPECT_FALSE(probe.server.position.has_value());
    EXPECT_FALSE(probe.server.paused);

    const auto rows = run(controller, "SELECT id, NULL FROM d.t ORDER BY id");
    REQUIRE(rows.ok());
    REQUIRE(rows->rows.size() == 5);
    EXPECT(rows->rows[4][0] == "5");
    EXPECT_FALSE(rows->rows[4][1].has_value());
    const auto wrong = run(controller, "SELEKT");
    REQUIRE_FALSE(wrong.ok());
    EXPECT(wrong.error().code == 1064);
    const auto local = run(controller, "SELECT @@sql_log_bin, @@lock_wait_timeout");
    REQUIRE(local.ok());
    EXPECT(local->rows[0][0] == "0");
    EXPECT(local->rows[0][1] == "1");
  }

  TEST_CASE("BackendController: the probe reads consort.position and sees a pause") {
    BackendController& controller = *stage().controller;
    Client client(stage().server.port());
    client.sql("CREATE DATABASE consort");
    client.sql(
        "CREATE TABLE consort.`position`"
        " (id INT PRIMARY KEY, cluster CHAR(36), seqno BIGINT UNSIGNED)");
    client.sql("INSERT INTO consort.`position` VALUES (1, 'some-cluster', 42)");
    auto probe = ask_probe(controller, true);
    REQUIRE(probe.ok());
    EXPECT(probe.server.position == 42);
    EXPECT(probe.server.cluster == "some-cluster");

    client.sql("FLUSH TABLES WITH READ LOCK");
    std::thread writer([] {
      Client waits(stage().server.port());
      waits.sql("INSERT INTO d.t VALUES (100, 0)");
    });
    for (int i = 0; i < 100 && !probe.server.paused; ++i) {
      std::this_thread::sleep_for(milliseconds(20));
      probe = ask_probe(controller);
      REQUIRE(probe.ok());
    }
    EXPECT(probe.server.paused);
    client.sql("UNLOCK TABLES");
    writer.join();
    EXPECT_FALSE(ask_probe(controller).server.paused);
    client.sql("DROP DATABASE consort");
  }

  TEST_CASE("BackendController: rolls back a detached branch, once") {
    BackendController& controller = *stage().controller;
    Client client(stage().server.port());
    const BranchId branch{1, 0, 1};
    client.prepare(branch, 1, true);
    const auto listed = ask<std::vector<PreparedBranch>>(
        [&](auto done) { return controller.xa_recover(std::move(done)); });
    REQUIRE(listed.ok());
    REQUIRE(listed->size() == 1);
    EXPECT(listed->front().cluster == kCluster);
    EXPECT((listed->front().branch == branch));
    auto end = roll_back(controller, {branch, 0});
    REQUIRE(end.ok());
    EXPECT((*end == BranchEnd::kRolledBack));
    EXPECT(client.sql("SELECT v FROM d.t WHERE id=1") == "0");
    end = roll_back(controller, {branch, 0});
    REQUIRE(end.ok());
    EXPECT((*end == BranchEnd::kNotThere));
  }

  TEST_CASE("BackendController: foreign branches are not listed") {
    BackendController& controller = *stage().controller;
    Client client(stage().server.port());
    client.sql("SET pseudo_slave_mode=1");
    for (const char* xid : {"'somebody'", "'consort-1-2-3-4','',1"}) {
      client.sql(std::string("XA START ") + xid);
      client.sql("UPDATE d.t SET v=v+1 WHERE id=5");
      client.sql(std::string("XA END ") + xid);
      client.sql(std::string("XA PREPARE ") + xid);
      const auto listed = ask<std::vector<PreparedBranch>>(
          [&](auto done) { return controller.xa_recover(std::move(done)); });
      REQUIRE(listed.ok());
      EXPECT(listed->empty());
      client.sql(std::string("XA ROLLBACK ") + xid);
    }
  }

  TEST_CASE("BackendController: an attached prepared branch goes with its owner") {
    BackendController& controller = *stage().controller;
    Client client(stage().server.port());
    const BranchId branch{1, 0, 2};
    client.prepare(branch, 2, false);
    const auto end = roll_back(controller, {branch, client.link.thread_id()});
    REQUIRE_MESSAGE(end.ok(), (end.ok() ? "" : end.error().message));
    EXPECT((*end == BranchEnd::kRolledBack));
    Client other(stage().server.port());
    EXPECT(other.sql("SELECT v FROM d.t WHERE id=2") == "0");
  }

  TEST_CASE("BackendController: an attached branch without a named owner ends when it detaches") {
    BackendController& controller = *stage().controller;
    auto client = std::make_unique<Client>(stage().server.port());
    const BranchId branch{1, 0, 3};
    client->prepare(branch, 2, false);
    auto promise = std::make_shared<std::promise<Result<BranchEnd>>>();
    auto answer = promise->get_future();
    REQUIRE(controller.roll_back_branch(
        {branch, 0}, [promise](Result<BranchEnd> end) { promise->set_value(std::move(end)); }));
    EXPECT((answer.wait_for(milliseconds(100)) == std::future_status::timeout));
    EXPECT(ask_probe(controller).ok());  // the thread is not stuck on it
    client.reset();
    REQUIRE((answer.wait_for(kPatience) == std::future_status::ready));
    const auto end = answer.get();
    REQUIRE(end.ok());
    EXPECT((*end == BranchEnd::kRolledBack));
  }

  TEST_CASE("BackendController: a branch that may still be prepared is prevented") {
    BackendController& controller = *stage().controller;
    Client holder(stage().server.port());
    holder.sql("BEGIN");
    holder.sql("UPDATE d.t SET v=v WHERE id=3");
    Client owner(stage().server.port());
    const BranchId branch{1, 0, 4};
    const std::string xid = branch_xid_sql(kCluster, branch);
    owner.sql("SET pseudo_slave_mode=1");
    owner.sql("XA START " + xid);
    const std::uint64_t owner_thread = owner.link.thread_id();
    std::thread waiting([&owner] { owner.error_of("UPDATE d.t SET v=9 WHERE id=3"); });
    std::this_thread::sleep_for(milliseconds(50));
    const auto end = roll_back(controller, {branch, owner_thread});
    REQUIRE(end.ok());
    EXPECT((*end == BranchEnd::kNotThere));
    waiting.join();
    holder.sql("ROLLBACK");
  }

  TEST_CASE("BackendController: finds the holder of a lock, not who waits for it, too") {
    BackendController& controller = *stage().controller;
    const auto holder_of = [&](std::uint64_t thread) {
      return ask<std::optional<LockHolder>>(
          [&](auto done) { return controller.find_lock_holder(thread, std::move(done)); });
    };
    for (const bool detached : {false, true}) {
      CAPTURE(detached);
      std::this_thread::sleep_for(milliseconds(150));  // the server's cache: see measured facts
      Client holder(stage().server.port());
      Client lane(stage().server.port());
      const BranchId branch{1, 0, detached ? 6U : 5U};
      if (detached) {
        holder.prepare(branch, 4, true);
      } else {
        holder.sql("BEGIN");
        holder.sql("UPDATE d.t SET v=v+1 WHERE id=4");
      }
      Client in_line(stage().server.port());  // waits, too, and stands before the lane
      std::thread before([&in_line] { in_line.sql("UPDATE d.t SET v=v+1 WHERE id=4"); });
      std::this_thread::sleep_for(milliseconds(100));
      std::thread waiting([&lane] { lane.sql("UPDATE d.t SET v=v+1 WHERE id=4"); });
      std::optional<LockHolder> found;
      for (int i = 0; i < 50 && !found; ++i) {
        std::this_thread::sleep_for(milliseconds(130));
        const auto looked = holder_of(lane.link.thread_id());
        REQUIRE(looked.ok());
        found = *looked;
      }
      REQUIRE(found.has_value());
      EXPECT(found->thread_id == (detached ? 0 : holder.link.thread_id()));
      EXPECT(found->trx_id != 0);
      EXPECT(found->table == "`d`.`t`");
      EXPECT(found->index == "PRIMARY");
      EXPECT(found->lock_data == "4");
      EXPECT_FALSE(found->waits);
      if (detached) {
        EXPECT(roll_back(controller, {branch, 0}).ok());
      } else {
        const auto killed = ask<Ok>([&](auto done) {
          return controller.kill_connection(holder.link.thread_id(), std::move(done));
        });
        EXPECT(killed.ok());
      }
      before.join();
      waiting.join();
      std::this_thread::sleep_for(milliseconds(130));
      const auto nobody = holder_of(lane.link.thread_id());
      REQUIRE(nobody.ok());
      EXPECT_FALSE(nobody->has_value());
    }
  }

  TEST_CASE("BackendController: kills a query; what is gone is a success") {
    BackendController& controller = *stage().controller;
    Client client(stage().server.port());
    int error = 0;
    std::thread sleeping([&] { error = client.error_of("SELECT id FROM d.t WHERE SLEEP(20)=7"); });
    std::this_thread::sleep_for(milliseconds(200));
    const auto kill_query = [&](std::uint64_t thread, const KillTicket& ticket) {
      return ask<Ok>(
          [&](auto done) { return controller.kill_query(thread, ticket, std::move(done)); });
    };
    KillTicket withdrawn = KillTicket::issue();
    withdrawn.withdraw();
    EXPECT(kill_query(client.link.thread_id(), withdrawn).ok());
    const KillTicket ticket = KillTicket::issue();
    EXPECT(ticket.pending());
    EXPECT(error == 0);
    EXPECT(kill_query(client.link.thread_id(), ticket).ok());
    EXPECT_FALSE(ticket.pending());
    sleeping.join();
    EXPECT(error == 1317);
    EXPECT(client.sql("SELECT 1") == "1");
    EXPECT(kill_query(987654321, KillTicket::issue()).ok());
    const auto gone =
        ask<Ok>([&](auto done) { return controller.kill_connection(987654321, std::move(done)); });
    EXPECT(gone.ok());
  }

  TEST_CASE("BackendController: loads a table's definition") {
    BackendController& controller = *stage().controller;
    const auto load = [&](const char* table) {
      return ask<certifier::TableDefinition>(
          [&](auto done) { return controller.load_table("d", table, std::move(done)); });
    };
    const auto definition = load("t");
    REQUIRE_MESSAGE(definition.ok(), (definition.ok() ? "" : definition.error().message));
    EXPECT(definition->columns.size() == 2);
    EXPECT_FALSE(load("no_such_table").ok());
    EXPECT(ask_probe(controller).ok());
  }

  TEST_CASE("BackendController: loads the accounts as the server has them") {
    BackendController& controller = *stage().controller;
    Client client(stage().server.port());
    client.sql("CREATE USER app@'%' IDENTIFIED BY 'x'");
    client.sql("CREATE USER app@'127.0.0.%' IDENTIFIED BY 'y' REQUIRE SSL ACCOUNT LOCK");
    client.sql(
        "CREATE USER two@'%' IDENTIFIED VIA unix_socket OR mysql_native_password"
        " USING PASSWORD('z')");
    client.sql("CREATE ROLE some_role");
    const auto load = [&] {
      return ask<std::shared_ptr<const AccountSet>>(
          [&](auto done) { return controller.load_accounts(std::move(done)); });
    };
    const auto loaded = load();
    REQUIRE_MESSAGE(loaded.ok(), (loaded.ok() ? "" : loaded.error().message));
    const AccountSet& set = **loaded;
    const Account* const near = set.find("app", client_host("127.0.0.1"));
    REQUIRE(near != nullptr);
    EXPECT(near->host == "127.0.0.%");
    EXPECT(near->locked);
    EXPECT((near->tls == TlsDemand::kAny));
    const Account* const far = set.find("app", client_host("10.0.0.1"));
    REQUIRE(far != nullptr);
    EXPECT(far->plugin == "mysql_native_password");
    EXPECT(far->authentication_string == client.sql("SELECT PASSWORD('x')"));
    const Account* const two = set.find("two", client_host("10.0.0.1"));
    REQUIRE(two != nullptr);
    EXPECT(two->plugin == "unix_socket");
    REQUIRE(two->alternatives.size() == 1);
    EXPECT(two->alternatives[0].authentication_string == client.sql("SELECT PASSWORD('z')"));
    EXPECT(set.find("some_role", client_host("10.0.0.1")) == nullptr);
    EXPECT((*load())->digest() == set.digest());
    client.sql("DROP USER two@'%'");
    EXPECT((*load())->digest() != set.digest());
  }

  TEST_CASE("Preflight: a server set up as a backend should be raises no error") {
    Client client(stage().server.port());
    const auto facts = healthcheck::server_facts(client.link, healthcheck::FactsDepth::kTables);
    REQUIRE(facts.ok());
    for (const auto& finding : healthcheck::check_backend(*facts, "")) {
      INFO(finding.what);
      EXPECT((finding.severity == healthcheck::Severity::kWarning));
    }
    EXPECT(facts->at(std::string(healthcheck::kFactAccount)) == "'root'@'127.0.0.1'");
    EXPECT(facts->at(std::string(healthcheck::kFactMayGrant)) == "YES");
    EXPECT(facts->at(std::string(healthcheck::kFactPrivileges)).find("BINLOG REPLAY") !=
           std::string::npos);

    client.sql("CREATE TABLE d.no_key (a INT) ENGINE=InnoDB");
    client.sql("CREATE TABLE d.isam (a INT PRIMARY KEY) ENGINE=MyISAM");
    client.sql("SET GLOBAL binlog_format='MIXED'");
    const auto worse = healthcheck::server_facts(client.link, healthcheck::FactsDepth::kTables);
    REQUIRE(worse.ok());
    EXPECT(worse->at(std::string(healthcheck::kFactKeyless)).find("d.no_key") != std::string::npos);
    EXPECT(worse->at(std::string(healthcheck::kFactOtherEngines)).find("d.isam (MyISAM)") !=
           std::string::npos);
    EXPECT(healthcheck::refusal(healthcheck::check_backend(*worse, ""))
               .starts_with("preflight: binlog_format is MIXED"));
    client.sql("SET GLOBAL binlog_format='ROW'");
    client.sql("DROP TABLE d.no_key, d.isam");
  }

  TEST_CASE("BackendController: a command over a dead connection is repeated on a new one") {
    BackendController& controller = *stage().controller;
    const auto thread = run(controller, "SELECT CONNECTION_ID()");
    REQUIRE(thread.ok());
    Client client(stage().server.port());
    client.sql("KILL " + thread->first());
    std::this_thread::sleep_for(milliseconds(50));
    const auto listed = ask<std::vector<PreparedBranch>>(
        [&](auto done) { return controller.xa_recover(std::move(done)); });
    EXPECT(listed.ok());
  }

  TEST_CASE("BackendController: a crash fails commands fast, the return is found by itself") {
    BackendController& controller = *stage().controller;
    Client(stage().server.port()).prepare(BranchId{1, 0, 9}, 5, true);
    stage().server.crash();
    auto probe = ask_probe(controller);
    if (!probe.ok() && probe.failure == ProbeFailure::kReset) {
      probe = ask_probe(controller);  // the first met the broken connection
    }
    REQUIRE_FALSE(probe.ok());
    EXPECT((probe.failure == ProbeFailure::kRefused));
    EXPECT((probe.ended - probe.started < seconds(1)));
    EXPECT_FALSE(roll_back(controller, {BranchId{1, 0, 9}, 0}).ok());
    EXPECT_FALSE(run(controller, "SELECT 1").ok());
    stage().server.start();
    EXPECT(ask_probe(controller).ok());
    const auto end = roll_back(controller, {BranchId{1, 0, 9}, 0});
    REQUIRE(end.ok());
    EXPECT((*end == BranchEnd::kRolledBack));  // the branch outlived the crash
  }

  TEST_CASE("BackendController: a hung server costs its timeouts, no more") {
    BackendController& controller = *stage().controller;
    REQUIRE(ask_probe(controller).ok());
    stage().server.freeze();
    auto probe = ask_probe(controller);
    REQUIRE_FALSE(probe.ok());
    EXPECT((probe.failure == ProbeFailure::kReadTimeout));
    EXPECT((probe.ended - probe.started < milliseconds(2500)));
    probe = ask_probe(controller);  // a new connection: accepted by the kernel, never greeted
    REQUIRE_FALSE(probe.ok());
    EXPECT((probe.failure == ProbeFailure::kConnectTimeout ||
            probe.failure == ProbeFailure::kReadTimeout));
    EXPECT((probe.ended - probe.started < milliseconds(2500)));
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < 200; ++i) {  // all of them together, while nobody answers
      EXPECT_FALSE(run(controller, "SELECT 1").ok());
    }
    EXPECT((std::chrono::steady_clock::now() - began < seconds(4)));
    stage().server.thaw();
    EXPECT(ask_probe(controller).ok());
    EXPECT(run(controller, "SELECT 1").ok());
  }

  TEST_CASE("BackendController: nobody listens; then the controller stops") {
    stage().server.stop();
    const auto probe = ask_probe(*stage().controller, true);
    REQUIRE_FALSE(probe.ok());
    EXPECT((probe.failure == ProbeFailure::kRefused));
    stage().controller->stop();
    EXPECT_FALSE(stage().controller->run_sql("SELECT 1", [](const Result<SqlRows>&) {}));
  }

  TEST_CASE("BackendController: stop answers everything that waits") {
    ControllerOptions options = controller_options(stage().server.port());
    options.commands_max = 3;
    BackendController controller(options);
    int answered = 0;
    const auto count = [&answered](const Result<SqlRows>& rows) { answered += rows.ok() ? 0 : 1; };
    EXPECT(controller.run_sql("SELECT 1", count));
    EXPECT(controller.run_sql("SELECT 2", count));
    EXPECT(controller.run_sql("SELECT 3", count));
    EXPECT_FALSE(controller.run_sql("SELECT 4", count));
    controller.start();
    controller.stop();
    EXPECT(answered == 3);
  }
}
