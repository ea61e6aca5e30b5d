// What the servers say of the statements that Consort's sessions run there.
// Threads: any; the answer comes on the thread of whatever answers last.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/server_kind.h"
#include "proxy/backend_controller.h"
#include "proxy/session/process_list.h"

namespace consort::proxy {

/// Asks each server once, for all rows with a place there, and hands the rows on: with the state
/// and effort of those whose statement still runs, the others as they are. A server that gives no
/// answer changes nothing. `told` is called exactly once, perhaps inside this call.
void add_server_states(std::vector<ProcessRow> rows,
                       const std::function<BackendController&(BackendId)>& controller_of,
                       std::function<void(std::vector<ProcessRow>)> told);

/// The threads of the rows that have their place on `backend`, in order, for the next.
[[nodiscard]] std::vector<std::uint64_t> threads_on(const std::vector<ProcessRow>& rows,
                                                    BackendId backend);

/// The question to a server. MySQL knows a statement's state alone. REQUIRES: !thread_ids.empty().
[[nodiscard]] std::string server_states_sql(ServerKind kind,
                                            std::span<const std::uint64_t> thread_ids);

/// Its answer into the rows.
void take_server_states(std::vector<ProcessRow>& rows,
                        BackendId backend,
                        const healthcheck::SqlRows& answer);

}  // namespace consort::proxy
