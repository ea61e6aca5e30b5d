#include "certifier/writeset.h"

#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <xxhash.h>

#include "base/check.h"
#include "certifier/event_groups.h"
#include "certifier/sequence_reserve.h"

namespace consort::certifier {
namespace {

constexpr std::string_view kMagic = "CENT";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kHeadBytes = 28;
constexpr std::size_t kChecksumBytes = 8;
constexpr std::size_t kBodyLengthAt = 20;
constexpr std::size_t kKeyBytes = 9;
constexpr std::size_t kTargetBytesMin = 8;
constexpr std::uint8_t kWritesetPart = 0x04;  ///< on disk only: a ProgramPart follows the payload
constexpr std::uint8_t kFlagsKnown =
    kWritesetAtHome | kWritesetSequences | kWritesetPart | kWritesetWholeTable;
/// In the byte of a Ddl's home.
constexpr std::uint8_t kOwnDdl = 0x80;
constexpr std::uint8_t kProgramDdl = 0x40;  ///< the number of its connection follows
constexpr std::uint8_t kPartDdl = 0x20;     ///< a ProgramPart follows

// ---- writing ----

void put_bytes(Buffer& out, Bytes bytes) {
  CHECK(bytes.size() <= std::numeric_limits<std::uint32_t>::max());
  append_le<4>(out, bytes.size());
  append(out, bytes);
}

void put_text(Buffer& out, std::string_view text) {
  put_bytes(out, as_bytes(text));
}

void put_keys(Buffer& out, const std::vector<RowKey>& keys) {
  append_le<4>(out, keys.size());
  std::size_t at = out.size();
  out.resize(at + keys.size() * kKeyBytes);
  for (const RowKey& key : keys) {
    out[at] = static_cast<std::uint8_t>(key.hold);
    store_le<8>(out.data() + at + 1, key.hash);
    at += kKeyBytes;
  }
}

void put_part(Buffer& out, const ProgramPart& part) {
  append_le<8>(out, part.program.value);
  append_le<4>(out, part.gtid.domain);
  append_le<4>(out, part.gtid.server);
  append_le<8>(out, part.gtid.sequence);
  append_le<1>(out, part.whole ? 1 : 0);
  append_le<2>(out, part.error);
}

void put_body(Buffer& out, const Writeset& body) {
  append_le<4>(out, body.branch.epoch);
  append_le<2>(out, body.branch.worker);
  append_le<8>(out, body.branch.counter);
  append_le<1>(out, body.home.value);
  append_le<1>(out, body.flags | (body.part.any() ? kWritesetPart : 0U));
  append_le<8>(out, body.last_seen.value);
  put_keys(out, body.keys);
  put_bytes(out, body.payload);
  if (body.part.any()) {
    put_part(out, body.part);
  }
}

void put_body(Buffer& out, const Ddl& body) {
  append_le<1>(out, body.home.value | (body.own ? kOwnDdl : 0U) |
                        (body.program_thread ? kProgramDdl : 0U) |
                        (body.part.any() ? kPartDdl : 0U));
  for (const std::string* text : {&body.sql, &body.schema, &body.definer, &body.session_set}) {
    put_text(out, *text);
  }
  append_le<4>(out, body.targets.size());
  for (const DdlObject& target : body.targets) {
    put_text(out, target.schema);
    put_text(out, target.table);
  }
  put_keys(out, body.keys);
  if (body.program_thread) {
    append_le<8>(out, *body.program_thread);
  }
  if (body.part.any()) {
    put_part(out, body.part);
  }
}

void put_body(Buffer& out, const DdlResult& body) {
  append_le<8>(out, body.ddl.value);
  append_le<1>(out, static_cast<std::uint8_t>(body.outcome));
  if (!body.sql.empty()) {  // as earlier versions wrote it
    put_text(out, body.sql);
  }
}

void put_body(Buffer& out, const Replay& body) {
  append_le<8>(out, body.seqno.value);
  append_le<1>(out, body.backend.value);
}

void put_body(Buffer& out, const EpochStart& body) {
  put_text(out, body.cluster_id);
  append_le<8>(out, body.head.value);
}

std::size_t body_bytes_guess(const LogEntry& entry) {
  const Writeset* writeset = entry.writeset();
  return writeset == nullptr ? 256
                             : 64 + writeset->payload.size() + writeset->keys.size() * kKeyBytes;
}

// ---- reading ----

/// Takes fields off the front of a body. After a field that is not there, ok() stays false and
/// everything reads as empty.
class BodyReader {
 public:
  explicit BodyReader(Bytes rest) : rest_(rest) {}

  template <std::size_t Width>
  std::uint64_t take() {
    const Bytes bytes = take_bytes(Width);
    return ok_ ? load_le<Width>(bytes.data()) : 0;
  }

  Bytes take_string() { return take_bytes(take<4>()); }

  std::string take_text() { return std::string(as_text(take_string())); }

  /// A count of things that take at least `bytes_min` each: never more than what is left holds.
  std::size_t take_count(std::size_t bytes_min) {
    const std::uint64_t count = take<4>();
    if (count > rest_.size() / bytes_min) {
      ok_ = false;
    }
    return ok_ ? count : 0;
  }

  BackendId take_backend() {
    const BackendId backend{static_cast<std::uint8_t>(take<1>())};
    ok_ = ok_ && backend.value < kBackendsMax;
    return backend;
  }

  std::vector<RowKey> take_keys() {
    std::vector<RowKey> keys(take_count(kKeyBytes));
    for (RowKey& key : keys) {
      const std::uint64_t hold = take<1>();
      ok_ = ok_ && hold <= static_cast<std::uint64_t>(KeyHold::kExclusive);
      key.hold = static_cast<KeyHold>(hold);
      key.hash = take<8>();
    }
    return keys;
  }

  void require(bool condition) { ok_ = ok_ && condition; }

  /// Everything was there and nothing is left.
  [[nodiscard]] bool done() const { return ok_ && rest_.empty(); }

 private:
  Bytes take_bytes(std::size_t count) {
    if (!ok_ || count > rest_.size()) {
      ok_ = false;
      return {};
    }
    const Bytes bytes = rest_.first(count);
    rest_ = rest_.subspan(count);
    return bytes;
  }

  Bytes rest_;
  bool ok_ = true;
};

ProgramPart take_part(BodyReader& in, Seqno seqno) {
  ProgramPart part;
  part.program.value = in.take<8>();
  part.gtid.domain = static_cast<std::uint32_t>(in.take<4>());
  part.gtid.server = static_cast<std::uint32_t>(in.take<4>());
  part.gtid.sequence = in.take<8>();
  const std::uint64_t whole = in.take<1>();
  in.require(whole <= 1);
  part.whole = whole == 1;
  part.error = static_cast<std::uint16_t>(in.take<2>());
  in.require(part.any() && part.program < seqno && part.gtid.any());
  return part;
}

Writeset take_writeset(BodyReader& in, Seqno seqno) {
  Writeset body;
  body.branch.epoch = static_cast<std::uint32_t>(in.take<4>());
  body.branch.worker = static_cast<std::uint16_t>(in.take<2>());
  body.branch.counter = in.take<8>();
  body.home = in.take_backend();
  body.flags = static_cast<std::uint8_t>(in.take<1>());
  in.require((body.flags & ~kFlagsKnown) == 0);
  body.last_seen.value = in.take<8>();
  in.require(body.last_seen < seqno);
  body.keys = in.take_keys();
  const Bytes payload = in.take_string();
  body.payload.assign(payload.begin(), payload.end());
  in.require((body.flags & kWritesetSequences) == 0 || decode_reserves(payload).ok());
  in.require((body.flags & kWritesetWholeTable) == 0 ||
             (body.flags == (kWritesetAtHome | kWritesetWholeTable) && mapped_table(payload)));
  if ((body.flags & kWritesetPart) != 0) {
    body.flags &= static_cast<std::uint8_t>(~kWritesetPart);
    in.require((body.flags & kWritesetAtHome) != 0);
    body.part = take_part(in, seqno);
  }
  return body;
}

Ddl take_ddl(BodyReader& in, Seqno seqno) {
  constexpr std::uint64_t kForms = kOwnDdl | kProgramDdl | kPartDdl;
  Ddl body;
  const std::uint64_t home = in.take<1>();
  const std::uint64_t form = home & kForms;
  in.require((form & (form - 1)) == 0);  // at most one of them
  body.own = form == kOwnDdl;
  body.home = BackendId{static_cast<std::uint8_t>(home & ~kForms)};
  in.require(body.home.value < kBackendsMax);
  for (std::string* text : {&body.sql, &body.schema, &body.definer, &body.session_set}) {
    *text = in.take_text();
  }
  body.targets.resize(in.take_count(kTargetBytesMin));
  for (DdlObject& target : body.targets) {
    target.schema = in.take_text();
    target.table = in.take_text();
  }
  body.keys = in.take_keys();
  if (form == kProgramDdl) {
    body.program_thread = in.take<8>();
  } else if (form == kPartDdl) {
    body.part = take_part(in, seqno);
  }
  return body;
}

DdlResult take_ddl_result(BodyReader& in) {
  DdlResult body;
  body.ddl.value = in.take<8>();
  const std::uint64_t outcome = in.take<1>();
  in.require(body.ddl.value != 0);
  in.require(outcome <= static_cast<std::uint64_t>(DdlOutcome::kVoid));
  body.outcome = static_cast<DdlOutcome>(outcome);
  if (!in.done()) {
    body.sql = in.take_text();
    in.require(!body.sql.empty());
  }
  return body;
}

Replay take_replay(BodyReader& in) {
  Replay body;
  body.seqno.value = in.take<8>();
  body.backend = in.take_backend();
  in.require(body.seqno.value != 0);
  return body;
}

EpochStart take_epoch_start(BodyReader& in) {
  EpochStart body;
  body.cluster_id = in.take_text();
  body.head.value = in.take<8>();
  return body;
}

/// nullopt for a kind that does not exist.
std::optional<EntryBody> take_body(BodyReader& in, std::uint8_t kind, Seqno seqno) {
  switch (static_cast<EntryKind>(kind)) {
    case EntryKind::kWriteset:
      return take_writeset(in, seqno);
    case EntryKind::kDdl:
      return take_ddl(in, seqno);
    case EntryKind::kDdlResult:
      return take_ddl_result(in);
    case EntryKind::kReplay:
      return take_replay(in);
    case EntryKind::kEpochStart:
      return take_epoch_start(in);
  }
  return std::nullopt;
}

/// The head, length and checksum are right, so that the body may be read.
Status check_frame(Bytes bytes) {
  if (bytes.size() < kHeadBytes + kChecksumBytes) {
    return make_error(DecodeError::kTruncated, "log entry: shorter than its head");
  }
  if (as_text(bytes.first(kMagic.size())) != kMagic) {
    return make_error(DecodeError::kBadMagic, "log entry: wrong magic");
  }
  if (bytes[4] != kVersion) {
    return make_error(DecodeError::kUnknownVersion,
                      "log entry: version " + std::to_string(bytes[4]) + " is not known");
  }
  const std::uint64_t body_bytes = load_le<8>(bytes.data() + kBodyLengthAt);
  const std::uint64_t body_bytes_here = bytes.size() - kHeadBytes - kChecksumBytes;
  if (body_bytes != body_bytes_here) {
    return make_error(
        body_bytes > body_bytes_here ? DecodeError::kTruncated : DecodeError::kMalformed,
        "log entry: its length does not match its bytes");
  }
  const Bytes checked = bytes.first(bytes.size() - kChecksumBytes);
  if (XXH64(checked.data(), checked.size(), 0) != load_le<8>(checked.data() + checked.size())) {
    return make_error(DecodeError::kBadChecksum, "log entry: wrong checksum");
  }
  return Ok{};
}

}  // namespace

const ProgramPart* LogEntry::part() const {
  const ProgramPart* found = nullptr;
  if (const Writeset* rows = writeset()) {
    found = &rows->part;
  } else if (const Ddl* statement = ddl()) {
    found = &statement->part;
  }
  return found != nullptr && found->any() ? found : nullptr;
}

Buffer encode_entry(const LogEntry& entry) {
  CHECK(entry.takes_seqno() == (entry.seqno.value != 0));
  Buffer out;
  out.reserve(kHeadBytes + kChecksumBytes + body_bytes_guess(entry));
  append(out, kMagic);
  append_le<1>(out, kVersion);
  append_le<1>(out, static_cast<std::uint8_t>(entry.kind()));
  append_le<2>(out, 0);
  append_le<4>(out, entry.epoch);
  append_le<8>(out, entry.seqno.value);
  append_le<8>(out, 0);
  std::visit([&out](const auto& body) { put_body(out, body); }, entry.body);
  store_le<8>(out.data() + kBodyLengthAt, out.size() - kHeadBytes);
  append_le<8>(out, XXH64(out.data(), out.size(), 0));
  return out;
}

Result<LogEntry> decode_entry(Bytes bytes) {
  const Status frame = check_frame(bytes);
  if (!frame) {
    return frame.error();
  }
  LogEntry entry;
  entry.epoch = static_cast<std::uint32_t>(load_le<4>(bytes.data() + 8));
  entry.seqno.value = load_le<8>(bytes.data() + 12);
  BodyReader in(bytes.subspan(kHeadBytes, bytes.size() - kHeadBytes - kChecksumBytes));
  std::optional<EntryBody> body = take_body(in, bytes[5], entry.seqno);
  if (!body || !in.done() || load_le<2>(bytes.data() + 6) != 0) {
    return make_error(DecodeError::kMalformed, "log entry: its content breaks the format (kind " +
                                                   std::to_string(bytes[5]) + ")");
  }
  entry.body = std::move(*body);
  if (entry.takes_seqno() != (entry.seqno.value != 0)) {
    return make_error(DecodeError::kMalformed, "log entry: a seqno where none belongs, or none");
  }
  return entry;
}

}  // namespace consort::certifier
