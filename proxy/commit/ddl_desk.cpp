#include "proxy/commit/ddl_desk.h"

#include <algorithm>
#include <spdlog/spdlog.h>
#include <utility>

#include "base/check.h"
#include "certifier/key_builder.h"

namespace consort::proxy {
namespace {

constexpr std::size_t kResultsMax = 10'000;
// After so many looks the other backends have executed it, too.
constexpr unsigned kTellAccountsAfter = 8;
// A statement that takes longer waits for somebody, or has much to do.
constexpr unsigned kLooksBeforeReplay = 2;
constexpr BackendId kNobodysHome{kBackendsMax};

std::vector<DdlTarget> targets_of(const certifier::Ddl& ddl) {
  std::vector<DdlTarget> targets;
  for (const certifier::DdlObject& object : ddl.targets) {
    targets.push_back({object.schema, object.table});
  }
  return targets;
}

// Every key its targets need. A statement about nothing in particular is about everything, which no
// key can say: BranchDesk sees to those.
std::vector<RowKey> keys_of(const std::vector<DdlTarget>& targets) {
  std::vector<RowKey> keys;
  for (const DdlTarget& target : targets) {
    const std::vector<RowKey> more = certifier::ddl_keys(target.schema, target.table);
    keys.insert(keys.end(), more.begin(), more.end());
  }
  if (targets.empty()) {
    keys.push_back({certifier::accounts_key(), KeyHold::kExclusive});
  }
  // Each hash once, with its strongest hold.
  std::sort(keys.begin(), keys.end(), [](const RowKey& a, const RowKey& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.hold > b.hold;
  });
  keys.erase(std::unique(keys.begin(), keys.end(),
                         [](const RowKey& a, const RowKey& b) { return a.hash == b.hash; }),
             keys.end());
  return keys;
}

std::string set_globals_sql(const std::vector<GlobalChange>& changes) {
  std::vector<certifier::GlobalVariable> variables;
  variables.reserve(changes.size());
  for (const GlobalChange& change : changes) {
    variables.push_back(change.variable);
  }
  return certifier::set_globals_sql(variables);
}

bool about_accounts(const std::vector<DdlTarget>& targets) {
  return std::any_of(targets.begin(), targets.end(),
                     [](const DdlTarget& target) { return target.schema.empty(); });
}

}  // namespace

DdlDesk::DdlDesk(DdlDeskParts parts) : parts_(std::move(parts)) {}

// ---- from sessions ----

void DdlDesk::on_request(const DdlRequest& request) {
  if (request.globals_seen < newest_globals_) {
    // What its session has by default, the lanes would have otherwise.
    parts_.tell(request.session, DdlOutcome{request.session, Seqno{}, false, true});
    return;
  }
  if (!parts_.log.accepts(request.sql.size())) {
    parts_.stats.log_refusals.add();
    parts_.tell(request.session, DdlOutcome{request.session, Seqno{}});
    return;
  }
  std::vector<RowKey> keys = keys_of(request.targets);
  const Seqno seqno = parts_.sequencer.order(keys, std::nullopt);
  append(request, seqno, std::move(keys), false);
}

void DdlDesk::on_own(const OwnStatement& own) {
  if (!parts_.log.accepts(own.ddl.sql.size())) {
    parts_.stats.log_refusals.add();
    parts_.tell(own.ddl.session, DdlOutcome{own.ddl.session, Seqno{}});
    return;
  }
  std::vector<RowKey> keys = keys_of(own.ddl.targets);
  const Seqno seqno = parts_.sequencer.order(keys, std::nullopt);
  append(own.ddl, seqno, std::move(keys), true);
}

void DdlDesk::append(const DdlRequest& request, Seqno seqno, std::vector<RowKey> keys, bool own) {
  certifier::Ddl ddl;
  ddl.own = own;
  ddl.home = request.home;
  ddl.sql = request.sql;
  ddl.schema = request.schema;
  ddl.definer = request.user;
  ddl.session_set = request.session_set;
  for (const DdlTarget& target : request.targets) {
    ddl.targets.push_back({target.schema, target.table});
  }
  ddl.keys = std::move(keys);
  certifier::LogEntry entry;
  entry.seqno = seqno;
  parts_.branches.on_ddl(ddl, entry.seqno);
  Undecided undecided{
      request.session,
      DdlCourse({request.home, own, !own, false, parts_.backends_count}),
      request.targets,
  };
  undecided.sets_globals = request.sets_globals;
  if (request.sets_globals) {
    newest_globals_ = entry.seqno;
  }
  undecided_.insert_or_assign(entry.seqno, std::move(undecided));
  entry.body = std::move(ddl);
  parts_.log.append(std::move(entry));
}

void DdlDesk::on_unfilled(const TableUnfilled& unfilled) {
  const auto found = undecided_.find(unfilled.made_by);
  if (found != undecided_.end()) {
    found->second.unfilled = unfilled;  // its result tells whether there is a table
  } else {
    drop_unfilled(unfilled);
  }
}

// By name, so only where it is certain whose table has that name: whoever has changed it, or made
// another one, since `made_by` wrote one of the keys.
void DdlDesk::drop_unfilled(const TableUnfilled& unfilled) {
  const DdlRequest& drop = unfilled.drop;
  const auto nothing = [&] { parts_.tell(drop.session, DdlOutcome{drop.session, Seqno{}}); };
  const auto made = find_result(unfilled.made_by);
  if (!made || !certifier::runs(made->outcome)) {
    nothing();
    return;
  }
  std::vector<RowKey> keys = keys_of(drop.targets);
  certifier::CertifyRequest request;
  request.home = kNobodysHome;  // what any home has committed counts
  request.last_seen_at_prepare = unfilled.made_by;
  request.last_seen_at_answer = unfilled.made_by;
  request.keys = keys;
  const bool accepted = parts_.log.accepts(drop.sql.size());
  const certifier::Verdict verdict =
      accepted ? parts_.sequencer.certify(request) : certifier::Verdict{};
  if (!accepted || verdict.kind != certifier::VerdictKind::kPass) {
    spdlog::info(
        "CREATE TABLE .. SELECT (seqno {}) ended early; its table {}.{} stays: {}",
        unfilled.made_by.value, drop.targets[0].schema, drop.targets[0].table,
        accepted ? "it was changed since, perhaps by its own rows" : "the log takes no entries");
    nothing();
    return;
  }
  append(drop, verdict.seqno, std::move(keys), true);
}

void DdlDesk::on_executed(const DdlExecuted& executed) {
  const auto found = undecided_.find(executed.seqno);
  if (found == undecided_.end() || found->second.decided || !found->second.course.offered() ||
      found->second.course.executor() != executed.backend) {
    return;
  }
  Undecided& ddl = found->second;
  const auto outcome = ddl.course.on_executed(executed, ddl.sets_globals);
  if (!outcome) {
    go_on(executed.seqno, ddl);
    return;
  }
  if (executed.end != DdlEnd::kLost) {
    parts_.lane(executed.backend).lane().on_ddl_executed(executed.seqno);
  }
  if (ddl.sets_globals && executed.end != DdlEnd::kLost) {
    ddl.globals = executed.globals;
    const bool any = !executed.globals.empty();
    decide(executed.seqno, ddl, any ? certifier::DdlOutcome::kRun : certifier::DdlOutcome::kSkip,
           any ? set_globals_sql(executed.globals) : std::string());
    return;
  }
  decide(executed.seqno, ddl, *outcome);
}

// ---- from lanes ----

void DdlDesk::on_reached(BackendId backend, const certifier::DdlReached& reached) {
  if (const auto result = find_result(reached.seqno)) {
    parts_.lane(backend).lane().on_ddl_result(*result);
    return;
  }
  const auto found = undecided_.find(reached.seqno);
  CHECK(found != undecided_.end());  // it stands in the log, its result does not
  found->second.course.on_reached(backend, reached.may_have_run);
  go_on(reached.seqno, found->second);
}

void DdlDesk::go_on(Seqno seqno, Undecided& ddl) {
  if (ddl.decided) {
    return;
  }
  const DdlCourse::Lanes lanes{[this](BackendId id) {
                                 const LaneConnection& lane = parts_.lane(id);
                                 const certifier::LaneState state = lane.lane().state();
                                 return lane.running() &&
                                        (state == certifier::LaneState::kDdlReached ||
                                         state == certifier::LaneState::kDdlOffered);
                               },
                               [this](BackendId id) { return parts_.lane(id).running(); }};
  if (const auto step = ddl.course.next(lanes)) {
    LaneConnection& lane = parts_.lane(step->backend);
    lane.lane().execute_ddl(seqno, step->who);
    lane.pump();
  } else if (const auto outcome = ddl.course.outcome()) {
    spdlog::warn("DDL at seqno {}: nobody can execute it for its client: it is executed nowhere",
                 seqno.value);
    decide(seqno, ddl, *outcome);
  }
}

void DdlDesk::on_offer(BackendId backend, Seqno seqno) {
  const auto found = undecided_.find(seqno);
  if (found == undecided_.end() || found->second.course.executor() != backend ||
      !found->second.session) {
    return;
  }
  Undecided& ddl = found->second;
  ddl.course.on_offered(backend);
  ddl.looks = 0;
  parts_.tell(*ddl.session, DdlTurn{*ddl.session, seqno, backend});
  abort_users(ddl, backend);
}

void DdlDesk::on_looked(BackendId backend, Seqno seqno, certifier::DdlTraces traces) {
  const auto found = undecided_.find(seqno);
  if (found == undecided_.end() || found->second.decided) {
    return;
  }
  if (const auto outcome = found->second.course.on_looked(backend, traces)) {
    spdlog::info("DDL at seqno {}: it was executed on backend {}", seqno.value, backend.value);
    decide(seqno, found->second, *outcome);
  } else {
    go_on(seqno, found->second);
  }
}

void DdlDesk::on_decided(BackendId /*backend*/, const certifier::DdlDecided& decided) {
  const auto found = undecided_.find(decided.seqno);
  if (found == undecided_.end() || found->second.decided) {
    return;
  }
  if (decided.error != 0) {
    spdlog::info("DDL at seqno {}: error {}: {}", decided.seqno.value, decided.error,
                 decided.message);
  }
  decide(decided.seqno, found->second, decided.outcome);
}

void DdlDesk::decide(Seqno seqno,
                     Undecided& ddl,
                     certifier::DdlOutcome outcome,
                     std::string instead) {
  ddl.decided = true;
  if (!certifier::runs(outcome)) {
    parts_.stats.ddl_failed.add();
  } else {
    parts_.stats.ddl_executed.add();
  }
  certifier::LogEntry entry;
  entry.body = certifier::DdlResult{seqno, outcome, std::move(instead)};
  parts_.log.append(std::move(entry));
}

void DdlDesk::on_lane_lost(BackendId backend) {
  for (auto& [seqno, ddl] : undecided_) {
    ddl.course.on_lane_lost(backend);
  }
}

// ---- from the log ----

void DdlDesk::on_restored(const certifier::LogEntry& entry) {
  if (entry.is_program() || entry.part() != nullptr) {
    return;  // ProgramDesk's
  }
  if (const certifier::Ddl* ddl = entry.ddl()) {
    undecided_.insert_or_assign(
        entry.seqno, Undecided{std::nullopt,
                               DdlCourse({ddl->home, ddl->own, false, true, parts_.backends_count}),
                               targets_of(*ddl)});
    parts_.branches.on_ddl(*ddl, entry.seqno);
  } else if (const auto* result = std::get_if<certifier::DdlResult>(&entry.body)) {
    note_result(*result);
  }
}

void DdlDesk::on_durable(const certifier::LogEntry& entry) {
  const auto* result = std::get_if<certifier::DdlResult>(&entry.body);
  if (result == nullptr) {
    return;
  }
  const auto found = undecided_.find(result->ddl);
  if (found != undecided_.end() && about_accounts(found->second.targets) &&
      certifier::runs(result->outcome)) {
    tell_accounts_in_ = kTellAccountsAfter;
    parts_.accounts_changed();
  }
  if (found != undecided_.end() && found->second.sets_globals) {
    parts_.tell_all(GlobalsChanged{result->ddl, found->second.globals});
  }
  if (found != undecided_.end() && found->second.session) {
    parts_.tell(*found->second.session, DdlOutcome{*found->second.session, result->ddl});
  }
  note_result(*result);
}

void DdlDesk::note_result(const certifier::DdlResult& result) {
  if (const auto found = undecided_.find(result.ddl); found != undecided_.end()) {
    if (found->second.unfilled) {
      unfilled_.push_back(*std::move(found->second.unfilled));
    }
    undecided_.erase(found);
  }
  results_[result.ddl] = result;
  while (results_.size() > kResultsMax) {
    results_.erase(results_.begin());
  }
}

// A backend that was away for long asks about a statement decided long ago: the log knows.
std::optional<certifier::DdlResult> DdlDesk::find_result(Seqno seqno) {
  if (const auto found = results_.find(seqno); found != results_.end()) {
    return found->second;
  }
  if (undecided_.contains(seqno)) {
    return std::nullopt;
  }
  for (Seqno from = seqno; from <= parts_.log.durable_head();) {
    Result<ArchiveBatch> batch = parts_.log.read(from, kArchiveReadBytes);
    if (!batch.ok() || batch->entries.empty()) {
      break;
    }
    for (const ArchivedEntry& archived : batch->entries) {
      const Result<certifier::LogEntry> entry = certifier::decode_entry(archived.entry);
      const auto* result =
          entry.ok() ? std::get_if<certifier::DdlResult>(&entry.value().body) : nullptr;
      if (result != nullptr && result->ddl == seqno) {
        return *result;
      }
    }
    from = batch->entries.back().seqno.next();
  }
  return std::nullopt;
}

// ---- time ----

void DdlDesk::look_after() {
  if (tell_accounts_in_ > 0 && --tell_accounts_in_ == 0) {
    parts_.accounts_changed();
  }
  if (!parts_.paused || !parts_.paused()) {
    for (const TableUnfilled& unfilled : std::exchange(unfilled_, {})) {
      drop_unfilled(unfilled);
    }
  }
  for (auto& [seqno, ddl] : undecided_) {
    if (ddl.course.offered()) {
      const BackendId executor = *ddl.course.executor();
      abort_users(ddl, executor);
      if (++ddl.looks > kLooksBeforeReplay) {
        parts_.replay_held(executor);
      }
    }
    ddl.course.on_look();
    go_on(seqno, ddl);
  }
}

void DdlDesk::abort_users(const Undecided& ddl, BackendId backend) {
  parts_.tell_all(AbortTableUsers{backend, ddl.targets});
}

}  // namespace consort::proxy
