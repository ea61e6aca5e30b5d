#include "router/sequence_text.h"

#include <charconv>
#include <cstddef>

#include "router/sql_lexer.h"

namespace consort::router {
namespace {

constexpr std::int64_t kMaximumMin = 2147483647;  // servers leave many numbers out
constexpr std::int64_t kCacheMax = 10'000;

bool ends_definition(const Token& token) {
  return token.is(TokenKind::kEnd) || token.is(TokenKind::kSemicolon);
}

std::size_t token_begin(std::string_view sql, const Token& token) {
  return static_cast<std::size_t>(token.text.data() - sql.data());
}

std::size_t token_end(std::string_view sql, const Token& token) {
  return token_begin(sql, token) + token.text.size();
}

/// An integer with its sign, where one stands.
struct Number {
  std::optional<std::int64_t> value;
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Goes through a definition's options.
class DefinitionReader {
 public:
  DefinitionReader(std::string_view sql, const LexerOptions& options)
      : sql_(sql), lexer_(sql, options) {
    advance();
  }

  [[nodiscard]] SequenceDefinition read(std::uint32_t increment_max) {
    const bool creates = token_.is(Keyword::kCreate);
    const std::size_t name_end = skip_name();
    if (name_end == 0) {
      return {};
    }
    std::optional<Number> increment;
    while (!ends_definition(token_)) {
      if (token_.is(TokenKind::kInvalid)) {
        return {};
      }
      if (std::string refused = read_option(increment); !refused.empty()) {
        return {{}, std::move(refused)};
      }
    }
    if (lexer_.saw_conditional_comment() || lexer_.saw_uncertain_text()) {
      return {{}, "this definition of a sequence: it cannot be read with certainty"};
    }
    return with_increment(creates, name_end, increment, increment_max);
  }

 private:
  void advance() { token_ = lexer_.next(); }

  bool accept(std::string_view word) {
    const bool found = token_.is(word);
    if (found) {
      advance();
    }
    return found;
  }

  /// Goes behind the name; where that ends, 0 when there is none.
  std::size_t skip_name() {
    while (!ends_definition(token_) && !token_.is("SEQUENCE")) {
      advance();
    }
    advance();
    if (token_.is(Keyword::kIf)) {
      advance();
      accept("NOT");
      accept("EXISTS");
    }
    std::size_t end = 0;
    if (token_.is_name()) {
      end = token_end(sql_, token_);
      advance();
      if (token_.is(TokenKind::kDot)) {
        advance();
        end = token_end(sql_, token_);
        advance();
      }
    }
    return end;
  }

  /// [BY|WITH|=] number
  Number read_number() {
    if (!accept("BY") && !accept("WITH") && token_.is_operator("=")) {
      advance();
    }
    Number number;
    number.begin = token_begin(sql_, token_);
    const bool negative = token_.is_operator("-");
    if (negative || token_.is_operator("+")) {
      advance();
    }
    if (token_.is(TokenKind::kNumber)) {
      std::int64_t value = 0;
      const char* const last = token_.text.data() + token_.text.size();
      const auto parsed = std::from_chars(token_.text.data(), last, value);
      if (parsed.ec == std::errc() && parsed.ptr == last) {
        number.value = negative ? -value : value;
      }
      number.end = token_end(sql_, token_);
      advance();
    }
    return number;
  }

  /// Goes over an option; what of it cannot be had.
  std::string read_option(std::optional<Number>& increment) {
    if (accept("INCREMENT")) {
      increment = read_number();
      return {};
    }
    if (accept("CYCLE")) {
      return "sequences with CYCLE";
    }
    if (accept("CACHE")) {
      const Number cache = read_number();
      return cache.value > kCacheMax ? "sequences with a CACHE above " + std::to_string(kCacheMax)
                                     : std::string();
    }
    if (accept("MAXVALUE")) {
      const Number maximum = read_number();
      return maximum.value < kMaximumMin
                 ? "sequences with a MAXVALUE below " + std::to_string(kMaximumMin)
                 : std::string();
    }
    advance();
    return {};
  }

  [[nodiscard]] SequenceDefinition with_increment(bool creates,
                                                  std::size_t name_end,
                                                  const std::optional<Number>& increment,
                                                  std::uint32_t increment_max) const {
    constexpr std::string_view kShared = " INCREMENT BY 0";
    std::string out;
    if (!increment) {
      if (creates) {
        out.append(sql_.substr(0, name_end)).append(kShared).append(sql_.substr(name_end));
      }
      return {creates ? std::optional(std::move(out)) : std::nullopt, {}};
    }
    if (increment->end == 0 || increment->value == 0) {
      return {};  // the server says what is wrong, or it is as it shall be
    }
    if (!increment->value || *increment->value < 0 || *increment->value > increment_max) {
      return {{},
              "sequences with an INCREMENT other than 1 to " + std::to_string(increment_max) +
                  " (sequences.increment_max)"};
    }
    out.append(sql_.substr(0, increment->begin)).append("0").append(sql_.substr(increment->end));
    return {std::move(out), {}};
  }

  std::string_view sql_;
  SqlLexer lexer_;
  Token token_;
};

/// An option SEQUENCE=1 of CREATE TABLE or ALTER TABLE.
bool makes_sequence_of_table(std::string_view sql, const LexerOptions& options) {
  SqlLexer lexer(sql, options);
  unsigned depth = 0;
  bool behind_word = false;
  for (Token token = lexer.next(); !ends_definition(token); token = lexer.next()) {
    if (behind_word && (token.is_operator("=") || token.is(TokenKind::kNumber))) {
      return true;
    }
    depth += token.is(TokenKind::kOpenParen) ? 1 : 0;
    depth -= token.is(TokenKind::kCloseParen) && depth > 0 ? 1 : 0;
    behind_word = depth == 0 && token.is("SEQUENCE");
  }
  return false;
}

/// name[.name]
std::optional<TableRef> read_sequence(SqlLexer& lexer, Token& token) {
  if (!token.is_name()) {
    return std::nullopt;
  }
  TableRef name{{}, token.name(), TableRole::kDdl};
  token = lexer.next();
  if (token.is(TokenKind::kDot)) {
    token = lexer.next();
    if (!token.is_name()) {
      return std::nullopt;
    }
    name.schema = name.name;
    name.name = token.name();
    token = lexer.next();
  }
  return name;
}

}  // namespace

SequenceDefinition shared_sequence(std::string_view sql,
                                   const Statement& statement,
                                   const LexerOptions& options,
                                   std::uint32_t increment_max) {
  const bool defines =
      statement.ddl.verb == DdlVerb::kCreate || statement.ddl.verb == DdlVerb::kAlter;
  if (statement.kind != StatementKind::kDdl || !defines ||
      statement.flags.has_any({Flag::kMultiStatement, Flag::kUncertain})) {
    return {};
  }
  if (statement.has(Flag::kTemporary)) {
    return {{}, statement.ddl.object == DdlObject::kSequence ? "temporary sequences" : ""};
  }
  if (statement.ddl.object == DdlObject::kTable) {
    return {{}, makes_sequence_of_table(sql, options) ? "a table with the option SEQUENCE" : ""};
  }
  const bool sets_value = raised_sequence(sql, options).has_value();
  if (statement.ddl.object != DdlObject::kSequence || sets_value) {
    return {};
  }
  return DefinitionReader(sql, options).read(increment_max);
}

std::optional<TableRef> raised_sequence(std::string_view sql, const LexerOptions& options) {
  SqlLexer lexer(sql, options);
  Token token = lexer.next();
  if (!token.is(Keyword::kSelect) && !token.is(Keyword::kDo)) {
    return std::nullopt;
  }
  token = lexer.next();
  if (!token.is("SETVAL")) {
    return std::nullopt;
  }
  token = lexer.next();
  if (!token.is(TokenKind::kOpenParen)) {
    return std::nullopt;
  }
  token = lexer.next();
  const std::optional<TableRef> sequence = read_sequence(lexer, token);
  unsigned arguments = 1;
  while (sequence && token.is(TokenKind::kComma)) {
    token = lexer.next();
    if (token.is_operator("-") || token.is_operator("+")) {
      token = lexer.next();
    }
    if (!token.is(TokenKind::kNumber) && !token.is("TRUE") && !token.is("FALSE")) {
      return std::nullopt;
    }
    token = lexer.next();
    ++arguments;
  }
  const bool closed =
      arguments > 1 && token.is(TokenKind::kCloseParen) && ends_definition(lexer.next());
  if (!closed || lexer.saw_conditional_comment() || lexer.saw_uncertain_text()) {
    return std::nullopt;
  }
  return sequence;
}

std::optional<std::string> with_all_reserved(std::string_view sql,
                                             const Statement& statement,
                                             const LexerOptions& options,
                                             std::uint32_t step) {
  if (statement.kind != StatementKind::kSelect || statement.tables.size() != 1 ||
      statement.tables[0].role != TableRole::kRead ||
      statement.flags.has_any({Flag::kMultiStatement, Flag::kUncertain, Flag::kConditionalComment,
                               Flag::kLockingRead, Flag::kInnerQuery})) {
    return std::nullopt;
  }
  const TableRef& table = statement.tables[0];
  const std::string_view first = table.schema.empty() ? table.name : table.schema;
  SqlLexer lexer(sql, options);
  Token token = lexer.next();
  while (!ends_definition(token) && token.name().data() != first.data()) {
    token = lexer.next();
  }
  if (ends_definition(token)) {
    return std::nullopt;
  }
  const std::size_t begin = token_begin(sql, token);
  while (!ends_definition(token) && token.name().data() != table.name.data()) {
    token = lexer.next();
  }
  const std::size_t end = token_end(sql, token);
  const std::string_view alias = token.text;
  token = lexer.next();
  if (!ends_definition(token) && !token.is(Keyword::kWhere) && !token.is(Keyword::kOrder) &&
      !token.is(Keyword::kLimit)) {
    return std::nullopt;
  }
  const std::string ahead = "CAST(GREATEST(cache_size,1) AS SIGNED)*" + std::to_string(step);
  std::string out(sql.substr(0, begin));
  out.append("(SELECT IF(next_not_cached_value>9223372036854775807-")
      .append(ahead)
      .append(",9223372036854775807,next_not_cached_value+")
      .append(ahead)
      .append(
          ") AS next_not_cached_value,minimum_value,maximum_value,start_value,`increment`,"
          "cache_size,cycle_option,cycle_count FROM ")
      .append(sql.substr(begin, end - begin))
      .append(") AS ")
      .append(alias)
      .append(sql.substr(end));
  return out;
}

bool asks_previous_value(std::string_view sql) {
  return contains_ignoring_case(sql, "lastval") || contains_ignoring_case(sql, "previous") ||
         contains_ignoring_case(sql, "currval");
}

bool mentions_setval(std::string_view sql) {
  return contains_ignoring_case(sql, "setval");
}

}  // namespace consort::router
