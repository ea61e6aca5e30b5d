#include "base/rare.h"

#include <string>
#include <utility>

#include "tests/support/test.h"

TEST_SUITE("base") {
  TEST_CASE("Rare: there from its assignment until it is taken") {
    consort::Rare<std::string> rare;
    EXPECT_FALSE(rare.has_value());

    rare = std::string("one");
    EXPECT(rare.has_value());
    EXPECT(*rare == "one");
    rare->push_back('s');
    EXPECT(std::as_const(rare)->size() == 4);

    const std::string taken = *std::exchange(rare, std::nullopt);
    EXPECT(taken == "ones");
    EXPECT_FALSE(rare.has_value());

    rare = std::string("two");
    rare = std::string("three");
    EXPECT(*rare == "three");
    rare.reset();
    EXPECT_FALSE(rare.has_value());
  }

  TEST_CASE("Rare: takes a pointer's room while there is none") {
    EXPECT(sizeof(consort::Rare<std::string>) == sizeof(void*));
  }
}
