#include "proxy/session/backend_connection.h"

#include "protocol/decode.h"
#include "protocol/packet_reader.h"
#include "protocol/packet_writer.h"

namespace consort::proxy {
namespace {

constexpr std::uint16_t kServerGone = 2013;

BackendFailure lost(std::string message, bool refused) {
  return {protocol::SqlError{kServerGone, "HY000", std::move(message)}, false, refused, true};
}

/// Of a set-up statement: the server is about to go or was told to stop this one, nothing more.
bool passes(std::uint16_t code) {
  return code == protocol::sql_code::kServerShutdown ||
         code == protocol::sql_code::kQueryInterrupted ||
         code == protocol::sql_code::kConnectionKilled ||
         code == protocol::sql_code::kLockWaitTimeout;
}

}  // namespace

BackendConnection::BackendConnection(EventLoop& loop,
                                     BackendId backend,
                                     Params params,
                                     BackendConnectionObserver& observer)
    : loop_(loop),
      backend_(backend),
      observer_(&observer),
      login_(std::make_unique<protocol::BackendLogin>(std::move(params.login))),
      transport_(std::move(params.transport)),
      setup_(std::move(params.setup)),
      first_state_(std::move(params.state)),
      login_timeout_(params.connect_timeout),
      stream_(loop, *this),
      contexts_(params.compression) {
  stream_.connect(params.address, params.connect_timeout);
}

BackendConnection::~BackendConnection() {
  if (gone_ != nullptr) {
    *gone_ = true;
  }
}

void BackendConnection::on_stream_connected() {
  state_ = State::kLoggingIn;
  // A server that hangs still has a kernel that accepts.
  stream_.expire_after(login_timeout_);
}

void BackendConnection::send(std::initializer_list<Bytes> pieces,
                             const protocol::QueryAttributes& attributes) {
  if (!protocol::sends_attributes(server_.capabilities)) {
    send_packets(pieces);
    return;
  }
  Buffer attributed;
  protocol::append_attributed_commands(attributed, pieces, attributes);
  send_packets({attributed});
}

void BackendConnection::send_packets(std::initializer_list<Bytes> pieces) {
  if (!compression_) {
    stream_.write(pieces);
    return;
  }
  Buffer compressed;
  compression_->write_commands(pieces, compressed);
  stream_.write(compressed);
}

void BackendConnection::quit() {
  if (ready()) {
    Buffer packet;
    protocol::append_command(packet, protocol::Command::kQuit, {});
    send({packet});
  }
}

void BackendConnection::send_file(std::initializer_list<Bytes> pieces) {
  if (!compression_) {
    stream_.write(pieces);
    return;
  }
  Buffer compressed;
  compression_->write(pieces, compressed);
  stream_.write(compressed);
}

void BackendConnection::pause_reading() {
  paused_ = true;
  stream_.pause_reading();
}

void BackendConnection::resume_reading() {
  paused_ = false;
  stream_.resume_reading();
  if (compression_ && compression_->has_more()) {
    go_on_->start_once(std::chrono::milliseconds(0));  // the caller may be amid something
  }
}

void BackendConnection::on_stream_read(MutableBytes bytes) {
  if (compression_) {
    compression_->feed(bytes);
    decompress();
  } else {
    take(bytes);
  }
}

/// Little by little, so that a reader who does not keep up bounds what a few bytes become.
void BackendConnection::decompress() {
  bool gone = false;
  gone_ = &gone;
  while (!paused_) {
    const Result<std::size_t> read = compression_->read(inbox_);
    if (!read.ok()) {
      fail(lost("the backend sends " + read.error().message, false));
      return;
    }
    if (*read == 0) {
      break;
    }
    const std::size_t used = dispatch(inbox_.unread());
    if (gone) {
      return;
    }
    inbox_.consume(used);
  }
  gone_ = nullptr;
}

void BackendConnection::take(MutableBytes bytes) {
  bool gone = false;
  gone_ = &gone;
  const bool direct = inbox_.empty();
  if (!direct) {
    inbox_.feed(bytes);
  }
  const MutableBytes unread = direct ? bytes : inbox_.unread();
  const std::size_t used = dispatch(unread);
  if (gone) {
    return;
  }
  gone_ = nullptr;
  if (direct) {
    if (used < bytes.size()) {
      inbox_.feed(bytes.subspan(used));
    }
  } else {
    inbox_.consume(used);
  }
}

void BackendConnection::on_stream_drained() {
  if (state_ == State::kReady) {
    observer_->on_backend_drained(*this);
  }
}

std::size_t BackendConnection::dispatch(MutableBytes bytes) {
  bool* const gone = gone_;
  std::size_t used = 0;
  while (used < bytes.size() && !*gone) {
    const MutableBytes rest = bytes.subspan(used);
    std::size_t step = 0;
    if (state_ == State::kReady) {
      step = observer_->on_backend_bytes(*this, rest);
    } else if (state_ == State::kSettingUp) {
      step = follow_setup(rest);
    } else if (const auto frame = protocol::peek_packet(rest); frame) {
      step = frame->bytes;
      const bool plain = !secured();
      if (!log_in(frame->payload, frame->sequence, rest.subspan(step))) {
        return used;
      }
      if ((plain && secured()) || compression_) {
        return bytes.size();  // nothing comes unasked behind these
      }
    }
    if (step == 0 || *gone) {
      break;
    }
    used += step;
  }
  return used;
}

/// `behind`: what was read after the packet. False when the connection may be gone.
bool BackendConnection::log_in(Bytes payload, std::uint8_t sequence, Bytes behind) {
  auto step = login_->on_packet(payload, sequence);
  if (const auto* send = std::get_if<protocol::BackendLogin::Send>(&step)) {
    if (!send->bytes.empty()) {
      stream_.write(send->bytes);
    }
    return true;
  }
  if (const auto* secure = std::get_if<protocol::BackendLogin::StartTls>(&step)) {
    stream_.write(secure->request);
    stream_.start_tls(*transport_.contexts->load(), transport_.host, behind);
    stream_.write(secure->response);
    return true;
  }
  if (const auto* failed = std::get_if<protocol::BackendLogin::Failed>(&step)) {
    fail({failed->error, failed->permanent, false, false});
    return false;
  }
  server_ = std::get<protocol::BackendLogin::Done>(step).server;
  login_.reset();
  if ((server_.capabilities & protocol::capability::kCompress) != 0) {
    CHECK(contexts_ != nullptr);
    compression_ = std::make_unique<protocol::CompressedChannel>(
        protocol::CompressionChoice{protocol::CompressionAlgorithm::kZlib, 0}, *contexts_,
        protocol::CompressedPeer::kServer);
    go_on_ = std::make_unique<Timer>(loop_, [this] { decompress(); });
  }
  std::vector<Buffer> commands;
  const auto add = [&commands](std::string_view statement) {
    protocol::append_command(commands.emplace_back(), protocol::Command::kQuery,
                             as_bytes(statement));
  };
  for (const std::string& statement : setup_.of(server_kind_of(server_.version))) {
    add(statement);
  }
  for (const std::string& statement : first_state_.of(server_kind_of(server_.version))) {
    if (!statement.empty()) {
      add(statement);
    }
  }
  state_ = State::kReady;
  bool* const gone = gone_;
  if (commands.empty()) {
    stream_.expire_never();
    observer_->on_backend_ready(*this);
  } else {
    set_up(commands);
  }
  return !*gone;
}

void BackendConnection::set_up(const std::vector<Buffer>& commands) {
  CHECK(state_ == State::kReady);
  state_ = State::kSettingUp;
  setup_replies_.clear();
  for (const Buffer& command : commands) {
    setup_replies_.insert(setup_replies_.begin(),
                          static_cast<protocol::Command>(command[protocol::kHeaderBytes]));
    send({command});
  }
  tracker_.begin(setup_replies_.back(), server_.capabilities);
}

std::size_t BackendConnection::follow_setup(MutableBytes bytes) {
  const auto step = tracker_.step(bytes);
  if (!step.ok()) {
    fail(lost("malformed reply to a set-up statement", false));
    return 0;
  }
  if (step->kind == protocol::ResponseTracker::StepKind::kNeedMore) {
    return 0;
  }
  if (step->kind == protocol::ResponseTracker::StepKind::kControl &&
      step->control == protocol::ControlKind::kErr) {
    const protocol::SqlError error = protocol::sql_error_of(step->payload);
    fail({error, !passes(error.code), false, false});
    return 0;
  }
  if (step->control == protocol::ControlKind::kOk &&
      step->kind == protocol::ResponseTracker::StepKind::kControl) {
    learn_isolation(step->payload);
  }
  const std::size_t used = step->bytes;
  if (step->last) {
    setup_replies_.pop_back();
    if (setup_replies_.empty()) {
      state_ = State::kReady;
      stream_.expire_never();
      observer_->on_backend_ready(*this);
    } else {
      tracker_.begin(setup_replies_.back(), server_.capabilities);
    }
  }
  return used;
}

void BackendConnection::learn_isolation(Bytes ok_payload) {
  const Result<protocol::OkPacket> ok = protocol::decode_ok(ok_payload, server_.capabilities);
  for (const std::string_view name : {"tx_isolation", "transaction_isolation"}) {
    if (const auto value = ok.ok() ? ok->changes.find_variable(name) : std::nullopt) {
      isolation_.assign(*value);
    }
  }
}

void BackendConnection::fail(BackendFailure failure) {
  observer_->on_backend_closed(*this, failure);
}

void BackendConnection::on_stream_closed(CloseReason reason) {
  observer_->on_backend_closed(
      *this, lost("Lost connection to backend: " + reason.text(), reason.refused()));
}

}  // namespace consort::proxy
