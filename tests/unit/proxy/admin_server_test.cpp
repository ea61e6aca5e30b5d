#include "proxy/admin/admin_server.h"

#include <algorithm>
#include <chrono>
#include <httplib.h>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/test.h"
#include "tests/unit/proxy/fake_admin_source.h"

namespace consort::proxy {
namespace {

using healthcheck::OperatorState;

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

AdminServer::Options on_any_port() {
  AdminServer::Options options;
  options.port = 0;
  return options;
}

struct ServerFixture {
  FakeAdminSource source;
  std::unique_ptr<AdminServer> server;

  explicit ServerFixture(AdminServer::Options options = on_any_port()) {
    auto started = AdminServer::start(std::move(options), source);
    REQUIRE(started.ok());
    server = std::move(started).value();
  }

  [[nodiscard]] httplib::Client client() const {
    return httplib::Client("127.0.0.1", server->port());
  }
};

/// A plain connection to the server, for what no well-behaved client sends.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    const timeval patience{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }

  ~RawClient() { close(fd_); }

  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  /// False when the server has closed the connection.
  bool send_text(const std::string& text) const {
    return send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }

  /// Everything the server sends until it closes.
  [[nodiscard]] std::string receive_all() const {
    std::string all;
    char part[4096];
    ssize_t received = 0;
    while ((received = recv(fd_, part, sizeof(part), 0)) > 0) {
      all.append(part, static_cast<std::size_t>(received));
    }
    return all;
  }

 private:
  int fd_;
};

std::string exchange(std::uint16_t port, const std::string& request) {
  const RawClient client(port);
  client.send_text(request);
  return client.receive_all();
}

int status_of(const std::string& reply) {
  return reply.size() > 12 ? std::stoi(reply.substr(9, 3)) : 0;
}

TEST_SUITE("proxy") {
  TEST_CASE("AdminServer: serves the routes") {
    const ServerFixture fixture;
    auto client = fixture.client();
    const auto status = client.Get("/status");
    REQUIRE(status);
    EXPECT(status->status == 200);
    EXPECT(status->get_header_value("Content-Type") == "application/json");
    EXPECT(json::parse(status->body)["head"] == 42);

    const auto put =
        client.Put("/backends/db2/state", R"({"state":"draining"})", "application/json");
    REQUIRE(put);
    EXPECT(put->status == 200);
    EXPECT(fixture.source.backend(1).wanted == OperatorState::kDraining);

    const auto page = client.Get("/sessions?limit=5&offset=0");
    REQUIRE(page);
    EXPECT(json::parse(page->body)["limit"] == 5);

    const auto head = client.Head("/health");
    REQUIRE(head);
    EXPECT(head->status == 200);
    EXPECT(head->body.empty());
  }

  TEST_CASE("AdminServer: ignores ranges") {
    const ServerFixture fixture;
    const auto reply = fixture.client().Get("/status", {{"Range", "bytes=0-0,0-0,0-0"}});
    REQUIRE(reply);
    EXPECT(reply->status == 200);
    EXPECT(json::parse(reply->body)["head"] == 42);
  }

  TEST_CASE("AdminServer: takes a body sent as a form, as curl -d does") {
    const ServerFixture fixture;
    const auto put = fixture.client().Put("/routing/weights", R"({"db1":7})",
                                          "application/x-www-form-urlencoded");
    REQUIRE(put);
    EXPECT(put->status == 200);
    EXPECT(fixture.source.backend(0).weight == 7);
  }

  TEST_CASE("AdminServer: every error is JSON") {
    const ServerFixture fixture;
    auto client = fixture.client();
    const auto check = [](const httplib::Result& reply, int status) {
      REQUIRE(reply);
      CAPTURE(reply->body);
      EXPECT(reply->status == status);
      EXPECT(reply->get_header_value("Content-Type") == "application/json");
      const json body = json::parse(reply->body, nullptr, false);
      REQUIRE(body.is_object());
      EXPECT(body["error"]["message"].is_string());
    };
    check(client.Get("/nowhere"), 404);
    check(client.Get("/%2e%2e/%00x"), 404);
    check(client.Post("/status", "{}", "application/json"), 405);
    check(client.Delete("/status"), 405);
    check(client.Patch("/nowhere", "{}", "application/json"), 404);
    check(client.Options("/status"), 405);
    check(client.Put("/routing/weights", "{\"db1\"", "application/json"), 400);
    check(client.Put("/routing/weights", R"({"db1":-1})", "application/json"), 422);
    check(client.Put("/backends/x/state", R"({"state":"online"})", "application/json"), 404);
    check(client.Put("/routing/weights", std::string(100'000, ' '), "application/json"), 413);
    check(client.Put("/routing/weights", std::string(3'000'000, ' '), "application/json"), 413);
    check(client.Get("/" + std::string(1000, 'x')), 414);
    check(client.Get("/" + std::string(9000, 'x')), 414);
    check(client.Put("/routing/weights", {{"Content-Encoding", "gzip"}}, "x", "application/json"),
          415);
    EXPECT(client.Delete("/status")->get_header_value("Allow") == "GET");
  }

  TEST_CASE("AdminServer: requests that are not HTTP") {
    const ServerFixture fixture;
    const std::uint16_t port = fixture.server->port();
    EXPECT(status_of(exchange(port, "hello\r\n\r\n")) == 400);
    EXPECT(status_of(exchange(port, "BREW /coffee HTTP/1.1\r\n\r\n")) == 400);
    EXPECT(status_of(exchange(port, "GET /status HTTP/9.9\r\n\r\n")) == 400);
    EXPECT(status_of(exchange(port, "GET /health HTTP/1.0\r\n\r\n")) == 200);
    const std::string no_length = "PUT /routing/weights HTTP/1.1\r\nHost: localhost\r\n\r\n";
    EXPECT(status_of(exchange(port, no_length)) == 400);
    const std::string chunked =
        "PUT /routing/weights HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        "9\r\n{\"db1\":3}\r\n0\r\n\r\n";
    EXPECT(status_of(exchange(port, chunked)) == 200);
    EXPECT(fixture.source.backend(0).weight == 3);
    const std::string bad_chunk =
        "PUT /routing/weights HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        "zz\r\n{\"db1\":4}\r\n0\r\n\r\n";
    EXPECT(status_of(exchange(port, bad_chunk)) == 400);
    EXPECT(fixture.source.backend(0).weight == 3);
  }

  TEST_CASE("AdminServer: a head or a body that never ends is cut off") {
    const ServerFixture fixture;
    const RawClient client(fixture.server->port());
    const std::string line = "X-Filler: " + std::string(1000, 'x') + "\r\n";
    bool open = client.send_text("GET /status HTTP/1.1\r\nHost: localhost\r\n");
    for (int i = 0; open && i < 100'000; ++i) {
      open = client.send_text(line);
    }
    EXPECT_FALSE(open);
    EXPECT(fixture.client().Get("/health")->status == 200);
  }

  TEST_CASE("AdminServer: slow clients do not keep others out for longer than the timeout") {
    AdminServer::Options options = on_any_port();
    options.threads = 2;
    options.request_timeout_ms = 300;
    const ServerFixture fixture(options);
    const auto begin = steady_clock::now();
    std::vector<std::unique_ptr<RawClient>> slow;
    for (int i = 0; i < 4; ++i) {
      slow.push_back(std::make_unique<RawClient>(fixture.server->port()));
      slow.back()->send_text("GET /sta");
    }
    std::thread dripping([&] {
      while (steady_clock::now() - begin < milliseconds(1500)) {
        for (const auto& client : slow) {
          client->send_text("t");
        }
        std::this_thread::sleep_for(milliseconds(20));
      }
    });
    const auto reply = fixture.client().Get("/status");
    const auto waited = steady_clock::now() - begin;
    dripping.join();
    REQUIRE(reply);
    EXPECT(reply->status == 200);
    EXPECT(waited < milliseconds(4500));
  }

  TEST_CASE("AdminServer: connections beyond the bound are told to come back") {
    AdminServer::Options options = on_any_port();
    options.threads = 1;
    options.connections_waiting_max = 1;
    options.request_timeout_ms = 2000;
    const ServerFixture fixture(options);
    std::vector<std::unique_ptr<RawClient>> silent;
    for (int i = 0; i < 6; ++i) {
      silent.push_back(std::make_unique<RawClient>(fixture.server->port()));
    }
    // Which of them depends on how fast they come.
    EXPECT(std::any_of(silent.rbegin(), silent.rend(),
                       [](const auto& client) { return status_of(client->receive_all()) == 503; }));
  }

  TEST_CASE("AdminServer: stops at once while clients are connected") {
    auto fixture = std::make_unique<ServerFixture>();
    const RawClient silent(fixture->server->port());
    std::this_thread::sleep_for(milliseconds(50));
    const auto begin = steady_clock::now();
    fixture.reset();
    EXPECT(steady_clock::now() - begin < milliseconds(1500));
  }

  TEST_CASE("AdminServer: can be started and stopped again and again") {
    for (int i = 0; i < 20; ++i) {
      const ServerFixture fixture;
    }
  }

  TEST_CASE("AdminServer: answers several clients at once") {
    const ServerFixture fixture;
    std::vector<std::thread> threads;
    std::atomic<int> good{0};
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 20; ++n) {
          const auto reply = fixture.client().Get("/backends");
          good += reply && reply->status == 200 ? 1 : 0;
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    EXPECT(good == 160);
  }

  TEST_CASE("AdminServer: asks for the token before it reads the body") {
    AdminServer::Options options = on_any_port();
    options.token = "s3cret";
    const ServerFixture fixture(options);
    auto client = fixture.client();
    const auto without = client.Get("/status");
    REQUIRE(without);
    EXPECT(without->status == 401);
    EXPECT(without->get_header_value("WWW-Authenticate") == "Bearer");
    EXPECT(client.Put("/routing/weights", std::string(100'000, ' '), "text/plain")->status == 401);
    EXPECT(client.Get("/status", {{"Authorization", "Bearer s3cret"}})->status == 200);
    // With a token any name will do.
    const httplib::Headers proxied{{"Authorization", "Bearer s3cret"}, {"Host", "db.example"}};
    EXPECT(client.Get("/status", proxied)->status == 200);
  }

  TEST_CASE("AdminServer: without a token only loopback names are served") {
    const ServerFixture fixture;
    auto client = fixture.client();
    for (const char* host : {"localhost", "localhost:6080", "127.0.0.1:6080", "[::1]:6080"}) {
      CAPTURE(host);
      EXPECT(client.Get("/status", {{"Host", host}})->status == 200);
    }
    for (const char* host : {"evil.example", "127.0.0.1.evil.example", "localhost.evil.example"}) {
      CAPTURE(host);
      EXPECT(client.Get("/status", {{"Host", host}})->status == 403);
    }
  }

  TEST_CASE("AdminServer: refuses addresses it must not or cannot have") {
    FakeAdminSource source;
    AdminServer::Options options = on_any_port();
    for (const char* host : {"0.0.0.0", "::", "192.0.2.1", "example.com", ""}) {
      CAPTURE(host);
      options.host = host;
      const auto open = AdminServer::start(options, source);
      REQUIRE_FALSE(open.ok());
      EXPECT(open.error().message.find("admin.token") != std::string::npos);
    }
    options.host = "0.0.0.0";
    options.token = "s3cret";
    EXPECT(AdminServer::start(options, source).ok());
    options.host = "192.0.2.1";
    const auto not_ours = AdminServer::start(options, source);
    REQUIRE_FALSE(not_ours.ok());
    EXPECT(not_ours.error().message.find("192.0.2.1") != std::string::npos);
  }

  TEST_CASE("AdminServer: a port in use is an error, not a shared port") {
    const ServerFixture fixture;
    FakeAdminSource source;
    AdminServer::Options options;
    options.port = fixture.server->port();
    const auto second = AdminServer::start(options, source);
    REQUIRE_FALSE(second.ok());
    EXPECT(second.error().message.find("Address already in use") != std::string::npos);
    EXPECT(second.error().message.find(std::to_string(options.port)) != std::string::npos);
  }

  TEST_CASE("is_loopback") {
    for (const char* host : {"localhost", "127.0.0.1", "127.8.9.10", "::1"}) {
      EXPECT(is_loopback(host));
    }
    for (const char* host :
         {"", "0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "localhost.x", "127.1"}) {
      EXPECT_FALSE(is_loopback(host));
    }
  }
}

}  // namespace
}  // namespace consort::proxy
