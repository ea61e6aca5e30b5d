// NextTransaction: what SET TRANSACTION has said of a session's next transaction, until that has
// begun. Source: MariaDB KB "SET TRANSACTION".
// Threads: none; its session's.
#pragma once

#include <optional>
#include <string>

#include "router/statement.h"

namespace consort::proxy {

class NextTransaction {
 public:
  /// As on a fresh connection.
  void reset() {
    pending_ = false;
    access_unsure_ = false;
  }

  /// A SET TRANSACTION has succeeded. One that says nothing of the isolation level or of the access
  /// mode leaves that as it was.
  void set(router::IsolationLevel isolation, bool sets_access, std::optional<bool> read_only) {
    if (!pending_ || isolation != router::IsolationLevel::kUnset) {
      isolation_ = isolation;
    }
    if (!pending_ || sets_access) {
      read_only_ = read_only;
    }
    pending_ = true;
    access_unsure_ = access_unsure_ || sets_access;
  }

  void use_up() { pending_ = false; }

  /// SET SESSION of the isolation level, or else of the access mode, outside a transaction: that of
  /// the next transaction is the session's again.
  void set_for_session(bool isolation) {
    if (isolation) {
      isolation_ = router::IsolationLevel::kUnset;
    } else {
      read_only_.reset();
    }
    pending_ = pending_ && (isolation_ != router::IsolationLevel::kUnset || read_only_.has_value());
  }

  /// A transaction begins as was said.
  void begin() {
    begun_isolation_ = isolation();
    pending_ = false;
  }

  /// SET autocommit has ended the transaction begun last: what was said of it holds for the next
  /// one, too. `read_only`: what it was; `by_default`: what the session's are.
  void keep(bool read_only, bool by_default) {
    if (begun_isolation_ != router::IsolationLevel::kUnset || read_only != by_default) {
      isolation_ = begun_isolation_;
      read_only_ = read_only;
      pending_ = true;
      access_unsure_ = true;
    }
  }

  [[nodiscard]] bool pending() const { return pending_; }

  /// kUnset: nothing was said of it.
  [[nodiscard]] router::IsolationLevel isolation() const {
    return pending_ ? isolation_ : router::IsolationLevel::kUnset;
  }

  /// nullopt: nothing was said of it.
  [[nodiscard]] std::optional<bool> read_only() const {
    return pending_ ? read_only_ : std::nullopt;
  }

  /// SET TRANSACTION READ .. was said once: the home may have its own opinion of what is next.
  [[nodiscard]] bool access_unsure() const { return access_unsure_; }

  /// The statement that says it again; empty: there is nothing to say.
  [[nodiscard]] std::string sql() const;

 private:
  bool pending_ = false;
  router::IsolationLevel isolation_ = router::IsolationLevel::kUnset;
  std::optional<bool> read_only_;
  router::IsolationLevel begun_isolation_ = router::IsolationLevel::kUnset;
  bool access_unsure_ = false;
};

}  // namespace consort::proxy
