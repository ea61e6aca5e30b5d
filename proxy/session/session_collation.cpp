// SessionCore: collation_server, which other servers need for this session's DDL, and
// collation_connection. MariaDB 11.8's session tracking says nothing of them where it tells of the
// character set, which it does of the connection's whichever was set (measured; 10.11 tells of
// both). So the server is asked.
#include <algorithm>
#include <utility>

#include "protocol/packet_writer.h"
#include "protocol/sql_error.h"
#include "proxy/session/session_core.h"

namespace consort::proxy {

using protocol::Command;

namespace {

constexpr std::string_view kServer = "collation_server";
constexpr std::string_view kConnection = "collation_connection";
constexpr std::string_view kAskCollations = "SELECT @@collation_server, @@collation_connection";
constexpr std::string_view kAskConnection = "SELECT CAST(@@collation_connection AS BINARY)";

/// In whatever character set it came.
bool is_collation(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

}  // namespace

void SessionCore::note_untold_collation(const protocol::SessionChanges& changes) {
  if (job_.passing_settings) {
    return;
  }
  if (changes.find_variable("character_set_server")) {
    untold_.server = !changes.find_variable(kServer).has_value();
  }
  // Where SET NAMES alone has set it, the text says its collation, or that it is the default one.
  if (changes.find_variable("character_set_connection")) {
    untold_.connection = job_.sets_collation && !changes.find_variable(kConnection).has_value();
  }
}

/// After a statement of which the client has its reply. True when the server was asked.
bool SessionCore::ask_collation() {
  if (!(untold_.server || untold_.connection) || !home_lease_.held()) {
    return false;
  }
  job_.answered = true;
  diagnostics_.keep_row_count();
  ask_home(kAskCollations, ReplyRole::kCollation);
  return true;
}

void SessionCore::on_collation(bool failed) {
  const UntoldCollations untold = std::exchange(untold_, {});
  const auto rows = failed ? std::nullopt : own_rows_.rows();
  const OwnResult::Row row = rows && rows->size() == 1 ? rows->front() : OwnResult::Row{};
  const auto learn = [&](bool was_untold, std::string_view name, std::size_t column) {
    const std::string_view told = column < row.size() ? row[column].value_or("") : "";
    if (was_untold && is_collation(told)) {
      state_.set_variable(name, told);
    } else if (was_untold) {
      add_pin(router::PinReason::kUnknownState);
    }
  };
  learn(untold.server, kServer, 0);
  learn(untold.connection, kConnection, 1);
  finish_statement(Channel::kHome);
}

/// The lanes execute DDL in the session's collation, which the home may have chosen for a character
/// set by a list of its own (character_set_collations): at login and at SET NAMES, which lanes do
/// not say.
bool SessionCore::lacks_ddl_collation() {
  return effects_.maps_collations() && job_.kind == JobKind::kOrdered && !ordered_.program &&
         !ordered_.collation && !ordered_.request.sets_globals && !state_.variable(kConnection);
}

/// True: the answer goes on.
bool SessionCore::asks_ddl_collation() {
  if (!lacks_ddl_collation()) {
    return false;
  }
  phase_ = SessionPhase::kRelaying;
  ask_home(kAskConnection, ReplyRole::kDdlCollation);
  return true;
}

void SessionCore::on_ddl_collation(const protocol::SqlError* error) {
  const bool expired = error != nullptr && error->code == protocol::must_set_password_error().code;
  if (error != nullptr && !expired) {
    on_setup_failed(Channel::kHome, *error);
    return;
  }
  const std::string_view told = expired ? "" : own_rows_.value().value_or("");
  ordered_.collation = is_collation(told) ? std::string(told) : std::string();
  send_job();
}

}  // namespace consort::proxy
