#include "proxy/uv/unix_socket.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace consort::proxy {
namespace {

constexpr mode_t kEverybody = 0777;

Error path_error(const std::string& path, const std::string& why) {
  return make_error("cannot listen on " + path + ": " + why);
}

int open_socket() {
  return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/// Makes room at `path`: nothing is there, or a socket that nobody listens on.
Status remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat found {};

  if (lstat(path.c_str(), &found) != 0) {
    return errno == ENOENT ? Status(Ok{}) : Status(path_error(path, std::strerror(errno)));
  }
  if (!S_ISSOCK(found.st_mode)) {
    return path_error(path, "a file that is no socket is in its place");
  }
  const int probe = open_socket();
  if (probe < 0) {
    return path_error(path, std::strerror(errno));
  }
  const bool refused =
      connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
      errno == ECONNREFUSED;
  close(probe);
  if (!refused) {
    return path_error(path, "another process listens there");
  }
  if (unlink(path.c_str()) != 0) {
    return path_error(path, std::strerror(errno));
  }
  return Ok{};
}

}  // namespace

Result<std::unique_ptr<UnixSocket>> UnixSocket::bind(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return path_error(path, "the path is too long");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (Status removed = remove_stale(path, address); !removed.ok()) {
    return removed.error();
  }
  const int fd = open_socket();
  if (fd < 0) {
    return path_error(path, std::strerror(errno));
  }
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int failure = errno;
    close(fd);
    return path_error(path, std::strerror(failure));
  }
  std::unique_ptr<UnixSocket> bound(new UnixSocket(path, fd, true));
  if (chmod(path.c_str(), kEverybody) != 0) {
    return path_error(path, std::strerror(errno));
  }
  return bound;
}

std::unique_ptr<UnixSocket> UnixSocket::adopt(const std::string& path, int fd, bool owns_file) {
  return std::unique_ptr<UnixSocket>(new UnixSocket(path, fd, owns_file));
}

UnixSocket::~UnixSocket() {
  if (owns_file_) {
    unlink(path_.c_str());
  }
  if (fd_ >= 0) {
    close(fd_);
  }
}

void UnixSocket::stop() {
  if (owns_file_) {
    unlink(path_.c_str());
    shutdown(fd_, SHUT_RDWR);
    owns_file_ = false;
  }
}

int UnixSocket::release() {
  owns_file_ = false;
  return std::exchange(fd_, -1);
}

int UnixSocket::descriptor() const {
  const int copy = fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  return copy < 0 ? -errno : copy;
}

}  // namespace consort::proxy
