// consort: the proxy's command line.
#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <thread>

#include "proxy/app.h"
#include "proxy/config.h"
#include "proxy/logging.h"
#include "proxy/takeover.h"

namespace {

constexpr int kExitConfig = 2;

/// How the process ends.
enum class End : std::uint8_t { kStop, kTakeOver };

/// Sessions may finish what they have begun. A second SIGTERM is impatient.
void drain(consort::proxy::App& app, const sigset_t& taken, End end) {
  constexpr timespec kLook{0, 20'000'000};
  const auto deadline = std::chrono::steady_clock::now() + app.shutdown_grace();
  app.begin_drain(end == End::kTakeOver);
  while (!app.drained() && std::chrono::steady_clock::now() < deadline) {
    const int received = sigtimedwait(&taken, nullptr, &kLook);
    if (received == SIGTERM || received == SIGINT) {
      return;
    }
  }
}

/// Serves signals until one of them ends the process, or the control loop has ended by itself.
End serve_signals(consort::proxy::App& app,
                  const sigset_t& taken,
                  const consort::proxy::Invocation& invocation) {
  int received = 0;
  while (sigwait(&taken, &received) == 0) {
    if (received == SIGHUP) {
      (void)app.reload_config();
      continue;
    }
    if (received == SIGUSR2) {
      if (const auto fit = consort::proxy::check_successor(invocation); !fit.ok()) {
        spdlog::error("no successor takes over: {}", fit.error().message);
        continue;
      }
      spdlog::info("{} takes over when all sessions have ended", invocation.program);
      drain(app, taken, End::kTakeOver);
      return End::kTakeOver;
    }
    drain(app, taken, End::kStop);
    return End::kStop;
  }
  return End::kStop;
}

/// Signals are taken by one thread that waits for them, so that no handler interrupts anything.
sigset_t block_signals() {
  sigset_t taken;
  sigemptyset(&taken);
  sigaddset(&taken, SIGTERM);
  sigaddset(&taken, SIGINT);
  sigaddset(&taken, SIGHUP);
  sigaddset(&taken, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &taken, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return taken;
}

}  // namespace

int main(int argc, char** argv) {
  const consort::proxy::Invocation invocation = consort::proxy::this_invocation(argc, argv);
  CLI::App cli("Consort: one address for several MariaDB or MySQL servers");
  std::string path = "/etc/consort.json";
  bool check = false;
  cli.add_option("--config", path, "configuration file (JSON with comments)");
  cli.add_flag("--check-config", check, "read the configuration, say what is wrong, and end");
  cli.set_version_flag("--version", std::string(consort::proxy::kVersion));
  CLI11_PARSE(cli, argc, argv);

  auto config = consort::proxy::load_config(path);
  if (!config.ok()) {
    std::fprintf(stderr, "consort: %s\n", config.error().message.c_str());
    return kExitConfig;
  }
  if (check) {
    if (auto files = consort::proxy::App::check_files(*config); !files.ok()) {
      std::fprintf(stderr, "consort: %s: %s\n", path.c_str(), files.error().message.c_str());
      return kExitConfig;
    }
    std::printf("%s: ok\n", path.c_str());
    return 0;
  }
  if (auto logging = consort::proxy::setup_logging(config->log); !logging.ok()) {
    std::fprintf(stderr, "consort: %s\n", logging.error().message.c_str());
    return kExitConfig;
  }
  const sigset_t taken = block_signals();
  auto app = consort::proxy::App::start(std::move(config).value(), path);
  if (!app.ok()) {
    std::fprintf(stderr, "consort: %s\n", app.error().message.c_str());
    return 1;
  }
  End end = End::kStop;
  std::thread signals([&] {
    end = serve_signals(**app, taken, invocation);
    (*app)->request_stop();
  });
  (*app)->run();
  // run() also ends without a signal when the control loop does: wake the waiter.
  pthread_kill(signals.native_handle(), SIGTERM);
  signals.join();
  if (end == End::kStop) {
    return 0;
  }
  const auto sockets = (*app)->take_sockets();
  (*app).reset();  // the commit log is closed: it is the successor's now
  consort::Status handed = sockets->hand_over();
  const consort::Error failure =
      handed.ok() ? consort::proxy::become_successor(invocation) : handed.error();
  std::fprintf(stderr, "consort: %s\n", failure.message.c_str());
  return 1;
}
