#include "router/classification_cache.h"

#include <string>
#include <vector>

#include "tests/support/test.h"

using namespace consort::router;

TEST_SUITE("classification_cache") {
  TEST_CASE("equal texts read in the same way share one") {
    ClassificationCache cache;
    const auto one = cache.get("SELECT c FROM t WHERE id = ?", {});
    EXPECT(one->statement.kind == StatementKind::kSelect);
    EXPECT(one->statement.has(Flag::kReadsOnly));
    REQUIRE(one->statement.tables.size() == 1);
    EXPECT(one->statement.tables[0].name == "t");
    // What it points to is its own text.
    EXPECT(one->statement.tables[0].name.data() >= one->sql.data());
    EXPECT(one->statement.tables[0].name.data() < one->sql.data() + one->sql.size());
    EXPECT(cache.get(std::string("SELECT c FROM t WHERE id = ?"), {}) == one);
    EXPECT(cache.get("SELECT c FROM t WHERE id = 1", {}) != one);
  }

  TEST_CASE("another way to read it is another one") {
    ClassificationCache cache;
    const auto plain = cache.get("SELECT \"a\" FROM t", {});
    LexerOptions options;
    options.doubtful = true;
    const auto doubtful = cache.get("SELECT \"a\" FROM t", options);
    EXPECT(plain != doubtful);
    EXPECT(!plain->statement.has(Flag::kUncertain));
    EXPECT(doubtful->statement.has(Flag::kUncertain));
    EXPECT(cache.get("SELECT \"a\" FROM t", {}) == plain);
  }

  TEST_CASE("nobody's texts are forgotten, held ones are kept") {
    ClassificationCache cache;
    const auto held = cache.get("DELETE FROM t WHERE id = ?", {});
    for (int i = 0; i < 10000; ++i) {
      (void)cache.get("SELECT " + std::to_string(i), {});
    }
    EXPECT(cache.size() < 200);
    EXPECT(cache.get("DELETE FROM t WHERE id = ?", {}) == held);
  }

  TEST_CASE("many held ones are all found") {
    ClassificationCache cache;
    std::vector<std::shared_ptr<const ClassifiedText>> held;
    for (int i = 0; i < 1000; ++i) {
      held.push_back(cache.get("SELECT " + std::to_string(i), {}));
    }
    for (int i = 0; i < 1000; ++i) {
      EXPECT(cache.get("SELECT " + std::to_string(i), {}) == held[static_cast<std::size_t>(i)]);
    }
    EXPECT(cache.size() == 1000);
  }
}
