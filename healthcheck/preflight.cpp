#include "healthcheck/preflight.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "healthcheck/fact_tools.h"

namespace consort::healthcheck {

namespace {

constexpr std::uint64_t kPacketBytesMin = 16ULL << 20;
constexpr std::uint64_t kPacketBytesWanted = 1ULL << 30;

/// A variable that must have one of these values (in lower case; "on" and "1" are one value, so are
/// "off" and "0").
struct Wanted {
  std::string_view variable;
  std::string_view value;
  Severity severity;
  std::string_view why;
  std::string_view mend;
};

constexpr std::array kWantedOfAll = {
    Wanted{"log_bin", "on", Severity::kError, "row changes are read from the binlog",
           "my.cnf [mysqld]: log_bin (then restart)"},
    Wanted{"binlog_format", "row", Severity::kError, "statements cannot be certified",
           "SET GLOBAL binlog_format='ROW'; my.cnf: binlog_format=ROW"},
    Wanted{"binlog_row_image", "full", Severity::kError, "keys need every column",
           "SET GLOBAL binlog_row_image='FULL'; my.cnf: binlog_row_image=FULL"},
    Wanted{"binlog_row_metadata", "full", Severity::kWarning,
           "signedness and character sets are then read from the catalog alone",
           "SET GLOBAL binlog_row_metadata='FULL'; my.cnf: binlog_row_metadata=FULL"},
    Wanted{"binlog_transaction_compression", "off", Severity::kError,
           "compressed transactions cannot be read",
           "SET GLOBAL binlog_transaction_compression=OFF"},
    Wanted{"autocommit", "on", Severity::kError, "transactions would begin unseen",
           "SET GLOBAL autocommit=1; my.cnf: autocommit=1"},
    Wanted{"xa_detach_on_prepare", "on", Severity::kError,
           "a prepared branch would stay with its connection",
           "SET GLOBAL xa_detach_on_prepare=ON"},
    Wanted{"super_read_only", "off", Severity::kError, "nothing can be applied",
           "SET GLOBAL super_read_only=OFF"},
    Wanted{"innodb_rollback_on_timeout", "off", Severity::kWarning,
           "a lock wait timeout then ends the whole transaction",
           "my.cnf: innodb_rollback_on_timeout=OFF (then restart)"},
    Wanted{"innodb_deadlock_detect", "on", Severity::kWarning,
           "deadlocks then last until innodb_lock_wait_timeout",
           "SET GLOBAL innodb_deadlock_detect=ON"},
    Wanted{"default_storage_engine", "innodb", Severity::kWarning,
           "tables of other engines cannot be written through Consort",
           "SET GLOBAL default_storage_engine=InnoDB; my.cnf: default_storage_engine=InnoDB"},
};

constexpr std::array kWantedOfMariadb = {
    Wanted{"log_bin_compress", "off", Severity::kError, "BINLOG refuses compressed events",
           "SET GLOBAL log_bin_compress=OFF; my.cnf: log_bin_compress=OFF"},
    Wanted{"slave_exec_mode", "strict", Severity::kError,
           "another mode hides differences between backends",
           "SET GLOBAL slave_exec_mode='STRICT'; my.cnf: slave_exec_mode=STRICT"},
    Wanted{"wsrep_on", "off", Severity::kError, "Galera refuses XA and replicates by itself",
           "my.cnf: wsrep_on=OFF (then restart)"},
    Wanted{"secure_timestamp", "no", Severity::kError,
           "sessions could not give their DDL the time that it has on the other servers",
           "my.cnf: secure_timestamp=NO (then restart)"},
    Wanted{"read_only", "off", Severity::kWarning,
           "clients without the READ_ONLY ADMIN privilege cannot write with it as their home",
           "SET GLOBAL read_only=OFF; my.cnf: read_only=OFF"},
};

constexpr std::array kWantedOfMysql = {
    Wanted{"enforce_gtid_consistency", "on", Severity::kError, "gtid_mode cannot be ON without it",
           "SET PERSIST enforce_gtid_consistency=ON"},
    Wanted{"gtid_mode", "on", Severity::kError,
           "the server tells by its GTID whether a transaction has changed anything",
           "SET PERSIST gtid_mode=OFF_PERMISSIVE, then ON_PERMISSIVE, then ON"},
    Wanted{"replica_exec_mode", "strict", Severity::kError,
           "another mode hides differences between backends",
           "SET PERSIST replica_exec_mode='STRICT'"},
    Wanted{"performance_schema", "on", Severity::kError,
           "it alone tells who holds the lock that a lane waits for",
           "my.cnf: performance_schema=ON (then restart)"},
    Wanted{"sql_generate_invisible_primary_key", "off", Severity::kError,
           "tables would get a column that they lack on other servers",
           "SET PERSIST sql_generate_invisible_primary_key=OFF"},
    Wanted{"read_only", "off", Severity::kWarning,
           "clients without the CONNECTION_ADMIN privilege cannot write with it as their home",
           "SET PERSIST read_only=OFF"},
    Wanted{"caching_sha2_password_storage_format", "crypt5", Severity::kWarning,
           "accounts whose passwords are set now cannot log in through Consort",
           "SET PERSIST caching_sha2_password_storage_format='CRYPT5'"},
};

/// Filters that would keep rows out of the binlog or out of an apply: must be empty.
constexpr std::array<std::string_view, 9> kFilters = {
    "replicate_do_db",         "replicate_ignore_db",
    "replicate_do_table",      "replicate_ignore_table",
    "replicate_wild_do_table", "replicate_wild_ignore_table",
    "replicate_rewrite_db",    "binlog_do_db",
    "binlog_ignore_db"};

/// Rights of an account by the name of each; of what is joined by '|' one is enough.
struct Privileges {
  /// Without these the lanes, streams and the control connection do not work.
  std::span<const std::string_view> needed;
  /// Without these some clients' DDL fails when it is executed for them.
  std::span<const std::string_view> for_ddl;
  /// What SUPER stands for.
  std::span<const std::string_view> within_super;
};

constexpr std::array<std::string_view, 10> kMariadbNeeded = {
    "SELECT",          "INSERT",  "UPDATE",
    "DELETE",          "CREATE",  "BINLOG ADMIN",
    "BINLOG REPLAY",   "PROCESS", "REPLICATION SLAVE",
    "CONNECTION ADMIN"};

constexpr std::array<std::string_view, 15> kMariadbForDdl = {
    "DROP",           "ALTER",         "INDEX",    "REFERENCES", "CREATE VIEW",
    "CREATE ROUTINE", "ALTER ROUTINE", "EVENT",    "TRIGGER",    "EXECUTE",
    "CREATE USER",    "RELOAD",        "SET USER", "SHOW VIEW",  "BINLOG MONITOR"};

/// Before MariaDB 10.11.
constexpr std::array<std::string_view, 4> kMariadbWithinSuper = {"BINLOG ADMIN", "BINLOG REPLAY",
                                                                 "CONNECTION ADMIN", "SET USER"};

constexpr std::array<std::string_view, 17> kMysqlNeeded = {
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "CREATE ROUTINE",
    "ALTER ROUTINE",
    "EXECUTE",  // the procedures that lanes call
    "PROCESS",
    "REPLICATION SLAVE",
    "REPLICATION CLIENT",
    "BACKUP_ADMIN",  // where the binlog ends, amid a statement
    "BINLOG_ADMIN|REPLICATION_APPLIER",
    "CONNECTION_ADMIN",
    "SYSTEM_USER",  // else who has it himself could not be killed
    "SYSTEM_VARIABLES_ADMIN",
    "XA_RECOVER_ADMIN"};

constexpr std::array<std::string_view, 13> kMysqlForDdl = {"DROP",
                                                           "ALTER",
                                                           "INDEX",
                                                           "REFERENCES",
                                                           "CREATE VIEW",
                                                           "SHOW VIEW",
                                                           "EVENT",
                                                           "TRIGGER",
                                                           "CREATE USER",
                                                           "RELOAD",
                                                           "ROLE_ADMIN",
                                                           "SET_ANY_DEFINER",
                                                           "ALLOW_NONEXISTENT_DEFINER"};

constexpr std::array<std::string_view, 3> kMysqlWithinSuper = {
    "BINLOG_ADMIN|REPLICATION_APPLIER", "CONNECTION_ADMIN", "SYSTEM_VARIABLES_ADMIN"};

Privileges privileges_of(const Version& version) {
  if (!version.mariadb) {
    return {kMysqlNeeded, kMysqlForDdl, kMysqlWithinSuper};
  }
  Privileges privileges{kMariadbNeeded, kMariadbForDdl, {}};
  if (!version.at_least(10, 11, 0)) {
    privileges.within_super = kMariadbWithinSuper;
  }
  return privileges;
}

void check_mysql_version(std::string_view text, const Version& version, Findings& out) {
  if (!version.at_least(8, 4, 0)) {
    add(out, Severity::kError, "version " + std::string(text) + " is too old",
        "upgrade to MySQL 8.4 or newer");
    return;
  }
  add(out, Severity::kWarning,
      "MySQL has no innodb_snapshot_isolation: REPEATABLE READ transactions may lose updates, as "
      "on any MySQL server",
      "SELECT .. FOR UPDATE of what a transaction changes");
}

void check_version(const Facts& facts, Findings& out) {
  const auto text = find(facts, "version");
  if (!text) {
    return;
  }
  const Version version = parse_version(*text);
  if (!version.mariadb) {
    check_mysql_version(*text, version, out);
    return;
  }
  if (!version.at_least(10, 6, 0)) {
    add(out, Severity::kError, "version " + std::string(*text) + " is too old",
        "upgrade to MariaDB 10.6 or newer");
  }
  if (!find(facts, "innodb_snapshot_isolation")) {
    add(out, Severity::kWarning,
        "innodb_snapshot_isolation does not exist: REPEATABLE READ transactions may lose updates",
        "upgrade to MariaDB 10.6.18, 10.11.8 or newer");
  }
}

void check_wanted(const Facts& facts, std::span<const Wanted> list, Findings& out) {
  for (const Wanted& wanted : list) {
    const auto value = find(facts, wanted.variable);
    if (value && canonical(*value) != wanted.value) {
      add(out, wanted.severity,
          std::string(wanted.variable) + " is " + std::string(*value) + ": " +
              std::string(wanted.why),
          wanted.mend);
    }
  }
}

/// MySQL alone can be told not to have an engine.
void check_engines(const Facts& facts, Findings& out) {
  const auto disabled = find(facts, "disabled_storage_engines");
  if (disabled && canonical(*disabled).find("myisam") == std::string::npos) {
    add(out, Severity::kWarning,
        "disabled_storage_engines does not name MyISAM: tables of other engines can be made, but "
        "not written through Consort",
        "my.cnf: disabled_storage_engines=MyISAM,MEMORY,CSV,ARCHIVE,BLACKHOLE,MRG_MYISAM (then "
        "restart)");
  }
}

void check_variables(const Facts& facts, Findings& out) {
  const bool mariadb = parse_version(fact(facts, "version")).mariadb;
  check_wanted(facts, kWantedOfAll, out);
  if (mariadb) {
    check_wanted(facts, kWantedOfMariadb, out);
  } else {
    check_wanted(facts, kWantedOfMysql, out);
    check_engines(facts, out);
  }
  if (canonical(fact(facts, "binlog_storage_engine")) == "innodb") {
    add(out, Severity::kError,
        "binlog_storage_engine is innodb: prepared branches are not in that binlog",
        "my.cnf: remove binlog_storage_engine (then restart)");
  }
  if (!fact(facts, "binlog_row_value_options").empty()) {
    add(out, Severity::kError, "binlog_row_value_options is set: partial JSON cannot be certified",
        "SET GLOBAL binlog_row_value_options=''");
  }
  if (!fact(facts, "init_connect").empty()) {
    add(out, Severity::kError,
        "init_connect is set: it would run on connections that sessions share, and what it writes "
        "would be on this server alone",
        "my.cnf: remove init_connect; SET GLOBAL init_connect=''; then set it through Consort");
  }
  for (const std::string_view filter : kFilters) {
    const std::string value = fact(facts, filter);
    if (!value.empty()) {
      add(out, Severity::kError, std::string(filter) + " is " + value + ": rows would be left out",
          "my.cnf: remove " + std::string(filter) + " (then restart)");
    }
  }
  const std::string filters = fact(facts, kFactBinlogFilters);
  if (!filters.empty()) {
    add(out, Severity::kError, "the binlog leaves databases out (" + filters + ")",
        "my.cnf: remove binlog_do_db and binlog_ignore_db (then restart)");
  }
  const auto packet = find(facts, "max_allowed_packet");
  const bool of_clients = !fact(facts, kFactPacketLimit).empty();  // what applies rows has its own
  if (packet && !of_clients && to_number(*packet) < kPacketBytesWanted) {
    add(out, to_number(*packet) < kPacketBytesMin ? Severity::kError : Severity::kWarning,
        "max_allowed_packet is " + std::string(*packet) +
            ": a transaction with more row data than this cannot be applied",
        "SET GLOBAL max_allowed_packet=1073741824; my.cnf: max_allowed_packet=1G");
  }
  std::string isolation = fact(facts, "tx_isolation") + fact(facts, "transaction_isolation");
  if (canonical(isolation).starts_with("serializable")) {
    add(out, Severity::kWarning,
        "the default isolation is SERIALIZABLE: safe only while one home takes all writes",
        "SET GLOBAL TRANSACTION ISOLATION LEVEL READ COMMITTED");
  }
  if (find(facts, "server_id") && to_number(fact(facts, "server_id")) == 0) {
    add(out, Severity::kError, "server_id is 0", "SET GLOBAL server_id=<a number of its own>");
  }
}

void check_events(const Facts& facts, Findings& out) {
  if (canonical(fact(facts, "event_scheduler")) != "on") {
    return;
  }
  const std::string events = fact(facts, kFactEvents);
  add(out, Severity::kError,
      events.empty() ? "event_scheduler is ON: an event would run on every backend, past Consort"
                     : "events run on this backend by themselves, past Consort: " + events,
      "SET GLOBAL event_scheduler=OFF; my.cnf: event_scheduler=OFF");
}

void check_privileges(const Facts& facts, Findings& out) {
  const auto list = find(facts, kFactPrivileges);
  const Version version = parse_version(fact(facts, "version"));
  if (!list || !find(facts, "version")) {
    return;
  }
  const Privileges privileges = privileges_of(version);
  const std::vector<std::string> held = split_list(*list);
  const auto holds = [&held](std::string_view names) {
    for (; !names.empty(); names.remove_prefix(std::min(names.find('|'), names.size() - 1) + 1)) {
      if (std::find(held.begin(), held.end(), names.substr(0, names.find('|'))) != held.end()) {
        return true;
      }
    }
    return false;
  };
  const auto lacks = [&](std::string_view name) {
    const auto& within = privileges.within_super;
    const bool by_super =
        holds("SUPER") && std::find(within.begin(), within.end(), name) != within.end();
    return !holds(name) && !by_super;
  };
  const auto lacking = [&](std::span<const std::string_view> wanted) {
    std::string names;
    for (const std::string_view name : wanted) {
      if (lacks(name)) {
        names += (names.empty() ? "" : ", ") + std::string(name);
      }
    }
    return names;
  };
  const std::string account = fact(facts, kFactAccount);
  const std::string grant = "GRANT ALL PRIVILEGES ON *.* TO " +
                            (account.empty() ? "<account>" : account) + " WITH GRANT OPTION";
  if (const std::string names = lacking(privileges.needed); !names.empty()) {
    add(out, Severity::kError, "the service account lacks " + names, grant);
  }
  if (const std::string names = lacking(privileges.for_ddl); !names.empty()) {
    add(out, Severity::kWarning,
        "the service account lacks " + names + ": clients' DDL that needs it fails", grant);
  }
  if (fact(facts, kFactMayGrant) == "NO") {
    add(out, Severity::kWarning,
        "the service account has no GRANT OPTION: clients' GRANT and REVOKE fail", grant);
  }
}

void check_place(const Facts& facts, std::string_view cluster_id, Findings& out) {
  const std::string masters = fact(facts, kFactReplicaOf);
  if (!masters.empty()) {
    add(out, Severity::kError, "it is a replica of " + masters,
        parse_version(fact(facts, "version")).mariadb ? "STOP ALL SLAVES; RESET SLAVE ALL"
                                                      : "STOP REPLICA; RESET REPLICA ALL");
  }
  const auto innodb = find(facts, kFactInnodb);
  if (innodb && canonical(*innodb) != "default" && canonical(*innodb) != "yes") {
    add(out, Severity::kError, "InnoDB is not available", "my.cnf: remove skip_innodb");
  }
  const std::string cluster = fact(facts, kFactCluster);
  if (!cluster.empty() && !cluster_id.empty() && cluster != cluster_id) {
    add(out, Severity::kError,
        "its consort.position belongs to cluster " + cluster + ", not to " +
            std::string(cluster_id),
        "make sure that its data equal the other backends', then DROP DATABASE consort");
  }
}

void check_tables(const Facts& facts, Findings& out) {
  const std::string others = fact(facts, kFactOtherEngines);
  if (!others.empty()) {
    add(out, Severity::kWarning,
        "tables of other engines cannot be written through Consort: " + others,
        "ALTER TABLE <table> ENGINE=InnoDB");
  }
  const std::string keyless = fact(facts, kFactKeyless);
  if (!keyless.empty()) {
    add(out, Severity::kWarning,
        "tables without primary key are slow to apply and conflict more: " + keyless,
        "ALTER TABLE <table> ADD PRIMARY KEY (...)");
  }
}

}  // namespace

std::vector<Finding> check_backend(const Facts& facts, std::string_view cluster_id) {
  Findings out;
  check_version(facts, out);
  check_variables(facts, out);
  check_place(facts, cluster_id, out);
  check_events(facts, out);
  check_privileges(facts, out);
  check_tables(facts, out);
  return out;
}

std::string refusal(std::span<const Finding> findings) {
  for (const Finding& finding : findings) {
    if (finding.severity == Severity::kError) {
      return "preflight: " + finding.what + " (mend: " + finding.mend + ")";
    }
  }
  return {};
}

}  // namespace consort::healthcheck
