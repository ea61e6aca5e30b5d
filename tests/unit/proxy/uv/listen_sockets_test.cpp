#include "proxy/uv/listen_sockets.h"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/uv/listener.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

namespace consort::proxy {
namespace {

SocketAddress address_of(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) == 0);
  return SocketAddress::from_raw(storage);
}

void close_all(const std::vector<int>& descriptors) {
  for (const int fd : descriptors) {
    close(fd);
  }
}

/// A free port of the loopback interface, bound so that others may share it while `fd` is open.
struct Bound {
  Bound() : fd(*Listener::bind_shared(*SocketAddress::resolve("127.0.0.1", 0))) {}

  ~Bound() { close(fd); }

  Bound(const Bound&) = delete;
  Bound& operator=(const Bound&) = delete;

  const int fd;
};

/// Whether somebody accepts connections there.
bool connects(const SocketAddress& address) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const bool connected = connect(fd, address.raw(), sizeof(sockaddr_in)) == 0;
  close(fd);
  return connected;
}

/// Runs `work` in a child process, whose descriptors it may spoil; its exit code.
template <typename Work>
int in_child(Work work) {
  const pid_t child = fork();
  if (child == 0) {
    _exit(work());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_SUITE("uv") {
  TEST_CASE("ListenSockets: a socket for each worker, the Unix socket for all") {
    const test::TempDir dir;
    const Bound bound;
    const auto sockets = ListenSockets::open({address_of(bound.fd), dir.path() + "/s", 2});
    REQUIRE(sockets.ok());
    EXPECT_FALSE((*sockets)->inherited());
    for (std::size_t worker = 0; worker < 2; ++worker) {
      const auto descriptors = (*sockets)->descriptors_of(worker);
      REQUIRE(descriptors.ok());
      REQUIRE(descriptors->size() == 2);
      EXPECT(address_of((*descriptors)[0]).port() == address_of(bound.fd).port());
      close_all(*descriptors);
    }
    EXPECT(std::filesystem::is_socket(dir.path() + "/s"));
    (*sockets)->close();
    EXPECT_FALSE(std::filesystem::exists(dir.path() + "/s"));
  }

  TEST_CASE("ListenSockets: an address that is taken is named") {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const SocketAddress any = *SocketAddress::resolve("127.0.0.1", 0);
    REQUIRE(bind(fd, any.raw(), sizeof(sockaddr_in)) == 0);
    REQUIRE(listen(fd, 1) == 0);
    const SocketAddress taken = address_of(fd);
    const auto sockets = ListenSockets::open({taken, "", 1});
    REQUIRE(!sockets.ok());
    EXPECT(sockets.error().message.find("127.0.0.1:" + std::to_string(taken.port())) !=
           std::string::npos);
    close(fd);
  }

  TEST_CASE("ListenSockets: a successor with other workers finds every socket still listening") {
    const test::TempDir dir;
    const Bound bound;
    const ListenSockets::Wanted wanted{address_of(bound.fd), dir.path() + "/s", 3};
    const int code = in_child([&] {
      auto first = ListenSockets::open(wanted);
      const auto served =
          first.ok() ? (*first)->descriptors_of(0) : Result<std::vector<int>>(first.error());
      if (!served.ok() || listen((*served)[0], 4) != 0) {
        return 1;
      }
      close_all(*served);  // a worker ends
      if (!(*first)->hand_over().ok()) {
        return 2;
      }
      const auto second = ListenSockets::open({wanted.sql, wanted.unix_path, 2});
      if (!second.ok() || !(*second)->inherited() || !connects(wanted.sql)) {
        return 3;
      }
      // Three sockets for two workers, and the Unix socket for both.
      const auto a = (*second)->descriptors_of(0);
      const auto b = (*second)->descriptors_of(1);
      if (!a.ok() || !b.ok() || a->size() + b->size() != 3 + 2) {
        return 4;
      }
      return std::filesystem::exists(wanted.unix_path) ? 0 : 5;
    });
    EXPECT(code == 0);
    std::filesystem::remove(wanted.unix_path);
  }

  TEST_CASE("ListenSockets: what was handed over must be what is configured") {
    const Bound bound;
    const int code = in_child([&] {
      dup2(bound.fd, 3);
      setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
      setenv("LISTEN_FDS", "1", 1);
      const auto sockets = ListenSockets::open({*SocketAddress::resolve("127.0.0.2", 1), "", 1});
      const bool named =
          !sockets.ok() && sockets.error().message.find("descriptor 3 is 127.0.0.1:") == 12;
      return named && std::getenv("LISTEN_FDS") == nullptr ? 0 : 1;
    });
    EXPECT(code == 0);
  }

  TEST_CASE("ListenSockets: another process's LISTEN_FDS are not ours") {
    const Bound bound;
    const int code = in_child([&] {
      setenv("LISTEN_PID", "1", 1);
      setenv("LISTEN_FDS", "1", 1);
      const auto sockets = ListenSockets::open({address_of(bound.fd), "", 1});
      return sockets.ok() && !(*sockets)->inherited() ? 0 : 1;
    });
    EXPECT(code == 0);
  }
}

}  // namespace consort::proxy
