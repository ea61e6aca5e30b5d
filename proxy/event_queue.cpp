#include "proxy/event_queue.h"

#include <algorithm>

namespace consort::proxy {
namespace {

using Kind = NextRun::Kind;

/// A change is seen within seconds. Older stamps are a client's own (SET timestamp).
constexpr EventTime kSeenWithin = 60;

bool same_but_run(const EventRow& a, const EventRow& b) {
  const EventSchedule& x = a.schedule;
  const EventSchedule& y = b.schedule;
  return a.time_zone == b.time_zone && a.modified == b.modified && a.drops == b.drops &&
         x.at == y.at && x.starts == y.starts && x.ends == y.ends && x.every == y.every;
}

}  // namespace

void EventQueue::clear() {
  entries_.clear();
  shown_ = false;
}

void EventQueue::show(std::vector<EventRow> rows, EventTime now, EventCalendars& calendars) {
  std::map<EventName, Entry> fresh;
  for (EventRow& row : rows) {
    const auto found = entries_.find(row.event);
    const bool known = found != entries_.end() && same_but_run(found->second.row, row);
    Entry entry{std::move(row), {}};
    EventSchedule& schedule = entry.row.schedule;
    if (known) {  // the catalogue may not have our last mark yet
      schedule.last_executed =
          std::max(schedule.last_executed, found->second.row.schedule.last_executed);
    }
    if (known && found->second.next.kind != Kind::kUnknown) {
      entry.next = found->second.next;
    } else {
      const EventTime made = entry.row.modified;
      const bool is_new = shown_ && made <= now && made >= now - kSeenWithin;
      const EventTime from = is_new ? std::max(made, schedule.last_executed.value_or(made)) : now;
      entry.next = next_run(schedule, from, calendars.of(entry.row.time_zone));
    }
    EventName name = entry.row.event;
    fresh.emplace(std::move(name), std::move(entry));
  }
  entries_ = std::move(fresh);
  shown_ = true;
}

std::vector<MissedRun> EventQueue::missed(EventTime now, EventCalendars& calendars) const {
  std::vector<MissedRun> missed;
  for (const auto& [name, entry] : entries_) {
    const EventSchedule& schedule = entry.row.schedule;
    if (schedule.at) {
      continue;
    }
    const EventTime since = std::max(entry.row.modified, schedule.last_executed.value_or(0));
    const NextRun next = next_run(schedule, since, calendars.of(entry.row.time_zone));
    if (next.kind == Kind::kAt && next.at < now) {
      missed.push_back({name, next.at});
    }
  }
  return missed;
}

std::vector<DueEvent> EventQueue::due(EventTime now, EventCalendars& calendars) const {
  std::vector<DueEvent> due;
  for (const auto& [name, entry] : entries_) {
    if (entry.next.kind == Kind::kOver) {
      due.push_back({entry.row, false, true, 0});
    } else if (entry.next.kind == Kind::kAt && entry.next.at <= now) {
      EventSchedule after = entry.row.schedule;
      after.last_executed = now;
      const NextRun following = next_run(after, now, calendars.of(entry.row.time_zone));
      due.push_back({entry.row, true, following.kind == Kind::kOver, entry.next.at});
    }
  }
  std::stable_sort(due.begin(), due.end(),
                   [](const DueEvent& a, const DueEvent& b) { return a.due < b.due; });
  return due;
}

std::vector<EventName> EventQueue::unknown() const {
  std::vector<EventName> names;
  for (const auto& [name, entry] : entries_) {
    if (entry.next.kind == Kind::kUnknown) {
      names.push_back(name);
    }
  }
  return names;
}

void EventQueue::on_run(const EventName& event, EventTime now, EventCalendars& calendars) {
  const auto found = entries_.find(event);
  if (found == entries_.end()) {
    return;
  }
  Entry& entry = found->second;
  entry.row.schedule.last_executed = now;
  entry.next = next_run(entry.row.schedule, now, calendars.of(entry.row.time_zone));
}

}  // namespace consort::proxy
