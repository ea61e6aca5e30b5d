// UserConnections: how many clients each account has connected, through all workers, and whether
// another one may come. Each backend alone would count pooled connections instead.
// Spec: MariaDB KB "CREATE USER" (MAX_USER_CONNECTIONS), "max_user_connections".
// Threads: any; asked once per login and once per end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/mutex.h"
#include "base/result.h"
#include "protocol/limit_errors.h"
#include "protocol/sql_error.h"
#include "proxy/accounts.h"

namespace consort::proxy {

class UserConnections {
  using Counts = std::unordered_map<std::string, std::size_t>;

 public:
  /// One client's place among its account's. Counts until it is destroyed.
  class Place {
   public:
    Place() = default;

    Place(Place&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), count_(other.count_) {}

    Place& operator=(Place&& other) noexcept {
      std::swap(owner_, other.owner_);
      std::swap(count_, other.count_);
      return *this;
    }

    ~Place() {
      if (owner_ != nullptr) {
        owner_->leave(*count_);
      }
    }

   private:
    friend class UserConnections;

    Place(UserConnections& owner, Counts::value_type& count) : owner_(&owner), count_(&count) {}

    UserConnections* owner_ = nullptr;
    Counts::value_type* count_ = nullptr;
  };

  /// What came of a login: `place`, or why there is none.
  struct Entry {
    bool admitted = false;
    Place place;
    protocol::SqlError refusal;  ///< 1226: the account's own limit; 1203: the general one
  };

  /// `user`: as the client wrote it. `general_max`: for accounts without a limit of their own that
  /// may not ignore it; 0: none.
  [[nodiscard]] Entry enter(const Account& account,
                            const std::string& user,
                            std::size_t general_max);

  /// Accounts that have clients.
  [[nodiscard]] std::size_t size() const;

 private:
  void leave(Counts::value_type& count);

  mutable Mutex mutex_;
  Counts counts_ GUARDED_BY(mutex_);  ///< by Account::name(); its nodes do not move
};

}  // namespace consort::proxy
