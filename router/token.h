// Token: one word, literal or sign of an SQL statement, as a view into its text.
// Threads: none; pure values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace consort::router {

enum class TokenKind : std::uint8_t {
  kEnd,               ///< no more text
  kWord,              ///< keyword or unquoted identifier; see `keyword`
  kQuotedIdentifier,  ///< `x`, or "x" with ANSI_QUOTES; `text` includes the quotes
  kString,            ///< 'x', "x", N'x'; `text` includes the quotes
  kNumber,            ///< 1, 1.5e3, 0x1F, x'1F', b'01'
  kUserVariable,      ///< @x, @`x`, @'x'
  kSystemVariable,    ///< @@x, @@session.x
  kPlaceholder,       ///< ?
  kAssign,            ///< :=
  kOperator,
  kComma,
  kDot,
  kOpenParen,
  kCloseParen,
  kSemicolon,
  kInvalid  ///< a byte that begins nothing, or a quote or comment that never ends
};

/// Words that the classifier branches on. All others are kNone: compare their text.
enum class Keyword : std::uint8_t {
  kNone,
  kAlter,
  kAnalyze,
  kAs,
  kBackup,
  kBegin,
  kBinlog,
  kCache,
  kCall,
  kCase,
  kChange,
  kCheck,
  kChecksum,
  kClone,
  kCommit,
  kCreate,
  kDeallocate,
  kDeclare,
  kDelete,
  kDesc,
  kDescribe,
  kDo,
  kDrop,
  kDumpfile,
  kEnd,
  kExcept,
  kExecute,
  kExplain,
  kFlush,
  kFor,
  kFrom,
  kGet,
  kGrant,
  kGroup,
  kHandler,
  kHaving,
  kHelp,
  kIf,
  kImport,
  kInsert,
  kInstall,
  kIntersect,
  kInto,
  kJoin,
  kKill,
  kLimit,
  kLoad,
  kLock,
  kLoop,
  kNextval,
  kOptimize,
  kOrder,
  kOutfile,
  kPrepare,
  kPurge,
  kReferences,
  kRelease,
  kRename,
  kRepair,
  kRepeat,
  kReplace,
  kReset,
  kResignal,
  kRestart,
  kReturning,
  kRevoke,
  kRollback,
  kSavepoint,
  kSelect,
  kSet,
  kShare,
  kShow,
  kShutdown,
  kSignal,
  kSqlCalcFoundRows,
  kStart,
  kStop,
  kStraightJoin,
  kTable,
  kTo,
  kTruncate,
  kUninstall,
  kUnion,
  kUnlock,
  kUpdate,
  kUse,
  kUsing,
  kValue,
  kValues,
  kWhere,
  kWhile,
  kWindow,
  kWith,
  kXa
};

/// ASCII comparison without regard to case.
[[nodiscard]] constexpr bool equals_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; };
    if (upper(a[i]) != upper(b[i])) {
      return false;
    }
  }
  return true;
}

[[nodiscard]] constexpr bool starts_ignoring_case(std::string_view text, std::string_view prefix) {
  return equals_ignoring_case(text.substr(0, prefix.size()), prefix);
}

/// ASCII letters only, as the server compares the names of variables, handlers and the like.
[[nodiscard]] constexpr char lower_case(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

[[nodiscard]] inline std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    c = lower_case(c);
  }
  return lower;
}

/// `lower` stands somewhere in `text`, in letters of any case. REQUIRES: it is in lower case.
[[nodiscard]] inline bool contains_ignoring_case(std::string_view text, std::string_view lower) {
  return std::search(text.begin(), text.end(), lower.begin(), lower.end(),
                     [](char a, char b) { return lower_case(a) == b; }) != text.end();
}

struct Token {
  TokenKind kind = TokenKind::kEnd;
  Keyword keyword = Keyword::kNone;
  bool space_before = false;  ///< blanks or comments stand between it and the token before
  std::string_view text;

  [[nodiscard]] bool is(TokenKind other) const { return kind == other; }

  [[nodiscard]] bool is(Keyword other) const { return keyword == other; }

  /// An unquoted word with this text, in any case.
  [[nodiscard]] bool is(std::string_view word) const {
    return kind == TokenKind::kWord && equals_ignoring_case(text, word);
  }

  [[nodiscard]] bool is_operator(std::string_view sign) const {
    return kind == TokenKind::kOperator && text == sign;
  }

  /// A word or a quoted identifier.
  [[nodiscard]] bool is_name() const {
    return kind == TokenKind::kWord || kind == TokenKind::kQuotedIdentifier;
  }

  /// The text without the quotes of a quoted identifier.
  [[nodiscard]] std::string_view name() const {
    return kind == TokenKind::kQuotedIdentifier ? text.substr(1, text.size() - 2) : text;
  }
};

/// The scope and name of a kSystemVariable token: `@@session.x` is {"session", "x"}.
struct SystemVariableName {
  std::string_view scope;  ///< empty when not given
  std::string_view name;   ///< quotes stripped
};

[[nodiscard]] SystemVariableName system_variable_name(std::string_view text);

/// The name in a kUserVariable token, quotes stripped.
[[nodiscard]] std::string_view user_variable_name(std::string_view text);

}  // namespace consort::router
