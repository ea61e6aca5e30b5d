// ServerCalendars: the calendars of time zones, as a server has them: an event's zone may be its
// SYSTEM, an offset or a name out of its own tables. Every answer is a query.
// Threads: none; its owner's, who owns the link.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "healthcheck/server_link.h"
#include "proxy/event_queue.h"

namespace consort::proxy {

class ServerCalendars final : public EventCalendars {
 public:
  /// `link` outlives it. Not connected: there are no answers.
  explicit ServerCalendars(healthcheck::ServerLink& link) : link_(link) {}

  [[nodiscard]] EventCalendar& of(const std::string& time_zone) override;

 private:
  class Zone;

  healthcheck::ServerLink& link_;
  std::map<std::string, std::unique_ptr<EventCalendar>> zones_;
};

}  // namespace consort::proxy
