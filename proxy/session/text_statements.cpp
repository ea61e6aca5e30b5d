#include "proxy/session/text_statements.h"

#include <algorithm>
#include <utility>

#include "protocol/lenenc.h"
#include "protocol/packet_reader.h"
#include "router/token.h"

namespace consort::proxy {
namespace {

constexpr std::uint8_t kNull = 0xFB;

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

void TextStatements::add_reply(Bytes part) {
  if (reply_.size() <= kTextBytesMax) {  // one part too much: then it is known to be too long
    append(reply_, part.first(std::min(part.size(), kTextBytesMax + 1)));
  }
}

std::string_view TextStatements::text() const {
  const auto definition = protocol::peek_packet(reply_);
  if (!definition || reply_.size() > kTextBytesMax) {
    return {};
  }
  const auto row = protocol::peek_packet(Bytes(reply_).subspan(definition->bytes));
  if (!row || row->payload.empty() || row->payload[0] == kNull) {
    return {};
  }
  protocol::Reader reader(row->payload);
  const std::uint64_t bytes = reader.lenenc();
  const Bytes value = reader.bytes(bytes);
  return reader.failed() ? std::string_view() : as_text(value);
}

void TextStatements::add(Entry entry) {
  erase(entry.name);
  if (entries_.size() < kEntriesMax && is_ascii(entry.name)) {
    entries_.push_back(std::move(entry));
  }
}

void TextStatements::erase(std::string_view name) {
  entries_.erase(std::remove_if(entries_.begin(), entries_.end(),
                                [&](const Entry& entry) {
                                  return router::equals_ignoring_case(entry.name, name);
                                }),
                 entries_.end());
}

void TextStatements::clear() {
  entries_.clear();
  reply_.clear();
}

const TextStatements::Entry* TextStatements::find(std::string_view name) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return router::equals_ignoring_case(entry.name, name);
  });
  return found == entries_.end() ? nullptr : &*found;
}

}  // namespace consort::proxy
