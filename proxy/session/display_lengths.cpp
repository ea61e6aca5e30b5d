#include "proxy/session/display_lengths.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "base/sql_identifier.h"
#include "protocol/constants.h"
#include "protocol/lenenc.h"
#include "protocol/packet_reader.h"

namespace consort::proxy {
namespace {

constexpr std::size_t kType = 1;
constexpr std::size_t kColumnsShown = 6;
constexpr std::uint32_t kUsual = 22;
/// A literal's length is its text's.
constexpr std::uint32_t kShortest = 3;
constexpr std::uint32_t kLongest = 255;

/// A number with an exponent, of so many characters.
std::string literal_of(std::uint32_t length) {
  if (length == kShortest) {
    return "1e0";
  }
  if (length == kShortest + 1) {
    return "10e0";
  }
  return "1." + std::string(length - kShortest - 1, '0') + "e0";
}

/// Of a column definition's packet; 0: it is none.
std::uint32_t length_in(Bytes packet, std::uint64_t capabilities) {
  constexpr int kNames = 6;  // catalog to original name
  protocol::Reader reader(packet);
  for (int name = 0; name < kNames; ++name) {
    (void)reader.lenenc_bytes();
  }
  if ((capabilities & protocol::capability::kMariadbExtendedMetadata) != 0) {
    (void)reader.lenenc_bytes();
  }
  (void)reader.lenenc();  // of the fixed part
  (void)reader.u16();     // the character set
  const std::uint32_t length = reader.u32();
  return reader.failed() ? 0 : length;
}

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

}  // namespace

DisplayLengths::DisplayLengths(const std::vector<OwnResult::Row>& rows,
                               std::string_view definition) {
  static constexpr std::array<std::pair<Form, std::string_view>, 3> kForms = {
      {{Form::kNotNull, " double NOT NULL"},
       {Form::kNotNullDefault, " double NOT NULL DEFAULT 0"},
       {Form::kNull, " double DEFAULT NULL"}}};
  for (const OwnResult::Row& row : rows) {
    if (row.size() < kColumnsShown || !row[0]) {
      names_.clear();
      odd_.clear();
      return;
    }
    names_.push_back(sql_identifier(*row[0]));
    if (row[kType] != "double") {
      continue;
    }
    for (const auto& [form, says] : kForms) {
      const std::string line = "\n  " + names_.back() + std::string(says);
      if (count_of(definition, line + ",\n") + count_of(definition, line + "\n)") == 1) {
        odd_.push_back({names_.size() - 1, form, line, {}});
      }
    }
  }
}

std::string DisplayLengths::question(std::string_view table) const {
  std::string sql;
  for (const Odd& odd : odd_) {
    sql += (sql.empty() ? "SELECT " : ",") + names_[odd.at];
  }
  return sql + " FROM " + std::string(table) + " LIMIT 0";
}

void DisplayLengths::read(Bytes wire, std::uint64_t capabilities) {
  std::vector<Odd> kept;
  std::size_t at = 0;
  for (bool first = true; at < odd_.size(); first = false) {
    const auto frame = protocol::peek_packet(wire);
    if (!frame) {
      break;
    }
    wire = wire.subspan(frame->bytes);
    if (first) {
      continue;  // how many there are
    }
    const std::uint32_t length = length_in(frame->payload, capabilities);
    if (length != kUsual && length >= kShortest && length <= kLongest) {
      odd_[at].literal = literal_of(length);
      kept.push_back(std::move(odd_[at]));
    }
    ++at;
  }
  odd_ = std::move(kept);
}

std::string DisplayLengths::without_odd(std::string definition) const {
  for (const Odd& odd : odd_) {
    std::size_t at = definition.find(odd.line + ",\n");
    std::size_t bytes = odd.line.size() + 1;
    if (at == definition.npos) {
      at = definition.find(odd.line + "\n)");
      bytes = odd.line.size();
      if (at != definition.npos && at > 0 && definition[at - 1] == ',') {
        --at;
        ++bytes;
      }
    }
    if (at != definition.npos) {
      definition.erase(at, bytes);
    }
  }
  constexpr std::string_view kNothing = " (\n)";
  if (definition.starts_with(kNothing)) {
    definition.erase(0, kNothing.size());
  }
  return definition;
}

std::string DisplayLengths::query() const {
  if (odd_.empty()) {
    return {};
  }
  // A column of another table, for what has the default value that such a column gives.
  std::string sql = " SELECT ";
  std::string from;
  auto odd = odd_.begin();
  for (std::size_t at = 0; at < names_.size(); ++at) {
    sql += at == 0 ? "" : ",";
    if (odd == odd_.end() || odd->at != at) {
      sql += "NULL AS " + names_[at];
      continue;
    }
    const std::string literal = odd->literal + " AS " + names_[at];
    switch (odd->form) {
      case Form::kNotNull:
        sql += literal;
        break;
      case Form::kNotNullDefault:
        sql += names_[at];
        from += (from.empty() ? " FROM (SELECT " : ",") + literal;
        break;
      case Form::kNull:
        sql += "NULLIF(" + odd->literal + "," + literal;
        sql.insert(sql.size() - literal.size() + odd->literal.size(), ")");
        break;
    }
    ++odd;
  }
  return sql + (from.empty() ? "" : from + ") AS of_literals") + " LIMIT 0";
}

}  // namespace consort::proxy
