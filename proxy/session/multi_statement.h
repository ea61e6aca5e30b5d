// MultiStatement: the text of a COM_QUERY that holds several statements, which the session runs one
// after another. A server answers them as one command: their replies are numbered through, and each
// but the last says that another result follows.
// Spec: MariaDB KB "COM_QUERY", CLIENT_MULTI_STATEMENTS. Threads: none; its session's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace consort::proxy {

class MultiStatement {
 public:
  /// `sequence`: of the first reply packet to the client.
  void begin(std::string_view text, std::uint8_t sequence) {
    text_.assign(text);
    at_ = 0;
    sequence_ = sequence;
    active_ = true;
  }

  /// Its replies are the ones that the client gets.
  [[nodiscard]] bool active() const { return active_; }

  /// A statement follows the one under way.
  [[nodiscard]] bool more() const { return at_ < text_.size(); }

  /// What is still to be run. The view lives until end().
  [[nodiscard]] std::string_view rest() const { return std::string_view(text_).substr(at_); }

  /// The statement under way is in front of `rest`, a suffix of rest(); empty: it is the last.
  void advance_to(std::string_view rest) { at_ = text_.size() - rest.size(); }

  /// An error ends them all: nothing is run behind the statement under way.
  void drop_rest() { at_ = text_.size(); }

  void end();

  /// Gives whole packets, or parts of one in order, the numbers in which the client gets them.
  void number(MutableBytes bytes);

  /// Of the next packet to the client.
  [[nodiscard]] std::uint8_t sequence() const { return sequence_; }

  /// The client has sent packets in between, up to this number (LOAD DATA LOCAL).
  void on_client_packet(std::uint8_t sequence) {
    sequence_ = static_cast<std::uint8_t>(sequence + 1);
  }

 private:
  static constexpr std::size_t kRetainedBytesMax = 4096;

  std::string text_;
  std::size_t at_ = 0;
  std::size_t missing_bytes_ = 0;  ///< of the packet under way
  std::uint8_t sequence_ = 1;
  bool active_ = false;
};

}  // namespace consort::proxy
