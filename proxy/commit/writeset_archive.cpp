#include "proxy/commit/writeset_archive.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/commit/archive_segment.h"

namespace consort::proxy {
namespace {

// One index entry per this many bytes of a segment.
constexpr std::uint64_t kIndexStrideBytes = std::uint64_t{64} << 10;
// Beside the segments: the log index up to which they were synced.
constexpr std::string_view kMarkName = "/synced";

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

// Whole or not at all.
Status write_mark(const std::string& path, std::uint64_t log_index) {
  const std::string made = path + ".new";
  const int fd = ::open(made.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0) {
    return system_error("creating", made);
  }
  Status written = write_all(fd, as_bytes(std::to_string(log_index) + "\n"), made);
  if (written.ok() && ::fdatasync(fd) != 0) {
    written = system_error("syncing", made);
  }
  ::close(fd);
  if (written.ok() && ::rename(made.c_str(), path.c_str()) != 0) {
    written = system_error("renaming", made);
  }
  return written;
}

std::uint64_t read_mark(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t log_index = 0;
  return file >> log_index ? log_index : 0;
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

  /// Log index of its first record; nullopt when there is none.
  [[nodiscard]] std::optional<std::uint64_t> first_log_index() {
    std::uint8_t bytes[kRecordHeaderBytes];
    if (!ensure_open(O_RDONLY).ok() ||
        ::pread(fd, bytes, sizeof bytes, kArchiveHeaderBytes) != sizeof bytes) {
      return std::nullopt;
    }
    const std::optional<RecordHeader> header = decode_record_header(bytes);
    return header ? std::optional(header->log_index) : std::nullopt;
  }

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
  std::uint64_t previous_bytes = 0;  // its header's
  int fd = -1;
  std::vector<IndexEntry> sparse;
};

ArchiveSync& ArchiveSync::operator=(ArchiveSync&& other) noexcept {
  std::swap(fds_, other.fds_);
  std::swap(mark_path_, other.mark_path_);
  std::swap(last_log_index_, other.last_log_index_);
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
  if (!mark_path_.empty()) {
    (void)write_mark(mark_path_, last_log_index_);  // an older one only means more to check
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
  if (status.ok()) {
    status = archive->open_tail();
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
    const std::optional<SegmentHeader> begins =
        decode_segment_header(Bytes(header, count > 0 ? static_cast<std::size_t>(count) : 0));
    if (!begins) {
      torn_paths_.assign(std::find(paths.begin(), paths.end(), path), paths.end());
      break;
    }
    segments_.push_back(
        std::make_unique<Segment>(path, begins->first, static_cast<std::uint64_t>(info.st_size)));
    segments_.back()->previous_bytes = begins->previous_bytes;
  }
  synced_log_index_ = read_mark(options_.dir + std::string(kMarkName));
  if (torn_paths_.size() > 1 && synced_log_index_ == 0) {
    return damaged(torn_paths_.front(), 0);
  }
  return Ok{};
}

// Reads through what a power loss may have torn and cuts where the first whole record is missing:
// everything behind is in the commit log still.
Status WritesetArchive::open_tail() {
  std::size_t at = first_unsynced();
  for (bool whole = true; at < segments_.size(); ++at) {
    Result<bool> checked = check_segment(at);
    if (!checked.ok()) {
      return checked.error();
    }
    whole = *checked;
    if (!whole) {
      break;
    }
  }
  if (last_log_index_ < synced_log_index_) {
    return make_error("the archive in " + options_.dir + " is damaged: it ends at log index " +
                      std::to_string(last_log_index_) + ", of which " +
                      std::to_string(synced_log_index_) + " were synced");
  }
  return cut_behind(std::min(at + 1, segments_.size()));
}

// The oldest segment that holds a record which may not be on disk. Everything before was synced.
std::size_t WritesetArchive::first_unsynced() const {
  std::size_t at = segments_.size();
  while (at > 0) {
    --at;
    const std::optional<std::uint64_t> first = segments_[at]->first_log_index();
    if (first && *first <= synced_log_index_) {
      break;
    }
  }
  return at;
}

// Notes how far the segment goes. False: it is not whole, nothing behind it counts.
Result<bool> WritesetArchive::check_segment(std::size_t at) {
  Segment& segment = *segments_[at];
  Status opened = segment.ensure_open(O_RDONLY);
  if (!opened.ok()) {
    return opened.error();
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
  const bool cut = std::exchange(segment.end, end) != end;
  const bool is_last = at + 1 == segments_.size();
  const std::uint64_t promised = is_last ? 0 : segments_[at + 1]->previous_bytes;
  return !cut && end > kArchiveHeaderBytes && (promised == 0 || promised == end);
}

// Keeps the first `count` segments, without those of them at the end that hold no record.
Status WritesetArchive::cut_behind(std::size_t count) {
  while (count > 0 && segments_[count - 1]->end == kArchiveHeaderBytes) {
    --count;
  }
  for (; segments_.size() > count; segments_.pop_back()) {
    torn_paths_.push_back(segments_.back()->path);
  }
  for (const std::string& path : torn_paths_) {
    if (::unlink(path.c_str()) != 0) {
      return system_error("removing", path);
    }
  }
  torn_paths_.clear();
  if (segments_.empty()) {
    return Ok{};
  }
  // What the last run wrote may not be on disk yet, in closed segments neither.
  for (std::size_t at = first_unsynced(); at + 1 < count; ++at) {
    unsynced_fds_.push_back(std::exchange(segments_[at]->fd, -1));
  }
  Segment& last = *segments_.back();
  ::close(std::exchange(last.fd, -1));
  Status opened = last.ensure_open(O_RDWR | O_APPEND);
  if (!opened.ok()) {
    return opened;
  }
  if (::ftruncate(last.fd, static_cast<off_t>(last.end)) != 0) {
    return system_error("truncating", last.path);
  }
  last_is_unsynced_ = true;
  return note_directory();
}

// The directory is synced with the rest next time.
Status WritesetArchive::note_directory() {
  const int fd = ::open(options_.dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return system_error("opening", options_.dir);
  }
  unsynced_fds_.push_back(fd);
  return Ok{};
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
  Status noted = note_directory();
  if (!noted.ok()) {
    return noted;
  }
  SegmentHeader header;
  header.first = first;
  const std::uint64_t before = segments_.empty() ? 0 : segments_.back()->end;
  header.previous_bytes = before <= UINT32_MAX ? static_cast<std::uint32_t>(before) : 0;
  auto segment = std::make_unique<Segment>(options_.dir + "/" + segment_name(first), first, 0);
  Status opened = segment->ensure_open(O_RDWR | O_CREAT | O_EXCL | O_APPEND);
  if (!opened.ok()) {
    return opened;
  }
  Status written = write_all(segment->fd, encode_segment_header(header), segment->path);
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
  sync.mark_path_ = options_.dir + std::string(kMarkName);
  sync.last_log_index_ = last_log_index_;
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
