#include "proxy/metrics_server.h"

#include <cerrno>
#include <cstring>
#include <exception>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include <prometheus/exposer.h>

#include "proxy/metrics_collect.h"
#include "proxy/signals_blocked.h"

namespace consort::proxy {

namespace {

class Collector final : public prometheus::Collectable {
 public:
  explicit Collector(MetricsSources sources) : sources_(std::move(sources)) {}

  [[nodiscard]] MetricFamilies Collect() const override { return collect_metrics(sources_); }

 private:
  const MetricsSources sources_;
};

/// The first address that `host` and `port` mean, in the form civetweb takes ("ip:port",
/// "[ip]:port"), and whether it can be bound now: civetweb itself does not say why it could not.
struct BindProbe {
  std::string address;
  std::string failure;  ///< empty: nothing speaks against it
};

BindProbe probe_bind(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (failed != 0) {
    return {{}, gai_strerror(failed)};
  }
  BindProbe result;
  char ip[NI_MAXHOST] = {};
  getnameinfo(found->ai_addr, found->ai_addrlen, ip, sizeof(ip), nullptr, 0, NI_NUMERICHOST);
  result.address = found->ai_family == AF_INET6 ? "[" + std::string(ip) + "]" : std::string(ip);
  result.address += ":" + std::to_string(port);

  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  if (fd < 0) {
    result.failure = std::strerror(errno);
  } else {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 1) != 0) {
      result.failure = std::strerror(errno);
    }
    close(fd);
  }
  freeaddrinfo(found);
  return result;
}

}  // namespace

struct MetricsServer::Impl {
  std::shared_ptr<Collector> collector;  // outlives the exposer's threads
  std::unique_ptr<prometheus::Exposer> exposer;
  std::uint16_t port = 0;
};

Result<std::unique_ptr<MetricsServer>> MetricsServer::start(const Options& options,
                                                            MetricsSources sources) {
  const std::string wanted = options.host + ":" + std::to_string(options.port);
  const BindProbe probe = probe_bind(options.host, options.port);
  if (!probe.failure.empty()) {
    return make_error("metrics: cannot listen on " + wanted + ": " + probe.failure);
  }
  auto impl = std::make_unique<Impl>();
  impl->collector = std::make_shared<Collector>(std::move(sources));
  try {
    const SignalsBlocked signals_blocked;
    impl->exposer = std::make_unique<prometheus::Exposer>(std::vector<std::string>{
        "listening_ports", probe.address, "num_threads", "2", "request_timeout_ms", "5000"});
    impl->exposer->RegisterCollectable(impl->collector);
    const std::vector<int> ports = impl->exposer->GetListeningPorts();
    impl->port = ports.empty() ? options.port : static_cast<std::uint16_t>(ports.front());
  } catch (const std::exception& error) {
    return make_error("metrics: cannot listen on " + wanted + ": " + error.what());
  }
  return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(impl)));
}

MetricsServer::MetricsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

MetricsServer::~MetricsServer() = default;

std::uint16_t MetricsServer::port() const {
  return impl_->port;
}

}  // namespace consort::proxy
