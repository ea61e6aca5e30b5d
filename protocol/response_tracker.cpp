#include "protocol/response_tracker.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "protocol/lenenc.h"

namespace consort::protocol {
namespace {

/// Payload of an EOF packet of the old form. The shortest OK packet that takes its place has 7.
constexpr std::size_t kEofPayloadBytes = 5;
/// Rows that begin with EOF's first byte are at least this long.
constexpr std::size_t kRowLikeEofBytesMin = 9;

/// Place of the status flags in an OK payload, or 0 when it is too short to have any.
std::size_t ok_status_offset(Bytes payload) {
  Reader reader(payload);
  reader.skip(1);
  static_cast<void>(reader.lenenc());
  static_cast<void>(reader.lenenc());
  const std::size_t offset = payload.size() - reader.remaining();
  return !reader.failed() && reader.remaining() >= 2 ? offset : 0;
}

bool is_eof(Bytes payload) {
  return payload.size() == kEofPayloadBytes && payload[0] == kEofByte;
}

/// A packet's four header bytes as one number: payload length, and sequence id above it.
std::uint32_t load_header(const std::uint8_t* data) {
  if constexpr (std::endian::native == std::endian::little) {
    std::uint32_t header = 0;  // one load, where load_le makes four
    std::memcpy(&header, data, sizeof(header));
    return header;
  }
  return static_cast<std::uint32_t>(load_le<4>(data));
}

MutableBytes payload_of(MutableBytes packet) {
  return packet.size() < kHeaderBytes ? MutableBytes() : packet.subspan(kHeaderBytes);
}

}  // namespace

void ResponseTracker::begin(Command command,
                            std::uint64_t capabilities,
                            std::uint8_t command_sequence) {
  command_ = command;
  capabilities_ = capabilities;
  definitions_left_ = 0;
  columns_after_parameters_ = 0;
  frame_missing_ = 0;
  next_sequence_ = next_of(command_sequence);
  continues_ = false;
  forwarded_ = false;
  any_sequence_ = false;
  out_parameters_ = false;
  dropping_ = 0;
  gathered_bytes_ = 0;
  dropped_packets_ = 0;
  unnumbered_ = (capabilities & capability::kCompress) != 0;
  renumbers_ = unnumbered_;
  gathers_ = false;
  switch (command) {
    case Command::kQuery:
    case Command::kStmtExecute:
    case Command::kStmtBulkExecute:
    case Command::kProcessInfo:
      phase_ = Phase::kFirst;
      break;
    case Command::kFieldList:
    case Command::kStmtFetch:
    case Command::kBinlogDump:
    case Command::kBinlogDumpGtid:
    case Command::kTableDump:
      phase_ = Phase::kRows;
      break;
    case Command::kStmtPrepare:
      phase_ = Phase::kPrepare;
      break;
    case Command::kStatistics:
      phase_ = Phase::kText;
      break;
    case Command::kChangeUser:
      phase_ = Phase::kAuth;
      break;
    case Command::kQuit:
    case Command::kStmtClose:
    case Command::kStmtSendLongData:
      phase_ = Phase::kDone;
      break;
    default:
      phase_ = Phase::kSimple;
      break;
  }
}

Result<ResponseTracker::Step> ResponseTracker::step(MutableBytes unread) {
  Step step;
  if (dropping_ > 0) {
    CHECK(dropping_ <= unread.size());
    step.kind = StepKind::kDropped;
    step.bytes = std::exchange(dropping_, 0);
    return step;
  }
  step.bytes = forward(unread);
  if (step.bytes > 0) {
    step.kind = StepKind::kForward;
    step.last = done();
    forwarded_ = true;
    return step;
  }
  if (unread.empty()) {
    return step;
  }
  if (done()) {
    return fail(TrackError::kUnexpectedReply, "bytes from the backend that nobody asked for");
  }
  const std::optional<Look> front = look(unread);
  if (!front) {
    return step;
  }
  if (!numbered_right(*front)) {
    return fail(TrackError::kSequence, "packets from the backend out of order");
  }
  if (!well_formed(*front)) {
    return fail(TrackError::kMalformed, "malformed packet from the backend");
  }
  return control(unread, *front);
}

/// Passes over definitions and rows; stops in front of the first packet to look at.
std::size_t ResponseTracker::forward(MutableBytes unread) {
  std::size_t at = 0;
  while (true) {
    if (frame_missing_ > 0) {
      const std::size_t taken = std::min(frame_missing_, unread.size() - at);
      at += taken;
      frame_missing_ -= taken;
      if (frame_missing_ > 0) {
        return at;
      }
      finish_frame();
    }
    if (phase_ == Phase::kRows && !continues_ && !renumbers_) {
      at += forward_whole_rows(unread.subspan(at));
    }
    const std::optional<Look> front = look(unread.subspan(at));
    if (!front || !passes(*front)) {
      return at;
    }
    frame_missing_ = kHeaderBytes + front->payload_bytes;
    rows_ += phase_ == Phase::kRows && !continues_ ? 1 : 0;
    continues_ = front->payload_bytes == kMaxPayload;
    next_sequence_ = next_of(number(unread.data() + at));
  }
}

/// Gives the packet at `header` the number that it has for the client, and returns that.
std::uint8_t ResponseTracker::number(std::uint8_t* header) {
  std::uint8_t& sequence = header[kHeaderBytes - 1];
  if (renumbers_) {
    sequence = next_sequence_;
  }
  return sequence;
}

/// The common case in one tight loop; forward() does the rest packet by packet.
/// REQUIRES: between packets among rows.
std::size_t ResponseTracker::forward_whole_rows(Bytes unread) {
  const std::size_t like_eof_min = row_like_eof_bytes_min();
  const std::uint8_t* at = unread.data();
  std::size_t left = unread.size();
  std::uint8_t sequence = next_sequence_;
  while (left > kHeaderBytes) {
    const std::uint32_t header = load_header(at);
    const std::size_t payload_bytes = header & kMaxPayload;
    const std::uint8_t first = at[kHeaderBytes];
    const bool row = first < kEofByte || (first == kEofByte && payload_bytes >= like_eof_min);
    const bool whole =
        payload_bytes != 0 && payload_bytes != kMaxPayload && left - kHeaderBytes >= payload_bytes;
    if (!row || !whole || header >> 24U != sequence) {
      break;
    }
    at += kHeaderBytes + payload_bytes;
    left -= kHeaderBytes + payload_bytes;
    ++sequence;
    ++rows_;
  }
  next_sequence_ = sequence;
  return unread.size() - left;
}

/// Shortest payload that begins like EOF and is a row all the same.
std::size_t ResponseTracker::row_like_eof_bytes_min() const {
  return (capabilities_ & capability::kDeprecateEof) != 0 ? kMaxPayload : kRowLikeEofBytesMin;
}

/// nullopt while the header or the first payload byte is missing.
std::optional<ResponseTracker::Look> ResponseTracker::look(Bytes unread) const {
  if (unread.size() < kHeaderBytes) {
    return std::nullopt;
  }
  Look look;
  const std::uint32_t header = load_header(unread.data());
  look.payload_bytes = header & kMaxPayload;
  look.sequence = static_cast<std::uint8_t>(header >> 24U);
  if (look.payload_bytes > 0) {
    if (unread.size() == kHeaderBytes) {
      return std::nullopt;
    }
    look.first = unread[kHeaderBytes];
  }
  return look;
}

/// True for a packet that goes to the client unseen.
bool ResponseTracker::passes(const Look& look) const {
  if (continues_) {
    return numbered_right(look);
  }
  if (look.first == kErrByte || look.payload_bytes == 0 || !numbered_right(look)) {
    return false;
  }
  switch (phase_) {
    case Phase::kColumns:
    case Phase::kDefinitions:
      return look.first != kEofByte;
    case Phase::kRows:
      return look.first != kEofByte || look.payload_bytes >= row_like_eof_bytes_min();
    default:
      return false;
  }
}

bool ResponseTracker::numbered_right(const Look& look) const {
  // A server that ends the connection may number its ERR as it likes.
  const bool error = look.first == kErrByte && look.payload_bytes > 0 && !continues_;
  const auto due = static_cast<std::uint8_t>(next_sequence_ + dropped_packets_);
  return look.sequence == due || any_sequence_ || unnumbered_ || error;
}

/// No control packet is empty or as long as a packet can be.
bool ResponseTracker::well_formed(const Look& look) const {
  return !continues_ && look.payload_bytes > 0 && look.payload_bytes < kMaxPayload;
}

void ResponseTracker::finish_frame() {
  const bool definition = phase_ == Phase::kColumns || phase_ == Phase::kDefinitions;
  if (!definition || continues_ || --definitions_left_ > 0) {
    return;
  }
  const bool eof_follows = (capabilities_ & capability::kDeprecateEof) == 0;
  if (phase_ == Phase::kColumns) {
    phase_ = eof_follows ? Phase::kColumnsEof : Phase::kRows;
  } else if (eof_follows) {
    phase_ = Phase::kDefinitionsEof;
  } else {
    next_definitions();
  }
}

/// Behind the parameters of a PREPARE reply come its columns, behind them nothing.
void ResponseTracker::next_definitions() {
  definitions_left_ = columns_after_parameters_;
  columns_after_parameters_ = 0;
  phase_ = definitions_left_ > 0 ? Phase::kDefinitions : Phase::kDone;
}

void ResponseTracker::begin_rows(bool metadata_follows) {
  rows_ = 0;
  if (metadata_follows) {
    phase_ = Phase::kColumns;
  } else {
    phase_ = (capabilities_ & capability::kDeprecateEof) != 0 ? Phase::kRows : Phase::kColumnsEof;
  }
}

/// A packet to look at is in front: hands it out once it is complete, and moves on.
Result<ResponseTracker::Step> ResponseTracker::control(MutableBytes unread, const Look& look) {
  Step step;
  if (unread.size() - kHeaderBytes < look.payload_bytes) {
    return step;
  }
  step.kind = StepKind::kControl;
  step.bytes = kHeaderBytes + look.payload_bytes;
  step.payload = unread.subspan(kHeaderBytes, look.payload_bytes);
  const Phase phase = phase_;
  if (!classify(step)) {
    return fail(TrackError::kMalformed, "malformed reply from the backend");
  }
  const bool describes = (step.control == ControlKind::kColumnCount && phase_ == Phase::kColumns) ||
                         step.control == ControlKind::kPrepareOk;
  if (gathers_ && describes) {
    const Gathered gathered = gather_behind(step, unread);
    if (!gathered.whole) {
      phase_ = phase;
      return Step();
    }
    step.definitions = gathered.packets;
    gathered_bytes_ = gathered.packets.size();
  }
  any_sequence_ = step.control == ControlKind::kAuth || step.control == ControlKind::kLocalInfile;
  step.sequence = number(unread.data());
  next_sequence_ = next_of(step.sequence);
  step.last = done();
  return step;
}

/// Names the packet and moves the phase. False when it cannot come here.
bool ResponseTracker::classify(Step& step) {
  const std::uint8_t first = step.payload[0];
  if (first == kErrByte) {
    return on_error(step);
  }
  switch (phase_) {
    case Phase::kFirst:
      return on_first(step);
    case Phase::kColumnsEof:
    case Phase::kDefinitionsEof:
      return on_columns_eof(step);
    case Phase::kRows:
      return first == kEofByte && on_ok(step, ControlKind::kEof);
    case Phase::kSimple:
      return on_ok(step, first == kEofByte ? ControlKind::kEof : ControlKind::kOk);
    case Phase::kAuth:
      step.control = ControlKind::kAuth;
      return first == kEofByte || first == kAuthMoreByte || on_ok(step, ControlKind::kOk);
    case Phase::kText:
      step.control = ControlKind::kText;
      phase_ = Phase::kDone;
      return true;
    case Phase::kPrepare:
      return on_prepare_ok(step);
    case Phase::kDone:
    case Phase::kColumns:
    case Phase::kDefinitions:
      return false;
  }
  return false;
}

bool ResponseTracker::on_error(Step& step) {
  if (step.payload.size() < 3) {
    return false;
  }
  const bool progress = (capabilities_ & capability::kMariadbProgress) != 0 &&
                        load_le<2>(step.payload.data() + 1) == kProgressCode;
  if (progress) {
    step.control = ControlKind::kProgress;
    return true;
  }
  step.control = ControlKind::kErr;
  phase_ = Phase::kDone;
  return true;
}

bool ResponseTracker::on_first(Step& step) {
  switch (step.payload[0]) {
    case kOkByte:
      return on_ok(step, ControlKind::kOk);
    case kEofByte:
      return on_ok(step, ControlKind::kEof);
    case kLocalInfileByte:
      step.control = ControlKind::kLocalInfile;
      return (capabilities_ & capability::kLocalFiles) != 0;
    default:
      return on_column_count(step);
  }
}

/// OK in either form, or EOF: reads the status and ends this result.
bool ResponseTracker::on_ok(Step& step, ControlKind kind) {
  const std::uint8_t first = step.payload[0];
  if (first != kOkByte && first != kEofByte) {
    return false;
  }
  const bool old_eof = first == kEofByte && (capabilities_ & capability::kDeprecateEof) == 0;
  if (old_eof && !is_eof(step.payload)) {
    return false;
  }
  const std::size_t offset = old_eof ? 3 : ok_status_offset(step.payload);
  if (offset == 0) {
    return false;
  }
  step.control = kind;
  step.status = static_cast<std::uint16_t>(load_le<2>(step.payload.data() + offset));
  const bool may_continue = command_ == Command::kQuery || command_ == Command::kStmtExecute ||
                            command_ == Command::kStmtBulkExecute;
  // Behind the columns MySQL says that more follows, behind such rows it does not (measured, 9.7).
  const bool out_parameters = std::exchange(out_parameters_, false);
  const bool more =
      may_continue && (out_parameters || (step.status & status_flag::kMoreResultsExist) != 0);
  phase_ = more ? Phase::kFirst : Phase::kDone;
  return true;
}

bool ResponseTracker::on_column_count(Step& step) {
  Reader reader(step.payload);
  step.control = ControlKind::kColumnCount;
  step.columns = reader.lenenc();
  bool metadata_follows = true;
  if ((capabilities_ & capability::kMariadbCacheMetadata) != 0) {
    metadata_follows = reader.u8() != 0;
  }
  // A table has 4096 at most, but a SELECT as many as its text names.
  if (reader.failed() || !reader.at_end() || step.columns == 0) {
    return false;
  }
  definitions_left_ = step.columns;
  begin_rows(metadata_follows);
  return true;
}

bool ResponseTracker::on_columns_eof(Step& step) {
  if (!is_eof(step.payload)) {
    return false;
  }
  step.control = ControlKind::kColumnsEof;
  step.status = static_cast<std::uint16_t>(load_le<2>(step.payload.data() + 3));
  if (phase_ == Phase::kDefinitionsEof) {
    next_definitions();
    return true;
  }
  out_parameters_ = (step.status & status_flag::kPsOutParams) != 0;
  // Rows behind a cursor come only when the client fetches them.
  const bool cursor =
      command_ == Command::kStmtExecute && (step.status & status_flag::kCursorExists) != 0;
  phase_ = cursor ? Phase::kDone : Phase::kRows;
  return true;
}

bool ResponseTracker::on_prepare_ok(Step& step) {
  Reader reader(step.payload);
  const std::uint8_t header = reader.u8();
  reader.skip(4);
  const std::uint16_t columns = reader.u16();
  const std::uint16_t parameters = reader.u16();
  if (header != kOkByte || reader.failed()) {
    return false;
  }
  step.control = ControlKind::kPrepareOk;
  step.columns = columns;
  columns_after_parameters_ = columns;
  if (parameters > 0) {
    definitions_left_ = parameters;
    phase_ = Phase::kDefinitions;
  } else {
    next_definitions();
  }
  return true;
}

Error ResponseTracker::fail(TrackError code, const char* message) {
  phase_ = Phase::kDone;
  frame_missing_ = 0;
  continues_ = false;
  return make_error(code, message);
}

bool patch_eof_status(MutableBytes packet, std::uint16_t status) {
  const MutableBytes payload = payload_of(packet);
  if (!is_eof(payload)) {
    return false;
  }
  store_le<2>(payload.data() + 3, status);
  return true;
}

bool patch_ok_status(MutableBytes packet, std::uint16_t status) {
  const MutableBytes payload = payload_of(packet);
  if (payload.empty() || (payload[0] != kOkByte && payload[0] != kEofByte)) {
    return false;
  }
  const std::size_t offset = ok_status_offset(payload);
  if (offset == 0) {
    return false;
  }
  store_le<2>(payload.data() + offset, status);
  return true;
}

bool patch_prepare_ok_id(MutableBytes packet, std::uint32_t statement_id) {
  const MutableBytes payload = payload_of(packet);
  if (payload.size() < 5 || payload[0] != kOkByte) {
    return false;
  }
  store_le<4>(payload.data() + 1, statement_id);
  return true;
}

}  // namespace consort::protocol
