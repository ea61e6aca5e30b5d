// ConfigReader: reads one JSON object key by key, and says for each wrong one where it stands and
// what was expected. Private to config.cpp. Threads: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace consort::proxy {

using ConfigJson = nlohmann::ordered_json;

/// Parses `text`, with comments. Errors: not JSON (line and column), or a key given twice (path).
[[nodiscard]] Result<ConfigJson> parse_config_json(std::string_view text);

/// What is wrong, in the order found.
class ConfigProblems {
 public:
  static constexpr std::size_t kShownMax = 10;

  void add(const std::string& path, const std::string& what);

  [[nodiscard]] bool empty() const { return lines_.empty(); }

  /// One line per problem, at most kShownMax.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::string> lines_;
};

/// Whether a key must be there.
enum class Need : std::uint8_t { kOptional, kRequired };

class ConfigReader {
 public:
  /// `json` and `problems` outlive the reader. `path` is its JSON path, such as `$.listen.sql`.
  ConfigReader(const ConfigJson& json, std::string path, ConfigProblems& problems);

  /// An integer from `min` to `max`. `out` is left alone when the key is absent or wrong.
  template <typename Integer>
  void integer(std::string_view key,
               Integer& out,
               std::uint64_t min,
               std::uint64_t max,
               Need need = Need::kOptional) {
    static_assert(!std::numeric_limits<Integer>::is_signed);
    std::uint64_t value = out;
    if (read_integer(key, value, min, max, need)) {
      out = static_cast<Integer>(value);
    }
  }

  void boolean(std::string_view key, bool& out);

  /// A string of at most `bytes_max` bytes without control characters.
  void text(std::string_view key, std::string& out, Need need, std::size_t bytes_max = 4096);

  /// The same, for what must not be shown in an error.
  void secret(std::string_view key, std::string& out);

  /// One of a few words.
  template <typename Enum>
  void choice(std::string_view key,
              Enum& out,
              std::initializer_list<std::pair<std::string_view, Enum>> words) {
    std::vector<std::string_view> names;
    for (const auto& [word, value] : words) {
      names.push_back(word);
    }
    const std::size_t found = read_choice(key, names);
    if (found < words.size()) {
      out = (words.begin() + found)->second;
    }
  }

  /// The object at `key`, or null when absent or no object (then that was reported).
  [[nodiscard]] const ConfigJson* object(std::string_view key, Need need = Need::kOptional);

  /// The array at `key`; likewise.
  [[nodiscard]] const ConfigJson* array(std::string_view key, Need need);

  [[nodiscard]] bool has(std::string_view key) const;

  /// The path of `key` in this object.
  [[nodiscard]] std::string path_of(std::string_view key) const;

  /// Reports a problem of `key`'s value.
  void refuse(std::string_view key, const std::string& what);

  /// Reports every key that nobody asked for. Call last.
  void finish();

 private:
  [[nodiscard]] const ConfigJson* find(std::string_view key, Need need);
  bool read_integer(
      std::string_view key, std::uint64_t& out, std::uint64_t min, std::uint64_t max, Need need);
  [[nodiscard]] std::size_t read_choice(std::string_view key,
                                        const std::vector<std::string_view>& names);
  void expected(std::string_view key, const std::string& what, const ConfigJson& got);

  const ConfigJson& json_;
  const std::string path_;
  ConfigProblems& problems_;
  std::vector<std::string> asked_;
};

}  // namespace consort::proxy
