#include "proxy/admin/admin_server.h"

#include <arpa/inet.h>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <exception>
#include <httplib.h>
#include <optional>
#include <string_view>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "base/check.h"
#include "proxy/admin/admin_routes.h"
#include "proxy/admin/connection_queue.h"
#include "proxy/admin/deadline_stream.h"
#include "proxy/signals_blocked.h"

namespace consort::proxy {

namespace {

/// The request's head and body together; httplib itself bounds only single lines.
constexpr std::size_t kRequestBytesMax = std::size_t{64} << 10;

/// How long a client may go on sending after its reply.
constexpr auto kDiscardInput = std::chrono::milliseconds(500);

constexpr std::string_view kBusyReply =
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
    "Content-Type: application/json\r\nContent-Length: 0\r\n\r\n";

/// httplib's accept loop and parser around DeadlineStream: one request per connection.
class HttpServer final : public httplib::Server {
 public:
  HttpServer(std::chrono::milliseconds request_timeout, int stop_fd)
      : request_timeout_(request_timeout), stop_fd_(stop_fd) {}

  /// May be asked again until listen_after_bind() has returned; Server::stop() may not.
  void stop_accepting() {
    if (svr_sock_ != INVALID_SOCKET) {
      stop();
    }
  }

 private:
  bool process_and_close_socket(int fd) override {
    bool served = false;
    if (ConnectionQueue::refusing()) {
      send(fd, kBusyReply.data(), kBusyReply.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      ::shutdown(fd, SHUT_WR);
    } else {
      const TimePoint deadline = std::chrono::steady_clock::now() + request_timeout_;
      DeadlineStream stream(fd, {deadline, kRequestBytesMax, stop_fd_});
      bool closed = false;
      served = process_request(stream, true, closed, nullptr);
      ::shutdown(fd, SHUT_WR);
      stream.discard_input(kDiscardInput);
    }
    ::close(fd);
    return served;
  }

  const std::chrono::milliseconds request_timeout_;
  const int stop_fd_;
};

void reply_with(const AdminReply& reply, httplib::Response& out) {
  out.status = reply.status;
  out.set_content(reply.body, "application/json");
  if (!reply.allow.empty()) {
    out.set_header("Allow", reply.allow);
  }
  if (reply.status == 401) {
    out.set_header("WWW-Authenticate", "Bearer");
  }
}

AdminRequest as_admin_request(const httplib::Request& request) {
  AdminRequest out;
  out.method = request.method;
  out.path = request.path;
  out.body = request.body;
  out.authorization = request.get_header_value("Authorization");
  if (request.method != "PUT") {  // a form's body would be among the parameters
    for (const auto& [key, value] : request.params) {
      out.query.insert_or_assign(key, value);
    }
  }
  return out;
}

/// The host a "Host:" header names, without its port.
std::string host_name(const std::string& header) {
  const std::size_t bracket = header.find(']');
  if (header.starts_with('[') && bracket != std::string::npos) {
    return header.substr(1, bracket - 1);
  }
  return header.substr(0, header.find(':'));
}

/// Decides what httplib does with a request whose head was read but not its body.
class Gate {
 public:
  Gate(const AdminRoutes& routes, bool loopback_only)
      : routes_(routes), loopback_only_(loopback_only) {}

  /// The reply, or nullopt when the body must be read first.
  [[nodiscard]] std::optional<AdminReply> decide(const httplib::Request& request) const {
    if (std::optional<AdminReply> refusal = refuse(request)) {
      return refusal;
    }
    const bool has_body =
        request.has_header("Content-Length") || request.has_header("Transfer-Encoding");
    if (request.method == "PUT" && has_body) {
      return std::nullopt;
    }
    return routes_.handle(as_admin_request(request));
  }

 private:
  [[nodiscard]] std::optional<AdminReply> refuse(const httplib::Request& request) const {
    if (request.path.size() > kAdminPathBytesMax) {
      return admin_error(414, "path_too_long", "the path is too long", "");
    }
    // A page in an operator's browser can make its own name mean 127.0.0.1 and ask in his place.
    if (loopback_only_ && request.has_header("Host") &&
        !is_loopback(host_name(request.get_header_value("Host")))) {
      return admin_error(403, "wrong_host", "ask by the name localhost or a loopback address",
                         request.path);
    }
    if (!routes_.authorized(request.get_header_value("Authorization"))) {
      return routes_.handle(as_admin_request(request));
    }
    if (request.has_header("Content-Encoding")) {
      return admin_error(415, "unsupported", "encoded bodies are not supported", request.path);
    }
    if (request.get_header_value<std::uint64_t>("Content-Length") > kAdminBodyBytesMax) {
      return admin_error(413, "body_too_large",
                         "at most " + std::to_string(kAdminBodyBytesMax) + " bytes", request.path);
    }
    return std::nullopt;
  }

  const AdminRoutes& routes_;
  const bool loopback_only_;
};

/// What httplib itself answers, mostly before a request is whole, as JSON too.
AdminReply own_error(int status, const std::string& path) {
  switch (status) {
    case 404:
      return admin_error(404, "unknown_route", "no such route; GET / lists them", path);
    case 413:
      return admin_error(413, "body_too_large",
                         "at most " + std::to_string(kAdminBodyBytesMax) + " bytes", path);
    case 414:
      return admin_error(414, "path_too_long", "the path is too long", "");
    case 500:
      return admin_error(500, "internal", "the request failed inside", path);
    default:
      return admin_error(status, "bad_request", "the request is not understood", path);
  }
}

}  // namespace

struct AdminServer::Impl {
  Impl(Options given, AdminSource& source)
      : options(std::move(given)),
        routes(source, options.token),
        gate(routes, options.token.empty()),
        stop_fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        http(std::chrono::milliseconds(options.request_timeout_ms), stop_fd) {
    CHECK(stop_fd >= 0);
    configure();
  }

  ~Impl() { close(stop_fd); }

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void configure();
  Status bind();
  void start_thread();
  void accept_until_stopped();
  void stop();

  const Options options;
  const AdminRoutes routes;
  const Gate gate;
  const int stop_fd;
  HttpServer http;
  std::uint16_t port = 0;
  std::atomic<bool> stopping{false};
  std::atomic<bool> finished{false};
  std::thread thread;
};

void AdminServer::Impl::configure() {
  using Handling = httplib::Server::HandlerResponse;
  // Not SO_REUSEPORT, httplib's default: a second process must not share the port unnoticed.
  http.set_socket_options([](int fd) {
    const int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
  http.set_payload_max_length(kAdminBodyBytesMax);
  http.set_keep_alive_max_count(1);
  http.new_task_queue = [this] {
    return new ConnectionQueue(options.threads, options.connections_waiting_max);
  };
  http.set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& out) {
    // A server may ignore Range; httplib would multiply the reply by as many ranges as were sent.
    const_cast<httplib::Request&>(request).ranges.clear();
    const std::optional<AdminReply> reply = gate.decide(request);
    if (reply) {
      reply_with(*reply, out);
    }
    return reply ? Handling::Handled : Handling::Unhandled;
  });
  http.Put(R"([\s\S]*)", [this](const httplib::Request& request, httplib::Response& out) {
    reply_with(routes.handle(as_admin_request(request)), out);
  });
  http.set_error_handler(
      httplib::Server::Handler([](const httplib::Request& request, httplib::Response& out) {
        if (out.body.empty()) {
          reply_with(own_error(out.status, request.path), out);
        }
      }));
  http.set_exception_handler(
      [](const httplib::Request& request, httplib::Response& out, const std::exception_ptr&) {
        reply_with(own_error(500, request.path), out);
      });
}

Status AdminServer::Impl::bind() {
  const std::uint16_t wanted = port != 0 ? port : options.port;
  errno = 0;
  const int bound = wanted == 0                               ? http.bind_to_any_port(options.host)
                    : http.bind_to_port(options.host, wanted) ? wanted
                                                              : -1;
  if (bound <= 0) {
    const std::string why = errno != 0 ? std::strerror(errno) : "not an address of this machine";
    return make_error("admin: cannot listen on " + options.host + ":" + std::to_string(wanted) +
                      ": " + why);
  }
  port = static_cast<std::uint16_t>(bound);
  return Ok{};
}

void AdminServer::Impl::start_thread() {
  {
    const SignalsBlocked signals_blocked;
    thread = std::thread([this] {
      accept_until_stopped();
      finished = true;
    });
  }
  while (!http.is_running() && !finished) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

/// httplib gives up its socket when accept() fails for a reason it does not know; begin again.
void AdminServer::Impl::accept_until_stopped() {
  constexpr auto kRetry = std::chrono::milliseconds(500);
  http.listen_after_bind();
  while (!stopping) {
    std::this_thread::sleep_for(kRetry);
    if (!stopping && bind().ok()) {
      http.listen_after_bind();
    }
  }
}

void AdminServer::Impl::stop() {
  stopping = true;
  eventfd_write(stop_fd, 1);
  while (!finished) {
    http.stop_accepting();  // has no effect in the instant before the loop runs: ask until it is
                            // over
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  thread.join();
}

Result<std::unique_ptr<AdminServer>> AdminServer::start(Options options, AdminSource& source) {
  if (options.token.empty() && !is_loopback(options.host)) {
    return make_error(
        "admin: " + options.host +
        " can be reached from other machines: set admin.token or listen on 127.0.0.1");
  }
  auto impl = std::make_unique<Impl>(std::move(options), source);
  const Status bound = impl->bind();
  if (!bound.ok()) {
    return bound.error();
  }
  impl->start_thread();
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl)));
}

AdminServer::AdminServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

AdminServer::~AdminServer() {
  impl_->stop();
}

std::uint16_t AdminServer::port() const {
  return impl_->port;
}

bool is_loopback(const std::string& host) {
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) {
    return (ntohl(v4.s_addr) >> 24) == 127;
  }
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) {
    return IN6_IS_ADDR_LOOPBACK(&v6);
  }
  return host == "localhost";
}

}  // namespace consort::proxy
