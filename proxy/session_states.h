// What the servers say of the statements that Consort's sessions run there.
// Threads: any; the answer comes on the thread of whatever answers last.
#pragma once

#include <functional>
#include <vector>

#include "base/ids.h"
#include "proxy/backend_controller.h"
#include "proxy/session/process_list.h"

namespace consort::proxy {

/// Asks each server once, for all rows with a place there, and hands the rows on: with the state
/// and effort of those whose statement still runs, the others as they are. A server that gives no
/// answer changes nothing. `told` is called exactly once, perhaps inside this call.
void add_server_states(std::vector<ProcessRow> rows,
                       const std::function<BackendController&(BackendId)>& controller_of,
                       std::function<void(std::vector<ProcessRow>)> told);

/// The question, for the rows of one server; empty: none has its place there.
[[nodiscard]] std::string server_states_sql(const std::vector<ProcessRow>& rows, BackendId backend);

/// Its answer into the rows.
void take_server_states(std::vector<ProcessRow>& rows,
                        BackendId backend,
                        const healthcheck::SqlRows& answer);

}  // namespace consort::proxy
