#include "proxy/uv/tls_channel.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <vector>

#include "tests/support/test.h"
#include "tests/unit/proxy/uv/test_certificates.h"

namespace consort::proxy {
namespace {

using test::TestCertificates;
using State = TlsChannel::State;

const TestCertificates& certificates() {
  static const TestCertificates made;
  return made;
}

TlsContext::Shared server_context(const std::string& ca = "") {
  auto context = TlsContext::for_server(certificates().files("server", ca));
  REQUIRE_MESSAGE(context.ok(), context.error().message);
  return *context;
}

TlsContext::Shared client_context(TlsMode mode,
                                  const std::string& ca = "",
                                  const std::string& certificate = "") {
  TlsFiles files;
  if (!certificate.empty()) {
    files = certificates().files(certificate);
  }
  files.ca = ca.empty() ? ca : certificates().file(ca + ".pem");
  auto context = TlsContext::for_client(files, mode);
  REQUIRE_MESSAGE(context.ok(), context.error().message);
  return *context;
}

/// Gives `bytes` to `channel`; what it reads of them is appended to `plain`.
void deliver(TlsChannel& channel, Bytes bytes, Buffer& plain) {
  std::array<std::uint8_t, 1000> into{};  // smaller than a record
  channel.feed(bytes);
  for (;;) {
    const MutableBytes got = channel.read(into);
    if (got.empty()) {
      break;
    }
    append(plain, got);
  }
  EXPECT((channel.take_unread().empty() || channel.state() == State::kFailed ||
          channel.state() == State::kClosed));
}

/// Two channels that speak to each other in pieces of `step` bytes.
struct Pair {
  TlsChannel server;
  TlsChannel client;
  std::size_t step = 1 << 20;
  Buffer server_plain{};
  Buffer client_plain{};

  Pair(const TlsContext& server_side, const TlsContext& client_side, const std::string& host = "x")
      : server(server_side, ""), client(client_side, host) {
    client.start();
  }

  void move(TlsChannel& from, TlsChannel& to, Buffer& plain) const {
    const Buffer bytes = std::exchange(from.output(), Buffer());
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      deliver(to, Bytes(bytes).subspan(at, std::min(step, bytes.size() - at)), plain);
    }
  }

  void run() {
    while (!client.output().empty() || !server.output().empty()) {
      move(client, server, server_plain);
      move(server, client, client_plain);
    }
  }

  [[nodiscard]] bool open() const {
    return server.state() == State::kOpen && client.state() == State::kOpen;
  }
};

Buffer pattern(std::size_t size) {
  Buffer bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::uint8_t>((i * 31) ^ (i >> 8));
  }
  return bytes;
}

std::string refusal(const TlsFiles& files) {
  const auto context = TlsContext::for_server(files);
  REQUIRE(!context.ok());
  return context.error().message;
}

}  // namespace

TEST_SUITE("tls") {
  TEST_CASE("TlsChannel: carries bytes both ways, whatever the pieces") {
    const auto server = server_context();
    const auto client = client_context(TlsMode::kRequired);
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{1} << 20}) {
      CAPTURE(step);
      Pair pair(*server, *client);
      pair.step = step;
      pair.run();
      REQUIRE(pair.open());
      const Buffer up = pattern(50000);
      const Buffer down = pattern(100001);
      pair.client.write(
          {Bytes(up).first(3), Bytes(), Bytes(up).subspan(3, 5), Bytes(up).subspan(8)});
      pair.server.write({down});
      pair.run();
      EXPECT(pair.server_plain == up);
      EXPECT(pair.client_plain == down);
      EXPECT(pair.server.peer().version == "TLSv1.3");
      EXPECT(!pair.server.peer().cipher.empty());
      EXPECT(!pair.server.peer().verified);
    }
  }

  TEST_CASE("TlsChannel: what is written before the handshake is over follows it") {
    Pair pair(*server_context(), *client_context(TlsMode::kRequired));
    pair.client.write({as_bytes("who "), as_bytes("am I")});
    EXPECT(pair.client.held_bytes() == 8);
    pair.run();
    EXPECT(as_text(pair.server_plain) == "who am I");
    EXPECT(pair.open());
    EXPECT(pair.client.held_bytes() == 0);
  }

  TEST_CASE("TlsChannel: small pieces share a record") {
    Pair pair(*server_context(), *client_context(TlsMode::kRequired));
    pair.run();
    pair.server.write({as_bytes("abcd"), as_bytes("efgh")});
    EXPECT(pair.server.output().size() < 8 + 40);
    pair.run();
    EXPECT(as_text(pair.client_plain) == "abcdefgh");
  }

  TEST_CASE("TlsChannel: refuses to hold too much before the handshake is over") {
    Pair pair(*server_context(), *client_context(TlsMode::kRequired));
    const Buffer much = pattern(TlsChannel::kHeldBytesMax + 1);
    pair.client.write({much});
    EXPECT(pair.client.state() == State::kFailed);
    EXPECT(pair.client.held_bytes() == 0);
  }

  TEST_CASE("TlsChannel: the peer's last word closes it") {
    Pair pair(*server_context(), *client_context(TlsMode::kRequired));
    pair.run();
    pair.client.write({as_bytes("bye")});
    pair.client.close();
    pair.run();
    EXPECT(as_text(pair.server_plain) == "bye");
    EXPECT(pair.server.state() == State::kClosed);
    pair.server.write({as_bytes("ignored")});
    EXPECT(pair.server.output().empty());
  }

  TEST_CASE("TlsChannel: garbage instead of a ClientHello fails and says why") {
    const auto context = server_context();
    for (const std::string_view garbage :
         {std::string_view("GET / HTTP/1.1\r\n\r\n"), std::string_view("\0\0\0\0\0\0\0\0", 8),
          std::string_view("\x16\x03\x01\x00\x05hello", 10),
          std::string_view("\x20\0\0\1\x85\xa6\xff\1", 8)}) {
      TlsChannel server(*context, "");
      Buffer plain;
      deliver(server, as_bytes(garbage), plain);
      EXPECT(server.state() == State::kFailed);
      EXPECT(!server.error().empty());
      EXPECT(plain.empty());
    }
  }

  TEST_CASE("TlsChannel: a handshake cut anywhere is not open and not failed") {
    const auto server_side = server_context();
    const auto client_side = client_context(TlsMode::kRequired);
    Pair first(*server_side, *client_side);
    const std::size_t hello_bytes = first.client.output().size();
    first.move(first.client, first.server, first.server_plain);
    first.move(first.server, first.client, first.client_plain);
    const std::size_t answer_bytes = first.client.output().size();
    REQUIRE(answer_bytes > 20);
    for (std::size_t cut = 0; cut < hello_bytes + answer_bytes; ++cut) {
      CAPTURE(cut);
      Pair pair(*server_side, *client_side);
      if (cut < hello_bytes) {
        deliver(pair.server, Bytes(pair.client.output()).first(cut), pair.server_plain);
      } else {
        pair.move(pair.client, pair.server, pair.server_plain);
        pair.move(pair.server, pair.client, pair.client_plain);
        deliver(pair.server,
                Bytes(pair.client.output()).first(std::min(cut - hello_bytes, answer_bytes - 1)),
                pair.server_plain);
      }
      EXPECT(pair.server.state() == State::kHandshaking);
      EXPECT(pair.server_plain.empty());
    }
  }

  TEST_CASE("TlsChannel: a changed byte anywhere never opens it nor brings other bytes") {
    const auto server_side = server_context();
    const auto client_side = client_context(TlsMode::kRequired);
    const std::size_t hello_bytes = Pair(*server_side, *client_side).client.output().size();
    for (std::size_t at = 0; at < hello_bytes; ++at) {
      Pair pair(*server_side, *client_side);
      pair.client.output()[at] ^= 0x55;
      pair.run();
      const bool ignored = at == 1 || at == 2;  // the version of the record itself
      EXPECT((ignored || !pair.open()));
    }
    for (std::size_t at = 0; at < 30; ++at) {
      Pair pair(*server_side, *client_side);
      pair.run();
      pair.client.write({as_bytes("SELECT 1")});
      pair.client.output()[at] ^= 0x55;
      pair.run();
      EXPECT(pair.server_plain.empty());
    }
  }

  TEST_CASE("TlsChannel: a client checks CA and name as far as it was told") {
    const auto server_side = server_context();

    struct Row {
      TlsMode mode;
      const char* ca;
      const char* host;
      bool opens;
    };

    for (const Row& row :
         {Row{TlsMode::kPreferred, "", "x", true}, Row{TlsMode::kRequired, "foreign", "x", true},
          Row{TlsMode::kVerifyCa, "ca", "x", true}, Row{TlsMode::kVerifyCa, "foreign", "x", false},
          Row{TlsMode::kVerifyIdentity, "ca", "db.example", true},
          Row{TlsMode::kVerifyIdentity, "ca", "127.0.0.1", true},
          Row{TlsMode::kVerifyIdentity, "ca", "127.0.0.2", false},
          Row{TlsMode::kVerifyIdentity, "ca", "other.example", false},
          Row{TlsMode::kVerifyIdentity, "foreign", "127.0.0.1", false}}) {
      CAPTURE(row.ca);
      CAPTURE(row.host);
      Pair pair(*server_side, *client_context(row.mode, row.ca), row.host);
      pair.client.write({as_bytes("secret")});
      pair.run();
      EXPECT(pair.open() == row.opens);
      EXPECT(as_text(pair.server_plain) == (row.opens ? "secret" : ""));
      if (!row.opens) {
        EXPECT(pair.client.error().find("certificate verify failed: ") == 0);
      }
    }
  }

  TEST_CASE("TlsChannel: a client's certificate is known, a foreign one refused, none is fine") {
    const auto server_side = server_context("ca");
    Pair known(*server_side, *client_context(TlsMode::kRequired, "", "client"));
    known.run();
    REQUIRE(known.open());
    EXPECT(known.server.peer().verified);
    EXPECT(known.server.peer().subject == "/C=DE/O=Test/CN=client");
    EXPECT(known.server.peer().issuer == "/CN=ca");

    Pair foreign(*server_side, *client_context(TlsMode::kRequired, "", "stranger"));
    foreign.run();
    EXPECT(foreign.server.state() == State::kFailed);
    EXPECT(foreign.client.state() == State::kFailed);

    Pair none(*server_side, *client_context(TlsMode::kRequired));
    none.run();
    EXPECT(none.open());
    EXPECT(!none.server.peer().verified);

    // Without a CA nothing is asked for, so nothing is known.
    Pair unasked(*server_context(), *client_context(TlsMode::kRequired, "", "client"));
    unasked.run();
    EXPECT(unasked.open());
    EXPECT(!unasked.server.peer().verified);
  }

  TEST_CASE("TlsContext: says which file is wrong") {
    const TestCertificates& made = certificates();
    TlsFiles files = made.files("server");
    files.certificate = made.file("absent.pem");
    EXPECT(refusal(files) ==
           "cannot read the certificate " + files.certificate + ": No such file or directory");
    files = made.files("server");
    files.key = made.file("absent.key");
    EXPECT(refusal(files) == "cannot read the key " + files.key + ": No such file or directory");
    files = made.files("server");
    files.key = made.file("client.key");
    EXPECT(refusal(files) ==
           "the key " + files.key + " does not belong to the certificate " + files.certificate);
    files = made.files("server");
    files.ca = made.file("absent.pem");
    EXPECT(refusal(files) ==
           "cannot read the CA certificates " + files.ca + ": No such file or directory");
    const std::string garbage = made.file("garbage.pem");
    std::ofstream(garbage) << "not a certificate\n";
    files = made.files("server");
    files.certificate = garbage;
    EXPECT(refusal(files).find("cannot read the certificate " + garbage + ": ") == 0);
    files = made.files("server");
    files.ca = garbage;
    EXPECT(refusal(files).find("cannot read the CA certificates " + garbage + ": ") == 0);
  }
}

}  // namespace consort::proxy
