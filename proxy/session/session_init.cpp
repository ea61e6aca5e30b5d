// Session: what clients have SET GLOBAL init_connect to runs as a session's first command. Decision
// 0041.
#include <spdlog/spdlog.h>

#include "protocol/constants.h"
#include "proxy/session/session.h"
#include "proxy/worker.h"

namespace consort::proxy {
namespace {

/// Nobody has a file for it.
constexpr std::string_view kNoFile =
    "The used command is not allowed because the MariaDB server or client has disabled the local "
    "infile capability";

}  // namespace

/// Who may CONNECTION ADMIN is let in whatever stands there.
void Session::plan_init_connect() {
  if (!prior_ && !login_account_.connection_admin) {
    init_connect_.plan(worker_.globals().init_connect(worker_.view().kept_globals));
  }
}

/// Behind the OK of the login, before anything else; and when a part of it is done.
void Session::run_init_connect() {
  if (init_connect_.due() && authenticated_ && core_.idle() && !closing_) {
    core_.run_text(init_connect_.begin());
    run_statements();
  }
  while (init_connect_.running() && !closing_ && core_.wants_file()) {
    init_connect_.fail(kNoFile);
    const std::uint8_t sequence = core_.file_sequence();
    const std::uint8_t end_of_file[protocol::kHeaderBytes] = {0, 0, 0, sequence};
    core_.on_file_packet(end_of_file, sequence);
    run_statements();
  }
  if (init_connect_.running() && !closing_ && core_.idle()) {
    end_init_connect();
  }
}

/// As on a server: who is not let in is told when it asks for something.
void Session::end_init_connect() {
  init_connect_.end();
  if (!init_connect_.failed()) {
    return;
  }
  spdlog::warn("{}", aborted_error().message);
  spdlog::warn("{}", init_connect_.why());
  core_.reset();
}

protocol::SqlError Session::aborted_error() const {
  const std::string& schema = core_.state().schema();
  return protocol::aborted_connection_error({connection_id_,
                                             schema.empty() ? "unconnected" : schema, user_,
                                             client_name(), "init_connect command failed"});
}

}  // namespace consort::proxy
