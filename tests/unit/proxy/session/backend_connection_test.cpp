// BackendConnection: a server that hangs. Its kernel accepts connections all the same.
#include "proxy/session/backend_connection.h"

#include <memory>
#include <optional>

#include "protocol/constants.h"
#include "protocol/encode.h"
#include "protocol/packet_writer.h"
#include "proxy/uv/listener.h"
#include "proxy/uv/tls_context.h"
#include "tests/support/test.h"

namespace consort::proxy {
namespace {

using std::chrono::milliseconds;

struct Watcher final : BackendConnectionObserver {
  void on_backend_ready(BackendConnection&) override { ready = true; }

  std::size_t on_backend_bytes(BackendConnection&, MutableBytes bytes) override {
    return bytes.size();
  }

  void on_backend_drained(BackendConnection&) override {}

  void on_backend_closed(BackendConnection&, const BackendFailure& failure) override {
    closed = failure;
  }

  bool ready = false;
  std::optional<BackendFailure> closed;
};

/// Says `greeting` and then nothing.
struct HungServer final : TcpStreamObserver {
  HungServer(EventLoop& loop, Buffer greeting) : loop_(loop), greeting_(std::move(greeting)) {
    auto opened =
        Listener::open(loop, *SocketAddress::resolve("127.0.0.1", 0), [this](uv_stream_t* handle) {
          stream = std::make_unique<TcpStream>(loop_, static_cast<TcpStreamObserver&>(*this));
          REQUIRE(stream->accept(handle));
          stream->resume_reading();
          stream->write(greeting_);
        });
    REQUIRE(opened.ok());
    listener = std::move(opened).value();
  }

  void on_stream_read(MutableBytes bytes) override { received += bytes.size(); }

  void on_stream_closed(CloseReason) override { closed = true; }

  EventLoop& loop_;
  Buffer greeting_;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<TcpStream> stream;
  std::size_t received = 0;
  bool closed = false;
};

Buffer greeting_with(std::uint64_t capabilities) {
  protocol::HandshakeV10 handshake;
  handshake.server_version = "10.11.6-MariaDB";
  handshake.salt.assign(20, 'a');
  handshake.capabilities = capabilities;
  handshake.auth_plugin = protocol::kNativePlugin;
  Buffer out;
  const std::size_t place = protocol::begin_packet(out);
  protocol::encode_handshake(out, handshake);
  protocol::finish_packet(out, place, 0);
  return out;
}

void expect_timeout(const Buffer& greeting, TlsMode mode, std::size_t received_min) {
  EventLoop loop;
  HungServer server(loop, greeting);
  Watcher watcher;
  BackendConnection::Params params;
  params.address = *SocketAddress::resolve("127.0.0.1", server.listener->port());
  params.connect_timeout = milliseconds(100);
  params.login.user = "u";
  params.login.capabilities = protocol::kBackendCapabilities;
  params.login.tls = mode;
  params.transport.mode = mode;
  params.transport.host = "db.example";
  if (mode != TlsMode::kOff) {
    auto context = TlsContext::for_client({}, mode);
    REQUIRE(context.ok());
    params.transport.contexts = std::make_shared<TlsContextSlot>(std::move(context).value());
  }
  BackendConnection connection(loop, BackendId{0}, std::move(params), watcher);
  const TimePoint began = loop.now();  // timers count from there
  const auto waited = [&] { return loop.now() - began; };
  while (!watcher.closed && waited() < milliseconds(5000)) {
    loop.run_once();
  }
  REQUIRE(watcher.closed.has_value());
  EXPECT(!watcher.ready);
  EXPECT(waited() >= milliseconds(90));
  EXPECT(watcher.closed->error.message.find("timed out") != std::string::npos);
  EXPECT(server.received >= received_min);
}

}  // namespace

TEST_SUITE("session") {
  TEST_CASE("BackendConnection: gives up a server that accepts and says nothing") {
    expect_timeout({}, TlsMode::kOff, 0);
  }

  TEST_CASE("BackendConnection: gives up a server that does not answer the login") {
    using namespace protocol::capability;
    expect_timeout(greeting_with(kProtocol41 | kSecureConnection | kPluginAuth), TlsMode::kOff, 40);
  }

  TEST_CASE("BackendConnection: gives up a server that stops in the TLS handshake") {
    using namespace protocol::capability;
    // An SSLRequest and a ClientHello arrive there.
    expect_timeout(greeting_with(kProtocol41 | kSecureConnection | kPluginAuth | kSsl),
                   TlsMode::kRequired, 150);
  }
}

}  // namespace consort::proxy
