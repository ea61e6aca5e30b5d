#include "proxy/uv/listen_sockets.h"

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/uv/listener.h"

namespace consort::proxy {
namespace {

constexpr int kFirstDescriptor = 3;  // SD_LISTEN_FDS_START
constexpr int kOutOfTheWay = 256;    // above what a start hands over
constexpr std::size_t kInheritedMax = 128;
/// Names what we hand over to ourselves: the file of such a Unix socket is ours to remove.
constexpr std::string_view kOwnName = "consort";

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before any thread
  return value == nullptr ? std::string_view() : value;
}

std::size_t number_in(std::string_view text) {
  std::size_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc{} && end == text.data() + text.size() ? number : 0;
}

Error not_wanted(int fd, const std::string& what) {
  return make_error("LISTEN_FDS: descriptor " + std::to_string(fd) + " is " + what +
                    ", which is neither listen.sql nor listen.socket");
}

bool same_address(const SocketAddress& a, const SocketAddress& b) {
  return a.host() == b.host() && a.port() == b.port();
}

int duplicate(int fd, int at_least = 0) {
  return fcntl(fd, F_DUPFD_CLOEXEC, at_least);
}

}  // namespace

Result<std::unique_ptr<ListenSockets>> ListenSockets::open(const Wanted& wanted) {
  std::unique_ptr<ListenSockets> sockets(new ListenSockets(wanted.workers_count));
  if (Status taken = sockets->take_inherited(wanted); !taken.ok()) {
    return taken.error();
  }
  if (Status opened = sockets->open_missing(wanted); !opened.ok()) {
    return opened.error();
  }
  return sockets;
}

ListenSockets::~ListenSockets() {
  close();
}

Status ListenSockets::take_inherited(const Wanted& wanted) {
  const std::size_t count = number_in(environment("LISTEN_FDS"));
  const bool ours = number_in(environment("LISTEN_PID")) == static_cast<std::size_t>(getpid());
  const bool own = environment("LISTEN_FDNAMES").starts_with(kOwnName);
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
    unsetenv(name);  // NOLINT(concurrency-mt-unsafe)
  }
  if (!ours || count == 0) {
    return Ok{};
  }
  if (count > kInheritedMax) {
    return make_error("LISTEN_FDS: " + std::to_string(count) + " descriptors are too many");
  }
  inherited_ = true;
  for (std::size_t i = 0; i < count; ++i) {
    const int fd = kFirstDescriptor + static_cast<int>(i);
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
      return not_wanted(fd, std::strerror(errno));
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (storage.ss_family == AF_UNIX) {
      const std::string path = reinterpret_cast<const sockaddr_un&>(storage).sun_path;
      if (path != wanted.unix_path || unix_ != nullptr) {
        return not_wanted(fd, "the Unix socket \"" + path + "\"");
      }
      unix_ = UnixSocket::adopt(path, fd, own);
      continue;
    }
    const SocketAddress address = SocketAddress::from_raw(storage);
    if (!same_address(address, wanted.sql)) {
      return not_wanted(fd, address.host() + ":" + std::to_string(address.port()));
    }
    tcp_.push_back(fd);
  }
  return Ok{};
}

Status ListenSockets::open_missing(const Wanted& wanted) {
  if (tcp_.empty()) {
    for (std::size_t i = 0; i < wanted.workers_count; ++i) {
      const Result<int> fd = Listener::bind_shared(wanted.sql);
      if (!fd.ok()) {
        return fd.error();
      }
      tcp_.push_back(*fd);
    }
  }
  if (unix_ == nullptr && !wanted.unix_path.empty()) {
    Result<std::unique_ptr<UnixSocket>> bound = UnixSocket::bind(wanted.unix_path);
    if (!bound.ok()) {
      return bound.error();
    }
    unix_ = std::move(bound).value();
  }
  return Ok{};
}

Result<std::vector<int>> ListenSockets::descriptors_of(std::size_t index) const {
  std::vector<int> sources;
  for (std::size_t i = index % tcp_.size(); i < tcp_.size(); i += workers_count_) {
    sources.push_back(tcp_[i]);
  }
  std::vector<int> copies;
  bool complete = true;
  for (const int source : sources) {
    copies.push_back(duplicate(source));
    complete = complete && copies.back() >= 0;
  }
  if (unix_ != nullptr) {
    copies.push_back(unix_->descriptor());
    complete = complete && copies.back() >= 0;
  }
  if (!complete) {
    for (const int copy : copies) {
      if (copy >= 0) {
        ::close(copy);
      }
    }
    return make_error("no file descriptor is left to listen with: raise LimitNOFILE");
  }
  return copies;
}

void ListenSockets::close() {
  for (const int fd : tcp_) {
    ::close(fd);
  }
  tcp_.clear();
  if (unix_ != nullptr) {
    unix_->stop();
    unix_.reset();
  }
}

Status ListenSockets::hand_over() {
  std::vector<int> copies;
  const auto keep = [&copies](int fd) {
    const int copy = duplicate(fd, kOutOfTheWay);
    if (copy >= 0) {
      copies.push_back(copy);
    }
    return copy >= 0;
  };
  bool complete = true;
  for (const int fd : tcp_) {
    complete = complete && keep(fd);
  }
  if (unix_ != nullptr) {
    complete = complete && keep(unix_->release());
  }
  if (!complete) {
    return make_error(std::string("the listening sockets cannot be handed over: ") +
                      std::strerror(errno));
  }
  std::string names;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    dup2(copies[i], kFirstDescriptor + static_cast<int>(i));  // without FD_CLOEXEC
    names += names.empty() ? "" : ":";
    names += kOwnName;
  }
  // NOLINTBEGIN(concurrency-mt-unsafe): the threads are gone
  setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
  setenv("LISTEN_FDS", std::to_string(copies.size()).c_str(), 1);
  setenv("LISTEN_FDNAMES", names.c_str(), 1);
  // NOLINTEND(concurrency-mt-unsafe)
  return Ok{};
}

}  // namespace consort::proxy
