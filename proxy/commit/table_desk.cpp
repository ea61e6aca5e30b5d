#include "proxy/commit/table_desk.h"

#include <algorithm>
#include <utility>

#include "router/sql_lexer.h"
#include "router/token.h"

namespace consort::proxy {
namespace {

// Between two looks for those who have waited too long.
constexpr std::chrono::milliseconds kLookEvery{50};

/// CREATE, ALTER or DROP PROCEDURE, which waits for no tables. (LOCK TABLES of a view keeps the
/// functions in it.) PROCEDURE is a reserved word: unquoted it names nothing.
bool is_about_procedure(std::string_view sql) {
  constexpr int kWordsMax = 12;  // CREATE OR REPLACE DEFINER = a @ b PROCEDURE
  router::SqlLexer lexer(sql, {});
  const router::Token verb = lexer.next();
  if (!verb.is("CREATE") && !verb.is("ALTER") && !verb.is("DROP")) {
    return false;
  }
  for (int word = 0; word < kWordsMax; ++word) {
    const router::Token token = lexer.next();
    if (token.is("PROCEDURE")) {
      return !lexer.saw_uncertain_text() && !lexer.saw_conditional_comment();
    }
    const bool of_definer = token.is("OR") || token.is("REPLACE") || token.is("DEFINER") ||
                            token.is("CURRENT_USER") || token.is_operator("=") ||
                            token.is(router::TokenKind::kString) ||
                            token.is(router::TokenKind::kQuotedIdentifier) ||
                            token.is(router::TokenKind::kUserVariable);
    if (!of_definer) {
      return false;
    }
  }
  return false;
}

}  // namespace

TableDesk::TableDesk(TableDeskParts parts) : parts_(std::move(parts)) {}

void TableDesk::on_request(TableRequest request) {
  changed_ = true;
  parts_.locks.ask(std::move(request), clock_.now());
}

void TableDesk::on_released(const TablesReleased& released) {
  changed_ = true;
  parts_.locks.forget(released.session);
  parts_.branches.retry_held();
}

void TableDesk::on_ddl(DdlRequest request) {
  if (!blocked(request)) {
    parts_.order(request);
    return;
  }
  const TimePoint deadline = clock_.now() + std::chrono::seconds(request.lock_wait_s);
  ddl_.push_back({std::move(request), deadline});
}

bool TableDesk::blocked(const DdlRequest& request) const {
  if (request.sets_globals) {
    return false;  // changes no tables but ours
  }
  if (parts_.locks.all_read_by_others(request.session)) {
    return true;  // accounts and grants, too
  }
  if (!parts_.locks.empty() && is_about_procedure(request.sql)) {
    return false;
  }
  return std::any_of(request.targets.begin(), request.targets.end(), [&](const DdlTarget& target) {
    return !target.schema.empty() && parts_.locks.block(request.session, target.schema,
                                                        target.table, true) != TableBlock::kNone;
  });
}

void TableDesk::settle() {
  if (!changed_ && parts_.locks.waiting() == 0 && ddl_.empty()) {
    return;
  }
  const TimePoint now = clock_.now();
  if (!changed_ && now < next_look_) {
    return;
  }
  next_look_ = now + kLookEvery;
  settle_ddl(now);
  std::vector<TableLocks::Answer> answers = parts_.locks.settle(now);
  if (std::exchange(changed_, false) || !answers.empty()) {
    // Before anybody hears of a lock, so that who looks afterwards finds it.
    parts_.positions.locked_tables.publish(parts_.locks.keys(), parts_.locks.all_read());
  }
  grant(std::move(answers));
  parts_.stats.tables_locked.set(static_cast<std::int64_t>(parts_.locks.tables_held()));
  parts_.stats.table_lock_waiters.set(
      static_cast<std::int64_t>(parts_.locks.waiting() + ddl_.size()));
}

void TableDesk::settle_ddl(TimePoint now) {
  for (std::size_t waiting = ddl_.size(); waiting > 0; --waiting) {
    WaitingDdl first = std::move(ddl_.front());
    ddl_.pop_front();
    if (!blocked(first.request)) {
      parts_.order(first.request);
    } else if (now >= first.deadline) {
      parts_.stats.table_lock_timeouts.add();
      parts_.tell(first.request.session, DdlOutcome{first.request.session, Seqno{}, true});
    } else {
      ddl_.push_back(std::move(first));
    }
  }
}

void TableDesk::grant(std::vector<TableLocks::Answer> answers) {
  bool writes = false;
  for (TableLocks::Answer& answer : answers) {
    if (!answer.granted && !answer.in_the_way) {
      parts_.stats.table_lock_timeouts.add();
    }
    TablesLocked locked{answer.session, {}};
    for (TableLock& table : answer.tables) {
      if (answer.kept && table.write) {
        locked.tables.push_back({std::move(table.schema), std::move(table.table)});
      }
    }
    if (!locked.tables.empty()) {
      writes = true;
      parts_.tell_all(locked);
    }
    parts_.tell(answer.session, TableAnswer{answer.session, answer.number, answer.granted,
                                            answer.in_the_way, parts_.sequencer.head()});
  }
  if (writes) {
    // One that waits for another table may have locked rows of these.
    parts_.branches.retry_held();
    parts_.branches.process();
  }
}

}  // namespace consort::proxy
