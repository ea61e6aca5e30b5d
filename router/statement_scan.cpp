#include "router/statement_scan.h"

namespace consort::router {

StatementScan::StatementScan(std::string_view sql, const LexerOptions& options, Statement& out)
    : sql_(sql), options_(options), out_(out), lexer_(sql, options), normalised_(digest_) {
  advance();
}

void StatementScan::advance() {
  if (stopped_) {
    return;
  }
  before_previous_ = previous_;
  previous_ = token_;
  token_ = lexer_.next();
  if (in_program_) {
    follow_blocks();
  }
  if (token_.is(TokenKind::kSemicolon) && (!in_program_ || blocks_open_ == 0)) {
    stop_at_separator();
  } else if (!ended()) {
    normalised_.add(token_);
  }
  stopped_ = ended();
}

bool StatementScan::accept(Keyword keyword) {
  const bool matches = token_.is(keyword);
  if (matches) {
    advance();
  }
  return matches;
}

bool StatementScan::accept(std::string_view word) {
  const bool matches = token_.is(word);
  if (matches) {
    advance();
  }
  return matches;
}

bool StatementScan::accept(TokenKind kind) {
  const bool matches = token_.is(kind);
  if (matches) {
    advance();
  }
  return matches;
}

// A `;` ends the statement. Another statement follows if anything but more of them comes behind.
void StatementScan::stop_at_separator() {
  const char* const rest = token_.text.data() + token_.text.size();
  Token more = token_;
  while (more.is(TokenKind::kSemicolon)) {
    more = lexer_.next();
  }
  out_.rest = sql_.substr(static_cast<std::size_t>(rest - sql_.data()));
  if (!more.is(TokenKind::kEnd)) {
    out_.flags.set(Flag::kMultiStatement);
  }
  token_ = Token{};
}

// BEGIN and CASE open what END closes; END IF, END LOOP and their like close what nobody counted.
void StatementScan::follow_blocks() {
  if (previous_.is(Keyword::kEnd)) {
    const bool counted = !token_.is(Keyword::kIf) && !token_.is(Keyword::kLoop) &&
                         !token_.is(Keyword::kWhile) && !token_.is(Keyword::kRepeat) &&
                         !token_.is(Keyword::kFor);
    if (counted && blocks_open_ > 0) {
      --blocks_open_;
    }
  } else if (token_.is(Keyword::kBegin) || token_.is(Keyword::kCase)) {
    ++blocks_open_;
  }
}

void StatementScan::finish() {
  while (!ended()) {
    advance();
  }
  normalised_.finish();
  out_.digest = digest_.value();
  out_.hints = parse_hints(lexer_.hint_comment());
  if (lexer_.saw_conditional_comment()) {
    out_.flags.set(Flag::kConditionalComment);
    // What all execute may be executed by a backend that comes later, and newer.
    const bool for_all =
        is_ordered(out_.kind) || out_.flags.has_any({Flag::kSetsGlobal, Flag::kSequence});
    if (for_all || lexer_.saw_undecided_comment()) {
      out_.flags.set(Flag::kUncertain);
    }
  }
  if (lexer_.saw_uncertain_text() || depth_beyond_ > 0 ||
      (in_doubt(sql_, options_) && text_is_suspicious())) {
    out_.flags.set(Flag::kUncertain);
  }
}

// In an unknown sql_mode or character set only these bytes have one meaning. (The second byte of a
// character may be an @ or a `, too: the first one is not among these.)
bool StatementScan::text_is_suspicious() const {
  constexpr std::string_view kPlainSigns = " \t\r\n_.,()=*+-/<>';%?:&!@`";
  for (const char c : sql_) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       kPlainSigns.find(c) != std::string_view::npos;
    if (!plain) {
      return true;
    }
  }
  return false;
}

bool StatementScan::read_table(TableRole role) {
  if (!token_.is_name()) {
    return false;
  }
  TableRef table{{}, token_.name(), role};
  advance();
  if (token_.is(TokenKind::kDot)) {
    advance();
    if (!token_.is_name()) {
      return false;
    }
    table.schema = table.name;
    table.name = token_.name();
    advance();
  }
  out_.tables.push_back(table);
  out_.flags.set(Flag::kTouchesTables);
  return true;
}

}  // namespace consort::router
