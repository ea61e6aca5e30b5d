// SessionScript: drives a SessionCore by hand. Records what it makes happen, plays client, backends
// and commit thread.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "certifier/ddl_fence.h"
#include "protocol/decode.h"
#include "protocol/lenenc.h"
#include "protocol/packet_reader.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"

namespace consort::proxy {

/// Statements, as they are expected on a connection.
using Texts = std::vector<std::string>;

/// The fence of a turn as such a session sends it, whose clock stands at clock_us.
inline std::string turn_fence(Seqno seqno) {
  return certifier::ddl_turn_fence_sql(seqno, "1700000000.000250");
}

class SessionScript : public SessionEffects {
 public:
  static constexpr std::uint64_t kCapabilities =
      protocol::capability::kProtocol41 | protocol::capability::kDeprecateEof |
      protocol::capability::kLocalFiles | protocol::capability::kSessionTrack;

  explicit SessionScript(const SessionCore::Options& options = {0xC1, 3, 16, {}},
                         std::uint64_t capabilities = kClient)
      : core(*this, options) {
    core.begin({"'u'@'%'", capabilities, "d", 45, kConnectionId});
  }

  static constexpr std::uint32_t kConnectionId = 77;
  static constexpr std::string_view kAskTold =
      "SET SESSION session_track_schema=IF(@@session.session_track_system_variables='*',1,2)";
  static constexpr std::uint64_t kClient =
      protocol::capability::kProtocol41 | protocol::capability::kDeprecateEof;

  // ---- the client

  void query(std::string_view sql) { command(protocol::Command::kQuery, as_bytes(sql)); }

  void command(protocol::Command kind, Bytes argument) {
    to_client.clear();
    Buffer wire;
    protocol::append_command(wire, kind, argument);
    core.on_command({wire, Bytes(wire).subspan(4), 0});
    pump();
  }

  /// As the shell does after every event.
  void pump() {
    while (core.next_statement_due()) {
      core.on_next_statement();
    }
  }

  /// Packets the client got since its last command, as short texts: "OK", "OK trx", "ERR 1213", ...
  std::string answer() const {
    std::string text;
    Bytes rest(to_client);
    while (const auto frame = protocol::peek_packet(rest)) {
      text += text.empty() ? "" : " | ";
      text += describe(frame->payload);
      rest = rest.subspan(frame->bytes);
    }
    return text;
  }

  std::uint8_t last_sequence() const {
    std::uint8_t sequence = 0;
    Bytes rest(to_client);
    while (const auto frame = protocol::peek_packet(rest)) {
      sequence = frame->sequence;
      rest = rest.subspan(frame->bytes);
    }
    return sequence;
  }

  // ---- the backends

  /// Commands sent on the channel since the last look, in order: "XA START", the SQL, "EXECUTE 7",
  /// "LONG DATA 7/0 abc" ...
  std::vector<std::string> sent(Channel channel) {
    std::vector<std::string> texts;
    std::string previous;
    Bytes rest(to_backend[static_cast<int>(channel)]);
    while (const auto frame = protocol::peek_packet(rest)) {
      const std::string text = command_text(frame->payload);
      if (shows_guards || !is_unseen(text, previous)) {
        texts.push_back(text);
      }
      previous = text;
      rest = rest.subspan(frame->bytes);
    }
    to_backend[static_cast<int>(channel)].clear();
    return texts;
  }

  void backend_ok(Channel channel, protocol::OkPacket ok = {}) {
    Buffer reply;
    if (ok.status == 0) {
      ok.status = protocol::status_flag::kAutocommit | protocol::status_flag::kInTransaction;
    }
    protocol::append_ok(reply, ok, kCapabilities, 1);
    feed(channel, reply);
  }

  void backend_ok_gtid() {
    protocol::OkPacket ok;
    ok.status = protocol::status_flag::kAutocommit;
    ok.changes.system_variables.emplace_back("last_gtid", "0-1-7");
    backend_ok(Channel::kHome, ok);
  }

  void backend_error(Channel channel, std::uint16_t code, const std::string& message = "no") {
    Buffer reply;
    protocol::append_err(reply, {code, "HY000", message}, 1);
    feed(channel, reply);
  }

  /// A result set of one column and one row.
  void backend_rows(Channel channel) {
    Buffer reply;
    const std::uint8_t count[] = {1};
    std::uint8_t sequence = protocol::append_packet(reply, count, 1);
    sequence = protocol::append_packet(reply, as_bytes("column definition"), sequence);
    sequence = protocol::append_packet(reply, as_bytes("\001x"), sequence);
    protocol::OkPacket ok;
    ok.status = protocol::status_flag::kAutocommit;
    protocol::append_ok(reply, ok, kCapabilities, sequence, protocol::OkHeader::kEof);
    feed(channel, reply);
  }

  /// To the session's own question what LAST_INSERT_ID() is.
  /// An OK of the home that tells what its statement has changed.
  void home_tells(std::initializer_list<protocol::NameValue> variables,
                  std::optional<std::string_view> schema = std::nullopt) {
    protocol::OkPacket ok;
    ok.changes.system_variables = variables;
    ok.changes.schema = schema;
    backend_ok(Channel::kHome, ok);
  }

  void answer_insert_id(const std::string& value) {
    protocol::OkPacket ok;
    ok.status = protocol::status_flag::kAutocommit;
    ok.changes.system_variables.emplace_back("last_insert_id", value);
    backend_ok(Channel::kHome, ok);
  }

  /// A result set of one row of text values.
  void backend_row(Channel channel, const std::vector<std::string>& values) {
    Buffer reply;
    const std::uint8_t count[] = {static_cast<std::uint8_t>(values.size())};
    std::uint8_t sequence = protocol::append_packet(reply, count, 1);
    Buffer row;
    for (const std::string& value : values) {
      sequence = protocol::append_packet(reply, as_bytes("column definition"), sequence);
      protocol::append_lenenc_text(row, value);
    }
    sequence = protocol::append_packet(reply, row, sequence);
    protocol::OkPacket ok;
    ok.status = protocol::status_flag::kAutocommit;
    protocol::append_ok(reply, ok, kCapabilities, sequence, protocol::OkHeader::kEof);
    feed(channel, reply);
  }

  /// Feeds a reply, and those to what is unseen around it.
  void feed(Channel channel, Buffer& reply) {
    std::deque<std::string>& owed = owed_[static_cast<int>(channel)];
    if (!owed.empty() &&
        owed.front() == std::string(dialect_of(ServerKind::kMariadb).tell_everything)) {
      feed_unseen(channel);
    }
    if (!owed.empty()) {
      owed.pop_front();
    }
    feed_bytes(channel, reply);
    feed_unseen(channel);
  }

  void feed_unseen(Channel channel) {
    std::deque<std::string>& owed = owed_[static_cast<int>(channel)];
    while (!shows_guards && !owed.empty() && is_unseen(owed.front()) && core.lent(channel)) {
      Buffer answer;
      if (owed.front() == kGuard) {
        protocol::append_err(answer, {1399, "XAE07", "not inside"}, 1);
      } else {
        protocol::append_ok(answer, {}, kCapabilities, 1);
      }
      owed.pop_front();
      feed_bytes(channel, answer);
    }
  }

  void feed_bytes(Channel channel, Buffer& reply) {
    MutableBytes rest(reply);
    while (!rest.empty() && core.lent(channel)) {
      const std::size_t used = core.on_backend_read(channel, rest);
      if (used == 0) {
        break;
      }
      rest = rest.subspan(used);
    }
    pump();
  }

  void lose(Channel channel) {
    owed_[static_cast<int>(channel)].clear();
    core.on_backend_lost(channel);
    pump();
  }

  // ---- the commit thread

  template <typename T>
  T posted_back() const {
    return std::get<T>(posted.back());
  }

  void outcome(BranchVerdict verdict, std::uint64_t seqno = 0) {
    const auto prepared = posted_back<BranchPrepared>();
    core.on_outcome(
        {prepared.session, prepared.branch, verdict, Seqno{seqno}, "refused", std::nullopt});
    pump();
  }

  // ---- SessionEffects

  void send_client(std::initializer_list<Bytes> pieces) override {
    for (const Bytes& piece : pieces) {
      append(to_client, piece);
    }
  }

  void close_client() override { closed = true; }

  void deny_change(const protocol::SqlError& error, std::uint8_t sequence) override {
    denied_change = error;
    denied_sequence = sequence;
  }

  bool read_only() override { return reads_only; }

  bool runs_events() override { return events_on; }

  std::string_view init_connect() override { return init_connect_text; }

  bool may_only_read() override { return reads_only; }

  KeptGlobals first_settings(std::uint64_t capabilities) override {
    const bool interactive = (capabilities & protocol::capability::kInteractive) != 0;
    return interactive ? KeptGlobals{{"wait_timeout", "77"}} : KeptGlobals{};
  }

  void lease(Channel channel, BackendId backend) override {
    if (lease_fails_permanently) {
      core.on_lease_failed(channel, {protocol::unknown_database_error("d"), false});
      return;
    }
    if (lease_error) {
      core.on_lease_failed(channel, {*lease_error, true});
      return;
    }
    ++leases;
    if (lease_hangs) {
      return;
    }
    applied_seqno = std::exchange(applied_at_lease, std::nullopt).value_or(applied_seqno);
    core.on_leased(channel, {backend,
                             100U + backend.value,
                             lease_capabilities,
                             isolation,
                             lease_insert_id,
                             {},
                             lease_kind});
  }

  void release(Channel channel, bool reusable) override {
    owed_[static_cast<int>(channel)].clear();
    releases.push_back(reusable);
  }

  void send_backend(Channel channel, std::initializer_list<Bytes> pieces) override {
    Buffer all;
    for (const Bytes& piece : pieces) {
      append(all, piece);
    }
    append(to_backend[static_cast<int>(channel)], all);
    Bytes rest(all);
    std::string previous;
    while (const auto frame = protocol::peek_packet(rest)) {
      const bool of_file = frame->sequence != 0;  // its last packet is empty
      const auto kind = of_file ? protocol::Command::kStmtSendLongData
                                : static_cast<protocol::Command>(frame->payload[0]);
      if (kind != protocol::Command::kStmtSendLongData && kind != protocol::Command::kStmtClose) {
        const std::string text(as_text(frame->payload.subspan(1)));
        owed_[static_cast<int>(channel)].emplace_back(is_guard(text, previous) ? kGuard : text);
        previous = text;
      }
      rest = rest.subspan(frame->bytes);
    }
  }

  BackendStatement* backend_statement(Channel, std::string_view key) override {
    const auto found = statements.find(std::string(key));
    return found == statements.end() ? nullptr : &found->second;
  }

  void add_backend_statement(Channel, std::string_view key, std::uint32_t id) override {
    statements[std::string(key)] = BackendStatement{.id = id};
  }

  void close_backend_statement(Channel, std::string_view key) override {
    statements.erase(std::string(key));
  }

  Choice choose_reader(Seqno at_least) override {
    return {online && applied_seqno >= at_least, reader, "none"};
  }

  Choice choose_home() override { return {online, home, "none"}; }

  Choice choose_named(std::string_view) override { return {true, reader, {}}; }

  bool serves(BackendId) override { return online; }

  bool tolerates(BackendId) override { return online; }

  Seqno applied(BackendId) override { return applied_seqno; }

  std::optional<BackendId> behind(Seqno seqno) override {
    return all_applied < seqno ? std::optional(BackendId{2}) : std::nullopt;
  }

  std::uint32_t lane_generation(BackendId) override { return home_lane_generation; }

  Seqno newest_replay(BackendId) override { return replayed_seqno; }

  Seqno head() override { return applied_seqno; }

  const LockedTableFilter& locked_tables() override { return locked; }

  KnownSequences& sequences() override { return known_sequences; }

  Seqno globals_seen() override { return seen_globals; }

  Seqno globals_changed_at() override { return seen_globals; }

  Seqno schemas_changed() override { return changed_schemas; }

  ReadConsistency read_consistency() override { return ReadConsistency::kSession; }

  router::LexerOptions default_lexer_options() override { return lexer; }

  bool stored_functions() override { return functions; }

  void note_stored_function() override { functions = true; }

  bool triggers() override { return has_triggers; }

  bool forgets_accounts() override { return skips_names; }

  void note_trigger() override { has_triggers = true; }

  std::optional<UserLockHome::Place> user_lock_home() override { return lock_home; }

  void count_user_lock_holder(int change) override { lock_holders += change; }

  void wait_applied(BackendId, bool, Seqno seqno) override { waits.push_back(seqno); }

  std::uint64_t wall_clock_us() override { return clock_us; }

  void retry_after(std::chrono::milliseconds) override { ++retries; }

  void stop_waiting() override { ++waits_stopped; }

  bool post_kill(const KillOrder& order) override {
    kills.push_back(order);
    return order.connection_id < 1000;
  }

  BranchId next_branch() override { return {1, 0, ++branches}; }

  bool post_commit(CommitRequest request) override {
    if (commit_mailbox_full && starts_work(request)) {
      return false;
    }
    posted.push_back(std::move(request));
    return true;
  }

  SessionId session_id() const override { return {0, 1, 1}; }

  void kill_query(BackendId, std::uint64_t thread_id, KillTicket ticket) override {
    killed = thread_id;
    kill = std::move(ticket);
  }

  void kill_connection(BackendId, std::uint64_t thread_id) override {
    ended_connection = thread_id;
  }

  void list_sessions(bool) override { ++lists_asked; }

  std::string_view user() override { return "u"; }

  WorkerMetrics& metrics() override { return metrics_; }

  router::ClassificationCache& classifications() override { return classifications_; }

  std::optional<CallKnowledge> known_call(std::string_view, std::string_view) override {
    return call_verdict ? std::optional(CallKnowledge{*call_verdict, call_opening, call_begins,
                                                      call_is_dynamic, call_is_handled,
                                                      call_names_host, call_parameters})
                        : std::nullopt;
  }

  std::optional<CallVerdict> call_verdict = CallVerdict::kBranch;
  CallOpening call_opening = CallOpening::kUncertain;
  bool call_is_handled = false;
  bool call_names_host = false;
  std::optional<std::string> call_parameters = "";
  bool call_begins = true;
  bool call_is_dynamic = true;

  Buffer to_client;
  Buffer to_backend[2];
  std::vector<CommitRequest> posted;
  std::vector<bool> releases;
  std::vector<Seqno> waits;
  std::map<std::string, BackendStatement> statements;
  Seqno applied_seqno{10};
  Seqno all_applied{1000};
  std::optional<Seqno> applied_at_lease;  ///< from then on: a crash took the rest
  std::uint32_t home_lane_generation = 0;
  std::string isolation;                         ///< of connections
  ServerKind lease_kind = ServerKind::kMariadb;  ///< of the connections' servers
  bool collations_mapped = false;

  bool maps_collations() override { return collations_mapped; }

  std::optional<std::uint64_t> lease_insert_id = 0;  ///< LAST_INSERT_ID() of connections
  Seqno replayed_seqno;
  LockedTableFilter locked;
  KnownSequences known_sequences;
  Seqno seen_globals;
  Seqno changed_schemas;
  bool has_triggers = false;
  bool skips_names = false;
  std::optional<UserLockHome::Place> lock_home = UserLockHome::Place{BackendId{0}, 1};
  int lock_holders = 0;
  BackendId reader{1};
  BackendId home{0};
  std::uint64_t killed = 0;
  std::uint64_t ended_connection = 0;
  KillTicket kill;                                   ///< of the newest KILL QUERY
  std::uint64_t lease_capabilities = kCapabilities;  ///< in force on connections
  std::uint64_t branches = 0;
  int leases = 0;
  int retries = 0;
  std::uint64_t clock_us = 1'700'000'000'000'250;
  int waits_stopped = 0;
  int lists_asked = 0;
  bool lease_hangs = false;
  std::vector<KillOrder> kills;
  router::LexerOptions lexer;
  bool functions = false;
  bool online = true;
  bool commit_mailbox_full = false;
  bool shows_guards =
      false;  ///< what stands between XA START and the statement: else it is seen to
  bool closed = false;
  bool reads_only = false;
  bool events_on = false;
  std::string init_connect_text;
  std::optional<protocol::SqlError> denied_change;
  std::uint8_t denied_sequence = 0;
  bool lease_fails_permanently = false;
  std::optional<protocol::SqlError> lease_error;
  SessionCore core;

 private:
  static std::string command_text(Bytes payload) {
    using protocol::Command;
    const auto id = [&] { return std::to_string(load_le<4>(payload.data() + 1)); };
    switch (static_cast<Command>(payload[0])) {
      case Command::kStmtExecute:
        return "EXECUTE " + id();
      case Command::kStmtBulkExecute:
        return "BULK " + id() + ((load_le<2>(payload.data() + 5) & 128) != 0 ? " with types" : "");
      case Command::kStmtReset:
        return "RESET " + id();
      case Command::kStmtClose:
        return "CLOSE " + id();
      case Command::kStmtFetch:
        return "FETCH " + id() + "/" + std::to_string(load_le<4>(payload.data() + 5));
      case Command::kStmtSendLongData:
        return "LONG DATA " + id() + "/" + std::to_string(load_le<2>(payload.data() + 5)) + " " +
               std::string(as_text(payload.subspan(7)));
      default:
        break;
    }
    const std::string text(as_text(payload.subspan(1)));
    return text.starts_with("XA ") ? text.substr(0, std::min(text.find(" '"), text.find(" X'")))
                                   : text;
  }

  static constexpr const char* kGuard = "a guard";

  static bool is_guard(std::string_view text, std::string_view previous) {
    return text == "START TRANSACTION" ||
           (text == "SET TRANSACTION READ ONLY" && previous.starts_with("START TRANSACTION "));
  }

  /// What is answered and not shown unless `shows_guards`: also what makes a connection tell of
  /// everything again, and the question whether it does.
  static bool is_unseen(std::string_view text, std::string_view previous = {}) {
    return text == kGuard || is_guard(text, previous) ||
           text == std::string(dialect_of(ServerKind::kMariadb).tell_everything) ||
           text == kAskTold;
  }

  static std::string describe(Bytes payload) {
    if (payload[0] == protocol::kErrByte) {
      return "ERR " + std::to_string(protocol::sql_error_of(payload).code);
    }
    if (payload[0] == protocol::kOkByte || payload[0] == protocol::kEofByte) {
      const auto ok = protocol::decode_ok(payload, kClient);
      const bool open = ok.ok() && (ok->status & protocol::status_flag::kInTransaction) != 0;
      const auto has = [&](std::uint16_t flag) { return ok.ok() && (ok->status & flag) != 0; };
      const bool more = ok.ok() && (ok->status & protocol::status_flag::kMoreResultsExist) != 0;
      const std::string name = payload[0] == protocol::kOkByte ? "OK" : "EOF";
      return name +
             (ok.ok() && ok->affected_rows > 0 ? " " + std::to_string(ok->affected_rows) : "") +
             (open ? " trx" : "") + (has(protocol::status_flag::kCursorExists) ? " cursor" : "") +
             (has(protocol::status_flag::kLastRowSent) ? " last" : "") + (more ? " more" : "");
    }
    return "data";
  }

  std::deque<std::string> owed_[2];  // commands whose replies are still to come
  WorkerMetrics metrics_;
  router::ClassificationCache classifications_;
};

/// As a list of sessions shows one that does nothing.
inline ProcessRow sleeping_session(std::uint32_t id, std::string user) {
  ProcessRow out;
  out.id = id;
  out.user = std::move(user);
  out.host = "10.0.0.1:5";
  out.command = "Sleep";
  return out;
}

/// `sql`, which is ordered, up to its turn at the home: the fence is asked for.
inline DdlRequest give_turn(SessionScript& script, std::string_view sql) {
  script.query(sql);
  const auto request = script.posted_back<DdlRequest>();
  script.core.on_ddl_turn({request.session, Seqno{11}, request.home});
  return request;
}

/// The same, and the fence's OK.
inline DdlRequest pass_fence(SessionScript& script, std::string_view sql) {
  const DdlRequest request = give_turn(script, sql);
  script.sent(Channel::kHome);
  script.backend_ok(Channel::kHome);
  return request;
}

}  // namespace consort::proxy
