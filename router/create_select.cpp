#include "router/create_select.h"

#include <cstddef>

#include "router/token_reader.h"

namespace consort::router {
namespace {

bool begins_query(const Token& token) {
  return token.is(Keyword::kSelect) || token.is(Keyword::kWith) || token.is(Keyword::kValues) ||
         token.is(TokenKind::kOpenParen);
}

/// SET STATEMENT .. FOR
bool skip_settings(TokenReader& reader) {
  if (!reader.token().is(Keyword::kSet)) {
    return true;
  }
  while (!reader.ended()) {
    if (reader.token().is(TokenKind::kOpenParen)) {
      reader.skip_parentheses();
    } else if (reader.accept(Keyword::kFor)) {
      return true;
    } else {
      reader.advance();
    }
  }
  return false;
}

/// FULLTEXT [KEY|INDEX], [CONSTRAINT [name]] FOREIGN KEY
bool begins_lasting_key(TokenReader& reader) {
  if (reader.token().is("CONSTRAINT")) {
    reader.advance();
    if (!reader.token().is("FOREIGN")) {
      reader.advance();
    }
  }
  return reader.token().is("FOREIGN") || reader.token().is("FULLTEXT");
}

/// From the opening parenthesis of the definitions to behind the closing one.
void read_list(TokenReader& reader, CreateSelect& out, std::string_view sql) {
  const std::size_t list_at = reader.at();
  out.lists_nothing_else = true;
  do {
    reader.advance();  // the parenthesis, or a comma
    const std::size_t at = reader.at();
    const bool lasting = begins_lasting_key(reader);
    while (!reader.ended() && !reader.token().is(TokenKind::kComma) &&
           !reader.token().is(TokenKind::kCloseParen)) {
      if (reader.token().is(TokenKind::kOpenParen)) {
        reader.skip_parentheses();
      } else {
        reader.advance();
      }
    }
    if (lasting) {
      out.keys.push_back(sql.substr(at, reader.behind() - at));
    }
    out.lists_nothing_else = out.lists_nothing_else && lasting;
  } while (reader.token().is(TokenKind::kComma));
  reader.advance();
  out.list = sql.substr(list_at, reader.behind() - list_at);
}

/// Options and partitions, up to where the query begins. False: there is none.
bool skip_options(TokenReader& reader, CreateSelect& out, std::string_view sql) {
  bool after_equals = false;
  bool in_partitions = false;
  std::size_t partitions_at = 0;
  while (!reader.ended()) {
    const Token token = reader.token();
    const Token next = reader.following();
    const bool query = token.is(Keyword::kSelect) || token.is(Keyword::kValues) ||
                       token.is(Keyword::kAs) || token.is(Keyword::kReplace) ||
                       token.is("IGNORE") || (token.is(Keyword::kWith) && !next.is("SYSTEM")) ||
                       (token.is(TokenKind::kOpenParen) && !after_equals &&
                        (!in_partitions || begins_query(next)));
    if (query) {
      if (in_partitions) {
        out.partitions = sql.substr(partitions_at, reader.behind() - partitions_at);
      }
      return true;
    }
    if (token.is(Keyword::kWith) && next.is("SYSTEM") && !in_partitions) {
      const std::size_t at = reader.at();
      reader.advance();
      reader.advance();
      reader.accept("VERSIONING");
      out.versioning = sql.substr(at, reader.behind() - at);
      continue;
    }
    if (token.is("PARTITION") && !in_partitions) {
      in_partitions = true;
      partitions_at = reader.at();
    }
    out.names_character_set = out.names_character_set || token.is("CHARSET") ||
                              token.is("CHARACTER") || token.is("COLLATE");
    after_equals = token.is_operator("=");
    if (token.is(TokenKind::kOpenParen)) {
      reader.skip_parentheses();
    } else {
      reader.advance();
    }
  }
  return false;
}

/// A comment that some servers execute: what is put in front of its end would be a part of it.
bool has_executed_comment(std::string_view sql) {
  return sql.find("/*!") != sql.npos || sql.find("/*M!") != sql.npos;
}

}  // namespace

std::optional<CreateSelect> read_create_select(std::string_view sql, const LexerOptions& options) {
  CreateSelect out;
  TokenReader reader(sql, options);
  if (!skip_settings(reader)) {
    return std::nullopt;
  }
  out.prefix = sql.substr(0, reader.at());
  if (!reader.accept(Keyword::kCreate)) {
    return std::nullopt;
  }
  if (reader.accept("OR")) {
    out.or_replace = reader.accept(Keyword::kReplace);
  }
  if (!reader.accept(Keyword::kTable)) {
    return std::nullopt;
  }
  if (reader.accept(Keyword::kIf)) {
    out.if_not_exists = reader.accept("NOT") && reader.accept("EXISTS");
  }
  if (!read_table_name(reader, out.table)) {
    return std::nullopt;
  }
  if (reader.token().is(TokenKind::kOpenParen) && !begins_query(reader.following())) {
    read_list(reader, out, sql);
  }
  const std::size_t cut = reader.behind();
  out.rest = sql.substr(cut);
  if (!skip_options(reader, out, sql) || has_executed_comment(sql.substr(0, cut))) {
    return std::nullopt;
  }
  while (!reader.ended()) {
    reader.advance();
  }
  return reader.doubtful() ? std::nullopt : std::optional(out);
}

}  // namespace consort::router
