#include "base/branch_name.h"

#include "tests/support/test.h"

TEST_SUITE("base") {
  TEST_CASE("BranchName: a branch survives being spelled and read") {
    const consort::BranchId branch{7, 3, 0xFFFFFFFFFFULL};
    const std::string gtrid = consort::branch_gtrid(0xDEADBEEF, branch);
    EXPECT(gtrid == "consort-deadbeef-7-3-ffffffffff");
    EXPECT(gtrid.size() <= 64);
    const auto parsed = consort::parse_branch_gtrid(gtrid);
    REQUIRE(parsed);
    EXPECT(parsed->cluster == 0xDEADBEEF);
    EXPECT((parsed->branch == branch));
  }

  TEST_CASE("BranchName: foreign names are not ours") {
    for (const char* name : {"", "consort-", "other-1-2-3-4", "consort-1-2-3", "consort-1-2-3-",
                             "consort-1-2-3-4x", "consort-1-2-10000-4", "consort-1--3-4"}) {
      CAPTURE(name);
      EXPECT_FALSE(consort::parse_branch_gtrid(name));
    }
  }
}
