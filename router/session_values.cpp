#include "router/session_values.h"

#include <cstddef>
#include <utility>

#include "router/own_tracking.h"
#include "router/sql_lexer.h"

namespace consort::router {
namespace {

/// An alias must not be longer (in characters; bytes are never fewer).
constexpr std::size_t kAliasBytesMax = 256;

bool may_replace(const Statement& statement, const SessionValues& values) {
  const bool calls = (statement.has(Flag::kConnectionId) && values.connection_id) ||
                     (statement.has(Flag::kRowCount) && values.row_count) ||
                     (statement.has(Flag::kFoundRows) && values.found_rows) ||
                     (statement.has(Flag::kTracking) && !values.track_variables.empty()) ||
                     !values.read_only.empty() || !values.event_scheduler.empty() ||
                     !values.init_connect.empty();
  if (!calls || statement.has(Flag::kUncertain) || statement.has(Flag::kMultiStatement)) {
    return false;
  }
  return is_evaluated_at_once(statement.kind) || statement.kind == StatementKind::kExplain ||
         statement.kind == StatementKind::kSetSession;
}

/// Writes the new text while it goes through the old one's tokens.
class Replacer {
 public:
  Replacer(std::string_view sql, const LexerOptions& options, const SessionValues& values)
      : sql_(sql), lexer_(sql, options), values_(values) {
    if (values.connection_id) {
      connection_id_ = std::to_string(*values.connection_id);
    }
    if (values.row_count) {  // of the function's type, and nothing that a sign could join
      row_count_ = "IFNULL(" + std::to_string(*values.row_count) + ",ROW_COUNT())";
    }
    if (values.found_rows) {
      found_rows_ = "IFNULL(" + std::to_string(*values.found_rows) + ",FOUND_ROWS())";
    }
    advance();
  }

  std::optional<std::string> run() {
    in_select_list_ = token_.is(Keyword::kSelect);
    in_set_ = token_.is(Keyword::kSet);
    item_begin_ = begin_of(token_);
    while (!token_.is(TokenKind::kEnd)) {
      if (token_.is(TokenKind::kInvalid)) {
        return std::nullopt;
      }
      if (at_item_end()) {
        end_item();
      }
      if (!take_call() && !take_variable()) {
        take_token();
      }
    }
    end_item();
    if (lexer_.saw_uncertain_text() || !replaced_) {
      return std::nullopt;
    }
    out_ += sql_.substr(copied_);
    return std::move(out_);
  }

 private:
  void advance() { token_ = lexer_.next(); }

  [[nodiscard]] std::size_t begin_of(const Token& token) const {
    return token.is(TokenKind::kEnd) ? sql_.size()
                                     : static_cast<std::size_t>(token.text.data() - sql_.data());
  }

  [[nodiscard]] std::size_t end_of(const Token& token) const {
    return begin_of(token) + (token.is(TokenKind::kEnd) ? 0 : token.text.size());
  }

  [[nodiscard]] bool at_item_end() const {
    if (!in_select_list_ || depth_ > 0) {
      return false;
    }
    return token_.is(TokenKind::kComma) || token_.is(TokenKind::kSemicolon) ||
           token_.is(Keyword::kFrom) || token_.is(Keyword::kInto) || token_.is(Keyword::kWhere) ||
           token_.is(Keyword::kLimit) || token_.is(Keyword::kUnion) || token_.is("EXCEPT") ||
           token_.is("INTERSECT") || token_.is("ORDER") || token_.is("GROUP") ||
           token_.is("HAVING") || token_.is("PROCEDURE") || token_.is(Keyword::kFor) ||
           token_.is(Keyword::kLock);
  }

  /// `word ( )`: the call. Other uses of the word stay.
  bool take_call() {
    const std::string* const value = token_.is("CONNECTION_ID") ? &connection_id_
                                     : token_.is("ROW_COUNT")   ? &row_count_
                                     : token_.is("FOUND_ROWS")  ? &found_rows_
                                                                : nullptr;
    if (value == nullptr || value->empty() || previous_.is(TokenKind::kDot)) {
      return false;
    }
    const Token word = token_;
    take_token();
    if (!token_.is(TokenKind::kOpenParen)) {
      return true;
    }
    take_token();
    if (!token_.is(TokenKind::kCloseParen)) {
      return true;
    }
    replace(word, *value);
    return true;
  }

  /// @@x or @@session.x of which the session has a value of its own.
  bool take_variable() {
    if (!token_.is(TokenKind::kSystemVariable) || is_assigned_to()) {
      return false;
    }
    const SystemVariableName variable = system_variable_name(token_.text);
    const bool of_writes = equals_ignoring_case(variable.name, "read_only");
    if (of_writes && !values_.read_only.empty()) {
      replace(token_, values_.read_only);
      return true;
    }
    const bool of_session = equals_ignoring_case(variable.scope, "session") ||
                            equals_ignoring_case(variable.scope, "local");
    const std::string* const global =
        equals_ignoring_case(variable.name, "event_scheduler") ? &values_.event_scheduler
        : equals_ignoring_case(variable.name, "init_connect")  ? &values_.init_connect
                                                               : nullptr;
    if (global != nullptr && !of_session && !global->empty()) {
      replace(token_, *global);
      return true;
    }
    const bool of_list = equals_ignoring_case(variable.name, kTrackedVariables);
    const bool of_schema = equals_ignoring_case(variable.name, kTrackedSchema);
    const bool of_thread = equals_ignoring_case(variable.name, "pseudo_thread_id");
    const std::string& value = of_list     ? values_.track_variables
                               : of_schema ? values_.track_schema
                                           : connection_id_;
    if ((!of_list && !of_schema && !of_thread) || value.empty() ||
        equals_ignoring_case(variable.scope, "global")) {
      return false;
    }
    replace(token_, value);
    return true;
  }

  /// What a SET names in front of a value.
  [[nodiscard]] bool is_assigned_to() const {
    return in_set_ && depth_ == 0 &&
           (previous_.is(Keyword::kSet) || previous_.is(TokenKind::kComma));
  }

  /// From `first` to the token at hand, which is passed.
  void replace(const Token& first, std::string_view value) {
    out_ += sql_.substr(copied_, begin_of(first) - copied_);
    out_ += value;
    copied_ = end_of(token_);
    replaced_ = replaced_in_item_ = true;
    take_token();
  }

  void take_token() {
    if (token_.is(TokenKind::kOpenParen)) {
      ++depth_;
    } else if (token_.is(TokenKind::kCloseParen) && depth_ > 0) {
      --depth_;
    }
    const bool starts = token_.is(TokenKind::kComma) && depth_ == 0;
    const bool modifies = token_.is(Keyword::kSelect) || token_.is("DISTINCT") ||
                          token_.is("ALL") || token_.is("SQL_NO_CACHE");
    before_previous_ = previous_;
    previous_ = token_;
    advance();
    if (in_select_list_ && (starts || (modifies && begin_of(previous_) == item_begin_))) {
      item_begin_ = begin_of(token_);
    }
  }

  /// Names a column whose text has changed as the server would have named it.
  void end_item() {
    const bool is_list_end = !token_.is(TokenKind::kComma);
    if (in_select_list_ && replaced_in_item_ && has_no_alias()) {
      const std::string_view name = sql_.substr(item_begin_, end_of(previous_) - item_begin_);
      if (name.size() <= kAliasBytesMax) {
        out_ += sql_.substr(copied_, end_of(previous_) - copied_);
        copied_ = end_of(previous_);
        out_ += " AS `";
        for (const char c : name) {
          out_ += c;
          if (c == '`') {
            out_ += '`';
          }
        }
        out_ += '`';
      }
    }
    replaced_in_item_ = false;
    in_select_list_ = in_select_list_ && !is_list_end;
  }

  /// Names and texts at the end may be one; what ends like this is not.
  [[nodiscard]] bool has_no_alias() const {
    return previous_.is(TokenKind::kCloseParen) || previous_.is(TokenKind::kPlaceholder) ||
           previous_.is(TokenKind::kSystemVariable) ||
           (previous_.is(TokenKind::kNumber) && before_previous_.is(TokenKind::kOperator));
  }

  const std::string_view sql_;
  SqlLexer lexer_;
  const SessionValues& values_;
  std::string connection_id_;  ///< what stands for the call; empty: the call
  std::string row_count_;
  std::string found_rows_;
  Token token_;
  Token previous_;
  Token before_previous_;
  std::string out_;
  std::size_t copied_ = 0;      ///< of sql_
  std::size_t item_begin_ = 0;  ///< of the column under way
  std::size_t depth_ = 0;       ///< of parentheses
  bool in_select_list_ = false;
  bool in_set_ = false;
  bool replaced_ = false;
  bool replaced_in_item_ = false;
};

}  // namespace

std::optional<std::string> with_session_values(std::string_view sql,
                                               const Statement& statement,
                                               const LexerOptions& options,
                                               const SessionValues& values) {
  if (!may_replace(statement, values) || in_doubt(sql, options)) {
    return std::nullopt;
  }
  return Replacer(sql, options, values).run();
}

}  // namespace consort::router
