#include "proxy/session/process_list.h"

#include <algorithm>
#include <array>
#include <initializer_list>

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
  std::string_view schema = {};
  std::string_view table = {};
  std::string_view own_name = {};  ///< in that table
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

constexpr std::uint16_t kNoDefault = 4096;
constexpr std::string_view kSchema = "information_schema";
constexpr std::string_view kTable = "SESSION_STATUS";

constexpr std::array<Column, 2> kStatusColumns = {{
    {"Variable_name", kVarString, 64, kNotNull | kNoDefault, 0, true, kSchema, kTable,
     "VARIABLE_NAME"},
    {"Value", kVarString, 4096, kNotNull | kNoDefault, 0, true, kSchema, kTable, "VARIABLE_VALUE"},
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
  protocol::append_lenenc_text(out, column.schema);
  protocol::append_lenenc_text(out, column.table);
  protocol::append_lenenc_text(out, column.table);  // its own name
  protocol::append_lenenc_text(out, column.name);
  protocol::append_lenenc_text(out, column.own_name);
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

/// Returns the sequence id of the packet that follows.
template <std::size_t kCount>
std::uint8_t begin_result(Buffer& out,
                          const std::array<Column, kCount>& columns,
                          const ProcessListFormat& format) {
  const std::uint8_t count[] = {kCount};
  std::uint8_t sequence = protocol::append_packet(out, count, format.sequence);
  for (const Column& column : columns) {
    sequence = protocol::append_packet(out, definition(column, format), sequence);
  }
  if ((format.capabilities & capability::kDeprecateEof) == 0) {
    sequence = protocol::append_eof(out, {0, format.status}, sequence);
  }
  return sequence;
}

void end_result(Buffer& out, const ProcessListFormat& format, std::uint8_t sequence) {
  if ((format.capabilities & capability::kDeprecateEof) == 0) {
    protocol::append_eof(out, {0, format.status}, sequence);
    return;
  }
  protocol::OkPacket end;
  end.status = format.status;
  protocol::append_ok(out, end, format.capabilities, sequence, protocol::OkHeader::kEof);
}

/// Words of a short statement, as blanks part them.
struct Words {
  static constexpr std::size_t kMax = 5;
  std::array<std::string_view, kMax> words;
  std::size_t count = 0;

  [[nodiscard]] bool is(std::initializer_list<std::string_view> expected) const {
    return std::equal(expected.begin(), expected.end(), words.begin(), words.begin() + count,
                      router::equals_ignoring_case);
  }
};

/// nullopt: more words than that, or a `;` with something behind it.
std::optional<Words> words_of(std::string_view sql) {
  constexpr std::string_view kSpace = " \t\r\n";
  sql = sql.substr(0, sql.find_last_not_of(" \t\r\n;") + 1);
  Words found;
  while (true) {
    const std::size_t begin = sql.find_first_not_of(kSpace);
    if (begin == sql.npos) {
      return found;
    }
    sql.remove_prefix(begin);
    const std::size_t end = std::min(sql.find_first_of(" \t\r\n;"), sql.size());
    if (end == 0 || found.count == Words::kMax) {
      return std::nullopt;
    }
    found.words[found.count++] = sql.substr(0, end);
    sql.remove_prefix(end);
  }
}

}  // namespace

std::optional<ProcessListRequest> process_list_request(std::string_view sql) {
  const std::optional<Words> words = words_of(sql);
  if (!words) {
    return std::nullopt;
  }
  const bool full = words->is({"SHOW", "FULL", "PROCESSLIST"});
  if (!full && !words->is({"SHOW", "PROCESSLIST"})) {
    return std::nullopt;
  }
  return ProcessListRequest{full};
}

bool asks_threads_connected(std::string_view sql) {
  constexpr std::string_view kName = "'Threads_connected'";
  const std::optional<Words> words = words_of(sql);
  return words && (words->is({"SHOW", "STATUS", "LIKE", kName}) ||
                   words->is({"SHOW", "GLOBAL", "STATUS", "LIKE", kName}) ||
                   words->is({"SHOW", "SESSION", "STATUS", "LIKE", kName}) ||
                   words->is({"SHOW", "LOCAL", "STATUS", "LIKE", kName}));
}

void append_process_list(Buffer& out,
                         std::vector<ProcessRow> rows,
                         const ProcessListFormat& format) {
  std::sort(rows.begin(), rows.end(),
            [](const ProcessRow& a, const ProcessRow& b) { return a.id < b.id; });
  std::array<Column, kColumns.size()> columns = kColumns;
  for (Column& column : columns) {
    column = as_asked(column, format.full);
  }
  std::uint8_t sequence = begin_result(out, columns, format);
  for (const ProcessRow& row : rows) {
    sequence = protocol::append_packet(out, text_row(row, format.full), sequence);
  }
  end_result(out, format, sequence);
}

void append_threads_connected(Buffer& out, std::size_t threads, const ProcessListFormat& format) {
  std::uint8_t sequence = begin_result(out, kStatusColumns, format);
  Buffer row;
  protocol::append_lenenc_text(row, "Threads_connected");
  protocol::append_lenenc_text(row, std::to_string(threads));
  sequence = protocol::append_packet(out, row, sequence);
  end_result(out, format, sequence);
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
