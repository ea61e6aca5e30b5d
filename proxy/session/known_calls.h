// KnownCalls: what the commit thread has said of procedures (RoutineBook), until routines may have
// changed. Threads: none; each worker has its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "proxy/commit/commit_messages.h"

namespace consort::proxy {

class KnownCalls {
 public:
  /// `generation`: AppliedPositions::routines. nullopt: the commit thread has to be asked.
  [[nodiscard]] std::optional<CallKnowledge> find(std::string_view schema,
                                                  std::string_view name,
                                                  std::uint64_t generation) const {
    if (generation != generation_) {
      return std::nullopt;
    }
    const auto found = known_.find(key(schema, name));
    return found != known_.end() ? std::optional(found->second) : std::nullopt;
  }

  void note(const CallAnswer& answer) {
    if (answer.generation < generation_ || answer.generation == 0) {
      return;
    }
    if (answer.generation != generation_ || known_.size() >= kProceduresMax) {
      known_.clear();
      generation_ = answer.generation;
    }
    known_[key(answer.schema, answer.name)] = answer.known;
  }

 private:
  static constexpr std::size_t kProceduresMax = 4096;

  static std::string key(std::string_view schema, std::string_view name) {
    std::string both(schema);
    both += '\0';
    both += name;
    return both;
  }

  std::unordered_map<std::string, CallKnowledge> known_;
  std::uint64_t generation_ = 0;
};

}  // namespace consort::proxy
