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
}
