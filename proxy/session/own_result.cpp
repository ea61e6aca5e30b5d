#include "proxy/session/own_result.h"

#include <utility>

#include "protocol/lenenc.h"
#include "protocol/packet_reader.h"

namespace consort::proxy {
namespace {

constexpr std::uint8_t kNullValue = 0xFB;
constexpr std::size_t kWireBytesKept = 4096;

}  // namespace

void OwnResult::begin(std::size_t columns) {
  clear();
  columns_ = columns;
}

void OwnResult::add(Bytes wire) {
  if (wire_.size() + wire.size() > kBytesMax) {
    too_large_ = true;
    Buffer().swap(wire_);
  }
  if (!too_large_) {
    append(wire_, wire);
  }
}

std::optional<OwnResult::Row> OwnResult::read_row(Bytes payload, std::size_t columns) {
  Row row;
  protocol::Reader reader(payload);
  for (std::size_t i = 0; i < columns; ++i) {
    if (!reader.at_end() && reader.peek() == kNullValue) {
      (void)reader.u8();
      row.emplace_back(std::nullopt);
    } else {
      row.emplace_back(as_text(reader.lenenc_bytes()));
    }
  }
  return reader.failed() ? std::nullopt : std::optional(std::move(row));
}

std::optional<std::vector<OwnResult::Row>> OwnResult::rows() const {
  if (too_large_) {
    return std::nullopt;
  }
  std::vector<Row> rows;
  std::size_t definitions = columns_;
  Bytes rest(wire_);
  while (const auto frame = protocol::peek_packet(rest)) {
    rest = rest.subspan(frame->bytes);
    if (definitions > 0) {
      --definitions;
      continue;
    }
    std::optional<Row> row = read_row(frame->payload, columns_);
    if (!row) {
      return std::nullopt;
    }
    rows.push_back(*std::move(row));
  }
  if (!rest.empty() || definitions > 0) {
    return std::nullopt;
  }
  return rows;
}

std::optional<std::string_view> OwnResult::value() const {
  const auto all = rows();
  return all && all->size() == 1 && all->front().size() == 1 ? all->front()[0] : std::nullopt;
}

void OwnResult::clear() {
  columns_ = 0;
  too_large_ = false;
  wire_.clear();
  if (wire_.capacity() > kWireBytesKept) {
    Buffer().swap(wire_);
  }
}

}  // namespace consort::proxy
