#include "protocol/statement_map.h"

#include "tests/support/test.h"
#include "tests/unit/protocol/wire_script.h"

using namespace consort;
using namespace consort::protocol;
using namespace consort::protocol::test;

namespace {

/// COM_STMT_EXECUTE of statement 5 with a read-only cursor, `parameters` NULL bits, then `tail`.
Buffer execute(int parameters, std::initializer_list<int> tail) {
  Buffer out = bytes_of({0x17, 5, 0, 0, 0, 1, 1, 0, 0, 0});
  out.resize(out.size() + static_cast<std::size_t>((parameters + 7) / 8));
  append(out, bytes_of(tail));
  return out;
}

}  // namespace

TEST_SUITE("protocol") {
  TEST_CASE("StatementMap: ids, the newest one, and the bound") {
    StatementMap map(2);
    auto first = map.add("SELECT ?", StmtPrepareOk{99, 1, 1, 0});
    REQUIRE(first.ok());
    EXPECT((*first)->client_id == 1);
    EXPECT((*first)->parameters == 1);
    EXPECT((*first)->columns == 1);
    auto second = map.add("DO 1", StmtPrepareOk{98, 0, 0, 0});
    REQUIRE(second.ok());
    EXPECT_FALSE(map.has_room());
    EXPECT(map.add("DO 2", {}).error().code == static_cast<int>(StatementError::kTooMany));
    EXPECT(map.find(1)->sql == "SELECT ?");
    EXPECT(map.find(kLastPreparedId)->sql == "DO 1");
    EXPECT(map.find(3) == nullptr);
    map.forget_newest();
    EXPECT(map.find(kLastPreparedId) == nullptr);
    EXPECT(map.size() == 2);
    map.erase(2);
    EXPECT(map.find(kLastPreparedId) == nullptr);
    EXPECT(map.size() == 1);
    map.clear();
    EXPECT(map.find(1) == nullptr);
    EXPECT((*map.add("DO 3", {}))->client_id == 3);
  }

  TEST_CASE("rewrite_execute: id and cursor change in place") {
    ClientStatement statement = statement_with(0);
    Buffer payload = execute(0, {});
    Buffer out;
    const auto done = rewrite_execute(payload, statement, ExecuteTarget{0x01020304, 0}, out);
    REQUIRE(done.ok());
    EXPECT(*done == ExecuteRewrite::kInPlace);
    EXPECT(payload == bytes_of({0x17, 4, 3, 2, 1, 0, 1, 0, 0, 0}));
    EXPECT(*statement_id_of(payload) == 0x01020304);
  }

  TEST_CASE("rewrite_execute: a cursor is kept where the session wants it") {
    ClientStatement statement = statement_with(0);
    Buffer payload = execute(0, {});
    EXPECT(execute_wants_cursor(payload));
    Buffer out;
    REQUIRE(rewrite_execute(payload, statement, ExecuteTarget{9, 0, true}, out).ok());
    EXPECT(execute_wants_cursor(payload));
    REQUIRE(rewrite_execute(payload, statement, ExecuteTarget{9, 0, false}, out).ok());
    EXPECT_FALSE(execute_wants_cursor(payload));
    EXPECT_FALSE(execute_wants_cursor(Bytes(payload).first(9)));
  }

  TEST_CASE("rewrite_execute: types are remembered and spliced in where they are missing") {
    ClientStatement statement = statement_with(2);
    Buffer out;
    // Bound: new_params_bound, two types, values.
    Buffer bound = execute(2, {1, 0x03, 0x00, 0xFD, 0x00, 7, 0, 0, 0, 1, 'x'});
    REQUIRE(*rewrite_execute(bound, statement, ExecuteTarget{8, 0}, out) ==
            ExecuteRewrite::kInPlace);
    EXPECT(statement.types_version == 1);
    EXPECT(statement.parameter_types == bytes_of({0x03, 0x00, 0xFD, 0x00}));
    // Again without types, to the backend that has seen them.
    Buffer seen = execute(2, {0, 9, 0, 0, 0, 1, 'y'});
    REQUIRE(*rewrite_execute(seen, statement, ExecuteTarget{8, 1}, out) ==
            ExecuteRewrite::kInPlace);
    // And to one that has not.
    Buffer unseen = execute(2, {0, 9, 0, 0, 0, 1, 'y'});
    REQUIRE(*rewrite_execute(unseen, statement, ExecuteTarget{8, 0}, out) ==
            ExecuteRewrite::kSpliced);
    Buffer expected = execute(2, {1, 0x03, 0x00, 0xFD, 0x00, 9, 0, 0, 0, 1, 'y'});
    patch_statement_id(expected, 8);
    expected[5] = 0;
    EXPECT(out == expected);
    // The same types bound again are no new version, others are.
    bound = execute(2, {1, 0x03, 0x00, 0xFD, 0x00});
    REQUIRE(rewrite_execute(bound, statement, ExecuteTarget{8, 1}, out).ok());
    EXPECT(statement.types_version == 1);
    bound = execute(2, {1, 0x08, 0x80, 0xFD, 0x00});
    REQUIRE(rewrite_execute(bound, statement, ExecuteTarget{8, 1}, out).ok());
    EXPECT(statement.types_version == 2);
  }

  TEST_CASE("bind_types: types of an execution that no backend ran") {
    ClientStatement statement = statement_with(2);
    REQUIRE(
        bind_types(execute(2, {1, 0x03, 0x00, 0xFD, 0x00, 7, 0, 0, 0, 1, 'x'}), statement).ok());
    EXPECT(statement.types_version == 1);
    Buffer out;
    Buffer later = execute(2, {0, 9, 0, 0, 0, 1, 'y'});
    REQUIRE(*rewrite_execute(later, statement, ExecuteTarget{8, 0}, out) ==
            ExecuteRewrite::kSpliced);
    // Without types nothing changes, cut short it is malformed.
    EXPECT(bind_types(execute(2, {0, 1}), statement).ok());
    EXPECT(statement.types_version == 1);
    EXPECT_FALSE(bind_types(execute(2, {1, 0x03, 0x00, 0xFD}), statement).ok());
    ClientStatement plain = statement_with(0);
    EXPECT(bind_types(execute(0, {}), plain).ok());
  }

  TEST_CASE("rewrite_execute: NULL bitmaps of every width") {
    for (const std::uint16_t parameters : {1, 7, 8, 9, 16, 17, 1000}) {
      ClientStatement statement = statement_with(parameters);
      Buffer payload = execute(parameters, {1});
      const Buffer types(2U * parameters, 0x08);
      append(payload, types);
      Buffer out;
      REQUIRE(rewrite_execute(payload, statement, ExecuteTarget{1, 0}, out).ok());
      EXPECT(statement.parameter_types == types);
      Buffer again = execute(parameters, {0, 42});
      REQUIRE(rewrite_execute(again, statement, ExecuteTarget{1, 0}, out).ok());
      EXPECT(out.size() == again.size() + types.size());
      EXPECT(out.back() == 42);
    }
  }

  TEST_CASE("rewrite_execute: what cannot be executed") {
    Buffer out;
    ClientStatement statement = statement_with(2);
    Buffer never = execute(2, {0, 1});
    EXPECT(rewrite_execute(never, statement, ExecuteTarget{1, 0}, out).error().code ==
           static_cast<int>(StatementError::kNeverBound));
    const Buffer whole = execute(2, {1, 0x03, 0x00, 0xFD, 0x00});
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
      Buffer payload(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut));
      EXPECT(rewrite_execute(payload, statement, ExecuteTarget{1, 0}, out).error().code ==
             static_cast<int>(StatementError::kMalformed));
    }
    EXPECT_FALSE(statement_id_of(bytes_of({0x17, 1, 2, 3})).ok());
    EXPECT_FALSE(statement_id_of(bytes_of({0x03, 1, 2, 3, 4})).ok());
    EXPECT(*statement_id_of(bytes_of({0x19, 1, 0, 0, 0})) == 1);
  }

  TEST_CASE("rewrite_bulk_execute: id, and types for who has not seen them") {
    ClientStatement statement = statement_with(2);
    const Buffer with_types =
        bytes_of({0xFA, 5, 0, 0, 0, 128, 0, 3, 0, 0xFD, 0, 1, 1, 0, 7, 0, 0, 0});
    const Buffer without = bytes_of({0xFA, 5, 0, 0, 0, 0, 0, 1, 1});
    Buffer out;
    Buffer payload = without;
    EXPECT(rewrite_bulk_execute(payload, statement, {9, 0}, out).error().code ==
           static_cast<int>(StatementError::kNeverBound));
    payload = with_types;
    REQUIRE(*rewrite_bulk_execute(payload, statement, {9, 0}, out) == ExecuteRewrite::kInPlace);
    EXPECT(payload[1] == 9);
    EXPECT(statement.types_version == 1);
    payload = without;
    REQUIRE(*rewrite_bulk_execute(payload, statement, {9, 1}, out) == ExecuteRewrite::kInPlace);
    payload = without;
    REQUIRE(*rewrite_bulk_execute(payload, statement, {9, 0}, out) == ExecuteRewrite::kSpliced);
    EXPECT(out == bytes_of({0xFA, 9, 0, 0, 0, 128, 0, 3, 0, 0xFD, 0, 1, 1}));
  }

  TEST_CASE("bind_bulk_types: torn payloads") {
    const Buffer whole = bytes_of({0xFA, 5, 0, 0, 0, 128, 0, 3, 0, 0xFD, 0});
    for (std::size_t size = 0; size < whole.size(); ++size) {
      ClientStatement statement = statement_with(2);
      EXPECT_FALSE(bind_bulk_types(Bytes(whole).first(size), statement).ok());
      EXPECT(statement.types_version == 0);
    }
    ClientStatement statement = statement_with(2);
    EXPECT(bind_bulk_types(whole, statement).ok());
    EXPECT(statement.parameter_types == bytes_of({3, 0, 0xFD, 0}));
  }
}
