// PoolAccount: whose connections of the pool may serve a session.
#pragma once

#include <cstdint>
#include <string>

#include "base/ids.h"
#include "protocol/login_secret.h"

namespace consort::proxy {

/// Whose connection, and with which capabilities.
struct PoolAccount {
  std::string user;
  protocol::LoginSecret secret;
  bool expired = false;  ///< the server lets such a connection do little, for good
  /// Do not lease an idle connection: only a new login shows whether the secret is right.
  bool fresh = false;
  /// The servers count its connections and let in no more than its clients: none is kept idle.
  bool counted = false;
  /// Its connections are of logins behind this entry of the log: the server looks at an account,
  /// its global rights and max_allowed_packet when it logs in, never again.
  Seqno logins_as_of;
  std::uint64_t capabilities = 0;
  std::uint16_t collation = 0;
  std::string key;  ///< equal accounts have equal keys: make_key() of the rest
  [[nodiscard]] std::string make_key() const;
};

}  // namespace consort::proxy
