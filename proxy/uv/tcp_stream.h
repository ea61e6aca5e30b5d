// TcpStream: a non-blocking TCP connection on an EventLoop, with back-pressure both ways.
// Reads arrive in the loop's shared buffer; writes go straight to the socket and only what it does
// not take is copied and queued. From start_tls() on the same stream carries TLS, unseen by its
// observer; a stream without it pays one pointer.
// Threads: its loop's.
#pragma once

#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "proxy/uv/event_loop.h"
#include "proxy/uv/handle.h"
#include "proxy/uv/socket_address.h"

namespace consort::proxy {

class TlsChannel;
class TlsContext;

/// Why a stream ended.
struct CloseReason {
  int uv_error = 0;            ///< UV_EOF, UV_ECONNREFUSED, UV_ECONNRESET, UV_ETIMEDOUT, ...
  std::string tls_error{};     ///< what TLS complained of; empty: it did not
  bool tls_handshake = false;  ///< TLS had begun and was not open yet
  /// The system's words for it.
  [[nodiscard]] std::string text() const;
  /// Nobody listens there, or the host says no: the peer's process is gone.
  [[nodiscard]] bool refused() const;
  /// connect() took too long, or the network gave up.
  [[nodiscard]] bool timed_out() const;
};

/// Called by a TcpStream. After any of these the stream may be gone: the caller touches nothing.
class TcpStreamObserver {
 public:
  TcpStreamObserver() = default;
  TcpStreamObserver(const TcpStreamObserver&) = delete;
  TcpStreamObserver& operator=(const TcpStreamObserver&) = delete;
  virtual ~TcpStreamObserver() = default;

  /// connect() succeeded.
  virtual void on_stream_connected() {}

  /// `bytes` may be changed in place; they die when the call returns (I1).
  virtual void on_stream_read(MutableBytes bytes) = 0;

  /// What start_tls() began is open; plain bytes may follow.
  virtual void on_stream_secured() {}

  /// Queued bytes have fallen to the low-water mark or below, after having been above it.
  virtual void on_stream_drained() {}

  /// The peer closed, the connection broke, or connect() failed. Nothing more will be called.
  virtual void on_stream_closed(CloseReason reason) = 0;
};

class TcpStream {
 public:
  /// `observer` outlives the stream or is replaced by set_observer().
  TcpStream(EventLoop& loop, TcpStreamObserver& observer);
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;
  /// Closes. Queued bytes that the socket does not take at once are lost.
  ~TcpStream();

  void set_observer(TcpStreamObserver& observer) { observer_ = &observer; }

  /// Begins connecting; ends in on_stream_connected() or on_stream_closed(), never inside this
  /// call.
  void connect(const SocketAddress& address, std::chrono::milliseconds timeout);
  /// Closes with UV_ETIMEDOUT after `delay`, unless called off before: for what follows connect().
  void expire_after(std::chrono::milliseconds delay);
  void expire_never();
  /// Takes a waiting connection of `listener`. False when there is none.
  [[nodiscard]] bool accept(uv_stream_t* listener);

  /// Reading is off until asked for.
  void resume_reading();
  void pause_reading();

  [[nodiscard]] bool reading() const { return reading_; }

  /// Sends the pieces in order, in one system call where the socket takes them. Bytes are copied
  /// only when they must wait. Errors arrive later as on_stream_closed().
  void write(std::initializer_list<Bytes> pieces);

  void write(Bytes bytes) { write({bytes}); }

  /// From here on both directions are TLS; `context` says which side we are. `early`: what the
  /// peer sent of it already. What is written before the handshake is over follows it. Ends in
  /// on_stream_secured() or on_stream_closed(), never inside this call. `host`: the peer's name.
  /// REQUIRES: connected or accepted; called once.
  void start_tls(const TlsContext& context, const std::string& host, Bytes early);

  /// Null before start_tls().
  [[nodiscard]] const TlsChannel* tls() const;

  /// Bytes accepted by write() that the socket has not taken yet.
  [[nodiscard]] std::size_t queued_bytes() const { return queued_bytes_; }

  /// on_stream_drained() is called when the queue falls to this many bytes.
  void set_low_water(std::size_t bytes) { low_water_bytes_ = bytes; }

  /// Stops reading and closes once all queued bytes are sent or the connection breaks; the observer
  /// then gets on_stream_closed with UV_EOF.
  void close_after_write();

  /// The peer finds the end of what we send at once, whatever it has sent itself or sends later: a
  /// socket that is closed with unread bytes would reset the connection. As a server's KILL.
  void end_now();

  [[nodiscard]] SocketAddress peer() const;
  /// TCP_NODELAY and keep-alive are always on; this sets keep-alive's idle time.
  void set_keepalive(std::chrono::seconds idle);

 private:
  struct ConnectRequest;
  struct WriteRequest;
  struct Tls;

  static void on_connect(uv_connect_t* request, int status);
  static void on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer);
  static void on_write(uv_write_t* request, int status);
  void close_now(int uv_error);
  void end_writing();
  void write_plain(std::initializer_list<Bytes> pieces);
  void read_tls(Bytes ciphertext);
  void send_tls_output();
  void read_tls_later();
  void queue_write(std::initializer_list<Bytes> pieces, std::size_t skip_bytes);
  void fail_later(int uv_error);
  void fail_writing(int uv_error);
  void close_later(int uv_error, std::chrono::milliseconds delay);

  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(handle_.get()); }

  EventLoop& loop_;
  TcpStreamObserver* observer_;
  UvHandle<uv_tcp_t> handle_;
  UvHandle<uv_timer_t> deadline_;  // of connect(), and of errors told later
  std::unique_ptr<Tls> tls_;
  std::size_t queued_bytes_ = 0;
  std::size_t low_water_bytes_ = std::size_t{64} << 10;
  int pending_error_ = 0;
  bool reading_ = false;
  bool closing_ = false;
  bool connected_out_ = false;  // by connect(): the peer is a server
};

}  // namespace consort::proxy
