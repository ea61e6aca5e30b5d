// UserLocks: which locks of GET_LOCK a session may hold, as its statements named them. Only the
// server knows for certain. Decision 0013.
// Threads: none; its session's.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace consort::proxy {

class UserLocks {
 public:
  void reset() {
    names_.clear();
    unnamed_ = false;
  }

  /// A statement takes locks: their names as SQL literals; nullopt: they cannot be told.
  void on_taken(const std::optional<std::vector<std::string_view>>& names) {
    if (!names || names_.size() + names->size() > kNamesMax) {
      unnamed_ = true;
      return;
    }
    for (const std::string_view name : *names) {
      if (std::find(names_.begin(), names_.end(), name) == names_.end()) {
        names_.emplace_back(name);
      }
    }
  }

  /// RELEASE_ALL_LOCKS() has succeeded. The named ones are asked about all the same.
  void on_all_released() { unnamed_ = false; }

  /// The server says that the session holds none of the named ones.
  void on_none_held() { names_.clear(); }

  /// Perhaps others than named(): the server cannot be asked about them.
  [[nodiscard]] bool unnamed() const { return unnamed_; }

  /// The question whether the session holds any of those that were named: 0 or 1.
  [[nodiscard]] std::string question() const {
    std::string sql = "SELECT 0";
    for (const std::string& name : names_) {
      sql += " OR IS_USED_LOCK(" + name + ")<=>CONNECTION_ID()";
    }
    return sql;
  }

 private:
  static constexpr std::size_t kNamesMax = 64;

  std::vector<std::string> names_;
  bool unnamed_ = false;
};

}  // namespace consort::proxy
