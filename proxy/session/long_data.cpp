#include "proxy/session/long_data.h"

#include <algorithm>
#include <utility>

#include "protocol/lenenc.h"
#include "protocol/packet_writer.h"

namespace consort::proxy {
namespace {

/// Command, statement id, parameter number.
constexpr std::size_t kHeadBytes = 1 + 4 + 2;

}  // namespace

void LongData::add(Bytes payload, const Limits& limits) {
  protocol::Reader reader(payload);
  reader.skip(kHeadBytes - 2);
  const std::uint16_t parameter = reader.u16();
  if (reader.failed()) {
    return;  // as the server, which has no way to say so either
  }
  if (parameter >= limits.parameters) {
    fail({1210, "HY000", "Incorrect arguments to mysqld_stmt_send_long_data"});
    return;
  }
  const Bytes data = payload.subspan(kHeadBytes);
  if (data.size() > limits.bytes_max) {
    fail({1105, "HY000",
          "Parameter of prepared statement which is set through mysql_send_long_data() is longer "
          "than 'max_allowed_packet' bytes"});
    return;
  }
  append(parameters_[parameter], data);
  bytes_ += data.size();
}

bool LongData::any_of(const std::vector<bool>& parameters) const {
  return std::any_of(parameters_.begin(), parameters_.end(), [&](const auto& one) {
    return one.first < parameters.size() && parameters[one.first];
  });
}

void LongData::append_packets(Buffer& out, std::uint32_t statement_id) const {
  for (const auto& [parameter, data] : parameters_) {
    Bytes rest(data);
    do {  // once for an empty value, too: it is not NULL
      const Bytes chunk = rest.first(std::min(rest.size(), kChunkBytesMax));
      rest = rest.subspan(chunk.size());
      const std::size_t place = protocol::begin_packet(out);
      out.push_back(static_cast<std::uint8_t>(protocol::Command::kStmtSendLongData));
      append_le<4>(out, statement_id);
      append_le<2>(out, parameter);
      append(out, chunk);
      protocol::finish_packet(out, place, 0);
    } while (!rest.empty());
  }
}

void LongData::fail(protocol::SqlError error) {
  error_ = std::move(error);
  parameters_.clear();  // no execution will want them
  bytes_ = 0;
}

}  // namespace consort::proxy
