#include "proxy/commit/log_keeper.h"

#include <filesystem>
#include <string>
#include <unistd.h>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

namespace consort::proxy {
namespace {

using certifier::LogEntry;
using certifier::Writeset;

const std::string kClusterId = "00112233445566778899aabbccddeeff";

LogEntry writeset(std::uint64_t seqno, std::uint8_t home, std::size_t bytes = 100) {
  Writeset body;
  body.branch = BranchId{7, 1, seqno};
  body.home = BackendId{home};
  body.keys = {{seqno, KeyHold::kUpdate}};
  body.payload = Buffer(bytes, static_cast<std::uint8_t>(seqno));
  LogEntry entry;
  entry.seqno = Seqno{seqno};
  entry.body = std::move(body);
  return entry;
}

LogEntry replay(std::uint64_t seqno, std::uint8_t home) {
  LogEntry entry;
  entry.body = certifier::Replay{Seqno{seqno}, BackendId{home}};
  return entry;
}

// Opens a keeper and notes what it gives back.
struct Run final : LogKeeperObserver {
  explicit Run(const std::string& dir, std::size_t history = 16384) {
    LogKeeperOptions options;
    options.data_dir = dir;
    options.cluster_id = kClusterId;
    options.history_entries = history;
    options.disk_free_bytes_min = 1;
    auto opened = LogKeeper::open(loop, options, *this, stats);
    if (!opened.ok()) {
      failure = opened.error().message;
      return;
    }
    keeper = std::move(opened).value();
    keeper->start();
    run_until([this] { return ready || !failure.empty(); });
    if (failure.empty()) {
      keeper->begin_epoch();
      settle();
    }
  }

  ~Run() override {
    if (keeper) {
      bool closed = false;
      keeper->close([&closed] { closed = true; });
      run_until([&closed] { return closed; });
    }
  }

  template <typename Condition>
  void run_until(Condition condition) {
    for (int turn = 0; turn < 200000 && !condition(); ++turn) {
      loop.run_once();
      ::usleep(50);
    }
    EXPECT(condition());
  }

  void settle() {
    keeper->submit();
    run_until([this] { return keeper->unacknowledged() == 0; });
  }

  Status on_restored(const LogEntry& entry) override {
    if (entry.takes_seqno() && newest > Seqno{0} && entry.seqno != newest.next()) {
      return make_error("seqno " + std::to_string(entry.seqno.value) + " is not dense");
    }
    newest = std::max(newest, entry.seqno);
    restored.push_back(entry);
    return Ok{};
  }

  void on_log_ready() override { ready = true; }

  void on_durable(const EntryPtr& entry) override { durable.push_back(entry->seqno); }

  void on_log_failed(const Error& error) override { failure = error.message; }

  std::size_t restored_writesets() const {
    std::size_t count = 0;
    for (const LogEntry& entry : restored) {
      count += entry.writeset() != nullptr ? 1 : 0;
    }
    return count;
  }

  EventLoop loop;
  CommitStats stats;
  std::unique_ptr<LogKeeper> keeper;
  std::vector<LogEntry> restored;
  Seqno newest;
  std::vector<Seqno> durable;
  std::string failure;
  bool ready = false;
};

}  // namespace

TEST_SUITE("commit") {
  TEST_CASE("LogKeeper: gives entries back in order after they are durable, and after a restart") {
    const test::TempDir dir;
    {
      Run run(dir.path());
      REQUIRE(run.keeper != nullptr);
      EXPECT(run.keeper->epoch() == 1);
      for (std::uint64_t i = 1; i <= 50; ++i) {
        run.keeper->append(writeset(i, static_cast<std::uint8_t>(i % 3)));
      }
      run.keeper->append(replay(7, 1));
      run.settle();
      EXPECT(run.durable.size() == 52);
      EXPECT(run.keeper->durable_head() == Seqno{50});
      auto batch = run.keeper->read(Seqno{49}, 1 << 20);
      REQUIRE(batch.ok());
      EXPECT(batch->entries.size() == 3);  // two writesets and the replay behind them
    }
    Run run(dir.path());
    REQUIRE(run.keeper != nullptr);
    EXPECT(run.keeper->epoch() == 2);
    EXPECT(run.restored_writesets() == 50);
    EXPECT(run.keeper->own_branches().last_own(BackendId{2}) == Seqno{50});
    EXPECT(run.keeper->own_branches().find(Seqno{7})->replayed);
    EXPECT(run.keeper->first_seqno() == Seqno{1});
  }

  TEST_CASE("LogKeeper: a short history comes back, older branches from the archive") {
    const test::TempDir dir;
    {
      Run run(dir.path());
      for (std::uint64_t i = 1; i <= 300; ++i) {
        run.keeper->append(writeset(i, static_cast<std::uint8_t>(i <= 100 ? 1 : 0)));
        if (i == 50) {
          run.keeper->append(replay(40, 1));
        }
      }
      run.settle();
    }
    Run run(dir.path(), 20);
    EXPECT(run.restored_writesets() == 21);
    EXPECT(run.keeper->own_branches().first() == Seqno{280});
    EXPECT(run.keeper->own_branches().last_own(BackendId{1}) == Seqno{100});
    auto own = run.keeper->own_branches_from(BackendId{1}, Seqno{30});
    REQUIRE(own.ok());
    REQUIRE(own->size() == 71);
    EXPECT(own->front().seqno == Seqno{30});
    EXPECT(own->at(10).replayed);
    EXPECT(!own->at(11).replayed);
    own = run.keeper->own_branches_from(BackendId{0}, Seqno{290});
    REQUIRE(own.ok());
    EXPECT(own->size() == 11);
  }

  TEST_CASE("LogKeeper: entries of many records survive, snapshots come between entries") {
    const test::TempDir dir;
    {
      Run run(dir.path());
      for (std::uint64_t i = 1; i <= 40; ++i) {
        run.keeper->append(writeset(i, 0, std::size_t{5} << 20));
        run.settle();
      }
      EXPECT(run.failure.empty());
    }
    // More than the snapshot threshold of 64 MiB was written: the log itself holds only the rest.
    std::size_t snapshots = 0;
    for (const auto& file : std::filesystem::directory_iterator(dir.path() + "/raft")) {
      snapshots += file.path().filename().string().rfind("snapshot-", 0) == 0 ? 1 : 0;
    }
    EXPECT(snapshots > 0);
    Run run(dir.path());
    REQUIRE(run.keeper != nullptr);
    EXPECT(run.failure.empty());
    EXPECT(run.restored_writesets() == 40);
  }

  TEST_CASE("LogKeeper: refuses an archive that ends before the log begins") {
    const test::TempDir dir;
    {
      Run run(dir.path());
      for (std::uint64_t i = 1; i <= 20; ++i) {
        run.keeper->append(writeset(i, 0, std::size_t{5} << 20));
        run.settle();
      }
    }
    std::filesystem::remove_all(dir.path() + "/archive");
    Run run(dir.path());
    EXPECT(run.failure.find("archive") != std::string::npos);
  }

  TEST_CASE("LogKeeper: a gap in the archive is told, not a reason to abort") {
    const test::TempDir dir;
    { Run run(dir.path()); }
    {
      ArchiveOptions options;
      options.dir = dir.path() + "/archive";
      auto archive = WritesetArchive::open(options);
      REQUIRE(archive.ok());
      for (const std::uint64_t seqno : {1, 3}) {
        const Buffer encoded = certifier::encode_entry(writeset(seqno, 0));
        REQUIRE(archive.value()->append(100 + seqno, Seqno{seqno}, encoded).ok());
      }
    }
    Run run(dir.path());
    EXPECT(run.failure.find("seqno 3 is not dense") != std::string::npos);
  }

  TEST_CASE("LogKeeper: refuses an archive whose log is gone") {
    const test::TempDir dir;
    {
      Run run(dir.path());
      run.keeper->append(writeset(1, 0));
      run.settle();
    }
    std::filesystem::remove_all(dir.path() + "/raft");
    Run run(dir.path());
    EXPECT(run.keeper == nullptr);
    EXPECT(run.failure.find("is gone") != std::string::npos);
  }
}

}  // namespace consort::proxy
