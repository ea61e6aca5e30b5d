// ClassificationCache: what classify() says of texts that are executed again and again: prepared
// statements. Sessions that have prepared the same text share one.
// Threads: none; each worker has its own.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "router/lexer_options.h"
#include "router/statement.h"

namespace consort::router {

/// A text with what was read of it. Does not move: `statement` points into `sql`.
struct ClassifiedText {
  ClassifiedText(std::string_view text, const LexerOptions& how)
      : sql(text), options(how), statement(classify(sql, options)) {}

  ClassifiedText(const ClassifiedText&) = delete;
  ClassifiedText& operator=(const ClassifiedText&) = delete;

  const std::string sql;
  const LexerOptions options;
  const Statement statement;
};

class ClassificationCache {
 public:
  /// The classification of `sql`. It lives as long as somebody holds it; the cache does not.
  [[nodiscard]] std::shared_ptr<const ClassifiedText> get(std::string_view sql,
                                                          const LexerOptions& options);

  /// Texts that are held, and a few that were.
  [[nodiscard]] std::size_t size() const { return texts_.size(); }

 private:
  void forget_unheld();

  // By the text's hash; the few of one hash are compared.
  std::unordered_multimap<std::size_t, std::weak_ptr<const ClassifiedText>> texts_;
  static constexpr std::size_t kSweepMin = 64;
  std::size_t sweep_at_ = kSweepMin;
};

}  // namespace consort::router
