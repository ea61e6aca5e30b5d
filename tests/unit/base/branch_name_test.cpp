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

  TEST_CASE("BranchName: hexadecimal digits name the same branch") {
    const consort::BranchId branch{7, 0, 26};
    EXPECT(consort::branch_xid_sql(171, branch) == "'consort-ab-7-0-1a','',1131376243");
    EXPECT(consort::branch_xid_hex_sql(171, branch) ==
           "X'636F6E736F72742D61622D372D302D3161','',1131376243");
  }

  TEST_CASE("BranchName: foreign names are not ours") {
    for (const char* name : {"", "consort-", "other-1-2-3-4", "consort-1-2-3", "consort-1-2-3-",
                             "consort-1-2-3-4x", "consort-1-2-10000-4", "consort-1--3-4"}) {
      CAPTURE(name);
      EXPECT_FALSE(consort::parse_branch_gtrid(name));
    }
  }
}
