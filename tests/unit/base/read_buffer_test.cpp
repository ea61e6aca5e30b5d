#include "base/read_buffer.h"

#include <utility>

#include "tests/support/test.h"

TEST_SUITE("base") {
  TEST_CASE("ReadBuffer: keeps the unread tail in order") {
    consort::ReadBuffer buffer;
    EXPECT(buffer.empty());
    buffer.feed(consort::as_bytes("abcd"));
    buffer.consume(3);
    buffer.feed(consort::as_bytes("ef"));
    EXPECT(consort::as_text(std::as_const(buffer).unread()) == "def");
    buffer.consume(3);
    EXPECT(buffer.empty());
  }

  TEST_CASE("ReadBuffer: bytes put in place, fewer than there was room for") {
    consort::ReadBuffer buffer;
    buffer.feed(consort::as_bytes("ab"));
    consort::MutableBytes room = buffer.prepare(10);
    REQUIRE(room.size() == 10);
    room[0] = 'c';
    buffer.commit(1);
    EXPECT(consort::as_text(std::as_const(buffer).unread()) == "abc");
    buffer.consume(3);
    EXPECT(buffer.prepare(5).size() == 5);
    buffer.commit(0);
    EXPECT(buffer.empty());
  }
}
