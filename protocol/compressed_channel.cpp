#include "protocol/compressed_channel.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "protocol/constants.h"

namespace consort::protocol {
Result<std::size_t> CompressedChannel::read(ReadBuffer& out) {
  while (true) {
    if (!open_) {
      const Result<bool> opened = open_packet();
      if (!opened.ok()) {
        return opened.error();
      }
      if (!*opened) {
        return std::size_t{0};
      }
    }
    if (payload_left_ > 0 && input_.empty()) {
      return std::size_t{0};
    }
    Result<std::size_t> stepped = step(out);
    if (!stepped.ok() || *stepped > 0) {
      return stepped;
    }
  }
}

/// Reads a header. False while it is incomplete.
Result<bool> CompressedChannel::open_packet() {
  const Bytes unread = std::as_const(input_).unread();
  if (unread.size() < kCompressedHeaderBytes) {
    return false;
  }
  const std::uint8_t sequence = unread[3];
  if (peer_ == CompressedPeer::kServer) {
    sequence_ = sequence;  // what the server is sent now goes on from there: a file that it wants
  } else if (sequence != sequence_) {
    return make_error(CompressedError::kSequenceMismatch,
                      "compressed packet " + std::to_string(sequence) + " where " +
                          std::to_string(sequence_) + " was due");
  }
  ++sequence_;
  payload_left_ = load_le<3>(unread.data());
  plain_left_ = load_le<3>(unread.data() + kHeaderBytes);
  input_.consume(kCompressedHeaderBytes);
  if (plain_left_ > 0) {
    decompressor_ = contexts_.take_decompressor(choice_.algorithm);
  }
  open_ = plain_left_ > 0 || payload_left_ > 0;
  return true;
}

/// Takes what there is of the open packet, up to kStepBytesMax plain bytes. 0: none came of it.
/// REQUIRES: input, unless all of the packet's was taken.
Result<std::size_t> CompressedChannel::step(ReadBuffer& out) {
  const Bytes unread = std::as_const(input_).unread();
  const Bytes in = unread.first(std::min(unread.size(), payload_left_));
  if (!open_) {
    return std::size_t{0};  // an empty packet
  }
  if (!decompressor_) {
    const Bytes plain = in.first(std::min(in.size(), kStepBytesMax));
    out.feed(plain);
    payload_left_ -= plain.size();
    open_ = payload_left_ > 0;
    const std::size_t count = plain.size();
    input_.consume(count);
    return count;
  }
  const MutableBytes space = out.prepare(std::min(plain_left_, kStepBytesMax));
  const Decompressor::Progress done = decompressor_->run(in, space);
  out.commit(done.produced);
  plain_left_ -= done.produced;
  payload_left_ -= done.consumed;
  input_.consume(done.consumed);
  const bool stuck = done.consumed == 0 && done.produced == 0 && !done.ended;
  const bool cut_short = payload_left_ == 0 && done.produced < space.size() && !done.ended;
  const bool too_short = done.ended && plain_left_ > 0;
  const bool too_long = (done.ended && payload_left_ > 0) || (stuck && plain_left_ == 0);
  if (done.failed || stuck || cut_short || too_short || too_long) {
    return make_error(CompressedError::kUncompressFailed,
                      too_short || too_long ? "a compressed packet of another length than announced"
                                            : "a compressed packet that cannot be decompressed");
  }
  if (done.ended) {
    close_packet();
  }
  return done.produced;
}

void CompressedChannel::close_packet() {
  open_ = false;
  contexts_.give_back(choice_.algorithm, std::move(decompressor_));
}

void CompressedChannel::write(std::initializer_list<Bytes> pieces, Buffer& out) {
  Buffer joined;
  for (Bytes piece : pieces) {
    // A large piece is cut where it lies; small ones share a packet.
    while (!piece.empty()) {
      if (joined.empty() && piece.size() >= kStepBytesMax) {
        write_packet(piece.first(kStepBytesMax), out);
        piece = piece.subspan(kStepBytesMax);
        continue;
      }
      const std::size_t count = std::min(piece.size(), kStepBytesMax - joined.size());
      append(joined, piece.first(count));
      piece = piece.subspan(count);
      if (joined.size() == kStepBytesMax) {
        write_packet(joined, out);
        joined.clear();
      }
    }
  }
  if (!joined.empty()) {
    write_packet(joined, out);
  }
}

void CompressedChannel::write_commands(std::initializer_list<Bytes> pieces, Buffer& out) {
  for (Bytes piece : pieces) {
    while (!piece.empty()) {
      std::size_t end = 0;
      do {
        CHECK(piece.size() - end >= kHeaderBytes);
        end += kHeaderBytes + load_le<3>(piece.data() + end);
        CHECK(end <= piece.size());
      } while (end < piece.size() && piece[end + kHeaderBytes - 1] != 0);
      if (piece[kHeaderBytes - 1] == 0) {
        sequence_ = 0;
      }
      write({piece.first(end)}, out);
      piece = piece.subspan(end);
    }
  }
}

void CompressedChannel::write_packet(Bytes plain, Buffer& out) {
  const std::size_t header = out.size();
  out.resize(header + kCompressedHeaderBytes);
  const bool compressed =
      plain.size() >= kCompressBytesMin &&
      contexts_.compressor(choice_.algorithm).compress(plain, choice_.level, out);
  if (!compressed) {
    append(out, plain);
  }
  store_le<3>(out.data() + header, out.size() - header - kCompressedHeaderBytes);
  out[header + 3] = sequence_++;
  store_le<3>(out.data() + header + kHeaderBytes, compressed ? plain.size() : 0);
}

}  // namespace consort::protocol
