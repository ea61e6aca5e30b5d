#include "proxy/session/global_question.h"

#include "proxy/cluster_view.h"
#include "tests/support/test.h"

namespace consort::proxy {
namespace {

std::string hex(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

std::vector<GlobalQuestion> questions(std::string_view sql) {
  return globals_of(router::classify(sql), false);
}

std::string names(std::string_view sql) {
  std::string all;
  for (const GlobalQuestion& question : questions(sql)) {
    all += (all.empty() ? "" : " ") + question.name;
  }
  return all;
}

/// As the server answers, kept alive here.
struct Answer {
  std::vector<std::string> texts;
  OwnResult::Row row;

  explicit Answer(std::vector<std::string> values) : texts(std::move(values)) {
    for (const std::string& text : texts) {
      row.emplace_back(text == "NULL" ? std::optional<std::string_view>() : text);
    }
  }
};

TEST_SUITE("session") {
  TEST_CASE("GlobalQuestion: the variables that a statement sets globally, each once") {
    EXPECT(names("SET GLOBAL Sort_Buffer_Size=1, @x=2, SESSION a=3, @@global.b=4") ==
           "sort_buffer_size b");
    EXPECT(names("SET GLOBAL a=1, a=2") == "a");
    EXPECT(names("SET GLOBAL `a b`=1, GLOBAL c=2") == "c");
    EXPECT(names("SET GLOBAL Hot.Key_Buffer_Size=1, @@global.default.key_cache_segments=2") ==
           "Hot.key_buffer_size key_cache_segments");
    EXPECT(questions("SET GLOBAL hot.key_buffer_size=1").front().known);
    EXPECT(names("SET GLOBAL TRANSACTION ISOLATION LEVEL SERIALIZABLE") == "tx_isolation");
    EXPECT(names("SET SESSION a=1").empty());
  }

  TEST_CASE("GlobalQuestion: asks about all, then for the values of those that are there") {
    auto globals = questions("SET GLOBAL a=1, nosuch=2, c=3");
    EXPECT(question_of(globals, ServerKind::kMariadb)
               .find("VARIABLE_NAME IN ('a','nosuch','c') LIMIT") != std::string::npos);
    EXPECT(new_question_of(globals).empty());
    const Answer a({hex("a"), hex("BIGINT UNSIGNED"), hex("SESSION"), hex("5")});
    const Answer c({hex("c"), hex("VARCHAR"), hex("GLOBAL"), "NULL"});
    note_globals(globals, {a.row, c.row});
    EXPECT(new_question_of(globals) ==
           "SELECT HEX(CONVERT(@@global.a USING utf8mb4)),HEX(CONVERT(@@global.c USING utf8mb4)) "
           "LIMIT 1");
    const Answer values({hex("7"), hex("x\xC3\xA9'y")});
    note_new_globals(globals, values.row);
    const auto changes = changed_globals(globals, true);
    REQUIRE(changes.size() == 2);
    EXPECT((changes[0].variable == certifier::GlobalVariable{"a", "7", false}));
    EXPECT(changes[0].old_value == "5");
    EXPECT(changes[0].per_session);
    EXPECT((changes[1].variable == certifier::GlobalVariable{"c", "x\xC3\xA9'y", true}));
    EXPECT_FALSE(changes[1].old_value.has_value());
    EXPECT_FALSE(changes[1].per_session);
  }

  TEST_CASE("GlobalQuestion: of a statement that failed, what it has changed nevertheless") {
    auto globals = questions("SET GLOBAL a=1, b=0, c='x'");
    const Answer a({hex("a"), hex("INT UNSIGNED"), hex("GLOBAL"), hex("5")});
    const Answer b({hex("b"), hex("BOOLEAN"), hex("GLOBAL"), hex("OFF")});
    const Answer c({hex("c"), hex("ENUM"), hex("GLOBAL"), hex("w")});
    note_globals(globals, {a.row, b.row, c.row});
    EXPECT(changed_globals(globals, false).empty());  // not asked again
    const Answer values({hex("1"), hex("0"), hex("w")});
    note_new_globals(globals, values.row);
    const auto changes = changed_globals(globals, false);
    REQUIRE(changes.size() == 1);
    EXPECT(changes[0].variable.name == "a");
    EXPECT(changed_globals(globals, true).size() == 3);
  }

  TEST_CASE("own_global_set: what the home is told in place of what Consort obeys") {
    const auto set = [](std::string_view sql) {
      return own_global_set(router::classify(sql), 300);
    };
    EXPECT_FALSE(set("SET GLOBAL sort_buffer_size=1"));
    EXPECT_FALSE(set("SET SESSION read_only=1"));
    const auto connections = set("SET @@global.max_connections = @n + 1");
    REQUIRE(connections);
    EXPECT(connections->sql == "SET GLOBAL max_connections=GREATEST((@n + 1),300)");
    REQUIRE(connections->globals.size() == 2);
    EXPECT(connections->globals[0].name == kOwnMaxConnections);
    EXPECT(connections->globals[1].name == "max_connections");
    EXPECT(new_question_of(connections->globals) ==
           "SELECT HEX(CONVERT((@n + 1) USING utf8mb4)) LIMIT 1");
    EXPECT(set("SET GLOBAL max_connections=DEFAULT")->sql ==
           "SET GLOBAL max_connections=@@global.max_connections");
    const auto reads = set("SET GLOBAL read_only = On");
    REQUIRE(reads);
    EXPECT(reads->sql == "SET GLOBAL read_only=OFF");
    EXPECT(new_question_of(reads->globals) == "SELECT HEX(CONVERT(('On') USING utf8mb4)) LIMIT 1");
    const auto init = set("SET GLOBAL init_connect = CONCAT(@a, 'x')");
    REQUIRE(init);
    EXPECT(init->sql == "SET GLOBAL init_connect=IF(0,(CONCAT(@a, 'x')),NULL)");
    REQUIRE(init->globals.size() == 1);
    EXPECT(init->globals[0].name == kOwnInitConnect);
    EXPECT(new_question_of(init->globals) ==
           "SELECT HEX(CONVERT((IFNULL((CONCAT(@a, 'x')),'')) USING utf8mb4)) LIMIT 1");
    EXPECT(set("SET GLOBAL init_connect = DEFAULT")->sql ==
           "SET GLOBAL init_connect=IF(0,(''),NULL)");
    EXPECT(set("SET GLOBAL init_connect = x")->sql == "SET GLOBAL init_connect=IF(0,('x'),NULL)");
    EXPECT(set("SET GLOBAL init_connect = Null")->sql ==
           "SET GLOBAL init_connect=IF(0,(Null),NULL)");
    GlobalQuestion digits = init->globals[0];
    digits.value = "5";
    EXPECT_FALSE(settle_own_value(digits));
    EXPECT(digits.is_text);
    const auto events = set("SET GLOBAL event_scheduler = 1");
    REQUIRE(events);
    EXPECT(events->sql == "SET GLOBAL event_scheduler=OFF");
    REQUIRE(events->globals.size() == 1);
    EXPECT(events->globals[0].name == kOwnEventScheduler);
    EXPECT(new_question_of(events->globals) == "SELECT HEX(CONVERT((1) USING utf8mb4)) LIMIT 1");
    EXPECT(new_question_of(set("SET GLOBAL event_scheduler = DEFAULT")->globals) ==
           "SELECT HEX(CONVERT((0) USING utf8mb4)) LIMIT 1");
  }

  TEST_CASE("settle_own_value: read_only is on or off, or the server's error") {
    GlobalQuestion own;
    own.name = kOwnReadOnly;
    for (const char* value : {"1", "ON", "true"}) {
      own.value = value;
      EXPECT_FALSE(settle_own_value(own));
      EXPECT(own.value == "1");
    }
    own.value = "off";
    EXPECT_FALSE(settle_own_value(own));
    EXPECT(own.value == "0");
    own.value = "2";
    EXPECT(settle_own_value(own)->code == 1231);
    own.value.reset();
    EXPECT(settle_own_value(own)->message ==
           "Variable 'read_only' can't be set to the value of 'NULL'");
    own.name = kOwnEventScheduler;
    own.value = "DISABLED";
    EXPECT(settle_own_value(own)->message ==
           "Variable 'event_scheduler' can't be set to the value of 'DISABLED'");
    own.value = "on";
    EXPECT_FALSE(settle_own_value(own));
    EXPECT(own.value == "1");
    own.name = kOwnMaxConnections;
    own.value = "500";
    EXPECT_FALSE(settle_own_value(own));
    EXPECT_FALSE(own.is_text);
  }

  TEST_CASE("GlobalQuestion: answers in UTF-16, and variables that no session may set") {
    auto globals = questions("SET GLOBAL net_buffer_length=1");
    std::string wide;
    for (const char c : hex("net_buffer_length")) {
      wide += '\0';
      wide += c;
    }
    const Answer one({wide, hex("BIGINT UNSIGNED"), hex("SESSION"), hex("5")});
    note_globals(globals, {one.row});
    EXPECT(globals[0].known);
    EXPECT_FALSE(globals[0].per_session);
  }
}

}  // namespace
}  // namespace consort::proxy
