#include <algorithm>
#include <functional>
#include <memory>
#include <optional>

#include "proxy/uv/listener.h"
#include "proxy/uv/tcp_stream.h"
#include "proxy/uv/tls_channel.h"
#include "proxy/uv/tls_context.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/uv/test_certificates.h"

namespace consort::proxy {
namespace {

/// One end: keeps what it reads and what became of it.
struct End final : TcpStreamObserver {
  explicit End(EventLoop& loop)
      : stream(std::make_unique<TcpStream>(loop, static_cast<TcpStreamObserver&>(*this))) {}

  void on_stream_connected() override { connected = true; }

  void on_stream_read(MutableBytes bytes) override {
    append(received, bytes);
    if (on_read) {
      on_read();
    }
  }

  void on_stream_secured() override {
    secured = true;
    if (on_secured) {
      on_secured();
    }
  }

  void on_stream_drained() override { drained = true; }

  void on_stream_closed(CloseReason reason) override { closed = std::move(reason); }

  std::unique_ptr<TcpStream> stream;
  Buffer received;
  std::function<void()> on_read;
  std::function<void()> on_secured;
  bool connected = false;
  bool secured = false;
  bool drained = false;
  std::optional<CloseReason> closed;
};

/// A listener and a connection to it, both ends at hand.
struct Fixture {
  Fixture() : client(loop) {
    const auto address = SocketAddress::resolve("127.0.0.1", 0);
    auto opened = Listener::open(loop, *address, [this](uv_stream_t* handle) {
      server = std::make_unique<End>(loop);
      REQUIRE(server->stream->accept(handle));
      server->stream->resume_reading();
    });
    REQUIRE(opened.ok());
    listener = std::move(opened).value();
    client.stream->connect(*SocketAddress::resolve("127.0.0.1", listener->port()),
                           std::chrono::milliseconds(5000));
    until([this] { return client.connected && server != nullptr; });
    auto server_side = TlsContext::for_server(certificates().files("server"));
    auto client_side = TlsContext::for_client({}, TlsMode::kRequired);
    REQUIRE(server_side.ok());
    REQUIRE(client_side.ok());
    server_context = *server_side;
    client_context = *client_side;
  }

  static const test::TestCertificates& certificates() {
    static const test::TestCertificates made;
    return made;
  }

  void until(const std::function<bool()>& done) {
    for (int turn = 0; turn < 200000 && !done(); ++turn) {
      loop.run_once();
    }
    REQUIRE(done());
  }

  void secure() {
    server->stream->start_tls(*server_context, "", {});
    client.stream->start_tls(*client_context, "db.example", {});
    until([this] { return client.secured && server->secured; });
  }

  EventLoop loop;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<End> server;
  End client;
  TlsContext::Shared server_context;
  TlsContext::Shared client_context;
};

Buffer stream_bytes(std::size_t size) {
  Buffer bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::uint8_t>((i * 131) ^ (i >> 9));
  }
  return bytes;
}

}  // namespace

TEST_SUITE("tls") {
  TEST_CASE("TcpStream: carries TLS behind plain bytes") {
    Fixture f;
    f.client.stream->write(as_bytes("plain"));
    f.until([&] { return f.server->received.size() == 5; });
    EXPECT(f.client.stream->tls() == nullptr);
    f.secure();
    REQUIRE(f.client.stream->tls() != nullptr);
    const Buffer up = stream_bytes(3 << 20);
    const Buffer down = stream_bytes(2 << 20);
    f.client.stream->write(up);
    f.server->stream->write(down);
    f.until([&] {
      return f.server->received.size() == 5 + up.size() && f.client.received.size() == down.size();
    });
    EXPECT(std::equal(up.begin(), up.end(), f.server->received.begin() + 5));
    EXPECT(f.client.received == down);
    EXPECT(f.client.stream->queued_bytes() == 0);
  }

  TEST_CASE("TcpStream: bytes of the handshake that came early count") {
    Fixture f;
    f.server->on_read = [&] {
      // As behind an SSLRequest: all that is there, is TLS's.
      const Buffer early = std::exchange(f.server->received, Buffer());
      f.server->on_read = nullptr;
      f.server->stream->start_tls(*f.server_context, "", early);
      EXPECT(!f.server->secured);
    };
    f.client.stream->start_tls(*f.client_context, "db.example", {});
    f.client.stream->write(as_bytes("first words"));
    f.until([&] { return f.server->received.size() == 11; });
    EXPECT(as_text(f.server->received) == "first words");
  }

  TEST_CASE("TcpStream: a paused TLS reader gets nothing and its peer waits") {
    Fixture f;
    f.secure();
    f.client.stream->set_low_water(1000);
    const Buffer much = stream_bytes(16 << 20);
    f.server->on_read = [&] { f.server->stream->pause_reading(); };
    f.client.stream->write(much);
    for (int turn = 0; turn < 1000; ++turn) {
      f.loop.run_once();
    }
    const std::size_t got = f.server->received.size();
    EXPECT(got > 0);
    EXPECT(got <= kReceiveBytes);
    EXPECT(f.client.stream->queued_bytes() > 0);
    EXPECT_FALSE(f.client.drained);
    f.server->on_read = [&] {
      f.server->stream->pause_reading();
      f.server->stream->resume_reading();
    };
    f.server->stream->resume_reading();
    EXPECT(f.server->received.size() == got);  // never inside the call
    f.until([&] { return f.server->received.size() == much.size() && f.client.drained; });
    EXPECT(f.server->received == much);
  }

  TEST_CASE("TcpStream: a last word that came while nobody read is not forgotten") {
    Fixture f;
    f.secure();
    f.server->on_read = [&] { f.server->stream->pause_reading(); };
    f.client.stream->write(as_bytes("bye"));
    f.client.stream->close_after_write();  // TLS ends; the TCP connection stays
    f.until([&] { return f.client.closed.has_value() && !f.server->received.empty(); });
    EXPECT_FALSE(f.server->closed.has_value());
    f.server->stream->resume_reading();
    f.until([&] { return f.server->closed.has_value(); });
    EXPECT(f.server->closed->uv_error == UV_EOF);
    EXPECT(f.server->closed->tls_error.empty());
  }

  TEST_CASE("TcpStream: a server's last word is read although it takes no more") {
    Fixture f;
    f.server->stream->pause_reading();
    f.client.stream->resume_reading();
    f.client.stream->write(as_bytes("a query"));
    f.loop.run_once();
    f.server->stream->write(as_bytes("why not"));
    f.server.reset();  // its socket holds bytes that nobody read: the connection is reset
    for (int turn = 0; turn < 5; ++turn) {
      f.client.stream->write(as_bytes("its rest"));
    }
    EXPECT_FALSE(f.client.closed.has_value());
    f.until([&] { return f.client.closed.has_value(); });
    EXPECT(f.client.received == Buffer{'w', 'h', 'y', ' ', 'n', 'o', 't'});
  }

  TEST_CASE("TcpStream: who has just sent something finds an end, not a reset connection") {
    for (const bool tls : {false, true}) {
      Fixture f;
      if (tls) {
        f.secure();
      }
      f.server->stream->pause_reading();
      f.client.stream->pause_reading();
      f.client.stream->write(as_bytes("a query too late"));
      f.loop.run_once();
      f.server->stream->close_after_write();
      f.until([&] { return f.server->closed.has_value(); });
      f.server.reset();  // its socket holds bytes that nobody read
      f.client.stream->resume_reading();
      f.until([&] { return f.client.closed.has_value(); });
      EXPECT(f.client.closed->text() == CloseReason{UV_EOF}.text());
    }
  }

  TEST_CASE("TcpStream: who sends something to a stream that ended finds an end as well") {
    Fixture f;
    f.client.stream->pause_reading();
    f.server->stream->pause_reading();
    f.server->stream->end_now();
    f.client.stream->write(as_bytes("a query too late"));
    f.loop.run_once();
    f.server.reset();
    f.client.stream->resume_reading();
    f.until([&] { return f.client.closed.has_value(); });
    EXPECT(f.client.closed->text() == CloseReason{UV_EOF}.text());
  }

  TEST_CASE("TcpStream: may be destroyed by its observer in any TLS call") {
    for (const bool at_secured : {true, false}) {
      Fixture f;
      const auto destroy = [&] { f.server->stream.reset(); };
      if (at_secured) {
        f.server->on_secured = destroy;
      } else {
        f.server->on_read = destroy;
      }
      f.server->stream->start_tls(*f.server_context, "", {});
      f.client.stream->start_tls(*f.client_context, "db.example", {});
      f.client.stream->write(as_bytes("x"));
      f.until([&] { return f.client.closed.has_value(); });
      EXPECT(f.server->stream == nullptr);
    }
  }

  TEST_CASE("TcpStream: garbage for a handshake closes and says so") {
    Fixture f;
    f.server->stream->start_tls(*f.server_context, "", {});
    f.client.stream->write(as_bytes("GET / HTTP/1.1\r\n\r\n"));
    f.until([&] { return f.server->closed.has_value(); });
    EXPECT(f.server->closed->tls_handshake);
    EXPECT(f.server->closed->text().find("TLS: ") == 0);
  }

  TEST_CASE("TcpStream: a peer that leaves in the handshake is told from one that leaves later") {
    for (const bool later : {false, true}) {
      Fixture f;
      if (later) {
        f.secure();
      } else {
        f.server->stream->start_tls(*f.server_context, "", {});
      }
      f.client.stream.reset();
      f.until([&] { return f.server->closed.has_value(); });
      EXPECT(f.server->closed->tls_handshake == !later);
    }
  }

  TEST_CASE("TcpStream: close_after_write sends everything and then TLS's last word") {
    Fixture f;
    f.secure();
    const Buffer last = stream_bytes(4 << 20);
    f.server->stream->write(last);
    f.server->stream->close_after_write();
    f.until([&] { return f.client.closed.has_value() && f.server->closed.has_value(); });
    EXPECT(f.client.received == last);
    EXPECT(f.client.closed->uv_error == UV_EOF);
    EXPECT(f.client.stream->tls()->state() == TlsChannel::State::kClosed);
  }
}

}  // namespace consort::proxy
