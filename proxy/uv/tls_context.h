// TlsContext: what all TLS connections of one kind share: certificate, key, CAs, versions.
// Immutable: new files make a new context, and connections that have the old one keep it.
// TlsContextSlot holds the newest for those who open connections.
// Spec: RFC 8446, RFC 5246; SSL_CTX(3). Threads: any.
#pragma once

#include <memory>
#include <openssl/ssl.h>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "base/result.h"
#include "base/tls_options.h"

namespace consort::proxy {

class TlsContext {
 public:
  using Shared = std::shared_ptr<const TlsContext>;

  /// For connections that we accept. With a CA file clients are asked for a certificate; one that
  /// does not come from there ends the handshake, none is accepted. Errors name the file.
  [[nodiscard]] static Result<Shared> for_server(const TlsFiles& files);

  /// For connections that we open to `mode`. Errors name the file. REQUIRES: mode is not kOff.
  [[nodiscard]] static Result<Shared> for_client(const TlsFiles& files, TlsMode mode);

  [[nodiscard]] SSL_CTX* raw() const { return context_.get(); }

  [[nodiscard]] bool is_server() const { return is_server_; }

  /// The peer's certificate must name the host.
  [[nodiscard]] bool verifies_identity() const { return verifies_identity_; }

 private:
  struct Deleter {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  explicit TlsContext(bool is_server);
  Status load(const TlsFiles& files);
  Status load_certificate(const TlsFiles& files);
  Status load_ca(const std::string& file);

  std::unique_ptr<SSL_CTX, Deleter> context_;
  const bool is_server_;
  bool verifies_identity_ = false;
};

/// Where the newest context stands. Asked once per connection, never per packet.
class TlsContextSlot {
 public:
  explicit TlsContextSlot(TlsContext::Shared context) : context_(std::move(context)) {}

  [[nodiscard]] TlsContext::Shared load() const {
    const MutexLock lock(mutex_);
    return context_;
  }

  void store(TlsContext::Shared context) {
    const MutexLock lock(mutex_);
    context_ = std::move(context);
  }

 private:
  mutable Mutex mutex_;
  TlsContext::Shared context_ GUARDED_BY(mutex_);
};

/// How to speak to one backend: what BackendTls says, ready for use.
struct BackendTransport {
  TlsMode mode = TlsMode::kOff;
  std::shared_ptr<const TlsContextSlot> contexts;  ///< null only with kOff
  std::string host;                                ///< what its certificate must name, if checked
  bool compression = false;                        ///< of the MySQL protocol, if it has it
};

}  // namespace consort::proxy
