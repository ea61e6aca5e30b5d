// EventQueue: the events of a catalogue with the moments at which they run next. It is shown the
// catalogue again and again; what changed there is scheduled anew, as a server does when an event
// is created or altered. Threads: none; its owner's. Decision 0033.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proxy/event_schedule.h"

namespace consort::proxy {

struct EventName {
  std::string schema;
  std::string name;
  friend auto operator<=>(const EventName&, const EventName&) = default;
};

/// An enabled event, as the catalogue has it.
struct EventRow {
  EventName event;
  std::string time_zone;
  EventTime modified = 0;  ///< by the last CREATE or ALTER
  bool drops = false;      ///< ON COMPLETION NOT PRESERVE
  EventSchedule schedule;
};

/// What is to be done with an event now.
struct DueEvent {
  EventRow row;
  bool runs = false;     ///< else it is over without a run
  bool is_last = false;  ///< no other run follows
  EventTime due = 0;
};

/// The calendars of all time zones.
class EventCalendars {
 public:
  EventCalendars() = default;
  EventCalendars(const EventCalendars&) = delete;
  EventCalendars& operator=(const EventCalendars&) = delete;
  virtual ~EventCalendars() = default;
  [[nodiscard]] virtual EventCalendar& of(const std::string& time_zone) = 0;
};

/// A moment that has passed without a run.
struct MissedRun {
  EventName event;
  EventTime due = 0;
};

class EventQueue {
 public:
  /// The catalogue at `now`. Rows that come with the first one, after clear(), are scheduled from
  /// `now` on; later ones, and those that have changed, from when they were made.
  void show(std::vector<EventRow> rows, EventTime now, EventCalendars& calendars);

  /// Forgets everything: the scheduler was off, or the process begins.
  void clear();

  /// What recurs and was due before `now`, when the first catalogue was shown, and has not run: its
  /// first such moment.
  [[nodiscard]] std::vector<MissedRun> missed(EventTime now, EventCalendars& calendars) const;

  /// In the order of their moments.
  [[nodiscard]] std::vector<DueEvent> due(EventTime now, EventCalendars& calendars) const;

  /// It runs now, or perhaps does: this run is not due any more.
  void on_run(const EventName& event, EventTime now, EventCalendars& calendars);

  [[nodiscard]] std::size_t size() const { return entries_.size(); }

  /// Of which nobody knows when they run: their time zone's calendar does not answer.
  [[nodiscard]] std::vector<EventName> unknown() const;

 private:
  struct Entry {
    EventRow row;
    NextRun next;
  };

  bool shown_ = false;
  std::map<EventName, Entry> entries_;
};

}  // namespace consort::proxy
