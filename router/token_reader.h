// TokenReader: goes through a statement's text token by token and knows where in it it is, for
// those who cut texts. Threads: none; one statement's.
#pragma once

#include <cstddef>
#include <string_view>

#include "router/lexer_options.h"
#include "router/sql_lexer.h"
#include "router/statement.h"

namespace consort::router {

/// A statement ends at its first `;`, or with the text.
class TokenReader {
 public:
  TokenReader(std::string_view sql, const LexerOptions& options) : sql_(sql), lexer_(sql, options) {
    advance();
  }

  [[nodiscard]] const Token& token() const { return token_; }

  [[nodiscard]] bool ended() const {
    return token_.is(TokenKind::kEnd) || token_.is(TokenKind::kSemicolon);
  }

  [[nodiscard]] bool doubtful() const {
    return lexer_.saw_uncertain_text() || lexer_.saw_conditional_comment();
  }

  /// The token behind the current one.
  [[nodiscard]] Token following() const { return SqlLexer(lexer_).next(); }

  /// Where the current token begins.
  [[nodiscard]] std::size_t at() const {
    return token_.is(TokenKind::kEnd) ? sql_.size()
                                      : static_cast<std::size_t>(token_.text.data() - sql_.data());
  }

  /// Where the token before the current one has ended.
  [[nodiscard]] std::size_t behind() const { return behind_; }

  void advance() {
    if (!token_.text.empty()) {
      behind_ = at() + token_.text.size();
    }
    token_ = lexer_.next();
  }

  template <typename What>
  bool accept(What what) {
    if (!token_.is(what)) {
      return false;
    }
    advance();
    return true;
  }

  /// From an opening parenthesis to behind the closing one.
  void skip_parentheses() {
    std::size_t depth = 0;
    do {
      if (token_.is(TokenKind::kOpenParen)) {
        ++depth;
      } else if (token_.is(TokenKind::kCloseParen)) {
        --depth;
      }
      advance();
    } while (depth > 0 && !ended());
  }

 private:
  const std::string_view sql_;
  SqlLexer lexer_;
  Token token_;
  std::size_t behind_ = 0;
};

/// Goes over `[schema.]name` and sets these two of `table`. False: no name stands there, or none
/// behind the dot.
[[nodiscard]] bool read_table_name(TokenReader& reader, TableRef& table);

}  // namespace consort::router
