#include "proxy/commit/lane_blocker.h"

#include <algorithm>
#include <spdlog/spdlog.h>
#include <string>
#include <utility>

namespace consort::proxy {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kDdlAbortEvery = 50ms;
// Looks that find the same thread still holding before its connection is ended.
constexpr unsigned kLooksBeforeKill = 3;
// Looks that find no holder before the lane counts as paused.
constexpr unsigned kFreeLooksOfPause = 3;
// Looks that find the same detached holder while branches without a verdict, or on their way out,
// may be it.
constexpr unsigned kLooksForVerdicts = 2;
// Then first the branches on the locked table, then all.
constexpr unsigned kLooksBeforeAll = 4;

}  // namespace

// A TABLE_MAP spells: length, schema, 0, length, table, 0.
bool payload_names_table(Bytes payload, const std::string& innodb_name) {
  const std::size_t dot = innodb_name.find("`.`");
  if (dot == std::string::npos || innodb_name.size() < dot + 4) {
    return true;
  }
  const std::string schema = innodb_name.substr(1, dot - 1);
  const std::string table = innodb_name.substr(dot + 3, innodb_name.size() - dot - 4);
  std::string wanted(1, static_cast<char>(schema.size()));
  wanted += schema;
  wanted += '\0';
  wanted += static_cast<char>(table.size());
  wanted += table;
  wanted += '\0';
  return as_text(payload).find(wanted) != std::string_view::npos;
}

LaneBlocker::LaneBlocker(LaneBlockerParts parts)
    : parts_(std::move(parts)), watches_(parts_.controllers.size()) {}

std::chrono::milliseconds LaneBlocker::on_stalled(BackendId backend) {
  LaneConnection& lane = parts_.lane(backend);
  if (const EntryPtr ddl = lane.ddl_under_way(); ddl != nullptr) {
    AbortTableUsers abort{backend, {}};
    for (const certifier::DdlObject& object : ddl->ddl()->targets) {
      abort.targets.push_back({object.schema, object.table});
    }
    parts_.tell_all(abort);
    Watch& watch = watches_[backend.value];
    if (std::exchange(watch.ddl_batch, lane.batch_number()) == lane.batch_number()) {
      replay_held(backend);
    }
    return kDdlAbortEvery;
  }
  Watch& watch = watches_[backend.value];
  BackendController* controller = parts_.controllers[backend.value];
  const TimePoint now = clock_.now();
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now - watch.last_look);
  if (controller == nullptr || watch.looking) {
    return parts_.look_every;
  }
  if (since < parts_.look_every) {
    return std::max(parts_.look_every - since, 1ms);
  }
  auto found = [this, alive = alive_, tasks = parts_.tasks, backend,
                batch = lane.batch_number()](Result<std::optional<LockHolder>> holder) {
    tasks->post([this, alive, backend, batch, holder = std::move(holder)] {
      if (*alive) {
        on_holder(backend, batch, holder);
      }
    });
  };
  watch.last_look = now;
  watch.looking = controller->find_lock_holder(lane.thread_id(), std::move(found));
  return parts_.look_every;
}

void LaneBlocker::unblock(BackendId backend, std::uint64_t thread_id) {
  Watch& watch = watches_[backend.value];
  BackendController* controller = parts_.controllers[backend.value];
  const TimePoint now = clock_.now();
  if (controller == nullptr || watch.looking || now - watch.last_look < parts_.look_every) {
    return;
  }
  auto found = [this, alive = alive_, tasks = parts_.tasks, backend,
                thread_id](Result<std::optional<LockHolder>> holder) {
    tasks->post([this, alive, backend, thread_id, holder = std::move(holder)] {
      if (*alive) {
        on_program_holder(backend, thread_id, holder);
      }
    });
  };
  watch.last_look = now;
  watch.looking = controller->find_lock_holder(thread_id, std::move(found));
}

// DDL in a program waits for whoever has used its table in an open transaction.
void LaneBlocker::look_for_table_wait(BackendId backend, std::uint64_t thread_id) {
  auto told = [this, alive = alive_, tasks = parts_.tasks,
               backend](const Result<healthcheck::SqlRows>& rows) {
    const bool waits = rows.ok() && !rows.value().rows.empty();
    tasks->post([this, alive, backend, waits] {
      if (*alive && waits) {
        parts_.tell_all(AbortTableUsers{backend, {}});
      }
    });
  };
  (void)parts_.controllers[backend.value]->run_sql(
      [thread_id](ServerKind kind) {
        return "SELECT 1 FROM " + std::string(healthcheck::process_table(kind)) +
               " WHERE ID=" + std::to_string(thread_id) + " AND STATE LIKE 'Waiting for table%'";
      },
      std::move(told));
}

// What was certified before the program is applied there, and nothing is certified now: a detached
// holder waits for a verdict that would come after the program.
void LaneBlocker::on_program_holder(BackendId backend,
                                    std::uint64_t thread_id,
                                    const Result<std::optional<LockHolder>>& holder) {
  Watch& watch = watches_[backend.value];
  watch.looking = false;
  watch.last_look = clock_.now();
  if (holder.ok() && !holder.value()) {
    look_for_table_wait(backend, thread_id);
  }
  if (!holder.ok() || !holder.value()) {
    return;
  }
  if (holder.value()->thread_id != 0) {
    abort_thread(backend, watch, *holder.value());
  } else {
    parts_.branches.lose_undecided(backend);
    parts_.sweep(backend);
  }
}

void LaneBlocker::replay_held(BackendId backend) {
  replay_held_if(backend, [](const EntryPtr&) { return true; });
}

// One that was replayed holds nothing. To interrupt the lane for it again would begin the looks
// anew, for ever.
void LaneBlocker::replay_held_if(BackendId backend,
                                 const std::function<bool(const EntryPtr&)>& wanted) {
  Watch& watch = watches_[backend.value];
  for (const EntryPtr& entry : parts_.lane(backend).lane().held_entries()) {
    if (!watch.replaying.contains(entry->seqno) && wanted(entry)) {
      replay(backend, watch, entry->seqno);
    }
  }
}

void LaneBlocker::on_holder(BackendId backend,
                            std::uint64_t batch,
                            const Result<std::optional<LockHolder>>& holder) {
  Watch& watch = watches_[backend.value];
  watch.looking = false;
  watch.last_look = clock_.now();  // the later of question and answer counts for the cache
  LaneConnection& lane = parts_.lane(backend);
  if (!lane.busy() || lane.batch_number() != batch || !holder.ok()) {
    return;
  }
  if (watch.batch != batch) {
    watch.batch = batch;
    watch.holder = watch.trx = 0;
    watch.holder_looks = watch.looks = watch.free_looks = 0;
  }
  if (!holder.value()) {
    ++watch.free_looks;
    return;
  }
  watch.free_looks = 0;
  if (holder.value()->thread_id != 0) {
    abort_thread(backend, watch, *holder.value());
  } else {
    watch.looks = watch.trx == holder.value()->trx_id ? watch.looks + 1 : 1;
    watch.trx = holder.value()->trx_id;
    on_detached_holder(backend, watch, *holder.value());
  }
}

bool LaneBlocker::paused(BackendId backend) const {
  const Watch& watch = watches_[backend.value];
  const LaneConnection& lane = parts_.lane(backend);
  return lane.busy() && watch.batch == lane.batch_number() && watch.free_looks >= kFreeLooksOfPause;
}

void LaneBlocker::abort_thread(BackendId backend, Watch& watch, const LockHolder& holder) {
  const std::uint64_t thread_id = holder.thread_id;
  if (watch.holder != thread_id) {
    watch.holder = thread_id;
    watch.holder_looks = 0;
    parts_.stats.lanes[backend.value].holders_aborted.add();
  }
  ++watch.holder_looks;
  parts_.tell_all(AbortBranch{backend, thread_id});
  if (holder.waits && watch.holder_looks > 1) {
    // An autocommit write is not interrupted, and may wait for a branch that waits for this lane.
    replay_held(backend);
    if (parts_.branches.paused()) {
      parts_.branches.lose_undecided(backend);  // or for one that waits for a program's end
    }
  }
  if (watch.holder_looks < kLooksBeforeKill) {
    return;
  }
  spdlog::warn("backend {}: connection {} keeps the lane waiting: killed", backend.value,
               thread_id);
  (void)parts_.controllers[backend.value]->kill_connection(thread_id, [](const Result<Ok>&) {});
}

void LaneBlocker::on_detached_holder(BackendId backend, Watch& watch, const LockHolder& holder) {
  if (watch.looks > 1) {
    parts_.sweep(backend);
    parts_.branches.give_up_waiting(backend, [&watch, &table = holder.table](Bytes events) {
      return watch.looks >= kLooksBeforeAll || payload_names_table(events, table);
    });
  }
  if (parts_.branches.paused()) {
    // Their verdicts come after the program, and that, perhaps, after this lane's batch.
    parts_.branches.lose_undecided(backend);
    return;
  }
  const bool await_verdicts =
      parts_.branches.undecided_of(backend) > 0 || parts_.reaper.count_of(backend) > 0;
  if (await_verdicts && watch.looks <= kLooksForVerdicts) {
    return;
  }
  const bool any = watch.looks >= kLooksBeforeAll;
  replay_held_if(backend, [any, &table = holder.table](const EntryPtr& entry) {
    return any || payload_names_table(entry->writeset()->payload, table);
  });
}

// The branch loses its exemption before its locks can go: without that an update could be lost.
void LaneBlocker::replay(BackendId backend, Watch& watch, Seqno seqno) {
  spdlog::info("backend {}: the branch of seqno {} keeps the lane waiting: replayed", backend.value,
               seqno.value);
  watch.replaying.emplace(seqno, false);
  parts_.sequencer.withdraw_exemption(seqno);
  parts_.branches.on_replay(backend, seqno);
  parts_.stats.lanes[backend.value].replays.add();
  certifier::LogEntry entry;
  entry.body = certifier::Replay{seqno, backend};
  parts_.log.append(std::move(entry));
}

void LaneBlocker::on_durable(const certifier::Replay& replay) {
  Watch& watch = watches_[replay.backend.value];
  if (const auto found = watch.replaying.find(replay.seqno); found != watch.replaying.end()) {
    found->second = true;
    roll_back(replay.backend, watch, replay.seqno);
  }
}

void LaneBlocker::roll_back(BackendId backend, Watch& watch, Seqno seqno) {
  LaneConnection& lane = parts_.lane(backend);
  switch (lane.lane().replay(seqno)) {
    case certifier::ReplayStep::kApplied:
      watch.replaying.erase(seqno);
      return;
    case certifier::ReplayStep::kInterruptFirst:
      // The batch under way would commit the branch behind the row it waits for. Once is enough: a
      // second KILL QUERY would hit what follows it.
      if (lane.busy() &&
          std::exchange(watch.interrupted, lane.batch_number()) != lane.batch_number()) {
        (void)parts_.controllers[backend.value]->kill_query(lane.thread_id(), KillTicket::issue(),
                                                            [](const Result<Ok>&) {});
      }
      return;
    case certifier::ReplayStep::kRollBack:
      watch.replaying.erase(seqno);
      const OwnBranch* own = parts_.log.own_branches().find(seqno);
      if (own != nullptr) {
        parts_.reaper.roll_back(backend, own->branch);
      }
      return;
  }
}

void LaneBlocker::on_lane_running(BackendId backend) {
  Watch& watch = watches_[backend.value];
  const std::map<Seqno, bool> waiting = watch.replaying;
  for (const auto& [seqno, durable] : waiting) {
    if (durable) {
      roll_back(backend, watch, seqno);
    }
  }
}

void LaneBlocker::on_lane_lost(BackendId backend) {
  watches_[backend.value].replaying.clear();  // the entries are in the log: recovery obeys them
}

}  // namespace consort::proxy
