// Two transactions on two servers with equal data, at the same time, by chance in each other's way.
// What certification lets pass must apply on the other server, in log order, and leave both equal;
// so a key that fails to meet another one is found here, whatever rule it broke.
// ROUNDS, SEED, ONLY (part of a group's name) and VERBOSE in the environment; a failure prints the
// statements. NO_START certifies as if nobody knew when a branch began: that must fail.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "certifier/lane_sql.h"
#include "certifier/sequencer.h"
#include "proxy/catalog_loader.h"
#include "proxy/group_keys.h"
#include "tests/integration/cpp/dump_client.h"
#include "tests/integration/cpp/private_server.h"
#include "tests/support/test.h"

namespace consort::test {
namespace {

using certifier::Sequencer;
using certifier::VerdictKind;
using protocol::BinlogGroup;

constexpr unsigned kLockWait = 1205;

struct Column {
  std::string name;
  std::vector<std::string> values;  ///< literals
};

struct Table {
  std::string name;
  std::string body;  ///< behind CREATE TABLE name
  std::vector<Column> columns;
};

/// Tables that one round plays with, and what must never find a row there.
struct Group {
  std::string name;
  std::vector<Table> tables;
  std::vector<std::string> extra;    ///< further set-up, triggers
  std::vector<std::string> orphans;  ///< queries that must count 0
};

const std::vector<std::string>& small_numbers() {
  static const std::vector<std::string> values{"1", "2", "3", "4", "5"};
  return values;
}

const std::vector<std::string>& numbers_or_null() {
  static const std::vector<std::string> values{"1", "2", "3", "NULL"};
  return values;
}

const std::vector<std::string>& texts() {
  static const std::vector<std::string> values{
      "''",       "'a'",  "'A'",  "'a '",   "'ä'",    "'Ä'",  "'b'",       "'ab'",
      "'AB'",     "'ss'", "'ß'",  "'ae'",   "'c'",    "'ch'", "'cH'",      "'h'",
      "'fi'",     "'ﬁ'",  "'é'",  "'e'",    "'i'",    "'I'",  "'ı'",       "'å'",
      "'aa'",     "'l'",  "'ł'",  "' '",    "'a\\t'", "'日'", "'a\u200b'", "'e\u0301'",
      "'\u00ad'", "'y'",  "'ü'",  "'ue'",   "'u'",    "'v'",  "'w'",       "'dz'",
      "'ñ'",      "'n'",  "'ll'", "'a\\0'", "'0'",    "'٠'"};
  return values;
}

const std::vector<std::string>& plain_texts() {
  static const std::vector<std::string> values{"''",   "'a'",   "'A'",   "'a '", "'b'",
                                               "'ab'", "'abc'", "'abd'", "'AB'", "'b '"};
  return values;
}

Group one_text(const std::string& collation) {
  const std::string charset = collation.substr(0, collation.find('_'));
  const std::string type = "VARCHAR(6) CHARACTER SET " + charset + " COLLATE " + collation;
  return {"text_" + collation,
          {{"t_" + collation,
            "(k " + type + " PRIMARY KEY, u " + type + " UNIQUE, v INT, UNIQUE (v,u(2)))",
            {{"k", texts()}, {"u", texts()}, {"v", numbers_or_null()}}}},
          {},
          {}};
}

std::vector<Group> text_groups() {
  std::vector<Group> groups;
  for (const char* collation : {"utf8mb4_general_ci",
                                "utf8mb4_unicode_ci",
                                "utf8mb4_unicode_520_ci",
                                "utf8mb4_uca1400_ai_ci",
                                "utf8mb4_uca1400_as_ci",
                                "utf8mb4_uca1400_nopad_as_cs",
                                "utf8mb4_bin",
                                "utf8mb4_nopad_bin",
                                "utf8mb4_general_nopad_ci",
                                "utf8mb4_czech_ci",
                                "utf8mb4_swedish_ci",
                                "utf8mb4_german2_ci",
                                "utf8mb4_hungarian_ci",
                                "utf8mb4_turkish_ci",
                                "utf8mb4_spanish2_ci",
                                "utf8mb4_roman_ci",
                                "utf8mb4_croatian_ci",
                                "utf8mb3_general_ci",
                                "latin1_swedish_ci",
                                "latin1_german1_ci",
                                "latin1_german2_ci",
                                "latin1_bin",
                                "latin1_spanish_ci",
                                "latin2_czech_cs",
                                "cp1250_czech_cs",
                                "ucs2_general_ci",
                                "utf16_unicode_ci",
                                "utf32_bin",
                                "gbk_chinese_ci",
                                "sjis_japanese_ci",
                                "tis620_thai_ci",
                                "cp932_bin",
                                "big5_chinese_ci"}) {
    groups.push_back(one_text(collation));
  }
  return groups;
}

std::vector<Group> plain_groups() {
  const auto& n = small_numbers();
  const auto& nn = numbers_or_null();
  const auto& t = plain_texts();
  return {
      {"unique",
       {{"t_unique",
         "(id INT PRIMARY KEY, u VARCHAR(6) UNIQUE, n INT UNIQUE, v INT)",
         {{"id", n}, {"u", t}, {"n", nn}, {"v", n}}}},
       {},
       {}},
      {"prefix",
       {{"t_prefix",
         "(id INT PRIMARY KEY, p VARCHAR(10) CHARACTER SET latin1, x TEXT, b VARBINARY(8), "
         "UNIQUE (p(2)), UNIQUE (x(1)), UNIQUE (b(2)))",
         {{"id", n}, {"p", t}, {"x", texts()}, {"b", t}}}},
       {},
       {}},
      {"no_key",
       {{"t_no_key",
         "(a INT, b VARCHAR(6), c DOUBLE)",
         {{"a", nn}, {"b", t}, {"c", {"0", "-0.0", "1.5", "NULL"}}}}},
       {},
       {}},
      {"nullable",
       {{"t_nullable",
         "(u INT UNIQUE, w VARCHAR(4), v INT, UNIQUE (w,u))",
         {{"u", nn}, {"w", t}, {"v", nn}}}},
       {},
       {}},
      {"binary",
       {{"t_binary",
         "(k VARBINARY(4) PRIMARY KEY, b BINARY(3) UNIQUE, c CHAR(4) UNIQUE)",
         {{"k", {"'a'", "'a\\0'", "'A'", "'a '", "''"}},
          {"b", {"'a'", "'a\\0'", "'A'", "'a '", "''"}},
          {"c", t}}}},
       {},
       {}},
      {"number",
       {{"t_number",
         "(d DOUBLE PRIMARY KEY, e DECIMAL(6,2) UNIQUE, f FLOAT, UNIQUE (f))",
         {{"d", {"0", "-0.0", "1", "2.5", "1e300"}},
          {"e", {"0", "-0.001", "1.10", "1.1", "-5"}},
          {"f", {"0", "-0.0", "3.25", "NULL"}}}}},
       {},
       {}},
      {"generated",
       {{"t_generated",
         "(id INT PRIMARY KEY, a INT, s INT AS (a MOD 3) VIRTUAL UNIQUE, "
         "g VARCHAR(6) AS (CONCAT('x',a DIV 2)) STORED UNIQUE)",
         {{"id", n}, {"a", {"1", "2", "3", "4", "5", "6", "NULL"}}}}},
       {},
       {}},
      {"temporal",
       {{"t_temporal",
         "(dt DATETIME(2) PRIMARY KEY, ti TIME UNIQUE, y YEAR, e ENUM('a','b','c'), "
         "ts TIMESTAMP(3) NULL UNIQUE, UNIQUE (y,e))",
         {{"dt", {"'2020-01-01'", "'2020-01-01 00:00:00.01'", "'2021-05-05'"}},
          {"ti", {"'-00:00:00'", "'00:00:00'", "'10:00:00'", "NULL"}},
          {"y", {"2000", "2001", "NULL"}},
          {"e", {"'a'", "'b'", "NULL"}},
          {"ts", {"'2020-01-01'", "'2020-01-01 00:00:00.001'", "NULL"}}}}},
       {},
       {}},
      {"bits",
       {{"t_bits",
         "(b BIT(3) PRIMARY KEY, s SET('x','y') UNIQUE, i INET6 UNIQUE, w UUID UNIQUE)",
         {{"b", {"1", "2", "3"}},
          {"s", {"'x'", "'x,y'", "''", "NULL"}},
          {"i", {"'::'", "'::1'", "'1::'", "NULL"}},
          {"w",
           {"'00000000-0000-0000-0000-000000000000'", "'10000000-0000-0000-0000-000000000000'",
            "NULL"}}}}},
       {},
       {}},
      {"long_unique",
       {{"t_long",
         "(id INT PRIMARY KEY, x TEXT UNIQUE, y VARCHAR(2000), UNIQUE (y,id))",
         {{"id", n}, {"x", texts()}, {"y", t}}}},
       {},
       {}},
      {"long_unique_only",
       {{"t_long_only", "(x TEXT NOT NULL UNIQUE, v INT)", {{"x", texts()}, {"v", n}}}},
       {},
       {}},
      {"versioned",
       {{"t_versioned",
         "(id INT PRIMARY KEY, u VARCHAR(4) UNIQUE, v INT) WITH SYSTEM VERSIONING",
         {{"id", n}, {"u", t}, {"v", n}}}},
       {},
       {}},
      {"overlaps",
       {{"t_overlaps",
         "(room INT, d1 DATE, d2 DATE, PERIOD FOR p(d1,d2), UNIQUE (room, p WITHOUT OVERLAPS))",
         {{"room", {"1", "2"}},
          {"d1", {"'2020-01-01'", "'2020-01-03'", "'2020-01-05'"}},
          {"d2", {"'2020-01-02'", "'2020-01-04'", "'2020-01-06'"}}}}},
       {},
       {}},
      {"compressed",
       {{"t_compressed",
         "(id INT PRIMARY KEY, x TEXT COMPRESSED, y VARCHAR(20) COMPRESSED)",
         {{"id", n}, {"x", t}, {"y", t}}},
        {"t_compressed_no_key", "(x TEXT COMPRESSED, v INT)", {{"x", t}, {"v", n}}}},
       {},
       {}},
      {"trigger",
       {{"t_source", "(id INT PRIMARY KEY, v INT)", {{"id", n}, {"v", n}}},
        {"t_counter", "(id INT PRIMARY KEY, v INT)", {{"id", n}, {"v", n}}},
        {"t_trail", "(id INT, v INT)", {{"id", n}, {"v", n}}}},
       {"CREATE TRIGGER on_insert AFTER INSERT ON t_source FOR EACH ROW BEGIN "
        "UPDATE t_counter SET v=v+1 WHERE id=NEW.v; INSERT INTO t_trail VALUES (NEW.id,1); END",
        "CREATE TRIGGER on_delete BEFORE DELETE ON t_source FOR EACH ROW "
        "DELETE FROM t_trail WHERE id=OLD.id LIMIT 1"},
       {}},
      {"partitioned",
       {{"t_partitioned",
         "(id INT, v INT, PRIMARY KEY (id,v)) PARTITION BY HASH (v) PARTITIONS 3",
         {{"id", n}, {"v", n}}}},
       {},
       {}},
  };
}

std::string orphans(const std::string& child,
                    const std::string& parent,
                    const std::string& child_column,
                    const std::string& parent_column) {
  return "SELECT COUNT(*) FROM " + child + " c LEFT JOIN " + parent + " p ON c." + child_column +
         "=p." + parent_column + " WHERE c." + child_column + " IS NOT NULL AND p." +
         parent_column + " IS NULL";
}

std::vector<Group> foreign_key_groups() {
  const auto& n = small_numbers();
  const auto& nn = numbers_or_null();
  const std::vector<std::string> codes{"'a'", "'A'", "'b'", "'b '", "NULL"};
  const std::string code = "VARCHAR(4) CHARACTER SET utf8mb4 COLLATE ";
  const Table parent{"p",
                     "(id INT PRIMARY KEY, code " + code + "utf8mb4_bin UNIQUE, ci " + code +
                         "utf8mb4_general_ci UNIQUE, nu INT, v INT, KEY (nu))",
                     {{"id", n}, {"code", codes}, {"ci", codes}, {"nu", nn}, {"v", n}}};
  const auto family = [&](const std::string& name, const Table& child, const std::string& orphan) {
    return Group{name, {parent, child}, {}, {orphan}};
  };
  std::vector<Group> groups{
      family("restrict",
             {"c_restrict",
              "(id INT PRIMARY KEY, pid INT, v INT, FOREIGN KEY (pid) REFERENCES p(id))",
              {{"id", n}, {"pid", nn}, {"v", n}}},
             orphans("c_restrict", "p", "pid", "id")),
      family("cascade",
             {"c_cascade",
              "(id INT PRIMARY KEY, pid INT, v INT, FOREIGN KEY (pid) REFERENCES p(id) "
              "ON DELETE CASCADE ON UPDATE CASCADE)",
              {{"id", n}, {"pid", nn}, {"v", n}}},
             orphans("c_cascade", "p", "pid", "id")),
      family("set_null",
             {"c_null",
              "(id INT PRIMARY KEY, code " + code +
                  "utf8mb4_bin UNIQUE, v INT, FOREIGN KEY (code) "
                  "REFERENCES p(code) ON DELETE SET NULL ON UPDATE CASCADE)",
              {{"id", n}, {"code", codes}, {"v", n}}},
             orphans("c_null", "p", "code", "code")),
      family("case_blind",
             {"c_ci",
              "(id INT PRIMARY KEY, ci " + code +
                  "utf8mb4_general_ci, FOREIGN KEY (ci) "
                  "REFERENCES p(ci) ON UPDATE CASCADE)",
              {{"id", n}, {"ci", codes}}},
             orphans("c_ci", "p", "ci", "ci")),
      family("not_unique",
             {"c_nu", "(nu INT, v INT, FOREIGN KEY (nu) REFERENCES p(nu))", {{"nu", nn}, {"v", n}}},
             orphans("c_nu", "p", "nu", "nu")),
  };
  groups.push_back(
      {"grandchildren",
       {parent,
        {"c_middle",
         "(id INT PRIMARY KEY, pid INT UNIQUE, FOREIGN KEY (pid) REFERENCES p(id) ON DELETE "
         "CASCADE "
         "ON UPDATE SET NULL)",
         {{"id", n}, {"pid", nn}}},
        {"c_last",
         "(id INT PRIMARY KEY, mid INT, pid INT, FOREIGN KEY (mid) REFERENCES c_middle(id) "
         "ON DELETE SET NULL, FOREIGN KEY (pid) REFERENCES c_middle(pid) ON UPDATE CASCADE "
         "ON DELETE CASCADE)",
         {{"id", n}, {"mid", nn}, {"pid", nn}}}},
       {},
       {orphans("c_middle", "p", "pid", "id"), orphans("c_last", "c_middle", "mid", "id"),
        orphans("c_last", "c_middle", "pid", "pid")}});
  groups.push_back({"tree",
                    {{"tree",
                      "(id INT PRIMARY KEY, up INT, v INT, FOREIGN KEY (up) REFERENCES tree(id) ON "
                      "DELETE CASCADE)",
                      {{"id", n}, {"up", nn}, {"v", n}}}},
                    {},
                    {orphans("tree", "tree", "up", "id")}});
  groups.push_back({"no_key_parent",
                    {{"np", "(nu INT, v INT, KEY (nu))", {{"nu", nn}, {"v", n}}},
                     {"nc",
                      "(nu INT, v INT, FOREIGN KEY (nu) REFERENCES np(nu) ON DELETE CASCADE)",
                      {{"nu", nn}, {"v", n}}}},
                    {},
                    {orphans("nc", "np", "nu", "nu")}});
  groups.push_back(
      {"pair",
       {{"pp",
         "(a INT, b VARCHAR(3) COLLATE utf8mb4_general_ci, v INT, PRIMARY KEY (a,b))",
         {{"a", n}, {"b", {"'x'", "'X'", "'y'"}}, {"v", n}}},
        {"pc",
         "(id INT PRIMARY KEY, a INT, b VARCHAR(3) COLLATE utf8mb4_general_ci, "
         "FOREIGN KEY (a,b) REFERENCES pp(a,b))",
         {{"id", n}, {"a", nn}, {"b", {"'x'", "'X'", "'y'", "NULL"}}}}},
       {},
       {"SELECT COUNT(*) FROM pc LEFT JOIN pp USING (a,b) WHERE pc.a IS NOT NULL AND pc.b IS NOT "
        "NULL AND pp.a IS NULL"}});
  return groups;
}

/// Chooses.
class Dice {
 public:
  explicit Dice(unsigned seed) : engine_(seed) {}

  std::size_t below(std::size_t count) { return engine_() % count; }

  bool one_in(std::size_t count) { return below(count) == 0; }

  template <typename T>
  const T& pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }

 private:
  std::mt19937 engine_;
};

std::string random_values(Dice& dice, const Table& table) {
  std::string text;
  for (const Column& column : table.columns) {
    text += (text.empty() ? "(" : ",") + dice.pick(column.values);
  }
  return text + ")";
}

std::string column_list(const Table& table) {
  std::string text;
  for (const Column& column : table.columns) {
    text += (text.empty() ? "(" : ",") + column.name;
  }
  return text + ")";
}

std::string random_set(Dice& dice, const Table& table) {
  const Column& column = dice.pick(table.columns);
  return column.name + "=" + dice.pick(column.values);
}

std::string random_where(Dice& dice, const Table& table) {
  if (dice.one_in(8)) {
    return " LIMIT 1";
  }
  const Column& column = dice.pick(table.columns);
  return " WHERE " + column.name + "<=>" + dice.pick(column.values);
}

std::string random_statement(Dice& dice, const Group& group) {
  const Table& table = dice.pick(group.tables);
  const std::string into = "INTO " + table.name + column_list(table) + " VALUES ";
  switch (dice.below(10)) {
    case 0:
    case 1:
    case 2:
      return "INSERT " + into + random_values(dice, table);
    case 3:
      return "INSERT IGNORE " + into + random_values(dice, table) + "," +
             random_values(dice, table);
    case 4:
      return "REPLACE " + into + random_values(dice, table);
    case 5:
      return "INSERT " + into + random_values(dice, table) + " ON DUPLICATE KEY UPDATE " +
             random_set(dice, table);
    case 6:
    case 7:
      return "UPDATE " + std::string(dice.one_in(3) ? "IGNORE " : "") + table.name + " SET " +
             random_set(dice, table) + random_where(dice, table);
    case 8:
      return "UPDATE IGNORE " + table.name + " SET " + random_set(dice, table) + "," +
             random_set(dice, table) + random_where(dice, table);
    default:
      return "DELETE FROM " + table.name + random_where(dice, table);
  }
}

/// One of the two backends, with a client, a lane and an administrator's connection.
struct Backend {
  explicit Backend(std::uint32_t server_id)
      : server(server_id, {"--innodb-lock-wait-timeout=1"}),
        client(server.connect()),
        lane(server.connect()),
        admin(server.connect()) {
    for (const std::string& sql : certifier::lane_session_setup()) {
      run_sql(lane.get(), sql);
    }
    run_sql(lane.get(), "SET innodb_lock_wait_timeout=0");  // blocked: say so at once
    run_sql(admin.get(), "SET sql_log_bin=0");
    run_sql(admin.get(), "CREATE DATABASE pairs CHARACTER SET utf8mb4");
    run_sql(admin.get(), "USE pairs");
    run_sql(client.get(), "USE pairs");
    run_sql(client.get(), "SET pseudo_slave_mode=1, innodb_snapshot_isolation=ON, sql_mode=''");
  }

  [[nodiscard]] protocol::BinlogPosition binlog_end() const {
    const SqlRows status = run_sql(admin.get(), "SHOW MASTER STATUS");
    return {status.at(0).at(0), std::stoull(status.at(0).at(1))};
  }

  PrivateServer server;
  MysqlPtr client;
  MysqlPtr lane;
  MysqlPtr admin;
  bool lane_ready = false;
};

/// A transaction that is prepared on its home.
struct Prepared {
  std::string name;
  std::vector<std::string> statements;
  std::vector<BinlogGroup> groups;  ///< none: it changed nothing
  std::vector<RowKey> keys;
  bool open = false;  ///< the branch waits for its end
};

class Pairs {
 public:
  explicit Pairs(unsigned seed) : first_(21), second_(22), dice_(seed) {}

  void set_isolation(const std::string& level) {
    for (Backend* backend : {&first_, &second_}) {
      run_sql(backend->client.get(), "SET SESSION TRANSACTION ISOLATION LEVEL " + level);
    }
  }

  void create(const Group& group) {
    for (Backend* backend : {&first_, &second_}) {
      run_sql(backend->admin.get(), "SET foreign_key_checks=0");
      run_sql(backend->admin.get(), "DROP DATABASE pairs");
      run_sql(backend->admin.get(), "CREATE DATABASE pairs CHARACTER SET utf8mb4");
      run_sql(backend->admin.get(), "USE pairs");
      run_sql(backend->client.get(), "USE pairs");
      for (const Table& table : group.tables) {
        run_sql(backend->admin.get(), "CREATE TABLE " + table.name + table.body);
      }
      for (const std::string& sql : group.extra) {
        run_sql(backend->admin.get(), sql);
      }
      run_sql(backend->admin.get(), "SET foreign_key_checks=1");
    }
    catalog_.invalidate();
  }

  /// One round; false when certification let something pass that it should not have.
  bool play(const Group& group) {
    ++rounds;
    const Seqno first_seqno{1};
    Prepared one = prepare(first_, group, [] {});
    std::string problem;
    bool seen = false;
    const auto meanwhile = [&] {
      if (dice_.one_in(3)) {
        end(first_, one, "XA COMMIT ");
        problem = apply(second_, one);
        seen = problem.empty();
        problem = is_lock_wait(problem) ? "" : problem;
      }
    };
    Prepared two = prepare(second_, group, meanwhile);
    if (seen) {
      return judge(group, one, two, commit_after(one, two));
    }
    const bool passes = certify(one, two, {Seqno{0}, Seqno{0}});
    conflicts += passes ? 0 : 1;
    if (!problem.empty()) {
      return judge(group, one, two, problem);
    }
    if (passes) {
      problem = commit_both(one, two);
    } else if (certify(one, two, {Seqno{0}, first_seqno})) {
      problem = commit_late(one, two);
    } else {
      end(second_, two, "XA ROLLBACK ");
      end(first_, one, "XA COMMIT ");
      problem = apply(second_, one);
    }
    return judge(group, one, two, problem);
  }

  std::size_t rounds = 0;
  std::size_t conflicts = 0;
  std::size_t blocked = 0;
  std::size_t late = 0;     ///< not kept apart by row locks
  std::size_t between = 0;  ///< applied while the other's branch was open

 private:
  bool judge(const Group& group, const Prepared& one, const Prepared& two, std::string problem) {
    if (problem.empty()) {
      problem = compare(group);
    }
    if (!problem.empty()) {
      report(group, one, two, problem);
    }
    return problem.empty();
  }

  /// `meanwhile` is called once after the first statement.
  Prepared prepare(Backend& home, const Group& group, const std::function<void()>& meanwhile) {
    Prepared prepared;
    prepared.name = "'pairs-" + std::to_string(++branches_) + "'";
    const protocol::BinlogPosition from = home.binlog_end();
    MYSQL* client = home.client.get();
    run_sql(client, "XA START " + prepared.name);
    for (std::size_t i = 0, count = 1 + dice_.below(3); i < count; ++i) {
      const std::string sql = random_statement(dice_, group);
      const unsigned error = try_sql(client, sql);
      prepared.statements.push_back(sql + (error ? "  -- " + std::to_string(error) : ""));
      if (error == 1213 || error == 1020) {
        run_sql(client, "XA ROLLBACK " + prepared.name);
        return prepared;
      }
      if (i == 0) {
        meanwhile();
      }
    }
    run_sql(client, "XA END " + prepared.name);
    run_sql(client, "XA PREPARE " + prepared.name);
    prepared.open = true;
    Dump dump = read_dump(home.server.port(), from);
    for (BinlogGroup& captured : dump.groups) {
      if (captured.has_rows) {
        REQUIRE_FALSE(captured.unfit.has_value());
        prepared.groups.push_back(std::move(captured));
      }
    }
    if (!first_format_.empty() || !dump.format_description.empty()) {
      first_format_ = dump.format_description;
    }
    REQUIRE(prepared.groups.size() <= 1);
    if (!prepared.groups.empty()) {
      prepared.keys = keys_of(home, prepared.groups.front());
    }
    return prepared;
  }

  std::vector<RowKey> keys_of(Backend& home, BinlogGroup& captured) {
    for (auto missing = proxy::group_missing_tables(captured, builder_); !missing.empty();
         missing = proxy::group_missing_tables(captured, builder_)) {
      for (const certifier::TableRef& name : missing) {
        auto definition = proxy::load_table_definition(home.admin.get(), name);
        REQUIRE_MESSAGE(definition.ok(), definition.error().message);
        catalog_.put(std::move(definition).value());
      }
    }
    proxy::flag_foreign_keys(captured, catalog_);
    auto keys = proxy::group_keys(captured, builder_);
    REQUIRE_MESSAGE(keys.ok(), keys.error().message);
    return std::move(keys).value();
  }

  /// True when `two` passes, `one` having got seqno 1 before.
  bool certify(const Prepared& one, const Prepared& two, const certifier::LastSeen& last_seen) {
    if (one.groups.empty() || two.groups.empty()) {
      return true;
    }
    Sequencer sequencer;
    const auto first = sequencer.certify({{}, BackendId{0}, Seqno{0}, Seqno{0}, one.keys});
    REQUIRE(first.kind == VerdictKind::kPass);
    certifier::CertifyRequest request{
        {}, BackendId{1}, last_seen.at_prepare, last_seen.at_answer, two.keys};
    if (removes_parents(two)) {
      request.last_seen_at_start = Seqno{0};
    }
    return sequencer.certify(request).kind == VerdictKind::kPass;
  }

  /// May have deleted rows that foreign keys refer to, or given them other keys.
  bool removes_parents(const Prepared& branch) const {
    const auto& tables = branch.groups.front().tables;
    return std::getenv("NO_START") == nullptr &&
           std::any_of(tables.begin(), tables.end(), [this](const protocol::BinlogTable& table) {
             const auto definition = catalog_.find({table.schema, table.table});
             return definition != nullptr && !definition->referenced_by.empty();
           });
  }

  static void end(Backend& home, Prepared& branch, const std::string& how) {
    if (branch.open) {
      const unsigned error = try_sql(home.admin.get(), how + branch.name);
      REQUIRE_MESSAGE((error == 0 || error == 1402), how, branch.name, ": ", error);
      branch.open = false;
    }
  }

  /// The rows of `one` were applied while the branch of `two` was open.
  std::string commit_after(Prepared& one, Prepared& two) {
    ++between;
    if (!certify(one, two, {Seqno{1}, Seqno{1}})) {
      ++conflicts;
      end(second_, two, "XA ROLLBACK ");
      return {};
    }
    end(second_, two, "XA COMMIT ");
    return apply(first_, two);
  }

  /// They conflict, unless the rows of `one` were applied after the XA PREPARE of `two`: where that
  /// is possible, no row lock kept them apart, and they are held not to conflict.
  std::string commit_late(Prepared& one, Prepared& two) {
    end(first_, one, "XA COMMIT ");
    std::string problem = apply(second_, one);
    if (is_lock_wait(problem)) {
      end(second_, two, "XA ROLLBACK ");
      return apply(second_, one);
    }
    ++late;
    end(second_, two, "XA COMMIT ");
    return problem.empty() ? apply(first_, two) : problem;
  }

  static bool is_lock_wait(const std::string& problem) {
    return problem.find(": " + std::to_string(kLockWait) + " ") != std::string::npos;
  }

  std::string commit_both(Prepared& one, Prepared& two) {
    end(first_, one, "XA COMMIT ");
    std::string problem = apply(second_, one);
    if (is_lock_wait(problem)) {
      ++blocked;  // by a gap or a parent's lock: the lane would log a replay
      end(second_, two, "XA ROLLBACK ");
      problem = apply(second_, one);
      return problem.empty() ? apply(second_, two) + apply(first_, two) : problem;
    }
    end(second_, two, "XA COMMIT ");
    return problem.empty() ? apply(first_, two) : problem;
  }

  /// Empty, or the error.
  std::string apply(Backend& on, const Prepared& what) {
    if (what.groups.empty()) {
      return {};
    }
    if (!on.lane_ready) {
      run_sql(on.lane.get(), "BINLOG '" + certifier::base64(first_format_) + "'");
      on.lane_ready = true;
    }
    const std::string sql =
        certifier::compound_sql("START TRANSACTION; BINLOG '" +
                                certifier::base64(what.groups.front().events) + "'; COMMIT; ");
    const unsigned error = try_sql(on.lane.get(), sql);
    return error == 0 ? std::string()
                      : "applying " + what.name + ": " + std::to_string(error) + " " +
                            mysql_error(on.lane.get());
  }

  std::string compare(const Group& group) {
    for (const Table& table : group.tables) {
      const std::string sql = "SELECT * FROM " + table.name;
      SqlRows here = run_sql(first_.admin.get(), sql);
      SqlRows there = run_sql(second_.admin.get(), sql);
      std::sort(here.begin(), here.end());
      std::sort(there.begin(), there.end());
      if (here != there) {
        return table.name + " differs";
      }
    }
    for (const std::string& sql : group.orphans) {
      if (run_sql(first_.admin.get(), sql)[0][0] != "0" ||
          run_sql(second_.admin.get(), sql)[0][0] != "0") {
        return "orphans: " + sql;
      }
    }
    return {};
  }

  static void report(const Group& group,
                     const Prepared& one,
                     const Prepared& two,
                     const std::string& problem) {
    std::string text = group.name + ": " + problem + "\n";
    for (const Prepared* branch : {&one, &two}) {
      text += branch->name + "\n";
      for (const std::string& statement : branch->statements) {
        text += "    " + statement + "\n";
      }
    }
    DOCTEST_MESSAGE(text);
  }

  Backend first_;
  Backend second_;
  Dice dice_;
  certifier::SchemaCatalog catalog_;
  certifier::KeyBuilder builder_{catalog_};
  Buffer first_format_;
  std::size_t branches_ = 0;
};

std::size_t number_from(const char* variable, std::size_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::stoull(text);
}

std::vector<Group> all_groups() {
  std::vector<Group> groups = plain_groups();
  for (const auto& more : {foreign_key_groups(), text_groups()}) {
    groups.insert(groups.end(), more.begin(), more.end());
  }
  return groups;
}

TEST_SUITE("integration") {
  TEST_CASE("Certification: what passes applies elsewhere and leaves the servers equal") {
    const std::size_t rounds = number_from("ROUNDS", 30);
    const auto seed = static_cast<unsigned>(number_from("SEED", 1));
    const char* only = std::getenv("ONLY");
    Pairs pairs(seed);
    for (const std::string isolation : {"READ COMMITTED", "REPEATABLE READ"}) {
      pairs.set_isolation(isolation);
      for (const Group& group : all_groups()) {
        if (only != nullptr && group.name.find(only) == std::string::npos) {
          continue;
        }
        pairs.create(group);
        const std::size_t conflicts_before = pairs.conflicts;
        const std::size_t blocked_before = pairs.blocked;
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < rounds && wrong < 3; ++i) {
          if (!pairs.play(group)) {
            ++wrong;
            pairs.create(group);
          }
        }
        EXPECT_MESSAGE(wrong == 0, group.name, " at ", isolation, ", seed ", seed);
        if (std::getenv("VERBOSE") != nullptr) {
          DOCTEST_MESSAGE(group.name, ": ", pairs.conflicts - conflicts_before, " conflicts, ",
                          pairs.blocked - blocked_before, " blocked, ", pairs.late, " late so far");
        }
      }
      DOCTEST_MESSAGE(isolation, ": ", pairs.rounds, " rounds, ", pairs.conflicts, " conflicts, ",
                      pairs.blocked, " blocked lanes, ", pairs.late, " late, ", pairs.between,
                      " between");
    }
  }
}

}  // namespace
}  // namespace consort::test
