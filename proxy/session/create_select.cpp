#include "proxy/session/create_select.h"

#include <utility>

#include "base/sql_identifier.h"
#include "certifier/lane_sql.h"
#include "protocol/decode.h"
#include "protocol/lenenc.h"
#include "protocol/packet_reader.h"
#include "protocol/packet_writer.h"

namespace consort::proxy {
namespace {

constexpr std::string_view kCollectedName = "consort_create_select";
constexpr std::string_view kAsideName = "consort_set_aside";

/// The word behind `label` in `text`; empty: there is none.
std::string_view word_behind(std::string_view text, std::string_view label) {
  const std::size_t at = text.find(label);
  if (at == text.npos) {
    return {};
  }
  text.remove_prefix(at + label.size());
  return text.substr(0, text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"));
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

/// `text` without those parts of it, and without one of the commas beside each.
void append_without(std::string& sql,
                    std::string_view text,
                    const std::vector<std::string_view>& parts) {
  constexpr std::string_view kBlanks = " \t\r\n";
  for (const std::string_view part : parts) {
    if (part.empty()) {
      continue;
    }
    const auto at = static_cast<std::size_t>(part.data() - text.data());
    sql += text.substr(0, at);
    text.remove_prefix(at + part.size());
    const std::size_t last = sql.find_last_not_of(kBlanks);
    const std::size_t next = text.find_first_not_of(kBlanks);
    if (sql[last] == ',') {
      sql.resize(last);
    } else if (next != text.npos && text[next] == ',') {
      text.remove_prefix(next + 1);
    }
  }
  sql += text;
}

/// The first packet's payload; empty: there is none.
Bytes first_payload(Bytes wire) {
  const auto frame = protocol::peek_packet(wire);
  return frame ? frame->payload : Bytes();
}

/// nullopt: the packet tells of none.
std::optional<protocol::SqlError> error_in(Bytes payload) {
  if (payload.empty()) {
    return protocol::SqlError{protocol::sql_code::kUnknownError, "HY000",
                              "CREATE TABLE .. SELECT: no reply"};
  }
  return payload[0] == protocol::kErrByte ? std::optional(protocol::sql_error_of(payload))
                                          : std::nullopt;
}

}  // namespace

StepReply read_ok_reply(Bytes wire, std::uint64_t capabilities) {
  StepReply reply;
  const Bytes payload = first_payload(wire);
  if (reply.error = error_in(payload); reply.error) {
    return reply;
  }
  const auto ok = protocol::decode_ok(payload, capabilities);
  if (!ok.ok()) {
    reply.error = protocol::malformed_packet_error();
    return reply;
  }
  reply.affected_rows = ok->affected_rows;
  reply.last_insert_id = ok->last_insert_id;
  reply.warnings = ok->warnings;
  reply.status = ok->status;
  reply.info = ok->info;
  return reply;
}

StepReply read_rows_reply(Bytes wire, std::uint64_t capabilities) {
  StepReply reply;
  const Bytes head = first_payload(wire);
  if (reply.error = error_in(head); reply.error) {
    return reply;
  }
  const bool has_eof = (capabilities & protocol::capability::kDeprecateEof) == 0;
  std::size_t definitions = protocol::Reader(head).lenenc();
  const std::size_t columns = definitions;
  bool eof_due = has_eof;
  for (bool first = true;; first = false) {
    const auto frame = protocol::peek_packet(wire);
    if (!frame) {
      break;
    }
    wire = wire.subspan(frame->bytes);
    if (first) {
      continue;
    }
    if (definitions > 0) {
      --definitions;
      continue;
    }
    if (std::exchange(eof_due, false)) {
      continue;
    }
    if (reply.error = error_in(frame->payload); reply.error) {
      return reply;
    }
    if (frame->payload[0] == protocol::kEofByte) {
      break;  // no row that we ask for has a first value of 16 MiB
    }
    if (auto row = OwnResult::read_row(frame->payload, columns)) {
      reply.rows.push_back(*std::move(row));
    }
  }
  return reply;
}

Buffer rows_reply(const OwnResult& result,
                  std::uint64_t capabilities,
                  std::uint16_t status,
                  std::uint8_t sequence,
                  bool (*hides)(Bytes row),
                  const std::function<Buffer(Bytes row)>& shows) {
  Buffer reply;
  Bytes rest = result.wire();
  if (rest.empty()) {
    return reply;
  }
  sequence = protocol::append_column_count(reply, {result.columns()}, capabilities, sequence);
  const bool has_eof = (capabilities & protocol::capability::kDeprecateEof) == 0;
  const auto end_columns = [&](std::size_t at) {
    if (has_eof && at == result.columns()) {
      sequence = protocol::append_eof(reply, {0, status}, sequence);
    }
  };
  std::size_t at = 0;
  for (; const auto frame = protocol::peek_packet(rest); ++at) {
    end_columns(at);
    if (shows && at >= result.columns()) {
      sequence = protocol::append_packet(reply, shows(frame->payload), sequence);
    } else if (hides == nullptr || at < result.columns() || !hides(frame->payload)) {
      sequence = protocol::append_packet(reply, frame->payload, sequence);
    }
    rest = rest.subspan(frame->bytes);
  }
  end_columns(at);  // there is no row
  protocol::OkPacket end;
  end.status = status;
  protocol::append_ok(reply, end, capabilities, sequence, protocol::OkHeader::kEof);
  return reply;
}

StepReply read_prepare_reply(Bytes wire) {
  StepReply reply;
  const Bytes payload = first_payload(wire);
  if (reply.error = error_in(payload); reply.error) {
    return reply;
  }
  const auto prepared = protocol::decode_prepare_ok(payload);
  if (prepared.ok()) {
    reply.statement_id = prepared->statement_id;
  } else {
    reply.error = protocol::malformed_packet_error();
  }
  return reply;
}

void collect_in(CreateSelectJob& job, std::string_view schema) {
  job.collecting_schema = schema;
  job.collected = sql_identifier(schema) + "." + sql_identifier(kCollectedName);
}

std::string check_name_sql(const CreateSelectJob& job) {
  return (job.parts.if_not_exists ? "CREATE TABLE IF NOT EXISTS " : "CREATE TABLE ") + job.target;
}

std::string collect_sql(const CreateSelectJob& job) {
  std::string sql(job.parts.prefix);
  sql += "CREATE OR REPLACE TEMPORARY TABLE ";
  sql += job.collected;
  sql += ' ';
  if (!job.parts.lists_nothing_else) {
    append_without(sql, job.parts.list, job.parts.keys);
  }
  sql += job.character_set;
  append_without(sql, job.parts.rest, {job.parts.versioning, job.parts.partitions});
  return sql;
}

std::string execute_collect_sql(const CreateSelectJob& job, bool backslash_escapes) {
  std::string sql = "EXECUTE IMMEDIATE '";
  for (const char c : collect_sql(job)) {
    if (c == '\'' || (c == '\\' && backslash_escapes)) {
      sql += c;
    }
    sql += c;
  }
  return sql + "' USING " + job.parameters;
}

std::string character_set_option(std::string_view shown) {
  const std::string_view character_set = word_behind(shown, "/*!40100 DEFAULT CHARACTER SET ");
  if (character_set.empty()) {
    return {};
  }
  std::string option = " DEFAULT CHARACTER SET " + std::string(character_set);
  const std::string_view behind = shown.substr(shown.find(character_set));
  if (const std::string_view collation = word_behind(behind, " COLLATE "); !collation.empty()) {
    option += " COLLATE " + std::string(collation);
  }
  return option + " ";
}

std::string_view definition_in(std::string_view shown) {
  const std::string head = "CREATE TEMPORARY TABLE " + sql_identifier(kCollectedName);
  return shown.starts_with(head) ? shown.substr(head.size()) : std::string_view();
}

std::string columns_in(const std::vector<OwnResult::Row>& rows) {
  constexpr std::size_t kExtra = 5;
  std::string columns;
  for (const OwnResult::Row& row : rows) {
    const bool readable = row.size() > kExtra && row[0] && row[kExtra];
    if (!readable || row[kExtra]->find("GENERATED") != std::string_view::npos) {
      continue;
    }
    columns += columns.empty() ? "" : ",";
    columns += sql_identifier(*row[0]);
  }
  return columns;
}

std::string create_sql(const CreateSelectJob& job) {
  std::string sql = job.parts.or_replace ? "CREATE OR REPLACE TABLE " : "CREATE TABLE ";
  sql += job.target;
  const std::string definition = job.lengths.without_odd(job.definition);
  // A line of its own closes the list: others are indented.
  const std::size_t list_end = definition.find("\n)");
  sql.append(definition, 0, list_end);
  for (const std::string_view key : job.parts.keys) {
    sql += ",\n  ";
    sql += key;
  }
  if (list_end != std::string::npos) {
    sql.append(definition, list_end);
  }
  for (const std::string_view option : {job.parts.versioning, job.parts.partitions}) {
    if (!option.empty()) {
      sql += ' ';
      sql += option;
    }
  }
  return sql + job.lengths.query();
}

std::string fill_sql(const CreateSelectJob& job) {
  return "INSERT INTO " + job.target + " (" + job.columns + ") SELECT " + job.columns + " FROM " +
         job.collected;
}

std::string set_aside_sql(const CreateSelectJob& job) {
  return "RENAME TABLE " + job.target + " TO " + sql_identifier(job.schema) + "." +
         sql_identifier(kAsideName);
}

std::string put_back_sql(const CreateSelectJob& job) {
  return "RENAME TABLE " + sql_identifier(job.schema) + "." + sql_identifier(kAsideName) + " TO " +
         job.target;
}

std::string with_target(std::string message, const CreateSelectJob& job) {
  const std::string name(kCollectedName);
  replace_all(message, job.collected, sql_identifier(job.schema) + "." + sql_identifier(job.table));
  replace_all(message, job.collecting_schema + "." + name, job.schema + "." + job.table);
  replace_all(message, "'" + name + "'", "'" + job.table + "'");
  replace_all(message, "`" + name + ".", "`" + job.table + ".");  // a column's CHECK
  return message;
}

}  // namespace consort::proxy
