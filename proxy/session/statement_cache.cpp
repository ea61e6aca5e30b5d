#include "proxy/session/statement_cache.h"

#include <algorithm>

namespace consort::proxy {

BackendStatement* StatementCache::find(std::string_view key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    return nullptr;
  }
  by_age_.splice(by_age_.begin(), by_age_, found->second);
  return &found->second->statement;
}

std::optional<std::uint32_t> StatementCache::add(std::string_view key,
                                                 std::uint32_t id,
                                                 std::size_t statements_max) {
  if (BackendStatement* known = find(key); known != nullptr) {
    const std::uint32_t earlier = known->id;
    *known = BackendStatement{.id = id};
    return earlier;
  }
  std::optional<std::uint32_t> oldest;
  if (by_age_.size() >= statements_max) {
    const auto found = std::find_if(by_age_.rbegin(), by_age_.rend(),
                                    [](const Entry& entry) { return !entry.statement.has_cursor; });
    oldest = found == by_age_.rend() ? std::nullopt : remove(found->key);
  }
  by_age_.push_front({std::string(key), BackendStatement{.id = id}});
  by_key_.emplace(by_age_.front().key, by_age_.begin());
  return oldest;
}

std::optional<std::uint32_t> StatementCache::remove(std::string_view key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    return std::nullopt;
  }
  const auto entry = found->second;
  const std::uint32_t id = entry->statement.id;
  by_key_.erase(found);
  by_age_.erase(entry);
  return id;
}

void StatementCache::clear() {
  by_key_.clear();
  by_age_.clear();
}

}  // namespace consort::proxy
