// NamedSet: names of a client's that stay in force on its connection until the client ends them:
// statements of PREPARE .. FROM, open handlers. Bounded: one that was not kept is never ended.
// Threads: none; its session's.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace consort::proxy {

class NamedSet {
 public:
  void clear() { names_.clear(); }

  /// `name` in lower case.
  void add(std::string_view name) {
    if (std::find(names_.begin(), names_.end(), name) != names_.end()) {
      return;
    }
    if (names_.size() < kNamesMax) {
      names_.emplace_back(name);
    } else {
      names_.front().clear();  // stands for those not kept: nobody ends it
    }
  }

  void remove(std::string_view name) {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found != names_.end()) {
      names_.erase(found);
    }
  }

  [[nodiscard]] bool empty() const { return names_.empty(); }

 private:
  static constexpr std::size_t kNamesMax = 1024;

  std::vector<std::string> names_;
};

}  // namespace consort::proxy
