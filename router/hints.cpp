#include "router/hints.h"

#include <cstddef>

#include "router/token.h"

namespace consort::router {
namespace {

constexpr std::string_view kBlanks = " \t\r\n,";
constexpr std::string_view kMark = "consort:";

ReadFreshness parse_freshness(std::string_view word) {
  for (const ReadFreshness freshness :
       {ReadFreshness::kEventual, ReadFreshness::kSession, ReadFreshness::kStrong}) {
    if (equals_ignoring_case(word, to_text(freshness))) {
      return freshness;
    }
  }
  return ReadFreshness::kDefault;
}

/// What follows `key=` in `word`; empty when it is not that key.
std::string_view value_of(std::string_view word, std::string_view key) {
  const bool matches =
      word.size() > key.size() && word[key.size()] == '=' && starts_ignoring_case(word, key);
  return matches ? word.substr(key.size() + 1) : std::string_view{};
}

void parse_word(std::string_view word, Hints& hints) {
  const ReadFreshness freshness = parse_freshness(value_of(word, "read"));
  const std::string_view backend = value_of(word, "backend");
  if (equals_ignoring_case(word, "home")) {
    hints.home = true;
  } else if (freshness != ReadFreshness::kDefault) {
    hints.read = freshness;
  } else if (!backend.empty()) {
    hints.backend = backend;
  } else if (hints.bad.empty()) {
    hints.bad = word;
  }
}

}  // namespace

Hints parse_hints(std::string_view comment) {
  Hints hints;
  std::size_t at = comment.find_first_not_of(kBlanks);
  if (at == std::string_view::npos ||
      !equals_ignoring_case(comment.substr(at, kMark.size()), kMark)) {
    return hints;
  }
  at += kMark.size();
  while ((at = comment.find_first_not_of(kBlanks, at)) != std::string_view::npos) {
    const std::size_t end = comment.find_first_of(kBlanks, at);
    parse_word(comment.substr(at, end - at), hints);
    at = end;
  }
  return hints;
}

}  // namespace consort::router
