// Times the classifier: CPU nanoseconds per statement, for statements of typical shapes.
// Usage: router_bench [rounds]
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>

#include "router/router.h"

namespace {

using namespace consort::router;

struct Shape {
  std::string_view name;
  std::string sql;
};

std::string bulk_insert(int rows) {
  std::string sql = "INSERT INTO sbtest1 (id, k, c, pad) VALUES";
  for (int i = 0; i < rows; ++i) {
    sql += (i == 0 ? " (" : ", (") + std::to_string(i) + ", 4711, '" + std::string(120, 'c') +
           "', '" + std::string(60, 'p') + "')";
  }
  return sql;
}

/// One line: nanoseconds for classify() and decide() together, and the text's throughput.
void time_shape(const Shape& shape, std::uint64_t rounds) {
  const SessionTraits session;
  std::uint64_t homes = 0;
  const std::clock_t start = std::clock();
  for (std::uint64_t i = 0; i < rounds; ++i) {
    const Statement statement = classify(shape.sql);
    homes += decide(statement, session).target == Target::kHome ? 1 : 0;
  }
  const double ns = static_cast<double>(std::clock() - start) * (1e9 / CLOCKS_PER_SEC) /
                    static_cast<double>(rounds);
  std::printf("%-22s %10.0f ns  %7zu bytes  %6.0f MB/s%s\n", std::string(shape.name).c_str(), ns,
              shape.sql.size(), static_cast<double>(shape.sql.size()) / ns * 1000,
              homes > 0 ? "  home" : "");
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t rounds = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 200000;
  const Shape shapes[] = {
      {"select 1", "SELECT 1"},
      {"begin", "BEGIN"},
      {"commit", "COMMIT"},
      {"point select", "SELECT c FROM sbtest1 WHERE id=501327"},
      {"range with order", "SELECT DISTINCT c FROM sbtest1 WHERE id BETWEEN 5 AND 104 ORDER BY c"},
      {"update by key", "UPDATE sbtest1 SET k=k+1 WHERE id=501327"},
      {"join with functions",
       "SELECT o.id, COUNT(*), MAX(p.price), DATE_FORMAT(o.created, '%Y-%m') FROM orders o JOIN "
       "items i ON i.order_id = o.id LEFT JOIN products p ON p.id = i.product_id WHERE o.state IN "
       "('open', 'paid') AND o.created > NOW() - INTERVAL 30 DAY GROUP BY o.id HAVING COUNT(*) > 1 "
       "ORDER BY o.id LIMIT 50"},
      {"set of a connector",
       "SET NAMES utf8mb4, character_set_results = NULL, sql_mode = "
       "CONCAT(@@sql_mode,',STRICT_TRANS_TABLES'), time_zone='+00:00', autocommit=1"},
      {"insert", bulk_insert(1)},
      {"insert, 1000 rows", bulk_insert(1000)},
  };
  for (const Shape& shape : shapes) {
    time_shape(shape, shape.sql.size() > 10000 ? rounds / 1000 + 1 : rounds);
  }
  return 0;
}
