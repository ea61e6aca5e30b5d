#include "proxy/session/told_definitions.h"

#include <algorithm>

#include "protocol/packet_reader.h"

namespace consort::proxy {

bool ToldDefinitions::knows(std::uint32_t client_id, Bytes packets) const {
  const auto found = packets_.find(client_id);
  if (found == packets_.end() || packets.empty() || found->second.size() != packets.size()) {
    return false;
  }
  Bytes told(found->second);
  while (const auto one = protocol::peek_packet(told)) {
    const auto other = protocol::peek_packet(packets);
    if (!other || !std::ranges::equal(one->payload, other->payload)) {
      return false;
    }
    told = told.subspan(one->bytes);
    packets = packets.subspan(other->bytes);
  }
  return packets.empty();
}

void ToldDefinitions::note(std::uint32_t client_id, Bytes packets) {
  erase(client_id);
  if (packets.empty() || bytes_ + packets.size() > kBytesMax) {
    return;
  }
  packets_.emplace(client_id, Buffer(packets.begin(), packets.end()));
  bytes_ += packets.size();
}

void ToldDefinitions::erase(std::uint32_t client_id) {
  if (const auto found = packets_.find(client_id); found != packets_.end()) {
    bytes_ -= found->second.size();
    packets_.erase(found);
  }
}

void ToldDefinitions::clear() {
  packets_.clear();
  bytes_ = 0;
}

}  // namespace consort::proxy
