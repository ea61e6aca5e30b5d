#include "proxy/event_schedule.h"

#include <chrono>
#include <vector>

#include "tests/support/test.h"

namespace consort::proxy {
namespace {

/// Berlin in 2026: two hours before UTC from the 29th of March, 1:00 UTC, to the 25th of October,
/// 1:00 UTC; else one.
class Berlin final : public EventCalendar {
 public:
  std::optional<LocalTime> local(EventTime time) override { return time + offset(time); }

  std::optional<EventTime> utc(LocalTime time) override {
    const EventTime in_summer = time - 2 * kHour;
    if (in_summer >= kSpring && in_summer < kAutumn) {
      return in_summer;  // of two the first
    }
    const EventTime in_winter = time - kHour;
    return in_winter >= kSpring && in_winter < kAutumn ? kSpring : in_winter;
  }

  static constexpr EventTime kHour = 3600;
  static constexpr EventTime kSpring = 1774746000;  // 2026-03-29 01:00:00
  static constexpr EventTime kAutumn = 1792890000;  // 2026-10-25 01:00:00

 private:
  static EventTime offset(EventTime time) {
    return time >= kSpring && time < kAutumn ? 2 * kHour : kHour;
  }
};

class Utc final : public EventCalendar {
 public:
  std::optional<LocalTime> local(EventTime time) override { return time; }

  std::optional<EventTime> utc(LocalTime time) override { return time; }
};

class Silent final : public EventCalendar {
 public:
  std::optional<LocalTime> local(EventTime) override { return std::nullopt; }

  std::optional<EventTime> utc(LocalTime) override { return std::nullopt; }
};

struct Day {
  int year;
  unsigned month;
  unsigned day;
};

EventTime at(Day day, int hour = 0, int minute = 0, int second = 0) {
  using namespace std::chrono;
  const sys_days date = year(day.year) / month(day.month) / std::chrono::day(day.day);
  return date.time_since_epoch() / seconds(1) + (hour * 60 + minute) * 60 + second;
}

EventSchedule every(EventTime starts, EventInterval interval) {
  EventSchedule schedule;
  schedule.starts = starts;
  schedule.every = interval;
  return schedule;
}

/// At which moments it runs when somebody always looks.
std::vector<EventTime> runs(EventSchedule schedule, std::size_t count, EventCalendar& calendar) {
  std::vector<EventTime> moments;
  EventTime now = schedule.starts;
  while (moments.size() < count) {
    const NextRun next = next_run(schedule, now, calendar);
    if (next.kind != NextRun::Kind::kAt) {
      break;
    }
    moments.push_back(next.at);
    schedule.last_executed = now = next.at;
  }
  return moments;
}

TEST_SUITE("events") {
  TEST_CASE("EventSchedule: units as the catalogue has them") {
    struct Case {
      std::string_view field;
      std::int64_t value;
      EventInterval interval;
    };

    constexpr Case kCases[] = {
        {"YEAR", 2, {0, 24}},          {"QUARTER", 6, {0, 6}},
        {"MONTH", 5, {0, 5}},          {"YEAR_MONTH", 14, {0, 14}},
        {"WEEK", 14, {1209600, 0}},    {"DAY", 3, {259200, 0}},
        {"DAY_HOUR", 25, {90000, 0}},  {"HOUR", 2, {7200, 0}},
        {"DAY_MINUTE", 61, {3660, 0}}, {"HOUR_MINUTE", 90, {5400, 0}},
        {"MINUTE", 1, {60, 0}},        {"DAY_SECOND", 86401, {86401, 0}},
        {"HOUR_SECOND", 9, {9, 0}},    {"MINUTE_SECOND", 90, {90, 0}},
        {"SECOND", 7, {7, 0}},
    };
    for (const Case& one : kCases) {
      CAPTURE(one.field);
      EXPECT(event_interval(one.field, one.value) == one.interval);
    }
    EXPECT_FALSE(event_interval("SECOND_MICROSECOND", 1));
    EXPECT_FALSE(event_interval("DAY", 0));
    EXPECT_FALSE(event_interval("", 1));
  }

  TEST_CASE("EventSchedule: months end where they end") {
    EXPECT(add_months(at({2026, 1, 31}, 1, 2, 3), 1) == at({2026, 2, 28}, 1, 2, 3));
    EXPECT(add_months(at({2024, 1, 31}), 1) == at({2024, 2, 29}));
    EXPECT(add_months(at({2024, 2, 29}), 12) == at({2025, 2, 28}));
    EXPECT(add_months(at({2026, 11, 30}), 3) == at({2027, 2, 28}));
    EXPECT(add_months(at({2026, 3, 31}), -1) == at({2026, 2, 28}));
    EXPECT(add_months(at({1969, 12, 31}, 23), 2) == at({1970, 2, 28}, 23));
    EXPECT_FALSE(add_months(at({9999, 12, 1}), 1));
    EXPECT_FALSE(add_months(at({2026, 1, 1}), std::int64_t{1} << 40));
  }

  TEST_CASE("EventSchedule: an event of the 31st, as a server runs it") {
    Utc calendar;
    const auto moments = runs(every(at({2026, 1, 31}), {0, 1}), 7, calendar);
    const std::vector<EventTime> expected = {
        at({2026, 1, 31}), at({2026, 2, 28}), at({2026, 3, 28}), at({2026, 3, 31}),
        at({2026, 4, 30}), at({2026, 5, 30}), at({2026, 5, 31})};
    EXPECT(moments == expected);
    // Who begins to look in March sees the 31st.
    EXPECT(next_run(every(at({2026, 1, 31}), {0, 1}), at({2026, 3, 1}), calendar) ==
           NextRun{NextRun::Kind::kAt, at({2026, 3, 31})});
  }

  TEST_CASE("EventSchedule: what recurs by months keeps its place in the year") {
    Utc calendar;
    const EventSchedule quarterly = every(at({2020, 2, 15}, 6), {0, 3});
    EXPECT(next_run(quarterly, at({2026, 2, 15}, 5, 59, 59), calendar).at == at({2026, 2, 15}, 6));
    EXPECT(next_run(quarterly, at({2026, 2, 15}, 6), calendar).at == at({2026, 5, 15}, 6));
    EXPECT(next_run(quarterly, at({2026, 4, 1}), calendar).at == at({2026, 5, 15}, 6));
    const EventSchedule yearly = every(at({2024, 2, 29}), {0, 12});
    EXPECT(next_run(yearly, at({2025, 1, 1}), calendar).at == at({2025, 2, 28}));
    EXPECT(next_run(yearly, at({2027, 12, 31}), calendar).at == at({2028, 2, 28}));
    // Counted from 2027's, and then by STARTS.
    EXPECT(next_run(yearly, at({2028, 1, 1}), calendar).at == at({2028, 2, 28}));
    EXPECT(next_run(yearly, at({2028, 2, 28}), calendar).at == at({2028, 2, 29}));
  }

  TEST_CASE("EventSchedule: whole intervals behind STARTS, always behind now") {
    Utc calendar;
    const EventTime start = at({2026, 11, 27}, 12);
    const EventSchedule schedule = every(start, {10, 0});
    EXPECT(next_run(schedule, start - 1, calendar).at == start);
    EXPECT(next_run(schedule, start, calendar).at == start);
    EXPECT(next_run(schedule, start + 1, calendar).at == start + 10);
    EXPECT(next_run(schedule, start + 10, calendar).at == start + 20);
    EXPECT(next_run(schedule, start + 99999, calendar).at == start + 100000);
    EventSchedule ran = schedule;
    ran.last_executed = start;
    EXPECT(next_run(ran, start, calendar).at == start + 10);
  }

  TEST_CASE("EventSchedule: ENDS") {
    Utc calendar;
    EventSchedule schedule = every(1000, {10, 0});
    schedule.ends = 1015;
    EXPECT((runs(schedule, 9, calendar) == std::vector<EventTime>{1000, 1010}));
    EXPECT(next_run(schedule, 1016, calendar).kind == NextRun::Kind::kOver);
    EXPECT(next_run(schedule, 1011, calendar).kind == NextRun::Kind::kOver);
    schedule.ends = 1020;
    EXPECT((runs(schedule, 9, calendar) == std::vector<EventTime>{1000, 1010, 1020}));
  }

  TEST_CASE("EventSchedule: AT is made up for, once") {
    Utc calendar;
    EventSchedule schedule;
    schedule.at = 5000;
    EXPECT(next_run(schedule, 1, calendar) == NextRun{NextRun::Kind::kAt, 5000});
    EXPECT(next_run(schedule, 9000, calendar) == NextRun{NextRun::Kind::kAt, 5000});
    schedule.last_executed = 5003;
    EXPECT(next_run(schedule, 9000, calendar).kind == NextRun::Kind::kOver);
    schedule.at = 6000;  // ALTER EVENT
    EXPECT(next_run(schedule, 9000, calendar) == NextRun{NextRun::Kind::kAt, 6000});
  }

  TEST_CASE("EventSchedule: every day means the same hour, in summer and in winter") {
    Berlin calendar;
    const EventTime noon = at({2026, 3, 27}, 11);  // 12:00 there
    EXPECT((runs(every(noon, {86400, 0}), 4, calendar) ==
            std::vector<EventTime>{noon, at({2026, 3, 28}, 11), at({2026, 3, 29}, 10),
                                   at({2026, 3, 30}, 10)}));
    const EventTime monthly = at({2026, 9, 27}, 10);
    EXPECT((runs(every(monthly, {0, 1}), 3, calendar) ==
            std::vector<EventTime>{monthly, at({2026, 10, 27}, 11), at({2026, 11, 27}, 11)}));
  }

  TEST_CASE("EventSchedule: an hour that is left out is over when it begins") {
    Berlin calendar;
    const EventTime start = at({2026, 3, 28}, 1, 30);  // 2:30 there
    EXPECT((runs(every(start, {86400, 0}), 3, calendar) ==
            std::vector<EventTime>{start, Berlin::kSpring, at({2026, 3, 30}, 0, 30)}));
  }

  TEST_CASE("EventSchedule: an hour that comes twice counts once") {
    Berlin calendar;
    const EventTime start = at({2026, 10, 24}, 23, 30);  // 1:30 there
    EXPECT((runs(every(start, {1800, 0}), 5, calendar) ==
            std::vector<EventTime>{start, at({2026, 10, 25}, 0), at({2026, 10, 25}, 0, 30),
                                   at({2026, 10, 25}, 2), at({2026, 10, 25}, 2, 30)}));
    // Created in the second pass, at 2:10, to start at 2:40: which means the first pass's.
    const EventTime first = at({2026, 10, 25}, 0, 40);
    EXPECT(next_run(every(first, {3600, 0}), at({2026, 10, 25}, 1, 10), calendar).at ==
           at({2026, 10, 25}, 2, 40));
  }

  TEST_CASE("EventSchedule: without a calendar nobody knows") {
    Silent calendar;
    EXPECT(next_run(every(1000, {10, 0}), 2000, calendar).kind == NextRun::Kind::kUnknown);
    EXPECT(next_run(every(1000, {10, 0}), 500, calendar).at == 1000);
    Utc utc;
    EXPECT(next_run(every(1000, {}), 2000, utc).kind == NextRun::Kind::kUnknown);
  }
}

}  // namespace
}  // namespace consort::proxy
