#include "proxy/uv/raft_commit_log.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <uv.h>
extern "C" {
#include <raft.h>
#include <raft/uv.h>
}

#include "base/check.h"
#include "proxy/uv/timer.h"

namespace consort::proxy {
namespace {

constexpr raft_id kServerId = 1;
constexpr char kServerAddress[] = "1";
constexpr std::size_t kEntryHeaderBytes = 8;
// One libraft append must fit its 8 MiB segments with all its padding.
constexpr std::size_t kAppendBytesMax = std::size_t{4} << 20;
constexpr std::size_t kAppendRecordsMax = 4096;
// Entries that libraft keeps behind a snapshot; one voter needs none, but 0 means something else.
constexpr unsigned kTrailingRecords = 64;

std::size_t entry_bytes(std::size_t record_bytes) {
  return (kEntryHeaderBytes + record_bytes + 7) / 8 * 8;
}

raft_buffer make_entry(Bytes record) {
  raft_buffer entry;
  entry.len = entry_bytes(record.size());
  entry.base = raft_malloc(entry.len);
  CHECK(entry.base != nullptr);
  auto* bytes = static_cast<std::uint8_t*>(entry.base);
  store_le<8>(bytes, record.size());
  std::memcpy(bytes + kEntryHeaderBytes, record.data(), record.size());
  std::memset(bytes + kEntryHeaderBytes + record.size(), 0,
              entry.len - kEntryHeaderBytes - record.size());
  return entry;
}

// The record inside an entry; empty optional when it is not one of ours.
std::optional<Bytes> record_of(const raft_buffer& entry) {
  const auto* bytes = static_cast<const std::uint8_t*>(entry.base);
  if (entry.len < kEntryHeaderBytes) {
    return std::nullopt;
  }
  const std::uint64_t length = load_le<4>(bytes);
  if (length > entry.len - kEntryHeaderBytes) {
    return std::nullopt;
  }
  return Bytes(bytes + kEntryHeaderBytes, length);
}

// The transport of a log with a single voter: there is nobody to talk to.
int transport_init(raft_uv_transport*, raft_id, const char*) {
  return 0;
}

int transport_listen(raft_uv_transport*, raft_uv_accept_cb) {
  return 0;
}

int transport_connect(
    raft_uv_transport*, raft_uv_connect*, raft_id, const char*, raft_uv_connect_cb) {
  return RAFT_NOCONNECTION;
}

void transport_close(raft_uv_transport* transport, raft_uv_transport_close_cb closed) {
  closed(transport);
}

// A run that ended while it made the log left only metadata: begin again.
void remove_unfinished_log(const std::string& dir) {
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(dir, error)) {
    const std::string name = file.path().filename().string();
    if (name != "lock" && name != "metadata1" && name != "metadata2") {
      return;
    }
  }
  std::filesystem::remove(dir + "/metadata1", error);
  std::filesystem::remove(dir + "/metadata2", error);
}

}  // namespace

struct RaftCommitLog::Impl {
  struct Appended {
    std::uint64_t token = 0;
    std::size_t bytes = 0;
  };

  struct Request {
    struct raft_apply apply {};

    Impl* log = nullptr;
  };

  Impl(EventLoop& loop_in, RaftLogOptions options_in, LogSnapshotter& snapshotter_in)
      : loop(loop_in),
        options(std::move(options_in)),
        snapshotter(snapshotter_in),
        later(loop_in, [this] { on_later(); }) {}

  ~Impl() {
    if (lock_fd >= 0) {
      ::close(lock_fd);
    }
  }

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Status lock_directory();
  Status open();
  void begin();
  void submit();
  void on_later();
  void fail(std::string what, int code);
  void arm_snapshot();

  static int fsm_apply(raft_fsm* fsm, const raft_buffer* entry, void** result);
  static int fsm_snapshot(raft_fsm* fsm, raft_buffer** buffers, unsigned* count);
  static int fsm_snapshot_async(raft_fsm* fsm, raft_buffer** buffers, unsigned* count);
  static int fsm_snapshot_finalize(raft_fsm* fsm, raft_buffer** buffers, unsigned* count);
  static int fsm_restore(raft_fsm* fsm, raft_buffer* data);
  static void on_node_closed(raft* node);
  static void on_applied(struct raft_apply* request, int status, void* result);
  static void on_barrier(struct raft_barrier* request, int status);

  EventLoop& loop;
  const RaftLogOptions options;
  LogSnapshotter& snapshotter;
  certifier::CommitLogObserver* observer = nullptr;
  Timer later;  // what must not happen inside a caller's call
  int lock_fd = -1;
  raft_uv_transport transport{};
  raft_io io{};
  raft_fsm fsm{};
  raft node{};

  struct raft_barrier barrier {};

  bool io_open = false;    // raft_uv_init() done
  bool node_open = false;  // raft_init() done
  bool node_closed = false;
  bool is_new = false;
  bool starting = false;
  bool replayed = false;
  bool closing = false;
  bool failed = false;
  bool failure_told = false;
  Error failure;
  std::vector<Buffer> queued;     // append()ed, not yet submitted
  std::deque<Appended> appended;  // queued and submitted, not yet on disk
  std::size_t appended_bytes = 0;
  std::uint64_t bytes_since_snapshot = 0;
  std::optional<LogSnapshot> snapshot;      // being taken
  std::optional<std::string> sync_failure;  // of make_durable(), for the loop
  std::function<void()> closed;
};

Status RaftCommitLog::Impl::lock_directory() {
  std::error_code error;
  std::filesystem::create_directories(options.dir, error);
  if (error) {
    return make_error("creating " + options.dir + ": " + error.message());
  }
  const std::string path = options.dir + "/lock";
  lock_fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (lock_fd < 0) {
    return make_error("opening " + path + ": " + std::strerror(errno));
  }
  if (::flock(lock_fd, LOCK_EX | LOCK_NB) != 0) {
    return make_error(errno == EWOULDBLOCK ? "another process uses the commit log in " + options.dir
                                           : "locking " + path + ": " + std::strerror(errno));
  }
  return Ok{};
}

Status RaftCommitLog::Impl::open() {
  Status locked = lock_directory();
  if (!locked.ok()) {
    return locked;
  }
  remove_unfinished_log(options.dir);
  transport.init = transport_init;
  transport.listen = transport_listen;
  transport.connect = transport_connect;
  transport.close = transport_close;
  int rv = raft_uv_init(&io, loop.raw(), options.dir.c_str(), &transport);
  if (rv != 0) {
    return make_error("opening the commit log in " + options.dir + ": " + raft_strerror(rv));
  }
  io_open = true;
  io.version = 2;  // it has async_work, but libraft 0.15 leaves 1
  (void)raft_uv_set_snapshot_compression(&io, false);

  fsm.version = 3;
  fsm.data = this;
  fsm.apply = fsm_apply;
  fsm.snapshot = fsm_snapshot;
  fsm.restore = fsm_restore;
  fsm.snapshot_finalize = fsm_snapshot_finalize;
  fsm.snapshot_async = fsm_snapshot_async;
  rv = raft_init(&node, &io, &fsm, kServerId, kServerAddress);
  if (rv != 0) {
    return make_error("opening the commit log in " + options.dir + ": " + raft_errmsg(&node));
  }
  node_open = true;
  node.data = this;
  raft_set_election_timeout(&node, 200);
  raft_set_heartbeat_timeout(&node, 50);
  raft_set_snapshot_threshold(&node, options.snapshot_records);
  raft_set_snapshot_trailing(&node, kTrailingRecords);

  raft_configuration configuration;
  raft_configuration_init(&configuration);
  rv = raft_configuration_add(&configuration, kServerId, kServerAddress, RAFT_VOTER);
  if (rv == 0) {
    rv = raft_bootstrap(&node, &configuration);
  }
  raft_configuration_close(&configuration);
  if (rv != 0 && rv != RAFT_CANTBOOTSTRAP) {
    return make_error("making the commit log in " + options.dir + ": " + raft_errmsg(&node));
  }
  is_new = rv == 0;
  return Ok{};
}

// Reads the disk; a single voter leads at once. The barrier comes back behind all earlier records.
void RaftCommitLog::Impl::begin() {
  starting = false;
  int rv = raft_start(&node);
  if (rv != 0) {
    fail("reading the commit log in " + options.dir, rv);
    return;
  }
  if (failed) {
    return;
  }
  if (raft_state(&node) != RAFT_LEADER) {
    fail("the commit log in " + options.dir + " does not name this process as its only voter",
         RAFT_BADROLE);
    return;
  }
  barrier.data = this;
  rv = raft_barrier(&node, &barrier, on_barrier);
  if (rv != 0) {
    fail("writing the commit log in " + options.dir, rv);
  }
}

void RaftCommitLog::Impl::on_barrier(struct raft_barrier* request, int status) {
  Impl& log = *static_cast<Impl*>(request->data);
  if (log.closing || log.failed) {
    return;
  }
  if (status != 0) {
    log.fail("writing the commit log in " + log.options.dir, status);
    return;
  }
  log.replayed = true;
  log.observer->on_replayed();
}

void RaftCommitLog::Impl::submit() {
  std::size_t next = 0;
  std::vector<raft_buffer> entries;
  while (next < queued.size() && !failed && !closing) {
    entries.clear();
    std::size_t bytes = 0;
    while (next < queued.size() && entries.size() < kAppendRecordsMax) {
      const std::size_t size = entry_bytes(queued[next].size());
      if (!entries.empty() && bytes + size > kAppendBytesMax) {
        break;
      }
      bytes += size;
      entries.push_back(make_entry(queued[next]));
      ++next;
    }
    auto* request = new Request;
    request->log = this;
    request->apply.data = request;
    const int rv = raft_apply(&node, &request->apply, entries.data(),
                              static_cast<unsigned>(entries.size()), on_applied);
    if (rv != 0) {
      for (const raft_buffer& entry : entries) {
        raft_free(entry.base);
      }
      delete request;
      fail("writing the commit log in " + options.dir, rv);
    }
  }
  queued.clear();
}

// Called when the first record of a submitted batch was applied, or when the batch failed.
void RaftCommitLog::Impl::on_applied(struct raft_apply* apply, int status, void* /*result*/) {
  auto* request = static_cast<Request*>(apply->data);
  Impl& log = *request->log;
  delete request;
  if (status != 0 && !log.closing) {
    log.fail("writing the commit log in " + log.options.dir, status);
  }
}

int RaftCommitLog::Impl::fsm_apply(raft_fsm* fsm, const raft_buffer* entry, void** result) {
  Impl& log = *static_cast<Impl*>(fsm->data);
  *result = nullptr;
  const std::optional<Bytes> record = record_of(*entry);
  if (log.failed || log.closing || !record) {
    if (!record) {
      log.fail("the commit log in " + log.options.dir + " holds an entry that is not ours",
               RAFT_CORRUPT);
    }
    return 0;
  }
  certifier::CommittedRecord committed;
  committed.index = raft_last_applied(&log.node) + 1;
  committed.record = *record;
  if (log.replayed) {
    CHECK(!log.appended.empty());
    committed.token = log.appended.front().token;
    log.appended_bytes -= log.appended.front().bytes;
    log.appended.pop_front();
  }
  log.bytes_since_snapshot += entry->len;
  if (log.bytes_since_snapshot >= log.options.snapshot_bytes) {
    log.arm_snapshot();
  }
  log.observer->on_committed(committed);
  return 0;
}

void RaftCommitLog::Impl::arm_snapshot() {
  raft_set_snapshot_threshold(&node, 1);
}

int RaftCommitLog::Impl::fsm_snapshot(raft_fsm* fsm, raft_buffer** buffers, unsigned* count) {
  Impl& log = *static_cast<Impl*>(fsm->data);
  if (log.failed || log.closing || !log.replayed) {
    return RAFT_BUSY;
  }
  Result<std::optional<LogSnapshot>> taken =
      log.snapshotter.take_snapshot(raft_last_applied(&log.node));
  if (!taken.ok()) {
    log.fail(taken.error().message, RAFT_IOERR);
    return RAFT_IOERR;
  }
  if (!*taken) {
    return RAFT_BUSY;
  }
  log.snapshot = std::move(*taken);
  log.bytes_since_snapshot = 0;
  raft_set_snapshot_threshold(&log.node, log.options.snapshot_records);
  *buffers = static_cast<raft_buffer*>(raft_malloc(sizeof(raft_buffer)));
  CHECK(*buffers != nullptr);
  (*buffers)->base = log.snapshot->data.data();
  (*buffers)->len = log.snapshot->data.size();
  *count = 1;
  return 0;
}

// On libuv's pool; the snapshot is not touched by the loop until finalize. A failed sync is final:
// the kernel has dropped the pages, so that the next one would succeed and prove nothing.
int RaftCommitLog::Impl::fsm_snapshot_async(raft_fsm* fsm, raft_buffer**, unsigned*) {
  Impl& log = *static_cast<Impl*>(fsm->data);
  const Status durable = log.snapshot->make_durable();
  if (!durable.ok()) {
    log.sync_failure = durable.error().message;
  }
  return durable.ok() ? 0 : RAFT_IOERR;
}

int RaftCommitLog::Impl::fsm_snapshot_finalize(raft_fsm* fsm,
                                               raft_buffer** buffers,
                                               unsigned* count) {
  Impl& log = *static_cast<Impl*>(fsm->data);
  raft_free(*buffers);
  *buffers = nullptr;
  *count = 0;
  log.snapshot.reset();
  if (log.sync_failure) {
    log.fail(*log.sync_failure, RAFT_IOERR);
  }
  return 0;
}

int RaftCommitLog::Impl::fsm_restore(raft_fsm* fsm, raft_buffer* data) {
  Impl& log = *static_cast<Impl*>(fsm->data);
  const Status restored =
      log.snapshotter.restore_snapshot({static_cast<std::uint8_t*>(data->base), data->len});
  if (!restored.ok()) {
    log.fail(restored.error().message, RAFT_CORRUPT);
  }
  raft_free(data->base);
  return 0;
}

// Remembers the first failure and tells it from the loop, since the caller may be in the middle of
// something.
void RaftCommitLog::Impl::fail(std::string what, int code) {
  if (failed) {
    return;
  }
  failed = true;
  const std::string detail = raft_errmsg(&node);
  failure = make_error(what + ": " + (detail.empty() ? raft_strerror(code) : detail));
  failure.code = code;
  later.start_once(std::chrono::milliseconds(0));
}

// libraft 0.15 says so twice where a segment's last work is done before its file is closed, as it
// is on tmpfs: again in the same turn of the loop, and it would free the node's parts again. So
// there are none left by then, and what it looks at lives until the next turn.
void RaftCommitLog::Impl::on_node_closed(raft* node) {
  Impl& log = *static_cast<Impl*>(node->data);
  *node = {};
  log.node_closed = true;
  log.later.start_once(std::chrono::milliseconds(0));
}

void RaftCommitLog::Impl::on_later() {
  if (node_closed) {
    raft_uv_close(&io);
    closed();
    return;
  }
  if (failed && !failure_told && !closing) {
    failure_told = true;
    observer->on_failed(failure);
    return;
  }
  if (starting && !failed && !closing) {
    begin();
  }
}

RaftCommitLog::RaftCommitLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

RaftCommitLog::~RaftCommitLog() = default;

Result<std::unique_ptr<RaftCommitLog>> RaftCommitLog::open(EventLoop& loop,
                                                           RaftLogOptions options,
                                                           LogSnapshotter& snapshotter) {
  auto impl = std::make_unique<Impl>(loop, std::move(options), snapshotter);
  const Status opened = impl->open();
  std::unique_ptr<RaftCommitLog> log(new RaftCommitLog(std::move(impl)));
  if (!opened.ok()) {
    bool done = false;
    log->close([&done] { done = true; });
    while (!done) {
      loop.run_once();
    }
    return opened.error();
  }
  return log;
}

void RaftCommitLog::start(certifier::CommitLogObserver& observer) {
  impl_->observer = &observer;
  impl_->starting = true;
  impl_->later.start_once(std::chrono::milliseconds(0));
}

void RaftCommitLog::append(Buffer record, std::uint64_t token) {
  CHECK(impl_->replayed);
  CHECK(token != 0);
  CHECK(record.size() <= kRecordBytesMax);
  impl_->appended.push_back({token, record.size()});
  impl_->appended_bytes += record.size();
  impl_->queued.push_back(std::move(record));
}

void RaftCommitLog::release(std::uint64_t /*index*/) {}

void RaftCommitLog::submit() {
  impl_->submit();
}

bool RaftCommitLog::is_new() const {
  return impl_->is_new;
}

std::size_t RaftCommitLog::unacknowledged() const {
  return impl_->appended.size();
}

std::size_t RaftCommitLog::unacknowledged_bytes() const {
  return impl_->appended_bytes;
}

void RaftCommitLog::snapshot_soon() {
  impl_->arm_snapshot();
}

void RaftCommitLog::close(std::function<void()> closed) {
  Impl& log = *impl_;
  CHECK(!log.closing);
  log.closing = true;
  log.later.stop();
  log.closed = std::move(closed);
  if (!log.node_open) {
    if (log.io_open) {
      raft_uv_close(&log.io);
    }
    log.closed();
    return;
  }
  raft_close(&log.node, Impl::on_node_closed);
}

}  // namespace consort::proxy
