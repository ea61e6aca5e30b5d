#include "proxy/commit/writeset_archive.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/commit/archive_segment.h"

namespace consort::proxy {
namespace {

// One index entry per this many bytes of a segment.
constexpr std::uint64_t kIndexStrideBytes = 64 * 1024;

Error system_error(const std::string& what, const std::string& path) {
  return make_error(what + " " + path + ": " + std::strerror(errno));
}

std::string segment_name(Seqno first) {
  char name[40];
  std::snprintf(name, sizeof name, "%020" PRIu64 ".log", first.value);
  return name;
}

Status write_all(int fd, Bytes bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return system_error("writing", path);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return Ok{};
}

Error damaged(const std::string& path, std::uint64_t offset) {
  return make_error("the archive is damaged: " + path + " at offset " + std::to_string(offset));
}

}  // namespace

// One file. `end` counts what is in the file, not what waits in the write buffer.
struct WritesetArchive::Segment {
  struct IndexEntry {
    Seqno first;  // of all records of this seqno
    std::uint64_t offset;
  };

  Segment(std::string path_in, Seqno first_in, std::uint64_t end_in)
      : path(std::move(path_in)), first(first_in), end(end_in) {}

  ~Segment() {
    if (fd >= 0) {
      ::close(fd);
    }
  }

  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  Status ensure_open(int flags) {
    if (fd < 0) {
      fd = ::open(path.c_str(), flags | O_CLOEXEC, 0640);
    }
    return fd >= 0 ? Status(Ok{}) : Status(system_error("opening", path));
  }

  // Remembers where a seqno begins, sparsely: whoever comes by, writing or reading, extends it.
  // Every step from one entry to the next is in file order, so that none is skipped for good.
  void index(Seqno seqno, std::uint64_t offset) {
    if (sparse.empty() || offset >= sparse.back().offset + kIndexStrideBytes) {
      sparse.push_back({seqno, offset});
    }
  }

  // An offset at or before the first record with seqno >= `from`.
  [[nodiscard]] std::uint64_t offset_before(Seqno from) const {
    const auto after =
        std::upper_bound(sparse.begin(), sparse.end(), from,
                         [](Seqno seqno, const IndexEntry& entry) { return seqno < entry.first; });
    return after == sparse.begin() ? kArchiveHeaderBytes : std::prev(after)->offset;
  }

  const std::string path;
  const Seqno first;
  std::uint64_t end;
  int fd = -1;
  std::vector<IndexEntry> sparse;
};

ArchiveSync& ArchiveSync::operator=(ArchiveSync&& other) noexcept {
  std::swap(fds_, other.fds_);
  return *this;
}

ArchiveSync::~ArchiveSync() {
  for (const int fd : fds_) {
    ::close(fd);
  }
}

Status ArchiveSync::run() {
  for (const int fd : fds_) {
    if (::fdatasync(fd) != 0) {
      return make_error(std::string("syncing the archive: ") + std::strerror(errno));
    }
  }
  return Ok{};
}

WritesetArchive::WritesetArchive(ArchiveOptions options) : options_(std::move(options)) {}

WritesetArchive::~WritesetArchive() {
  (void)flush();
  for (const int fd : unsynced_fds_) {
    ::close(fd);
  }
}

Result<std::unique_ptr<WritesetArchive>> WritesetArchive::open(ArchiveOptions options) {
  std::unique_ptr<WritesetArchive> archive(new WritesetArchive(std::move(options)));
  Status status = archive->find_segments();
  if (status.ok() && !archive->segments_.empty()) {
    status = archive->open_last_segment();
  }
  if (!status.ok()) {
    return status.error();
  }
  return archive;
}

Status WritesetArchive::find_segments() {
  std::error_code error;
  std::filesystem::create_directories(options_.dir, error);
  if (error) {
    return make_error("creating " + options_.dir + ": " + error.message());
  }
  std::vector<std::string> paths;
  for (const auto& file : std::filesystem::directory_iterator(options_.dir, error)) {
    if (file.path().extension() == ".log") {
      paths.push_back(file.path().string());
    }
  }
  if (error) {
    return make_error("listing " + options_.dir + ": " + error.message());
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    auto segment = std::make_unique<Segment>(path, Seqno{}, 0);
    Status opened = segment->ensure_open(O_RDONLY);
    if (!opened.ok()) {
      return opened;
    }

    struct stat info {};

    if (::fstat(segment->fd, &info) != 0) {
      return system_error("reading", path);
    }
    std::uint8_t header[kArchiveHeaderBytes] = {};
    const ssize_t count = ::pread(segment->fd, header, sizeof header, 0);
    const std::optional<Seqno> first =
        decode_segment_header(Bytes(header, count > 0 ? static_cast<std::size_t>(count) : 0));
    if (!first) {
      if (path != paths.back()) {
        return damaged(path, 0);
      }
      ::unlink(path.c_str());  // torn while it was made: nothing in it was ever synced
      break;
    }
    segments_.push_back(
        std::make_unique<Segment>(path, *first, static_cast<std::uint64_t>(info.st_size)));
  }
  return Ok{};
}

// Reads the last segment through and cuts what is torn.
Status WritesetArchive::open_last_segment() {
  Segment& segment = *segments_.back();
  Status opened = segment.ensure_open(O_RDWR | O_APPEND);
  if (!opened.ok()) {
    return opened;
  }
  SegmentReader reader(segment.fd, kArchiveHeaderBytes, segment.end);
  std::uint64_t end = kArchiveHeaderBytes;
  while (true) {
    Result<std::optional<SegmentReader::Record>> record = reader.next();
    if (!record.ok()) {
      return record.error();
    }
    const bool in_order = *record && (*record)->header.log_index > last_log_index_ &&
                          (*record)->header.seqno >= std::max(last_seqno_, segment.first);
    if (!in_order) {
      break;
    }
    const RecordHeader& header = (*record)->header;
    if (header.seqno > last_seqno_) {
      segment.index(header.seqno, (*record)->offset);
    }
    last_seqno_ = header.seqno;
    last_log_index_ = header.log_index;
    end = reader.offset();
  }
  if (end != segment.end && ::ftruncate(segment.fd, static_cast<off_t>(end)) != 0) {
    return system_error("truncating", segment.path);
  }
  segment.end = end;
  if (end > kArchiveHeaderBytes) {
    last_is_unsynced_ = true;  // what the last run wrote may not be on disk yet
    return Ok{};
  }
  // Without a record: the one before tells where the archive ends.
  const std::string path = segment.path;
  segments_.pop_back();
  if (::unlink(path.c_str()) != 0) {
    return system_error("removing", path);
  }
  return segments_.empty() ? Status(Ok{}) : open_last_segment();
}

Status WritesetArchive::append(std::uint64_t log_index, Seqno seqno, Bytes entry) {
  if (log_index <= last_log_index_) {
    return Ok{};
  }
  CHECK(seqno >= last_seqno_);
  const bool full =
      !segments_.empty() && segments_.back()->end + unwritten_.size() >= options_.segment_bytes;
  if (segments_.empty() || (full && seqno > last_seqno_)) {
    Status started = start_segment(seqno);
    if (!started.ok()) {
      return started;
    }
  }
  return append_record(log_index, seqno, entry);
}

Status WritesetArchive::append_record(std::uint64_t log_index, Seqno seqno, Bytes entry) {
  Segment& segment = *segments_.back();
  if (seqno > last_seqno_ || segment.sparse.empty()) {
    segment.index(seqno, segment.end + unwritten_.size());
  }
  append_archive_record(unwritten_, log_index, seqno, entry);
  last_seqno_ = seqno;
  last_log_index_ = log_index;
  return unwritten_.size() >= options_.write_buffer_bytes ? flush() : Status(Ok{});
}

Status WritesetArchive::flush() {
  if (unwritten_.empty()) {
    return Ok{};
  }
  Segment& segment = *segments_.back();
  Status written = write_all(segment.fd, unwritten_, segment.path);
  if (!written.ok()) {
    return written;
  }
  last_is_unsynced_ = true;
  segment.end += unwritten_.size();
  unwritten_.clear();
  if (unwritten_.capacity() > 4 * options_.write_buffer_bytes) {
    Buffer().swap(unwritten_);
  }
  return Ok{};
}

Status WritesetArchive::start_segment(Seqno first) {
  Status closed = close_last_segment();
  if (!closed.ok()) {
    return closed;
  }
  const int dir_fd = ::open(options_.dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir_fd < 0) {
    return system_error("opening", options_.dir);
  }
  unsynced_fds_.push_back(dir_fd);
  auto segment = std::make_unique<Segment>(options_.dir + "/" + segment_name(first), first, 0);
  Status opened = segment->ensure_open(O_RDWR | O_CREAT | O_EXCL | O_APPEND);
  if (!opened.ok()) {
    return opened;
  }
  Status written = write_all(segment->fd, encode_segment_header(first), segment->path);
  if (!written.ok()) {
    return written;
  }
  segment->end = kArchiveHeaderBytes;
  last_is_unsynced_ = true;
  segments_.push_back(std::move(segment));
  return Ok{};
}

Status WritesetArchive::close_last_segment() {
  if (segments_.empty()) {
    return Ok{};
  }
  Status written = flush();
  if (!written.ok()) {
    return written;
  }
  unsynced_fds_.push_back(std::exchange(segments_.back()->fd, -1));
  return Ok{};
}

Result<ArchiveSync> WritesetArchive::begin_sync() {
  Status written = flush();
  if (!written.ok()) {
    return written.error();
  }
  ArchiveSync sync;
  if (last_is_unsynced_ && !segments_.empty()) {
    const int copy = ::fcntl(segments_.back()->fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
      return system_error("duplicating", segments_.back()->path);
    }
    sync.fds_.push_back(copy);
  }
  last_is_unsynced_ = false;
  sync.fds_.insert(sync.fds_.end(), unsynced_fds_.begin(), unsynced_fds_.end());
  unsynced_fds_.clear();
  return sync;
}

Result<ArchiveBatch> WritesetArchive::read(Seqno from, std::size_t bytes_max) {
  ArchiveBatch batch;
  if (segments_.empty() || from > last_seqno_) {
    return batch;
  }
  if (from < first_seqno()) {
    return make_error("seqno " + std::to_string(from.value) +
                      " is no longer in the archive, which begins at " +
                      std::to_string(first_seqno().value));
  }
  Status written = flush();
  if (!written.ok()) {
    return written.error();
  }
  auto after = std::upper_bound(
      segments_.begin(), segments_.end(), from,
      [](Seqno seqno, const std::unique_ptr<Segment>& segment) { return seqno < segment->first; });
  // A gap between two segments' seqnos puts the first record wanted into the later one.
  for (auto it = std::prev(after); it != segments_.end() && batch.entries.empty(); ++it) {
    Segment& segment = **it;
    Status opened = segment.ensure_open(O_RDONLY);
    if (!opened.ok()) {
      return opened.error();
    }
    SegmentReader reader(segment.fd, segment.offset_before(from), segment.end);
    std::vector<std::size_t> offsets;  // of payloads in batch.storage, which still moves
    Seqno previous;
    while (true) {
      Result<std::optional<SegmentReader::Record>> next = reader.next();
      if (!next.ok()) {
        return next.error();
      }
      if (!*next) {
        if (!reader.at_end()) {
          return damaged(segment.path, reader.offset());
        }
        break;
      }
      const SegmentReader::Record& record = **next;
      if (record.header.seqno > previous) {
        segment.index(record.header.seqno, record.offset);
      }
      const bool same_seqno = record.header.seqno == previous;
      previous = record.header.seqno;
      if (record.header.seqno < from) {
        ++records_passed_over_;
        continue;
      }
      if (batch.storage.size() >= bytes_max && !same_seqno && !batch.entries.empty()) {
        break;
      }
      offsets.push_back(batch.storage.size());
      consort::append(batch.storage, record.payload);
      batch.entries.push_back({record.header.log_index, record.header.seqno, {}});
      batch.entries.back().entry = Bytes(record.payload.data(), record.payload.size());
    }
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      const std::size_t size = batch.entries[i].entry.size();
      batch.entries[i].entry = Bytes(batch.storage).subspan(offsets[i], size);
    }
  }
  return batch;
}

void WritesetArchive::retire(Seqno needed_from) {
  while (segments_.size() > 1 && bytes() > options_.bytes_max &&
         segments_[1]->first <= needed_from) {
    ::unlink(segments_.front()->path.c_str());
    segments_.pop_front();
  }
}

Seqno WritesetArchive::first_seqno() const {
  return segments_.empty() ? Seqno{} : segments_.front()->first;
}

std::uint64_t WritesetArchive::bytes() const {
  std::uint64_t total = unwritten_.size();
  for (const std::unique_ptr<Segment>& segment : segments_) {
    total += segment->end;
  }
  return total;
}

}  // namespace consort::proxy
