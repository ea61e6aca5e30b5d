// BinlogStream: follows one backend's binlog and gives its event groups. Connects again and again
// while it is wanted; goes on behind the last whole group where that is still possible.
// Threads: its loop's.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/server_kind.h"
#include "protocol/binlog_events.h"
#include "proxy/commit/commit_stats.h"
#include "proxy/commit/sql_connection.h"
#include "proxy/uv/event_loop.h"
#include "proxy/uv/timer.h"

namespace consort::proxy {

class BinlogStreamObserver {
 public:
  BinlogStreamObserver() = default;
  BinlogStreamObserver(const BinlogStreamObserver&) = delete;
  BinlogStreamObserver& operator=(const BinlogStreamObserver&) = delete;
  virtual ~BinlogStreamObserver() = default;

  /// Groups follow, and format_description() is there. `resumed`: none was left out since the
  /// stream was lost; else those before now will never come. `from_mark`: but those behind the mark
  /// of program() will, if there is one.
  virtual void on_stream_started(bool resumed, bool from_mark) = 0;

  virtual void on_group(protocol::BinlogGroup group) = 0;

  /// The entry that a program runs for there (decision 0032): a stream that cannot go on where it
  /// was left begins where the binlog ended when that was marked as begun, if it was.
  [[nodiscard]] virtual std::optional<Seqno> program() const { return std::nullopt; }

  /// Whatever it was in the middle of. It tries again by itself.
  virtual void on_stream_lost(const SqlCloseReason& reason) = 0;
};

struct BinlogStreamOptions {
  SqlTarget target;
  std::uint32_t server_id = 0;                           ///< unique among the backend's readers
  std::size_t group_bytes_max = std::size_t{256} << 20;  ///< a group of more is given as unfit
  std::chrono::milliseconds heartbeat{1000};
  std::chrono::milliseconds silence_max{8000};  ///< no byte for so long: the connection is dead
  std::chrono::milliseconds retry_min{100};
  std::chrono::milliseconds retry_max{1000};
};

class BinlogStream final : private SqlConnectionObserver {
 public:
  /// `observer` and `stats` outlive the stream.
  BinlogStream(EventLoop& loop,
               BinlogStreamOptions options,
               BinlogStreamObserver& observer,
               LaneStats& stats);

  /// Follow the backend, now and whenever the connection breaks. Nothing when it already does.
  void start();
  /// Let the connection go. on_stream_lost() is not called.
  void stop();

  [[nodiscard]] bool streaming() const { return streaming_; }

  /// The event that `BINLOG ''` needs first; empty before the first on_stream_started().
  [[nodiscard]] Bytes format_description() const { return format_description_; }

 private:
  void on_sql_ready(const protocol::ServerInfo& server) override;
  void on_sql_reply(SqlReply reply) override;
  void on_sql_packet(Bytes payload) override;
  void on_sql_closed(const SqlCloseReason& reason) override;

  void connect();
  void next_setting();
  void ask_where_it_ends();
  void begin_dump();
  void forget_position();
  void give_up_group(std::string_view why);
  void on_output(protocol::BinlogOutput output);
  void lose(const SqlCloseReason& reason);
  void on_timer();

  EventLoop& loop_;
  const BinlogStreamOptions options_;
  BinlogStreamObserver& observer_;
  LaneStats& stats_;
  Timer timer_;  // the next attempt, or the look for silence
  std::unique_ptr<SqlConnection> connection_;
  std::unique_ptr<protocol::BinlogGroupReader> reader_;
  std::optional<protocol::BinlogPosition> position_;  // where to go on
  std::uint64_t file_identity_ = 0;                   // of position_'s file, 0: not known yet
  std::vector<std::string> settings_;
  std::size_t next_setting_ = 0;
  ServerKind kind_ = ServerKind::kMariadb;
  std::chrono::milliseconds retry_{0};
  std::uint64_t bytes_counted_ = 0;
  Buffer format_description_;
  bool wanted_ = false;
  bool resumes_ = false;
  bool went_on_ = false;  // a group has come
  bool asked_mark_ = false;
  bool from_mark_ = false;
  bool streaming_ = false;
};

}  // namespace consort::proxy
