#include "router/lock_list.h"

#include <charconv>

#include "router/sql_lexer.h"
#include "router/statement.h"

namespace consort::router {
namespace {

std::optional<std::uint32_t> number_of(const Token& token) {
  std::uint32_t number = 0;
  const char* const end = token.text.data() + token.text.size();
  const auto read = std::from_chars(token.text.data(), end, number);
  const bool whole = token.is(TokenKind::kNumber) && read.ec == std::errc{} && read.ptr == end;
  return whole ? std::optional(number) : std::nullopt;
}

class LockListReader {
 public:
  LockListReader(std::string_view sql, const LexerOptions& options)
      : sql_(sql), lexer_(sql, options) {
    advance();
  }

  std::optional<LockList> read() {
    if (token_.is(Keyword::kSet) && !read_settings()) {
      return std::nullopt;
    }
    const bool begins = accept(Keyword::kLock) && (accept("TABLES") || accept(Keyword::kTable));
    if (!begins) {
      return std::nullopt;
    }
    list_.sql += "LOCK TABLES ";
    do {
      if (!read_item()) {
        return std::nullopt;
      }
    } while (accept_comma());
    if (!read_wait() || !read_end()) {
      return std::nullopt;
    }
    return std::move(list_);
  }

  std::optional<std::vector<LockListItem>> read_flush() {
    if (!read_flushed() || !read_end()) {
      return std::nullopt;
    }
    return std::move(list_.items);
  }

  std::optional<LockList> read_flush_lock() {
    if (!read_flushed() || list_.items.empty() || !accept(Keyword::kWith) || !accept("READ") ||
        !accept(Keyword::kLock) || !read_end()) {
      return std::nullopt;
    }
    list_.sql += " WITH READ LOCK";
    return std::move(list_);
  }

 private:
  /// FLUSH TABLES and what it names.
  bool read_flushed() {
    if (!accept(Keyword::kFlush)) {
      return false;
    }
    if (!accept("LOCAL")) {
      accept("NO_WRITE_TO_BINLOG");
    }
    if (!accept("TABLES") && !accept(Keyword::kTable)) {
      return false;
    }
    list_.sql += "FLUSH LOCAL TABLES ";
    if (!token_.is_name()) {
      return true;
    }
    do {
      LockListItem item;
      const std::size_t begins = list_.sql.size();
      if (!read_table(item)) {
        return false;
      }
      item.spelled = list_.sql.substr(begins);
      list_.items.push_back(std::move(item));
    } while (accept_comma());
    return true;
  }

  bool read_end() {
    while (accept(TokenKind::kSemicolon)) {
    }
    return token_.is(TokenKind::kEnd) && !lexer_.saw_uncertain_text();
  }

  void advance() { token_ = lexer_.next(); }

  template <typename What>
  bool accept(const What& what) {
    if (!token_.is(what)) {
      return false;
    }
    advance();
    return true;
  }

  bool accept_comma() {
    if (!accept(TokenKind::kComma)) {
      return false;
    }
    list_.sql += ", ";
    return true;
  }

  /// SET STATEMENT .. FOR
  bool read_settings() {
    int depth = 0;
    while (!token_.is(TokenKind::kEnd) && !(depth == 0 && token_.is(Keyword::kFor))) {
      depth += token_.is(TokenKind::kOpenParen) ? 1 : token_.is(TokenKind::kCloseParen) ? -1 : 0;
      advance();
    }
    const char* const behind = token_.text.data() + token_.text.size();
    if (!accept(Keyword::kFor)) {
      return false;
    }
    list_.sql.append(sql_.data(), behind).append(" ");
    return true;
  }

  /// Takes the current token as a name, and as it is spelled into the text.
  bool read_name(std::string& name) {
    if (!token_.is_name()) {
      return false;
    }
    name = token_.is(TokenKind::kQuotedIdentifier) ? identifier_text(token_.name())
                                                   : std::string(token_.name());
    list_.sql += token_.text;
    advance();
    return true;
  }

  [[nodiscard]] bool at_lock_word() const {
    return token_.is("READ") || token_.is("WRITE") || token_.is("LOW_PRIORITY");
  }

  bool read_table(LockListItem& item) {
    if (!read_name(item.table)) {
      return false;
    }
    if (!accept(TokenKind::kDot)) {
      return true;
    }
    item.schema = std::move(item.table);
    list_.sql += '.';
    return read_name(item.table);
  }

  bool read_item() {
    LockListItem item;
    const std::size_t begins = list_.sql.size();
    if (!read_table(item)) {
      return false;
    }
    item.spelled = list_.sql.substr(begins);
    const bool has_as = accept(Keyword::kAs);
    if (has_as || !at_lock_word()) {
      list_.sql += " AS ";
      if (!read_name(item.alias)) {
        return false;
      }
    }
    if (accept("READ")) {
      list_.sql += accept("LOCAL") ? " READ LOCAL" : " READ";
    } else {
      list_.sql += accept("LOW_PRIORITY") ? " LOW_PRIORITY WRITE" : " WRITE";
      item.write = true;
      if (!accept("WRITE")) {
        return false;
      }
      list_.sql += accept("CONCURRENT") ? " CONCURRENT" : "";
    }
    list_.items.push_back(std::move(item));
    return true;
  }

  bool read_wait() {
    if (accept("NOWAIT")) {
      list_.wait_s = 0;
      return true;
    }
    if (!accept("WAIT")) {
      return true;
    }
    list_.wait_s = number_of(token_);
    advance();
    return list_.wait_s.has_value();
  }

  std::string_view sql_;
  SqlLexer lexer_;
  Token token_;
  LockList list_;
};

}  // namespace

bool locks_all_tables(std::string_view sql, const LexerOptions& options) {
  SqlLexer lexer(sql, options);
  if (in_doubt(sql, options) || !lexer.next().is(Keyword::kFlush)) {
    return false;
  }
  Token token = lexer.next();
  if (token.is("LOCAL") || token.is("NO_WRITE_TO_BINLOG")) {
    token = lexer.next();
  }
  const bool begins = (token.is("TABLES") || token.is(Keyword::kTable)) &&
                      lexer.next().is(Keyword::kWith) && lexer.next().is("READ") &&
                      lexer.next().is(Keyword::kLock);
  if (!begins) {
    return false;
  }
  token = lexer.next();
  if (token.is("AND")) {
    if (!lexer.next().is("DISABLE") || !lexer.next().is("CHECKPOINT")) {
      return false;
    }
    token = lexer.next();
  }
  while (token.is(TokenKind::kSemicolon)) {
    token = lexer.next();
  }
  return token.is(TokenKind::kEnd) && !lexer.saw_uncertain_text();
}

std::optional<std::uint32_t> wait_clause(std::string_view sql, const LexerOptions& options) {
  SqlLexer lexer(sql, options);
  int depth = 0;
  for (Token token = lexer.next(); !token.is(TokenKind::kEnd);) {
    depth += token.is(TokenKind::kOpenParen) ? 1 : token.is(TokenKind::kCloseParen) ? -1 : 0;
    if (depth == 0 && token.is("NOWAIT")) {
      return 0;
    }
    const bool waits = depth == 0 && token.is("WAIT");
    token = lexer.next();
    if (waits && number_of(token)) {
      return number_of(token);
    }
  }
  return std::nullopt;
}

std::optional<LockList> lock_list(std::string_view sql, const LexerOptions& options) {
  return in_doubt(sql, options) ? std::nullopt : LockListReader(sql, options).read();
}

std::optional<LockList> flush_lock_list(std::string_view sql, const LexerOptions& options) {
  return in_doubt(sql, options) ? std::nullopt : LockListReader(sql, options).read_flush_lock();
}

std::optional<std::vector<LockListItem>> flush_list(std::string_view sql,
                                                    const LexerOptions& options) {
  return in_doubt(sql, options) ? std::nullopt : LockListReader(sql, options).read_flush();
}

}  // namespace consort::router
