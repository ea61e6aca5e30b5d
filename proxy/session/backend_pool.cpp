#include "proxy/session/backend_pool.h"

#include <algorithm>

#include "protocol/packet_writer.h"

namespace consort::proxy {

using protocol::Command;

namespace {

void append_statement_close(Buffer& out, std::uint32_t id) {
  Buffer argument;
  append_le<4>(argument, id);
  protocol::append_command(out, Command::kStmtClose, argument);
}

}  // namespace

// Keys live as long as the pool: of a password they hold what cannot be turned back.
std::string PoolAccount::key() const {
  std::string key = user;
  key += '\0';
  key += expired ? 'E' : '-';
  if (const auto* stage1 = std::get_if<protocol::Stage1>(&secret)) {
    key += 'H';
    key += as_text(Bytes(stage1->hash));
  } else if (const auto* password = std::get_if<std::string>(&secret)) {
    key += 'P';
    key += protocol::native_hash_text(protocol::stage2_of(protocol::stage1_of(*password)));
  }
  Buffer numbers;
  append_le<8>(numbers, capabilities);
  append_le<2>(numbers, collation);
  key += as_text(numbers);
  return key;
}

BackendStatement* PooledConnection::statement(std::string_view key) {
  const auto found = statements_.find(std::string(key));
  return found == statements_.end() ? nullptr : &found->second;
}

void PooledConnection::add_statement(std::string_view key, std::uint32_t id) {
  if (statements_.size() >= kStatementsMax) {
    // Closing needs no reply, so it costs only its bytes.
    Buffer closes;
    std::erase_if(statements_, [&](const auto& known) {
      if (!known.second.has_cursor) {
        append_statement_close(closes, known.second.id);
      }
      return !known.second.has_cursor;
    });
    wire_->send({closes});
  }
  const auto [place, added] =
      statements_.try_emplace(std::string(key), BackendStatement{id, {}, 0});
  if (!added) {
    // Prepared once more: the server counts both, and its maximum is for all sessions.
    Buffer close;
    append_statement_close(close, place->second.id);
    wire_->send({close});
    place->second = BackendStatement{id, {}, 0};
  }
}

void PooledConnection::close_statement(std::string_view key) {
  const auto found = statements_.find(std::string(key));
  if (found != statements_.end()) {
    Buffer close;
    append_statement_close(close, found->second.id);
    wire_->send({close});
    statements_.erase(found);
  }
}

BackendPool::BackendPool(EventLoop& loop,
                         Options options,
                         WorkerMetrics& metrics,
                         std::function<void(BackendId, bool)> report,
                         std::function<void(BackendId)> reclaim)
    : loop_(loop),
      options_(std::move(options)),
      metrics_(metrics),
      report_(std::move(report)),
      reclaim_(std::move(reclaim)) {}

BackendPool::~BackendPool() = default;

PooledConnection* BackendPool::lease(BackendId id,
                                     const PoolAccount& account,
                                     LeaseState wanted,
                                     PoolClient& client) {
  Backend& backend = backends_[id.value];
  const std::string key = account.key();
  PooledConnection* idle = account.fresh ? nullptr : take_idle(backend, key, wanted);
  if (idle != nullptr) {
    idle->client_ = &client;
    const bool fits =
        !idle->used_ && idle->fingerprint_ == wanted.fingerprint && idle->schema_ == wanted.schema;
    idle->wanted_ = std::move(wanted);
    update_gauges(id);
    if (fits) {
      client.on_lease(*idle);
    } else {
      bring_into_state(*idle);
    }
    return idle;
  }
  if (backend.open_count >= options_.connections_max && !evict_one(backend)) {
    metrics_.pool_waits[id.value].add();
    reclaim_(id);
    if (!evict_one(backend)) {
      return nullptr;
    }
  }
  auto connection = std::make_unique<PooledConnection>();
  connection->backend_ = id;
  connection->account_key_ = key;
  connection->client_ = &client;
  connection->schema_ = wanted.schema;
  connection->wanted_ = std::move(wanted);
  BackendConnection::Params params;
  params.address = options_.addresses[id.value];
  params.connect_timeout = options_.connect_timeout;
  params.login.user = account.user;
  params.login.credential = account.secret;
  params.transport = options_.transports[id.value];
  params.login.tls = params.transport.mode;
  params.login.database = connection->schema_;
  params.login.capabilities = account.capabilities;
  params.login.collation = account.collation;
  params.setup = options_.setup[id.value];
  if (!connection->wanted_.set_statement.empty()) {
    params.setup.push_back(connection->wanted_.set_statement);
  }
  connection->wire_ = std::make_unique<BackendConnection>(loop_, id, std::move(params), observer());
  PooledConnection* raw = connection.get();
  connections_.emplace(raw->wire_.get(), std::move(connection));
  ++backend.open_count;
  update_gauges(id);
  return raw;
}

PooledConnection* BackendPool::take_idle(Backend& backend,
                                         const std::string& key,
                                         const LeaseState& wanted) {
  const auto found = backend.idle.find(key);
  if (found == backend.idle.end()) {
    return nullptr;
  }
  std::vector<PooledConnection*>& idle = found->second;
  auto best = idle.rend();
  for (auto at = idle.rbegin(); at != idle.rend(); ++at) {
    PooledConnection& candidate = **at;
    if (!candidate.used_ && candidate.fingerprint_ == wanted.fingerprint &&
        candidate.schema_ == wanted.schema) {
      best = at;
      break;
    }
    // A connection cannot go back to "no database".
    if (best == idle.rend() && (!wanted.schema.empty() || candidate.schema_.empty())) {
      best = at;
    }
  }
  if (best == idle.rend()) {
    return nullptr;
  }
  PooledConnection* taken = *best;
  idle.erase(std::next(best).base());
  --backend.idle_count;
  return taken;
}

void BackendPool::bring_into_state(PooledConnection& connection) {
  const LeaseState& wanted = connection.wanted_;
  std::vector<Buffer> commands;
  const bool fresh = !connection.used_ && connection.fingerprint_ == 0;
  if (!fresh && (connection.used_ || connection.fingerprint_ != wanted.fingerprint)) {
    protocol::append_command(commands.emplace_back(), Command::kResetConnection, {});
    for (const std::string& statement : options_.setup[connection.backend_.value]) {
      protocol::append_command(commands.emplace_back(), Command::kQuery, as_bytes(statement));
    }
    connection.statements_.clear();
    connection.fingerprint_ = 0;
    connection.used_ = false;
  }
  if (connection.fingerprint_ != wanted.fingerprint) {
    protocol::append_command(commands.emplace_back(), Command::kQuery,
                             as_bytes(wanted.set_statement));
  }
  if (connection.schema_ != wanted.schema) {
    protocol::append_command(commands.emplace_back(), Command::kInitDb, as_bytes(wanted.schema));
  }
  connection.becoming_ = true;
  if (commands.empty()) {
    on_backend_ready(*connection.wire_);
    return;
  }
  connection.wire_->set_up(commands);
}

void BackendPool::on_backend_ready(BackendConnection& wire) {
  PooledConnection& connection = *connections_.at(&wire);
  if (!connection.becoming_) {
    metrics_.pool_opened[connection.backend_.value].add();
    if (wire.secured()) {
      metrics_.pool_secured[connection.backend_.value].add();
    }
  }
  connection.becoming_ = false;
  connection.fingerprint_ = connection.wanted_.fingerprint;
  connection.schema_ = connection.wanted_.schema;
  connection.wanted_ = {};
  if (connection.client_ != nullptr) {
    connection.client_->on_lease(connection);
    return;
  }
  // Its session went away while it was made ready.
  Backend& backend = backends_[connection.backend_.value];
  backend.idle[connection.account_key_].push_back(&connection);
  ++backend.idle_count;
  update_gauges(connection.backend_);
}

std::size_t BackendPool::on_backend_bytes(BackendConnection& wire, MutableBytes bytes) {
  PooledConnection& connection = *connections_.at(&wire);
  if (connection.client_ == nullptr) {
    return bytes.size();  // the server says goodbye to an idle connection
  }
  return connection.client_->on_leased_bytes(connection, bytes);
}

void BackendPool::on_backend_drained(BackendConnection& wire) {
  PooledConnection& connection = *connections_.at(&wire);
  if (connection.client_ != nullptr) {
    connection.client_->on_leased_drained(connection);
  }
}

void BackendPool::on_backend_closed(BackendConnection& wire, const BackendFailure& failure) {
  PooledConnection& connection = *connections_.at(&wire);
  PoolClient* client = connection.client_;
  const BackendId id = connection.backend_;
  const bool ready = wire.ready();
  connection.client_ = nullptr;
  // The pooled connection outlives the call to its client, which may still compare its address.
  auto keeper = std::move(connections_.at(&wire));
  erase(*keeper);
  metrics_.pool_failures[id.value].add();
  bool in_use = !ready;
  if (client != nullptr && ready) {
    in_use = client->on_leased_lost(*keeper);
  } else if (client != nullptr) {
    client->on_lease_failed(*keeper, {failure.error, !failure.permanent});
  }
  if (in_use && failure.path) {
    report_(id, failure.refused);
  }
}

void BackendPool::release(PooledConnection& connection, const Return& back) {
  connection.client_ = nullptr;
  const BackendId id = connection.backend_;
  if (!connection.wire_->ready() && back.reusable) {
    return;  // still being made ready: idle when it is
  }
  if (!back.reusable) {
    auto keeper = std::move(connections_.at(connection.wire_.get()));
    erase(*keeper);
    return;
  }
  connection.fingerprint_ = back.fingerprint;
  connection.schema_ = back.schema;
  connection.used_ = back.used;
  Backend& backend = backends_[id.value];
  backend.idle[connection.account_key_].push_back(&connection);
  ++backend.idle_count;
  update_gauges(id);
}

void BackendPool::erase(PooledConnection& connection) {
  Backend& backend = backends_[connection.backend_.value];
  if (const auto found = backend.idle.find(connection.account_key_); found != backend.idle.end()) {
    backend.idle_count -= std::erase(found->second, &connection);
    if (found->second.empty()) {
      backend.idle.erase(found);
    }
  }
  --backend.open_count;
  connections_.erase(connection.wire_.get());
  connection.wire_.reset();
  update_gauges(connection.backend_);
}

bool BackendPool::evict_one(Backend& backend) {
  for (auto& [key, idle] : backend.idle) {
    if (!idle.empty()) {
      auto keeper = std::move(connections_.at(idle.front()->wire_.get()));
      erase(*keeper);
      return true;
    }
  }
  return false;
}

void BackendPool::drop_idle(BackendId id) {
  while (evict_one(backends_[id.value])) {
  }
}

void BackendPool::update_gauges(BackendId id) {
  const Backend& backend = backends_[id.value];
  metrics_.pool_idle[id.value].set(static_cast<std::int64_t>(backend.idle_count));
  metrics_.pool_leased[id.value].set(
      static_cast<std::int64_t>(backend.open_count - backend.idle_count));
}

}  // namespace consort::proxy
