// StatementScan: the one pass over a statement's tokens. The classifier moves it from token to
// token and lets it scan bodies; it collects tables, flags and the digest on the way. Private to
// the classifier. Threads: none; one statement's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "router/functions.h"
#include "router/normalised_stream.h"
#include "router/sql_lexer.h"
#include "router/statement.h"

namespace consort::router {

class StatementScan {
 public:
  /// `out` and the text outlive the scan. The first token is current.
  StatementScan(std::string_view sql, const LexerOptions& options, Statement& out);

  [[nodiscard]] const LexerOptions& options() const { return options_; }

  [[nodiscard]] const Token& token() const { return token_; }

  [[nodiscard]] const Token& previous() const { return previous_; }

  /// At the statement's end: its text's, or a `;` that separates it from the next.
  [[nodiscard]] bool ended() const { return token_.is(TokenKind::kEnd); }

  void advance();

  /// Advances past the current token if it is this; else stays and answers false.
  bool accept(Keyword keyword);
  bool accept(std::string_view word);
  bool accept(TokenKind kind);

  /// How a body begins.
  enum class Body : std::uint8_t {
    kQuery,       ///< at SELECT, WITH, VALUES, `(`; or any expression
    kWriteTable,  ///< behind INSERT or REPLACE: one written table follows
    kUpdate,      ///< behind UPDATE: written tables follow, up to SET
    kDelete       ///< behind DELETE: written tables follow
  };

  /// Scans from the current token to the statement's end.
  void scan_body(Body body);

  /// Scans one expression: up to a comma outside parentheses, `word`, or the end. `word` may be
  /// empty.
  void scan_expression(std::string_view word);

  /// Reads `[schema.]name` and adds it to the tables; false when no name is current.
  bool read_table(TableRole role);

  /// From here on `;` inside BEGIN .. END belongs to the statement (stored programs).
  /// `blocks_open`: how many BEGINs are behind already.
  void enter_program(std::size_t blocks_open) {
    in_program_ = true;
    blocks_open_ = blocks_open;
  }

  /// For enter_program(): no `;` ends the statement.
  static constexpr std::size_t kNeverEnds = std::size_t{1} << 40;

  /// The statement is known to change rows, even if it is only explained.
  void note_write() { saw_write_word_ = true; }

  /// An INSERT, UPDATE or DELETE was seen.
  [[nodiscard]] bool saw_write_word() const { return saw_write_word_; }

  /// Goes to the end and completes digest, rest, hints and the flags about the text.
  void finish();

 private:
  /// One level of parentheses.
  struct Level {
    bool expects_table = false;
    bool in_from = false;   ///< a comma makes another table follow
    bool has_from = false;  ///< SELECT or DELETE stands here: FROM names tables
    bool in_with = false;   ///< names of common table expressions stand here
    TableRole role = TableRole::kRead;
    FunctionClass call = FunctionClass::kSyntax;  ///< whose parentheses these are
  };

  static constexpr std::size_t kLevelsHere = 64;     ///< without memory of their own
  static constexpr std::size_t kLevelsMax = 10'000;  ///< as deep as a statement is followed

  [[nodiscard]] Level& level() {
    return depth_ < kLevelsHere ? levels_[depth_] : deeper_[depth_ - kLevelsHere];
  }

  void start_body(Body body);
  void inspect();
  void inspect_word();
  bool inspect_keyword();
  void inspect_name();
  void inspect_into();
  void inspect_system_variable();
  void begin_table_list();
  void end_table_list();
  void open_parenthesis(bool after_table);
  void close_parenthesis();
  [[nodiscard]] FunctionClass called_function();
  void note_call(FunctionClass function);
  void add_table(std::string_view name, TableRole role);
  void follow_blocks();
  void stop_at_separator();
  [[nodiscard]] bool text_is_suspicious() const;

  const std::string_view sql_;
  const LexerOptions options_;
  Statement& out_;
  SqlLexer lexer_;
  DigestHash digest_;
  NormalisedStream<DigestHash> normalised_;
  Token token_;
  Token previous_;
  Token before_previous_;
  std::array<Level, kLevelsHere> levels_;
  std::vector<Level> deeper_;
  std::size_t depth_ = 0;
  std::size_t depth_beyond_ = 0;  ///< parentheses deeper than kLevelsMax
  std::size_t blocks_open_ = 0;   ///< BEGIN and CASE without their END, in a stored program
  bool stopped_ = false;          ///< the end was reached
  bool in_program_ = false;
  bool in_table_name_ = false;  ///< the last token belongs to the name of the last table
  bool into_ = false;           ///< the last token was the INTO of a query
  bool in_row_change_ = false;  ///< the body of an INSERT, UPDATE, DELETE or REPLACE
  bool saw_write_word_ = false;
};

}  // namespace consort::router
