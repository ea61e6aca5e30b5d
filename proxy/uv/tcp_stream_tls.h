// TcpStream::Tls: what a stream has more once it carries TLS. Private to TcpStream.
// Threads: its loop's.
#pragma once

#include <string>

#include "base/bytes.h"
#include "proxy/uv/tcp_stream.h"
#include "proxy/uv/tls_channel.h"

namespace consort::proxy {

struct TcpStream::Tls {
  Tls(const TlsContext& context, const std::string& host) : channel(context, host) {}

  ~Tls() {
    if (gone != nullptr) {
      *gone = true;
    }
  }

  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;

  TlsChannel channel;
  Buffer kept;                     ///< ciphertext that came while nobody wanted to read
  UvHandle<uv_timer_t> later;      ///< to look at it outside the caller's call
  std::size_t answers_queued = 0;  ///< bytes of TLS's own, since everything was last sent
  bool secured = false;            ///< on_stream_secured() was called
  bool* gone = nullptr;            ///< set when destroyed inside a callback
};

}  // namespace consort::proxy
