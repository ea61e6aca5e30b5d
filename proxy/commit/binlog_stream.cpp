#include "proxy/commit/binlog_stream.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "certifier/program_sql.h"
#include "protocol/constants.h"
#include "protocol/decode.h"

namespace consort::proxy {
namespace {

constexpr std::chrono::milliseconds kSilenceLook{1000};
// The server says that it cannot send from the position asked for.
constexpr std::uint16_t kMasterFatalError = 1236;
// And why: the next event is longer than anything it sends. The number tells several reasons.
constexpr std::string_view kEventTooLong = "exceeded max_allowed_packet";

std::optional<protocol::BinlogPosition> binlog_position_of(const SqlReply& reply) {
  if (reply.rows.empty() || reply.rows[0].size() < 2 || !reply.rows[0][0] || !reply.rows[0][1]) {
    return std::nullopt;
  }
  protocol::BinlogPosition position;
  position.file = *reply.rows[0][0];
  const std::string& offset = *reply.rows[0][1];
  const auto parsed =
      std::from_chars(offset.data(), offset.data() + offset.size(), position.offset);
  return parsed.ec == std::errc() ? std::optional(position) : std::nullopt;
}

/// "file:position", as a mark has it.
std::optional<protocol::BinlogPosition> marked_position_of(const SqlReply& reply) {
  if (reply.rows.size() != 1 || reply.rows[0].size() != 1 || !reply.rows[0][0]) {
    return std::nullopt;
  }
  const std::string& mark = *reply.rows[0][0];
  const std::size_t colon = mark.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    return std::nullopt;
  }
  protocol::BinlogPosition position;
  position.file = mark.substr(0, colon);
  const char* const end = mark.data() + mark.size();
  const auto parsed = std::from_chars(mark.data() + colon + 1, end, position.offset);
  return parsed.ec == std::errc() && parsed.ptr == end ? std::optional(position) : std::nullopt;
}

}  // namespace

BinlogStream::BinlogStream(EventLoop& loop,
                           BinlogStreamOptions options,
                           BinlogStreamObserver& observer,
                           LaneStats& stats)
    : loop_(loop),
      options_(std::move(options)),
      observer_(observer),
      stats_(stats),
      timer_(loop, [this] { on_timer(); }),
      retry_(options_.retry_min) {}

void BinlogStream::start() {
  if (!wanted_) {
    wanted_ = true;
    retry_ = options_.retry_min;
    connect();
  }
}

void BinlogStream::stop() {
  wanted_ = false;
  streaming_ = false;
  timer_.stop();
  connection_.reset();
}

void BinlogStream::connect() {
  reader_ = std::make_unique<protocol::BinlogGroupReader>(
      protocol::BinlogGroupReader::Limits{options_.group_bytes_max});
  settings_ =
      protocol::binlog_dump_settings(static_cast<std::uint32_t>(options_.heartbeat.count()));
  next_setting_ = 0;
  went_on_ = false;
  bytes_counted_ = 0;
  asked_mark_ = from_mark_ = false;
  SqlConnectionObserver& observer = *this;
  connection_ = std::make_unique<SqlConnection>(loop_, observer);
  connection_->connect(options_.target);
}

void BinlogStream::on_sql_ready(const protocol::ServerInfo& server) {
  kind_ = server_kind_of(server.version);
  next_setting();
}

// The last statement asks where the binlog ends, when there is no place to go on from.
void BinlogStream::next_setting() {
  if (next_setting_ < settings_.size()) {
    connection_->query(settings_[next_setting_]);
    return;
  }
  resumes_ = position_.has_value();
  if (!resumes_) {
    const std::optional<Seqno> program = observer_.program();
    asked_mark_ = program.has_value();
    if (program) {
      connection_->query(certifier::read_marked_binlog_sql(*program));
    } else {
      ask_where_it_ends();
    }
    return;
  }
  begin_dump();
}

void BinlogStream::on_sql_reply(SqlReply reply) {
  SqlCloseReason reason;
  reason.logged_in = true;
  if (!reply.ok()) {
    reason.text = reply.message;
    lose(reason);
    return;
  }
  if (next_setting_ < settings_.size()) {
    ++next_setting_;
    next_setting();
    return;
  }
  if (std::exchange(asked_mark_, false)) {
    position_ = marked_position_of(reply);
    from_mark_ = true;
    if (position_) {
      begin_dump();
    } else {
      ask_where_it_ends();  // it was not begun there
    }
    return;
  }
  position_ = binlog_position_of(reply);
  if (!position_) {
    reason.text = "the backend writes no binlog";
    lose(reason);
    return;
  }
  begin_dump();
}

void BinlogStream::ask_where_it_ends() {
  connection_->query(kind_ == ServerKind::kMysql ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS");
}

void BinlogStream::begin_dump() {
  protocol::BinlogDumpRequest request;
  request.from = *position_;
  request.server_id = options_.server_id;
  connection_->stream(protocol::encode_binlog_dump(request));
  timer_.start_periodic(kSilenceLook);
}

void BinlogStream::on_sql_packet(Bytes payload) {
  stats_.stream_bytes.add(connection_->bytes_received() - bytes_counted_);
  bytes_counted_ = connection_->bytes_received();
  SqlCloseReason reason;
  reason.logged_in = true;
  if (payload.empty() || payload[0] != protocol::kOkByte) {
    reason.text = "the backend ended the binlog dump";
    if (!payload.empty() && payload[0] == protocol::kErrByte) {
      const protocol::SqlError error = protocol::sql_error_of(payload);
      reason.text = error.message;
      if (error.code == kMasterFatalError) {
        forget_position();  // that place is gone: begin at the end
        give_up_group(error.message);
      }
    }
    lose(reason);
    return;
  }
  Result<std::optional<protocol::BinlogOutput>> output = reader_->feed(payload.subspan(1));
  if (!output.ok()) {
    reason.text = "binlog: " + output.error().message;
    if (resumes_ && !went_on_) {
      forget_position();  // not a place between two events of this binlog
    }
    lose(reason);
    return;
  }
  if (!streaming_ && !reader_->format_description().empty()) {
    if (resumes_ && file_identity_ != 0 && file_identity_ != reader_->file_identity()) {
      reason.text = "another server's binlog stands where " + position_->file + " was";
      forget_position();
      lose(reason);
      return;
    }
    streaming_ = true;
    retry_ = options_.retry_min;
    const Bytes format = reader_->format_description();
    format_description_.assign(format.begin(), format.end());
    observer_.on_stream_started(resumes_, from_mark_);
  }
  if (*output) {
    on_output(std::move(**output));
  }
}

void BinlogStream::on_output(protocol::BinlogOutput output) {
  if (const protocol::BinlogPosition& now = reader_->position(); !now.file.empty()) {
    if (!position_ || position_->file != now.file) {
      file_identity_ = 0;
    }
    position_ = now;
  }
  if (std::holds_alternative<protocol::BinlogFormatChanged>(output)) {
    file_identity_ = reader_->file_identity();
  }
  if (auto* group = std::get_if<protocol::BinlogGroup>(&output)) {
    went_on_ = true;
    observer_.on_group(std::move(*group));
  }
}

// Whose event it is that nobody can read is told before the stream is lost.
void BinlogStream::give_up_group(std::string_view why) {
  if (why.find(kEventTooLong) == std::string_view::npos) {
    return;
  }
  if (std::optional<protocol::BinlogGroup> group = reader_->give_up_group()) {
    observer_.on_group(std::move(*group));
  }
}

void BinlogStream::forget_position() {
  position_.reset();
  file_identity_ = 0;
}

void BinlogStream::on_sql_closed(const SqlCloseReason& reason) {
  lose(reason);
}

void BinlogStream::lose(const SqlCloseReason& reason) {
  streaming_ = false;
  connection_.reset();
  if (wanted_) {
    timer_.start_once(retry_);
    retry_ = std::min(retry_ * 2, options_.retry_max);
  }
  observer_.on_stream_lost(reason);
}

void BinlogStream::on_timer() {
  if (!wanted_) {
    return;
  }
  if (connection_ == nullptr) {
    connect();
    return;
  }
  if (loop_.now() - connection_->last_read() > options_.silence_max) {
    SqlCloseReason reason;
    reason.text = "no word from the binlog dump";
    reason.timeout = true;
    reason.logged_in = true;
    lose(reason);
  }
}

}  // namespace consort::proxy
