#include "proxy/commit/table_locks.h"

#include <string>

#include "certifier/key_builder.h"
#include "tests/support/test.h"

namespace consort::proxy {
namespace {

using std::chrono::seconds;

SessionId session(std::uint32_t slot) {
  return {0, slot, 1};
}

/// TableLocks with a clock, and its answers as text: "1+" granted, "2-" too late.
class Locks {
 public:
  void lock(std::uint32_t slot, std::vector<TableLock> tables, std::uint32_t wait_s = 60) {
    locks.ask({session(slot), 1, std::move(tables), true, false, wait_s}, now);
  }

  void use(std::uint32_t slot, std::vector<TableLock> tables, bool holds_rows = false) {
    locks.ask({session(slot), 1, std::move(tables), false, holds_rows, 60}, now);
  }

  void lock_all(std::uint32_t slot) {
    locks.ask({session(slot), 1, {}, true, false, 60, true}, now);
  }

  std::string settle() {
    std::string text;
    for (const TableLocks::Answer& answer : locks.settle(now)) {
      text += std::to_string(answer.session.slot) + (answer.granted      ? "+ "
                                                     : answer.in_the_way ? "! "
                                                                         : "- ");
    }
    return text;
  }

  TableLocks locks;
  TimePoint now{};
};

TableLock read(const char* table) {
  return {"d", table, false};
}

TableLock write(const char* table) {
  return {"d", table, true};
}

TEST_SUITE("commit") {
  TEST_CASE("TableLocks: what is held by nobody, or by one session alone") {
    Locks locks;
    EXPECT(locks.locks.empty_but_for(session(1)));
    locks.lock(1, {{"d", "t", true}});
    EXPECT(locks.settle() == "1+ ");
    EXPECT(locks.locks.empty_but_for(session(1)));
    EXPECT_FALSE(locks.locks.empty_but_for(session(2)));
    locks.lock(2, {{"d", "u", true}});
    EXPECT(locks.settle() == "2+ ");
    EXPECT_FALSE(locks.locks.empty_but_for(session(1)));
    locks.locks.forget(session(1));
    EXPECT(locks.locks.empty_but_for(session(2)));
    locks.lock_all(3);
    locks.locks.forget(session(2));
    EXPECT(locks.settle() == "3+ ");
    EXPECT_FALSE(locks.locks.empty_but_for(session(3)));
  }

  TEST_CASE("TableLocks: READ locks go together, a WRITE lock goes alone") {
    Locks t;
    t.lock(1, {read("a"), read("b")});
    t.lock(2, {read("a")});
    EXPECT(t.settle() == "1+ 2+ ");
    t.lock(3, {write("b")});
    t.lock(4, {write("c")});
    EXPECT(t.settle() == "4+ ");
    EXPECT(t.locks.waiting() == 1);
    t.locks.forget(session(1));
    EXPECT(t.settle() == "3+ ");
    EXPECT(t.locks.tables_held() == 3);
  }

  TEST_CASE("TableLocks: all tables at once, or none") {
    Locks t;
    t.lock(1, {write("b")});
    t.lock(2, {write("a"), read("b")});
    EXPECT(t.settle() == "1+ ");
    EXPECT(t.locks.block(session(3), "d", "a", true) == TableBlock::kNone);
    t.locks.forget(session(1));
    EXPECT(t.settle() == "2+ ");
    EXPECT(t.locks.block(session(3), "d", "a", false) == TableBlock::kWrite);
    EXPECT(t.locks.block(session(3), "d", "b", false) == TableBlock::kNone);
    EXPECT(t.locks.block(session(3), "D", "B", true) == TableBlock::kRead);
  }

  TEST_CASE("TableLocks: another LOCK TABLES gives the earlier ones back first") {
    Locks t;
    t.lock(1, {write("a")});
    t.lock(2, {write("b")});
    EXPECT(t.settle() == "1+ 2+ ");
    t.lock(1, {write("b")});  // a deadlock otherwise
    t.lock(2, {write("a")});
    EXPECT(t.settle() == "1+ 2+ ");
    EXPECT(t.locks.block(session(1), "d", "b", true) == TableBlock::kNone);
    EXPECT(t.locks.block(session(1), "d", "a", true) == TableBlock::kWrite);
  }

  TEST_CASE("TableLocks: nobody overtakes one who waits, but a statement may") {
    Locks t;
    t.lock(1, {read("a")});
    t.lock(2, {write("a")});
    t.lock(3, {read("a")});
    t.use(4, {read("a")});
    EXPECT(t.settle() == "1+ 4+ ");
    t.locks.forget(session(1));
    EXPECT(t.settle() == "2+ ");
    t.locks.forget(session(2));
    EXPECT(t.settle() == "3+ ");
  }

  TEST_CASE("TableLocks: a statement that was let through holds nothing") {
    Locks t;
    t.lock(1, {read("a")});
    t.use(2, {write("a")});
    EXPECT(t.settle() == "1+ ");
    t.locks.forget(session(1));
    EXPECT(t.settle() == "2+ ");
    EXPECT(t.locks.empty());
  }

  TEST_CASE("TableLocks: who waits too long hears of it, and who stood behind goes on") {
    Locks t;
    t.lock(1, {read("a")});
    t.lock(2, {write("a")}, 5);
    t.lock(3, {read("a")}, 60);
    t.lock(4, {write("a")}, 0);
    EXPECT(t.settle() == "1+ 4- ");
    t.now += seconds(4);
    EXPECT(t.settle() == "");
    t.now += seconds(1);
    EXPECT(t.settle() == "2- ");
    EXPECT(t.settle() == "3+ ");
  }

  TEST_CASE("TableLocks: who has locked rows waits but briefly for one who writes") {
    Locks t;
    t.lock(1, {read("a")});
    t.lock(2, {read("b"), write("c")});
    t.use(3, {write("a")}, true);  // for one who only reads: as long as others
    t.use(4, {write("b")}, true);  // who writes another table may want its rows
    t.use(5, {write("b")}, false);
    EXPECT(t.settle() == "1+ 2+ ");
    t.now += std::chrono::milliseconds(900);
    EXPECT(t.settle() == "");
    t.now += std::chrono::milliseconds(200);
    EXPECT(t.settle() == "4! ");
    t.locks.forget(session(2));
    EXPECT(t.settle() == "5+ ");
    t.locks.forget(session(1));
    EXPECT(t.settle() == "3+ ");
  }

  TEST_CASE("TableLocks: one who goes away leaves no wait behind") {
    Locks t;
    t.lock(1, {write("a")});
    t.lock(2, {write("a")});
    EXPECT(t.settle() == "1+ ");
    t.locks.forget(session(2));
    t.locks.forget(session(1));
    EXPECT(t.settle() == "");
    EXPECT(t.locks.empty());
    EXPECT(t.locks.waiting() == 0);
  }

  TEST_CASE("TableLocks: a table named twice is held by its strongest lock") {
    Locks t;
    t.lock(1, {read("a"), write("a"), read("b"), read("b")});
    EXPECT(t.settle() == "1+ ");
    EXPECT(t.locks.tables_held() == 2);
    EXPECT_FALSE(t.locks.only_reads(session(1), "d", "a"));
    EXPECT(t.locks.only_reads(session(1), "d", "b"));
    EXPECT(t.locks.block(session(1), "d", "b", true) == TableBlock::kNone);
    t.locks.forget(session(1));
    EXPECT(t.locks.tables_held() == 0);
  }

  TEST_CASE("TableLocks: a whole schema is used when none of its tables is locked") {
    Locks t;
    t.lock(1, {read("a")});
    t.use(2, {{"d", "", true}});
    t.use(3, {{"e", "", true}});
    EXPECT(t.settle() == "1+ 3+ ");
    t.locks.forget(session(1));
    EXPECT(t.settle() == "2+ ");
  }

  TEST_CASE("TableLocks: FLUSH TABLES WITH READ LOCK is a READ lock on every table") {
    Locks t;
    t.lock(1, {write("a")});
    EXPECT(t.settle() == "1+ ");
    t.lock_all(2);
    t.lock(3, {read("b")});
    EXPECT(t.settle() == "3+ ");  // behind nobody's WRITE lock
    EXPECT_FALSE(t.locks.all_read());
    t.locks.forget(session(1));
    EXPECT(t.settle() == "2+ ");
    EXPECT(t.locks.all_read());
    EXPECT(t.locks.holds(session(2)));
    EXPECT_FALSE(t.locks.all_read_by_others(session(2)));
    EXPECT(t.locks.all_read_by_others(session(3)));
    EXPECT(t.locks.block(session(4), "d", "any", true) == TableBlock::kRead);
    EXPECT(t.locks.block(session(4), "d", "", true) == TableBlock::kRead);
    EXPECT(t.locks.block(session(4), "d", "any", false) == TableBlock::kNone);
    EXPECT(t.locks.block(session(2), "d", "any", true) == TableBlock::kNone);
    EXPECT(t.locks.only_reads(session(2), "d", "any"));  // its own may not, either
    t.lock_all(5);
    t.use(6, {write("c")});
    t.use(7, {read("c")});
    EXPECT(t.settle() == "5+ 7+ ");
    t.locks.forget(session(2));
    EXPECT(t.settle().empty());
    t.locks.forget(session(5));
    EXPECT(t.settle() == "6+ ");
    EXPECT_FALSE(t.locks.all_read());
  }

  TEST_CASE("LockedTableFilter: knows every locked table, by the strength of its lock") {
    Locks t;
    LockedTableFilter filter;
    EXPECT_FALSE(filter.any());
    filter.publish({}, true);
    EXPECT(filter.any());
    EXPECT(filter.may_block(7, true));
    EXPECT_FALSE(filter.may_block(7, false));
    filter.publish({});
    EXPECT_FALSE(filter.any());
    t.lock(1, {read("a"), write("b")});
    EXPECT(t.settle() == "1+ ");
    filter.publish(t.locks.keys());
    EXPECT(filter.any());
    EXPECT(filter.may_block(certifier::table_key("d", "a"), true));
    EXPECT_FALSE(filter.may_block(certifier::table_key("d", "a"), false));
    EXPECT(filter.may_block(certifier::table_key("d", "b"), false));
    EXPECT(filter.may_block(certifier::schema_key("d"), true));
    t.locks.forget(session(1));
    filter.publish(t.locks.keys());
    EXPECT_FALSE(filter.any());
    EXPECT_FALSE(filter.may_block(certifier::table_key("d", "b"), true));
  }
}

}  // namespace
}  // namespace consort::proxy
