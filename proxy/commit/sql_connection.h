// SqlConnection: the commit thread's own connection to a backend: log in, run one statement at a
// time with small replies, or hand every packet on (a binlog dump).
//
//   kClosed --connect--> kConnecting --tcp--> kLoggingIn --OK--> kIdle <--last packet-- kAwaiting
//                                                                  | query ----------------^
//                                                                  | stream --> kStreaming
//   from everywhere: closed by the peer, a protocol error or close() --> kClosed
//
// Threads: its loop's.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/state_machine.h"
#include "protocol/backend_login.h"
#include "protocol/compressed_channel.h"
#include "protocol/packet_reader.h"
#include "proxy/uv/event_loop.h"
#include "proxy/uv/socket_address.h"
#include "proxy/uv/tcp_stream.h"
#include "proxy/uv/tls_context.h"

namespace consort::proxy {

/// What a statement came to. `error` 0: it succeeded.
struct SqlReply {
  std::uint16_t error = 0;
  std::string message;
  std::vector<std::vector<std::optional<std::string>>> rows;

  [[nodiscard]] bool ok() const { return error == 0; }
};

/// Why a connection is gone.
struct SqlCloseReason {
  std::string text;
  bool refused = false;    ///< nobody listens there
  bool timeout = false;    ///< no connection in time
  bool denied = false;     ///< the login failed
  bool logged_in = false;  ///< it broke after the login
};

/// Called by a SqlConnection. Each may destroy the connection.
class SqlConnectionObserver {
 public:
  SqlConnectionObserver() = default;
  SqlConnectionObserver(const SqlConnectionObserver&) = delete;
  SqlConnectionObserver& operator=(const SqlConnectionObserver&) = delete;
  virtual ~SqlConnectionObserver() = default;

  virtual void on_sql_ready(const protocol::ServerInfo& server) = 0;
  virtual void on_sql_reply(SqlReply reply) = 0;

  /// A packet's payload after stream(). Dies when the call returns (I1).
  virtual void on_sql_packet(Bytes /*payload*/) {}

  virtual void on_sql_closed(const SqlCloseReason& reason) = 0;
};

struct SqlTarget {
  SocketAddress address;
  std::string user;
  std::string password;
  BackendTransport transport;
  std::chrono::milliseconds connect_timeout{3000};
};

class SqlConnection final : private TcpStreamObserver {
 public:
  /// `observer` outlives the connection.
  SqlConnection(EventLoop& loop, SqlConnectionObserver& observer);
  ~SqlConnection() override;

  /// Ends in on_sql_ready() or on_sql_closed(), never inside this call. REQUIRES: called once.
  void connect(const SqlTarget& target);

  /// Sends one statement. REQUIRES: idle().
  void query(std::string_view sql);

  /// Sends a command whose reply never ends: every packet goes to on_sql_packet(). `payload` begins
  /// with the command byte. REQUIRES: idle().
  void stream(Bytes payload);

  [[nodiscard]] bool idle() const { return machine_.is(State::kIdle); }

  /// The server's id of this connection; 0 before the login.
  [[nodiscard]] std::uint64_t thread_id() const { return thread_id_; }

  /// When bytes last arrived; the epoch before the first.
  [[nodiscard]] TimePoint last_read() const { return last_read_; }

  /// Bytes received so far.
  [[nodiscard]] std::uint64_t bytes_received() const { return bytes_received_; }

 private:
  enum class State : std::uint8_t {
    kClosed,
    kConnecting,
    kLoggingIn,
    kIdle,
    kAwaiting,
    kStreaming
  };
  /// Where in a reply the next packet belongs.
  enum class Part : std::uint8_t { kFirst, kColumns, kColumnsEnd, kRows };

  static const Transition<State> kMoves[];

  void on_stream_connected() override;
  void on_stream_read(MutableBytes bytes) override;
  void on_stream_closed(CloseReason reason) override;

  void send();
  void take(Bytes plain);
  void on_packet(const protocol::Packet& packet);
  void on_login_packet(const protocol::Packet& packet);
  void on_reply_packet(Bytes payload);
  void finish_reply();
  void fail(std::string text);

  EventLoop& loop_;
  SqlConnectionObserver& observer_;
  StateMachine<State> machine_;
  std::unique_ptr<TcpStream> stream_;
  std::optional<protocol::BackendLogin> login_;
  BackendTransport transport_;
  std::chrono::milliseconds login_timeout_{};
  protocol::CompressionContexts contexts_;
  std::optional<protocol::CompressedChannel> compression_;
  protocol::PacketReader reader_;
  std::uint64_t thread_id_ = 0;
  TimePoint last_read_{};
  std::uint64_t bytes_received_ = 0;
  Part part_ = Part::kFirst;
  std::uint64_t columns_ = 0;
  std::uint64_t columns_left_ = 0;
  SqlReply reply_;
  Buffer packet_;  // being sent; its memory is reused
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace consort::proxy
