#include "proxy/commit/routine_book.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "certifier/lane_sql.h"
#include "router/token.h"

namespace consort::proxy {
namespace {

// More are not kept: they are asked for again.
constexpr std::size_t kRoutinesMax = 10'000;
constexpr std::size_t kWaitingMax = 4096;
constexpr auto kPatience = std::chrono::seconds(2);

/// sql_mode, body, parameters. MySQL's are not asked for: there none runs alone (run_program()).
std::string body_sql(ServerKind kind, const std::string& schema, const std::string& name) {
  const std::string in = certifier::sql_literal(schema);
  const std::string called = certifier::sql_literal(name);
  if (kind == ServerKind::kMysql) {
    return "SELECT SQL_MODE,ROUTINE_DEFINITION,'' FROM information_schema.ROUTINES "
           "WHERE ROUTINE_TYPE='PROCEDURE' AND ROUTINE_SCHEMA=" +
           in + " AND ROUTINE_NAME=" + called;
  }
  return "SELECT sql_mode,body_utf8,param_list FROM mysql.proc WHERE type='PROCEDURE' AND db=" +
         in + " AND name=" + called;
}

bool may_change_routines(std::string_view sql) {
  static constexpr std::array<std::string_view, 5> kWords{"procedure", "package", "database",
                                                          "schema", "sequence"};
  return std::any_of(kWords.begin(), kWords.end(), [sql](std::string_view word) {
    return router::contains_ignoring_case(sql, word);
  });
}

}  // namespace

void RoutineBook::on_question(CallQuestion question) {
  if (answer(question)) {
    return;
  }
  if (waiting_.size() >= kWaitingMax) {
    parts_.tell(CallAnswer{question.session, question.number, question.schema, question.name});
    return;
  }
  waiting_.push_back({std::move(question), clock_.now() + kPatience});
}

void RoutineBook::on_ddl(const certifier::Ddl& ddl, Seqno seqno) {
  if (may_change_routines(ddl.sql)) {
    forget(seqno);
  }
}

void RoutineBook::forget(Seqno seqno) {
  changed_at_ = std::max(changed_at_, seqno);
  parts_.positions.routines.fetch_add(1, std::memory_order_release);
  known_.clear();
  asked_.clear();
}

void RoutineBook::process() {
  const TimePoint now = clock_.now();
  for (std::size_t left = waiting_.size(); left > 0; --left) {
    Waiting first = std::move(waiting_.front());
    waiting_.pop_front();
    if (answer(first.question)) {
      continue;
    }
    if (now < first.deadline) {
      waiting_.push_back(std::move(first));
      continue;
    }
    const CallQuestion& question = first.question;
    parts_.tell(CallAnswer{question.session, question.number, question.schema, question.name});
  }
}

bool RoutineBook::answer(const CallQuestion& question) {
  const auto said = knowledge(Name{question.schema, router::lower_case(question.name)});
  if (said) {
    parts_.tell(CallAnswer{question.session, question.number, question.schema, question.name, *said,
                           parts_.positions.routines.load(std::memory_order_relaxed)});
  }
  return said.has_value();
}

std::optional<CallKnowledge> RoutineBook::knowledge(const Name& name) {
  std::deque<Name> open{name};
  std::set<Name> seen{name};
  router::ProgramScan all;
  bool lacks = false;
  for (; !open.empty(); open.pop_front()) {
    const auto found = known_.find(open.front());
    if (found == known_.end()) {
      ask(open.front());
      lacks = true;
      continue;
    }
    const router::ProgramScan& scan = found->second.scan;
    all.ends_transactions = all.ends_transactions || scan.commits();
    all.begins_transaction = all.begins_transaction || scan.begins_transaction;
    all.dynamic = all.dynamic || scan.dynamic || scan.uncertain;
    all.unfit = all.unfit || scan.unfit || scan.uncertain;
    all.unfit = all.unfit || copies_sequence(scan, found->first.first);
    all.makes_function = all.makes_function || scan.makes_function;
    all.makes_trigger = all.makes_trigger || scan.makes_trigger;
    all.names_host = all.names_host || scan.names_host;
    all.renames = all.renames || scan.renames;
    all.makes_temporary = all.makes_temporary || scan.makes_temporary;
    for (const router::ObjectName& called : scan.calls) {
      Name next{called.schema.empty() ? open.front().first : called.schema,
                router::lower_case(called.name)};
      if (seen.insert(next).second) {
        open.push_back(std::move(next));
      }
    }
  }
  if (lacks) {
    return std::nullopt;
  }
  // What such a procedure names without a schema is Consort's own.
  all.unfit = all.unfit || name.first == "consort";
  CallKnowledge known;
  known.begins = all.begins_transaction || all.dynamic;
  known.dynamic = all.dynamic;
  known.names_host = all.names_host;
  // RENAME of a temporary table looks in the binlog like that of another.
  if (all.unfit || (all.renames && all.makes_temporary)) {
    return known;
  }
  parts_.positions.note_made(all.makes_function, all.makes_trigger);
  if (all.commits()) {
    known.verdict = all.renames           ? CallVerdict::kAloneRenames
                    : all.makes_temporary ? CallVerdict::kAloneTemporary
                                          : CallVerdict::kAlone;
    note_opening(name, known);
  } else if (all.dynamic) {
    known.verdict = CallVerdict::kByText;
  }
  return known;
}

/// What `name` does first, or what it calls first does. REQUIRES: all of these are known.
void RoutineBook::note_opening(const Name& name, CallKnowledge& known) const {
  constexpr unsigned kDepthMax = 32;
  Name at = name;
  bool constant = true;
  for (unsigned depth = 0; depth < kDepthMax; ++depth) {
    const auto found = known_.find(at);
    if (found == known_.end()) {
      return;
    }
    const router::ProgramOpening& opening = found->second.opening;
    known.handled = known.handled || opening.handled;
    constant = constant && opening.constant;
    if (opening.deed != router::FirstDeed::kCalls) {
      known.opening = opening.deed == router::FirstDeed::kCommits     ? CallOpening::kCommits
                      : opening.deed == router::FirstDeed::kRollsBack ? CallOpening::kRollsBack
                                                                      : CallOpening::kUncertain;
      if (known.handled && constant) {
        known.parameters = known_.at(name).parameters;
      }
      return;
    }
    const router::ObjectName& called = opening.called;
    at = Name{called.schema.empty() ? at.first : called.schema, router::lower_case(called.name)};
  }
}

/// CREATE TABLE .. LIKE makes a sequence that gives other servers' numbers (decision 0034).
bool RoutineBook::copies_sequence(const router::ProgramScan& scan, const std::string& schema) {
  KnownSequences& sequences = parts_.positions.sequences;
  return sequences.any() &&
         std::any_of(scan.copied.begin(), scan.copied.end(), [&](const router::ObjectName& table) {
           return sequences.has(table.schema.empty() ? schema : table.schema, table.name);
         });
}

/// None: there is no such procedure, and the CALL will say so.
RoutineBook::Routine RoutineBook::routine_of(const healthcheck::SqlRows& rows) {
  if (rows.rows.size() != 1 || rows.rows[0].size() != 3 || !rows.rows[0][1]) {
    return {};
  }
  const auto& row = rows.rows[0];
  router::LexerOptions options;
  if (row[0]) {
    options = router::with_sql_mode(options, *row[0]).value_or(options);
  }
  return {router::scan_program(*row[1], options),
          router::program_opening(*row[1], row[2].value_or(""), options), row[2].value_or("")};
}

void RoutineBook::ask(const Name& name) {
  const std::optional<BackendId> backend = parts_.backend_at(changed_at_);
  if (!backend || !asked_.insert(name).second) {
    return;
  }
  const std::uint64_t generation = parts_.positions.routines.load(std::memory_order_relaxed);
  const bool asked = parts_.run_sql(
      *backend, [name](ServerKind kind) { return body_sql(kind, name.first, name.second); },
      [this, name, generation](const Result<healthcheck::SqlRows>& rows) {
        on_body(name, generation, rows);
      });
  if (!asked) {
    asked_.erase(name);
  }
}

void RoutineBook::on_body(const Name& name,
                          std::uint64_t generation,
                          const Result<healthcheck::SqlRows>& rows) {
  if (generation != parts_.positions.routines.load(std::memory_order_relaxed)) {
    return;
  }
  asked_.erase(name);
  if (!rows.ok()) {
    return;  // it is asked again
  }
  if (known_.size() >= kRoutinesMax) {
    known_.clear();
  }
  known_[name] = routine_of(rows.value());
  process();
}

}  // namespace consort::proxy
