#include "proxy/uv/tcp_stream.h"

#include <memory>
#include <sys/socket.h>
#include <utility>

#include "base/check.h"
#include "proxy/uv/tcp_stream_tls.h"

namespace consort::proxy {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPiecesMax = 8;
constexpr std::chrono::milliseconds kLastWordMax = 50ms;

}  // namespace

/// A write that had to wait: owns its bytes.
struct TcpStream::WriteRequest {
  uv_write_t request;
  Buffer bytes;
};

std::string CloseReason::text() const {
  if (!tls_error.empty()) {
    return "TLS: " + tls_error;
  }
  return uv_error == 0 ? "closed" : uv_strerror(uv_error);
}

bool CloseReason::refused() const {
  return uv_error == UV_ECONNREFUSED || uv_error == UV_EHOSTUNREACH || uv_error == UV_ENETUNREACH;
}

bool CloseReason::timed_out() const {
  return uv_error == UV_ETIMEDOUT;
}

TcpStream::TcpStream(EventLoop& loop, TcpStreamObserver& observer)
    : loop_(loop), observer_(&observer), handle_(new uv_tcp_t) {
  CHECK(uv_tcp_init(loop.raw(), handle_.get()) == 0);
  handle_->data = this;
}

TcpStream::~TcpStream() = default;

void TcpStream::connect(const SocketAddress& address, std::chrono::milliseconds timeout) {
  connected_out_ = true;
  auto request = std::make_unique<uv_connect_t>();
  const int failure = uv_tcp_connect(request.get(), handle_.get(), address.raw(), &on_connect);
  if (failure != 0) {
    fail_later(failure);
    return;
  }
  request.release();  // on_connect() owns it
  expire_after(timeout);
}

void TcpStream::expire_after(std::chrono::milliseconds delay) {
  if (closing_ || handle_->data == nullptr) {
    return;
  }
  deadline_.reset(new uv_timer_t);
  CHECK(uv_timer_init(loop_.raw(), deadline_.get()) == 0);
  deadline_->data = this;
  const auto on_deadline = [](uv_timer_t* timer) {
    if (auto* self = static_cast<TcpStream*>(timer->data); self != nullptr) {
      self->close_now(UV_ETIMEDOUT);
    }
  };
  CHECK(uv_timer_start(deadline_.get(), on_deadline, static_cast<std::uint64_t>(delay.count()),
                       0) == 0);
}

void TcpStream::expire_never() {
  if (!closing_) {
    deadline_.reset();
  }
}

void TcpStream::on_connect(uv_connect_t* request, int status) {
  const std::unique_ptr<uv_connect_t> owned(request);
  auto* self = static_cast<TcpStream*>(request->handle->data);
  if (self == nullptr) {
    return;
  }
  self->deadline_.reset();
  if (status != 0) {
    self->close_now(status);
    return;
  }
  uv_tcp_nodelay(self->handle_.get(), 1);
  self->resume_reading();
  self->observer_->on_stream_connected();
}

bool TcpStream::accept(uv_stream_t* listener) {
  if (uv_accept(listener, stream()) != 0) {
    return false;
  }
  uv_tcp_nodelay(handle_.get(), 1);
  return true;
}

void TcpStream::resume_reading() {
  if (reading_ || closing_) {
    return;
  }
  const auto on_alloc = [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
    auto* loop = static_cast<EventLoop*>(handle->loop->data);
    loop->stir();
    const MutableBytes shared = loop->receive_buffer();
    *buffer =
        uv_buf_init(reinterpret_cast<char*>(shared.data()), static_cast<unsigned>(shared.size()));
  };
  const int failure = uv_read_start(stream(), on_alloc, &on_read);
  if (failure != 0) {
    fail_later(failure);
    return;
  }
  reading_ = true;
  if (tls_) {
    read_tls_later();
  }
}

void TcpStream::pause_reading() {
  if (reading_) {
    uv_read_stop(stream());
    reading_ = false;
  }
}

void TcpStream::on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
  auto* self = static_cast<TcpStream*>(stream->data);
  if (self == nullptr || count == 0) {
    return;
  }
  if (count < 0) {
    self->close_now(static_cast<int>(count));
    return;
  }
  const MutableBytes bytes{reinterpret_cast<std::uint8_t*>(buffer->base),
                           static_cast<std::size_t>(count)};
  if (self->tls_) {
    self->read_tls(bytes);
    return;
  }
  self->observer_->on_stream_read(bytes);
}

void TcpStream::close_now(int uv_error) {
  pause_reading();
  handle_->data = nullptr;
  deadline_.reset();
  CloseReason reason{uv_error};
  if (tls_) {
    reason.tls_error = tls_->channel.error();
    reason.tls_handshake = !tls_->secured;
  }
  observer_->on_stream_closed(std::move(reason));
}

void TcpStream::write(std::initializer_list<Bytes> pieces) {
  if (closing_ || handle_->data == nullptr) {
    return;
  }
  if (tls_) {
    tls_->channel.write(pieces);
    send_tls_output();
    return;
  }
  write_plain(pieces);
}

void TcpStream::write_plain(std::initializer_list<Bytes> pieces) {
  CHECK(pieces.size() <= kPiecesMax);
  std::size_t sent = 0;
  if (queued_bytes_ == 0) {
    uv_buf_t buffers[kPiecesMax];
    unsigned count = 0;
    std::size_t bytes = 0;
    for (const Bytes& piece : pieces) {
      if (!piece.empty()) {
        bytes += piece.size();
        // libuv's type is not const but it only reads.
        buffers[count++] =
            uv_buf_init(reinterpret_cast<char*>(const_cast<std::uint8_t*>(piece.data())),
                        static_cast<unsigned>(piece.size()));
      }
    }
    if (count == 0) {
      return;
    }
    const int result = uv_try_write(stream(), buffers, count);
    if (result < 0 && result != UV_EAGAIN) {
      fail_writing(result);
      return;
    }
    sent = result > 0 ? static_cast<std::size_t>(result) : 0;
    if (sent == bytes) {
      return;
    }
  }
  queue_write(pieces, sent);
}

void TcpStream::queue_write(std::initializer_list<Bytes> pieces, std::size_t skip_bytes) {
  auto request = std::make_unique<WriteRequest>();
  for (Bytes piece : pieces) {
    const std::size_t skip = std::min(skip_bytes, piece.size());
    skip_bytes -= skip;
    append(request->bytes, piece.subspan(skip));
  }
  if (request->bytes.empty()) {
    return;
  }
  uv_buf_t buffer = uv_buf_init(reinterpret_cast<char*>(request->bytes.data()),
                                static_cast<unsigned>(request->bytes.size()));
  request->request.data = request.get();
  const int failure = uv_write(&request->request, stream(), &buffer, 1, &on_write);
  if (failure != 0) {
    fail_writing(failure);
    return;
  }
  queued_bytes_ += request->bytes.size();
  request.release();  // on_write() owns it
}

void TcpStream::on_write(uv_write_t* request, int status) {
  const std::unique_ptr<WriteRequest> owned(static_cast<WriteRequest*>(request->data));
  auto* self = static_cast<TcpStream*>(request->handle->data);
  if (self == nullptr) {
    return;
  }
  const std::size_t before = self->queued_bytes_;
  self->queued_bytes_ -= owned->bytes.size();
  if (status != 0) {
    self->fail_writing(status);
    return;
  }
  if (self->closing_) {
    if (self->queued_bytes_ == 0) {
      self->end_writing();
    }
    return;
  }
  if (before > self->low_water_bytes_ && self->queued_bytes_ <= self->low_water_bytes_) {
    self->observer_->on_stream_drained();
  }
}

void TcpStream::fail_later(int uv_error) {
  pause_reading();
  close_later(uv_error, 0ms);
}

/// A server that does not like what is written says why and closes: its last word has come,
/// perhaps, before the write failed. Behind it reading meets the end at once.
void TcpStream::fail_writing(int uv_error) {
  if (!connected_out_) {
    pause_reading();  // nobody does anything for a client that hears nothing
  }
  close_later(uv_error, reading_ ? kLastWordMax : 0ms);
}

void TcpStream::close_later(int uv_error, std::chrono::milliseconds delay) {
  if (pending_error_ != 0) {
    return;
  }
  pending_error_ = uv_error;
  closing_ = true;
  deadline_.reset(new uv_timer_t);
  CHECK(uv_timer_init(loop_.raw(), deadline_.get()) == 0);
  deadline_->data = this;
  const auto on_due = [](uv_timer_t* timer) {
    if (auto* self = static_cast<TcpStream*>(timer->data); self != nullptr) {
      self->close_now(self->pending_error_);
    }
  };
  CHECK(uv_timer_start(deadline_.get(), on_due, static_cast<std::uint64_t>(delay.count()), 0) == 0);
}

void TcpStream::close_after_write() {
  if (closing_) {
    return;
  }
  pause_reading();
  if (tls_) {
    tls_->channel.close();
    send_tls_output();
  }
  closing_ = true;
  if (queued_bytes_ == 0) {
    end_writing();
  }
}

void TcpStream::end_now() {
  uv_os_fd_t socket = -1;
  if (uv_fileno(reinterpret_cast<uv_handle_t*>(handle_.get()), &socket) == 0) {
    shutdown(socket, SHUT_WR);
  }
}

void TcpStream::end_writing() {
  end_now();
  fail_later(UV_EOF);
}

SocketAddress TcpStream::peer() const {
  sockaddr_storage storage{};
  int length = sizeof storage;
  uv_tcp_getpeername(handle_.get(), reinterpret_cast<sockaddr*>(&storage), &length);
  return SocketAddress::from_raw(storage);
}

void TcpStream::set_keepalive(std::chrono::seconds idle) {
  uv_tcp_keepalive(handle_.get(), 1, static_cast<unsigned>(idle.count()));
}

}  // namespace consort::proxy
