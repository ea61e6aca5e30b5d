#include "proxy/session/process_list.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <initializer_list>

#include "protocol/constants.h"
#include "protocol/lenenc.h"
#include "protocol/packet_writer.h"
#include "router/sql_lexer.h"

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

constexpr std::uint8_t kMediumBlob = 250;
constexpr std::array<Column, 4> kMaintenanceColumns = {{
    {"Table", kVarString, 128, 0, kNotFixed, true},
    {"Op", kVarString, 10, 0, kNotFixed, true},
    {"Msg_type", kVarString, 10, 0, kNotFixed, true},
    {"Msg_text", kMediumBlob, 393216, 0, kNotFixed, true},
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

std::string_view shown_info(const ProcessRow& process, bool full) {
  return cut(*process.info, full ? kProcessInfoBytesMax : kProcessInfoBytesShort);
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
  protocol::append_lenenc_text(row, std::to_string(process.time_s()));
  protocol::append_lenenc_text(row, process.state);
  if (process.info) {
    protocol::append_lenenc_text(row, shown_info(process, full));
  } else {
    append_null(row);
  }
  protocol::append_lenenc_text(row, process.effort.progress);
  return row;
}

/// The same for a statement that was prepared. Spec: MariaDB KB "Resultset row", "Binary resultset
/// row".
Buffer binary_row(const ProcessRow& process, bool full) {
  constexpr std::size_t kSchemaColumn = 3;
  constexpr std::size_t kInfoColumn = 7;
  constexpr std::size_t kNullOffset = 2;  ///< the first column's bit
  const auto null_bit = [](std::size_t column) {
    return std::uint64_t{1} << (column + kNullOffset);
  };
  Buffer row;
  row.push_back(0);
  const std::uint64_t nulls = (process.schema.empty() ? null_bit(kSchemaColumn) : 0) |
                              (process.info ? 0 : null_bit(kInfoColumn));
  append_le<(kColumns.size() + kNullOffset + 7) / 8>(row, nulls);
  append_le<8>(row, process.id);
  protocol::append_lenenc_text(row, process.user);
  protocol::append_lenenc_text(row, process.host);
  if (!process.schema.empty()) {
    protocol::append_lenenc_text(row, process.schema);
  }
  protocol::append_lenenc_text(row, process.command);
  append_le<4>(row, static_cast<std::uint64_t>(process.time_s()) & 0xFFFFFFFF);
  protocol::append_lenenc_text(row, process.state);
  if (process.info) {
    protocol::append_lenenc_text(row, shown_info(process, full));
  }
  append_le<8>(row,
               std::bit_cast<std::uint64_t>(std::strtod(process.effort.progress.c_str(), nullptr)));
  return row;
}

/// Returns the sequence id of the packet that follows.
template <std::size_t kCount>
std::uint8_t begin_result(Buffer& out,
                          const std::array<Column, kCount>& columns,
                          const ProcessListFormat& format) {
  std::uint8_t sequence =
      protocol::append_column_count(out, {kCount}, format.capabilities, format.sequence);
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

/// Nothing but `;` follows, and the text means one thing only.
bool ends_here(router::SqlLexer& lexer) {
  router::Token token = lexer.next();
  while (token.is(router::TokenKind::kSemicolon)) {
    token = lexer.next();
  }
  return token.is(router::TokenKind::kEnd) && !lexer.saw_uncertain_text();
}

}  // namespace

std::optional<ProcessListRequest> process_list_request(std::string_view sql,
                                                       const router::LexerOptions& options) {
  router::SqlLexer lexer(sql, options);
  if (router::in_doubt(sql, options) || !lexer.next().is(router::Keyword::kShow)) {
    return std::nullopt;
  }
  router::Token token = lexer.next();
  const bool full = token.is("FULL");
  if (full) {
    token = lexer.next();
  }
  if (!token.is("PROCESSLIST") || !ends_here(lexer)) {
    return std::nullopt;
  }
  return ProcessListRequest{full};
}

bool asks_threads_connected(std::string_view sql, const router::LexerOptions& options) {
  constexpr std::string_view kName = "Threads_connected";
  router::SqlLexer lexer(sql, options);
  if (router::in_doubt(sql, options) || !lexer.next().is(router::Keyword::kShow)) {
    return false;
  }
  router::Token token = lexer.next();
  if (token.is("GLOBAL") || token.is("SESSION") || token.is("LOCAL")) {
    token = lexer.next();
  }
  if (!token.is("STATUS") || !lexer.next().is("LIKE")) {
    return false;
  }
  token = lexer.next();
  return token.is(router::TokenKind::kString) && token.text.size() == kName.size() + 2 &&
         router::equals_ignoring_case(token.text.substr(1, kName.size()), kName) &&
         ends_here(lexer);
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
    sequence = protocol::append_packet(
        out, format.binary ? binary_row(row, format.full) : text_row(row, format.full), sequence);
  }
  end_result(out, format, sequence);
}

void append_threads_connected(Buffer& out, std::size_t threads, const ProcessListFormat& format) {
  std::uint8_t sequence = begin_result(out, kStatusColumns, format);
  Buffer row;
  if (format.binary) {
    row.assign(2, 0);  // header and NULLs
  }
  protocol::append_lenenc_text(row, "Threads_connected");
  protocol::append_lenenc_text(row, std::to_string(threads));
  sequence = protocol::append_packet(out, row, sequence);
  end_result(out, format, sequence);
}

void append_failed_maintenance(Buffer& out,
                               const FailedMaintenance& failed,
                               const ProcessListFormat& format) {
  using Texts = std::array<std::string_view, kMaintenanceColumns.size()>;
  std::uint8_t sequence = begin_result(out, kMaintenanceColumns, format);
  for (const Texts& texts : {Texts{failed.table, failed.word, "Error", failed.why},
                             Texts{failed.table, failed.word, "status", "Operation failed"}}) {
    Buffer row;
    if (format.binary) {
      row.assign(2, 0);  // header and NULLs
    }
    for (const std::string_view text : texts) {
      protocol::append_lenenc_text(row, text);
    }
    sequence = protocol::append_packet(out, row, sequence);
  }
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
