// DeadlineStream: a socket as httplib reads and writes it, with one deadline and one byte bound for
// the whole request, so that a client that drips or never stops sending is cut off.
// Threads: one at a time.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <httplib.h>
#include <string>

#include "base/clock.h"

namespace consort::proxy {

class DeadlineStream final : public httplib::Stream {
 public:
  struct Limits {
    TimePoint deadline;
    std::size_t read_bytes_max = 0;  ///< read() fails beyond this
    int stop_fd = -1;                ///< readable: give up at once
  };

  /// `fd` is a connected socket that outlives the stream.
  DeadlineStream(int fd, const Limits& limits) : fd_(fd), limits_(limits) {}

  [[nodiscard]] bool is_readable() const override;
  [[nodiscard]] bool is_writable() const override;

  /// Bytes read, 0 at the end of the stream, -1 on an error or past a limit.
  ssize_t read(char* data, std::size_t size) override;

  /// Bytes written, -1 on an error or past the deadline.
  ssize_t write(const char* data, std::size_t size) override;

  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;

  [[nodiscard]] int socket() const override { return fd_; }

  /// Reads and drops what the client still sends, until it closes, `for_at_most` is over or too
  /// much came: a socket closed with unread bytes is reset, and the reply in flight is lost.
  void discard_input(std::chrono::milliseconds for_at_most);

 private:
  /// Waits for `events`; false when the deadline passed, the server stops or the socket failed.
  [[nodiscard]] bool wait(short events) const;

  const int fd_;
  Limits limits_;
  std::size_t received_bytes_ = 0;
  std::array<char, 4096> buffer_{};  ///< httplib reads the request's head byte by byte
  std::size_t buffered_from_ = 0;
  std::size_t buffered_to_ = 0;
};

}  // namespace consort::proxy
