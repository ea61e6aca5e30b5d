#include "proxy/session/held_commits.h"

#include "tests/support/test.h"

namespace {

using namespace consort;
using namespace consort::proxy;

constexpr BackendId kOne{1};
constexpr BackendId kTwo{2};

}  // namespace

TEST_SUITE("session") {
  TEST_CASE("HeldCommits: a home holds the commits that were prepared on it") {
    HeldCommits commits;
    EXPECT((commits.newest_not_held(kOne, 0) == Seqno{0}));
    commits.on_commit(Seqno{5}, kOne, 3);
    commits.on_commit(Seqno{9}, kOne, 3);
    EXPECT((commits.newest() == Seqno{9}));
    EXPECT((commits.newest_not_held(kOne, 3) == Seqno{0}));
    EXPECT((commits.newest_not_held(kTwo, 3) == Seqno{9}));
    EXPECT((commits.newest_not_held(kOne, 4) == Seqno{9}));  // its lane began anew
  }

  TEST_CASE("HeldCommits: what was committed elsewhere must be applied") {
    HeldCommits commits;
    commits.on_commit(Seqno{5}, kOne, 3);
    commits.on_commit(Seqno{7}, kTwo, 1);
    EXPECT((commits.newest_not_held(kTwo, 1) == Seqno{5}));
    EXPECT((commits.newest_not_held(kOne, 3) == Seqno{7}));
    commits.on_commit(Seqno{8}, kTwo, 2);
    EXPECT((commits.newest_not_held(kTwo, 2) == Seqno{7}));
  }

  TEST_CASE("HeldCommits: nobody holds a DDL statement") {
    HeldCommits commits;
    commits.on_commit(Seqno{5}, kOne, 3);
    commits.on_other(Seqno{6});
    EXPECT((commits.newest_not_held(kOne, 3) == Seqno{6}));
    commits.on_commit(Seqno{8}, kOne, 3);
    EXPECT((commits.newest_not_held(kOne, 3) == Seqno{6}));
    EXPECT((commits.newest() == Seqno{8}));
  }
}
