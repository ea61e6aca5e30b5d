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
  /// Takes a socket that is bound to `path` already. `owns_file`: its end removes the file.
  [[nodiscard]] static std::unique_ptr<UnixSocket> adopt(const std::string& path,
                                                         int fd,
                                                         bool owns_file);
  UnixSocket(const UnixSocket&) = delete;
  UnixSocket& operator=(const UnixSocket&) = delete;
  /// Removes the file, when it is ours.
  ~UnixSocket();

  /// A new descriptor of the socket, the caller's own. Negative: errno.
  [[nodiscard]] int descriptor() const;

  /// Nobody can connect any more, although others may have descriptors of it; not when somebody
  /// else's, who goes on listening.
  void stop();

  /// The descriptor itself: the file stays, and the socket is another's from now on.
  [[nodiscard]] int release();

 private:
  UnixSocket(std::string path, int fd, bool owns_file)
      : path_(std::move(path)), fd_(fd), owns_file_(owns_file) {}

  const std::string path_;
  int fd_;
  bool owns_file_;
};

}  // namespace consort::proxy
