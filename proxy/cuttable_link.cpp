#include "proxy/cuttable_link.h"

#include <string_view>
#include <sys/socket.h>
#include <utility>

#include <mysql.h>

namespace consort::proxy {

void CuttableLink::set(BackendId at, healthcheck::ServerLink& link) {
  at_ = at;
  thread_ = link.thread_id();
  socket_ = static_cast<int>(mysql_get_socket(link.handle()));
}

void CuttableLink::cut(const Kill& kill) {
  if (socket_ >= 0) {
    kill(at_, thread_);
    (void)::shutdown(std::exchange(socket_, -1), SHUT_RDWR);
  }
}

std::optional<bool> told_of_changes(healthcheck::ServerLink& link) {
  st_mysql* const handle = link.handle();
  const char* text = nullptr;
  std::size_t length = 0;
  if (link.kind() == ServerKind::kMysql) {
    return mysql_session_track_get_first(handle, SESSION_TRACK_GTIDS, &text, &length) == 0;
  }
  bool is_name = true;
  bool others = false;
  for (int end =
           mysql_session_track_get_first(handle, SESSION_TRACK_SYSTEM_VARIABLES, &text, &length);
       end == 0;
       end = mysql_session_track_get_next(handle, SESSION_TRACK_SYSTEM_VARIABLES, &text, &length)) {
    if (is_name && std::string_view(text, length) == "last_gtid") {
      return true;
    }
    others = true;
    is_name = !is_name;
  }
  return others ? std::nullopt : std::optional(false);
}

}  // namespace consort::proxy
