#include "proxy/admin/deadline_stream.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

namespace consort::proxy {

namespace {

using NameOf = int (*)(int, sockaddr*, socklen_t*);

void name_socket(NameOf name_of, int fd, std::string& ip, int& port) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  char host[NI_MAXHOST] = {};
  char service[NI_MAXSERV] = {};
  if (name_of(fd, generic, &length) == 0 &&
      getnameinfo(generic, length, host, sizeof(host), service, sizeof(service),
                  NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
    ip = host;
    port = std::atoi(service);
  }
}

}  // namespace

bool DeadlineStream::wait(short events) const {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        limits_.deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      return false;
    }
    pollfd watched[] = {{fd_, events, 0}, {limits_.stop_fd, POLLIN, 0}};
    const int ready = poll(watched, 2, static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) {
      continue;
    }
    return ready > 0 && watched[1].revents == 0;
  }
}

bool DeadlineStream::is_readable() const {
  return buffered_from_ < buffered_to_ || wait(POLLIN);
}

bool DeadlineStream::is_writable() const {
  return wait(POLLOUT);
}

ssize_t DeadlineStream::read(char* data, std::size_t size) {
  if (buffered_from_ == buffered_to_) {
    if (received_bytes_ >= limits_.read_bytes_max || !wait(POLLIN)) {
      return -1;
    }
    const ssize_t received = recv(fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (received <= 0) {
      return received;
    }
    received_bytes_ += static_cast<std::size_t>(received);
    buffered_from_ = 0;
    buffered_to_ = static_cast<std::size_t>(received);
  }
  const std::size_t taken = std::min(size, buffered_to_ - buffered_from_);
  std::memcpy(data, buffer_.data() + buffered_from_, taken);
  buffered_from_ += taken;
  return static_cast<ssize_t>(taken);
}

ssize_t DeadlineStream::write(const char* data, std::size_t size) {
  if (!wait(POLLOUT)) {
    return -1;
  }
  return send(fd_, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void DeadlineStream::get_remote_ip_and_port(std::string& ip, int& port) const {
  name_socket(getpeername, fd_, ip, port);
}

void DeadlineStream::get_local_ip_and_port(std::string& ip, int& port) const {
  name_socket(getsockname, fd_, ip, port);
}

void DeadlineStream::discard_input(std::chrono::milliseconds for_at_most) {
  constexpr std::size_t kDiscardBytesMax = std::size_t{4} << 20;
  limits_.deadline = std::min(limits_.deadline, std::chrono::steady_clock::now() + for_at_most);
  std::size_t discarded = 0;
  while (discarded < kDiscardBytesMax && wait(POLLIN)) {
    const ssize_t received = recv(fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (received <= 0) {
      return;
    }
    discarded += static_cast<std::size_t>(received);
  }
}

}  // namespace consort::proxy
