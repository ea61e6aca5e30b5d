// TlsChannel: one end of a TLS connection without a socket: ciphertext in, plain bytes out, and
// the other way round.
//
//   kHandshaking --finished--> kOpen --the peer said so--> kClosed
//         +--------------------------+--anything wrong--> kFailed
//
// Ciphertext is read where it lies and nothing is kept between calls but one unfinished record, so
// an idle connection holds no buffers. Spec: RFC 8446, RFC 5246; ssl(7). Threads: its owner's.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <openssl/ssl.h>
#include <string>

#include "base/bytes.h"
#include "base/state_machine.h"
#include "proxy/uv/tls_context.h"

namespace consort::proxy {

class TlsChannel {
 public:
  enum class State : std::uint8_t {
    kHandshaking,
    kOpen,
    kClosed,  ///< the peer sends no more
    kFailed   ///< error() says why; output() may hold an alert for the peer
  };

  /// What write() takes before the handshake is over.
  static constexpr std::size_t kHeldBytesMax = std::size_t{64} << 10;

  /// `host`: the name or address that the peer's certificate must have, where the context says so.
  TlsChannel(const TlsContext& context, const std::string& host);
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;

  /// A client speaks first. Nothing on the other end.
  void start();

  /// More ciphertext: it must live until read() has nothing more or take_unread() was called.
  /// REQUIRES: the last is used up.
  void feed(Bytes ciphertext);

  /// The next plain bytes, in `into`; empty: more ciphertext is needed, or state() says otherwise.
  [[nodiscard]] MutableBytes read(MutableBytes into);

  /// Ciphertext that read() has not looked at. The caller keeps it and feeds it again.
  [[nodiscard]] Bytes take_unread();

  /// read() has more without more ciphertext.
  [[nodiscard]] bool has_plain() const { return SSL_pending(ssl_.get()) > 0; }

  /// Encrypts the pieces in order. What is written before the handshake is over follows it.
  void write(std::initializer_list<Bytes> pieces);

  /// Tells the peer that nothing more comes.
  void close();

  /// Ciphertext for the peer. The owner sends and clears it after every call.
  [[nodiscard]] Buffer& output() { return output_; }

  [[nodiscard]] State state() const { return machine_.state(); }

  /// Why it failed, for people.
  [[nodiscard]] const std::string& error() const { return error_; }

  /// Bytes written that wait for the end of the handshake.
  [[nodiscard]] std::size_t held_bytes() const { return held_.size(); }

  /// REQUIRES: the handshake is over.
  [[nodiscard]] TlsPeer peer() const;

 private:
  struct Deleter {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  struct Pipe;  // the BIO between OpenSSL and us

  static const Transition<State> kMoves[];

  void check(int result);
  void on_established();
  void encrypt(Bytes bytes);
  void fail(std::string error);

  StateMachine<State> machine_;
  std::unique_ptr<SSL, Deleter> ssl_;
  Bytes input_;
  Buffer output_;
  Buffer held_;
  std::string error_;
};

}  // namespace consort::proxy
