#include "proxy/commit/table_locks.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "certifier/key_builder.h"

namespace consort::proxy {
namespace {

constexpr std::chrono::milliseconds kPatienceWithRows{1000};

}  // namespace

void TableLocks::ask(TableRequest request, TimePoint now) {
  CHECK(request.keep || !holds(request.session));
  forget(request.session);
  Waiting waiting;
  waiting.wanted = wanted_of(request.tables);
  waiting.deadline = now + std::chrono::seconds(request.wait_s);
  waiting.rows_deadline = now + kPatienceWithRows;
  waiting.request = std::move(request);
  waiting_.push_back(std::move(waiting));
  changed_ = true;
}

void TableLocks::forget(SessionId session) {
  std::erase_if(waiting_,
                [session](const Waiting& waiting) { return waiting.request.session == session; });
  changed_ = true;
  readers_of_all_.erase(session);
  const auto found = holders_.find(session);
  if (found == holders_.end()) {
    return;
  }
  for (const Wanted& held : found->second) {
    const auto state = tables_.find(held.table);
    CHECK(state != tables_.end());
    if (held.write) {
      state->second.writer.reset();
    } else {
      --state->second.readers;
    }
    if (state->second.readers == 0 && !state->second.writer) {
      tables_.erase(state);
    }
  }
  holders_.erase(found);
}

std::vector<TableLocks::Answer> TableLocks::settle(TimePoint now) {
  std::vector<Answer> answers;
  WriteByTable before;  // what those want who asked earlier and still wait
  const bool changed = std::exchange(changed_, false);
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    const bool granted = changed && can_grant(*at, before);
    const bool in_the_way =
        !granted && at->request.holds_rows && now >= at->rows_deadline && is_behind_writer(*at);
    if (!granted && !in_the_way && now < at->deadline) {
      for (const Wanted& wanted : at->wanted) {
        bool& write = before[wanted.table];
        write = write || wanted.write;
      }
      ++at;
      continue;
    }
    Waiting done = std::move(*at);
    at = waiting_.erase(at);
    const bool kept = granted && done.request.keep;
    answers.push_back({done.request.session, done.request.number, granted, kept, in_the_way,
                       std::move(done.request.tables)});
    if (kept && done.request.all) {
      readers_of_all_.insert(done.request.session);
    } else if (kept) {
      hold(done.request.session, std::move(done.wanted));
    }
    changed_ = changed_ || !granted;  // others may have stood behind it
  }
  return answers;
}

/// Somebody who keeps it waiting holds a table by a WRITE lock, this or another.
bool TableLocks::is_behind_writer(const Waiting& waiting) const {
  for (const auto& [session, tables] : holders_) {
    const bool writes =
        std::any_of(tables.begin(), tables.end(), [](const Wanted& held) { return held.write; });
    if (!writes || session == waiting.request.session) {
      continue;
    }
    for (const Wanted& wanted : waiting.wanted) {
      if (wanted.table == 0 || held_by(session, wanted.table) != nullptr) {
        return true;
      }
    }
  }
  return false;
}

// A statement of somebody else need not stand behind those who want the table locked: what it does
// is over soon.
bool TableLocks::can_grant(const Waiting& waiting, const WriteByTable& before) const {
  if (waiting.request.all) {
    return !others_write(waiting.request.session);
  }
  return std::all_of(waiting.wanted.begin(), waiting.wanted.end(), [&](const Wanted& wanted) {
    const auto earlier = before.find(wanted.table);
    const bool behind =
        waiting.request.keep && earlier != before.end() && (wanted.write || earlier->second);
    return !behind && block(waiting.request.session, wanted) == TableBlock::kNone;
  });
}

bool TableLocks::others_write(SessionId session) const {
  return std::any_of(tables_.begin(), tables_.end(), [session](const auto& table) {
    return table.second.writer && *table.second.writer != session;
  });
}

void TableLocks::hold(SessionId session, std::vector<Wanted> wanted) {
  for (const Wanted& one : wanted) {
    State& state = tables_[one.table];
    if (one.write) {
      CHECK(!state.writer);
      state.writer = session;
    } else {
      ++state.readers;
    }
  }
  holders_[session] = std::move(wanted);
}

TableBlock TableLocks::block(SessionId session, const Wanted& wanted) const {
  if (wanted.write && all_read_by_others(session)) {
    return TableBlock::kRead;
  }
  if (wanted.table == 0) {
    for (const auto& [holder, tables] : holders_) {
      const bool here = std::any_of(tables.begin(), tables.end(), [&wanted](const Wanted& held) {
        return held.schema == wanted.schema;
      });
      if (here && holder != session) {
        return TableBlock::kWrite;
      }
    }
    return TableBlock::kNone;
  }
  const auto found = tables_.find(wanted.table);
  if (found == tables_.end()) {
    return TableBlock::kNone;
  }
  const State& state = found->second;
  if (state.writer) {
    return *state.writer == session ? TableBlock::kNone : TableBlock::kWrite;
  }
  const std::size_t own = held_by(session, wanted.table) == nullptr ? 0 : 1;
  return wanted.write && state.readers > own ? TableBlock::kRead : TableBlock::kNone;
}

TableBlock TableLocks::block(SessionId session,
                             std::string_view schema,
                             std::string_view table,
                             bool write) const {
  if (empty()) {
    return TableBlock::kNone;
  }
  return block(session, {table.empty() ? 0 : certifier::table_key(schema, table),
                         certifier::schema_key(schema), write});
}

bool TableLocks::only_reads(SessionId session,
                            std::string_view schema,
                            std::string_view table) const {
  if (readers_of_all_.contains(session)) {
    return true;
  }
  const Wanted* held =
      holders_.contains(session) ? held_by(session, certifier::table_key(schema, table)) : nullptr;
  return held != nullptr && !held->write;
}

const TableLocks::Wanted* TableLocks::held_by(SessionId session, std::uint64_t table) const {
  const auto holder = holders_.find(session);
  if (holder == holders_.end()) {
    return nullptr;
  }
  const auto found =
      std::lower_bound(holder->second.begin(), holder->second.end(), table,
                       [](const Wanted& held, std::uint64_t key) { return held.table < key; });
  return found != holder->second.end() && found->table == table ? &*found : nullptr;
}

/// Each table once, with its strongest lock, sorted.
std::vector<TableLocks::Wanted> TableLocks::wanted_of(std::span<const TableLock> tables) {
  std::vector<Wanted> wanted;
  wanted.reserve(tables.size());
  for (const TableLock& table : tables) {
    wanted.push_back({table.table.empty() ? 0 : certifier::table_key(table.schema, table.table),
                      certifier::schema_key(table.schema), table.write});
  }
  std::sort(wanted.begin(), wanted.end(), [](const Wanted& a, const Wanted& b) {
    return a.table != b.table ? a.table < b.table : a.write > b.write;
  });
  const auto same = [](const Wanted& a, const Wanted& b) {
    return a.table == b.table && a.table != 0;
  };
  wanted.erase(std::unique(wanted.begin(), wanted.end(), same), wanted.end());
  return wanted;
}

std::vector<LockedTableFilter::Key> TableLocks::keys() const {
  std::vector<LockedTableFilter::Key> keys;
  for (const auto& [session, tables] : holders_) {
    for (const Wanted& held : tables) {
      keys.push_back({held.table, held.write});
      keys.push_back({held.schema, held.write});
    }
  }
  return keys;
}

}  // namespace consort::proxy
