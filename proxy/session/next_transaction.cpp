#include "proxy/session/next_transaction.h"

#include "proxy/session/statement_rules.h"

namespace consort::proxy {

std::string NextTransaction::sql() const {
  std::string said;
  if (const std::string_view level = isolation_sql(isolation()); !level.empty()) {
    said.append("ISOLATION LEVEL ").append(level);
  }
  if (const auto access = read_only()) {
    said.append(said.empty() ? "" : ", ").append(*access ? "READ ONLY" : "READ WRITE");
  }
  return said.empty() ? said : "SET TRANSACTION " + said;
}

}  // namespace consort::proxy
