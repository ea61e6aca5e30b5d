#include "proxy/session/user_variables.h"

#include <string>

#include "protocol/lenenc.h"
#include "protocol/packet_writer.h"
#include "tests/support/test.h"

namespace consort::proxy {
namespace {

using Values = std::vector<std::optional<std::string>>;

OwnResult result_of(std::size_t columns, const std::vector<Values>& rows) {
  OwnResult result;
  result.begin(columns);
  Buffer wire;
  std::uint8_t sequence = 2;
  for (std::size_t i = 0; i < columns; ++i) {
    sequence = protocol::append_packet(wire, as_bytes("definition"), sequence);
  }
  for (const Values& values : rows) {
    Buffer row;
    for (const auto& value : values) {
      if (value) {
        protocol::append_lenenc_text(row, *value);
      } else {
        row.push_back(0xFB);
      }
    }
    sequence = protocol::append_packet(wire, row, sequence);
  }
  result.add(wire);
  return result;
}

std::optional<std::string> set_of(const UserVariable& variable,
                                  std::optional<std::string> value,
                                  std::optional<std::string> collation) {
  return set_user_variables_sql({variable},
                                result_of(2, {{std::move(value), std::move(collation)}}));
}

TEST_SUITE("session") {
  TEST_CASE("user_variables: every type has a literal of its own") {
    EXPECT(set_of({"a", "INT", ""}, "-9223372036854775808", "binary") ==
           "SET @`a`=-9223372036854775808");
    EXPECT(set_of({"a", "INT UNSIGNED", ""}, "5", "binary") == "SET @`a`=CAST(5 AS UNSIGNED)");
    EXPECT(set_of({"a", "DOUBLE", ""}, "0.1", "binary") == "SET @`a`=0.1e0");
    EXPECT(set_of({"a", "DOUBLE", ""}, "5e-324", "binary") == "SET @`a`=5e-324");
    EXPECT(set_of({"a", "DECIMAL", ""}, "1.50", "binary") == "SET @`a`=1.50");
    EXPECT(set_of({"a", "DECIMAL", ""}, "7", "binary") == "SET @`a`=7.");
    EXPECT(set_of({"a", "VARCHAR", "latin1"}, "E4", "latin1_bin") ==
           "SET @`a`=_latin1 X'E4' COLLATE latin1_bin");
    EXPECT(set_of({"a", "VARCHAR", "binary"}, "00FF", "binary") == "SET @`a`=_binary X'00FF'");
    EXPECT(set_of({"we`ird", "VARCHAR", "binary"}, "", "binary") == "SET @`we``ird`=_binary X''");
  }

  TEST_CASE("user_variables: NULL keeps its type") {
    EXPECT(set_of({"a", "INT", ""}, std::nullopt, "binary") == "SET @`a`=0,@`a`=NULL");
    EXPECT(set_of({"a", "DOUBLE", ""}, std::nullopt, "binary") == "SET @`a`=0e0,@`a`=NULL");
    EXPECT(set_of({"a", "VARCHAR", "utf8mb4"}, std::nullopt, "utf8mb4_bin") ==
           "SET @`a`=_utf8mb4 X'' COLLATE utf8mb4_bin,@`a`=NULL");
  }

  TEST_CASE("user_variables: what is no number, hexadecimal or name is not repeated") {
    EXPECT_FALSE(set_of({"a", "INT", ""}, "1;DROP", "binary"));
    EXPECT_FALSE(set_of({"a", "INT", ""}, "", "binary"));
    EXPECT_FALSE(set_of({"a", "DOUBLE", ""}, "inf", "binary"));
    EXPECT_FALSE(set_of({"a", "VARCHAR", "latin1"}, "'", "latin1_bin"));
    EXPECT_FALSE(set_of({"a", "VARCHAR", "latin1"}, "41", "latin1_bin,x"));
    EXPECT_FALSE(set_of({"a", "VARCHAR", "latin1"}, "41", std::nullopt));
    EXPECT_FALSE(set_of({"a", "ROW", ""}, "1", "binary"));
    EXPECT_FALSE(set_user_variables_sql({{"a", "INT", ""}}, result_of(2, {})));
    EXPECT_FALSE(set_user_variables_sql({{"a", "INT", ""}}, result_of(1, {{"1"}})));
  }

  TEST_CASE("user_variables: those that there are, and what is asked of them") {
    const auto variables = user_variables_in(result_of(
        3, {{"6162", "INT", "latin1"}, {"60", "VARCHAR", "utf8mb4"}, {"63", "DECIMAL", "latin1"}}));
    REQUIRE(variables);
    REQUIRE(variables->size() == 3);
    EXPECT(user_variable_values_sql(*variables) ==
           "SELECT @`ab`,COLLATION(@`ab`),HEX(@````),COLLATION(@````),@`c`,COLLATION(@`c`)");
    EXPECT(set_user_variables_sql(*variables, result_of(6, {{"1", "binary", "41", "utf8mb4_bin",
                                                             std::nullopt, "binary"}})) ==
           "SET @`ab`=1,@````=_utf8mb4 X'41' COLLATE utf8mb4_bin,@`c`=0.,@`c`=NULL");
    EXPECT(user_variables_in(result_of(3, {}))->empty());
  }

  TEST_CASE("user_variables: names and types that cannot be told again") {
    for (const char* name : {"C3A4", "4", "", "0x41", "00"}) {
      EXPECT_FALSE(user_variables_in(result_of(3, {{name, "INT", "latin1"}})));
    }
    EXPECT_FALSE(user_variables_in(result_of(3, {{"61", "ROW", "latin1"}})));
    EXPECT_FALSE(user_variables_in(result_of(3, {{"61", "VARCHAR", "l'"}})));
    EXPECT_FALSE(user_variables_in(result_of(3, {{"61", "VARCHAR", std::nullopt}})));
    const std::vector<Values> many(kUserVariablesMax + 1, {"61", "INT", "latin1"});
    EXPECT_FALSE(user_variables_in(result_of(3, many)));
  }
}

}  // namespace
}  // namespace consort::proxy
