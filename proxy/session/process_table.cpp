#include "proxy/session/process_table.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <string_view>

namespace consort::proxy {
namespace {

constexpr std::uint32_t kWithSentRows = 110302;
constexpr std::uint32_t kWithTemporarySpace = 110500;

// Consort's document is in latin1, so that a byte of INFO_BINARY is a character; texts have their
// other characters as \uNNNN, which the server turns into those of the column.
constexpr std::string_view kTableText = " CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci";

struct TableColumn {
  std::string_view name;
  std::string_view type;
  bool text = false;
  std::string_view newer_type = {};  ///< from kWithSentRows on; empty: the same
  std::uint32_t since = 0;           ///< server version
};

constexpr TableColumn kTableColumns[] = {
    {"ID", "bigint(4)"},
    {"USER", "varchar(128)", true},
    {"HOST", "varchar(64)", true},
    {"DB", "varchar(64)", true},
    {"COMMAND", "varchar(16)", true},
    {"TIME", "int(7)"},
    {"STATE", "varchar(64)", true},
    {"INFO", "longtext", true},
    {"TIME_MS", "decimal(22,3)"},
    {"STAGE", "tinyint(2)"},
    {"MAX_STAGE", "tinyint(2)"},
    {"PROGRESS", "decimal(7,3)"},
    {"MEMORY_USED", "bigint(7)", false, "bigint(10)"},
    {"MAX_MEMORY_USED", "bigint(7)", false, "bigint(10)"},
    {"EXAMINED_ROWS", "int(7)", false, "bigint(10)"},
    {"SENT_ROWS", "bigint(10)", false, {}, kWithSentRows},
    {"QUERY_ID", "bigint(4)", false, "bigint(10)"},
    {"INFO_BINARY", "blob"},
    {"TID", "bigint(4)", false, "bigint(10)"},
    {"TMP_SPACE_USED", "bigint(10)", false, {}, kWithTemporarySpace},
};

void append_json_escape(std::string& json, std::uint32_t character) {
  char escape[8];
  (void)std::snprintf(escape, sizeof escape, "\\u%04x", character & 0xFFFF);
  json += escape;
}

bool is_plain(unsigned char byte) {
  return byte >= ' ' && byte != '"' && byte != '\\' && byte < 0x7F;
}

struct Character {
  std::uint32_t code = '?';  ///< as a server shows what its utf8mb3 cannot hold
  std::size_t bytes = 1;
};

/// The first character of UTF-8. REQUIRES: `text` is not empty.
Character first_character(std::string_view text) {
  const auto byte = [&text](std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
  };
  const auto follows = [&byte](std::size_t at) { return (byte(at) & 0xC0) == 0x80; };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) {
    return {lead, 1};
  }
  if (lead >= 0xC2 && lead < 0xE0 && follows(1)) {
    return {(lead & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  }
  if (lead >= 0xE0 && lead < 0xF0 && follows(1) && follows(2)) {
    const std::uint32_t code = (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    const bool is_character = code >= 0x800 && (code < 0xD800 || code >= 0xE000);
    return {is_character ? code : '?', 3};
  }
  if (lead >= 0xF0 && lead < 0xF5 && follows(1) && follows(2) && follows(3)) {
    return {'?', 4};
  }
  return {};
}

void append_json_text(std::string& json, std::string_view text) {
  json += '"';
  while (!text.empty()) {
    const Character character = first_character(text);
    if (character.code < 0x80 && is_plain(static_cast<unsigned char>(character.code))) {
      json += static_cast<char>(character.code);
    } else {
      append_json_escape(json, character.code);
    }
    text.remove_prefix(character.bytes);
  }
  json += '"';
}

void append_json_bytes(std::string& json, std::string_view bytes) {
  json += '"';
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_plain(byte) || byte >= 0x80) {
      json += c;
    } else {
      append_json_escape(json, byte);
    }
  }
  json += '"';
}

std::string milliseconds_sql(Duration time) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
  std::string fraction = std::to_string(std::max<std::int64_t>(us, 0) % 1000);
  fraction.insert(0, 3 - fraction.size(), '0');
  return std::to_string(std::max<std::int64_t>(us, 0) / 1000) + "." + fraction;
}

void append_table_row(std::string& json, const ProcessRow& row, std::size_t info_bytes_max) {
  const auto number = [&json](const std::string& digits) {
    json += ',';
    json += digits;
  };
  const auto text = [&json](std::string_view value) {
    json += ',';
    append_json_text(json, value);
  };
  json += '[';
  json += std::to_string(row.id);
  text(row.user);
  text(row.host);
  if (row.schema.empty()) {
    number("null");
  } else {
    text(row.schema);
  }
  text(row.command);
  number(std::to_string(row.time_s()));
  text(row.state);
  const std::string_view info = row.info ? std::string_view(*row.info) : std::string_view();
  if (row.info) {
    text(info.substr(0, info_bytes_max));
  } else {
    number("null");
  }
  number(milliseconds_sql(row.time));
  number(std::to_string(row.effort.stage));
  number(std::to_string(row.effort.max_stage));
  number(row.effort.progress);
  number(std::to_string(row.effort.memory_used));
  number(std::to_string(row.effort.max_memory_used));
  number(std::to_string(row.effort.examined_rows));
  number("0");  // SENT_ROWS
  number(std::to_string(row.query_id));
  json += ',';
  if (row.info) {
    append_json_bytes(json, info.substr(0, info_bytes_max));
  } else {
    json += "null";
  }
  json += ",0,0]";  // TID, TMP_SPACE_USED
}

std::string hex_digits(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 0xF];
  }
  return out;
}

std::string table_columns_sql(std::uint32_t server_version) {
  std::string out;
  std::size_t at = 0;
  for (const TableColumn& column : kTableColumns) {
    const std::string path = "$[" + std::to_string(at++) + "]";
    if (column.since > server_version) {
      continue;
    }
    const bool newer = !column.newer_type.empty() && server_version >= kWithSentRows;
    out += out.empty() ? "" : ",";
    out += column.name;
    out += ' ';
    out += newer ? column.newer_type : column.type;
    out += column.text ? kTableText : "";
    out += " PATH '" + path + "'";
  }
  return out;
}

}  // namespace

std::string process_table_sql(std::vector<ProcessRow> rows, std::uint32_t server_version) {
  std::sort(rows.begin(), rows.end(),
            [](const ProcessRow& a, const ProcessRow& b) { return a.id > b.id; });
  std::string json = "[";
  std::size_t info_bytes = 0;
  for (const ProcessRow& row : rows) {
    info_bytes += row.info ? row.info->size() : 0;
    const bool fits = info_bytes <= kProcessTableInfoBytesMax;
    json += json.size() > 1 ? "," : "";
    append_table_row(json, row, fits ? kProcessInfoBytesMax : kProcessInfoBytesShort);
  }
  json += ']';
  return "JSON_TABLE(_latin1 X'" + hex_digits(json) + "','$[*]' COLUMNS(" +
         table_columns_sql(server_version) + "))";
}

}  // namespace consort::proxy
