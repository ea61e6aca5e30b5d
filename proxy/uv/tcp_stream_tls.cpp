// TcpStream: the part that carries TLS.
#include "proxy/uv/tcp_stream_tls.h"

#include <utility>

#include "base/check.h"
#include "proxy/uv/tcp_stream.h"

namespace consort::proxy {
namespace {

/// Answers of TLS itself (to key updates, refused renegotiations) that may wait for a peer who does
/// not read them: thousands. Replies of ours are bounded by those who write them.
constexpr std::size_t kAnswersQueuedMax = std::size_t{64} << 10;

}  // namespace

void TcpStream::start_tls(const TlsContext& context, const std::string& host, Bytes early) {
  CHECK(tls_ == nullptr);
  if (closing_ || handle_->data == nullptr) {
    return;
  }
  tls_ = std::make_unique<Tls>(context, host);
  append(tls_->kept, early);
  tls_->channel.start();
  send_tls_output();
  read_tls_later();
}

const TlsChannel* TcpStream::tls() const {
  return tls_ ? &tls_->channel : nullptr;
}

/// Decrypts and hands on until all is used up, the observer pauses, or the stream ends.
void TcpStream::read_tls(Bytes ciphertext) {
  bool gone = false;
  tls_->gone = &gone;
  Buffer kept = std::exchange(tls_->kept, Buffer());
  if (!kept.empty()) {
    append(kept, ciphertext);
    ciphertext = kept;
  }
  TlsChannel& channel = tls_->channel;
  channel.feed(ciphertext);
  while (reading_) {
    const MutableBytes plain = channel.read(loop_.plain_buffer());
    tls_->answers_queued = queued_bytes_ == 0 ? 0 : tls_->answers_queued + channel.output().size();
    if (tls_->answers_queued > kAnswersQueuedMax) {
      fail_later(UV_ENOBUFS);
      break;
    }
    send_tls_output();
    if (channel.state() == TlsChannel::State::kOpen && !tls_->secured) {
      tls_->secured = true;
      observer_->on_stream_secured();
      if (gone) {
        return;
      }
    }
    if (plain.empty()) {
      if (reading_ && channel.state() == TlsChannel::State::kClosed) {
        tls_->gone = nullptr;  // the stream may outlive this call
        close_now(UV_EOF);
        return;
      }
      break;
    }
    observer_->on_stream_read(plain);
    if (gone) {
      return;
    }
  }
  append(tls_->kept, channel.take_unread());
  tls_->gone = nullptr;
}

/// Sends what the channel has for the peer; begins the end when the channel has failed.
void TcpStream::send_tls_output() {
  TlsChannel& channel = tls_->channel;
  Buffer& output = channel.output();
  if (!output.empty()) {
    write_plain({output});
    output.clear();
    if (output.capacity() > 2 * kReceiveBytes) {
      Buffer().swap(output);
    }
  }
  if (channel.state() == TlsChannel::State::kFailed) {
    fail_later(UV_EPROTO);
  }
}

void TcpStream::read_tls_later() {
  const bool ended = tls_->channel.state() == TlsChannel::State::kClosed;
  if (tls_->kept.empty() && !tls_->channel.has_plain() && !ended) {
    return;
  }
  if (!tls_->later) {
    tls_->later.reset(new uv_timer_t);
    CHECK(uv_timer_init(loop_.raw(), tls_->later.get()) == 0);
    tls_->later->data = this;
  }
  const auto on_due = [](uv_timer_t* timer) {
    auto* self = static_cast<TcpStream*>(timer->data);
    if (self != nullptr && self->reading_ && self->handle_->data != nullptr) {
      self->read_tls({});
    }
  };
  CHECK(uv_timer_start(tls_->later.get(), on_due, 0, 0) == 0);
}

}  // namespace consort::proxy
