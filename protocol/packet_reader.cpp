#include "protocol/packet_reader.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace consort::protocol {
namespace {

struct Header {
  std::size_t payload_bytes = 0;
  std::uint8_t sequence = 0;
};

/// REQUIRES: kHeaderBytes readable.
Header read_header(const std::uint8_t* data) {
  return Header{static_cast<std::size_t>(load_le<3>(data)), data[3]};
}

Error sequence_error(std::uint8_t expected, std::uint8_t got) {
  return make_error(PacketError::kSequenceMismatch, "packet numbered " + std::to_string(got) +
                                                        " instead of " + std::to_string(expected));
}

Error size_error(std::size_t limit) {
  return make_error(PacketError::kPacketTooLarge,
                    "packet longer than " + std::to_string(limit) + " bytes");
}

}  // namespace

std::optional<Frame> peek_packet(Bytes unread) {
  if (unread.size() < kHeaderBytes) {
    return std::nullopt;
  }
  const Header header = read_header(unread.data());
  if (unread.size() - kHeaderBytes < header.payload_bytes) {
    return std::nullopt;
  }
  return Frame{unread.subspan(kHeaderBytes, header.payload_bytes), header.sequence,
               kHeaderBytes + header.payload_bytes, header.payload_bytes == kMaxPayload};
}

Result<std::optional<Message>> peek_message(Bytes unread,
                                            std::uint8_t expected_sequence,
                                            const PacketLimits& limits) {
  Message message;
  std::size_t at = 0;
  while (unread.size() - at >= kHeaderBytes) {
    const Header header = read_header(unread.data() + at);
    if (header.sequence != expected_sequence) {
      return sequence_error(expected_sequence, header.sequence);
    }
    message.payload_bytes += header.payload_bytes;
    if (message.payload_bytes > limits.packet_bytes_max) {
      return size_error(limits.packet_bytes_max);
    }
    if (unread.size() - at - kHeaderBytes < header.payload_bytes) {
      break;
    }
    if (at == 0) {
      message.payload_front = unread.subspan(kHeaderBytes, header.payload_bytes);
    }
    message.split = message.split || at > 0;
    message.sequence = expected_sequence++;
    at += kHeaderBytes + header.payload_bytes;
    if (header.payload_bytes < kMaxPayload) {
      message.wire = unread.first(at);
      return std::optional<Message>(message);
    }
  }
  return std::optional<Message>();
}

Buffer join_payload(Bytes wire) {
  Buffer payload;
  payload.reserve(wire.size());
  while (!wire.empty()) {
    const std::optional<Frame> frame = peek_packet(wire);
    CHECK(frame.has_value());
    append(payload, frame->payload);
    wire = wire.subspan(frame->bytes);
  }
  return payload;
}

void PacketReader::feed(Bytes chunk) {
  CHECK(chunk_.empty());
  CHECK(!failed_);
  chunk_ = chunk;
}

Result<std::optional<Packet>> PacketReader::next() {
  CHECK(!failed_);
  if (handed_out_) {
    // The joined payload was of use until now; most connections never need its memory again.
    Buffer().swap(joined_);
    handed_out_ = false;
  }
  if (between_packets()) {
    const std::optional<Frame> frame = peek_packet(chunk_);
    if (frame && !frame->continues) {
      return whole_frame(*frame);
    }
  }
  return next_joined();
}

Result<std::optional<Packet>> PacketReader::whole_frame(const Frame& frame) {
  if (frame.sequence != expected_sequence_ && !ignores_sequence_) {
    return fail(sequence_error(expected_sequence_, frame.sequence));
  }
  if (frame.payload.size() > limits_.packet_bytes_max) {
    return fail(size_error(limits_.packet_bytes_max));
  }
  ++expected_sequence_;
  chunk_ = chunk_.subspan(frame.bytes);
  return std::optional<Packet>(Packet{frame.payload, frame.sequence});
}

Result<std::optional<Packet>> PacketReader::next_joined() {
  while (true) {
    if (frame_missing_ == 0 && !frame_open_) {
      if (!take_header()) {
        return std::optional<Packet>();
      }
      if (std::optional<Error> error = begin_frame()) {
        return fail(std::move(*error));
      }
    }
    const std::size_t taken = std::min(frame_missing_, chunk_.size());
    append(joined_, chunk_.first(taken));
    chunk_ = chunk_.subspan(taken);
    frame_missing_ -= taken;
    if (frame_missing_ > 0) {
      return std::optional<Packet>();
    }
    frame_open_ = false;
    header_bytes_ = 0;
    if (!continues_) {
      joining_ = false;
      handed_out_ = true;
      const auto sequence = static_cast<std::uint8_t>(expected_sequence_ - 1);
      return std::optional<Packet>(Packet{joined_, sequence});
    }
  }
}

bool PacketReader::take_header() {
  const std::size_t taken = std::min(kHeaderBytes - header_bytes_, chunk_.size());
  if (taken > 0) {
    std::memcpy(header_ + header_bytes_, chunk_.data(), taken);
  }
  header_bytes_ += taken;
  chunk_ = chunk_.subspan(taken);
  return header_bytes_ == kHeaderBytes;
}

std::optional<Error> PacketReader::begin_frame() {
  const Header header = read_header(header_);
  if (header.sequence != expected_sequence_ && !ignores_sequence_) {
    return sequence_error(expected_sequence_, header.sequence);
  }
  if (joined_.size() + header.payload_bytes > limits_.packet_bytes_max) {
    return size_error(limits_.packet_bytes_max);
  }
  ++expected_sequence_;
  joining_ = true;
  frame_open_ = true;
  frame_missing_ = header.payload_bytes;
  continues_ = header.payload_bytes == kMaxPayload;
  return std::nullopt;
}

Error PacketReader::fail(Error error) {
  failed_ = true;
  chunk_ = {};
  return error;
}

}  // namespace consort::protocol
