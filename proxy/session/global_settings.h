// GlobalSettings: what a worker knows of the SET GLOBALs that went through Consort (decision 0028):
// which of its pooled connections still have older values as their session's, and how texts of
// sessions that came since are read. Threads: its worker's.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "proxy/cluster_view.h"
#include "proxy/commit/commit_messages.h"
#include "router/lexer_options.h"

namespace consort::proxy {

/// When a connection took its session values from its server: at its login or its last reset.
struct SettingsAge {
  std::uint32_t lane_generation = 0;
  Seqno applied;
};

class GlobalSettings {
 public:
  /// `positions` outlives it.
  explicit GlobalSettings(const AppliedPositions& positions) : positions_(positions) {}

  /// A SET GLOBAL is decided.
  void note(const GlobalsChanged& changed);

  /// The newest that was decided.
  [[nodiscard]] Seqno seen() const { return seen_; }

  /// The newest that changed something: a session that begins now has these values.
  [[nodiscard]] Seqno changed_at() const { return changed_at_; }

  /// The newest that changed what a session keeps from its login on: how long packets may be.
  [[nodiscard]] Seqno logins_changed_at() const { return logins_changed_at_; }

  /// How long a packet a session may send that logs in now, by what clients have SET GLOBAL.
  /// `known`: max_allowed_packet when the servers were looked at last, or 0. 0: nobody has.
  [[nodiscard]] std::size_t packet_bytes_max(std::uint64_t known) const;

  /// How many clients there may be at once: what clients have SET GLOBAL max_connections to, else
  /// what is `configured`.
  [[nodiscard]] std::size_t connections_max(const KeptGlobals& known, std::size_t configured) const;

  /// What clients have SET GLOBAL init_connect to. The view lives until the next event.
  [[nodiscard]] std::string_view init_connect(const KeptGlobals& known) const;

  /// max_password_errors of the servers; 0: none was looked at.
  [[nodiscard]] std::uint64_t password_errors_max(const KeptGlobals& known) const;

  /// Clients have SET GLOBAL read_only.
  [[nodiscard]] bool read_only() const { return read_only_; }

  /// Clients have SET GLOBAL event_scheduler.
  [[nodiscard]] bool runs_events() const { return runs_events_; }

  /// What a session that begins has as if it had set it: its wait_timeout, where that is not the
  /// `usual` one that its connections are set up with, tx_read_only, which decides how its
  /// transactions are begun, and what its client is told by session tracking. `capabilities`: of
  /// the client's login, which says whether it is interactive, and whether blanks may stand behind
  /// a function's name (in its sql_mode then). `known`: ClusterView::kept_globals.
  [[nodiscard]] KeptGlobals first_settings(const KeptGlobals& known,
                                           std::uint64_t capabilities,
                                           std::chrono::seconds usual) const;

  /// Of a connection that is about to take the server's values.
  [[nodiscard]] SettingsAge age(BackendId backend) const;

  /// It may have older values than a fresh one would: it has to be reset. Its server's lane began
  /// anew since, perhaps because the server did and had its file's values for a moment; or a SET
  /// GLOBAL came.
  [[nodiscard]] bool outdated(BackendId backend, const SettingsAge& age) const;

  /// The newest entry that may have given a schema another default collation. A connection that
  /// entered its schema when its server had not applied it may know an older one.
  [[nodiscard]] Seqno schemas_changed() const;

  /// How texts of a session that has set nothing are read. `known`: by the servers' values when
  /// they were looked at last.
  [[nodiscard]] router::LexerOptions lexer(const router::LexerOptions& known) const;

  /// The servers were looked at again; what they say then needs no correction any more.
  void on_lexer_known(const router::LexerOptions& known);

  /// The same of packet_bytes_max().
  void on_packet_limit_known(std::uint64_t known);

  /// And of what Consort heeds.
  void on_kept_known(const KeptGlobals& known);

 private:
  [[nodiscard]] std::optional<std::string_view> value_of(const KeptGlobals& known,
                                                         std::string_view name) const;

  const AppliedPositions& positions_;
  Seqno seen_;
  Seqno changed_at_;
  Seqno logins_changed_at_;
  std::optional<std::string> sql_mode_;              ///< newer than what the servers said
  std::optional<std::uint64_t> max_allowed_packet_;  ///< likewise
  std::uint64_t net_buffer_length_ = 16384;          ///< the servers' default
  KeptGlobals heeded_;                               ///< likewise newer
  bool read_only_ = false;
  bool runs_events_ = false;
};

}  // namespace consort::proxy
