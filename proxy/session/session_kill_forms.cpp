// SessionCore: the KILLs that name no connection: by an expression, by a query's number, of a user.
// What they mean comes down to numbers of connections, for which session_kill.cpp has the rest.
#include <charconv>
#include <utility>

#include "protocol/lenenc.h"
#include "protocol/packet_reader.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "router/kill_text.h"
#include "router/session_values.h"

namespace consort::proxy {

using protocol::Command;
using router::Flag;
using router::KillTarget;
using router::Statement;

namespace {

/// "10.0.0.1:5", "[::1]:5" or "localhost", without the port.
std::string_view host_of(std::string_view client) {
  const std::size_t colon = client.rfind(':');
  std::string_view host = colon == client.npos ? client : client.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return host;
}

/// A server knows its own machine's addresses by this name.
bool is_host(std::string_view client, std::string_view host) {
  const std::string_view address = host_of(client);
  return host == "%" || address == host ||
         (host == "localhost" && (address.starts_with("127.") || address == "::1"));
}

/// The text between quotes, up to the last: "Field reference 'abc' can't be used".
std::string_view first_quoted(std::string_view message) {
  const std::size_t begin = message.find('\'');
  const std::size_t end = begin == message.npos ? begin : message.find('\'', begin + 1);
  return end == message.npos ? std::string_view() : message.substr(begin + 1, end - begin - 1);
}

/// The server's error about our question, as it would be about the client's KILL. `name`: what the
/// client's expression begins with, if that is a bare name.
protocol::SqlError as_of_kill(protocol::SqlError error, std::string_view name) {
  constexpr std::uint16_t kColumnInValues = 4100;
  constexpr std::uint16_t kUnknownColumn = 1054;
  constexpr std::uint16_t kSyntax = 1064;
  // In KILL a server refuses a column's name before it reads what follows.
  const bool is_column = error.code == kColumnInValues || (error.code == kSyntax && !name.empty());
  if (is_column) {
    const std::string_view told = first_quoted(error.message);
    const std::string column(error.code == kColumnInValues ? told : name);
    return {kUnknownColumn, "42S22", "Unknown column '" + column + "' in 'KILL'"};
  }
  const std::size_t end = error.message.find(router::kKillQuestionEnd);
  if (end != std::string::npos) {
    error.message.erase(end, router::kKillQuestionEnd.size());
  }
  return error;
}

/// The only value of the only row, in the binary protocol, of a text; nullopt: NULL.
std::optional<std::string_view> binary_text(Bytes wire) {
  constexpr std::uint8_t kFirstColumnNull = 1U << 2;
  Bytes row;
  while (const auto frame = protocol::peek_packet(wire)) {
    row = frame->payload;
    wire = wire.subspan(frame->bytes);
  }
  protocol::Reader reader(row);
  (void)reader.u8();
  const std::uint8_t nulls = reader.u8();
  const std::string_view text = reader.lenenc_text();
  return reader.failed() || (nulls & kFirstColumnNull) != 0 ? std::nullopt : std::optional(text);
}

}  // namespace

void SessionCore::run_kill(const Statement& statement) {
  const router::KillInfo& info = statement.kill;
  kill_ = {};
  kill_question_.clear();
  kill_.query_only = info.query_only;
  if (info.target == KillTarget::kQueryId) {
    kill_.command = 0;
  }
  if (info.target == KillTarget::kUser) {
    kill_user(info.operand);
    return;
  }
  if (info.own || info.is_number) {
    kill_number(info.own ? owner_.connection_id : info.id);
    return;
  }
  if (statement.flags.has_any({Flag::kTouchesTables, Flag::kUnknownFunction})) {
    reply_error(protocol::kill_takes_no_query_error());
    return;
  }
  const router::LexerOptions options = lexer_options();
  const bool parameters = job_.statement_id != 0 && statement.has(Flag::kPlaceholders);
  const auto question = parameters ? router::prepared_kill_question(info.operand, options)
                                   : router::kill_question(info.operand, options);
  if (!question || job_.bulk) {
    reply_error(protocol::not_supported_error("KILL of what cannot be read with certainty"));
    return;
  }
  router::SessionValues values;
  values.connection_id = owner_.connection_id;
  kill_question_ =
      router::with_session_values(*question, router::classify(*question, options), options, values)
          .value_or(*question);
  if (parameters) {
    execute_instead(kill_question_);
  }
  job_.kind = JobKind::kKill;
  job_.channel = Channel::kHome;
  advance_job();
}

void SessionCore::kill_number(std::uint64_t number) {
  if (kill_.command) {
    kill_.command = static_cast<std::uint32_t>(number);
    number >>= 32;
  }
  kill_.connection_id = number;
  kill(KillOrder(kill_));
}

void SessionCore::send_kill_question() {
  Bytes execution;
  Command kind = Command::kQuery;
  if (!job_.own_text.empty()) {
    execution = command_;
    if (!prepare_execute(execution)) {
      return;  // it is being prepared, or cannot be executed
    }
    kind = Command::kStmtExecute;
  }
  phase_ = SessionPhase::kAskingOthers;
  xa_buffer_.clear();
  append_preparation();  // user variables that travelled
  if (execution.empty()) {
    protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(kill_question_));
  }
  lease_of(Channel::kHome)
      .expect(
          {ReplyRole::kKillValue, kind, execution.empty() ? std::uint8_t{0} : command_sequence_});
  effects_.send_backend(Channel::kHome, {xa_buffer_, execution});
}

void SessionCore::on_kill_value(const protocol::SqlError* error) {
  const std::string question = std::exchange(kill_question_, {});
  job_.kind = JobKind::kNone;
  if (error != nullptr) {
    fail_question(as_of_kill(*error, router::leading_column(question, lexer_options())));
    return;
  }
  const std::string_view text =
      (job_.own_text.empty() ? own_rows_.value() : binary_text(own_rows_.wire())).value_or("0");
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  kill_number(static_cast<std::uint64_t>(number));
}

// ---- KILL USER --------------------------------------------------------------------------------

void SessionCore::kill_user(std::string_view operand) {
  auto account = router::killed_account(operand, lexer_options());
  if (!account) {
    reply_error(protocol::not_supported_error("KILL USER of what cannot be read with certainty"));
    return;
  }
  if (account->current) {
    const std::size_t at = owner_.definer.rfind('@');
    account->user = owner_.definer.substr(0, at);
    account->host = at == std::string::npos ? "%" : owner_.definer.substr(at + 1);
  }
  user_kill_ = {};
  user_kill_.user = account->user;
  user_kill_.host = account->host;
  job_.kills_user = true;
  phase_ = SessionPhase::kAskingOthers;
  effects_.list_sessions(false);
}

void SessionCore::on_kill_candidates(const std::vector<ProcessRow>& rows) {
  for (const ProcessRow& row : rows) {
    if (row.user == user_kill_.user && is_host(row.host, user_kill_.host)) {
      user_kill_.left.push_back(row.id);
    }
  }
  if (user_kill_.left.empty() || user_kill_.user == effects_.user()) {
    kill_next_of_user();
    return;
  }
  job_.kind = JobKind::kKill;
  job_.channel = Channel::kHome;
  advance_job();
}

void SessionCore::kill_next_of_user() {
  phase_ = SessionPhase::kAskingOthers;
  while (!user_kill_.left.empty()) {
    kill_.connection_id = user_kill_.left.back();
    user_kill_.left.pop_back();
    if (kill_.connection_id == owner_.connection_id) {
      user_kill_.own = true;
      ++user_kill_.killed;
    } else if (effects_.post_kill(kill_)) {
      return;
    }
  }
  release_ = user_kill_.own && !kill_.query_only;
  reply_ok(user_kill_.killed);
}

void SessionCore::on_user_kill_answer(KillVerdict verdict) {
  user_kill_.killed += verdict == KillVerdict::kDone ? 1 : 0;
  kill_next_of_user();
}

}  // namespace consort::proxy
