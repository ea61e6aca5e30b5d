// BackendConnection: one logged-in connection to a backend. Connects, logs in, runs its set-up
// statements and then hands every byte to its observer.
//
//   kConnecting -> kLoggingIn -> kSettingUp <-> kReady      each -> closed: the observer is told
//   once
//
// Threads: its loop's.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/read_buffer.h"
#include "protocol/backend_login.h"
#include "protocol/compressed_channel.h"
#include "protocol/query_attributes.h"
#include "protocol/response_tracker.h"
#include "proxy/session/server_dialect.h"
#include "proxy/uv/tcp_stream.h"
#include "proxy/uv/timer.h"
#include "proxy/uv/tls_context.h"

namespace consort::proxy {

class BackendConnection;

/// Why a backend connection ended, or never was.
struct BackendFailure {
  protocol::SqlError error;  ///< what to tell a client
  bool permanent = false;    ///< the same login will fail again
  bool refused = false;      ///< nobody listens there
  /// The way there is broken; else the server answered and said no, or too much at once.
  bool path = false;
};

/// Called by a BackendConnection. It may be destroyed inside any of these.
class BackendConnectionObserver {
 public:
  BackendConnectionObserver() = default;
  BackendConnectionObserver(const BackendConnectionObserver&) = delete;
  BackendConnectionObserver& operator=(const BackendConnectionObserver&) = delete;
  virtual ~BackendConnectionObserver() = default;
  /// Logged in and set up (again, after set_up()).
  virtual void on_backend_ready(BackendConnection& connection) = 0;
  /// Bytes in state ready; returns how many were used, the rest comes again with more behind it.
  virtual std::size_t on_backend_bytes(BackendConnection& connection, MutableBytes bytes) = 0;
  /// What was to be sent has fallen to the low-water mark.
  virtual void on_backend_drained(BackendConnection& connection) = 0;
  /// The last call.
  virtual void on_backend_closed(BackendConnection& connection, const BackendFailure& failure) = 0;
};

class BackendConnection final : private TcpStreamObserver {
 public:
  struct Params {
    SocketAddress address;
    protocol::BackendLogin::Params login;
    BackendTransport transport;
    /// For transport.compression; null only without it. Outlives the connection.
    protocol::CompressionContexts* compression = nullptr;
    ConnectionSetup setup;
    ConnectionSetup state;  ///< of the first session, behind it
    /// To connect; and from there until it is ready: greeting, TLS, login, settings.
    std::chrono::milliseconds connect_timeout{2000};
  };

  /// Begins at once. `observer` outlives the connection or is replaced.
  BackendConnection(EventLoop& loop,
                    BackendId backend,
                    Params params,
                    BackendConnectionObserver& observer);
  ~BackendConnection() override;

  void set_observer(BackendConnectionObserver& observer) { observer_ = &observer; }

  /// Commands (whole packets) to run now; on_backend_ready() comes when all have succeeded.
  /// REQUIRES: ready(), no reply outstanding.
  void set_up(const std::vector<Buffer>& commands);

  /// Commands, with `attributes` in each COM_QUERY where the server takes them. REQUIRES: each
  /// piece is whole packets.
  void send(std::initializer_list<Bytes> pieces, const protocol::QueryAttributes& attributes = {});

  /// Says goodbye. REQUIRES: nothing is under way; it is destroyed next.
  void quit();

  /// A part of what the server has asked for amid a command: packets of a file.
  void send_file(std::initializer_list<Bytes> pieces);

  void set_low_water(std::size_t bytes) { stream_.set_low_water(bytes); }

  void pause_reading();
  void resume_reading();

  [[nodiscard]] std::size_t queued_bytes() const { return stream_.queued_bytes(); }

  [[nodiscard]] bool ready() const { return state_ == State::kReady; }

  [[nodiscard]] BackendId backend() const { return backend_; }

  [[nodiscard]] bool secured() const { return stream_.tls() != nullptr; }

  [[nodiscard]] bool compressed() const { return compression_ != nullptr; }

  [[nodiscard]] const protocol::ServerInfo& server() const { return server_; }

  /// The isolation level after the last set-up, as the server spells it ("REPEATABLE-READ"); empty
  /// when it did not say.
  [[nodiscard]] const std::string& isolation() const { return isolation_; }

 private:
  enum class State : std::uint8_t { kConnecting, kLoggingIn, kSettingUp, kReady };

  void send_packets(std::initializer_list<Bytes> pieces);
  void on_stream_connected() override;
  void on_stream_read(MutableBytes bytes) override;
  void on_stream_drained() override;
  void on_stream_closed(CloseReason reason) override;
  void take(MutableBytes bytes);
  void decompress();
  std::size_t dispatch(MutableBytes bytes);
  bool log_in(Bytes payload, std::uint8_t sequence, Bytes behind);
  std::size_t follow_setup(MutableBytes bytes);
  void learn_isolation(Bytes ok_payload);
  void fail(BackendFailure failure);

  EventLoop& loop_;
  const BackendId backend_;
  BackendConnectionObserver* observer_;
  std::unique_ptr<protocol::BackendLogin> login_;
  const BackendTransport transport_;
  ConnectionSetup setup_;
  ConnectionSetup first_state_;
  const std::chrono::milliseconds login_timeout_;
  protocol::ServerInfo server_;
  std::string isolation_;
  TcpStream stream_;
  ReadBuffer inbox_;
  protocol::CompressionContexts* const contexts_;
  std::unique_ptr<protocol::CompressedChannel> compression_;  ///< null: none is spoken
  std::unique_ptr<Timer> go_on_;  ///< decompresses what was left when reading paused
  bool paused_ = false;
  protocol::ResponseTracker tracker_;
  std::vector<protocol::Command> setup_replies_;  ///< still owed, last first
  State state_ = State::kConnecting;
  bool* gone_ = nullptr;  ///< set when destroyed inside a callback
};

}  // namespace consort::proxy
