#include "proxy/commit/sql_connection.h"

#include <utility>

#include "base/check.h"
#include "protocol/decode.h"
#include "protocol/lenenc.h"
#include "protocol/packet_writer.h"

namespace consort::proxy {
namespace {

// A binlog event or a statement of the lane may be as long as a server allows: more than the
// longest event that a server sends (1 GiB) and what stands in front of it.
constexpr std::size_t kPacketBytesMax = (std::size_t{1} << 30) + 4096;
// What a reply may have; the longest is XA RECOVER.
constexpr std::size_t kRowsMax = 100'000;
constexpr std::size_t kKeptBufferBytes = std::size_t{1} << 20;
constexpr std::uint8_t kNullByte = 0xFB;

bool is_eof(Bytes payload) {
  return !payload.empty() && payload[0] == protocol::kEofByte && payload.size() < 9;
}

}  // namespace

const Transition<SqlConnection::State> SqlConnection::kMoves[] = {
    {State::kClosed, State::kConnecting}, {State::kConnecting, State::kLoggingIn},
    {State::kLoggingIn, State::kIdle},    {State::kIdle, State::kAwaiting},
    {State::kAwaiting, State::kIdle},     {State::kIdle, State::kStreaming},
    {State::kConnecting, State::kClosed}, {State::kLoggingIn, State::kClosed},
    {State::kIdle, State::kClosed},       {State::kAwaiting, State::kClosed},
    {State::kStreaming, State::kClosed},
};

SqlConnection::SqlConnection(EventLoop& loop, SqlConnectionObserver& observer)
    : loop_(loop),
      observer_(observer),
      machine_(State::kClosed, kMoves),
      reader_(protocol::PacketLimits{kPacketBytesMax}) {}

SqlConnection::~SqlConnection() {
  *alive_ = false;
}

void SqlConnection::connect(const SqlTarget& target) {
  CHECK(stream_ == nullptr);
  protocol::BackendLogin::Params params;
  params.user = target.user;
  params.credential = target.password;
  // Several results: without, the server takes no EXECUTE IMMEDIATE in a compound statement (1312).
  params.capabilities = (protocol::kBackendCapabilities & ~protocol::capability::kSessionTrack) |
                        protocol::capability::kMultiResults;
  params.attributes = {{"program_name", "consort"}};
  params.tls = target.transport.mode;
  params.compression = target.transport.compression;
  transport_ = target.transport;
  login_timeout_ = target.connect_timeout;
  login_.emplace(std::move(params));
  machine_.move(State::kConnecting);
  TcpStreamObserver& observer = *this;
  stream_ = std::make_unique<TcpStream>(loop_, observer);
  stream_->connect(target.address, target.connect_timeout);
}

void SqlConnection::query(std::string_view sql) {
  machine_.move(State::kAwaiting);
  part_ = Part::kFirst;
  reply_ = SqlReply{};
  packet_.clear();
  const std::uint8_t next =
      protocol::append_command(packet_, protocol::Command::kQuery, as_bytes(sql));
  reader_.expect_sequence(next);
  send();
  if (packet_.capacity() > kKeptBufferBytes) {
    Buffer().swap(packet_);
  }
}

void SqlConnection::stream(Bytes payload) {
  machine_.move(State::kStreaming);
  packet_.clear();
  reader_.expect_sequence(protocol::append_packet(packet_, payload, 0));
  send();
}

void SqlConnection::send() {
  if (!compression_) {
    stream_->write(packet_);
    return;
  }
  Buffer compressed;
  compression_->write_commands({packet_}, compressed);
  stream_->write(compressed);
}

void SqlConnection::on_stream_connected() {
  machine_.move(State::kLoggingIn);
  stream_->set_keepalive(std::chrono::seconds(10));
  stream_->expire_after(login_timeout_);
}

void SqlConnection::on_stream_read(MutableBytes bytes) {
  const std::shared_ptr<bool> alive = alive_;
  last_read_ = loop_.now();
  bytes_received_ += bytes.size();
  if (!compression_) {
    take(bytes);
    return;
  }
  compression_->feed(bytes);
  ReadBuffer plain;
  while (*alive && !machine_.is(State::kClosed)) {
    const Result<std::size_t> read = compression_->read(plain);
    if (!read.ok()) {
      fail(read.error().message);
      return;
    }
    if (*read == 0) {
      return;
    }
    const Bytes unread = std::as_const(plain).unread();
    take(unread);
    plain.consume(unread.size());
  }
}

/// Everything that is whole now. May destroy the connection.
void SqlConnection::take(Bytes plain) {
  const std::shared_ptr<bool> alive = alive_;
  reader_.feed(plain);
  while (*alive && !machine_.is(State::kClosed)) {
    Result<std::optional<protocol::Packet>> packet = reader_.next();
    if (!packet.ok()) {
      fail(packet.error().message);
      return;
    }
    if (!*packet) {
      return;
    }
    on_packet(**packet);
  }
}

void SqlConnection::on_packet(const protocol::Packet& packet) {
  switch (machine_.state()) {
    case State::kLoggingIn:
      on_login_packet(packet);
      return;
    case State::kAwaiting:
      on_reply_packet(packet.payload);
      return;
    case State::kStreaming:
      observer_.on_sql_packet(packet.payload);
      return;
    case State::kIdle: {
      // A server that ends a connection says so before it does: shutdown, KILL.
      const bool error = !packet.payload.empty() && packet.payload[0] == protocol::kErrByte;
      fail(error ? protocol::sql_error_of(packet.payload).message : "a packet nobody asked for");
      return;
    }
    case State::kClosed:
    case State::kConnecting:
      return;
  }
}

void SqlConnection::on_login_packet(const protocol::Packet& packet) {
  protocol::BackendLogin::Step step = login_->on_packet(packet.payload, packet.sequence);
  if (const auto* send = std::get_if<protocol::BackendLogin::Send>(&step)) {
    if (!send->bytes.empty()) {
      reader_.expect_sequence(static_cast<std::uint8_t>(packet.sequence + 2));
      stream_->write(send->bytes);
    }
    return;
  }
  if (const auto* secure = std::get_if<protocol::BackendLogin::StartTls>(&step)) {
    // What came behind the greeting in the clear is dropped with the reader.
    reader_ = protocol::PacketReader(protocol::PacketLimits{kPacketBytesMax});
    reader_.expect_sequence(static_cast<std::uint8_t>(secure->response[3] + 1));
    stream_->write(secure->request);
    stream_->start_tls(*transport_.contexts->load(), transport_.host, {});
    stream_->write(secure->response);
    return;
  }
  if (const auto* failed = std::get_if<protocol::BackendLogin::Failed>(&step)) {
    SqlCloseReason reason;
    reason.text = failed->error.message;
    reason.denied = true;
    machine_.move(State::kClosed);
    stream_.reset();
    observer_.on_sql_closed(reason);
    return;
  }
  const auto& done = std::get<protocol::BackendLogin::Done>(step);
  thread_id_ = done.server.thread_id;
  machine_.move(State::kIdle);
  stream_->expire_never();
  const protocol::ServerInfo server = done.server;
  login_.reset();
  if ((server.capabilities & protocol::capability::kCompress) != 0) {
    compression_.emplace(protocol::CompressionChoice{protocol::CompressionAlgorithm::kZlib, 0},
                         contexts_, protocol::CompressedPeer::kServer);
    reader_.ignore_sequence();
  }
  observer_.on_sql_ready(server);
}

void SqlConnection::on_reply_packet(Bytes payload) {
  if (payload.empty()) {
    fail("an empty packet");
    return;
  }
  if (payload[0] == protocol::kErrByte && part_ != Part::kColumns) {
    const protocol::SqlError error = protocol::sql_error_of(payload);
    reply_.error = error.code == 0 ? protocol::sql_code::kUnknownError : error.code;
    reply_.message = error.message;
    reply_.rows.clear();
    finish_reply();
    return;
  }
  protocol::Reader in(payload);
  switch (part_) {
    case Part::kFirst:
      if (payload[0] == protocol::kOkByte) {
        finish_reply();
        return;
      }
      columns_ = columns_left_ = in.lenenc();
      if (in.failed() || columns_ == 0) {
        fail("a malformed reply");
        return;
      }
      part_ = Part::kColumns;
      return;
    case Part::kColumns:
      if (--columns_left_ == 0) {
        part_ = Part::kColumnsEnd;
      }
      return;
    case Part::kColumnsEnd:
      part_ = Part::kRows;
      return;
    case Part::kRows:
      break;
  }
  if (is_eof(payload)) {
    finish_reply();
    return;
  }
  if (reply_.rows.size() >= kRowsMax) {
    fail("a reply with too many rows");
    return;
  }
  auto& row = reply_.rows.emplace_back();
  for (std::uint64_t i = 0; i < columns_; ++i) {
    if (in.peek() == kNullByte && !in.at_end()) {
      in.skip(1);
      row.emplace_back();
    } else {
      row.emplace_back(std::string(in.lenenc_text()));
    }
  }
  if (in.failed()) {
    fail("a malformed row");
  }
}

void SqlConnection::finish_reply() {
  machine_.move(State::kIdle);
  observer_.on_sql_reply(std::move(reply_));
}

void SqlConnection::fail(std::string text) {
  SqlCloseReason reason;
  reason.text = std::move(text);
  reason.logged_in = thread_id_ != 0;
  machine_.move(State::kClosed);
  stream_.reset();
  observer_.on_sql_closed(reason);
}

void SqlConnection::on_stream_closed(CloseReason why) {
  SqlCloseReason reason;
  reason.text = why.text();
  reason.refused = why.refused();
  reason.timeout = why.timed_out();
  reason.logged_in = thread_id_ != 0;
  machine_.move(State::kClosed);
  observer_.on_sql_closed(reason);
}

}  // namespace consort::proxy
