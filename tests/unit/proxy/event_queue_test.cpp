#include "proxy/event_queue.h"

#include "tests/support/test.h"

namespace consort::proxy {
namespace {

class UtcEverywhere final : public EventCalendars, private EventCalendar {
 public:
  EventCalendar& of(const std::string& time_zone) override {
    asked = time_zone;
    return *this;
  }

  std::string asked;
  bool silent = false;

 private:
  std::optional<LocalTime> local(EventTime time) override { return answer(time); }

  std::optional<EventTime> utc(LocalTime time) override { return answer(time); }

  [[nodiscard]] std::optional<std::int64_t> answer(std::int64_t time) const {
    return silent ? std::nullopt : std::optional(time);
  }
};

EventRow recurring(std::string name, EventTime starts, std::int64_t seconds) {
  EventRow row;
  row.event = {"d", std::move(name)};
  row.time_zone = "SYSTEM";
  row.modified = starts;
  row.schedule.starts = starts;
  row.schedule.every.seconds = seconds;
  return row;
}

EventRow once(std::string name, EventTime made, EventTime at) {
  EventRow row = recurring(std::move(name), 0, 0);
  row.modified = made;
  row.schedule.at = at;
  return row;
}

struct Queue {
  UtcEverywhere calendars;
  EventQueue queue;

  void show(std::vector<EventRow> rows, EventTime now) {
    queue.show(std::move(rows), now, calendars);
  }

  /// "name" of each that runs, "name!" where it is the last time, "-name" where it is over.
  std::string due(EventTime now) {
    std::string text;
    for (const DueEvent& event : queue.due(now, calendars)) {
      text += (text.empty() ? "" : " ") + std::string(event.runs ? "" : "-") +
              event.row.event.name + (event.runs && event.is_last ? "!" : "");
    }
    return text;
  }

  void run(const std::string& name, EventTime now) { queue.on_run({"d", name}, now, calendars); }
};

TEST_SUITE("events") {
  TEST_CASE("EventQueue: what is new runs from when it was made, also in that second") {
    Queue queue;
    queue.show({}, 999);
    queue.show({recurring("e", 1000, 10), once("o", 1000, 1000)}, 1001);
    EXPECT(queue.due(1001) == "e o!");
    queue.run("e", 1001);
    queue.run("o", 1001);
    EXPECT(queue.due(1001) == "-o");
    EXPECT(queue.due(1009) == "-o");
    EXPECT(queue.due(1010) == "-o e");
    EXPECT(queue.calendars.asked == "SYSTEM");
  }

  TEST_CASE("EventQueue: what was missed while it was off is not made up for, but AT is") {
    Queue queue;
    queue.show({recurring("e", 1000, 10), once("o", 900, 950)}, 1500);
    EXPECT(queue.due(1500) == "o!");
    EXPECT(queue.due(1510) == "o! e");
    const auto missed = queue.queue.missed(1500, queue.calendars);
    REQUIRE(missed.size() == 1);
    EXPECT(missed[0].event.name == "e");
    EXPECT(missed[0].due == 1000);
    EventRow ran = recurring("e", 1000, 10);
    ran.schedule.last_executed = 1490;
    queue.queue.clear();
    queue.show({ran}, 1499);
    EXPECT(queue.queue.missed(1499, queue.calendars).empty());
    EXPECT(queue.due(1499).empty());
  }

  TEST_CASE("EventQueue: a catalogue that has not our mark yet does not run it again") {
    Queue queue;
    queue.show({}, 999);
    queue.show({once("o", 1000, 1001)}, 1001);
    queue.run("o", 1001);
    queue.show({once("o", 1000, 1001)}, 1002);
    EXPECT(queue.due(1002) == "-o");
    EventRow marked = once("o", 1000, 1001);
    marked.schedule.last_executed = 1001;
    queue.show({marked}, 1003);
    EXPECT(queue.due(1003) == "-o");
    queue.show({}, 1004);
    EXPECT(queue.due(1004).empty());
    EXPECT(queue.queue.size() == 0);
  }

  TEST_CASE("EventQueue: ALTER EVENT schedules anew") {
    Queue queue;
    queue.show({recurring("e", 1000, 1000)}, 1500);
    EXPECT(queue.due(1999).empty());
    EventRow altered = recurring("e", 1600, 5);
    altered.schedule.last_executed = 1000;
    queue.show({altered}, 1601);
    EXPECT(queue.due(1601) == "e");
    queue.run("e", 1601);
    queue.show({altered}, 1602);
    EXPECT(queue.due(1604).empty());
    EXPECT(queue.due(1605) == "e");
    // A stamp of long ago, by a client's own clock, begins nothing in the past.
    EventRow stamped = recurring("e", 10, 1000);
    queue.show({stamped}, 1606);
    EXPECT(queue.due(1606).empty());
    EXPECT(queue.due(2010) == "e");
  }

  TEST_CASE("EventQueue: a run that is late is made once") {
    Queue queue;
    queue.show({recurring("e", 1000, 1)}, 1000);
    EXPECT(queue.due(1030) == "e");
    queue.run("e", 1030);
    EXPECT(queue.due(1030).empty());
    EXPECT(queue.due(1031) == "e");
  }

  TEST_CASE("EventQueue: the last run before ENDS is said to be it") {
    Queue queue;
    EventRow row = recurring("e", 1000, 10);
    row.schedule.ends = 1015;
    queue.show({row}, 1000);
    EXPECT(queue.due(1000) == "e");
    queue.run("e", 1000);
    EXPECT(queue.due(1010) == "e!");
    queue.run("e", 1010);
    EXPECT(queue.due(1010) == "-e");
    // Who comes behind ENDS finds it over.
    queue.queue.clear();
    queue.show({row}, 1016);
    EXPECT(queue.due(1016) == "-e");
  }

  TEST_CASE("EventQueue: in the order of their moments") {
    Queue queue;
    queue.show({recurring("a", 1003, 50), recurring("b", 1001, 50), recurring("c", 1002, 50)},
               1000);
    EXPECT(queue.due(1003) == "b c a");
  }

  TEST_CASE("EventQueue: a calendar that did not answer is asked again, and nothing runs twice") {
    Queue queue;
    queue.show({}, 999);
    queue.show({recurring("e", 1000, 10)}, 1001);
    EXPECT(queue.due(1001) == "e");
    queue.calendars.silent = true;
    queue.run("e", 1001);
    EXPECT(queue.due(1030).empty());
    EXPECT((queue.queue.unknown() == std::vector<EventName>{{"d", "e"}}));
    queue.calendars.silent = false;
    queue.show({recurring("e", 1000, 10)}, 1003);
    EXPECT(queue.queue.unknown().empty());
    EXPECT(queue.due(1003).empty());
    EXPECT(queue.due(1010) == "e");
  }
}

}  // namespace
}  // namespace consort::proxy
