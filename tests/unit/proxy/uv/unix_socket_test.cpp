#include "proxy/uv/unix_socket.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <unistd.h>

#include "proxy/uv/listener.h"
#include "proxy/uv/tcp_stream.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

namespace consort::proxy {
namespace {

std::string refusal(const std::string& path) {
  const auto socket = UnixSocket::bind(path);
  REQUIRE(!socket.ok());
  return socket.error().message;
}

}  // namespace

TEST_SUITE("uv") {
  TEST_CASE("UnixSocket: is there while it lives and replaces only what is dead") {
    const test::TempDir dir;
    const std::string path = dir.path() + "/s";
    {
      EventLoop loop;
      const auto socket = UnixSocket::bind(path);
      REQUIRE(socket.ok());
      EXPECT(std::filesystem::is_socket(path));
      const auto listener = Listener::open(loop, **socket, [](uv_stream_t*) {});
      REQUIRE(listener.ok());
      const auto another = Listener::open(loop, **socket, [](uv_stream_t*) {});
      EXPECT(another.ok());
      EXPECT(refusal(path) == "cannot listen on " + path + ": another process listens there");
    }
    EXPECT_FALSE(std::filesystem::exists(path));
    {
      // As a crash leaves it: bound, and nobody listens.
      const std::string other = dir.path() + "/t";
      auto left = UnixSocket::bind(other);
      REQUIRE(left.ok());
      std::filesystem::rename(other, path);
    }
    EXPECT(std::filesystem::exists(path));
    EXPECT(UnixSocket::bind(path).ok());
  }

  TEST_CASE("UnixSocket: names what is in its way") {
    const test::TempDir dir;
    const std::string path = dir.path() + "/file";
    std::ofstream(path) << "precious";
    EXPECT(refusal(path) ==
           "cannot listen on " + path + ": a file that is no socket is in its place");
    EXPECT(std::filesystem::file_size(path) == 8);
    const std::string absent = dir.path() + "/absent/s";
    EXPECT(refusal(absent) == "cannot listen on " + absent + ": No such file or directory");
    const std::string far = "/" + std::string(200, 'x');
    EXPECT(refusal(far) == "cannot listen on " + far + ": the path is too long");
  }
}

}  // namespace consort::proxy
