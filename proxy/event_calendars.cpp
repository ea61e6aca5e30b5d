#include "proxy/event_calendars.h"

#include <cstdlib>
#include <utility>

#include "proxy/event_catalogue.h"

namespace consort::proxy {

class ServerCalendars::Zone final : public EventCalendar {
 public:
  Zone(healthcheck::ServerLink& link, std::string name) : link_(link), name_(std::move(name)) {}

  std::optional<LocalTime> local(EventTime time) override {
    return ask(local_time_sql(name_, time));
  }

  std::optional<EventTime> utc(LocalTime time) override { return ask(utc_time_sql(name_, time)); }

 private:
  std::optional<std::int64_t> ask(const std::string& sql) {
    if (!link_.connected()) {
      return std::nullopt;
    }
    const Result<healthcheck::SqlRows> rows = link_.query(sql);
    if (!rows.ok() || rows->first().empty()) {
      return std::nullopt;
    }
    return std::strtoll(rows->first().c_str(), nullptr, 10);
  }

  healthcheck::ServerLink& link_;
  const std::string name_;
};

EventCalendar& ServerCalendars::of(const std::string& time_zone) {
  std::unique_ptr<EventCalendar>& zone = zones_[time_zone];
  if (!zone) {
    zone = std::make_unique<Zone>(link_, time_zone);
  }
  return *zone;
}

}  // namespace consort::proxy
