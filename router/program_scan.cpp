#include "router/program_scan.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "router/guarded_settings.h"
#include "router/host_account.h"
#include "router/sql_lexer.h"
#include "router/statement.h"
#include "router/token.h"

namespace consort::router {
namespace {

bool is_any_of(const Token& token, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&token](std::string_view word) { return token.is(word); });
}

/// A string literal's text, as far as it matters where statements begin.
std::string text_of_literal(std::string_view literal) {
  const std::size_t open = literal.find_first_of("'\"");
  if (open == std::string_view::npos || literal.size() < open + 2) {
    return {};
  }
  const char quote = literal[open];
  const std::string_view inside = literal.substr(open + 1, literal.size() - open - 2);
  std::string text;
  text.reserve(inside.size());
  for (std::size_t at = 0; at < inside.size(); ++at) {
    const bool doubled = inside[at] == quote && at + 1 < inside.size() && inside[at + 1] == quote;
    const bool escaped = inside[at] == '\\' && at + 1 < inside.size();
    at += doubled || escaped ? 1 : 0;
    text += escaped && inside[at] == 'n' ? '\n' : inside[at];
  }
  return text;
}

/// Reads the words of a body, or of any text that may be a statement.
class ProgramScanner {
 public:
  ProgramScanner(std::string_view body, const LexerOptions& options)
      : body_(body), lexer_(body, options), options_(options) {
    advance();
  }

  ProgramScan scan() {
    bool begins = true;
    while (!token_.is(TokenKind::kEnd)) {
      if (token_.is(TokenKind::kString)) {
        literals_.push_back(token_.text);
      }
      if ((begins || in_handler_) && token_.is(TokenKind::kWord)) {
        begins = begin_statement();
        continue;
      }
      note_setting();
      note_server_lock();
      note_schema();
      if (token_.is(TokenKind::kSemicolon)) {
        end_ddl(token_.text.data());
      }
      begins = begins_behind();
      in_handler_ = in_handler_ && !begins;
      advance();
    }
    end_ddl(body_.data() + body_.size());
    found_.uncertain = lexer_.saw_uncertain_text() || lexer_.saw_conditional_comment();
    if (found_.dynamic) {
      scan_texts();
    }
    return std::move(found_);
  }

  /// What the literals say. REQUIRES: scan() was called.
  ProgramScan scan_literals() {
    found_ = ProgramScan();
    scan_texts();
    return std::move(found_);
  }

 private:
  void advance() { token_ = lexer_.next(); }

  /// A statement may begin behind the token: it ends one, or opens a block.
  [[nodiscard]] bool begins_behind() const {
    return token_.is(TokenKind::kSemicolon) || token_.text == ":" ||
           is_any_of(token_, {"THEN", "ELSE", "DO", "LOOP", "REPEAT", "BEGIN", "ATOMIC"});
  }

  /// `SET a = 1, autocommit = 0`, `SET @@autocommit = 0`, and those that are Consort's own.
  void note_setting() {
    if (!in_set_) {
      return;
    }
    depth_ += token_.is(TokenKind::kOpenParen) ? 1 : token_.is(TokenKind::kCloseParen) ? -1 : 0;
    if (depth_ > 0) {
      return;  // `=` compares there
    }
    if (token_.is(TokenKind::kAssign) || token_.is_operator("=")) {
      found_.unfit = found_.unfit || is_guarded_setting(assigned_);
      found_.ends_transactions =
          found_.ends_transactions || equals_ignoring_case(assigned_, "autocommit");
    }
    const bool system = token_.is(TokenKind::kSystemVariable);
    assigned_ = system             ? system_variable_name(token_.text).name
                : token_.is_name() ? token_.name()
                                   : std::string_view();
  }

  /// FLUSH TABLES .. WITH READ LOCK, .. FOR EXPORT: lanes would wait for it, and it for them.
  void note_server_lock() {
    found_.unfit = found_.unfit || (in_flush_ && is_any_of(token_, {"LOCK", "EXPORT"}));
  }

  /// Tables of `mysql` and `consort` are written by nobody but those who know how.
  void note_schema() {
    found_.unfit = found_.unfit || (names_schema_ && token_.is(TokenKind::kDot));
    names_schema_ = token_.is_name() && (equals_ignoring_case(token_.name(), "mysql") ||
                                         equals_ignoring_case(token_.name(), "consort"));
  }

  void end_ddl(const char* end) {
    if (set_account_ != nullptr) {
      const std::string_view sql(set_account_, static_cast<std::size_t>(end - set_account_));
      found_.names_host = found_.names_host || account_by_host_name(sql, options_).has_value();
      set_account_ = nullptr;
    }
    if (ddl_ == nullptr) {
      return;
    }
    const std::string_view sql(ddl_, static_cast<std::size_t>(end - ddl_));
    ProgramDdl ddl = program_ddl(sql, options_);
    found_.unfit = found_.unfit || ddl.differs;
    found_.makes_function = found_.makes_function || ddl.makes_function;
    found_.makes_trigger = found_.makes_trigger || ddl.makes_trigger;
    found_.names_host = found_.names_host || ddl.names_host;
    add(std::move(ddl.copied), found_.copied);
    ddl_ = nullptr;
  }

  /// The token may be the first word of a statement. Returns what scan() knows behind it.
  bool begin_statement() {
    const Token first = token_;
    in_set_ = first.is("SET");
    in_flush_ = first.is("FLUSH");
    assigned_ = {};
    depth_ = 0;
    const bool opens = begins_behind();
    in_handler_ = in_handler_ && !opens && !in_set_;
    advance();
    const auto is = [&first](std::string_view word) { return first.is(word); };
    if (is("DECLARE")) {
      begin_declaration();
    } else if (is("COMMIT")) {
      found_.ends_transactions = true;
    } else if (is("ROLLBACK")) {
      found_.ends_transactions = found_.ends_transactions || !(token_.is("TO") || works_to());
    } else if (is("START")) {
      found_.begins_transaction = found_.begins_transaction || token_.is("TRANSACTION");
      found_.ends_transactions = found_.ends_transactions || token_.is("TRANSACTION");
      found_.unfit = found_.unfit || is_any_of(token_, {"SLAVE", "REPLICA", "ALL"});
    } else if (is("EXECUTE") || is("PREPARE")) {
      found_.dynamic = true;
    } else if (is("SET") && is_any_of(token_, {"PASSWORD", "DEFAULT"})) {
      found_.executes_ddl = true;
      set_account_ = first.text.data();
    } else if (is_any_of(first, {"XA", "RESET", "PURGE", "CHANGE", "BACKUP", "SHUTDOWN", "STOP",
                                 "INSTALL", "UNINSTALL", "BINLOG"})) {
      found_.unfit = true;
    } else if (is("CALL")) {
      take_call();
    } else if (is_any_of(first,
                         {"CREATE", "ALTER", "DROP", "TRUNCATE", "RENAME", "GRANT", "REVOKE",
                          "ANALYZE", "OPTIMIZE", "REPAIR", "CHECK", "CACHE", "FLUSH", "LOCK"})) {
      take_ddl(first);
    }
    return opens;
  }

  /// A handler's statement stands behind its conditions, with nothing between them.
  void begin_declaration() {
    if (is_any_of(token_, {"CONTINUE", "EXIT", "UNDO"})) {
      advance();
      in_handler_ = token_.is("HANDLER");
    }
  }

  /// ROLLBACK WORK TO ..
  bool works_to() {
    if (!token_.is("WORK")) {
      return false;
    }
    advance();
    return token_.is("TO");
  }

  void take_ddl(const Token& verb) {
    const bool inside = ddl_ != nullptr;  // CREATE EVENT .. DO, CASE .. THEN TRUNCATE()
    ddl_ = inside ? ddl_ : verb.text.data();
    found_.renames = found_.renames || verb.is("RENAME");
    if (token_.is("OR")) {  // CREATE OR REPLACE
      advance();
      advance();
    }
    found_.unfit = found_.unfit || token_.is("SERVER");
    if (token_.is("TEMPORARY")) {
      found_.makes_temporary = found_.makes_temporary || verb.is("CREATE");
      ddl_ = inside ? ddl_ : nullptr;
    } else {
      found_.executes_ddl = true;
    }
  }

  void take_call() {
    ObjectName called;
    called.name = identifier_text(token_.name());
    advance();
    if (token_.is(TokenKind::kDot)) {
      advance();
      called.schema = std::exchange(called.name, identifier_text(token_.name()));
      advance();
    }
    add({std::move(called)}, found_.calls);
  }

  /// Each once.
  static void add(std::vector<ObjectName> more, std::vector<ObjectName>& names) {
    for (ObjectName& name : more) {
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        names.push_back(std::move(name));
      }
    }
  }

  /// Literals that are statements, or begin like one: the body executes text.
  void scan_texts() {
    for (const std::string_view literal : literals_) {
      const std::string text = text_of_literal(literal);
      ProgramScan said = ProgramScanner(text, options_).scan();
      found_.ends_transactions = found_.ends_transactions || said.ends_transactions;
      found_.begins_transaction = found_.begins_transaction || said.begins_transaction;
      found_.executes_ddl = found_.executes_ddl || said.executes_ddl;
      found_.unfit = found_.unfit || said.unfit;
      found_.renames = found_.renames || said.renames;
      found_.makes_temporary = found_.makes_temporary || said.makes_temporary;
      found_.makes_function = found_.makes_function || said.makes_function;
      found_.makes_trigger = found_.makes_trigger || said.makes_trigger;
      found_.names_host = found_.names_host || said.names_host;
      add(std::move(said.calls), found_.calls);
      add(std::move(said.copied), found_.copied);
    }
  }

  std::string_view body_;
  SqlLexer lexer_;
  const LexerOptions options_;
  Token token_;
  ProgramScan found_;
  std::vector<std::string_view> literals_;
  const char* ddl_ = nullptr;          ///< where the DDL begins that is being read
  const char* set_account_ = nullptr;  ///< where SET PASSWORD or SET DEFAULT ROLE begins
  std::string_view assigned_;          ///< the name in front of the token, in a SET
  int depth_ = 0;                      ///< of parentheses, in a SET
  bool in_set_ = false;
  bool in_flush_ = false;
  bool names_schema_ = false;  ///< the token before is the name of a schema that is not clients'
  bool in_handler_ = false;    ///< DECLARE .. HANDLER FOR: its statement may begin anywhere
};

}  // namespace

ProgramScan scan_program(std::string_view body, const LexerOptions& options) {
  return ProgramScanner(body, options).scan();
}

ProgramScan scan_literals(std::string_view sql, const LexerOptions& options) {
  ProgramScanner scanner(sql, options);
  (void)scanner.scan();
  return scanner.scan_literals();
}

std::optional<ObjectName> called_procedure(std::string_view sql, const LexerOptions& options) {
  SqlLexer lexer(sql, options);
  if (!lexer.next().is("CALL")) {
    return std::nullopt;
  }
  const Token first = lexer.next();
  ObjectName called;
  called.name = identifier_text(first.name());
  Token next = lexer.next();
  if (next.is(TokenKind::kDot)) {
    const Token second = lexer.next();
    if (!second.is_name()) {
      return std::nullopt;
    }
    called.schema = std::exchange(called.name, identifier_text(second.name()));
    next = lexer.next();
  }
  const bool ends =
      next.is(TokenKind::kEnd) || next.is(TokenKind::kSemicolon) || next.is(TokenKind::kOpenParen);
  const bool certain = !lexer.saw_uncertain_text() && !lexer.saw_conditional_comment();
  return first.is_name() && ends && certain && !called.name.empty() ? std::optional(called)
                                                                    : std::nullopt;
}

}  // namespace consort::router
