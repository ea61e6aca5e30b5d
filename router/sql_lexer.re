// SqlLexer: the rules, compiled by re2c (never edit the generated file).
#include "router/sql_lexer.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace consort::router {
namespace {

bool is_digit(unsigned char c) {
  return c >= '0' && c <= '9';
}

bool is_name_byte(unsigned char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
         c >= 0x80;
}

/// The bytes that some character set of one byte per character has for a blank (10.11: 0xA0 in
/// latin1 and others, 0xFF in cp852, cp866, keybcs2). Any other byte >= 0x80 outside quotes is a
/// letter, or no statement that has it can be parsed by the server.
bool may_be_blank(unsigned char c) {
  return c == 0xA0 || c == 0xFF;
}

/// No server's: mariadb-dump writes `/*M!999999\- enable the sandbox mode */` for its client, which
/// leaves the comment in front of the first statement.
constexpr std::uint32_t kNoVersion = 999999;

std::string_view view(const unsigned char* begin, const unsigned char* end) {
  return {reinterpret_cast<const char*>(begin), static_cast<std::size_t>(end - begin)};
}

}  // namespace

SqlLexer::SqlLexer(std::string_view sql, const LexerOptions& options)
    : cursor_(reinterpret_cast<const unsigned char*>(sql.data())),
      limit_(cursor_ + sql.size()),
      options_(options) {}

Token SqlLexer::next() {
  space_before_ = false;
  Token token;
  if (after_name_ && cursor_ < limit_ && *cursor_ == '.') {
    ++cursor_;
    token = make(TokenKind::kDot, cursor_ - 1);
    after_dot_ = true;
  } else if (after_dot_ && cursor_ < limit_ && is_name_byte(*cursor_)) {
    token = name_after_dot();
    after_dot_ = false;
  } else {
    token = scan();
    after_dot_ = false;
  }
  after_name_ = token.is_name() || token.is(TokenKind::kSystemVariable);
  return token;
}

std::string_view SqlLexer::unread() const {
  return view(cursor_, limit_);
}

// The longest match wins; of two equally long ones, the first rule.
Token SqlLexer::scan() {
  const unsigned char* marker = cursor_;
  const unsigned char* const limit = limit_;
  for (;;) {
    const unsigned char* const begin = cursor_;
    const unsigned char* cursor = cursor_;
    const auto sign = [&](TokenKind kind) {
      cursor_ = cursor;
      return make(kind, begin);
    };
    const auto word = [&](Keyword keyword) {
      cursor_ = cursor;
      Token token = make(TokenKind::kWord, begin);
      token.keyword = keyword;
      return token;
    };
    /*!re2c
      re2c:api = custom;
      re2c:api:style = free-form;
      re2c:define:YYCTYPE = "unsigned char";
      re2c:define:YYPEEK = "(cursor < limit ? *cursor : 0)";
      re2c:define:YYSKIP = "++cursor;";
      re2c:define:YYBACKUP = "marker = cursor;";
      re2c:define:YYRESTORE = "cursor = marker;";
      re2c:define:YYLESSTHAN = "cursor >= limit";
      re2c:yyfill:enable = 0;
      re2c:eof = 0;

      space = [ \t\n\v\f\r];
      letter = [A-Za-z0-9_$];
      digits = [0-9]+;
      exponent = [eE] [+-]? digits;
      scope = 'global' | 'session' | 'local';

      $ { return Token{TokenKind::kEnd, Keyword::kNone, space_before_, {}}; }
      space+ { cursor_ = cursor; space_before_ = true; continue; }

      "#" { cursor_ = cursor; skip_line(); continue; }
      "--" {
        if (cursor == limit || *cursor <= ' ' || *cursor == 0x7F) {
          cursor_ = cursor;
          skip_line();
          continue;
        }
        cursor = begin + 1;
        return sign(TokenKind::kOperator);
      }
      "/*" {
        cursor_ = cursor;
        if (begin_comment() == CommentKind::kUnended) {
          return invalid(begin);
        }
        space_before_ = true;
        continue;
      }
      "*" "/" {
        if (in_executed_comment_) {
          cursor_ = cursor;
          in_executed_comment_ = false;
          space_before_ = true;
          continue;
        }
        cursor = begin + 1;
        return sign(TokenKind::kOperator);
      }

      digits | digits exponent | digits "." [0-9]* exponent? | "." digits exponent? {
        return sign(TokenKind::kNumber);
      }
      "0x" [0-9a-fA-F]+ | "0b" [01]+ { return sign(TokenKind::kNumber); }
      [xX] ['] [0-9a-fA-F]* ['] | [bB] ['] [01]* ['] { return sign(TokenKind::kNumber); }

      ['] { cursor_ = cursor; return quoted(TokenKind::kString, begin, '\''); }
      [nN] ['] { cursor_ = cursor; return quoted(TokenKind::kString, begin, '\''); }
      ["] {
        cursor_ = cursor;
        return quoted(options_.ansi_quotes ? TokenKind::kQuotedIdentifier : TokenKind::kString,
                      begin, '"');
      }
      "`" { cursor_ = cursor; return quoted(TokenKind::kQuotedIdentifier, begin, '`'); }

      "@@" {
        cursor_ = cursor;
        if (options_.ansi_quotes && cursor < limit && *cursor == '"') {
          ++cursor_;
          Token token = quoted(TokenKind::kQuotedIdentifier, begin, '"');
          token.kind = token.is(TokenKind::kInvalid) ? token.kind : TokenKind::kSystemVariable;
          return token;
        }
        return make(TokenKind::kSystemVariable, begin);
      }
      "@@" (scope space* "." space*)? [A-Za-z0-9_$]+ { return sign(TokenKind::kSystemVariable); }
      "@@" (scope space* "." space*)? "`" [^`\x00]+ "`" {
        return sign(TokenKind::kSystemVariable);
      }
      "@" { cursor_ = cursor; return user_variable(begin); }

      "?" { return sign(TokenKind::kPlaceholder); }
      ":=" { return sign(TokenKind::kAssign); }
      "," { return sign(TokenKind::kComma); }
      "." { return sign(TokenKind::kDot); }
      "(" { return sign(TokenKind::kOpenParen); }
      ")" { return sign(TokenKind::kCloseParen); }
      ";" { return sign(TokenKind::kSemicolon); }
      "<=>" | "<=" | ">=" | "<>" | "!=" | "||" | "&&" | "<<" | ">>" | "->" | "->>" {
        return sign(TokenKind::kOperator);
      }
      [-+*/%=<>!|&:] { return sign(TokenKind::kOperator); }
      [~{}] | "^" | "[" | "]" | "\\" {
        saw_uncertain_text_ = saw_uncertain_text_ || options_.letters_for_signs;
        return sign(TokenKind::kOperator);
      }

      'alter' { return word(Keyword::kAlter); }
      'analyze' { return word(Keyword::kAnalyze); }
      'as' { return word(Keyword::kAs); }
      'backup' { return word(Keyword::kBackup); }
      'begin' { return word(Keyword::kBegin); }
      'binlog' { return word(Keyword::kBinlog); }
      'cache' { return word(Keyword::kCache); }
      'call' { return word(Keyword::kCall); }
      'case' { return word(Keyword::kCase); }
      'change' { return word(Keyword::kChange); }
      'check' { return word(Keyword::kCheck); }
      'checksum' { return word(Keyword::kChecksum); }
      'clone' { return word(Keyword::kClone); }
      'commit' { return word(Keyword::kCommit); }
      'create' { return word(Keyword::kCreate); }
      'deallocate' { return word(Keyword::kDeallocate); }
      'declare' { return word(Keyword::kDeclare); }
      'delete' { return word(Keyword::kDelete); }
      'desc' { return word(Keyword::kDesc); }
      'describe' { return word(Keyword::kDescribe); }
      'do' { return word(Keyword::kDo); }
      'drop' { return word(Keyword::kDrop); }
      'dumpfile' { return word(Keyword::kDumpfile); }
      'end' { return word(Keyword::kEnd); }
      'except' { return word(Keyword::kExcept); }
      'execute' { return word(Keyword::kExecute); }
      'explain' { return word(Keyword::kExplain); }
      'flush' { return word(Keyword::kFlush); }
      'for' { return word(Keyword::kFor); }
      'from' { return word(Keyword::kFrom); }
      'get' { return word(Keyword::kGet); }
      'grant' { return word(Keyword::kGrant); }
      'group' { return word(Keyword::kGroup); }
      'handler' { return word(Keyword::kHandler); }
      'having' { return word(Keyword::kHaving); }
      'help' { return word(Keyword::kHelp); }
      'if' { return word(Keyword::kIf); }
      'import' { return word(Keyword::kImport); }
      'insert' { return word(Keyword::kInsert); }
      'install' { return word(Keyword::kInstall); }
      'intersect' { return word(Keyword::kIntersect); }
      'into' { return word(Keyword::kInto); }
      'join' { return word(Keyword::kJoin); }
      'kill' { return word(Keyword::kKill); }
      'limit' { return word(Keyword::kLimit); }
      'load' { return word(Keyword::kLoad); }
      'lock' { return word(Keyword::kLock); }
      'loop' { return word(Keyword::kLoop); }
      'nextval' { return word(Keyword::kNextval); }
      'optimize' { return word(Keyword::kOptimize); }
      'order' { return word(Keyword::kOrder); }
      'outfile' { return word(Keyword::kOutfile); }
      'prepare' { return word(Keyword::kPrepare); }
      'purge' { return word(Keyword::kPurge); }
      'references' { return word(Keyword::kReferences); }
      'release' { return word(Keyword::kRelease); }
      'rename' { return word(Keyword::kRename); }
      'repair' { return word(Keyword::kRepair); }
      'repeat' { return word(Keyword::kRepeat); }
      'replace' { return word(Keyword::kReplace); }
      'reset' { return word(Keyword::kReset); }
      'resignal' { return word(Keyword::kResignal); }
      'restart' { return word(Keyword::kRestart); }
      'returning' { return word(Keyword::kReturning); }
      'revoke' { return word(Keyword::kRevoke); }
      'rollback' { return word(Keyword::kRollback); }
      'savepoint' { return word(Keyword::kSavepoint); }
      'select' { return word(Keyword::kSelect); }
      'set' { return word(Keyword::kSet); }
      'share' { return word(Keyword::kShare); }
      'show' { return word(Keyword::kShow); }
      'shutdown' { return word(Keyword::kShutdown); }
      'signal' { return word(Keyword::kSignal); }
      'sql_calc_found_rows' { return word(Keyword::kSqlCalcFoundRows); }
      'start' { return word(Keyword::kStart); }
      'stop' { return word(Keyword::kStop); }
      'straight_join' { return word(Keyword::kStraightJoin); }
      'table' { return word(Keyword::kTable); }
      'to' { return word(Keyword::kTo); }
      'truncate' { return word(Keyword::kTruncate); }
      'uninstall' { return word(Keyword::kUninstall); }
      'union' { return word(Keyword::kUnion); }
      'unlock' { return word(Keyword::kUnlock); }
      'update' { return word(Keyword::kUpdate); }
      'use' { return word(Keyword::kUse); }
      'using' { return word(Keyword::kUsing); }
      'value' { return word(Keyword::kValue); }
      'values' { return word(Keyword::kValues); }
      'where' { return word(Keyword::kWhere); }
      'while' { return word(Keyword::kWhile); }
      'window' { return word(Keyword::kWindow); }
      'with' { return word(Keyword::kWith); }
      'xa' { return word(Keyword::kXa); }
      letter+ { return word(Keyword::kNone); }
      (letter | [\x80-\xFF])+ {
        saw_uncertain_text_ = saw_uncertain_text_ ||
                              (options_.single_byte && std::any_of(begin, cursor, may_be_blank));
        return word(Keyword::kNone);
      }
      * { cursor_ = cursor; return invalid(begin); }
    */
  }
}

Token SqlLexer::make(TokenKind kind, const unsigned char* begin) const {
  return Token{kind, Keyword::kNone, space_before_, view(begin, cursor_)};
}

// A quote that never ends takes all that is left: the server would refuse it.
Token SqlLexer::quoted(TokenKind kind, const unsigned char* begin, unsigned char quote) {
  const bool escapes = kind == TokenKind::kString && !options_.no_backslash_escapes;
  while (cursor_ < limit_) {
    const unsigned char c = *cursor_++;
    if (c == quote) {
      if (cursor_ == limit_ || *cursor_ != quote) {
        return make(kind, begin);
      }
      ++cursor_;
    } else if (c == '\\' && escapes && cursor_ < limit_) {
      ++cursor_;
    }
  }
  saw_uncertain_text_ = true;
  return make(TokenKind::kInvalid, begin);
}

// Behind a dot that touches a name every word is a name too, even if it begins with a digit.
Token SqlLexer::name_after_dot() {
  const unsigned char* const begin = cursor_;
  while (cursor_ < limit_ && is_name_byte(*cursor_)) {
    if (options_.single_byte && may_be_blank(*cursor_)) {
      saw_uncertain_text_ = true;
    }
    ++cursor_;
  }
  return make(TokenKind::kWord, begin);
}

Token SqlLexer::user_variable(const unsigned char* begin) {
  if (cursor_ < limit_ && (*cursor_ == '`' || *cursor_ == '\'' || *cursor_ == '"')) {
    const unsigned char quote = *cursor_++;
    const bool identifier = quote == '`' || (quote == '"' && options_.ansi_quotes);
    Token token = quoted(identifier ? TokenKind::kQuotedIdentifier : TokenKind::kString, begin,
                         quote);
    if (!token.is(TokenKind::kInvalid)) {
      token.kind = TokenKind::kUserVariable;
    }
    return token;
  }
  while (cursor_ < limit_ && (is_name_byte(*cursor_) || *cursor_ == '.')) {
    ++cursor_;
  }
  return make(TokenKind::kUserVariable, begin);
}

Token SqlLexer::invalid(const unsigned char* begin) {
  saw_uncertain_text_ = true;
  return make(TokenKind::kInvalid, begin);
}

void SqlLexer::skip_line() {
  const void* end = std::memchr(cursor_, '\n', static_cast<std::size_t>(limit_ - cursor_));
  cursor_ = end == nullptr ? limit_ : static_cast<const unsigned char*>(end) + 1;
  space_before_ = true;
}

// `/*` has been read. /*! and, for MariaDB, /*M! begin SQL that the server executes.
SqlLexer::CommentKind SqlLexer::begin_comment() {
  const std::size_t left = static_cast<std::size_t>(limit_ - cursor_);
  if (left >= 1 && cursor_[0] == '!') {
    ++cursor_;
    return begin_executed_comment(false);
  }
  if (left >= 2 && cursor_[0] == 'M' && cursor_[1] == '!' && !options_.mysql) {
    cursor_ += 2;
    return begin_executed_comment(true);
  }
  return skip_comment(false);
}

// With five or six digits the SQL is for servers from that version on. MariaDB leaves 50700..99999
// to MySQL.
SqlLexer::CommentKind SqlLexer::begin_executed_comment(bool mariadb_only) {
  std::size_t digits_count = 0;
  std::uint32_t version = 0;
  while (digits_count < 6 && cursor_ + digits_count < limit_ && is_digit(cursor_[digits_count])) {
    version = version * 10 + (cursor_[digits_count] - '0');
    ++digits_count;
  }
  if (digits_count >= 5) {
    if (!options_.mysql && !mariadb_only && version >= 50700 && version <= 99999) {
      return skip_comment(true);
    }
    if (mariadb_only && version == kNoVersion) {
      return skip_comment(true);
    }
    if (version > options_.server_version) {
      saw_conditional_comment_ = true;
      saw_undecided_comment_ = saw_undecided_comment_ || version <= options_.newest_version;
      return skip_comment(true);
    }
    cursor_ += digits_count;
  }
  in_executed_comment_ = true;
  return CommentKind::kExecuted;
}

// A comment that is skipped because of its version may hold another comment.
SqlLexer::CommentKind SqlLexer::skip_comment(bool nested_allowed) {
  const unsigned char* const begin = cursor_;
  bool nested = false;
  while (cursor_ + 1 < limit_) {
    if (cursor_[0] == '*' && cursor_[1] == '/') {
      cursor_ += 2;
      if (!nested) {
        note_comment(begin, cursor_ - 2);
        return CommentKind::kSkipped;
      }
      nested = false;
    } else if (nested_allowed && !nested && cursor_[0] == '/' && cursor_[1] == '*') {
      nested = true;
      cursor_ += 2;
    } else {
      ++cursor_;
    }
  }
  cursor_ = limit_;
  return CommentKind::kUnended;
}

void SqlLexer::note_comment(const unsigned char* begin, const unsigned char* end) {
  constexpr std::string_view kMark = "consort:";
  std::string_view inside = view(begin, end);
  const std::size_t word = inside.find_first_not_of(" \t\r\n");
  if (hint_comment_.empty() && word != std::string_view::npos &&
      equals_ignoring_case(inside.substr(word, kMark.size()), kMark)) {
    hint_comment_ = inside;
  }
}

}  // namespace consort::router
