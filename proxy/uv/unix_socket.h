// UnixSocket: a bound Unix socket that several workers listen on, each with a descriptor of its
// own. A file that a crash left behind is replaced; one that somebody listens on is not. Threads:
// bind() and the destructor the owner's; descriptor() any.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace consort::proxy {

class UnixSocket {
 public:
  /// Whoever can enter the folder may connect: the account decides, as on a server. Errors name the
  /// path.
  [[nodiscard]] static Result<std::unique_ptr<UnixSocket>> bind(const std::string& path);
  UnixSocket(const UnixSocket&) = delete;
  UnixSocket& operator=(const UnixSocket&) = delete;
  /// Removes the file.
  ~UnixSocket();

  /// A new descriptor of the socket, the caller's own. Negative: errno.
  [[nodiscard]] int descriptor() const;

 private:
  UnixSocket(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  const std::string path_;
  const int fd_;
};

}  // namespace consort::proxy
