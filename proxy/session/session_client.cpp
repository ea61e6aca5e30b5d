// Session: the part that knows who the client is, where it comes from and how long it may be
// silent.

#include "proxy/accounts.h"
#include "proxy/proxy_header.h"
#include "proxy/session/session.h"
#include "proxy/worker.h"

namespace consort::proxy {
namespace {

/// Who is not logged in gets no more memory than this.
constexpr std::size_t kLoginPacketBytesMax = 1 << 20;
/// How much sooner than we a server may find that a time limit is over.
constexpr std::chrono::seconds kIdleSlack{1};

}  // namespace

void Session::set_client(std::string ip, std::uint16_t port) {
  client_ip_ = std::move(ip);
  client_address_ = by_unix_socket_ ? client_ip_ : client_ip_ + ":" + std::to_string(port);
}

/// As it stands in messages and in USER().
std::string Session::client_name() const {
  const ClientHost host = client_host(client_ip_);
  return host.host.empty() ? client_ip_ : std::string(host.host);
}

/// The client's next packet of a login, or what stands in front of it. How much was used; 0: more
/// is needed.
std::size_t Session::take_login_packet(Bytes unread) {
  if (looks_for_proxy_header_) {
    if (const std::optional<std::size_t> header = take_proxy_header(unread)) {
      return *header;
    }
  }
  if (unread.size() >= protocol::kHeaderBytes && load_le<3>(unread.data()) > kLoginPacketBytesMax) {
    deny(protocol::packet_too_large_error(), static_cast<std::uint8_t>(unread[3] + 1));
    return unread.size();
  }
  const auto frame = protocol::peek_packet(unread);
  if (!frame) {
    return 0;
  }
  const bool was_compressed = compression_ != nullptr;
  protocol::ClientAuth::Step step = auth_->on_packet(frame->payload, frame->sequence);
  const Bytes behind = unread.subspan(frame->bytes);
  if (std::holds_alternative<protocol::ClientAuth::StartTls>(step)) {
    client_.start_tls(*worker_.options().tls->load(), {}, behind);
    return unread.size();
  }
  follow(std::move(step));
  if (compression_ && !was_compressed) {
    compression_->feed(behind);
    return unread.size();
  }
  return frame->bytes;
}

/// A PROXY header in front of the login: how much of `unread` was used (0: more is needed);
/// nullopt: there is none. As in MariaDB a load balancer that is trusted may send one, and one from
/// anybody else is an error, because what it says would not be true.
std::optional<std::size_t> Session::take_proxy_header(Bytes unread) {
  const auto parsed = parse_proxy_header(unread);
  if (parsed.ok() && !parsed->has_value()) {
    return 0;
  }
  looks_for_proxy_header_ = false;
  if (parsed.ok() && (*parsed)->source == ProxySource::kNone) {
    return std::nullopt;
  }
  const bool trusted = worker_.options().proxy_networks.contains(client_ip_);
  if (!parsed.ok() || !trusted) {
    worker_.own_metrics().count_refused(RefusalReason::kProxyHeader);
    worker_.warn_of_client(
        client_address_,
        trusted ? "malformed PROXY header: " + parsed.error().message
                : "PROXY header from an address that $.listen.proxy_protocol_networks lacks");
    deny(protocol::proxy_header_error(), 1);
    return unread.size();
  }
  const ProxyHeader& header = **parsed;
  if (header.source != ProxySource::kSender) {
    by_unix_socket_ = header.source == ProxySource::kUnix;
    set_client(by_unix_socket_ ? "localhost" : header.host, header.port);
    auth_->set_client_host(client_name());
    worker_.own_metrics().proxied_connections.add();
    if (deny_if_blocked(1)) {
      return unread.size();
    }
  }
  return header.bytes;
}

/// How long the client may be silent now. What the session has set comes first, as in a server.
std::chrono::seconds Session::idle_limit() const {
  const SessionState& state = core_.state();
  std::chrono::seconds limit =
      state.seconds("wait_timeout").value_or(worker_.limits().idle_timeout);
  if (core_.in_transaction()) {
    std::chrono::seconds other = worker_.limits().idle_transaction_timeout;
    other = state.seconds("idle_transaction_timeout").value_or(other);
    if (other.count() > 0) {
      limit = std::min(limit, other);
    }
  }
  return limit;
}

/// A server has closed a connection of ours: it counts the same limits, and those that depend on
/// what a transaction did, and may be a moment ahead.
bool Session::server_found_it_idle() const {
  if (!authenticated_ || closing_ || !core_.idle()) {
    return false;
  }
  std::chrono::seconds limit = idle_limit();
  for (const std::string_view name :
       {"idle_write_transaction_timeout", "idle_readonly_transaction_timeout"}) {
    const auto other = core_.state().seconds(name).value_or(std::chrono::seconds(0));
    if (core_.in_transaction() && other.count() > 0) {
      limit = std::min(limit, other);
    }
  }
  return worker_.loop().now() - last_active_ + kIdleSlack >= limit;
}

void Session::close_if_idle(TimePoint now) {
  if (!closing_ && authenticated_ && core_.idle() && now - last_active_ >= idle_limit()) {
    close_quietly();
  }
}

/// As it stands in a list of connections, and what USER() has in front of the port.
std::string Session::shown_address() const {
  const bool named = worker_.view().resolves_names && !by_unix_socket_;
  return named ? client_name() + client_address_.substr(client_ip_.size()) : client_address_;
}

ProcessRow Session::process_row(TimePoint now) {
  ProcessRow row;
  row.id = connection_id_;
  row.host = shown_address();
  if (!authenticated_) {
    row.user = "unauthenticated user";
    row.command = "Connect";
    row.state = "Reading from net";
    row.time = now - began_;
    return row;
  }
  row.user = user_;
  row.time = now - last_active_;
  core_.describe(row, now);
  if (init_connect_.failed()) {
    row.command = "Killed";
  }
  return row;
}

void Session::end_long_transaction(TimePoint now) {
  const std::chrono::seconds limit = worker_.limits().transaction_timeout;
  if (closing_ || limit.count() == 0 || !core_.transaction_since() ||
      now - *core_.transaction_since() < limit) {
    return;
  }
  core_.on_transaction_too_long();
  pump();
}

void Session::close_quietly() {
  mute_ = true;
  closing_ = true;
  worker_.own_metrics().idle_connections_closed.add();
  core_.on_client_gone(true);
  worker_.retire(id_);
}

}  // namespace consort::proxy
