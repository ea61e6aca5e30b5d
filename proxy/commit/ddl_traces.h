// DdlTraceReader: asks a backend's binlog whether a client's DDL was executed there. Clients' DDL
// stands in it, what lanes execute does not, and one DDL at a time has its turn: so any statement
// of its kind behind the end of the binlog that its mark has kept is the one. Questions out,
// replies in.
//
//   where did the binlog end when it was marked? -> the events behind it, file by file -> verdict
//
// Threads: none; the lane's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "certifier/apply_lane.h"
#include "proxy/commit/sql_connection.h"

namespace consort::proxy {

class DdlTraceReader {
 public:
  /// `sql`: the client's statement. REQUIRES: no connection executes it on the backend any more.
  explicit DdlTraceReader(std::string_view sql);

  /// The statement to send next, on a connection that may read the binlog.
  [[nodiscard]] std::string question() const;

  /// What it was answered. nullopt: there is another question().
  [[nodiscard]] std::optional<certifier::DdlTraces> on_reply(const SqlReply& reply);

 private:
  enum class Step : std::uint8_t { kMark, kEvents, kFiles };

  [[nodiscard]] std::optional<certifier::DdlTraces> on_mark(const SqlReply& reply);
  [[nodiscard]] std::optional<certifier::DdlTraces> on_events(const SqlReply& reply);
  [[nodiscard]] std::optional<certifier::DdlTraces> on_files(const SqlReply& reply);
  [[nodiscard]] bool is_like(std::string_view logged) const;

  std::string verb_;  ///< its first word; empty: unknown
  bool drops_first_;  ///< one that fails behind that is logged as a DROP
  bool selects_;      ///< CREATE .. SELECT, which may be logged as a transaction
  Step step_ = Step::kMark;
  std::string file_;
  std::uint64_t position_ = 0;
  bool in_ddl_ = false;  ///< the event before was the head of a statement that commits itself
};

}  // namespace consort::proxy
