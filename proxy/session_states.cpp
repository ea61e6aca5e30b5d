#include "proxy/session_states.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "healthcheck/fact_tools.h"

namespace consort::proxy {
namespace {

constexpr std::size_t kStateColumns = 8;

std::uint64_t cell_number(const std::optional<std::string>& cell) {
  return cell ? healthcheck::to_number(*cell) : 0;
}

/// As a server writes 7.3 digits.
bool is_decimal(std::string_view text) {
  return !text.empty() && text.size() <= 8 &&
         text.find_first_not_of("0123456789.") == std::string_view::npos && text[0] != '.';
}

/// The rows, until the last server has answered.
struct StateGathering {
  Mutex mutex;
  std::vector<ProcessRow> rows GUARDED_BY(mutex);
  std::size_t answers_left GUARDED_BY(mutex) = 0;
  std::function<void(std::vector<ProcessRow>)> told;

  void take(BackendId backend, const Result<healthcheck::SqlRows>* answer) {
    std::vector<ProcessRow> complete;
    {
      const MutexLock lock(mutex);
      if (answer != nullptr && answer->ok()) {
        take_server_states(rows, backend, **answer);
      }
      if (--answers_left > 0) {
        return;
      }
      complete = std::move(rows);
    }
    told(std::move(complete));
  }
};

}  // namespace

std::vector<std::uint64_t> threads_on(const std::vector<ProcessRow>& rows, BackendId backend) {
  std::vector<std::uint64_t> threads;
  for (const ProcessRow& row : rows) {
    if (row.place.thread_id != 0 && row.place.backend == backend) {
      threads.push_back(row.place.thread_id);
    }
  }
  return threads;
}

std::string server_states_sql(ServerKind kind, std::span<const std::uint64_t> thread_ids) {
  CHECK(!thread_ids.empty());
  std::string ids;
  for (const std::uint64_t id : thread_ids) {
    ids += ids.empty() ? "" : ",";
    ids += std::to_string(id);
  }
  const std::string_view effort =
      kind == ServerKind::kMysql
          ? "0,0,0.000,0,0,0"
          : "STAGE,MAX_STAGE,PROGRESS,MEMORY_USED,MAX_MEMORY_USED,EXAMINED_ROWS";
  return "SELECT ID,STATE," + std::string(effort) + " FROM " +
         std::string(healthcheck::process_table(kind)) + " WHERE COMMAND<>'Sleep' AND ID IN (" +
         ids + ")";
}

void take_server_states(std::vector<ProcessRow>& rows,
                        BackendId backend,
                        const healthcheck::SqlRows& answer) {
  std::unordered_map<std::uint64_t, const std::vector<std::optional<std::string>>*> by_thread;
  for (const auto& cells : answer.rows) {
    if (cells.size() == kStateColumns) {
      by_thread[cell_number(cells[0])] = &cells;
    }
  }
  for (ProcessRow& row : rows) {
    const auto found =
        row.place.backend == backend ? by_thread.find(row.place.thread_id) : by_thread.end();
    if (found == by_thread.end()) {
      continue;
    }
    const auto& cells = *found->second;
    if (cells[1] && !cells[1]->empty()) {
      row.state = *cells[1];
    }
    row.effort.stage = static_cast<std::uint32_t>(cell_number(cells[2]));
    row.effort.max_stage = static_cast<std::uint32_t>(cell_number(cells[3]));
    if (cells[4] && is_decimal(*cells[4])) {
      row.effort.progress = *cells[4];
    }
    row.effort.memory_used = cell_number(cells[5]);
    row.effort.max_memory_used = cell_number(cells[6]);
    row.effort.examined_rows = cell_number(cells[7]);
  }
}

void add_server_states(std::vector<ProcessRow> rows,
                       const std::function<BackendController&(BackendId)>& controller_of,
                       std::function<void(std::vector<ProcessRow>)> told) {
  std::vector<std::pair<BackendId, std::vector<std::uint64_t>>> questions;
  for (const ProcessRow& row : rows) {
    const bool asked = std::any_of(questions.begin(), questions.end(), [&](const auto& question) {
      return question.first == row.place.backend;
    });
    if (row.place.thread_id != 0 && !asked) {
      questions.emplace_back(row.place.backend, threads_on(rows, row.place.backend));
    }
  }
  if (questions.empty()) {
    told(std::move(rows));
    return;
  }
  const auto gathering = std::make_shared<StateGathering>();
  gathering->told = std::move(told);
  {
    const MutexLock lock(gathering->mutex);
    gathering->rows = std::move(rows);
    gathering->answers_left = questions.size();
  }
  for (auto& [backend, threads] : questions) {
    const bool taken = controller_of(backend).run_sql(
        [threads = std::move(threads)](ServerKind kind) {
          return server_states_sql(kind, threads);
        },
        [gathering, at = backend](const Result<healthcheck::SqlRows>& answer) {
          gathering->take(at, &answer);
        });
    if (!taken) {
      gathering->take(backend, nullptr);
    }
  }
}

}  // namespace consort::proxy
