// Preflight: whether a backend is fit for certified commits, and what mends it where it is not.
// Pure rules over facts: the server's global variables under their own names, and what is more to
// know under names that begin with "consort." (kFact..., below). An absent fact is not judged,
// except where its absence is itself the fault. Threads: any.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace consort::healthcheck {

using Facts = std::map<std::string, std::string, std::less<>>;

/// Facts that are no global variables. Lists are joined with ", " and cut after a few names.
inline constexpr std::string_view kFactPrivileges =
    "consort.privileges";                                               ///< of the account, global
inline constexpr std::string_view kFactAccount = "consort.account";     ///< CURRENT_USER()
inline constexpr std::string_view kFactMayGrant = "consort.may_grant";  ///< YES or NO
inline constexpr std::string_view kFactReplicaOf = "consort.replica_of";  ///< its masters
inline constexpr std::string_view kFactBinlogFilters = "consort.binlog_filters";
inline constexpr std::string_view kFactEvents = "consort.enabled_events";
inline constexpr std::string_view kFactOtherEngines = "consort.tables_of_other_engines";
/// Stored functions but those the server brings itself.
inline constexpr std::string_view kFactFunctions = "consort.stored_functions";
inline constexpr std::string_view kFactTriggers = "consort.triggers";
inline constexpr std::string_view kFactKeyless = "consort.tables_without_primary_key";
inline constexpr std::string_view kFactInnodb = "consort.innodb";  ///< SUPPORT of SHOW ENGINES
inline constexpr std::string_view kFactCluster = "consort.cluster";
/// What clients have SET GLOBAL max_allowed_packet to through Consort; empty: nothing.
inline constexpr std::string_view kFactPacketLimit = "consort.max_allowed_packet";
/// In front of a variable's name: what clients have SET GLOBAL it to through Consort, which needs
/// to know; empty: nothing.
inline constexpr std::string_view kFactKeptGlobal = "consort.kept.";
inline constexpr std::array<std::string_view, 6> kKeptGlobals = {
    "consort_event_scheduler", "consort_init_connect", "consort_max_connections",
    "consort_read_only",       "tx_read_only",         "wait_timeout"};
inline constexpr std::string_view kFactCollationId =
    "consort.collation_id";  ///< of collation_server

enum class Severity : std::uint8_t { kError, kWarning };

/// One miss. `what` says it for people, `mend` is SQL or a my.cnf line that ends it.
struct Finding {
  Severity severity = Severity::kWarning;
  std::string what;
  std::string mend;
};

/// Judges one backend by itself. `cluster_id`: what consort.position must say where it exists.
[[nodiscard]] std::vector<Finding> check_backend(const Facts& facts, std::string_view cluster_id);

struct NamedFacts {
  std::string name;
  const Facts* facts = nullptr;  ///< null: not known (yet), is not compared
};

/// Judges what must differ or be equal between backends. One list per backend, in order; a finding
/// stands at the later of two backends, so that the first keeps serving.
[[nodiscard]] std::vector<std::vector<Finding>> compare_backends(
    std::span<const NamedFacts> backends);

/// The first error's text, or empty: what keeps the backend out.
[[nodiscard]] std::string refusal(std::span<const Finding> findings);

}  // namespace consort::healthcheck
