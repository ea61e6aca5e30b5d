// SET in all its forms.
#include "router/classify.h"
#include "router/global_settings.h"
#include "router/guarded_settings.h"
#include "router/own_tracking.h"

namespace consort::router {
namespace {

std::string_view span(std::string_view first, std::string_view last) {
  return {first.data(), static_cast<std::size_t>(last.data() + last.size() - first.data())};
}

/// GLOBAL, SESSION, LOCAL, PERSIST, PERSIST_ONLY in front of a name.
bool read_scope(StatementScan& scan, SetScope& scope) {
  if (scan.accept("SESSION") || scan.accept("LOCAL")) {
    scope = SetScope::kSession;
  } else if (scan.accept("GLOBAL") || scan.accept("PERSIST") || scan.accept("PERSIST_ONLY")) {
    scope = SetScope::kGlobal;
  } else {
    return false;
  }
  return true;
}

bool is_scope_word(std::string_view word) {
  return equals_ignoring_case(word, "global") || equals_ignoring_case(word, "session") ||
         equals_ignoring_case(word, "local");
}

/// @@x, @@session.x, however it is blanked and quoted.
void read_system_variable(StatementScan& scan, SetItem& item) {
  SystemVariableName variable = system_variable_name(scan.token().text);
  scan.advance();
  if (variable.scope.empty() && is_scope_word(variable.name) && scan.accept(TokenKind::kDot)) {
    variable.scope = variable.name;
    variable.name = scan.token().name();
    scan.advance();
  }
  item.name = variable.name;
  if (variable.scope.empty()) {
    item.scope = SetScope::kUnscoped;  // a SESSION or GLOBAL in front of others does not reach it
  } else {
    const bool global = equals_ignoring_case(variable.scope, "global");
    item.scope = global ? SetScope::kGlobal : SetScope::kSession;
  }
}

/// The name on the left of `=`. `item.scope` is what stood before it.
bool read_name(StatementScan& scan, SetItem& item) {
  const Token first = scan.token();
  if (first.is(TokenKind::kUserVariable)) {
    item.scope = SetScope::kUser;
    item.name = user_variable_name(first.text);
    scan.advance();
    return true;
  }
  if (first.is(TokenKind::kSystemVariable)) {
    read_system_variable(scan, item);
  } else if (first.is_name()) {
    item.name = first.name();
    scan.advance();
  } else {
    return false;
  }
  if (scan.accept(TokenKind::kDot)) {  // a variable of a named key cache
    item.name = span(first.text, scan.token().text);
    scan.advance();
  }
  return !item.name.empty();
}

SetValueKind value_kind(const Token& first, std::size_t tokens_count) {
  if (tokens_count != 1) {
    return SetValueKind::kExpression;
  }
  switch (first.kind) {
    case TokenKind::kNumber:
      return SetValueKind::kNumber;
    case TokenKind::kString:
      return SetValueKind::kString;
    case TokenKind::kWord:
      return SetValueKind::kWord;
    default:
      return SetValueKind::kExpression;
  }
}

/// The right side. `stop` is the word that ends it besides a comma (FOR), or empty.
bool read_value(StatementScan& scan, SetItem& item, std::string_view stop) {
  if (scan.ended()) {
    return false;
  }
  const Token first = scan.token();
  scan.scan_expression(stop);
  const Token last = scan.previous();
  if (last.text.data() < first.text.data()) {
    return false;  // nothing between `=` and the end
  }
  item.value = span(first.text, last.text);
  const bool one_token = item.value.size() == first.text.size();
  item.value_kind = value_kind(first, one_token ? 1 : 2);
  if (first.is_operator("-") && last.is(TokenKind::kNumber) &&
      item.value.size() == last.text.size() + 1) {
    item.value_kind = SetValueKind::kNumber;
  }
  return true;
}

/// NAMES x [COLLATE y], CHARACTER SET x, CHARSET x: behind those words.
bool read_character_set(StatementScan& scan, SetItem& item) {
  const Token set = scan.token();
  if (!set.is_name() && !set.is(TokenKind::kString)) {
    return false;
  }
  item.value = set.text;
  item.value_kind = set.is(TokenKind::kString) ? SetValueKind::kString : SetValueKind::kWord;
  scan.advance();
  if (item.scope == SetScope::kNames && scan.accept("COLLATE")) {
    item.collation = scan.token().text;
    scan.advance();
  }
  return true;
}

void note_item(Statement& out, SetItem& item) {
  Flags& flags = out.flags;
  if (item.scope == SetScope::kUser) {
    flags.set(Flag::kAssignsUserVariable);
  }
  if (item.scope == SetScope::kGlobal) {
    flags.set(Flag::kSetsGlobal);
    if (!why_global_is_kept(item.name).empty() && !flags.has(Flag::kGuardedSetting)) {
      flags.set(Flag::kGuardedSetting);
      out.name = item.name;
    }
  }
  if (item.scope == SetScope::kSession || item.scope == SetScope::kUnscoped) {
    item.guarded = is_guarded_setting(item.name) && !keeps_tracking(item);
    if (item.guarded && !flags.has(Flag::kGuardedSetting)) {
      flags.set(Flag::kGuardedSetting);
      out.name = item.name;
    }
    if (equals_ignoring_case(item.name, "autocommit")) {
      flags.set(Flag::kSetsAutocommit);
    }
    if (equals_ignoring_case(item.name, "last_insert_id") ||
        equals_ignoring_case(item.name, "identity")) {
      flags.set(Flag::kSetsLastInsertId);
    }
  }
  out.settings.push_back(item);
}

/// One assignment. `scope` is sticky: SET GLOBAL a = 1, b = 2 sets both; @@c = 3 is of the session.
bool read_item(StatementScan& scan, Statement& out, SetScope& scope, std::string_view stop) {
  SetItem item{{}, {}, {}, SetScope::kUnscoped, SetValueKind::kExpression, false};
  bool valid = false;
  if (scan.accept("NAMES")) {
    item.scope = SetScope::kNames;
    valid = read_character_set(scan, item);
  } else if (scan.accept("CHARSET") || (scan.accept("CHARACTER") && scan.accept(Keyword::kSet))) {
    item.scope = SetScope::kCharacterSet;
    valid = read_character_set(scan, item);
  } else {
    read_scope(scan, scope);
    item.scope = scope;
    valid = read_name(scan, item) &&
            (scan.token().is_operator("=") || scan.token().is(TokenKind::kAssign));
    if (valid) {
      scan.advance();
      valid = read_value(scan, item, stop);
    }
  }
  if (valid) {
    note_item(out, item);
  }
  return valid;
}

bool read_items(StatementScan& scan, Statement& out, SetScope scope, std::string_view stop) {
  do {
    if (!read_item(scan, out, scope, stop)) {
      return false;
    }
  } while (scan.accept(TokenKind::kComma));
  return true;
}

bool all_have_scope(const Statement& out, SetScope a, SetScope b) {
  for (const SetItem& item : out.settings) {
    if (item.scope != a && item.scope != b) {
      return false;
    }
  }
  return !out.settings.overflowed();
}

/// `SET autocommit = 0` and its spellings, alone.
bool is_plain_autocommit(const Statement& out, bool& value) {
  if (out.settings.size() != 1 || !out.has(Flag::kSetsAutocommit)) {
    return false;
  }
  std::string_view text = out.settings[0].value;
  if (out.settings[0].value_kind == SetValueKind::kString) {
    text = text.substr(1, text.size() - 2);
  }
  const auto is = [&](std::string_view word) { return equals_ignoring_case(text, word); };
  value = is("1") || is("ON") || is("TRUE");
  return value || is("0") || is("OFF") || is("FALSE");
}

void settle_kind(Statement& out) {
  if (is_plain_autocommit(out, out.autocommit_value)) {
    out.kind = StatementKind::kSetAutocommit;
  } else if (all_have_scope(out, SetScope::kUser, SetScope::kUser)) {
    out.kind = StatementKind::kSetUserVariable;
  } else if (all_have_scope(out, SetScope::kNames, SetScope::kCharacterSet)) {
    out.kind = StatementKind::kSetNames;
  } else {
    out.kind = StatementKind::kSetSession;
  }
}

void classify_set_statement(StatementScan& scan, Statement& out) {
  if (!read_items(scan, out, SetScope::kUnscoped, "FOR") || !scan.accept(Keyword::kFor)) {
    return;
  }
  classify_statement(scan, out);
  out.flags.set(Flag::kSetStatement);
}

}  // namespace

void classify_set(StatementScan& scan, Statement& out) {
  if (scan.accept("PASSWORD")) {
    classify_set_password(scan, out);
    return;
  }
  if (scan.accept("ROLE")) {
    out.kind = StatementKind::kSetRole;
    return;
  }
  if (scan.accept("STATEMENT")) {
    classify_set_statement(scan, out);
    return;
  }
  if (scan.accept("DEFAULT")) {
    if (scan.accept("ROLE")) {
      classify_set_default_role(scan, out);
    }
    return;
  }
  SetScope scope = SetScope::kUnscoped;
  read_scope(scan, scope);
  if (scan.accept("TRANSACTION")) {
    classify_set_transaction(scan, out, scope);
    return;
  }
  if (read_items(scan, out, scope, {}) && scan.ended()) {
    settle_kind(out);
  }
}

}  // namespace consort::router
