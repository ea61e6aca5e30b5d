// A peer that makes TLS itself answer, again and again, and reads none of the answers.
#include <arpa/inet.h>
#include <fcntl.h>
#include <memory>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <optional>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/uv/listener.h"
#include "proxy/uv/tcp_stream.h"
#include "proxy/uv/tls_context.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/uv/test_certificates.h"

namespace consort::proxy {
namespace {

struct Server final : TcpStreamObserver {
  explicit Server(EventLoop& loop) : stream(loop, static_cast<TcpStreamObserver&>(*this)) {}

  void on_stream_read(MutableBytes) override {}

  void on_stream_secured() override { secured = true; }

  void on_stream_closed(CloseReason reason) override { closed = std::move(reason); }

  TcpStream stream;
  bool secured = false;
  std::optional<CloseReason> closed;
};

/// OpenSSL on a socket of its own, with hardly any room for what it does not read.
class Attacker {
 public:
  explicit Attacker(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int room = 4096;
    REQUIRE(setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) == 0);
    // Segments of a real network: with loopback's the kernel would keep megabytes for us.
    const int segment = 536;
    REQUIRE(setsockopt(fd_, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment) == 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(fcntl(fd_, F_SETFL, O_NONBLOCK) == 0);
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_3_VERSION);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), fd_);
    SSL_set_connect_state(ssl_.get());
  }

  ~Attacker() {
    ssl_.reset();
    close(fd_);
  }

  Attacker(const Attacker&) = delete;
  Attacker& operator=(const Attacker&) = delete;

  /// True when the handshake is over.
  bool shake_hands() { return SSL_do_handshake(ssl_.get()) == 1; }

  /// One more demand for new keys, if the socket takes it. False: it is full, or closed.
  bool demand_keys() {
    if (SSL_get_key_update_type(ssl_.get()) == SSL_KEY_UPDATE_NONE) {
      SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED);
    }
    return SSL_do_handshake(ssl_.get()) == 1;
  }

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }

    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  int fd_;
  std::unique_ptr<SSL_CTX, Free> context_{SSL_CTX_new(TLS_client_method())};
  std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace

TEST_SUITE("tls") {
  TEST_CASE("TcpStream: ends a peer that makes TLS answer and does not read") {
    const test::TestCertificates certificates;
    const auto context = TlsContext::for_server(certificates.files("server"));
    REQUIRE(context.ok());
    EventLoop loop;
    std::unique_ptr<Server> server;
    auto listener =
        Listener::open(loop, *SocketAddress::resolve("127.0.0.1", 0), [&](uv_stream_t* handle) {
          server = std::make_unique<Server>(loop);
          REQUIRE(server->stream.accept(handle));
          server->stream.resume_reading();
          server->stream.start_tls(**context, "", {});
        });
    REQUIRE(listener.ok());
    Attacker attacker((*listener)->port());
    bool open = false;
    for (int turn = 0; turn < 10000 && !(open && server->secured); ++turn) {
      loop.run_once();
      open = open || attacker.shake_hands();
    }
    REQUIRE(open);
    std::size_t demands = 0;
    std::size_t queued_max = 0;
    while (!server->closed && demands < 1000000) {
      for (int i = 0; i < 500 && attacker.demand_keys(); ++i) {
        ++demands;
      }
      loop.run_once();
      queued_max = std::max(queued_max, server->stream.queued_bytes());
    }
    REQUIRE(server->closed.has_value());
    EXPECT(server->closed->uv_error == UV_ENOBUFS);
    EXPECT(demands > 1000);
    EXPECT(queued_max > (std::size_t{32} << 10));
    EXPECT(queued_max < (std::size_t{256} << 10));
  }
}

}  // namespace consort::proxy
