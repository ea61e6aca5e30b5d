#include "router/program_opening.h"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "router/sql_lexer.h"
#include "router/statement.h"
#include "router/token.h"

namespace consort::router {
namespace {

/// Longer openings are not read.
constexpr unsigned kStatementsMax = 100;

bool is_one_of(const Token& token, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&token](std::string_view word) { return token.is(word); });
}

/// It looks at no data, depends on nothing that a commit changes, and has no effect.
bool is_plain(std::string_view expression, const LexerOptions& options) {
  const std::string sql = "SELECT " + std::string(expression);
  const Statement read = classify(sql, options);
  return read.kind == StatementKind::kSelect && read.has(Flag::kReadsOnly) &&
         !contains_ignoring_case(expression, "select") &&
         !contains_ignoring_case(expression, "@@") &&
         !read.flags.has_any(
             {Flag::kTouchesTables,      Flag::kMultiStatement,   Flag::kLockingRead,
              Flag::kIntoOutfile,        Flag::kIntoVariable,     Flag::kAssignsUserVariable,
              Flag::kLastInsertId,       Flag::kSetsLastInsertId, Flag::kFoundRows,
              Flag::kCalcFoundRows,      Flag::kRowCount,         Flag::kDiagnostics,
              Flag::kUserLock,           Flag::kTakesUserLock,    Flag::kReleasesUserLocks,
              Flag::kSessionState,       Flag::kUnknownFunction,  Flag::kSequence,
              Flag::kConditionalComment, Flag::kUncertain});
}

/// As in sql_mode ORACLE: BEGIN .. EXCEPTION WHEN .. END, a handler that stands behind.
bool has_exceptions(std::string_view body, const LexerOptions& options) {
  SqlLexer lexer(body, options);
  Token token = lexer.next();
  while (!token.is(TokenKind::kEnd) && !token.is("EXCEPTION")) {
    token = lexer.next();
  }
  return token.is("EXCEPTION");
}

/// Reads a body from its beginning.
class OpeningReader {
 public:
  OpeningReader(std::string_view body, std::string_view parameters, const LexerOptions& options)
      : lexer_(body, options), options_(options) {
    SqlLexer lexer(parameters, options);
    for (Token token = lexer.next(); !token.is(TokenKind::kEnd); token = lexer.next()) {
      note_name(token);
    }
    token_ = lexer_.next();
    next_ = lexer_.next();
  }

  ProgramOpening read() {
    for (unsigned i = 0; i < kStatementsMax && !ended_; ++i) {
      read_statement();
    }
    const bool certain = ended_ && !lexer_.saw_uncertain_text() &&
                         !lexer_.saw_conditional_comment() && !lexer_.saw_undecided_comment();
    return certain ? std::move(found_) : ProgramOpening();
  }

  /// Of `CALL p(..)`, from its first word on.
  bool reads_plain_call() {
    return token_.is("CALL") && read_call() && token_.is(TokenKind::kEnd) &&
           !lexer_.saw_uncertain_text() && !lexer_.saw_conditional_comment() &&
           !lexer_.saw_undecided_comment();
  }

 private:
  void advance() { token_ = std::exchange(next_, lexer_.next()); }

  void end(FirstDeed deed) {
    found_.deed = deed;
    ended_ = true;
  }

  void note_name(const Token& token) {
    if (token.is_name()) {
      names_.push_back(lower_case(token.name()));
    }
  }

  /// A parameter, or a variable that was declared.
  [[nodiscard]] bool is_variable(const Token& token) const {
    return token.is_name() &&
           std::find(names_.begin(), names_.end(), lower_case(token.name())) != names_.end();
  }

  [[nodiscard]] bool ends_statement() const {
    return token_.is(TokenKind::kSemicolon) || token_.is(TokenKind::kEnd);
  }

  void read_statement() {
    if (token_.is_name() && next_.text == ":") {  // a label
      advance();
      advance();
    }
    const Token first = token_;
    if (!first.is(TokenKind::kWord)) {
      end(FirstDeed::kUnknown);
      return;
    }
    advance();
    if (first.is("BEGIN")) {
      open_block();
    } else if (is_one_of(first, {"LOOP", "REPEAT"})) {
      // What stands in it comes at least once.
    } else if (first.is("DECLARE")) {
      pass(read_declaration());
    } else if (first.is("SET")) {
      pass(read_assignments());
    } else {
      end(deed_of(first));
    }
  }

  /// Behind a statement that did nothing.
  void pass(bool understood) {
    if (!understood || !token_.is(TokenKind::kSemicolon)) {
      end(FirstDeed::kUnknown);
    } else {
      advance();
    }
  }

  void open_block() {
    if (token_.is("NOT") && next_.is("ATOMIC")) {
      advance();
      advance();
    }
  }

  /// REQUIRES: `token_` is behind `first`.
  FirstDeed deed_of(const Token& first) {
    if (is_one_of(first, {"COMMIT", "ROLLBACK"})) {
      if (token_.is("WORK")) {
        advance();
      }
      return !ends_statement()    ? FirstDeed::kUnknown  // TO SAVEPOINT, AND CHAIN
             : first.is("COMMIT") ? FirstDeed::kCommits
                                  : FirstDeed::kRollsBack;
    }
    if (first.is("START")) {
      return token_.is("TRANSACTION") ? FirstDeed::kCommits : FirstDeed::kUnknown;
    }
    if (first.is("CALL")) {
      return read_called() ? FirstDeed::kCalls : FirstDeed::kUnknown;
    }
    if (!is_one_of(first, {"CREATE", "ALTER", "DROP", "TRUNCATE", "RENAME", "GRANT", "REVOKE"})) {
      return FirstDeed::kUnknown;
    }
    if (token_.is("OR") && next_.is("REPLACE")) {
      advance();
      advance();
    }
    return is_one_of(token_, {"TEMPORARY", "PREPARE"}) ? FirstDeed::kUnknown : FirstDeed::kCommits;
  }

  bool read_declaration() {
    if (is_one_of(token_, {"CONTINUE", "EXIT", "UNDO"}) && next_.is("HANDLER")) {
      found_.handled = true;
      return skip_handler();
    }
    note_name(token_);
    advance();
    while (token_.is(TokenKind::kComma)) {
      advance();
      note_name(token_);
      advance();
    }
    if (is_one_of(token_, {"CURSOR", "CONDITION"})) {
      skip_to_end();  // a cursor reads when it is opened
      return true;
    }
    while (!ends_statement() && !is_one_of(token_, {"DEFAULT", "OF"}) &&
           !token_.is(TokenKind::kAssign)) {
      advance();
    }
    if (ends_statement()) {
      return true;
    }
    const bool has_value = !token_.is("OF");  // the type of a table's column
    advance();
    return has_value && read_plain();
  }

  void skip_to_end() {
    while (!ends_statement()) {
      advance();
    }
  }

  /// DECLARE .. HANDLER FOR conditions, then its statement: to the semicolon behind it.
  bool skip_handler() {
    advance();
    advance();
    do {
      advance();  // FOR, or a comma
      if (token_.is("SQLSTATE") || (token_.is("NOT") && next_.is("FOUND"))) {
        advance();
        if (token_.is("VALUE")) {
          advance();
        }
      }
      advance();
    } while (token_.is(TokenKind::kComma));
    if (is_one_of(token_, {"IF", "CASE", "LOOP", "REPEAT", "WHILE", "FOR"}) || next_.text == ":") {
      return false;
    }
    unsigned depth = 0;
    bool behind_end = false;
    while (!token_.is(TokenKind::kEnd)) {
      const bool deeper = token_.is("BEGIN") || (token_.is("CASE") && !behind_end);
      depth += deeper ? 1 : 0;
      if (token_.is("END") && !is_one_of(next_, {"IF", "LOOP", "REPEAT", "WHILE", "FOR"})) {
        if (depth == 0) {
          return false;
        }
        --depth;
      }
      if (depth == 0 && token_.is(TokenKind::kSemicolon)) {
        return true;
      }
      behind_end = token_.is("END");
      advance();
    }
    return false;
  }

  /// SET a = 1, @b = 2: variables of the procedure, and constants for those of the session.
  bool read_assignments() {
    for (;;) {
      const bool of_session = token_.is(TokenKind::kUserVariable);
      const bool own = is_variable(token_) && !next_.is(TokenKind::kDot);
      advance();
      if (!(of_session || own) || !(token_.is(TokenKind::kAssign) || token_.is_operator("="))) {
        return false;
      }
      advance();
      if (of_session) {
        const bool constant = token_.is(TokenKind::kNumber) || token_.is(TokenKind::kString) ||
                              is_one_of(token_, {"NULL", "TRUE", "FALSE"});
        advance();
        if (!constant || !(ends_statement() || token_.is(TokenKind::kComma))) {
          return false;
        }
      } else if (!read_plain()) {
        return false;
      }
      if (!token_.is(TokenKind::kComma)) {
        return true;
      }
      advance();
    }
  }

  /// An expression, to the comma, bracket or semicolon behind it.
  bool read_plain() {
    const char* const begin = token_.text.data();
    const char* end = begin;
    unsigned depth = 0;
    while (!ends_statement()) {
      if (depth == 0 && (token_.is(TokenKind::kComma) || token_.is(TokenKind::kCloseParen))) {
        break;
      }
      depth += token_.is(TokenKind::kOpenParen) ? 1 : 0;
      depth -= token_.is(TokenKind::kCloseParen) ? 1 : 0;
      found_.constant =
          found_.constant && !is_variable(token_) && !token_.is(TokenKind::kUserVariable);
      end = token_.text.data() + token_.text.size();
      advance();
    }
    return end > begin && is_plain({begin, static_cast<std::size_t>(end - begin)}, options_);
  }

  bool read_called() { return read_call() && ends_statement(); }

  /// Its name and arguments; `token_` is CALL, or behind it.
  bool read_call() {
    if (token_.is("CALL")) {
      advance();
    }
    if (!token_.is_name()) {
      return false;
    }
    found_.called.name = identifier_text(token_.name());
    advance();
    if (token_.is(TokenKind::kDot)) {
      advance();
      if (!token_.is_name()) {
        return false;
      }
      found_.called.schema = std::exchange(found_.called.name, identifier_text(token_.name()));
      advance();
    }
    if (token_.is(TokenKind::kOpenParen)) {
      if (!read_arguments()) {
        return false;
      }
    }
    if (token_.is(TokenKind::kSemicolon) && next_.is(TokenKind::kEnd)) {
      advance();
    }
    return true;
  }

  bool read_arguments() {
    advance();
    if (token_.is(TokenKind::kCloseParen)) {
      advance();
      return true;
    }
    while (read_plain()) {
      const bool more = token_.is(TokenKind::kComma);
      if (!more && !token_.is(TokenKind::kCloseParen)) {
        return false;
      }
      advance();
      if (!more) {
        return true;
      }
    }
    return false;
  }

  SqlLexer lexer_;
  const LexerOptions options_;
  Token token_;
  Token next_;
  ProgramOpening found_;
  std::vector<std::string> names_;  ///< in lower case
  bool ended_ = false;
};

/// What stands between commas outside of parentheses; the first part begins at `begin`.
class ListCutter {
 public:
  ListCutter(std::string_view text, const LexerOptions& options) : lexer_(text, options) {}

  [[nodiscard]] Token next() { return token_ = lexer_.next(); }

  /// From the present token on to the comma, closing parenthesis or end behind it.
  std::string_view cut() {
    const char* const begin = token_.text.data();
    const char* end = begin;
    unsigned depth = 0;
    while (!token_.is(TokenKind::kEnd)) {
      if (depth == 0 && (token_.is(TokenKind::kComma) || token_.is(TokenKind::kCloseParen))) {
        break;
      }
      depth += token_.is(TokenKind::kOpenParen) ? 1 : 0;
      depth -= token_.is(TokenKind::kCloseParen) ? 1 : 0;
      end = token_.text.data() + token_.text.size();
      placeholders_ = placeholders_ || token_.is(TokenKind::kPlaceholder);
      (void)next();
    }
    return {begin, static_cast<std::size_t>(end - begin)};
  }

  [[nodiscard]] const Token& token() const { return token_; }

  [[nodiscard]] bool saw_placeholder() const { return placeholders_; }

 private:
  SqlLexer lexer_;
  Token token_;
  bool placeholders_ = false;
};

struct Parameter {
  bool in = true;
  bool out = false;
  std::string_view type;
};

std::vector<Parameter> parameters_of(std::string_view parameters, const LexerOptions& options) {
  std::vector<Parameter> found;
  ListCutter list(parameters, options);
  (void)list.next();
  while (!list.token().is(TokenKind::kEnd)) {
    Parameter parameter;
    parameter.in = !list.token().is("OUT");
    parameter.out = !parameter.in || list.token().is("INOUT");
    if (parameter.out || list.token().is("IN")) {
      (void)list.next();
    }
    (void)list.next();  // its name
    parameter.type = list.cut();
    found.push_back(parameter);
    (void)list.next();
  }
  return found;
}

bool is_user_variable(std::string_view argument, const LexerOptions& options) {
  SqlLexer lexer(argument, options);
  const bool begins = lexer.next().is(TokenKind::kUserVariable);
  return begins && lexer.next().is(TokenKind::kEnd);
}

}  // namespace

ProgramOpening program_opening(std::string_view body,
                               std::string_view parameters,
                               const LexerOptions& options) {
  return has_exceptions(body, options) ? ProgramOpening()
                                       : OpeningReader(body, parameters, options).read();
}

std::optional<std::string> call_question(std::string_view call,
                                         std::string_view parameters,
                                         const LexerOptions& options) {
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (!std::all_of(parameters.begin(), parameters.end(), is_ascii)) {
    return std::nullopt;  // in whatever character set
  }
  const std::vector<Parameter> wanted = parameters_of(parameters, options);
  ListCutter list(call, options);
  (void)list.next();
  const char* const begin = list.token().text.data();
  const char* end = begin;
  while (!list.token().is(TokenKind::kOpenParen) && !list.token().is(TokenKind::kEnd) &&
         !list.token().is(TokenKind::kSemicolon)) {
    end = list.token().text.data() + list.token().text.size();
    (void)list.next();
  }
  const std::string_view head(begin, static_cast<std::size_t>(end - begin));
  std::string declared;
  std::string given;
  std::size_t count = 0;
  if (list.token().is(TokenKind::kOpenParen) && !list.next().is(TokenKind::kCloseParen)) {
    do {
      const std::string argument(list.cut());
      const Parameter parameter = count < wanted.size() ? wanted[count] : Parameter();
      if (parameter.out && !is_user_variable(argument, options)) {
        return std::nullopt;
      }
      if (parameter.in) {
        declared.append("DECLARE `consort ").append(std::to_string(count)).append("` ");
        declared.append(parameter.type).append(" DEFAULT (").append(argument).append("); ");
      }
      given.append(argument).append(",");
      ++count;
    } while (list.token().is(TokenKind::kComma) && !list.next().is(TokenKind::kEnd));
  }
  if (count != wanted.size() || list.saw_placeholder()) {
    return std::nullopt;
  }
  return "BEGIN NOT ATOMIC " + declared + std::string(head) + "(" + given + "NULL); END";
}

bool has_plain_arguments(std::string_view call, const LexerOptions& options) {
  return OpeningReader(call, {}, options).reads_plain_call();
}

}  // namespace consort::router
