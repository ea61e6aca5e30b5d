#include "proxy/session/process_list.h"

#include <algorithm>
#include <array>

#include "protocol/constants.h"
#include "protocol/lenenc.h"
#include "protocol/packet_writer.h"
#include "router/token.h"

namespace consort::proxy {
namespace {

namespace capability = protocol::capability;

struct Column {
  std::string_view name;
  std::uint8_t type;
  std::uint32_t length;  ///< characters of a text, digits of a number
  std::uint16_t flags;
  std::uint8_t decimals;
  bool text;
};

constexpr std::uint8_t kLong = 3;
constexpr std::uint8_t kDouble = 5;
constexpr std::uint8_t kLonglong = 8;
constexpr std::uint8_t kLongBlob = 251;
constexpr std::uint8_t kVarString = 253;
constexpr std::uint16_t kNotNull = 1;
constexpr std::uint16_t kBinary = 128;
constexpr std::uint8_t kNotFixed = 39;  ///< decimals of a text
/// Three times max_allowed_packet, which is 1 GiB on every backend.
constexpr std::uint32_t kFullInfoCharacters = 3U << 30;
constexpr std::uint8_t kFixedFieldsBytes = 0x0C;

constexpr std::array<Column, 9> kColumns = {{
    {"Id", kLonglong, 11, kNotNull | kBinary, 0, false},
    {"User", kVarString, 128, kNotNull, kNotFixed, true},
    {"Host", kVarString, 64, kNotNull, kNotFixed, true},
    {"db", kVarString, 64, 0, kNotFixed, true},
    {"Command", kVarString, 16, kNotNull, kNotFixed, true},
    {"Time", kLong, 7, kNotNull | kBinary, 0, false},
    {"State", kVarString, 30, 0, kNotFixed, true},
    {"Info", kVarString, kProcessInfoBytesShort, 0, kNotFixed, true},
    {"Progress", kDouble, 7, kNotNull | kBinary, 3, false},
}};

Column as_asked(Column column, bool full) {
  if (full && column.name == "Info") {
    column.type = kLongBlob;
    column.length = kFullInfoCharacters;
  }
  return column;
}

Buffer definition(const Column& column, const ProcessListFormat& format) {
  Buffer out;
  protocol::append_lenenc_text(out, "def");
  for (int i = 0; i < 3; ++i) {
    protocol::append_lenenc_text(out, "");  // schema, table, the table's own name
  }
  protocol::append_lenenc_text(out, column.name);
  protocol::append_lenenc_text(out, "");  // the column's own name
  if ((format.capabilities & capability::kMariadbExtendedMetadata) != 0) {
    protocol::append_lenenc_text(out, "");
  }
  out.push_back(kFixedFieldsBytes);
  append_le<2>(out, column.text ? format.collation : protocol::kBinaryCollation);
  const std::uint64_t length =
      std::uint64_t{column.length} * (column.text ? format.bytes_of_character : 1);
  append_le<4>(out, std::min<std::uint64_t>(length, 0xFFFFFFFF));
  out.push_back(column.type);
  append_le<2>(out, column.flags);
  out.push_back(column.decimals);
  append_le<2>(out, 0);
  return out;
}

/// At most `bytes_max`, without half a character of UTF-8 at the end.
std::string_view cut(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) {
    return text;
  }
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
    --end;
  }
  return text.substr(0, end);
}

void append_null(Buffer& row) {
  constexpr std::uint8_t kNull = 0xFB;
  row.push_back(kNull);
}

Buffer text_row(const ProcessRow& process, bool full) {
  Buffer row;
  protocol::append_lenenc_text(row, std::to_string(process.id));
  protocol::append_lenenc_text(row, process.user);
  protocol::append_lenenc_text(row, process.host);
  if (process.schema.empty()) {
    append_null(row);
  } else {
    protocol::append_lenenc_text(row, process.schema);
  }
  protocol::append_lenenc_text(row, process.command);
  protocol::append_lenenc_text(row, std::to_string(process.time_s));
  protocol::append_lenenc_text(row, process.state);
  if (process.info) {
    protocol::append_lenenc_text(
        row, cut(*process.info, full ? kProcessInfoBytesMax : kProcessInfoBytesShort));
  } else {
    append_null(row);
  }
  protocol::append_lenenc_text(row, "0.000");
  return row;
}

}  // namespace

std::optional<ProcessListRequest> process_list_request(std::string_view sql) {
  constexpr std::string_view kSpace = " \t\r\n";
  sql = sql.substr(0, sql.find_last_not_of(" \t\r\n;") + 1);
  std::array<std::string_view, 3> words;
  std::size_t count = 0;
  while (true) {
    const std::size_t begin = sql.find_first_not_of(kSpace);
    if (begin == sql.npos) {
      break;
    }
    sql.remove_prefix(begin);
    const std::size_t end = std::min(sql.find_first_of(" \t\r\n;"), sql.size());
    if (end == 0 || count == words.size()) {
      return std::nullopt;
    }
    words[count++] = sql.substr(0, end);
    sql.remove_prefix(end);
  }
  const bool full = count == 3 && router::equals_ignoring_case(words[1], "FULL");
  if ((count != 2 && !full) || !router::equals_ignoring_case(words[0], "SHOW") ||
      !router::equals_ignoring_case(words[count - 1], "PROCESSLIST")) {
    return std::nullopt;
  }
  return ProcessListRequest{full};
}

void append_process_list(Buffer& out,
                         std::vector<ProcessRow> rows,
                         const ProcessListFormat& format) {
  std::sort(rows.begin(), rows.end(),
            [](const ProcessRow& a, const ProcessRow& b) { return a.id < b.id; });
  const bool old_eof = (format.capabilities & capability::kDeprecateEof) == 0;
  std::uint8_t sequence = format.sequence;
  const std::uint8_t count[] = {kColumns.size()};
  sequence = protocol::append_packet(out, count, sequence);
  for (const Column& column : kColumns) {
    sequence =
        protocol::append_packet(out, definition(as_asked(column, format.full), format), sequence);
  }
  if (old_eof) {
    sequence = protocol::append_eof(out, {0, format.status}, sequence);
  }
  for (const ProcessRow& row : rows) {
    sequence = protocol::append_packet(out, text_row(row, format.full), sequence);
  }
  if (old_eof) {
    protocol::append_eof(out, {0, format.status}, sequence);
    return;
  }
  protocol::OkPacket end;
  end.status = format.status;
  protocol::append_ok(out, end, format.capabilities, sequence, protocol::OkHeader::kEof);
}

std::string_view process_command(std::uint8_t command) {
  switch (static_cast<protocol::Command>(command)) {
    case protocol::Command::kInitDb:
      return "Init DB";
    case protocol::Command::kFieldList:
      return "Field List";
    case protocol::Command::kStmtPrepare:
      return "Prepare";
    case protocol::Command::kStmtExecute:
      return "Execute";
    case protocol::Command::kStmtBulkExecute:
      return "Bulk_execute";
    case protocol::Command::kStmtFetch:
      return "Fetch";
    case protocol::Command::kStmtReset:
      return "Reset stmt";
    case protocol::Command::kProcessKill:
      return "Kill";
    case protocol::Command::kResetConnection:
      return "Reset connection";
    default:
      return "Query";
  }
}

}  // namespace consort::proxy
