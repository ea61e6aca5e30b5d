// SessionCore: SHOW WARNINGS and its counts, answered with what the home has told of a statement
// before other statements followed there (Diagnostics::own()).
#include <algorithm>
#include <optional>
#include <string>

#include "protocol/packet_reader.h"
#include "protocol/single_value.h"
#include "proxy/session/session_core.h"
#include "router/sql_lexer.h"

namespace consort::proxy {
namespace {

using router::Keyword;
using router::TokenKind;

/// What a statement asks of the diagnostics, and nothing else.
struct DiagnosticsQuestion {
  enum class Kind : std::uint8_t { kNone, kRows, kAll, kErrors };
  Kind kind = Kind::kNone;
  std::string name;  ///< of a count's column
};

/// @@warning_count, @@session.error_count, ..
DiagnosticsQuestion::Kind variable_asked(std::string_view variable) {
  using Kind = DiagnosticsQuestion::Kind;
  variable.remove_prefix(std::string_view("@@").size());
  for (const std::string_view scope : {"session.", "local."}) {
    if (router::starts_ignoring_case(variable, scope)) {
      variable.remove_prefix(scope.size());
      break;
    }
  }
  return router::equals_ignoring_case(variable, "warning_count") ? Kind::kAll
         : router::equals_ignoring_case(variable, "error_count") ? Kind::kErrors
                                                                 : Kind::kNone;
}

DiagnosticsQuestion question_in(std::string_view sql, const router::LexerOptions& options) {
  using Kind = DiagnosticsQuestion::Kind;
  router::SqlLexer lexer(sql, options);
  DiagnosticsQuestion question;
  router::Token token = lexer.next();
  if (token.is(Keyword::kSelect)) {
    token = lexer.next();
    if (token.is(TokenKind::kSystemVariable)) {
      question = {variable_asked(token.text), std::string(token.text)};
    }
  } else if (token.is(Keyword::kShow)) {
    token = lexer.next();
    if (token.is("COUNT") && lexer.next().is(TokenKind::kOpenParen) && lexer.next().text == "*" &&
        lexer.next().is(TokenKind::kCloseParen)) {
      token = lexer.next();
      question = token.is("WARNINGS") ? DiagnosticsQuestion{Kind::kAll, "@@session.warning_count"}
                 : token.is("ERRORS") ? DiagnosticsQuestion{Kind::kErrors, "@@session.error_count"}
                                      : DiagnosticsQuestion{};
    } else if (token.is("WARNINGS")) {
      question.kind = Kind::kRows;
    }
  }
  token = lexer.next();
  return token.is(TokenKind::kEnd) || token.is(TokenKind::kSemicolon) ? question
                                                                      : DiagnosticsQuestion{};
}

}  // namespace

/// The home has answered SHOW WARNINGS about the statement whose reply the client is to get.
std::optional<DiagnosticsCount> SessionCore::told_count() const {
  const auto rows = own_rows_.rows();
  if (!rows) {
    return std::nullopt;
  }
  DiagnosticsCount count{rows->size(), 0};
  count.errors = static_cast<std::uint64_t>(std::count_if(
      rows->begin(), rows->end(),
      [](const OwnResult::Row& row) { return !row.empty() && row.front() == "Error"; }));
  if (!held_.is_error()) {
    count.all = std::max<std::uint64_t>(count.all, warnings_);  // it shows max_error_count of them
  }
  return count;
}

bool SessionCore::answer_own_diagnostics(std::string_view sql) {
  using Kind = DiagnosticsQuestion::Kind;
  const OwnDiagnostics& own = diagnostics_.own();
  if (own.rows.empty() || creates_select()) {
    return false;
  }
  const DiagnosticsQuestion question = question_in(sql, lexer_options());
  if (question.kind == Kind::kNone || (question.kind != Kind::kRows && !own.count)) {
    return false;
  }
  if (question.kind == Kind::kRows) {
    scratch_ = own.rows;
    std::uint8_t sequence = reply_sequence_;
    for (std::size_t at = 0; at < scratch_.size();) {
      const auto frame = protocol::peek_packet(Bytes(scratch_).subspan(at));
      if (!frame) {
        break;
      }
      scratch_[at + 3] = sequence++;
      at += frame->bytes;
    }
  } else {
    const std::uint64_t count = question.kind == Kind::kAll ? own.count->all : own.count->errors;
    scratch_.clear();
    protocol::append_single_value(
        scratch_,
        {question.name, static_cast<std::int64_t>(count), protocol::ValueOrigin::kVariable},
        owner_.capabilities, status_bits(), reply_sequence_);
    transaction_tracker_.on_rows();
    if (own.for_one_statement) {
      diagnostics_.set_own({});  // such a server counts once
    }
  }
  diagnostics_.set_row_count(-1);
  send_reply();
  return true;
}

}  // namespace consort::proxy
