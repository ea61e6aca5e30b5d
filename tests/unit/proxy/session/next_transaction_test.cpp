#include "proxy/session/next_transaction.h"

#include "tests/support/test.h"

namespace {

using namespace consort;
using namespace consort::proxy;
using router::IsolationLevel;

}  // namespace

TEST_SUITE("session") {
  TEST_CASE("NextTransaction: keeps what one SET TRANSACTION leaves unsaid from the one before") {
    NextTransaction next;
    EXPECT_FALSE(next.pending());
    EXPECT(next.sql().empty());
    next.set(IsolationLevel::kSerializable, false, std::nullopt);
    EXPECT(next.pending());
    EXPECT(next.isolation() == IsolationLevel::kSerializable);
    EXPECT_FALSE(next.read_only());
    EXPECT_FALSE(next.access_unsure());
    EXPECT(next.sql() == "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE");
    next.set(IsolationLevel::kUnset, true, true);
    EXPECT(next.isolation() == IsolationLevel::kSerializable);
    EXPECT(next.read_only() == true);
    EXPECT(next.access_unsure());
    EXPECT(next.sql() == "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY");
  }

  TEST_CASE("NextTransaction: what is said of the session holds for the next one, too") {
    NextTransaction next;
    next.set(IsolationLevel::kSerializable, true, true);
    next.set_for_session(true);
    EXPECT(next.sql() == "SET TRANSACTION READ ONLY");
    next.set_for_session(false);
    EXPECT_FALSE(next.pending());
    next.set(IsolationLevel::kSerializable, false, std::nullopt);
    EXPECT(next.sql() == "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE");
  }

  TEST_CASE("NextTransaction: is as the last one where SET autocommit has ended that") {
    NextTransaction next;
    next.begin();
    next.keep(false, false);
    EXPECT_FALSE(next.pending());
    next.keep(false, true);
    EXPECT(next.sql() == "SET TRANSACTION READ WRITE");
    EXPECT(next.access_unsure());
    next.begin();
    next.keep(true, true);  // nothing was said of its isolation level
    EXPECT_FALSE(next.pending());
    next.set(IsolationLevel::kSerializable, false, std::nullopt);
    next.begin();
    EXPECT_FALSE(next.pending());
    next.keep(true, true);
    EXPECT(next.sql() == "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY");
    next.begin();
    next.begin();
    next.keep(true, true);
    EXPECT_FALSE(next.pending());
  }

  TEST_CASE("NextTransaction: says nothing once it is used up") {
    NextTransaction next;
    next.set(IsolationLevel::kReadCommitted, true, false);
    next.use_up();
    EXPECT_FALSE(next.pending());
    EXPECT(next.isolation() == IsolationLevel::kUnset);
    EXPECT_FALSE(next.read_only());
    EXPECT(next.sql().empty());
    EXPECT(next.access_unsure());  // the home has heard of it
    next.set(IsolationLevel::kUnset, true, false);
    EXPECT(next.isolation() == IsolationLevel::kUnset);  // not that of the transaction before
    EXPECT(next.sql() == "SET TRANSACTION READ WRITE");
    next.reset();
    EXPECT_FALSE(next.access_unsure());
  }
}
