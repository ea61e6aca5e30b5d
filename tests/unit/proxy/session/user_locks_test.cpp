#include "proxy/session/user_locks.h"

#include <string>
#include <vector>

#include "proxy/session/named_set.h"
#include "tests/support/test.h"

namespace {

using namespace consort;
using namespace consort::proxy;

}  // namespace

TEST_SUITE("session") {
  TEST_CASE("UserLocks: asks for each name once") {
    UserLocks locks;
    EXPECT(locks.question() == "SELECT 0");
    locks.on_taken(std::vector<std::string_view>{"'a'", "'b'"});
    locks.on_taken(std::vector<std::string_view>{"'a'"});
    EXPECT_FALSE(locks.unnamed());
    EXPECT(
        locks.question() ==
        "SELECT 0 OR IS_USED_LOCK('a')<=>CONNECTION_ID() OR IS_USED_LOCK('b')<=>CONNECTION_ID()");
    locks.on_none_held();
    EXPECT(locks.question() == "SELECT 0");
  }

  TEST_CASE("UserLocks: cannot ask for what has no name, or for too many") {
    UserLocks locks;
    SUBCASE("no name") {
      locks.on_taken(std::nullopt);
    }
    SUBCASE("too many") {
      locks.on_taken(std::vector<std::string_view>(64, "'a'"));
      EXPECT_FALSE(locks.unnamed());
      locks.on_taken(std::vector<std::string_view>(64, "'b'"));
    }
    EXPECT(locks.unnamed());
    locks.on_all_released();
    EXPECT_FALSE(locks.unnamed());
  }

  TEST_CASE("NamedSet: is empty when the last name has gone") {
    NamedSet names;
    names.add("s");
    names.add("s");
    names.remove("other");
    EXPECT_FALSE(names.empty());
    names.remove("s");
    EXPECT(names.empty());
  }

  TEST_CASE("NamedSet: is never empty again once it could not keep one") {
    NamedSet names;
    for (int i = 0; i <= 1024; ++i) {
      names.add(std::to_string(i));
    }
    for (int i = 0; i <= 1024; ++i) {
      names.remove(std::to_string(i));
    }
    EXPECT_FALSE(names.empty());
    names.clear();
    EXPECT(names.empty());
  }
}
