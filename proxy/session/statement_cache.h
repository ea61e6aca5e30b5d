// StatementCache: the statements that one backend connection has prepared, by schema and text. When
// there are too many, the one that was used longest ago goes; one with an open cursor stays.
// Threads: none; its connection's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "proxy/session/effects.h"

namespace consort::proxy {

class StatementCache {
 public:
  /// The statement, now the newest; nullptr: not prepared here. Dies with the next add() or
  /// clear().
  [[nodiscard]] BackendStatement* find(std::string_view key);

  /// Remembers a statement. Returns the server's id of one to close: the oldest without an open
  /// cursor when `statements_max` are kept already, or an earlier one of the same key.
  [[nodiscard]] std::optional<std::uint32_t> add(std::string_view key,
                                                 std::uint32_t id,
                                                 std::size_t statements_max);

  /// Forgets one. Returns the server's id, to close it; nullopt: it was not there.
  [[nodiscard]] std::optional<std::uint32_t> remove(std::string_view key);

  /// The server has forgotten them all.
  void clear();

  [[nodiscard]] std::size_t size() const { return by_age_.size(); }

 private:
  struct Entry {
    std::string key;
    BackendStatement statement;
  };

  std::list<Entry> by_age_;                                                  ///< newest first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key_;  ///< keys in by_age_
};

}  // namespace consort::proxy
