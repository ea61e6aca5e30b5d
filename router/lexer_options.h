// LexerOptions: what of a session's settings changes how the server cuts its SQL into tokens.
// Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace consort::router {

/// Defaults are those of a MariaDB session with its default sql_mode.
struct LexerOptions {
  bool no_backslash_escapes = false;  ///< sql_mode NO_BACKSLASH_ESCAPES
  bool ansi_quotes = false;           ///< sql_mode ANSI_QUOTES: "x" is an identifier
  bool ignore_space = false;          ///< sql_mode IGNORE_SPACE: `count (` is the built-in
  bool oracle = false;                ///< sql_mode ORACLE: a lone BEGIN begins a block
  bool mysql = false;                 ///< the backends are MySQL: other rules for /*!NNNNN */
  /// The session's sql_mode or character set is not known, or its multi-byte characters may end in
  /// an ASCII byte (sjis, gbk, big5, ...): a statement with a backslash, a double quote, a byte >=
  /// 0x80 or another suspicious sign is then reported as Flag::kUncertain.
  bool doubtful = false;
  /// `doubtful` for the character set alone: a text without bytes >= 0x80 is certain (in_doubt()).
  bool ascii_is_certain = false;
  /// The character set has one byte per character: the bytes 0xA0 and 0xFF outside quotes may be
  /// blanks, so such a statement is reported as Flag::kUncertain.
  bool single_byte = false;
  /// Signs of ASCII are letters of the character set (swe7): a statement with one outside quotes is
  /// reported as Flag::kUncertain.
  bool letters_for_signs = false;
  std::uint32_t server_version = 100600;  ///< MMmmpp, of the oldest backend
  /// Of the newest; the default: not known of every backend. Between the two it depends on the
  /// backend what a /*!NNNNNN */ is, beyond both it is a comment.
  std::uint32_t newest_version = 999999;
  friend bool operator==(const LexerOptions&, const LexerOptions&) = default;
};

/// Is it doubtful how the server cuts this text?
[[nodiscard]] bool in_doubt(std::string_view sql, const LexerOptions& options);

/// `options` with the quoting rules of `sql_mode`: names separated by commas, in any case,
/// composite modes (ANSI, ORACLE, ...) included, or a decimal number as `SET sql_mode=0` allows.
/// nullopt when it is neither: set `doubtful` then.
[[nodiscard]] std::optional<LexerOptions> with_sql_mode(LexerOptions options,
                                                        std::string_view sql_mode);

/// `options` for client character set `name`: sets or clears `doubtful`, `ascii_is_certain`,
/// `single_byte` and `letters_for_signs`.
[[nodiscard]] LexerOptions with_character_set(LexerOptions options, std::string_view name);

/// The same for the character set of collation `id`, as a client names it when it logs in.
[[nodiscard]] LexerOptions with_collation(LexerOptions options, std::uint16_t id);

}  // namespace consort::router
