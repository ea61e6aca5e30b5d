#include "certifier/certification_index.h"

#include <array>
#include <random>
#include <vector>

#include "tests/support/test.h"
#include "tests/unit/certifier/certification_oracle.h"

namespace {

using namespace consort;
using namespace consort::certifier;

constexpr BackendId kA{0};
constexpr BackendId kB{1};
constexpr BackendId kC{2};
constexpr std::array kHolds{KeyHold::kShared, KeyHold::kReference, KeyHold::kUpdate,
                            KeyHold::kExclusive};

LastSeen seen(std::uint64_t both) {
  return {Seqno{both}, Seqno{both}};
}

bool conflicts(const CertificationIndex& index, RowKey key, BackendId home, LastSeen last_seen) {
  return index.find_conflict(std::array{key}, home, last_seen).has_value();
}

void insert(CertificationIndex& index, RowKey key, std::uint64_t seqno, ExemptHome home) {
  index.insert(std::array{key}, Seqno{seqno}, home);
}

std::vector<RowKey> random_keys(std::mt19937_64& random, std::uint64_t distinct) {
  std::vector<RowKey> keys(random() % 4);
  for (RowKey& key : keys) {
    key = {random() % distinct, kHolds[random() % 4]};
  }
  return keys;
}

}  // namespace

TEST_SUITE("certifier") {
  TEST_CASE("CertificationIndex: which holds conflict") {
    // rows: held before; columns: asked for; in the order of KeyHold
    constexpr bool kExpected[4][4] = {
        {false, false, false, true},
        {false, false, false, true},
        {false, false, true, true},
        {true, true, true, true},
    };
    for (std::size_t held = 0; held < 4; ++held) {
      for (std::size_t asked = 0; asked < 4; ++asked) {
        CAPTURE(held);
        CAPTURE(asked);
        CertificationIndex index;
        insert(index, {5, kHolds[held]}, 10, kA);
        const bool expected = kExpected[held][asked];
        EXPECT(conflicts(index, {5, kHolds[asked]}, kB, seen(9)) == expected);
        EXPECT(conflicts(index, {5, kHolds[asked]}, kB, seen(10)) == false);
        EXPECT(conflicts(index, {5, kHolds[asked]}, kA, seen(9)) == false);
        EXPECT(conflicts(index, {6, kHolds[asked]}, kB, seen(9)) == false);
      }
    }
  }

  TEST_CASE("CertificationIndex: reports the key and the entry in the way") {
    CertificationIndex index;
    insert(index, {5, KeyHold::kUpdate}, 10, kA);
    const std::array keys{RowKey{4, KeyHold::kUpdate}, RowKey{5, KeyHold::kUpdate}};
    const auto conflict = index.find_conflict(keys, kB, seen(3));
    REQUIRE(conflict);
    EXPECT((conflict->key == keys[1]));
    EXPECT((conflict->seqno == Seqno{10}));
  }

  TEST_CASE("CertificationIndex: only holds with surviving row locks see as late as the answer") {
    const LastSeen between{Seqno{9}, Seqno{10}};
    for (const KeyHold held : kHolds) {
      for (const KeyHold asked : kHolds) {
        CAPTURE(static_cast<int>(held));
        CAPTURE(static_cast<int>(asked));
        CertificationIndex index;
        insert(index, {5, held}, 10, kA);
        const bool expected = holds_conflict(held, asked) && !locks_survive(held, asked);
        EXPECT(conflicts(index, {5, asked}, kB, between) == expected);
      }
    }
  }

  TEST_CASE("CertificationIndex: who removes a parent must have seen its children from the start") {
    const LastSeen last_seen{Seqno{10}, Seqno{10}, Seqno{9}};
    for (const KeyHold held : kHolds) {
      for (const KeyHold asked : kHolds) {
        CAPTURE(static_cast<int>(held));
        CAPTURE(static_cast<int>(asked));
        CertificationIndex index;
        insert(index, {5, held}, 10, kA);
        const bool expected = asked == KeyHold::kExclusive && !locks_survive(held, asked);
        EXPECT(conflicts(index, {5, asked}, kB, last_seen) == expected);
      }
    }
  }

  TEST_CASE("CertificationIndex: an own newer entry does not hide a foreign older one") {
    CertificationIndex index;
    insert(index, {5, KeyHold::kReference}, 10, kB);
    insert(index, {5, KeyHold::kReference}, 11, kA);
    insert(index, {5, KeyHold::kReference}, 12, kA);
    EXPECT(conflicts(index, {5, KeyHold::kExclusive}, kA, seen(9)));
    EXPECT_FALSE(conflicts(index, {5, KeyHold::kExclusive}, kA, seen(10)));
    EXPECT(conflicts(index, {5, KeyHold::kExclusive}, kB, seen(11)));
    EXPECT(conflicts(index, {5, KeyHold::kExclusive}, kC, seen(11)));
    EXPECT_FALSE(conflicts(index, {5, KeyHold::kExclusive}, kC, seen(12)));
  }

  TEST_CASE("CertificationIndex: a withdrawn exemption stands against its own home") {
    CertificationIndex index;
    for (std::uint64_t seqno = 10; seqno <= 12; ++seqno) {
      insert(index, {5, KeyHold::kUpdate}, seqno, kA);
    }
    EXPECT_FALSE(conflicts(index, {5, KeyHold::kUpdate}, kA, seen(0)));
    insert(index, {5, KeyHold::kUpdate}, 11, std::nullopt);
    EXPECT(conflicts(index, {5, KeyHold::kUpdate}, kA, seen(10)));
    EXPECT_FALSE(conflicts(index, {5, KeyHold::kUpdate}, kA, seen(11)));
    insert(index, {5, KeyHold::kUpdate}, 13, kA);
    EXPECT(conflicts(index, {5, KeyHold::kUpdate}, kA, seen(10)));
  }

  TEST_CASE("CertificationIndex: purging frees keys that nobody newer holds") {
    CertificationIndex index;
    const std::array keys{RowKey{5, KeyHold::kUpdate}, RowKey{6, KeyHold::kShared}};
    index.insert(keys, Seqno{10}, kA);
    insert(index, {6, KeyHold::kExclusive}, 11, kA);
    EXPECT(index.size() == 2);
    index.purge(keys, Seqno{10});
    EXPECT(index.size() == 1);
    EXPECT(conflicts(index, {6, KeyHold::kShared}, kB, seen(10)));
    index.purge(std::array{RowKey{6, KeyHold::kExclusive}}, Seqno{11});
    EXPECT(index.size() == 0);
    EXPECT_FALSE(conflicts(index, {6, KeyHold::kShared}, kB, seen(0)));
    index.purge(keys, Seqno{99});  // not there: nothing happens
    EXPECT(index.size() == 0);
  }

  TEST_CASE("CertificationIndex: grows and shrinks with its keys") {
    CertificationIndex index;
    std::vector<RowKey> keys(200'000);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      keys[i] = {i, KeyHold::kUpdate};  // consecutive hashes: the worst that may come
    }
    index.insert(keys, Seqno{1}, kA);
    EXPECT(index.size() == keys.size());
    const std::size_t large = index.capacity_bytes();
    EXPECT(large <= keys.size() * 64 * 3);
    for (const RowKey& key : keys) {
      REQUIRE(conflicts(index, key, kB, seen(0)));
    }
    index.purge(keys, Seqno{1});
    EXPECT(index.size() == 0);
    EXPECT(index.capacity_bytes() < large / 100);
  }

  TEST_CASE("CertificationIndex: agrees with a list that is scanned") {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      CertificationIndex index;
      CertificationOracle oracle;
      const std::uint64_t distinct = 2 + random() % 30;
      std::vector<CertificationOracle::Entry> entries;
      std::size_t purged = 0;
      for (std::uint64_t seqno = 1; seqno <= 300; ++seqno) {
        const std::vector<RowKey> asked = random_keys(random, distinct);
        const BackendId home{static_cast<std::uint8_t>(random() % 3)};
        const std::uint64_t horizon = purged;
        const std::uint64_t at_prepare = horizon + random() % (seqno - horizon);
        LastSeen last_seen{Seqno{at_prepare}, Seqno{at_prepare + random() % (seqno - at_prepare)}};
        if (random() % 4 == 0) {
          last_seen.at_start = Seqno{horizon + random() % (at_prepare - horizon + 1)};
        }
        const auto found = index.find_conflict(asked, home, last_seen);
        REQUIRE(found.has_value() == oracle.conflicts(asked, home, last_seen));
        if (found) {
          REQUIRE(oracle.conflicts_with(std::array{found->key}, home, last_seen, found->seqno));
        }
        const ExemptHome by = random() % 8 == 0 ? ExemptHome() : ExemptHome(home);
        const std::vector<RowKey> keys = random_keys(random, distinct);
        index.insert(keys, Seqno{seqno}, by);
        oracle.insert(keys, Seqno{seqno}, by);
        entries.push_back({Seqno{seqno}, by, keys});
        if (random() % 6 == 0) {
          const auto& victim = entries[purged + random() % (entries.size() - purged)];
          index.insert(victim.keys, victim.seqno, std::nullopt);
          oracle.withdraw(victim.seqno);
        }
        while (entries.size() - purged > 40) {
          index.purge(entries[purged].keys, entries[purged].seqno);
          oracle.forget_until(entries[purged].seqno);
          ++purged;
        }
      }
    }
  }
}
