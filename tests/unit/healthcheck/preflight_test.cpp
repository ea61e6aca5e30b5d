#include "healthcheck/preflight.h"

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/test.h"

using namespace consort::healthcheck;

namespace {

constexpr const char* kCluster = "5f0c3e1a-0000-4000-8000-000000000001";

/// A server that preflight has nothing to say about.
Facts fit_server() {
  return Facts{
      {"version", "10.11.19-MariaDB-0+deb12u1-log"},
      {"innodb_snapshot_isolation", "OFF"},
      {"log_bin", "ON"},
      {"binlog_format", "ROW"},
      {"binlog_row_image", "FULL"},
      {"binlog_row_metadata", "FULL"},
      {"log_bin_compress", "OFF"},
      {"slave_exec_mode", "STRICT"},
      {"autocommit", "ON"},
      {"wsrep_on", "OFF"},
      {"read_only", "OFF"},
      {"innodb_rollback_on_timeout", "OFF"},
      {"innodb_deadlock_detect", "ON"},
      {"default_storage_engine", "InnoDB"},
      {"replicate_do_db", ""},
      {"max_allowed_packet", "1073741824"},
      {"tx_isolation", "REPEATABLE-READ"},
      {"server_id", "11"},
      {"event_scheduler", "OFF"},
      {"lower_case_table_names", "0"},
      {"character_set_server", "utf8mb4"},
      {"collation_server", "utf8mb4_general_ci"},
      {"sql_mode", "STRICT_TRANS_TABLES"},
      {"time_zone", "SYSTEM"},
      {"system_time_zone", "UTC"},
      {std::string(kFactInnodb), "DEFAULT"},
      {std::string(kFactAccount), "'consort'@'%'"},
      {std::string(kFactMayGrant), "YES"},
      {std::string(kFactReplicaOf), ""},
      {std::string(kFactBinlogFilters), ""},
      {std::string(kFactEvents), ""},
      {std::string(kFactCluster), kCluster},
      {std::string(kFactPrivileges),
       "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER,"
       " SUPER, EXECUTE, REPLICATION SLAVE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE,"
       " ALTER ROUTINE, CREATE USER, EVENT, TRIGGER, BINLOG MONITOR, SET USER, CONNECTION ADMIN,"
       " BINLOG ADMIN, BINLOG REPLAY"},
  };
}

/// Likewise of the other brand, but for what every such server gets told.
Facts fit_mysql() {
  Facts facts = fit_server();
  for (const char* unknown : {"innodb_snapshot_isolation", "log_bin_compress", "slave_exec_mode",
                              "wsrep_on", "tx_isolation"}) {
    facts.erase(unknown);
  }
  facts["version"] = "9.7.4-2";
  facts["gtid_mode"] = "ON";
  facts["enforce_gtid_consistency"] = "ON";
  facts["binlog_transaction_compression"] = "OFF";
  facts["binlog_row_value_options"] = "";
  facts["replica_exec_mode"] = "STRICT";
  facts["xa_detach_on_prepare"] = "ON";
  facts["performance_schema"] = "ON";
  facts["super_read_only"] = "OFF";
  facts["sql_generate_invisible_primary_key"] = "OFF";
  facts["sql_require_primary_key"] = "OFF";
  facts["caching_sha2_password_storage_format"] = "CRYPT5";
  facts["default_collation_for_utf8mb4"] = "utf8mb4_general_ci";
  facts["disabled_storage_engines"] = "MyISAM,MEMORY";
  facts["transaction_isolation"] = "REPEATABLE-READ";
  facts[std::string(kFactPrivileges)] =
      "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER,"
      " EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, CREATE VIEW, SHOW VIEW, CREATE ROUTINE,"
      " ALTER ROUTINE, CREATE USER, EVENT, TRIGGER, REPLICATION_APPLIER, CONNECTION_ADMIN,"
      " SYSTEM_VARIABLES_ADMIN, XA_RECOVER_ADMIN, ROLE_ADMIN, SYSTEM_USER, SET_ANY_DEFINER,"
      " ALLOW_NONEXISTENT_DEFINER, BACKUP_ADMIN";
  return facts;
}

std::string told(const std::vector<Finding>& findings) {
  std::string out;
  for (const Finding& finding : findings) {
    out += (finding.severity == Severity::kError ? "E " : "W ") + finding.what + "\n";
  }
  return out;
}

}  // namespace

TEST_SUITE("healthcheck") {
  TEST_CASE("Preflight: a fit server raises nothing") {
    EXPECT(told(check_backend(fit_server(), kCluster)) == "");
    EXPECT(refusal(check_backend(fit_server(), kCluster)).empty());
  }

  TEST_CASE("Preflight: each miss is told once, with what mends it") {
    struct Row {
      std::string fact;
      std::string value;
      std::string told;  // beginning of the finding
      std::string mend;  // within the mend
    };

    const std::vector<Row> rows = {
        {"version", "10.5.29-MariaDB", "E version 10.5.29", "10.6"},
        {"log_bin", "OFF", "E log_bin is OFF", "log_bin"},
        {"binlog_format", "MIXED", "E binlog_format is MIXED", "SET GLOBAL binlog_format='ROW'"},
        {"binlog_row_image", "MINIMAL", "E binlog_row_image", "FULL"},
        {"binlog_row_metadata", "NO_LOG", "W binlog_row_metadata", "FULL"},
        {"log_bin_compress", "ON", "E log_bin_compress", "OFF"},
        {"init_connect", "DO 1", "E init_connect is set", "my.cnf: remove init_connect"},
        {"slave_exec_mode", "IDEMPOTENT", "E slave_exec_mode", "STRICT"},
        {"autocommit", "OFF", "E autocommit", "autocommit=1"},
        {"wsrep_on", "ON", "E wsrep_on", "wsrep_on=OFF"},
        {"read_only", "ON", "W read_only", "read_only=OFF"},
        {"secure_timestamp", "SUPER", "E secure_timestamp", "secure_timestamp=NO"},
        {"super_read_only", "ON", "E super_read_only", "OFF"},
        {"innodb_rollback_on_timeout", "ON", "W innodb_rollback_on_timeout", "OFF"},
        {"default_storage_engine", "MyISAM", "W default_storage_engine", "InnoDB"},
        {"binlog_storage_engine", "innodb", "E binlog_storage_engine", "remove"},
        {"xa_detach_on_prepare", "OFF", "E xa_detach_on_prepare", "ON"},
        {"replicate_wild_do_table", "a.%", "E replicate_wild_do_table", "remove"},
        {std::string(kFactBinlogFilters), "Binlog_Do_DB=a", "E the binlog leaves", "binlog_do_db"},
        {"max_allowed_packet", "16777216", "W max_allowed_packet", "1073741824"},
        {"max_allowed_packet", "1048576", "E max_allowed_packet", "1073741824"},
        {"tx_isolation", "SERIALIZABLE", "W the default isolation", "READ COMMITTED"},
        {"server_id", "0", "E server_id is 0", "server_id"},
        {"event_scheduler", "ON", "E event_scheduler", "OFF"},
        {std::string(kFactReplicaOf), "Master_Host=db9", "E it is a replica", "RESET SLAVE"},
        {std::string(kFactInnodb), "NO", "E InnoDB", "skip_innodb"},
        {std::string(kFactCluster), "other", "E its consort.position", "DROP DATABASE consort"},
        {std::string(kFactMayGrant), "NO", "W the service account has no GRANT", "GRANT OPTION"},
        {std::string(kFactOtherEngines), "a.b (MyISAM)", "W tables of other", "ENGINE=InnoDB"},
        {std::string(kFactKeyless), "a.b", "W tables without", "ADD PRIMARY KEY"},
        {std::string(kFactPrivileges), "USAGE", "E the service account lacks SELECT",
         "GRANT ALL PRIVILEGES ON *.* TO 'consort'@'%'"},
    };
    for (const Row& row : rows) {
      CAPTURE(row.fact);
      CAPTURE(row.value);
      Facts facts = fit_server();
      facts[row.fact] = row.value;
      const auto findings = check_backend(facts, kCluster);
      REQUIRE(!findings.empty());
      EXPECT(told(findings).starts_with(row.told));
      EXPECT(findings[0].mend.find(row.mend) != std::string::npos);
      EXPECT(refusal(findings).empty() == (row.told[0] == 'W'));
    }
  }

  TEST_CASE("Preflight: MySQL, and what mends it there") {
    constexpr std::string_view kAlways = "W MySQL has no innodb_snapshot_isolation";
    const auto fit = check_backend(fit_mysql(), kCluster);
    REQUIRE(fit.size() == 1);
    EXPECT(told(fit).starts_with(kAlways));

    struct Row {
      std::string fact;
      std::string value;
      std::string told;
      std::string mend;
    };

    const std::vector<Row> rows = {
        {"version", "8.0.44", "E version 8.0.44 is too old", "MySQL 8.4"},
        {"gtid_mode", "ON_PERMISSIVE", "E gtid_mode is ON_PERMISSIVE", "SET PERSIST gtid_mode"},
        {"enforce_gtid_consistency", "WARN", "E enforce_gtid_consistency", "SET PERSIST"},
        {"log_bin", "OFF", "E log_bin", "log_bin"},
        {"binlog_format", "STATEMENT", "E binlog_format", "ROW"},
        {"binlog_transaction_compression", "ON", "E binlog_transaction_compression", "OFF"},
        {"binlog_row_value_options", "PARTIAL_JSON", "E binlog_row_value_options", "=''"},
        {"replica_exec_mode", "IDEMPOTENT", "E replica_exec_mode", "STRICT"},
        {"xa_detach_on_prepare", "OFF", "E xa_detach_on_prepare", "ON"},
        {"performance_schema", "OFF", "E performance_schema", "restart"},
        {"super_read_only", "ON", "E super_read_only", "OFF"},
        {"read_only", "ON", "W read_only is ON: clients without the CONNECTION_ADMIN", "OFF"},
        {"sql_generate_invisible_primary_key", "ON", "E sql_generate_invisible", "OFF"},
        {"caching_sha2_password_storage_format", "PBKDF2_SHA512", "W caching_sha2", "CRYPT5"},
        {"disabled_storage_engines", "", "W disabled_storage_engines", "MyISAM"},
        {"event_scheduler", "ON", "E event_scheduler", "OFF"},
        {std::string(kFactReplicaOf), "Source_Host=db9", "E it is a replica", "RESET REPLICA ALL"},
        {std::string(kFactPrivileges), "USAGE",
         "E the service account lacks SELECT, INSERT, UPDATE, DELETE, CREATE, CREATE ROUTINE,"
         " ALTER ROUTINE, EXECUTE, PROCESS, REPLICATION SLAVE, REPLICATION CLIENT, BACKUP_ADMIN,"
         " BINLOG_ADMIN|REPLICATION_APPLIER,",
         "GRANT ALL PRIVILEGES ON *.* TO 'consort'@'%'"},
    };
    for (const Row& row : rows) {
      CAPTURE(row.fact);
      Facts facts = fit_mysql();
      facts[row.fact] = row.value;
      auto findings = check_backend(facts, kCluster);
      std::erase_if(findings,
                    [&](const Finding& finding) { return told({finding}).starts_with(kAlways); });
      REQUIRE(!findings.empty());
      EXPECT(told(findings).starts_with(row.told));
      EXPECT(findings[0].mend.find(row.mend) != std::string::npos);
      EXPECT(refusal(findings).empty() == (row.told[0] == 'W'));
    }
  }

  TEST_CASE("Preflight: each right that MySQL wants is missed by its name") {
    const auto without = [](const std::string& right) {
      Facts facts = fit_mysql();
      std::string& rights = facts[std::string(kFactPrivileges)];
      const std::string all = ", " + rights + ", ";
      const std::string wanted = ", " + right + ", ";
      const auto at = all.find(wanted);
      REQUIRE(at != std::string::npos);
      rights = all.substr(0, at) + all.substr(at + wanted.size() - 2);
      rights = rights.starts_with(", ") ? rights.substr(2) : rights;
      return facts;
    };
    for (const char* right : {"REPLICATION CLIENT", "EXECUTE", "BACKUP_ADMIN", "XA_RECOVER_ADMIN",
                              "CONNECTION_ADMIN", "SYSTEM_VARIABLES_ADMIN", "SYSTEM_USER"}) {
      CAPTURE(right);
      EXPECT(refusal(check_backend(without(right), kCluster))
                 .starts_with("preflight: the service account lacks " + std::string(right)));
    }
    EXPECT(refusal(check_backend(without("SET_ANY_DEFINER"), kCluster)).empty());
    EXPECT(check_backend(without("SET_ANY_DEFINER"), kCluster).size() == 2);

    Facts facts = without("REPLICATION_APPLIER");
    EXPECT_FALSE(refusal(check_backend(facts, kCluster)).empty());
    facts[std::string(kFactPrivileges)] += ", BINLOG_ADMIN";
    EXPECT(refusal(check_backend(facts, kCluster)).empty());

    facts = without("CONNECTION_ADMIN");
    facts[std::string(kFactPrivileges)] += ", SUPER";
    EXPECT(refusal(check_backend(facts, kCluster)).empty());
    facts = without("XA_RECOVER_ADMIN");
    facts[std::string(kFactPrivileges)] += ", SUPER";
    EXPECT_FALSE(refusal(check_backend(facts, kCluster)).empty());
  }

  TEST_CASE("Preflight: MariaDB and MySQL beside each other") {
    struct Row {
      bool of_mysql;
      std::string variable;
      std::string value;
      std::string told;
    };

    const std::vector<Row> rows = {
        {true, "default_collation_for_utf8mb4", "utf8mb4_0900_ai_ci",
         "E default_collation_for_utf8mb4 is 'utf8mb4_0900_ai_ci' on my"},
        {true, "collation_server", "utf8mb4_0900_ai_ci", "E collation_server is"},
        {false, "character_set_server", "latin1", "E character_set_server is 'latin1' on ma"},
        {false, "character_set_collations", "utf8mb4=utf8mb4_uca1400_ai_ci",
         "E character_set_collations is"},
        {false, "sql_mode", "STRICT_TRANS_TABLES,NO_AUTO_CREATE_USER",
         "E sql_mode on ma has NO_AUTO_CREATE_USER, which my does not know"},
        {true, "sql_mode", "TIME_TRUNCATE_FRACTIONAL",
         "E sql_mode on my has TIME_TRUNCATE_FRACTIONAL, which ma does not know"},
        {true, "sql_mode", "ANSI_QUOTES", "W sql_mode is"},
        {true, "sql_require_primary_key", "ON", "E sql_require_primary_key is"},
        {true, "lower_case_table_names", "1", "E lower_case_table_names is"},
    };
    for (const bool mysql_first : {false, true}) {
      Facts mariadb = fit_server();
      Facts mysql = fit_mysql();
      mysql["server_id"] = "12";
      const auto compared = [&] {
        const std::vector<NamedFacts> both = {
            {mysql_first ? "my" : "ma", mysql_first ? &mysql : &mariadb},
            {mysql_first ? "ma" : "my", mysql_first ? &mariadb : &mysql}};
        const auto findings = compare_backends(both);
        REQUIRE(findings[0].empty());
        return findings[1];
      };
      REQUIRE(compared().size() == 1);
      EXPECT(told(compared()).starts_with("W version is"));
      for (const Row& row : rows) {
        CAPTURE(row.variable);
        Facts& facts = row.of_mysql ? mysql : mariadb;
        const Facts before = facts;
        facts[row.variable] = row.value;
        const auto findings = compared();
        CAPTURE(told(findings));
        REQUIRE(findings.size() == 2);  // no variable twice
        EXPECT(told(findings).find(row.told) == 0);
        facts = before;
      }
    }
  }

  TEST_CASE("Preflight: how long clients' packets may be is theirs to say") {
    Facts facts = fit_server();
    facts["max_allowed_packet"] = "1024";
    REQUIRE_FALSE(refusal(check_backend(facts, kCluster)).empty());
    facts[std::string(kFactPacketLimit)] = "";  // nobody has said anything
    REQUIRE_FALSE(refusal(check_backend(facts, kCluster)).empty());
    facts[std::string(kFactPacketLimit)] = "1024";
    EXPECT(check_backend(facts, kCluster).empty());
  }

  TEST_CASE("Preflight: running events are an error, SUPER counts for what it held") {
    Facts facts = fit_server();
    facts["event_scheduler"] = "ON";
    facts[std::string(kFactEvents)] = "a.purge";
    EXPECT(told(check_backend(facts, kCluster)).starts_with("E events run"));

    facts = fit_server();
    std::string& privileges = facts[std::string(kFactPrivileges)];
    privileges.erase(privileges.find(", SET USER"));
    EXPECT(told(check_backend(facts, kCluster)).starts_with("E the service account lacks BINLOG"));
    facts["version"] = "10.6.21-MariaDB";
    EXPECT(told(check_backend(facts, kCluster)) == "");
  }

  TEST_CASE("Preflight: nothing is said of what is not known") {
    EXPECT(told(check_backend(Facts{}, kCluster)) == "");
  }

  TEST_CASE("Preflight: backends must differ in server_id and agree in the rest") {
    Facts first = fit_server();
    Facts second = fit_server();
    Facts third = fit_server();
    second["server_id"] = "12";
    second["sql_mode"] = "ANSI";
    second["lower_case_table_names"] = "1";
    first["innodb_sort_buffer_size"] = "1048576";
    second["innodb_sort_buffer_size"] = "65536";
    third["server_id"] = "12";
    third["time_zone"] = "+02:00";
    third["version"] = "11.4.2-MariaDB";
    const std::vector<NamedFacts> all = {
        {"a", &first}, {"gone", nullptr}, {"b", &second}, {"c", &third}};
    const auto findings = compare_backends(all);
    REQUIRE(findings.size() == 4);
    EXPECT(told(findings[0]) == "");
    EXPECT(told(findings[1]) == "");
    EXPECT(told(findings[2]) ==
           "E lower_case_table_names is '1', on a '0'\n"
           "E innodb_sort_buffer_size is '65536', on a '1048576'\n"
           "W sql_mode is 'ANSI', on a 'STRICT_TRANS_TABLES'\n");
    EXPECT(told(findings[3]).find("E server_id is 12 on b too") != std::string::npos);
    EXPECT(told(findings[3]).find("W time_zone is '+02:00', on a 'UTC'") != std::string::npos);
    EXPECT(told(findings[3]).find("W version is 11.4.2-MariaDB") != std::string::npos);
  }

  TEST_CASE("Preflight: a release that gives character sets other collations, beside one without") {
    Facts old = fit_server();
    Facts young = fit_server();
    young["server_id"] = "12";
    young["character_set_collations"] = "utf8mb4=utf8mb4_uca1400_ai_ci";
    for (const bool young_first : {false, true}) {
      const std::vector<NamedFacts> both = {{"a", young_first ? &young : &old},
                                            {"b", young_first ? &old : &young}};
      const auto findings = compare_backends(both);
      REQUIRE(findings[1].size() == 1);
      EXPECT(told(findings[1]).starts_with("W character_set_collations is 'utf8mb4=utf8mb4_uca"));
      EXPECT(findings[1][0].mend == std::string("my.cnf on ") + (young_first ? "a" : "b") +
                                        ": character_set_collations=''");
    }
    young["character_set_collations"] = "";
    const std::vector<NamedFacts> both = {{"a", &old}, {"b", &young}};
    EXPECT(told(compare_backends(both)[1]) == "");
  }
}
