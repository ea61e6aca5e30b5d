// EventStats: what the event scheduler counts. Threads: the scheduler's writes, any reads.
#pragma once

#include "proxy/metric_cell.h"

namespace consort::proxy {

struct EventStats {
  Gauge on;               ///< 1: event_scheduler is ON
  Gauge scheduled;        ///< enabled events
  Gauge under_way;        ///< runs
  Counter done;           ///< runs without an error
  Counter failed;         ///< runs that ended with an error
  Counter lost;           ///< runs that were marked and not made, or cut off
  Counter missed;         ///< runs that were due while Consort did not run
  Counter mark_failures;  ///< times a run had to wait because the log did not take its mark
};

}  // namespace consort::proxy
