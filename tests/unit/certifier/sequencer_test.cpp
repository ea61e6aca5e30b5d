#include "certifier/sequencer.h"

#include <array>
#include <random>

#include "tests/support/test.h"
#include "tests/unit/certifier/certification_oracle.h"

namespace {

using namespace consort;
using namespace consort::certifier;

constexpr BackendId kFirst{0};
constexpr BackendId kSecond{1};

std::vector<RowKey> rows(std::initializer_list<std::uint64_t> hashes) {
  std::vector<RowKey> keys;
  for (const std::uint64_t hash : hashes) {
    keys.push_back({hash, KeyHold::kUpdate});
  }
  return keys;
}

Verdict certify(Sequencer& sequencer,
                BackendId home,
                std::uint64_t last_seen,
                std::span<const RowKey> keys) {
  return sequencer.certify({BranchId{}, home, Seqno{last_seen}, Seqno{last_seen}, keys, {}});
}

bool passes(Sequencer& sequencer,
            BackendId home,
            std::uint64_t last_seen,
            std::span<const RowKey> keys) {
  return certify(sequencer, home, last_seen, keys).kind == VerdictKind::kPass;
}

LogEntry writeset(std::uint64_t seqno, BackendId home, std::vector<RowKey> keys) {
  Writeset body;
  body.home = home;
  body.keys = std::move(keys);
  return {1, Seqno{seqno}, body};
}

LogEntry ddl(std::uint64_t seqno, std::vector<RowKey> keys) {
  Ddl body;
  body.keys = std::move(keys);
  return {1, Seqno{seqno}, body};
}

}  // namespace

TEST_SUITE("certifier") {
  TEST_CASE("Sequencer: seqnos are dense, losers take none") {
    Sequencer sequencer;
    EXPECT((certify(sequencer, kFirst, 0, rows({1})).seqno == Seqno{1}));
    const Verdict lost = certify(sequencer, kSecond, 0, rows({1}));
    EXPECT(lost.kind == VerdictKind::kConflict);
    EXPECT((lost.seqno == Seqno{1}));
    EXPECT(lost.key.hash == 1);
    EXPECT((certify(sequencer, kSecond, 0, rows({2})).seqno == Seqno{2}));
    EXPECT((sequencer.order(rows({3}), kFirst) == Seqno{3}));
    EXPECT((sequencer.head() == Seqno{3}));
  }

  TEST_CASE("Sequencer: the home's own row locks order its transactions") {
    Sequencer sequencer;
    EXPECT(passes(sequencer, kFirst, 0, rows({1})));
    EXPECT(passes(sequencer, kFirst, 0, rows({1})));
    EXPECT_FALSE(passes(sequencer, kSecond, 1, rows({1})));
    EXPECT(passes(sequencer, kSecond, 2, rows({1})));
  }

  TEST_CASE("Sequencer: who has not seen a DDL on its table loses, whatever its home") {
    Sequencer sequencer;
    const std::array table{RowKey{50, KeyHold::kExclusive}};
    const std::array row{RowKey{50, KeyHold::kShared}, RowKey{51, KeyHold::kExclusive}};
    EXPECT(passes(sequencer, kFirst, 0, row));
    const Seqno at = sequencer.order(table, std::nullopt);  // passes though kFirst's row is newer
    EXPECT_FALSE(passes(sequencer, kFirst, 1, row));
    EXPECT_FALSE(passes(sequencer, kSecond, 1, row));
    EXPECT(passes(sequencer, kFirst, at.value, row));
  }

  TEST_CASE("Sequencer: a replayed entry stands against its own home") {
    Sequencer sequencer;
    const Verdict verdict = certify(sequencer, kFirst, 0, rows({1}));
    sequencer.withdraw_exemption(verdict.seqno);
    sequencer.withdraw_exemption(verdict.seqno);  // again: nothing changes
    EXPECT_FALSE(passes(sequencer, kFirst, 0, rows({1})));
    EXPECT(passes(sequencer, kFirst, 1, rows({1})));
  }

  TEST_CASE("Sequencer: a lost home loses the exemptions of what it has not applied") {
    Sequencer sequencer;
    for (std::uint64_t key = 1; key <= 4; ++key) {
      EXPECT(passes(sequencer, key == 3 ? kSecond : kFirst, 0, rows({key})));
    }
    sequencer.withdraw_exemptions_of(kFirst, Seqno{1});
    EXPECT(passes(sequencer, kFirst, 0, rows({1})));
    EXPECT_FALSE(passes(sequencer, kFirst, 0, rows({2})));
    EXPECT(passes(sequencer, kSecond, 0, rows({3})));
    EXPECT_FALSE(passes(sequencer, kFirst, 0, rows({4})));
    EXPECT(passes(sequencer, kFirst, 4, rows({4})));
  }

  TEST_CASE("Sequencer: what was applied everywhere is forgotten in steps") {
    Sequencer sequencer(SequencerLimits{1000, 2});
    for (std::uint64_t key = 1; key <= 10; ++key) {
      EXPECT(passes(sequencer, kFirst, 0, rows({key})));
    }
    EXPECT((sequencer.horizon() == Seqno{0}));
    sequencer.on_applied_everywhere(Seqno{9});
    EXPECT((sequencer.horizon() == Seqno{8}));  // two entries stay
    EXPECT(sequencer.distinct_keys() == 2);
    EXPECT(sequencer.keys_held() == 2);
    EXPECT(certify(sequencer, kSecond, 7, rows({99})).kind == VerdictKind::kTooOld);  // I7
    EXPECT(passes(sequencer, kSecond, 8, rows({99})));
    EXPECT(sequencer.forced_horizons() == 0);
  }

  TEST_CASE("Sequencer: a large entry is purged over several calls, horizon first") {
    Sequencer sequencer(SequencerLimits{100'000, 0});
    std::vector<RowKey> large(1000);
    for (std::size_t i = 0; i < large.size(); ++i) {
      large[i] = {i, KeyHold::kUpdate};
    }
    EXPECT(passes(sequencer, kFirst, 0, large));
    sequencer.on_applied_everywhere(Seqno{1});
    EXPECT((sequencer.horizon() == Seqno{1}));
    EXPECT(sequencer.keys_held() > 900);
    sequencer.withdraw_exemption(Seqno{1});  // beyond the horizon: nothing to do
    for (int i = 0; i < 20; ++i) {
      sequencer.on_applied_everywhere(Seqno{1});
    }
    EXPECT(sequencer.keys_held() == 0);
    EXPECT(sequencer.distinct_keys() == 0);
    EXPECT((sequencer.horizon() == Seqno{1}));
  }

  TEST_CASE("Sequencer: above keys_max the horizon rises, nothing is forgotten silently") {
    Sequencer sequencer(SequencerLimits{4, 100});
    EXPECT(passes(sequencer, kFirst, 0, rows({1, 2})));
    EXPECT(passes(sequencer, kFirst, 0, rows({3, 4})));
    EXPECT((sequencer.horizon() == Seqno{0}));
    EXPECT(passes(sequencer, kFirst, 0, rows({5})));
    EXPECT((sequencer.horizon() == Seqno{1}));
    EXPECT(sequencer.forced_horizons() == 1);
    EXPECT(certify(sequencer, kSecond, 0, rows({77})).kind == VerdictKind::kTooOld);
    EXPECT(passes(sequencer, kFirst, 1, rows({1, 2, 3, 4, 5})));  // more than the bound holds
    EXPECT((sequencer.horizon() == Seqno{4}));
    EXPECT(sequencer.keys_held() == 0);
    EXPECT(certify(sequencer, kSecond, 3, rows({77})).kind == VerdictKind::kTooOld);
    EXPECT(passes(sequencer, kSecond, 4, rows({1})));
    EXPECT((sequencer.head() == Seqno{5}));
  }

  TEST_CASE("Sequencer: entries without keys count, too, where nobody has applied them") {
    Sequencer sequencer(SequencerLimits{4, 1});
    for (int i = 0; i < 10; ++i) {
      (void)sequencer.order({}, kFirst);
    }
    EXPECT((sequencer.head() == Seqno{10}));
    EXPECT((sequencer.horizon() == Seqno{6}));
    EXPECT(certify(sequencer, kSecond, 5, rows({77})).kind == VerdictKind::kTooOld);
    EXPECT(passes(sequencer, kSecond, 7, rows({77})));
  }

  TEST_CASE("Sequencer: knows how many keys it holds that somebody has not seen") {
    Sequencer sequencer(SequencerLimits{6, 0});
    EXPECT(sequencer.keys_after(Seqno{0}) == 0);
    EXPECT(passes(sequencer, kFirst, 0, rows({1, 2})));
    EXPECT(passes(sequencer, kFirst, 0, rows({3})));
    EXPECT(passes(sequencer, kFirst, 0, rows({4, 5, 6})));
    EXPECT(sequencer.keys_after(Seqno{0}) == 6);
    EXPECT(sequencer.keys_after(Seqno{1}) == 4);
    EXPECT(sequencer.keys_after(Seqno{2}) == 3);
    EXPECT(sequencer.keys_after(Seqno{3}) == 0);
    sequencer.on_applied_everywhere(Seqno{1});
    EXPECT(sequencer.keys_after(Seqno{0}) == 4);  // the first entry's are forgotten
    EXPECT(passes(sequencer, kFirst, 3, rows({7, 8, 9})));
    EXPECT((sequencer.horizon() == Seqno{2}));
    EXPECT(sequencer.keys_after(Seqno{1}) == 6);
    EXPECT(sequencer.keys_after(Seqno{3}) == 3);
  }

  TEST_CASE("Sequencer: who removes parents is too old by what was applied when it began") {
    Sequencer sequencer(SequencerLimits{1000, 0});
    EXPECT(passes(sequencer, kFirst, 0, rows({1})));
    EXPECT(passes(sequencer, kFirst, 0, rows({2})));
    sequencer.on_applied_everywhere(Seqno{1});
    const auto keys = rows({9});
    const auto kind = [&](std::optional<Seqno> at_start) {
      return sequencer.certify({BranchId{}, kSecond, Seqno{2}, Seqno{2}, keys, at_start}).kind;
    };
    EXPECT(kind(Seqno{0}) == VerdictKind::kTooOld);
    EXPECT(kind(Seqno{1}) == VerdictKind::kPass);
    EXPECT(kind(std::nullopt) == VerdictKind::kPass);
  }

  TEST_CASE("Sequencer: is rebuilt from the log's tail") {
    Sequencer sequencer;
    for (const LogEntry& entry :
         {LogEntry{1, Seqno{0}, EpochStart{"c", Seqno{40}}}, writeset(41, kFirst, rows({1})),
          writeset(42, kSecond, rows({2})), ddl(43, {{50, KeyHold::kExclusive}}),
          LogEntry{1, Seqno{0}, DdlResult{Seqno{43}, DdlOutcome::kRun}},
          LogEntry{1, Seqno{0}, Replay{Seqno{41}, kFirst}},
          LogEntry{2, Seqno{0}, EpochStart{"c", Seqno{43}}}}) {
      REQUIRE(sequencer.restore(entry).ok());
    }
    EXPECT((sequencer.head() == Seqno{43}));
    EXPECT((sequencer.horizon() == Seqno{40}));
    EXPECT(certify(sequencer, kFirst, 39, rows({9})).kind == VerdictKind::kTooOld);
    EXPECT_FALSE(passes(sequencer, kFirst, 40, rows({1})));  // replayed
    EXPECT(passes(sequencer, kSecond, 40, rows({2})));       // own
    EXPECT_FALSE(passes(sequencer, kSecond, 42, std::array{RowKey{50, KeyHold::kShared}}));
    EXPECT((sequencer.head() == Seqno{44}));
  }

  TEST_CASE("Sequencer: a log that lost its beginning or an entry") {
    Sequencer late;
    EXPECT(late.restore(writeset(7, kFirst, rows({1}))).ok());
    EXPECT((late.horizon() == Seqno{6}));
    EXPECT_FALSE(late.restore(writeset(9, kFirst, rows({1}))).ok());
    EXPECT_FALSE(late.restore(writeset(7, kFirst, rows({1}))).ok());
    EXPECT_FALSE(late.restore(LogEntry{1, Seqno{0}, Replay{Seqno{8}, kFirst}}).ok());
    EXPECT(late.restore(LogEntry{1, Seqno{0}, Replay{Seqno{3}, kFirst}}).ok());  // long released
    EXPECT_FALSE(late.restore(LogEntry{2, Seqno{0}, EpochStart{"c", Seqno{6}}}).ok());
  }

  TEST_CASE("Sequencer: agrees with a list that is scanned, through everything") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      Sequencer sequencer(SequencerLimits{20 + random() % 200, random() % 20});
      CertificationOracle oracle;
      const std::uint64_t distinct = 3 + random() % 40;
      for (int step = 0; step < 600; ++step) {
        std::vector<RowKey> keys(random() % 5);
        for (RowKey& key : keys) {
          key = {random() % distinct, static_cast<KeyHold>(random() % 4)};
        }
        const std::uint64_t head = sequencer.head().value;
        const BackendId home{static_cast<std::uint8_t>(random() % 3)};
        const std::uint64_t reach = std::min<std::uint64_t>(head, random() % 30);
        const LastSeen last_seen{Seqno{head - reach}, Seqno{head - random() % (reach + 1)}};
        const Seqno horizon = sequencer.horizon();
        oracle.forget_until(horizon);
        const Verdict verdict = sequencer.certify(
            {BranchId{}, home, last_seen.at_prepare, last_seen.at_answer, keys, {}});
        if (last_seen.at_prepare < horizon) {
          REQUIRE(verdict.kind == VerdictKind::kTooOld);
        } else {
          REQUIRE((verdict.kind == VerdictKind::kConflict) ==
                  oracle.conflicts(keys, home, last_seen));
        }
        if (verdict.kind == VerdictKind::kPass) {
          REQUIRE((verdict.seqno == Seqno{head + 1}));
          oracle.insert(keys, verdict.seqno, home);
        } else {
          REQUIRE((sequencer.head() == Seqno{head}));
        }
        const std::uint64_t now = sequencer.head().value;
        if (random() % 10 == 0) {
          oracle.insert(keys, sequencer.order(keys, std::nullopt), std::nullopt);
        } else if (random() % 10 == 0 && now > 0) {
          const Seqno victim{now - random() % std::min<std::uint64_t>(now, 10)};
          sequencer.withdraw_exemption(victim);
          oracle.withdraw(victim);
        } else if (random() % 10 == 0) {
          const Seqno applied{now - random() % (std::min<std::uint64_t>(now, 10) + 1)};
          sequencer.on_applied_everywhere(applied);
        }
      }
      REQUIRE(sequencer.keys_held() <= 300);
    }
  }
}
