// consort: the proxy's command line.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <pthread.h>
#include <thread>

#include "proxy/app.h"
#include "proxy/config.h"
#include "proxy/logging.h"

namespace {

constexpr int kExitConfig = 2;

/// Signals are taken by one thread that waits for them, so that no handler interrupts anything.
sigset_t block_signals() {
  sigset_t taken;
  sigemptyset(&taken);
  sigaddset(&taken, SIGTERM);
  sigaddset(&taken, SIGINT);
  sigaddset(&taken, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &taken, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return taken;
}

}  // namespace

int main(int argc, char** argv) {
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
  auto app = consort::proxy::App::start(std::move(config).value());
  if (!app.ok()) {
    std::fprintf(stderr, "consort: %s\n", app.error().message.c_str());
    return 1;
  }
  std::thread signals([&taken, raw = app->get()] {
    int received = 0;
    while (sigwait(&taken, &received) == 0 && received == SIGHUP) {
      raw->reload_files();
    }
    raw->request_stop();
  });
  (*app)->run();
  // run() also ends without a signal when the control loop does: wake the waiter.
  pthread_kill(signals.native_handle(), SIGTERM);
  signals.join();
  return 0;
}
