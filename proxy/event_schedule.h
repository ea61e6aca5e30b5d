// EventSchedule: when an event runs next, by a server's rules. What recurs is due at STARTS and
// whole intervals behind it on the calendar of the event's time zone; what is missed is not made up
// for, but what is to run AT a time is. Arithmetic only: the calendar's offsets are asked for.
// Spec: MariaDB KB "CREATE EVENT", "Automating MariaDB Tasks with Events"; compared with a server's
// own runs by tests/integration/test_event_scheduler.py. Decision 0033. Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace consort::proxy {

/// Seconds since 1970, UTC.
using EventTime = std::int64_t;
/// A time on a local calendar: what EventTime would be if that were UTC's.
using LocalTime = std::int64_t;

/// The calendar of a time zone. nullopt: it has no such moment, or cannot be asked.
class EventCalendar {
 public:
  EventCalendar() = default;
  EventCalendar(const EventCalendar&) = delete;
  EventCalendar& operator=(const EventCalendar&) = delete;
  virtual ~EventCalendar() = default;
  [[nodiscard]] virtual std::optional<LocalTime> local(EventTime time) = 0;
  /// Of an hour that comes twice the first; of one that is left out, its beginning.
  [[nodiscard]] virtual std::optional<EventTime> utc(LocalTime time) = 0;
};

/// EVERY: one of the two is positive.
struct EventInterval {
  std::int64_t seconds = 0;
  std::int64_t months = 0;
  friend bool operator==(const EventInterval&, const EventInterval&) = default;
};

/// As mysql.event keeps it: weeks are spelt in days there, quarters in months, `1:30
/// MINUTE_SECOND` in seconds. nullopt: no such unit, or nothing that recurs.
[[nodiscard]] std::optional<EventInterval> event_interval(std::string_view field,
                                                          std::int64_t value);

struct EventSchedule {
  std::optional<EventTime> at;  ///< runs once; the rest but last_executed means nothing then
  EventTime starts = 0;
  std::optional<EventTime> ends;
  EventInterval every;
  std::optional<EventTime> last_executed;
};

struct NextRun {
  enum class Kind : std::uint8_t {
    kAt,
    kOver,    ///< it runs no more: ON COMPLETION decides
    kUnknown  ///< the calendar has no answer
  };

  Kind kind = Kind::kUnknown;
  EventTime at = 0;
  friend bool operator==(const NextRun&, const NextRun&) = default;
};

/// The first run that is due behind `now`, or at it where that is STARTS and was not run yet.
[[nodiscard]] NextRun next_run(const EventSchedule& schedule,
                               EventTime now,
                               EventCalendar& calendar);

/// `count` months later; a day that the month does not have becomes its last. nullopt: behind 9999.
[[nodiscard]] std::optional<LocalTime> add_months(LocalTime time, std::int64_t count);

}  // namespace consort::proxy
