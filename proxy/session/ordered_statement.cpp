#include "proxy/session/ordered_statement.h"

#include "certifier/lane_errors.h"

namespace consort::proxy {

DdlEnd OrderedStatement::end_of_failure() const {
  // The session, or its next transaction, is READ ONLY: the server has not even looked at the
  // objects, and the others, where nothing is, would do as they are told.
  constexpr std::uint16_t kReadOnlyTransaction = 1792;
  constexpr std::uint16_t kParseError = 1064;
  if (error == kReadOnlyTransaction) {
    return DdlEnd::kFailed;
  }
  // The others would do it with Consort's own rights.
  if (certifier::is_denial(error)) {
    return DdlEnd::kFailed;
  }
  // Not even its text was understood, perhaps of a server of another brand.
  if (error == kParseError) {
    return DdlEnd::kFailed;
  }
  const bool replaces = certifier::drops_before_creating(request.sql);
  // Another server may have the plugin that this one lacks: of a single account nothing was done.
  const bool of_one_account =
      certifier::is_of_its_account(error) && request.sql.find(',') == std::string::npos;
  if (of_one_account && !replaces) {
    return DdlEnd::kFailed;
  }
  const auto outcome = certifier::ddl_outcome(error);
  if (outcome == certifier::DdlOutcome::kRunTolerant || (outcome && replaces)) {
    return DdlEnd::kPartly;
  }
  // A lock or file that stood in the way of a later object; mostly of the first.
  return drops || replaces ? DdlEnd::kUnclear : DdlEnd::kFailed;
}

}  // namespace consort::proxy
