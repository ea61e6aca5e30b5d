#include "protocol/auth_native.h"

#include <set>

#include "tests/support/test.h"
#include "tests/unit/protocol/wire_script.h"

using namespace consort;
using namespace consort::protocol;

TEST_SUITE("protocol") {
  TEST_CASE("native password: the stored hash of a known password") {
    const Stage2 stage2 = stage2_of(stage1_of("password"));
    EXPECT(native_hash_text(stage2) == "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19");
    EXPECT((parse_native_hash("*2470c0c06dee42fd1618bb99005adca2ec9d1e19") == stage2));
  }

  TEST_CASE("native password: what is no hash") {
    for (const char* text :
         {"", "invalid", "*", "2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19",
          "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E1", "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E1G",
          "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E199"}) {
      CAPTURE(text);
      EXPECT_FALSE(parse_native_hash(text));
    }
  }

  TEST_CASE("native password: a right answer gives stage1 back, a wrong one nothing") {
    const Scramble salt = make_scramble();
    const Stage1 stage1 = stage1_of("secret");
    const Stage2 stage2 = stage2_of(stage1);
    const auto token = native_answer(stage1, salt);
    const auto won = recover_stage1(token, salt, stage2);
    REQUIRE(won);
    EXPECT((*won == stage1));
    EXPECT_FALSE(recover_stage1(native_answer(stage1_of("Secret"), salt), salt, stage2));
    EXPECT_FALSE(recover_stage1(token, make_scramble(), stage2));
    EXPECT_FALSE(recover_stage1({}, salt, stage2));
    EXPECT_FALSE(recover_stage1(Bytes(token).first(19), salt, stage2));
  }

  TEST_CASE("native password: scrambles are printable and differ") {
    std::set<Scramble> seen;
    for (int i = 0; i < 200; ++i) {
      const Scramble scramble = make_scramble();
      for (const std::uint8_t byte : scramble) {
        REQUIRE(byte >= 0x21);
        REQUIRE(byte <= 0x7E);
      }
      seen.insert(scramble);
    }
    EXPECT(seen.size() == 200);
  }
}
