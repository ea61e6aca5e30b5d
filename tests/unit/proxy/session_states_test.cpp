#include "proxy/session_states.h"

#include "tests/support/test.h"

namespace consort::proxy {
namespace {

ProcessRow running_row(std::uint32_t id, std::uint8_t backend, std::uint64_t thread_id) {
  ProcessRow row;
  row.id = id;
  row.state = "Executing";
  row.place = {BackendId{backend}, thread_id};
  return row;
}

TEST_SUITE("control") {
  TEST_CASE("SessionStates: each server is asked for those that run there") {
    const std::vector<ProcessRow> rows = {running_row(1, 0, 11), running_row(2, 1, 12),
                                          running_row(3, 0, 13), running_row(4, 0, 0)};
    EXPECT(threads_on(rows, BackendId{0}) == std::vector<std::uint64_t>{11, 13});
    EXPECT(threads_on(rows, BackendId{1}) == std::vector<std::uint64_t>{12});
    EXPECT(threads_on(rows, BackendId{2}).empty());
    EXPECT(server_states_sql(ServerKind::kMariadb, threads_on(rows, BackendId{0})) ==
           "SELECT ID,STATE,STAGE,MAX_STAGE,PROGRESS,MEMORY_USED,MAX_MEMORY_USED,EXAMINED_ROWS"
           " FROM information_schema.PROCESSLIST WHERE COMMAND<>'Sleep' AND ID IN (11,13)");
    EXPECT(server_states_sql(ServerKind::kMysql, threads_on(rows, BackendId{1})) ==
           "SELECT ID,STATE,0,0,0.000,0,0,0"
           " FROM performance_schema.processlist WHERE COMMAND<>'Sleep' AND ID IN (12)");
  }

  TEST_CASE("SessionStates: the answer goes to the rows of that server") {
    std::vector<ProcessRow> rows = {running_row(1, 0, 11), running_row(2, 1, 11),
                                    running_row(3, 0, 13)};
    healthcheck::SqlRows answer;
    answer.rows = {{"11", "User sleep", "1", "2", "33.333", "4", "5", "6"},
                   {"13", "", "0", "0", "'; DROP", "0", "0", "0"},
                   {"99"}};
    take_server_states(rows, BackendId{0}, answer);
    EXPECT(rows[0].state == "User sleep");
    EXPECT(rows[0].effort.stage == 1);
    EXPECT(rows[0].effort.max_stage == 2);
    EXPECT(rows[0].effort.progress == "33.333");
    EXPECT(rows[0].effort.memory_used == 4);
    EXPECT(rows[0].effort.max_memory_used == 5);
    EXPECT(rows[0].effort.examined_rows == 6);
    EXPECT(rows[1].state == "Executing");
    EXPECT(rows[2].state == "Executing");
    EXPECT(rows[2].effort.progress == "0.000");
  }

  TEST_CASE("SessionStates: nobody is asked where nothing runs, or a server cannot be") {
    int told = 0;
    const auto nobody = [](BackendId) -> BackendController& {
      FAIL("asked");
      std::abort();
    };
    add_server_states({running_row(1, 0, 0)}, nobody,
                      [&](std::vector<ProcessRow> rows) { told += rows.size() == 1 ? 1 : 0; });
    EXPECT(told == 1);
    BackendController stopped{ControllerOptions{}};
    stopped.stop();
    add_server_states(
        {running_row(1, 0, 5), running_row(2, 1, 6)},
        [&](BackendId) -> BackendController& { return stopped; },
        [&](std::vector<ProcessRow> rows) {
          told += rows.size() == 2 && rows[0].state == "Executing" ? 1 : 0;
        });
    EXPECT(told == 2);
  }
}

}  // namespace
}  // namespace consort::proxy
