#include "proxy/uv/raft_commit_log.h"

#include <cstring>
#include <filesystem>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

namespace consort::proxy {
namespace {

// Keeps the records itself, in a vector instead of an archive.
class Keeper final : public certifier::CommitLogObserver, public LogSnapshotter {
 public:
  void on_committed(const certifier::CommittedRecord& record) override {
    EXPECT(record.index > last_index);
    last_index = record.index;
    records.emplace_back(as_text(record.record));
    tokens.push_back(record.token);
  }

  void on_replayed() override { replayed = true; }

  void on_failed(const Error& error) override { failure = error.message; }

  Result<std::optional<LogSnapshot>> take_snapshot(std::uint64_t index) override {
    if (busy_answers > 0) {
      --busy_answers;
      return std::optional<LogSnapshot>();
    }
    EXPECT(index == last_index);
    ++snapshots;
    LogSnapshot snapshot;
    append_le<8>(snapshot.data, records.size());
    snapshot.make_durable = [fails = sync_fails] {
      return fails ? Status(make_error("syncing the archive: EIO")) : Status(Ok{});
    };
    return std::optional<LogSnapshot>(std::move(snapshot));
  }

  Status restore_snapshot(Bytes data) override {
    EXPECT(data.size() == 8);
    restored = load_le<8>(data.data());
    return Ok{};
  }

  std::vector<std::string> records;
  std::vector<std::uint64_t> tokens;
  std::uint64_t last_index = 0;
  std::uint64_t restored = 0;
  int snapshots = 0;
  int busy_answers = 0;
  bool sync_fails = false;
  bool replayed = false;
  std::string failure;
};

struct OpenLog {
  explicit OpenLog(const std::string& dir) {
    auto opened = RaftCommitLog::open(loop, {dir}, keeper);
    if (!opened.ok()) {
      keeper.failure = opened.error().message;
      return;
    }
    log = std::move(opened).value();
    log->start(keeper);
    run_until([this] { return keeper.replayed || !keeper.failure.empty(); });
  }

  ~OpenLog() {
    if (log) {
      bool done = false;
      log->close([&done] { done = true; });
      run_until([&done] { return done; });
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

  void append(const std::string& text, std::uint64_t token) {
    const Bytes bytes = as_bytes(text);
    log->append(Buffer(bytes.begin(), bytes.end()), token);
  }

  EventLoop loop;
  Keeper keeper;
  std::unique_ptr<RaftCommitLog> log;
};

}  // namespace

TEST_SUITE("commit") {
  TEST_CASE("RaftCommitLog: a new log replays nothing, then commits in order") {
    const test::TempDir dir;
    OpenLog open(dir.path());
    REQUIRE(open.log != nullptr);
    EXPECT(open.log->is_new());
    EXPECT(open.keeper.records.empty());
    for (int i = 1; i <= 100; ++i) {
      open.append(std::string(static_cast<std::size_t>(i), 'x'), static_cast<std::uint64_t>(i));
      if (i % 7 == 0) {
        open.log->submit();
      }
    }
    open.log->submit();
    EXPECT(open.log->unacknowledged() == 100);
    open.run_until([&] { return open.log->unacknowledged() == 0; });
    REQUIRE(open.keeper.records.size() == 100);
    for (std::size_t i = 0; i < 100; ++i) {
      EXPECT(open.keeper.tokens[i] == i + 1);
      EXPECT(open.keeper.records[i].size() == i + 1);
    }
  }

  TEST_CASE("RaftCommitLog: closes where a file's last work is done before the file is closed") {
    if (!std::filesystem::is_directory("/dev/shm")) {
      MESSAGE("no tmpfs here");
      return;
    }
    const test::TempDir dir("/dev/shm");  // where that work takes no time
    OpenLog open(dir.path());
    REQUIRE(open.log != nullptr);
    open.append("one", 1);
    open.log->submit();
    open.run_until([&] { return open.log->unacknowledged() == 0; });
    bool closed = false;
    open.log->close([&closed] { closed = true; });
    ::usleep(100'000);  // the work is done when the loop looks for the first time
    open.run_until([&closed] { return closed; });
    open.log.reset();
  }

  TEST_CASE("RaftCommitLog: replays earlier runs with token 0, also records of the largest size") {
    const test::TempDir dir;
    const std::string large(RaftCommitLog::kRecordBytesMax, 'L');
    {
      OpenLog open(dir.path());
      REQUIRE(open.log != nullptr);
      open.append("one", 1);
      for (std::uint64_t i = 0; i < 12; ++i) {
        open.append(large, 2 + i);
      }
      open.log->submit();
      open.run_until([&] { return open.log->unacknowledged() == 0; });
    }
    OpenLog again(dir.path());
    REQUIRE(again.log != nullptr);
    EXPECT(!again.log->is_new());
    REQUIRE(again.keeper.records.size() == 13);
    EXPECT(again.keeper.records[0] == "one");
    EXPECT(again.keeper.records[12] == large);
    EXPECT(again.keeper.tokens[0] == 0);
  }

  TEST_CASE("RaftCommitLog: after a snapshot only newer records come back") {
    const test::TempDir dir;
    {
      OpenLog open(dir.path());
      REQUIRE(open.log != nullptr);
      open.keeper.busy_answers = 1;
      open.log->snapshot_soon();
      for (std::uint64_t i = 1; i <= 50; ++i) {
        open.append("before " + std::to_string(i), i);
        open.log->submit();
        open.run_until([&] { return open.log->unacknowledged() == 0; });
      }
      EXPECT(open.keeper.snapshots == 1);
      open.append("last", 51);
      open.log->submit();
      open.run_until([&] { return open.log->unacknowledged() == 0; });
    }
    OpenLog again(dir.path());
    REQUIRE(again.log != nullptr);
    EXPECT(again.keeper.restored > 0);
    EXPECT(again.keeper.restored + again.keeper.records.size() == 51);
    REQUIRE(!again.keeper.records.empty());
    EXPECT(again.keeper.records.back() == "last");
    again.append("more", 1);
    again.log->submit();
    again.run_until([&] { return again.log->unacknowledged() == 0; });
    EXPECT(again.keeper.tokens.back() == 1);
  }

  TEST_CASE("RaftCommitLog: a failed sync for a snapshot is the end, not a reason to try again") {
    const test::TempDir dir;
    OpenLog open(dir.path());
    REQUIRE(open.log != nullptr);
    open.keeper.sync_fails = true;
    open.log->snapshot_soon();
    open.append("one", 1);
    open.log->submit();
    open.run_until([&] { return !open.keeper.failure.empty(); });
    EXPECT(open.keeper.failure.find("syncing the archive") != std::string::npos);
    EXPECT(open.keeper.snapshots == 1);
  }

  TEST_CASE("RaftCommitLog: a second opener is told that the directory is in use") {
    const test::TempDir dir;
    OpenLog first(dir.path());
    REQUIRE(first.log != nullptr);
    OpenLog second(dir.path());
    EXPECT(second.log == nullptr);
    EXPECT(second.keeper.failure.find("another process") != std::string::npos);
  }

  TEST_CASE("RaftCommitLog: everything acknowledged before the process ended is there") {
    for (int round = 0; round < 5; ++round) {
      const test::TempDir dir;
      int pipe_fds[2];
      REQUIRE(::pipe(pipe_fds) == 0);
      const pid_t child = ::fork();
      REQUIRE(child >= 0);
      if (child == 0) {
        ::close(pipe_fds[0]);
        auto* open = new OpenLog(dir.path());
        std::uint64_t next = 1;
        std::size_t told = 0;
        const std::uint64_t stop_at = 300 + 40U * static_cast<std::uint64_t>(round);
        while (told < stop_at) {
          for (int i = 0; i < 3; ++i, ++next) {
            open->append("record " + std::to_string(next), next);
          }
          open->log->submit();
          open->loop.run_once();
          for (; told < open->keeper.records.size(); ++told) {
            const std::uint64_t token = open->keeper.tokens[told];
            if (::write(pipe_fds[1], &token, sizeof token) != sizeof token) {
              ::_exit(2);
            }
          }
        }
        ::_exit(0);  // as hard as kill -9: nothing is flushed or closed
      }
      ::close(pipe_fds[1]);
      std::uint64_t acknowledged = 0;
      std::uint64_t token = 0;
      while (::read(pipe_fds[0], &token, sizeof token) == sizeof token) {
        EXPECT(token == acknowledged + 1);
        acknowledged = token;
      }
      ::close(pipe_fds[0]);
      int status = 0;
      REQUIRE(::waitpid(child, &status, 0) == child);
      EXPECT(status == 0);

      OpenLog again(dir.path());
      REQUIRE(again.log != nullptr);
      REQUIRE(again.keeper.records.size() >= acknowledged);
      for (std::size_t i = 0; i < again.keeper.records.size(); ++i) {
        EXPECT(again.keeper.records[i] == "record " + std::to_string(i + 1));
      }
    }
  }
}

}  // namespace consort::proxy
