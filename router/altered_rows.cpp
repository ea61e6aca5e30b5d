#include "router/altered_rows.h"

#include <algorithm>
#include <array>

#include "router/functions.h"
#include "router/sql_lexer.h"
#include "router/statement.h"

namespace consort::router {
namespace {

/// Safe to be read anywhere, but another value on each server, for each account, row or moment.
/// NOW() and its like are not among them: DDL has one time on all servers.
constexpr std::array<std::string_view, 16> kOwnValues{
    "CURRENT_ROLE", "CURRENT_USER", "DES_ENCRYPT",  "ENCRYPT", "RAND",        "RANDOM_BYTES",
    "ROWNUM",       "ROW_NUMBER",   "SESSION_USER", "SYSDATE", "SYSTEM_USER", "SYS_GUID",
    "USER",         "UUID",         "UUID_SHORT",   "VERSION"};

class AlterReader {
 public:
  AlterReader(std::string_view sql, const LexerOptions& options)
      : options_(options), lexer_(sql, options) {
    advance();
  }

  AlteredRows read() {
    while (!at_end() && !token_.is(Keyword::kTable)) {
      rows_.thinned_out = rows_.thinned_out || token_.is("IGNORE");
      advance();
    }
    while (!at_end()) {
      read_token();
    }
    return std::move(rows_);
  }

 private:
  void advance() {
    previous_ = token_;
    token_ = lexer_.next();
  }

  [[nodiscard]] bool at_end() const { return token_.is(TokenKind::kEnd); }

  void read_token() {
    if (depth_ == 0 && token_.is("ADD")) {
      adds_ = true;
    } else if (depth_ == 0 && token_.is(TokenKind::kComma)) {
      adds_ = false;
    }
    note_depth();
    const bool numbers = token_.is("AUTO_INCREMENT") || token_.is("SERIAL");
    const bool has_default = token_.is("DEFAULT");
    advance();
    if (numbers && !token_.is_operator("=") && !token_.is(TokenKind::kNumber)) {
      rows_.numbered = true;  // else it is the table's option
    }
    if (has_default && adds_) {
      read_default();
    }
  }

  void note_depth() {
    if (token_.is(TokenKind::kOpenParen)) {
      ++depth_;
    } else if (token_.is(TokenKind::kCloseParen)) {
      --depth_;
    }
  }

  /// A literal, a function's call, or an expression in parentheses.
  void read_default() {
    const int outside = depth_;
    do {
      read_part();
      note_depth();
      advance();
    } while (!at_end() && (depth_ > outside ||
                           (token_.is(TokenKind::kOpenParen) && previous_.is(TokenKind::kWord))));
  }

  void read_part() {
    if (token_.is(TokenKind::kUserVariable) || token_.is(TokenKind::kSystemVariable)) {
      note(token_.text);
    } else if (token_.is("CURRENT_USER") || token_.is("CURRENT_ROLE") || at_sequence()) {
      note(token_.text);
    } else if (token_.is(TokenKind::kOpenParen) && previous_.is_name() && differs()) {
      note(previous_.text);
    }
  }

  /// NEXT VALUE FOR s, s.NEXTVAL
  [[nodiscard]] bool at_sequence() const {
    return previous_.is(TokenKind::kDot) ? token_.is("NEXTVAL") || token_.is("CURRVAL")
                                         : token_.is("NEXT") || token_.is("PREVIOUS");
  }

  [[nodiscard]] bool differs() const {
    if (previous_.is(TokenKind::kQuotedIdentifier)) {
      return true;
    }
    switch (classify_function(previous_.text, token_.space_before, options_)) {
      case FunctionClass::kSyntax:
      case FunctionClass::kGeometry:
        return false;
      case FunctionClass::kSafe:
        return std::any_of(kOwnValues.begin(), kOwnValues.end(), [this](std::string_view name) {
          return equals_ignoring_case(previous_.text, name);
        });
      default:
        return true;
    }
  }

  void note(std::string_view what) {
    if (rows_.own_value.empty()) {
      rows_.own_value = what;
    }
  }

  LexerOptions options_;
  SqlLexer lexer_;
  Token token_;
  Token previous_;
  int depth_ = 0;
  bool adds_ = false;  ///< in the part that begins with ADD
  AlteredRows rows_;
};

}  // namespace

AlteredRows altered_rows(std::string_view sql, const LexerOptions& options) {
  return AlterReader(sql, options).read();
}

}  // namespace consort::router
