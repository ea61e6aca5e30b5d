// Session: the part that speaks the compressed protocol.
#include "proxy/session/session.h"
#include "proxy/worker.h"

namespace consort::proxy {

std::optional<protocol::CompressionAlgorithm> Session::compression() const {
  return compression_ ? std::optional(compression_->algorithm()) : std::nullopt;
}

/// The reply to the login has gone: what follows is compressed, in both directions.
void Session::start_compression() {
  compression_ =
      std::make_unique<protocol::CompressedChannel>(*compress_next_, worker_.compression());
  compress_next_.reset();
  if (!pumping_ && !inbox_.empty()) {  // else take_packets() sees to what came behind the login
    const std::size_t early = inbox_.unread().size();
    compression_->feed(inbox_.unread());
    inbox_.consume(early);
  }
  worker_.own_metrics().compressed_connections.add();
  worker_.own_metrics().compressed_connections_current.add();
}

void Session::write_compressed(std::initializer_list<Bytes> pieces) {
  Buffer& out = worker_.compressed_output();
  out.clear();
  compression_->write(pieces, out);
  worker_.own_metrics().bytes_sent.add(out.size());
  client_.write(out);
}

/// Puts more of what the client sent into the inbox. False: nothing more is wanted now, or there.
/// While a command is under way nothing is decompressed, so that what a client may send ahead is
/// bounded as it came, not as it becomes; and packets are numbered by command.
bool Session::decompress_more() {
  if (closing_ || awaiting_account_ || (authenticated_ && !listens())) {
    return false;
  }
  if (authenticated_ && core_.idle() && inbox_.empty()) {
    compression_->begin_command();
  }
  const Result<std::size_t> read = compression_->read(inbox_);
  if (!read.ok()) {
    const bool disorder =
        read.error().code == static_cast<int>(protocol::CompressedError::kSequenceMismatch);
    worker_.own_metrics().count_client_error(ClientErrorClass::kProtocol);
    deny(disorder ? protocol::packets_out_of_order_error() : protocol::uncompress_error(), 1);
    return false;
  }
  return *read > 0;
}

void Session::take_file_packet(const protocol::Frame& frame, MutableBytes wire) {
  std::uint8_t sequence = frame.sequence;
  if (compression_) {
    // Clients number these by their compressed packets. The home counts packets.
    sequence = core_.file_sequence();
    wire[protocol::kHeaderBytes - 1] = sequence;
  }
  core_.on_file_packet(wire, sequence);
}

/// What the client has sent and nobody has looked at.
std::size_t Session::waiting_bytes() const {
  return inbox_.unread().size() + (compression_ ? compression_->waiting_bytes() : 0);
}

}  // namespace consort::proxy
