// SqlLexer: cuts SQL text into tokens as MariaDB's and MySQL's own lexers do, without allocating.
// Blanks and comments are skipped; comments that the server executes (/*! .. */, /*M! .. */) are
// lexed as the SQL they are. Any bytes are accepted: what makes no sense is a kInvalid token.
// Threads: none; one statement's.
#pragma once

#include <string_view>

#include "router/lexer_options.h"
#include "router/token.h"

namespace consort::router {

class SqlLexer {
 public:
  /// `sql` must outlive the lexer and its tokens.
  SqlLexer(std::string_view sql, const LexerOptions& options);

  /// The next token; kEnd for ever when there is none.
  [[nodiscard]] Token next();

  /// Everything that next() has not reached.
  [[nodiscard]] std::string_view unread() const;

  /// Inside of the first comment that begins with `consort:`, so far; empty when there was none.
  [[nodiscard]] std::string_view hint_comment() const { return hint_comment_; }

  /// A comment was skipped that a newer server than LexerOptions::server_version would run.
  [[nodiscard]] bool saw_conditional_comment() const { return saw_conditional_comment_; }

  /// One of them some backends would run, others not, as far as is known.
  [[nodiscard]] bool saw_undecided_comment() const { return saw_undecided_comment_; }

  /// Something was seen that cannot be cut with certainty: an unended quote or comment, or an
  /// unquoted byte that may be a blank in a single-byte character set.
  [[nodiscard]] bool saw_uncertain_text() const { return saw_uncertain_text_; }

 private:
  enum class CommentKind { kNone, kSkipped, kExecuted, kUnended };

  [[nodiscard]] Token scan();
  [[nodiscard]] Token make(TokenKind kind, const unsigned char* begin) const;
  [[nodiscard]] Token quoted(TokenKind kind, const unsigned char* begin, unsigned char quote);
  [[nodiscard]] Token name_after_dot();
  [[nodiscard]] Token user_variable(const unsigned char* begin);
  [[nodiscard]] Token invalid(const unsigned char* begin);
  void skip_line();
  [[nodiscard]] CommentKind begin_comment();
  [[nodiscard]] CommentKind begin_executed_comment(bool mariadb_only);
  [[nodiscard]] CommentKind skip_comment(bool nested_allowed);
  void note_comment(const unsigned char* begin, const unsigned char* end);

  const unsigned char* cursor_;
  const unsigned char* const limit_;
  const LexerOptions options_;
  bool in_executed_comment_ = false;
  bool after_name_ = false;  ///< the last token was a name: a dot right behind it joins another
  bool after_dot_ = false;   ///< the last token was such a dot
  bool space_before_ = false;
  bool saw_conditional_comment_ = false;
  bool saw_undecided_comment_ = false;
  bool saw_uncertain_text_ = false;
  std::string_view hint_comment_;
};

}  // namespace consort::router
