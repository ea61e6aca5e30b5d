// SessionCore: collation_server, which other servers need for this session's DDL and of which
// MariaDB 11.8's session tracking says nothing where it tells of character_set_server
// (measured; 10.11 tells of both, whichever was set). So the server is asked.
#include <algorithm>
#include <utility>

#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"

namespace consort::proxy {

using protocol::Command;

namespace {

constexpr std::string_view kCollation = "collation_server";
constexpr std::string_view kAskCollation = "SELECT @@collation_server";

/// In whatever character set it came.
bool is_collation(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

}  // namespace

void SessionCore::note_untold_collation(const protocol::SessionChanges& changes) {
  if (changes.find_variable("character_set_server") && !job_.passing_settings) {
    collation_untold_ = !changes.find_variable(kCollation).has_value();
  }
}

/// After a statement of which the client has its reply. True when the server was asked.
bool SessionCore::ask_collation() {
  if (!std::exchange(collation_untold_, false) || !home_lease_.held()) {
    return false;
  }
  job_.answered = true;
  diagnostics_.keep_row_count();
  ask_home(kAskCollation, ReplyRole::kCollation);
  return true;
}

void SessionCore::on_collation(bool failed) {
  const std::string_view told = failed ? std::string_view() : own_rows_.value().value_or("");
  if (is_collation(told)) {
    state_.set_variable(kCollation, told);
  } else {
    add_pin(router::PinReason::kUnknownState);
  }
  finish_statement(Channel::kHome);
}

}  // namespace consort::proxy
