#include "proxy/commit/log_keeper.h"

#include <algorithm>
#include <sys/statvfs.h>
#include <utility>

#include "base/check.h"

namespace consort::proxy {
namespace {

constexpr std::uint32_t kSnapshotMagic = 0x50534E43;
constexpr std::uint32_t kSnapshotVersion = 1;
constexpr std::size_t kClusterIdBytes = 32;
constexpr std::size_t kSnapshotBytes = 64 + 8 * kBackendsMax;
constexpr std::size_t kReadBytes = std::size_t{1} << 20;
// The disk is looked at again when this much was written since the last look.
constexpr std::uint64_t kLookBytes = std::uint64_t{16} << 20;
// An entry is written to the log and to the archive; raft prepares segments ahead.
constexpr std::uint64_t kDiskBytesPerEntryByte = 3;
constexpr std::uint64_t kTokenOfThisRun = 1;

}  // namespace

LogKeeper::LogKeeper(EventLoop& loop,
                     LogKeeperOptions options,
                     LogKeeperObserver& observer,
                     CommitStats& stats)
    : loop_(loop),
      options_(std::move(options)),
      observer_(observer),
      stats_(stats),
      own_branches_(options_.own_branches_max) {}

Result<std::unique_ptr<LogKeeper>> LogKeeper::open(EventLoop& loop,
                                                   LogKeeperOptions options,
                                                   LogKeeperObserver& observer,
                                                   CommitStats& stats) {
  if (options.cluster_id.size() != kClusterIdBytes) {
    return make_error("a cluster id must have 32 hex digits");
  }
  std::unique_ptr<LogKeeper> keeper(new LogKeeper(loop, std::move(options), observer, stats));
  RaftLogOptions log_options;
  log_options.dir = keeper->options_.data_dir + "/raft";
  // First the log: its lock also guards the archive.
  Result<std::unique_ptr<RaftCommitLog>> log = RaftCommitLog::open(loop, log_options, *keeper);
  if (!log.ok()) {
    return log.error();
  }
  keeper->log_ = std::move(log).value();
  ArchiveOptions archive_options;
  archive_options.dir = keeper->options_.data_dir + "/archive";
  archive_options.bytes_max = keeper->options_.archive_bytes_max;
  Result<std::unique_ptr<WritesetArchive>> archive = WritesetArchive::open(archive_options);
  std::optional<Error> error;
  if (!archive.ok()) {
    error = archive.error();
  } else {
    keeper->archive_ = std::move(archive).value();
    if (keeper->log_->is_new() && keeper->archive_->last_log_index() != 0) {
      error = make_error("the commit log in " + log_options.dir +
                         " is gone, but its archive is there: restore the one or remove both");
    }
  }
  if (error) {
    bool closed = false;
    keeper->log_->close([&closed] { closed = true; });
    while (!closed) {
      loop.run_once();
    }
    return *error;
  }
  keeper->look_at_disk();
  return keeper;
}

void LogKeeper::start() {
  const Status restored = restore_archive_tail();
  if (!restored.ok()) {
    fail(restored.error());
    return;
  }
  log_->start(*this);
}

Status LogKeeper::restore_archive_tail() {
  const Seqno last = archive_->last_seqno();
  const Seqno wanted{last.value > options_.history_entries ? last.value - options_.history_entries
                                                           : 0};
  Seqno from = std::max(wanted, archive_->first_seqno());
  while (archive_->last_log_index() != 0 && from <= last) {
    Result<ArchiveBatch> batch = archive_->read(from, kReadBytes);
    if (!batch.ok()) {
      return batch.error();
    }
    for (const ArchivedEntry& archived : batch->entries) {
      Result<certifier::LogEntry> entry = certifier::decode_entry(archived.entry);
      const Status restored = entry.ok() ? restore(*entry) : Status(entry.error());
      if (!restored.ok()) {
        return make_error("archive, seqno " + std::to_string(archived.seqno.value) + ": " +
                          restored.error().message);
      }
    }
    from = batch->entries.empty() ? last.next() : batch->entries.back().seqno.next();
  }
  durable_head_ = last;
  return Ok{};
}

Status LogKeeper::restore(const certifier::LogEntry& entry) {
  epoch_ = std::max(epoch_, entry.epoch);
  if (const auto* begun = std::get_if<certifier::EpochStart>(&entry.body);
      begun != nullptr && begun->cluster_id != options_.cluster_id) {
    return make_error("the log belongs to cluster " + begun->cluster_id + ", not to " +
                      options_.cluster_id);
  }
  Status restored = observer_.on_restored(entry);  // refuses what is not dense
  if (restored.ok()) {
    own_branches_.add(entry);
  }
  return restored;
}

Status LogKeeper::restore_snapshot(Bytes data) {
  if (data.size() != kSnapshotBytes || load_le<4>(data.data()) != kSnapshotMagic ||
      load_le<4>(data.data() + 4) != kSnapshotVersion ||
      load_le<4>(data.data() + 28) != kBackendsMax) {
    return make_error("the commit log's snapshot is not of this version");
  }
  if (as_text(data.subspan(32, kClusterIdBytes)) != options_.cluster_id) {
    return make_error("the commit log belongs to another cluster");
  }
  if (load_le<8>(data.data() + 8) > archive_->last_log_index()) {
    return make_error("the archive is damaged: it ends before the commit log begins");
  }
  epoch_ = std::max(epoch_, static_cast<std::uint32_t>(load_le<4>(data.data() + 24)));
  for (std::size_t i = 0; i < kBackendsMax; ++i) {
    own_branches_.note_own(BackendId{static_cast<std::uint8_t>(i)},
                           Seqno{load_le<8>(data.data() + 64 + 8 * i)});
  }
  return Ok{};
}

// Never between the records of one entry: a reader that starts behind the snapshot begins with an
// entry's first record.
Result<std::optional<LogSnapshot>> LogKeeper::take_snapshot(std::uint64_t /*index*/) {
  const bool inside_entry =
      assembler_.incomplete() ||
      (!in_flight_.empty() && in_flight_.front().records_left != in_flight_.front().records);
  if (inside_entry || failed_) {
    return std::optional<LogSnapshot>();
  }
  Result<ArchiveSync> sync = archive_->begin_sync();
  if (!sync.ok()) {
    return sync.error();
  }
  LogSnapshot snapshot;
  append_le<4>(snapshot.data, kSnapshotMagic);
  append_le<4>(snapshot.data, kSnapshotVersion);
  append_le<8>(snapshot.data, archive_->last_log_index());
  append_le<8>(snapshot.data, durable_head_.value);
  append_le<4>(snapshot.data, epoch_);
  append_le<4>(snapshot.data, kBackendsMax);
  consort::append(snapshot.data, options_.cluster_id);
  for (std::size_t i = 0; i < kBackendsMax; ++i) {
    append_le<8>(snapshot.data,
                 own_branches_.last_own(BackendId{static_cast<std::uint8_t>(i)}).value);
  }
  auto job = std::make_shared<ArchiveSync>(std::move(*sync));
  snapshot.make_durable = [job] { return job->run(); };
  return std::optional<LogSnapshot>(std::move(snapshot));
}

void LogKeeper::on_committed(const certifier::CommittedRecord& record) {
  if (failed_) {
    return;
  }
  if (record.token == 0) {
    on_earlier_record(record);
    return;
  }
  CHECK(!in_flight_.empty());
  InFlight& front = in_flight_.front();
  if (--front.records_left > 0) {
    return;
  }
  const InFlight done = std::move(front);
  in_flight_.pop_front();
  stats_.append_latency.record(clock_.now() - done.appended_at);
  keep(record.index, *done.entry, done.encoded);
  observer_.on_durable(done.entry);
}

void LogKeeper::on_earlier_record(const certifier::CommittedRecord& record) {
  Result<std::optional<Buffer>> joined = assembler_.feed(record.record);
  if (!joined.ok()) {
    fail(make_error("commit log, index " + std::to_string(record.index) + ": " +
                    joined.error().message));
    return;
  }
  if (!*joined) {
    return;
  }
  const Buffer& encoded = **joined;
  Result<certifier::LogEntry> entry = certifier::decode_entry(encoded);
  if (!entry.ok()) {
    fail(make_error("commit log, index " + std::to_string(record.index) + ": " +
                    entry.error().message));
    return;
  }
  if (record.index <= archive_->last_log_index()) {
    epoch_ = std::max(epoch_, entry->epoch);
    if (const std::optional<OwnBranch> own = own_branch_of(*entry)) {
      own_branches_.note_own(own->home, own->seqno);
    }
    return;
  }
  const Status restored = restore(*entry);
  if (!restored.ok()) {
    fail(make_error("commit log, index " + std::to_string(record.index) + ": " +
                    restored.error().message));
    return;
  }
  keep(record.index, *entry, encoded);
}

// Puts a durable entry into the archive. Entries without a seqno stand behind the newest one.
void LogKeeper::keep(std::uint64_t index, const certifier::LogEntry& entry, Bytes encoded) {
  durable_head_ = std::max(durable_head_, entry.seqno);
  const Status kept = archive_->append(index, durable_head_, encoded);
  if (!kept.ok()) {
    fail(kept.error());
  }
}

void LogKeeper::on_replayed() {
  if (!failed_) {
    observer_.on_log_ready();
  }
}

void LogKeeper::begin_epoch() {
  CHECK(!splitter_.has_value());
  ++epoch_;
  splitter_.emplace(epoch_);
  certifier::LogEntry entry;
  entry.body = certifier::EpochStart{options_.cluster_id, durable_head_};
  append(std::move(entry));
}

EntryPtr LogKeeper::append(certifier::LogEntry entry) {
  CHECK(splitter_.has_value());
  entry.epoch = epoch_;
  own_branches_.add(entry);
  InFlight in_flight;
  in_flight.encoded = certifier::encode_entry(entry);
  in_flight.entry = std::make_shared<const certifier::LogEntry>(std::move(entry));
  in_flight.appended_at = clock_.now();
  std::vector<Buffer> records = splitter_->split(in_flight.encoded);
  in_flight.records = in_flight.records_left = records.size();
  for (Buffer& record : records) {
    log_->append(std::move(record), kTokenOfThisRun);
  }
  stats_.log_entries.add();
  stats_.log_bytes.add(in_flight.encoded.size());
  bytes_since_look_ += in_flight.encoded.size();
  EntryPtr appended = in_flight.entry;
  in_flight_.push_back(std::move(in_flight));
  return appended;
}

void LogKeeper::submit() {
  log_->submit();
  stats_.log_unacknowledged.set(static_cast<std::int64_t>(in_flight_.size()));
  if (bytes_since_look_ >= kLookBytes) {
    look_at_disk();
  }
}

bool LogKeeper::accepts(std::size_t entry_bytes) const {
  const std::uint64_t coming = kDiskBytesPerEntryByte * (bytes_since_look_ + entry_bytes);
  return accepting_ && !failed_ &&
         (coming < options_.disk_free_bytes_min / 2 ||
          disk_free_ > options_.disk_free_bytes_min + coming);
}

void LogKeeper::look_after(Seqno needed_from) {
  look_at_disk();
  archive_->retire(needed_from);
  stats_.archive_bytes.set(static_cast<std::int64_t>(archive_->bytes()));
  stats_.archive_first_seqno.set(static_cast<std::int64_t>(archive_->first_seqno().value));
}

void LogKeeper::look_at_disk() {
  struct statvfs disk {};

  if (::statvfs(options_.data_dir.c_str(), &disk) != 0) {
    return;
  }
  disk_free_ = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  bytes_since_look_ = 0;
  // It takes some room to begin again, so that it does not flap.
  const std::uint64_t needed =
      accepting_ ? options_.disk_free_bytes_min : options_.disk_free_bytes_min / 8 * 9;
  accepting_ = disk_free_ >= needed;
  stats_.disk_free_bytes.set(static_cast<std::int64_t>(disk_free_));
  stats_.log_accepting.set(accepting_ ? 1 : 0);
}

Seqno LogKeeper::first_seqno() const {
  const Seqno first = archive_->first_seqno();
  if (archive_->last_log_index() == 0 || archive_->last_seqno() == Seqno{0}) {
    return durable_head_.next();
  }
  return std::max(first, Seqno{1});
}

Result<std::vector<OwnBranch>> LogKeeper::own_branches_from(BackendId home, Seqno from) {
  std::vector<OwnBranch> found;
  const Seqno known_from = own_branches_.first();
  const Seqno last = std::min(own_branches_.last_own(home),
                              known_from > Seqno{0} ? Seqno{known_from.value - 1} : Seqno{0});
  Seqno next = std::max(from, first_seqno());
  while (next <= last) {
    Result<ArchiveBatch> batch = archive_->read(next, kReadBytes);
    if (!batch.ok()) {
      return batch.error();
    }
    if (batch->entries.empty()) {
      break;
    }
    for (const ArchivedEntry& archived : batch->entries) {
      Result<certifier::LogEntry> entry = certifier::decode_entry(archived.entry);
      if (!entry.ok()) {
        return entry.error();
      }
      if (const auto* replay = std::get_if<certifier::Replay>(&entry->body)) {
        for (OwnBranch& own : found) {
          own.replayed = own.replayed || own.seqno == replay->seqno;
        }
      }
      const std::optional<OwnBranch> own = own_branch_of(*entry);
      if (own && own->home == home && own->seqno <= last) {
        found.push_back(*own);
      }
    }
    next = batch->entries.back().seqno.next();
  }
  own_branches_.for_each(home, from, [&found](const OwnBranch& own) { found.push_back(own); });
  return found;
}

void LogKeeper::on_failed(const Error& error) {
  fail(error);
}

void LogKeeper::fail(Error error) {
  if (!failed_) {
    failed_ = true;
    observer_.on_log_failed(error);
  }
}

void LogKeeper::close(std::function<void()> closed) {
  (void)archive_->flush();
  log_->close(std::move(closed));
}

}  // namespace consort::proxy
