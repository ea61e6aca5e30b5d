// Hints: wishes that a client writes into a comment of its statement.
//   /* consort: home */            run it on the session's home
//   /* consort: read=strong */     read consistency of this statement: strong, session or eventual
//   /* consort: backend=db2 */     read from this backend
// Several may stand in one comment, separated by blanks or commas. The first such comment counts.
#pragma once

#include <cstdint>
#include <string_view>

namespace consort::router {

/// How fresh a read must be. kDefault: as the session says.
enum class ReadFreshness : std::uint8_t { kDefault, kEventual, kSession, kStrong };

[[nodiscard]] constexpr std::string_view to_text(ReadFreshness freshness) {
  switch (freshness) {
    case ReadFreshness::kDefault:
      return "default";
    case ReadFreshness::kEventual:
      return "eventual";
    case ReadFreshness::kSession:
      return "session";
    case ReadFreshness::kStrong:
      return "strong";
  }
  return "default";
}

struct Hints {
  bool home = false;
  ReadFreshness read = ReadFreshness::kDefault;
  std::string_view backend;  ///< a backend's name; a view into the statement, empty when absent
  std::string_view bad;      ///< the first word that is no hint, for a warning; empty when all are
};

/// Reads the inside of a comment (without `/*` and `*/`). A comment that does not begin with
/// `consort:` gives no hints.
[[nodiscard]] Hints parse_hints(std::string_view comment);

}  // namespace consort::router
