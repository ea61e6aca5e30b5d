#include "proxy/config_reader.h"

#include <algorithm>
#include <optional>
#include <set>

namespace consort::proxy {
namespace {

/// A value as an error shows it: short, on one line.
std::string shown(const ConfigJson& value) {
  if (value.is_object() || value.is_array()) {
    return value.is_object() ? "an object" : "an array";
  }
  constexpr std::size_t kBytesMax = 60;
  std::string text = value.dump(-1, ' ', true, ConfigJson::error_handler_t::replace);
  if (text.size() > kBytesMax) {
    text.resize(kBytesMax);
    text += "...";
  }
  return text;
}

/// Finds keys that stand twice in one object, which the parser itself would merge in silence.
class DuplicateFinder {
 public:
  bool operator()(int /*depth*/, ConfigJson::parse_event_t event, ConfigJson& value) {
    using Event = ConfigJson::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) {
      begin_value();
      frames_.push_back({event == Event::array_start, 0, {}, {}});
    } else if (event == Event::object_end || event == Event::array_end) {
      frames_.pop_back();
    } else if (event == Event::key) {
      Frame& frame = frames_.back();
      frame.key = value.get<std::string>();
      if (!frame.keys.insert(frame.key).second && !duplicate_) {
        duplicate_ = path();
      }
    } else {
      begin_value();
    }
    return true;
  }

  [[nodiscard]] const std::optional<std::string>& duplicate() const { return duplicate_; }

 private:
  struct Frame {
    bool is_array;
    std::size_t values_count;
    std::string key;
    std::set<std::string> keys;
  };

  void begin_value() {
    if (!frames_.empty() && frames_.back().is_array) {
      ++frames_.back().values_count;
    }
  }

  [[nodiscard]] std::string path() const {
    std::string text = "$";
    for (const Frame& frame : frames_) {
      text += frame.is_array ? "[" + std::to_string(frame.values_count - 1) + "]" : "." + frame.key;
    }
    return text;
  }

  std::vector<Frame> frames_;
  std::optional<std::string> duplicate_;
};

/// "line 3, column 7" of a byte offset, both from 1.
std::string position_of(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t line_begin =
      before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return "line " + std::to_string(line) + ", column " +
         std::to_string(std::max<std::size_t>(before.size() - line_begin, 1));
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return c < ' ' || c == 0x7F; });
}

}  // namespace

Result<ConfigJson> parse_config_json(std::string_view text) {
  constexpr std::size_t kBytesMax = std::size_t{1} << 20;
  if (text.size() > kBytesMax) {
    return make_error("larger than 1 MiB");
  }
  DuplicateFinder duplicates;
  try {
    ConfigJson json = ConfigJson::parse(text, std::ref(duplicates), true, true);
    if (duplicates.duplicate()) {
      return make_error(*duplicates.duplicate() + ": given twice");
    }
    return json;
  } catch (const ConfigJson::parse_error& error) {
    return make_error(position_of(text, error.byte) + ": not valid JSON");
  } catch (const ConfigJson::exception&) {
    return make_error("not valid JSON");
  }
}

void ConfigProblems::add(const std::string& path, const std::string& what) {
  lines_.push_back(path + ": " + what);
}

std::string ConfigProblems::text() const {
  std::string text;
  for (std::size_t i = 0; i < std::min(lines_.size(), kShownMax); ++i) {
    text += (i == 0 ? "" : "\n") + lines_[i];
  }
  if (lines_.size() > kShownMax) {
    text += "\nand " + std::to_string(lines_.size() - kShownMax) + " more";
  }
  return text;
}

ConfigReader::ConfigReader(const ConfigJson& json, std::string path, ConfigProblems& problems)
    : json_(json), path_(std::move(path)), problems_(problems) {}

void ConfigReader::boolean(std::string_view key, bool& out) {
  const ConfigJson* value = find(key, Need::kOptional);
  if (value == nullptr) {
    return;
  }
  if (!value->is_boolean()) {
    expected(key, "true or false", *value);
    return;
  }
  out = value->get<bool>();
}

void ConfigReader::text(std::string_view key, std::string& out, Need need, std::size_t bytes_max) {
  const ConfigJson* value = find(key, need);
  if (value == nullptr) {
    return;
  }
  if (!value->is_string()) {
    expected(key, "a string", *value);
    return;
  }
  const auto& text = value->get_ref<const std::string&>();
  if (text.size() > bytes_max || has_control_character(text)) {
    expected(key, "at most " + std::to_string(bytes_max) + " bytes without control characters",
             *value);
    return;
  }
  if (need == Need::kRequired && text.empty()) {
    expected(key, "a text that is not empty", *value);
    return;
  }
  out = text;
}

void ConfigReader::secret(std::string_view key, std::string& out) {
  constexpr std::size_t kBytesMax = 1024;
  const ConfigJson* value = find(key, Need::kOptional);
  if (value == nullptr) {
    return;
  }
  if (!value->is_string() || value->get_ref<const std::string&>().size() > kBytesMax) {
    refuse(key, "expected a string of at most " + std::to_string(kBytesMax) + " bytes");
    return;
  }
  out = value->get<std::string>();
}

const ConfigJson* ConfigReader::object(std::string_view key, Need need) {
  const ConfigJson* value = find(key, need);
  if (value != nullptr && !value->is_object()) {
    expected(key, "an object", *value);
    return nullptr;
  }
  return value;
}

const ConfigJson* ConfigReader::array(std::string_view key, Need need) {
  const ConfigJson* value = find(key, need);
  if (value != nullptr && !value->is_array()) {
    expected(key, "an array", *value);
    return nullptr;
  }
  return value;
}

bool ConfigReader::has(std::string_view key) const {
  return json_.find(std::string(key)) != json_.end();
}

std::string ConfigReader::path_of(std::string_view key) const {
  return path_ + "." + std::string(key);
}

void ConfigReader::refuse(std::string_view key, const std::string& what) {
  problems_.add(path_of(key), what);
}

void ConfigReader::finish() {
  for (const auto& item : json_.items()) {
    if (std::find(asked_.begin(), asked_.end(), item.key()) == asked_.end()) {
      refuse(item.key(), "unknown key");
    }
  }
}

const ConfigJson* ConfigReader::find(std::string_view key, Need need) {
  asked_.emplace_back(key);
  const auto found = json_.find(asked_.back());
  if (found != json_.end()) {
    return &*found;
  }
  if (need == Need::kRequired) {
    refuse(key, "missing");
  }
  return nullptr;
}

bool ConfigReader::read_integer(
    std::string_view key, std::uint64_t& out, std::uint64_t min, std::uint64_t max, Need need) {
  const ConfigJson* value = find(key, need);
  if (value == nullptr) {
    return false;
  }
  const bool in_range = value->is_number_unsigned() && value->get<std::uint64_t>() >= min &&
                        value->get<std::uint64_t>() <= max;
  if (!in_range) {
    expected(key, "an integer " + std::to_string(min) + ".." + std::to_string(max), *value);
    return false;
  }
  out = value->get<std::uint64_t>();
  return true;
}

std::size_t ConfigReader::read_choice(std::string_view key,
                                      const std::vector<std::string_view>& names) {
  const ConfigJson* value = find(key, Need::kOptional);
  if (value == nullptr) {
    return names.size();
  }
  std::string list;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (value->is_string() && value->get_ref<const std::string&>() == names[i]) {
      return i;
    }
    list += (i == 0 ? "\"" : " or \"") + std::string(names[i]) + "\"";
  }
  expected(key, list, *value);
  return names.size();
}

void ConfigReader::expected(std::string_view key, const std::string& what, const ConfigJson& got) {
  refuse(key, "expected " + what + ", got " + shown(got));
}

}  // namespace consort::proxy
