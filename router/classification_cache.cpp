#include "router/classification_cache.h"

#include <algorithm>

namespace consort::router {

std::shared_ptr<const ClassifiedText> ClassificationCache::get(std::string_view sql,
                                                               const LexerOptions& options) {
  const std::size_t hash = std::hash<std::string_view>()(sql);
  const auto [first, last] = texts_.equal_range(hash);
  for (auto at = first; at != last; ++at) {
    if (auto text = at->second.lock();
        text != nullptr && text->sql == sql && text->options == options) {
      return text;
    }
  }
  if (texts_.size() >= sweep_at_) {
    forget_unheld();
  }
  auto text = std::make_shared<const ClassifiedText>(sql, options);
  texts_.emplace(hash, text);
  return text;
}

void ClassificationCache::forget_unheld() {
  std::erase_if(texts_, [](const auto& entry) { return entry.second.expired(); });
  sweep_at_ = std::max(kSweepMin, texts_.size() * 2);
}

}  // namespace consort::router
