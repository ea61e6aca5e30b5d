#include "protocol/query_attributes.h"

#include "protocol/packet_reader.h"
#include "protocol/packet_writer.h"
#include "tests/support/test.h"
#include "tests/unit/protocol/wire_script.h"

using namespace consort;
using namespace consort::protocol;
using namespace consort::protocol::test;

namespace {

/// One named "a", a text, and one named "n", NULL, in front of a COM_QUERY's text.
Buffer two_and(std::string_view text) {
  Buffer out = bytes_of({2, 1, 0b10, 1, 0xFE, 0, 1, 'a', 8, 0, 1, 'n', 2, 'h', 'i'});
  append(out, text);
  return out;
}

/// The head of a COM_STMT_EXECUTE of statement 5, then `tail`.
Buffer execute(int flags, std::initializer_list<int> tail) {
  Buffer out = bytes_of({0x17, 5, 0, 0, 0, flags, 1, 0, 0, 0});
  append(out, bytes_of(tail));
  return out;
}

bool no_long_data(std::size_t /*parameter*/) {
  return false;
}

int error_of_query(std::initializer_list<int> argument) {
  QueryAttributes attributes;
  const Buffer bytes = bytes_of(argument);
  const auto text = take_query_attributes(bytes, attributes);
  return text.ok() ? 0 : text.error().code;
}

int error_of_execute(const Buffer& payload, std::uint16_t parameters) {
  QueryAttributes attributes;
  Buffer plain;
  const Status taken =
      take_execute_attributes(payload, statement_with(parameters), no_long_data, attributes, plain);
  return taken.ok() ? 0 : taken.error().code;
}

constexpr int kMalformed = static_cast<int>(AttributesError::kMalformed);
constexpr int kTooFew = static_cast<int>(AttributesError::kTooFew);

}  // namespace

TEST_SUITE("protocol") {
  TEST_CASE("take_query_attributes: the text is what is left") {
    QueryAttributes attributes;
    const Buffer none = bytes_of({0, 1, 'D', 'O', ' ', '1'});
    const auto bare = take_query_attributes(none, attributes);
    REQUIRE(bare.ok());
    EXPECT(as_text(*bare) == "DO 1");
    EXPECT(attributes.count() == 0);
    const Buffer with = two_and("DO 2");
    const auto text = take_query_attributes(with, attributes);
    REQUIRE(text.ok());
    EXPECT(as_text(*text) == "DO 2");
    EXPECT((attributes.nulls == std::vector<bool>{false, true}));
    EXPECT(attributes.types == bytes_of({0xFE, 0, 1, 'a', 8, 0, 1, 'n'}));
    EXPECT(attributes.values == bytes_of({2, 'h', 'i'}));
  }

  TEST_CASE("take_query_attributes: every type's value ends where it ends") {
    struct Case {
      int type;
      std::initializer_list<int> value;
    };

    for (const Case& one :
         {Case{1, {7}}, Case{2, {7, 0}}, Case{3, {7, 0, 0, 0}}, Case{4, {0, 0, 0, 0}},
          Case{5, {0, 0, 0, 0, 0, 0, 0, 0}}, Case{6, {}}, Case{8, {7, 0, 0, 0, 0, 0, 0, 0}},
          Case{9, {7, 0, 0, 0}}, Case{10, {4, 1, 2, 3, 4}}, Case{11, {0}}, Case{12, {0}},
          Case{13, {7, 0}}, Case{244, {1}}, Case{252, {2, 'h', 'i'}}, Case{253, {0}}}) {
      CAPTURE(one.type);
      Buffer argument = bytes_of({1, 1, 0, 1, one.type, 0, 0});
      append(argument, bytes_of(one.value));
      append(argument, std::string_view("DO 1"));
      QueryAttributes attributes;
      const auto text = take_query_attributes(argument, attributes);
      REQUIRE(text.ok());
      EXPECT(as_text(*text) == "DO 1");
      EXPECT(attributes.values == bytes_of(one.value));
    }
  }

  TEST_CASE("take_query_attributes: what is malformed") {
    EXPECT(error_of_query({}) == kMalformed);
    EXPECT(error_of_query({1}) == kMalformed);
    EXPECT(error_of_query({0, 2, 'D'}) == kMalformed);                       // sets
    EXPECT(error_of_query({1, 1, 0, 0, 'D'}) == kMalformed);                 // without types
    EXPECT(error_of_query({1, 1, 0, 1, 0xFD, 0}) == kMalformed);             // without a name
    EXPECT(error_of_query({1, 1, 0, 1, 0xFD, 0, 0, 9, 'x'}) == kMalformed);  // a value cut short
    EXPECT(error_of_query({0xFE, 0, 0, 1, 0, 0, 0, 0, 0, 1}) == kMalformed);
    EXPECT(error_of_query({0, 1}) == 0);  // no text: the server's to say
  }

  TEST_CASE("take_execute_attributes: parameters stay, what is behind them goes") {
    QueryAttributes attributes;
    Buffer plain;
    // Parameters 7 and NULL, the first named; attributes b = NULL and c = "x".
    const Buffer payload =
        execute(9, {4, 0b0110, 1, 1, 0, 1, 'p', 8, 0, 0, 6, 0, 1, 'b', 0xFD, 0, 1, 'c', 7, 1, 'x'});
    const ClientStatement statement = statement_with(2);
    REQUIRE(take_execute_attributes(payload, statement, no_long_data, attributes, plain).ok());
    EXPECT(plain == execute(1, {0b10, 1, 1, 0, 8, 0, 7}));
    EXPECT((attributes.nulls == std::vector<bool>{true, false}));
    EXPECT(attributes.types == bytes_of({6, 0, 1, 'b', 0xFD, 0, 1, 'c'}));
    EXPECT(attributes.values == bytes_of({1, 'x'}));
    EXPECT(attributes.parameter_names == bytes_of({1, 'p', 0}));
    Buffer again;
    append_attributed_execute(again, plain, statement, attributes);
    EXPECT(again == payload);
  }

  TEST_CASE("take_execute_attributes: a value that came as long data is not there") {
    QueryAttributes attributes;
    Buffer plain;
    const Buffer payload = execute(8, {2, 0, 1, 0xFC, 0, 0, 0xFD, 0, 1, 'b', 1, 'x'});
    const auto first = [](std::size_t parameter) { return parameter == 0; };
    REQUIRE(take_execute_attributes(payload, statement_with(1), first, attributes, plain).ok());
    EXPECT(plain == execute(0, {0, 1, 0xFC, 0}));
    EXPECT(attributes.values == bytes_of({1, 'x'}));
  }

  TEST_CASE("take_execute_attributes: without attributes, types or parameters") {
    QueryAttributes attributes;
    Buffer plain;
    REQUIRE(take_execute_attributes(execute(8, {1, 0, 0, 7}), statement_with(1), no_long_data,
                                    attributes, plain)
                .ok());
    EXPECT(plain == execute(0, {0, 0, 7}));
    EXPECT(attributes.count() == 0);
    plain.clear();
    REQUIRE(
        take_execute_attributes(execute(8, {0}), statement_with(0), no_long_data, attributes, plain)
            .ok());
    EXPECT(plain == execute(0, {}));
    plain.clear();
    REQUIRE(
        take_execute_attributes(execute(0, {}), statement_with(0), no_long_data, attributes, plain)
            .ok());
    EXPECT(plain == execute(0, {}));
  }

  TEST_CASE("take_execute_attributes: what is malformed") {
    EXPECT(error_of_execute(bytes_of({0x17, 5, 0, 0}), 0) == kMalformed);
    EXPECT(error_of_execute(execute(8, {}), 0) == kMalformed);  // says that it counts
    EXPECT(error_of_execute(execute(8, {0}), 1) == kTooFew);
    EXPECT(error_of_execute(execute(0, {0, 1, 1, 0, 0, 7}), 1) == kTooFew);  // does not count
    EXPECT(error_of_execute(execute(8, {2, 0, 0, 7, 7}), 1) == kMalformed);  // without types
    EXPECT(error_of_execute(execute(8, {1, 0, 1, 1}), 1) == kMalformed);
    EXPECT(error_of_execute(execute(8, {2, 0, 1, 8, 0, 0, 1, 0, 0, 7}), 1) == kMalformed);
  }

  TEST_CASE("append_attributed_execute: types that the client sent before go along") {
    ClientStatement statement = statement_with(1);
    statement.parameter_types = bytes_of({8, 0});
    QueryAttributes attributes;
    Buffer out;
    append_attributed_execute(out, execute(0, {0, 0, 7}), statement, attributes);
    EXPECT(out == execute(8, {1, 0, 0, 7}));
    attributes.nulls = {true};
    attributes.types = bytes_of({6, 0, 1, 'b'});
    out.clear();
    append_attributed_execute(out, execute(0, {0, 0, 7}), statement, attributes);
    EXPECT(out == execute(8, {2, 0b10, 1, 8, 0, 0, 6, 0, 1, 'b', 7}));
    out.clear();
    append_attributed_execute(out, execute(1, {}), statement_with(0), QueryAttributes());
    EXPECT(out == execute(1, {}));
  }

  TEST_CASE("append_attributed_commands: every query has a place for them, nothing else") {
    QueryAttributes attributes;
    const Buffer argument = two_and("DO 3");
    REQUIRE(take_query_attributes(argument, attributes).ok());
    Buffer first;
    append_command(first, Command::kQuery, as_bytes("DO 3"));
    append_command(first, Command::kPing, {});
    Buffer second;
    append_command(second, Command::kQuery, as_bytes("DO 4"));
    Buffer expected;
    append_command(expected, Command::kQuery, argument);
    append_command(expected, Command::kPing, {});
    append_command(expected, Command::kQuery, two_and("DO 4"));
    Buffer out;
    append_attributed_commands(out, {first, second}, attributes);
    EXPECT(out == expected);
  }

  TEST_CASE("append_attributed_commands: a text that fills its packets") {
    for (const std::size_t bytes :
         {kMaxPayload - 4, kMaxPayload - 3, kMaxPayload - 1, kMaxPayload, 2 * kMaxPayload}) {
      CAPTURE(bytes);
      const std::string text(bytes, 'x');
      Buffer command;
      append_command(command, Command::kQuery, as_bytes(text));
      append_command(command, Command::kPing, {});
      Buffer attributed;
      append(attributed, bytes_of({0, 1}));
      append(attributed, text);
      Buffer expected;
      append_command(expected, Command::kQuery, attributed);
      append_command(expected, Command::kPing, {});
      Buffer out;
      append_attributed_commands(out, {command}, {});
      EXPECT(out == expected);
    }
  }
}
