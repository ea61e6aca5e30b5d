#include "proxy/event_schedule.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "router/token.h"

namespace consort::proxy {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::int64_t kMinute = 60;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int64_t kMonthsOfYear = 12;

struct Unit {
  std::string_view field;
  EventInterval one;
};

constexpr std::array<Unit, 14> kUnits = {{{"YEAR", {0, kMonthsOfYear}},
                                          {"QUARTER", {0, 1}},
                                          {"YEAR_MONTH", {0, 1}},
                                          {"MONTH", {0, 1}},
                                          {"WEEK", {kDay, 0}},
                                          {"DAY", {kDay, 0}},
                                          {"DAY_HOUR", {kHour, 0}},
                                          {"HOUR", {kHour, 0}},
                                          {"DAY_MINUTE", {kMinute, 0}},
                                          {"HOUR_MINUTE", {kMinute, 0}},
                                          {"MINUTE", {kMinute, 0}},
                                          {"DAY_SECOND", {1, 0}},
                                          {"HOUR_SECOND", {1, 0}},
                                          {"MINUTE_SECOND", {1, 0}}}};

/// Of an hour that comes twice, a summer time's offset is two hours at most.
constexpr int kStepsMax = 4 * 3600;

year_month_day date_of(LocalTime time) {
  return sys_days(std::chrono::floor<days>(std::chrono::seconds(time)));
}

std::int64_t month_number(LocalTime time) {
  const year_month_day date = date_of(time);
  return static_cast<int>(date.year()) * kMonthsOfYear + static_cast<unsigned>(date.month());
}

std::optional<EventTime> next_of_seconds(std::int64_t step,
                                         LocalTime start,
                                         LocalTime local_now,
                                         EventTime now,
                                         EventCalendar& calendar) {
  LocalTime time = start;
  if (local_now >= start) {
    time += (local_now - start) / step * step + step;
    const auto moment = calendar.utc(time);
    if (!moment || *moment > now) {
      return moment;
    }
  }
  // The clock was put back: what the calendar shows now, it shows for the second time, and means
  // the first. So on to what comes once only.
  for (int i = 0; i < kStepsMax; ++i) {
    time += step;
    const auto moment = calendar.utc(time);
    if (!moment || *moment > now) {
      return moment;
    }
  }
  return std::nullopt;
}

// As a server does: where this month's is over the next is counted from that one, so that an event
// of the 31st goes from the 28th of February to the 28th of March, and then to the 31st.
std::optional<EventTime> next_of_months(std::int64_t step,
                                        LocalTime start,
                                        LocalTime local_now,
                                        EventTime now,
                                        EventCalendar& calendar) {
  const std::int64_t between = month_number(local_now) - month_number(start);
  const auto of_this_month = add_months(start, between - between % step);
  if (!of_this_month) {
    return std::nullopt;
  }
  const auto moment = calendar.utc(*of_this_month);
  if (!moment || *moment > now) {
    return moment;
  }
  const auto following = add_months(*of_this_month, step);
  return following ? calendar.utc(*following) : std::nullopt;
}

std::optional<EventTime> next_recurrence(const EventSchedule& schedule,
                                         EventTime now,
                                         EventCalendar& calendar) {
  const auto start = calendar.local(schedule.starts);
  const auto local_now = calendar.local(now);
  if (!start || !local_now) {
    return std::nullopt;
  }
  if (schedule.every.seconds > 0) {
    return next_of_seconds(schedule.every.seconds, *start, *local_now, now, calendar);
  }
  return schedule.every.months > 0
             ? next_of_months(schedule.every.months, *start, *local_now, now, calendar)
             : std::nullopt;
}

}  // namespace

std::optional<EventInterval> event_interval(std::string_view field, std::int64_t value) {
  if (value <= 0) {
    return std::nullopt;
  }
  if (router::equals_ignoring_case(field, "SECOND")) {
    return EventInterval{value, 0};
  }
  for (const Unit& unit : kUnits) {
    if (router::equals_ignoring_case(field, unit.field)) {
      return EventInterval{unit.one.seconds * value, unit.one.months * value};
    }
  }
  return std::nullopt;
}

std::optional<LocalTime> add_months(LocalTime time, std::int64_t count) {
  constexpr int kLastYear = 9999;
  const year_month_day date = date_of(time);
  const LocalTime of_day = time - sys_days(date).time_since_epoch() / std::chrono::seconds(1);
  if (count > kLastYear * kMonthsOfYear) {
    return std::nullopt;
  }
  const std::chrono::year_month month = date.year() / date.month() + std::chrono::months(count);
  if (month.year() > std::chrono::year(kLastYear)) {
    return std::nullopt;
  }
  const std::chrono::year_month_day_last last(month.year(), month.month() / std::chrono::last);
  const sys_days day = month / std::min(date.day(), last.day());
  return day.time_since_epoch() / std::chrono::seconds(1) + of_day;
}

NextRun next_run(const EventSchedule& schedule, EventTime now, EventCalendar& calendar) {
  using Kind = NextRun::Kind;
  if (schedule.at) {
    const bool ran = schedule.last_executed && *schedule.last_executed >= *schedule.at;
    return ran ? NextRun{Kind::kOver, 0} : NextRun{Kind::kAt, *schedule.at};
  }
  if (schedule.ends && *schedule.ends < now) {
    return {Kind::kOver, 0};
  }
  const bool ran_at_start = now == schedule.starts && schedule.last_executed == schedule.starts;
  if (now <= schedule.starts && !ran_at_start) {
    return {Kind::kAt, schedule.starts};
  }
  const auto next = next_recurrence(schedule, now, calendar);
  if (!next) {
    return {Kind::kUnknown, 0};
  }
  return schedule.ends && *schedule.ends < *next ? NextRun{Kind::kOver, 0}
                                                 : NextRun{Kind::kAt, *next};
}

}  // namespace consort::proxy
