#include "router/sequence_text.h"

#include <charconv>
#include <cstddef>

#include "router/token_reader.h"

namespace consort::router {
namespace {

constexpr std::int64_t kMaximumMin = 2147483647;  // servers leave many numbers out
constexpr std::int64_t kCacheMax = 10'000;

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
      : sql_(sql), reader_(sql, options) {}

  [[nodiscard]] SequenceDefinition read(std::uint32_t increment_max) {
    const bool creates = reader_.token().is(Keyword::kCreate);
    const std::size_t name_end = skip_name();
    if (name_end == 0) {
      return {};
    }
    std::optional<Number> increment;
    while (!reader_.ended()) {
      if (reader_.token().is(TokenKind::kInvalid)) {
        return {};
      }
      if (std::string refused = read_option(increment); !refused.empty()) {
        return {{}, std::move(refused)};
      }
    }
    if (reader_.doubtful()) {
      return {{}, "this definition of a sequence: it cannot be read with certainty"};
    }
    return with_increment(creates, name_end, increment, increment_max);
  }

 private:
  /// Goes behind the name; where that ends, 0 when there is none.
  std::size_t skip_name() {
    while (!reader_.ended() && !reader_.token().is("SEQUENCE")) {
      reader_.advance();
    }
    reader_.advance();
    if (reader_.accept(Keyword::kIf)) {
      reader_.accept("NOT");
      reader_.accept("EXISTS");
    }
    if (!reader_.token().is_name()) {
      return 0;
    }
    reader_.advance();
    if (reader_.accept(TokenKind::kDot)) {
      reader_.advance();
    }
    return reader_.behind();
  }

  /// [BY|WITH|=] number
  Number read_number() {
    if (!reader_.accept("BY") && !reader_.accept("WITH") && reader_.token().is_operator("=")) {
      reader_.advance();
    }
    Number number;
    number.begin = reader_.at();
    const bool negative = reader_.token().is_operator("-");
    if (negative || reader_.token().is_operator("+")) {
      reader_.advance();
    }
    if (reader_.token().is(TokenKind::kNumber)) {
      const std::string_view digits = reader_.token().text;
      std::int64_t value = 0;
      const char* const last = digits.data() + digits.size();
      const auto parsed = std::from_chars(digits.data(), last, value);
      if (parsed.ec == std::errc() && parsed.ptr == last) {
        number.value = negative ? -value : value;
      }
      reader_.advance();
      number.end = reader_.behind();
    }
    return number;
  }

  /// Goes over an option; what of it cannot be had.
  std::string read_option(std::optional<Number>& increment) {
    if (reader_.accept("INCREMENT")) {
      increment = read_number();
      return {};
    }
    if (reader_.accept("CYCLE")) {
      return "sequences with CYCLE";
    }
    if (reader_.accept("CACHE")) {
      const Number cache = read_number();
      return cache.value > kCacheMax ? "sequences with a CACHE above " + std::to_string(kCacheMax)
                                     : std::string();
    }
    if (reader_.accept("MAXVALUE")) {
      const Number maximum = read_number();
      return maximum.value < kMaximumMin
                 ? "sequences with a MAXVALUE below " + std::to_string(kMaximumMin)
                 : std::string();
    }
    reader_.advance();
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
  TokenReader reader_;
};

/// An option SEQUENCE=1 of CREATE TABLE or ALTER TABLE.
bool makes_sequence_of_table(std::string_view sql, const LexerOptions& options) {
  TokenReader reader(sql, options);
  unsigned depth = 0;
  bool behind_word = false;
  for (; !reader.ended(); reader.advance()) {
    const Token& token = reader.token();
    if (behind_word && (token.is_operator("=") || token.is(TokenKind::kNumber))) {
      return true;
    }
    depth += token.is(TokenKind::kOpenParen) ? 1 : 0;
    depth -= token.is(TokenKind::kCloseParen) && depth > 0 ? 1 : 0;
    behind_word = depth == 0 && token.is("SEQUENCE");
  }
  return false;
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
  TokenReader reader(sql, options);
  TableRef sequence{{}, {}, TableRole::kDdl};
  const bool begins = (reader.accept(Keyword::kSelect) || reader.accept(Keyword::kDo)) &&
                      reader.accept("SETVAL") && reader.accept(TokenKind::kOpenParen) &&
                      read_table_name(reader, sequence);
  if (!begins) {
    return std::nullopt;
  }
  unsigned arguments = 1;
  while (reader.accept(TokenKind::kComma)) {
    if (reader.token().is_operator("-") || reader.token().is_operator("+")) {
      reader.advance();
    }
    if (!reader.accept(TokenKind::kNumber) && !reader.accept("TRUE") && !reader.accept("FALSE")) {
      return std::nullopt;
    }
    ++arguments;
  }
  const bool closed = arguments > 1 && reader.accept(TokenKind::kCloseParen) && reader.ended();
  return closed && !reader.doubtful() ? std::optional(sequence) : std::nullopt;
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
  TokenReader reader(sql, options);
  const auto go_to = [&reader](std::string_view name) {
    while (!reader.ended() && reader.token().name().data() != name.data()) {
      reader.advance();
    }
  };
  go_to(first);
  if (reader.ended()) {
    return std::nullopt;
  }
  const std::size_t begin = reader.at();
  go_to(table.name);
  const std::string_view alias = reader.token().text;
  reader.advance();
  const std::size_t end = reader.behind();
  const Token& next = reader.token();
  if (!reader.ended() && !next.is(Keyword::kWhere) && !next.is(Keyword::kOrder) &&
      !next.is(Keyword::kLimit)) {
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
