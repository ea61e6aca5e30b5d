#include "protocol/statement_map.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "protocol/lenenc.h"

namespace consort::protocol {
namespace {

constexpr std::size_t kIdOffset = 1;
constexpr std::uint8_t kCursorReadOnly = 1;
/// Command, id and flags in front of a bulk execution's types or rows.
constexpr std::size_t kBulkFixedBytes = 7;
constexpr std::uint16_t kBulkSendsTypes = 128;

Error malformed() {
  return make_error(StatementError::kMalformed, "malformed COM_STMT_EXECUTE");
}

Error never_bound() {
  return make_error(StatementError::kNeverBound, "parameters of an unknown type");
}

bool has_statement_id(Command command) {
  switch (command) {
    case Command::kStmtExecute:
    case Command::kStmtSendLongData:
    case Command::kStmtClose:
    case Command::kStmtReset:
    case Command::kStmtFetch:
    case Command::kStmtBulkExecute:
      return true;
    default:
      return false;
  }
}

/// What stands before the values of an execution with parameters.
struct BoundTypes {
  std::size_t flag_offset = 0;  ///< of the byte that says whether types follow
  std::optional<Bytes> types;
};

Result<BoundTypes> find_types(Bytes payload, const ClientStatement& statement) {
  Reader reader(payload);
  reader.skip(kExecuteFixedBytes);
  reader.skip((statement.parameters + 7U) / 8U);
  BoundTypes found;
  found.flag_offset = payload.size() - reader.remaining();
  if (reader.u8() == 1) {
    found.types = reader.bytes(kParameterTypeBytes * statement.parameters);
  }
  if (reader.failed()) {
    return malformed();
  }
  return found;
}

/// The types in front of a bulk execution's rows, when they are there.
Result<std::optional<Bytes>> find_bulk_types(Bytes payload, const ClientStatement& statement) {
  Reader reader(payload);
  reader.skip(kExecuteFlagsOffset);
  std::optional<Bytes> types;
  if ((reader.u16() & kBulkSendsTypes) != 0) {
    types = reader.bytes(kParameterTypeBytes * statement.parameters);
  }
  if (reader.failed()) {
    return malformed();
  }
  return types;
}

void remember(Bytes types, ClientStatement& statement) {
  if (!std::equal(types.begin(), types.end(), statement.parameter_types.begin(),
                  statement.parameter_types.end())) {
    statement.parameter_types.assign(types.begin(), types.end());
    ++statement.types_version;
  }
}

}  // namespace

Result<ClientStatement*> StatementMap::add(std::string sql, const StmtPrepareOk& prepared) {
  if (!has_room()) {
    return make_error(StatementError::kTooMany, "too many prepared statements");
  }
  // 0 and kLastPreparedId mean something else, and after four billion ids some are in use.
  while (next_id_ == 0 || next_id_ == kLastPreparedId || statements_.contains(next_id_)) {
    ++next_id_;
  }
  ClientStatement statement;
  statement.client_id = next_id_++;
  statement.sql = std::move(sql);
  statement.parameters = prepared.parameters;
  statement.columns = prepared.columns;
  newest_id_ = statement.client_id;
  return &statements_.emplace(newest_id_, std::move(statement)).first->second;
}

ClientStatement* StatementMap::find(std::uint32_t client_id) {
  const auto found = statements_.find(client_id == kLastPreparedId ? newest_id_ : client_id);
  return found == statements_.end() ? nullptr : &found->second;
}

void StatementMap::erase(std::uint32_t client_id) {
  statements_.erase(client_id == kLastPreparedId ? newest_id_ : client_id);
}

void StatementMap::clear() {
  statements_.clear();
}

Result<std::uint32_t> statement_id_of(Bytes payload) {
  Reader reader(payload);
  const auto command = static_cast<Command>(reader.u8());
  const std::uint32_t statement_id = reader.u32();
  if (reader.failed() || !has_statement_id(command)) {
    return make_error(StatementError::kMalformed, "malformed prepared-statement command");
  }
  return statement_id;
}

void patch_statement_id(MutableBytes payload, std::uint32_t statement_id) {
  CHECK(payload.size() >= kIdOffset + 4);
  store_le<4>(payload.data() + kIdOffset, statement_id);
}

bool execute_wants_cursor(Bytes payload) {
  return payload.size() >= kExecuteFixedBytes &&
         (payload[kExecuteFlagsOffset] & kCursorReadOnly) != 0;
}

Status bind_types(Bytes payload, ClientStatement& statement) {
  if (statement.parameters == 0) {
    return Ok{};
  }
  const Result<BoundTypes> found = find_types(payload, statement);
  if (!found.ok()) {
    return found.error();
  }
  if (found->types) {
    remember(*found->types, statement);
  }
  return Ok{};
}

Status bind_bulk_types(Bytes payload, ClientStatement& statement) {
  const Result<std::optional<Bytes>> types = find_bulk_types(payload, statement);
  if (!types.ok()) {
    return types.error();
  }
  if (*types) {
    remember(**types, statement);
  }
  return Ok{};
}

Result<ExecuteRewrite> rewrite_execute(MutableBytes payload,
                                       ClientStatement& statement,
                                       const ExecuteTarget& target,
                                       Buffer& out) {
  if (payload.size() < kExecuteFixedBytes) {
    return malformed();
  }
  patch_statement_id(payload, target.statement_id);
  if (!target.keep_cursor) {
    payload[kExecuteFlagsOffset] = 0;
  }
  if (statement.parameters == 0) {
    return ExecuteRewrite::kInPlace;
  }
  const Result<BoundTypes> found = find_types(payload, statement);
  if (!found.ok()) {
    return found.error();
  }
  if (found->types) {
    remember(*found->types, statement);
    return ExecuteRewrite::kInPlace;
  }
  if (statement.types_version == 0) {
    return never_bound();
  }
  CHECK(statement.parameter_types.size() == kParameterTypeBytes * statement.parameters);
  if (target.types_version == statement.types_version) {
    return ExecuteRewrite::kInPlace;
  }
  const Bytes original = payload;
  out.clear();
  out.reserve(payload.size() + statement.parameter_types.size());
  append(out, original.first(found->flag_offset));
  out.push_back(1);
  append(out, statement.parameter_types);
  append(out, original.subspan(found->flag_offset + 1));
  return ExecuteRewrite::kSpliced;
}

Result<ExecuteRewrite> rewrite_bulk_execute(MutableBytes payload,
                                            ClientStatement& statement,
                                            const ExecuteTarget& target,
                                            Buffer& out) {
  const Result<std::optional<Bytes>> types = find_bulk_types(payload, statement);
  if (!types.ok()) {
    return types.error();
  }
  patch_statement_id(payload, target.statement_id);
  if (*types) {
    remember(**types, statement);
    return ExecuteRewrite::kInPlace;
  }
  if (statement.types_version == 0) {
    return never_bound();
  }
  if (target.types_version == statement.types_version) {
    return ExecuteRewrite::kInPlace;
  }
  const Bytes original = payload;
  const auto flags = load_le<2>(payload.data() + kExecuteFlagsOffset);
  out.clear();
  out.reserve(payload.size() + statement.parameter_types.size());
  append(out, original.first(kExecuteFlagsOffset));
  append_le<2>(out, flags | kBulkSendsTypes);
  append(out, statement.parameter_types);
  append(out, original.subspan(kBulkFixedBytes));
  return ExecuteRewrite::kSpliced;
}

}  // namespace consort::protocol
