#include "proxy/session/prepared_statements.h"

#include <algorithm>
#include <cstddef>

#include "base/check.h"
#include "protocol/packet_reader.h"
#include "protocol/packet_writer.h"

namespace consort::proxy {

using protocol::ClientStatement;
using protocol::kParameterTypeBytes;
using protocol::SqlError;

namespace {

/// Types of parameters (enum_field_types), as the server sorts them.
bool is_text(std::uint8_t type) {
  constexpr std::uint8_t kNull = 6;
  constexpr std::uint8_t kVarchar = 15;
  constexpr std::uint8_t kJson = 245;
  constexpr std::uint8_t kNewDecimal = 246;
  return type == kNull || type == kVarchar || (type >= kJson && type != kNewDecimal);
}

/// Types between which MySQL need not convert count as one; 0: NULL's, which goes with any.
int kind_of(Bytes type) {
  constexpr std::uint8_t kLastInteger = 3;
  constexpr std::uint8_t kNull = 6;
  constexpr std::uint8_t kLongLong = 8;
  constexpr std::uint8_t kInt24 = 9;
  constexpr std::uint8_t kYear = 13;
  const std::uint8_t number = type[0];
  if (number == kNull) {
    return 0;
  }
  const bool integer =
      number <= kLastInteger || number == kLongLong || number == kInt24 || number == kYear;
  return 256 * (type[1] + 1) + (integer ? kLongLong : number);
}

/// `first` learns the types of the parameters of which it knows none.
void note_first_types(Bytes types, Buffer& first) {
  if (first.empty()) {
    first.assign(types.begin(), types.end());
    return;
  }
  for (std::size_t at = 0; at + kParameterTypeBytes <= std::min(types.size(), first.size());
       at += kParameterTypeBytes) {
    if (kind_of(Bytes(first).subspan(at, kParameterTypeBytes)) == 0) {
      std::copy_n(types.begin() + static_cast<std::ptrdiff_t>(at), kParameterTypeBytes,
                  first.begin() + static_cast<std::ptrdiff_t>(at));
    }
  }
}

/// What the backend will have been told of its parameters.
void note_types(Bytes types, std::vector<bool>& bound_as_other_than_text) {
  for (std::size_t i = 0; i * kParameterTypeBytes < types.size(); ++i) {
    if (!is_text(types[i * kParameterTypeBytes])) {
      bound_as_other_than_text.resize(types.size() / kParameterTypeBytes);
      bound_as_other_than_text[i] = true;
    }
  }
}

}  // namespace

const ClientStatement& PreparedStatements::add(const std::string& sql,
                                               Context context,
                                               const protocol::StmtPrepareOk& prepared) {
  const auto added = statements_.add(sql, prepared);
  CHECK(added.ok());
  std::string key = context.schema;
  key += '\0';
  key += std::to_string(context.settings ? context.settings->fingerprint : 0);
  key += '\0';
  key += sql;
  known_[(*added)->client_id] = {std::move(context), std::move(key), {}, nullptr};
  return **added;
}

const PreparedStatements::Context& PreparedStatements::context(std::uint32_t client_id) {
  return known_.at(client_id).context;
}

const router::Statement& PreparedStatements::classified(std::uint32_t client_id,
                                                        const router::LexerOptions& options,
                                                        router::ClassificationCache& cache) {
  std::shared_ptr<const router::ClassifiedText>& text = known_.at(client_id).text;
  if (text == nullptr || text->options != options) {
    text = cache.get(find(client_id)->sql, options);
  }
  return text->statement;
}

void PreparedStatements::erase(std::uint32_t client_id) {
  if (const ClientStatement* statement = find(client_id); statement != nullptr) {
    reset(statement->client_id);
    cursors_.erase(statement->client_id);
    told_.erase(statement->client_id);
    known_.erase(statement->client_id);
    statements_.erase(client_id);
  }
}

void PreparedStatements::clear() {
  statements_.clear();
  known_.clear();
  long_data_.clear();
  long_data_bytes_ = 0;
  cursors_.clear();
  told_.clear();
}

void PreparedStatements::note_cursor(std::uint32_t client_id, bool open) {
  if (open) {
    cursors_.insert(client_id);
  } else {
    cursors_.erase(client_id);
  }
}

void PreparedStatements::add_long_data(Bytes payload) {
  const auto id = protocol::statement_id_of(payload);
  const ClientStatement* statement = id.ok() ? find(*id) : nullptr;
  if (statement == nullptr) {
    return;
  }
  LongData& data = long_data_[statement->client_id];
  const std::size_t before = data.bytes();
  data.add(payload, {statement->parameters, limits_.long_data_bytes_max - long_data_bytes_});
  long_data_bytes_ = long_data_bytes_ - before + data.bytes();
}

void PreparedStatements::take_over(std::uint32_t from, std::uint32_t to) {
  const ClientStatement* source = find(from);
  ClientStatement* target = find(to);
  CHECK(source != nullptr);
  CHECK(target != nullptr);
  target->parameter_types = source->parameter_types;
  target->types_version = source->types_version;
  if (const auto found = long_data_.find(source->client_id); found != long_data_.end()) {
    reset(to);
    LongData data = std::move(found->second);
    long_data_.erase(found);
    long_data_.emplace(target->client_id, std::move(data));
  }
}

std::optional<SqlError> PreparedStatements::long_data_error(std::uint32_t client_id) {
  const LongData* data = long_data_of(client_id);
  return data == nullptr ? std::nullopt : data->error();
}

bool PreparedStatements::has_long_data(std::uint32_t client_id, std::size_t parameter) {
  const LongData* data = long_data_of(client_id);
  return data != nullptr && data->has(parameter);
}

bool PreparedStatements::reset(std::uint32_t client_id) {
  const ClientStatement* statement = find(client_id);
  if (statement == nullptr) {
    return false;
  }
  if (const LongData* data = long_data_of(client_id); data != nullptr) {
    long_data_bytes_ -= data->bytes();
    long_data_.erase(statement->client_id);
  }
  return true;
}

void PreparedStatements::executed(std::uint32_t client_id) {
  // An error is the one thing that outlives an execution.
  if (const LongData* data = long_data_of(client_id); data != nullptr && !data->error()) {
    reset(client_id);
  }
}

LongData* PreparedStatements::long_data_of(std::uint32_t client_id) {
  const ClientStatement* statement = find(client_id);
  const auto found =
      statement == nullptr ? long_data_.end() : long_data_.find(statement->client_id);
  return found == long_data_.end() ? nullptr : &found->second;
}

const std::string& PreparedStatements::backend_key(std::uint32_t client_id, bool with_cursor) {
  Known& known = known_.at(client_id);
  if (!with_cursor) {
    return known.backend_key;
  }
  if (known.cursor_key.empty()) {
    known.cursor_key = known.backend_key + '\0' + std::to_string(client_id);
  }
  return known.cursor_key;
}

std::variant<Bytes, SqlError> PreparedStatements::execution(const Execution& execution,
                                                            Bytes command,
                                                            BackendStatement& known) {
  ClientStatement* statement = find(execution.client_id);
  CHECK(statement != nullptr);
  if (command.size() > protocol::kMaxPayload) {
    payload_ = protocol::join_payload(command);
  } else {
    const Bytes payload = command.subspan(protocol::kHeaderBytes);
    payload_.assign(payload.begin(), payload.end());
  }
  const StatementOwner owner{execution.session, execution.client_id};
  const protocol::ExecuteTarget target{
      known.id, known.types_owner == owner ? known.types_version : 0, execution.with_cursor};
  const auto rewritten =
      execution.bulk ? protocol::rewrite_bulk_execute(payload_, *statement, target, spliced_)
                     : protocol::rewrite_execute(payload_, *statement, target, spliced_);
  if (!rewritten.ok()) {
    if (rewritten.error().code != static_cast<int>(protocol::StatementError::kNeverBound)) {
      return protocol::malformed_packet_error();
    }
    const std::string_view name = execution.bulk ? "bulk_execute" : "execute";
    return SqlError{1210, "HY000", "Incorrect arguments to mysqld_stmt_" + std::string(name)};
  }
  if (known.types_owner != owner || known.types_version != statement->types_version) {
    note_types(Bytes(statement->parameter_types), known.bound_as_other_than_text);
    note_first_types(Bytes(statement->parameter_types), known.first_types);
  }
  known.types_owner = owner;
  known.types_version = statement->types_version;
  packets_.clear();
  const LongData* data = long_data_of(execution.client_id);
  known.has_cursor = execution.with_cursor;
  known.has_long_data = data != nullptr && !data->empty() && !execution.bulk;
  if (known.has_long_data) {
    data->append_packets(packets_, known.id);
  }
  Bytes ready = *rewritten == protocol::ExecuteRewrite::kSpliced ? spliced_ : payload_;
  if (execution.attributes != nullptr) {
    attributed_.clear();
    protocol::append_attributed_execute(attributed_, ready, *statement, *execution.attributes);
    ready = attributed_;
  }
  protocol::append_packet(packets_, ready, 0);
  return Bytes(packets_);
}

bool PreparedStatements::long_data_spoils(std::uint32_t client_id, const BackendStatement& known) {
  const LongData* data = long_data_of(client_id);
  return data != nullptr && data->any_of(known.bound_as_other_than_text);
}

bool PreparedStatements::types_spoil(std::uint32_t client_id, const BackendStatement& known) {
  const ClientStatement* statement = find(client_id);
  const Bytes now = statement == nullptr ? Bytes() : Bytes(statement->parameter_types);
  const Bytes first(known.first_types);
  for (std::size_t at = 0; at + kParameterTypeBytes <= std::min(now.size(), first.size());
       at += kParameterTypeBytes) {
    const int was = kind_of(first.subspan(at, kParameterTypeBytes));
    const int is = kind_of(now.subspan(at, kParameterTypeBytes));
    if (was != 0 && is != 0 && was != is) {
      return true;
    }
  }
  return false;
}

void PreparedStatements::shrink() {
  for (Buffer* buffer : {&payload_, &spliced_, &attributed_, &packets_}) {
    if (buffer->capacity() > kRetainedBytesMax) {
      Buffer().swap(*buffer);
    }
  }
}

}  // namespace consort::proxy
