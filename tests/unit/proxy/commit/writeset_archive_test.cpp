#include "proxy/commit/writeset_archive.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

namespace consort::proxy {
namespace {

Buffer payload(std::uint64_t seqno, std::size_t bytes) {
  Buffer out(bytes);
  for (std::size_t i = 0; i < bytes; ++i) {
    out[i] = static_cast<std::uint8_t>(seqno * 31 + i);
  }
  return out;
}

ArchiveOptions small(const std::string& dir) {
  ArchiveOptions options;
  options.dir = dir;
  options.segment_bytes = 1000;
  options.write_buffer_bytes = 300;
  return options;
}

std::unique_ptr<WritesetArchive> open(const ArchiveOptions& options) {
  auto archive = WritesetArchive::open(options);
  REQUIRE(archive.ok());
  return std::move(archive).value();
}

// Reads everything from `from` on and checks order and content.
std::uint64_t count_from(WritesetArchive& archive, Seqno from, std::size_t batch_bytes) {
  std::uint64_t count = 0;
  Seqno next = from;
  while (true) {
    auto batch = archive.read(next, batch_bytes);
    REQUIRE(batch.ok());
    if (batch->entries.empty()) {
      return count;
    }
    for (const ArchivedEntry& entry : batch->entries) {
      EXPECT(entry.seqno >= next);
      const Buffer wanted = payload(entry.log_index, entry.entry.size());
      EXPECT(std::equal(wanted.begin(), wanted.end(), entry.entry.begin(), entry.entry.end()));
      ++count;
    }
    next = batch->entries.back().seqno.next();
  }
}

std::string only_segment(const std::string& dir) {
  for (const auto& file : std::filesystem::directory_iterator(dir)) {
    return file.path().string();
  }
  return {};
}

}  // namespace

TEST_SUITE("commit") {
  TEST_CASE("WritesetArchive: gives back what was appended, over several segments") {
    const test::TempDir dir;
    auto archive = open(small(dir.path()));
    for (std::uint64_t i = 1; i <= 200; ++i) {
      REQUIRE(archive->append(i, Seqno{i}, payload(i, i % 97)).ok());
    }
    EXPECT(archive->first_seqno() == Seqno{1});
    EXPECT(archive->last_seqno() == Seqno{200});
    EXPECT(count_from(*archive, Seqno{1}, 1) == 200);
    EXPECT(count_from(*archive, Seqno{1}, 500) == 200);
    EXPECT(count_from(*archive, Seqno{150}, 1 << 20) == 51);
    EXPECT(archive->read(Seqno{201}, 10)->entries.empty());

    archive.reset();
    archive = open(small(dir.path()));
    EXPECT(archive->last_log_index() == 200);
    EXPECT(count_from(*archive, Seqno{1}, 300) == 200);
  }

  TEST_CASE("WritesetArchive: records of one seqno stay in one batch and one segment") {
    const test::TempDir dir;
    auto archive = open(small(dir.path()));
    for (std::uint64_t i = 1; i <= 60; ++i) {
      REQUIRE(archive->append(i, Seqno{1 + i / 20}, payload(i, 100)).ok());
    }
    auto batch = archive->read(Seqno{2}, 1);
    REQUIRE(batch.ok());
    EXPECT(batch->entries.size() == 20);
    EXPECT(batch->entries.front().seqno == Seqno{2});
    EXPECT(batch->entries.back().seqno == Seqno{2});
  }

  TEST_CASE("WritesetArchive: skips what it has already") {
    const test::TempDir dir;
    auto archive = open(small(dir.path()));
    for (std::uint64_t i = 1; i <= 10; ++i) {
      REQUIRE(archive->append(i, Seqno{i}, payload(i, 10)).ok());
    }
    archive.reset();
    archive = open(small(dir.path()));
    for (std::uint64_t i = 5; i <= 12; ++i) {
      REQUIRE(archive->append(i, Seqno{i}, payload(i, 10)).ok());
    }
    EXPECT(count_from(*archive, Seqno{1}, 1 << 20) == 12);
  }

  TEST_CASE("WritesetArchive: a tail torn at any byte is cut to whole records") {
    const test::TempDir dir;
    ArchiveOptions options;
    options.dir = dir.path() + "/whole";
    std::vector<std::uint64_t> ends{32};
    {
      auto archive = open(options);
      for (std::uint64_t i = 1; i <= 5; ++i) {
        REQUIRE(archive->append(i, Seqno{i}, payload(i, 20 + i)).ok());
        ends.push_back(ends.back() + 32 + 20 + i);
      }
    }
    const std::string whole = only_segment(options.dir);
    REQUIRE(std::filesystem::file_size(whole) == ends.back());
    for (std::uint64_t size = 0; size <= ends.back(); ++size) {
      for (const bool garbage : {false, true}) {
        ArchiveOptions torn = options;
        torn.dir = dir.path() + "/torn";
        std::filesystem::remove_all(torn.dir);
        std::filesystem::create_directories(torn.dir);
        const std::string copy = torn.dir + "/" + std::filesystem::path(whole).filename().string();
        std::filesystem::copy_file(whole, copy);
        std::filesystem::resize_file(copy, size);
        if (garbage) {
          std::filesystem::resize_file(copy, ends.back() + 100);  // zeros, as a file system leaves
        }
        std::uint64_t complete = 0;
        while (complete < 5 && ends[complete + 1] <= size) {
          ++complete;
        }
        auto archive = open(torn);
        EXPECT(archive->last_log_index() == complete);
        for (std::uint64_t i = 1; i <= 7; ++i) {
          REQUIRE(archive->append(i, Seqno{i}, payload(i, 20 + i)).ok());
        }
        EXPECT(count_from(*archive, Seqno{1}, 64) == 7);
      }
    }
  }

  TEST_CASE("WritesetArchive: a power loss may tear every segment since the last sync") {
    constexpr std::uint64_t kRecords = 60;
    constexpr std::uint64_t kSynced = 25;
    const test::TempDir dir;
    const std::string whole = dir.path() + "/whole";
    {
      auto archive = open(small(whole));
      for (std::uint64_t i = 1; i <= kRecords; ++i) {
        // Two records share a seqno now and then: the second leaves no gap behind.
        REQUIRE(archive->append(i, Seqno{1 + i / 2}, payload(i, 50)).ok());
        if (i == kSynced) {
          auto sync = archive->begin_sync();
          REQUIRE(sync.ok());
          REQUIRE(sync->run().ok());
        }
      }
    }
    std::vector<std::filesystem::path> segments;
    for (const auto& file : std::filesystem::directory_iterator(whole)) {
      if (file.path().extension() == ".log") {
        segments.push_back(file.path().filename());
      }
    }
    std::sort(segments.begin(), segments.end());
    REQUIRE(segments.size() >= 5);
    unsigned refused = 0;
    for (const std::filesystem::path& victim : segments) {
      const std::uint64_t bytes = std::filesystem::file_size(whole + "/" + victim.string());
      for (std::uint64_t size = 0; size < bytes; ++size) {
        ArchiveOptions torn = small(dir.path() + "/torn");
        std::filesystem::remove_all(torn.dir);
        std::filesystem::copy(whole, torn.dir);
        std::filesystem::resize_file(torn.dir + "/" + victim.string(), size);
        auto opened = WritesetArchive::open(torn);
        if (!opened.ok()) {
          ++refused;
          EXPECT(victim <= segments[1]);  // what was synced is gone: only the segments that hold it
          continue;
        }
        std::unique_ptr<WritesetArchive> archive = std::move(opened).value();
        // Segments that were wholly synced are not read at open.
        const bool checked = victim >= segments[1];
        EXPECT(archive->last_log_index() >= kSynced);
        if (checked) {
          EXPECT(archive->last_log_index() < kRecords);
          for (std::uint64_t i = archive->last_log_index() + 1; i <= kRecords; ++i) {
            REQUIRE(archive->append(i, Seqno{1 + i / 2}, payload(i, 50)).ok());
          }
          EXPECT(count_from(*archive, Seqno{1}, 300) == kRecords);
        }
      }
    }
    EXPECT(refused > 0);
  }

  TEST_CASE("WritesetArchive: what the last run did not sync is synced after all") {
    const test::TempDir dir;
    {
      auto archive = open(small(dir.path()));
      for (std::uint64_t i = 1; i <= 40; ++i) {
        REQUIRE(archive->append(i, Seqno{i}, payload(i, 50)).ok());
      }
    }
    auto archive = open(small(dir.path()));
    auto sync = archive->begin_sync();
    REQUIRE(sync.ok());
    EXPECT(sync->files() >= 4);  // closed segments, the last one, the directory
    REQUIRE(sync->run().ok());
    archive.reset();
    archive = open(small(dir.path()));
    EXPECT(archive->begin_sync()->files() <= 2);
  }

  TEST_CASE("WritesetArchive: a flipped bit in an old segment is an error, not a gap") {
    const test::TempDir dir;
    auto archive = open(small(dir.path()));
    for (std::uint64_t i = 1; i <= 100; ++i) {
      REQUIRE(archive->append(i, Seqno{i}, payload(i, 50)).ok());
    }
    REQUIRE(archive->flush().ok());
    const std::string first = dir.path() + "/00000000000000000001.log";
    std::fstream file(first, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.put('\x5A');
    file.close();
    EXPECT(!archive->read(Seqno{1}, 1 << 20).ok());
    EXPECT(archive->read(Seqno{50}, 1 << 20).ok());
  }

  TEST_CASE("WritesetArchive: reads begin near what they ask for, in old and new segments") {
    constexpr std::uint64_t kRecords = 3000;
    constexpr std::size_t kBytes = 1000;
    constexpr std::uint64_t kRecordsPerStride = 70;  // 64 KiB
    const test::TempDir dir;
    ArchiveOptions options;
    options.dir = dir.path();
    options.segment_bytes = kRecords * kBytes / 2;
    const auto append = [](WritesetArchive& archive, std::uint64_t from, std::uint64_t to) {
      for (std::uint64_t i = from; i <= to; ++i) {
        REQUIRE(archive.append(i, Seqno{i}, payload(i, kBytes)).ok());
      }
    };
    // Reads in small batches; how many records each batch had to pass over, on average.
    const auto passed_over = [](WritesetArchive& archive) {
      const std::uint64_t before = archive.records_passed_over();
      EXPECT(count_from(archive, Seqno{1}, 10 * kBytes) == archive.last_seqno().value);
      return (archive.records_passed_over() - before) / (archive.last_seqno().value / 10);
    };
    {
      auto archive = open(options);
      append(*archive, 1, kRecords);
      EXPECT(passed_over(*archive) <= kRecordsPerStride);
    }
    auto archive = open(options);
    EXPECT(passed_over(*archive) <= kRecordsPerStride);
    append(*archive, kRecords + 1, 2 * kRecords);
    EXPECT(passed_over(*archive) <= kRecordsPerStride);
    // Asked for its middle first, a cold segment is indexed from its beginning all the same.
    auto cold = open(options);
    REQUIRE(cold->read(Seqno{kRecords / 4}, 1).ok());
    EXPECT(passed_over(*cold) <= kRecordsPerStride);
  }

  TEST_CASE("WritesetArchive: retires old segments, but none that is needed") {
    const test::TempDir dir;
    ArchiveOptions options = small(dir.path());
    options.bytes_max = 3000;
    auto archive = open(options);
    for (std::uint64_t i = 1; i <= 200; ++i) {
      REQUIRE(archive->append(i, Seqno{i}, payload(i, 50)).ok());
    }
    archive->retire(Seqno{30});
    EXPECT(archive->first_seqno() <= Seqno{30});
    EXPECT(archive->first_seqno() > Seqno{1});
    archive->retire(Seqno{200});
    EXPECT(archive->bytes() <= 3000);
    EXPECT(!archive->read(Seqno{30}, 1).ok());
    EXPECT(count_from(*archive, archive->first_seqno(), 100) ==
           200 - archive->first_seqno().value + 1);
    auto sync = archive->begin_sync();
    REQUIRE(sync.ok());
    EXPECT(sync->run().ok());
  }
}

}  // namespace consort::proxy
