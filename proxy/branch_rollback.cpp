#include "proxy/branch_rollback.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace consort::proxy {

namespace {

constexpr int kUnknownXid = 1397;
constexpr int kAlreadyRolledBack = 1402;
constexpr Duration kWaitMax = std::chrono::milliseconds(50);

}  // namespace

BranchRollback::Step BranchRollback::step(healthcheck::ServerLink& link, TimePoint now) {
  return owner_gone_ ? roll_back(link, now) : kill_owner(link, now);
}

BranchRollback::Step BranchRollback::kill_owner(healthcheck::ServerLink& link, TimePoint now) {
  const auto killed = link.query("KILL CONNECTION " + std::to_string(what_.owner_thread));
  if (!killed.ok() && killed.error().code != healthcheck::kNoSuchThread) {
    return Step{Result<BranchEnd>(killed.error()), {}};
  }
  if (killed.ok()) {
    return again(now, "its owner's connection does not end");
  }
  owner_gone_ = true;
  return roll_back(link, now);
}

BranchRollback::Step BranchRollback::roll_back(healthcheck::ServerLink& link, TimePoint now) {
  const auto done = link.query("XA ROLLBACK " + branch_xid_sql(cluster_, what_.branch));
  if (done.ok() || done.error().code == kAlreadyRolledBack) {
    return Step{Result<BranchEnd>(BranchEnd::kRolledBack), {}};
  }
  if (done.error().code != kUnknownXid) {
    return Step{Result<BranchEnd>(done.error()), {}};
  }
  const auto listed = list_prepared_branches(link);
  if (!listed.ok()) {
    return Step{Result<BranchEnd>(listed.error()), {}};
  }
  for (const PreparedBranch& branch : *listed) {
    if (branch.cluster == cluster_ && branch.branch == what_.branch) {
      return again(now, "it is prepared, but still attached to a connection");
    }
  }
  return Step{Result<BranchEnd>(BranchEnd::kNotThere), {}};
}

BranchRollback::Step BranchRollback::again(TimePoint now, const char* why) {
  if (now >= give_up_) {
    return Step{Result<BranchEnd>(make_error("branch " + branch_gtrid(cluster_, what_.branch) +
                                             " is not rolled back: " + why)),
                {}};
  }
  const Duration wait = wait_;
  wait_ = std::min(wait_ * 2, kWaitMax);
  return Step{std::nullopt, wait};
}

Result<std::vector<PreparedBranch>> list_prepared_branches(healthcheck::ServerLink& link) {
  const auto rows = link.query("XA RECOVER");
  if (!rows.ok()) {
    return rows.error();
  }
  std::vector<PreparedBranch> branches;
  for (const auto& row : rows->rows) {
    if (row.size() < 4 || healthcheck::cell_number(row[0]) != kXaFormatId || !row[3]) {
      continue;
    }
    const std::string_view name =
        std::string_view(*row[3]).substr(0, healthcheck::cell_number(row[1]));
    if (const auto parsed = parse_branch_gtrid(name)) {
      branches.push_back(PreparedBranch{parsed->cluster, parsed->branch});
    }
  }
  return branches;
}

}  // namespace consort::proxy
