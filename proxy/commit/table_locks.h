// TableLocks: who holds which tables by LOCK TABLES, and who waits for them. A session takes all of
// its tables at once, after it has given back those it had, so nobody waits while holding: there
// are no deadlocks. Locks are granted in the order they were asked for, as far as they exclude each
// other.
//
// There may be one when who waits has locked rows that a holder wants, perhaps by a trigger that
// nobody knows of: so it waits but briefly for a holder that writes.
//
// FLUSH TABLES WITH READ LOCK is a READ lock on every table there is or will be; it stands behind
// WRITE locks, and what comes later behind it.
//
//   ask() --> waits --> granted --> held --> forget()
//               |          | not `keep`: told only, for a statement that uses the tables once
//               +--> too late
//
// Threads: none; the commit thread's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "proxy/commit/commit_messages.h"
#include "proxy/locked_table_filter.h"

namespace consort::proxy {

/// What another session's lock keeps somebody from.
enum class TableBlock : std::uint8_t {
  kNone,
  kRead,  ///< a READ lock: from writing
  kWrite  ///< a WRITE lock: from everything
};

class TableLocks {
 public:
  struct Answer {
    SessionId session;
    std::uint32_t number = 0;
    bool granted = false;     ///< else it has waited for too long
    bool kept = false;        ///< the session holds the tables now
    bool in_the_way = false;  ///< it has waited for as long as one may who has locked rows
    std::vector<TableLock> tables;
  };

  /// Takes the place of whatever the session holds or waits for. REQUIRES: it is to be kept, or the
  /// session holds nothing: who holds tables waits for none.
  void ask(TableRequest request, TimePoint now);

  /// The session holds nothing and waits for nothing any more.
  void forget(SessionId session);

  /// Grants what can be granted, gives up what waits for too long. In the order of asking.
  [[nodiscard]] std::vector<Answer> settle(TimePoint now);

  /// What keeps `session` from using `table`. An empty `table`: any table of the schema.
  [[nodiscard]] TableBlock block(SessionId session,
                                 std::string_view schema,
                                 std::string_view table,
                                 bool write) const;

  /// The session holds the table by a READ lock and must not write it.
  [[nodiscard]] bool only_reads(SessionId session,
                                std::string_view schema,
                                std::string_view table) const;

  [[nodiscard]] bool holds(SessionId session) const {
    return holders_.contains(session) || readers_of_all_.contains(session);
  }

  /// Nothing is held.
  [[nodiscard]] bool empty() const { return holders_.empty() && readers_of_all_.empty(); }

  /// Nothing is held by others.
  [[nodiscard]] bool empty_but_for(SessionId session) const {
    return holders_.size() == holders_.count(session) && readers_of_all_.empty();
  }

  /// Somebody holds a READ lock on all tables.
  [[nodiscard]] bool all_read() const { return !readers_of_all_.empty(); }

  /// Somebody other than `session` does.
  [[nodiscard]] bool all_read_by_others(SessionId session) const {
    return readers_of_all_.size() > readers_of_all_.count(session);
  }

  [[nodiscard]] std::size_t tables_held() const { return tables_.size(); }

  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

  /// For LockedTableFilter::publish().
  [[nodiscard]] std::vector<LockedTableFilter::Key> keys() const;

 private:
  struct Wanted {
    std::uint64_t table = 0;   ///< certifier::table_key(); 0: the whole schema
    std::uint64_t schema = 0;  ///< certifier::schema_key()
    bool write = false;
  };

  struct Waiting {
    TableRequest request;
    std::vector<Wanted> wanted;  ///< each table once
    TimePoint deadline;
    TimePoint rows_deadline;  ///< with `holds_rows`
  };

  /// Of one table.
  struct State {
    std::size_t readers = 0;
    std::optional<SessionId> writer;
  };

  using WriteByTable = std::unordered_map<std::uint64_t, bool>;

  [[nodiscard]] static std::vector<Wanted> wanted_of(std::span<const TableLock> tables);
  [[nodiscard]] TableBlock block(SessionId session, const Wanted& wanted) const;
  [[nodiscard]] const Wanted* held_by(SessionId session, std::uint64_t table) const;
  [[nodiscard]] bool is_behind_writer(const Waiting& waiting) const;
  [[nodiscard]] bool others_write(SessionId session) const;
  [[nodiscard]] bool can_grant(const Waiting& waiting, const WriteByTable& before) const;
  void hold(SessionId session, std::vector<Wanted> wanted);

  std::list<Waiting> waiting_;
  std::map<SessionId, std::vector<Wanted>> holders_;  // sorted by table
  std::set<SessionId> readers_of_all_;
  std::unordered_map<std::uint64_t, State> tables_;
  bool changed_ = false;  ///< somebody who waits may go on
};

}  // namespace consort::proxy
