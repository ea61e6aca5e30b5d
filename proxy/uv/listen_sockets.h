// ListenSockets: the sockets that clients come in by. Opened here, or handed over by whoever
// started the process (LISTEN_FDS, sd_listen_fds(3)): systemd, or a process that this one follows.
// While nobody accepts on a handed-over socket its clients wait in its backlog and are not refused.
// Threads: open(), close() and hand_over() the owner's; descriptors_of() any.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "proxy/uv/socket_address.h"
#include "proxy/uv/unix_socket.h"

namespace consort::proxy {

class ListenSockets {
 public:
  struct Wanted {
    SocketAddress sql;
    std::string unix_path;  ///< empty: none
    std::size_t workers_count = 1;
  };

  /// Takes what LISTEN_FDS names, opens the rest. Errors: an address cannot be had, or what was
  /// handed over is not what the configuration wants.
  [[nodiscard]] static Result<std::unique_ptr<ListenSockets>> open(const Wanted& wanted);
  ListenSockets(const ListenSockets&) = delete;
  ListenSockets& operator=(const ListenSockets&) = delete;
  ~ListenSockets();

  /// New descriptors, the caller's own, that worker `index` listens on: each TCP socket is some
  /// worker's, and each worker has one; the Unix socket is everybody's.
  [[nodiscard]] Result<std::vector<int>> descriptors_of(std::size_t index) const;

  /// Whether any was handed over.
  [[nodiscard]] bool inherited() const { return inherited_; }

  /// No more clients, as soon as the workers have closed theirs.
  void close();

  /// Keeps them open for the program that this process becomes next (execv), and tells it by
  /// LISTEN_FDS. Nothing else may be done with this object, nor with the process. Errors: no
  /// descriptors are left.
  [[nodiscard]] Status hand_over();

 private:
  explicit ListenSockets(std::size_t workers_count) : workers_count_(workers_count) {}

  [[nodiscard]] Status take_inherited(const Wanted& wanted);
  [[nodiscard]] Status open_missing(const Wanted& wanted);

  const std::size_t workers_count_;
  std::vector<int> tcp_;
  std::unique_ptr<UnixSocket> unix_;
  bool inherited_ = false;
};

}  // namespace consort::proxy
