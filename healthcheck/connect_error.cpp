#include "healthcheck/connect_error.h"

#include <cerrno>
#include <chrono>
#include <memory>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace consort::healthcheck {

namespace {

int connect_to(const addrinfo& address, Duration wait_max) {
  const int socket_fd = socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket_fd < 0) {
    return errno;
  }
  int error = connect(socket_fd, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    pollfd waiting{socket_fd, POLLOUT, 0};
    const auto wait_ms = std::chrono::duration_cast<std::chrono::milliseconds>(wait_max).count();
    socklen_t size = sizeof error;
    if (poll(&waiting, 1, static_cast<int>(wait_ms)) < 1) {
      error = ETIMEDOUT;
    } else if (getsockopt(socket_fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
      error = errno;
    }
  }
  close(socket_fd);
  return error;
}

}  // namespace

int connect_error(const std::string& host, std::uint16_t port, Duration wait_max) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    return EHOSTUNREACH;
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
  int error = EHOSTUNREACH;
  for (const addrinfo* address = addresses.get(); address != nullptr; address = address->ai_next) {
    error = connect_to(*address, wait_max);
    if (error == 0) {
      break;
    }
  }
  return error;
}

}  // namespace consort::healthcheck
