// SequenceReserve: a server has reserved numbers of a sequence, which no other shall forget. What a
// commit log's entry says of it, and the SQL that tells a server. Decision 0034.
// Every server takes its numbers from a class of its own (INCREMENT BY 0: auto_increment_increment
// and auto_increment_offset), so numbers of two servers never meet. What is told here keeps them
// near each other, and a server that is restarted, or begins anew from a copy, from taking its own
// once more.
// Format: docs/formats/log_entry.md. Threads: none; values.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace consort::certifier {

/// How the servers share numbers out.
struct SequenceSteps {
  std::uint32_t step = 1;    ///< between two numbers of one server: its auto_increment_increment
  std::uint32_t offset = 1;  ///< of this server's numbers: its auto_increment_offset
  std::uint32_t increment_max = 1;  ///< no two numbers of a sequence are nearer than that
};

/// Largest CACHE of a sequence. A server that begins anew leaves out more than that.
inline constexpr std::uint64_t kSequenceCacheMax = 10'000;
/// What it leaves out, at least: what was taken a moment before its end may not be known.
inline constexpr std::uint64_t kSequenceSpareNumbers = 20'000;
inline constexpr std::uint64_t kSequenceSpareCaches = 10;  ///< or so many times its CACHE

/// The row of a sequence's table, as the server that took numbers has written it.
struct SequenceReserve {
  std::string schema;
  std::string table;
  std::int64_t next = 0;    ///< next_not_cached_value: everything before it may be taken
  std::uint64_t cache = 0;  ///< cache_size
  std::uint32_t step = 1;   ///< SequenceSteps::step

  friend bool operator==(const SequenceReserve&, const SequenceReserve&) = default;
};

/// The payload of a writeset with kWritesetSequences.
[[nodiscard]] Buffer encode_reserves(std::span<const SequenceReserve> reserves);

/// Reads what encode_reserves() wrote, all of it. Trusts nothing. Error: DecodeError::kMalformed.
[[nodiscard]] Result<std::vector<SequenceReserve>> decode_reserves(Bytes payload);

/// How far a server is raised that is told of it.
enum class RaiseTo : std::uint8_t {
  kRangeBegin,  ///< to where the range begins: it takes numbers from beside it
  kRangeEnd     ///< behind it: the server begins anew, and may have given some of these
};

/// Raises the sequence, which may be gone by now; never lowers it. A statement for a compound body.
[[nodiscard]] std::string raise_sequence_sql(const SequenceReserve& reserve, RaiseTo to);

/// A lane's statement when it has connected, behind lane_session_setup(): the server takes numbers
/// from its own class. Fails where a sequence's definition makes numbers of two servers meet. A
/// sequence without a row is dropped: a crash has taken that, and with it the position of its
/// CREATE, which is executed again.
[[nodiscard]] std::string share_sequences_sql(const SequenceSteps& steps);

/// A lane's statement when it has applied what was in the log when it connected: the server leaves
/// out numbers that it may have given without anybody's knowing, on disk, so that the next crash
/// cannot take that back. No number may be given before the log says what kListSequencesSql says.
[[nodiscard]] std::string begin_sequences_sql(const SequenceSteps& steps);

/// Behind begin_sequences_sql(). One row per sequence: schema, name, next_not_cached_value,
/// cache_size.
inline constexpr std::string_view kListSequencesSql =
    "SELECT schema_name,table_name,next_value,cache_size FROM consort.begun_sequences";

}  // namespace consort::certifier
