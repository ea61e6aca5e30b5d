// Model servers that take numbers of one sequence as MariaDB does (memory, a row that a crash takes
// back to any earlier state, a binlog), driven by real lanes from a log: no number is given twice,
// whatever is killed, copied or restarted in between. SIM_SEED, SIM_SEEDS as for the simulator.
#include <array>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "certifier/apply_lane.h"
#include "certifier/sequence_reserve.h"
#include "tests/support/test.h"

namespace {

using namespace consort;
using namespace consort::certifier;

constexpr std::size_t kServers = 3;
constexpr std::uint32_t kStep = 16;
constexpr unsigned kActions = 600;
/// Ranges that nobody has read of when their server loses them: fewer than kSequenceSpareNumbers.
constexpr std::size_t kUnreadMax = 200;

using Random = std::mt19937_64;

/// What survives a crash, up to some moment: the redo log is one order.
struct Stored {
  std::int64_t row = 1;
  Seqno position;
};

class ModelServer {
 public:
  explicit ModelServer(std::uint32_t offset) : offset_(offset) { open(); }

  std::int64_t take(std::uint64_t cache) {
    if (next_ >= reserved_) {
      const auto range = static_cast<std::int64_t>(std::max<std::uint64_t>(cache, 1) * kStep);
      reserved_ = std::max(reserved_, next_) + range;
      store_row(reserved_);
      binlog.push_back({"d", "s", reserved_, cache, kStep});
    }
    const std::int64_t number = next_;
    next_ += kStep;
    return number;
  }

  void raise(std::int64_t value) {
    value = in_class(value);
    if (value < next_) {
      return;
    }
    next_ = value;
    if (next_ > reserved_) {
      reserved_ = next_;
      store_row(reserved_);
    }
  }

  /// No crash takes anything of before.
  void flush() { states_ = {states_.back()}; }

  void move_to(Seqno position) { states_.push_back({states_.back().row, position}); }

  /// `lost`: so many of the last changes are gone.
  void crash(std::size_t lost) {
    states_.resize(states_.size() - std::min(lost, states_.size() - 1));
    open();
  }

  void become_copy_of(const ModelServer& donor) {
    states_ = {donor.states_.back()};
    binlog.clear();
    open();
  }

  [[nodiscard]] const Stored& stored() const { return states_.back(); }

  std::deque<SequenceReserve> binlog;  ///< what nobody has read yet

 private:
  [[nodiscard]] std::int64_t in_class(std::int64_t value) const {
    while (value % kStep != offset_ % kStep) {
      ++value;
    }
    return value;
  }

  void store_row(std::int64_t row) { states_.push_back({row, states_.back().position}); }

  void open() {
    reserved_ = states_.back().row;
    next_ = in_class(reserved_);
  }

  std::uint32_t offset_;
  std::vector<Stored> states_{1};
  std::int64_t next_ = 0;
  std::int64_t reserved_ = 0;
};

/// The servers, the log and the lanes.
class Model {
 public:
  explicit Model(std::uint64_t seed) : random_(seed) {
    for (std::uint32_t i = 0; i < kServers; ++i) {
      servers_.emplace_back(i + 1);
    }
    restart_consort();
  }

  void act() {
    const std::size_t at = below(kServers);
    switch (below(40)) {
      case 0:
        servers_[at].crash(below(30));
        connect(at);
        return;
      case 1:
        servers_[at].crash(below(30));
        servers_[at].binlog.clear();  // the machine went, not the process
        connect(at);
        return;
      case 2:
        replace(at, (at + 1 + below(kServers - 1)) % kServers);
        return;
      case 3:
        for (ModelServer& server : servers_) {
          server.binlog.clear();
        }
        restart_consort();
        return;
      case 4:
        servers_[at].crash(below(30));
        restart_consort();
        return;
      case 5:
        connect(at);  // only the lane's connection was lost
        return;
      default:
        break;
    }
    if (below(3) == 0) {
      read_binlog(at);
    } else if (below(2) == 0) {
      pump(at);
    } else {
      take(at);
    }
  }

  [[nodiscard]] std::size_t given() const { return given_.size(); }

  bool twice = false;

 private:
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

  bool serves(std::size_t at) {
    return numbers_from_[at] && lanes_[at]->applied() >= *numbers_from_[at];
  }

  void take(std::size_t at) {
    for (std::size_t count = below(30); count > 0 && serves(at); --count) {
      if (servers_[at].binlog.size() >= kUnreadMax) {
        read_binlog(at);
      }
      twice = twice || !given_.insert(servers_[at].take(below(2) == 0 ? 0 : 4)).second;
    }
  }

  void read_binlog(std::size_t at) {
    std::deque<SequenceReserve>& binlog = servers_[at].binlog;
    for (std::size_t count = below(binlog.size() + 1); count > 0; --count) {
      log(at, binlog.front());
      binlog.pop_front();
    }
  }

  Seqno log(std::size_t home, const SequenceReserve& reserve) {
    Writeset body;
    body.home = BackendId{static_cast<std::uint8_t>(home)};
    body.flags = kWritesetAtHome | kWritesetSequences;
    body.payload = encode_reserves({&reserve, 1});
    log_.push_back(
        std::make_shared<LogEntry>(LogEntry{1, Seqno{log_.size() + 1}, std::move(body)}));
    for (const auto& lane : lanes_) {
      lane->push(log_.back());
    }
    return log_.back()->seqno;
  }

  /// As begin_sequences_sql() does, when the lane has come so far.
  void begin_numbers(std::size_t at) {
    ModelServer& server = servers_[at];
    if (numbers_from_[at] || lanes_[at]->applied() < lanes_[at]->began_at()) {
      return;
    }
    server.raise(server.stored().row + static_cast<std::int64_t>(kSequenceSpareNumbers * kStep));
    server.flush();
    numbers_from_[at] = log(at, {"d", "s", server.stored().row, 4, kStep});
  }

  void pump(std::size_t at) {
    ApplyLane& lane = *lanes_[at];
    begin_numbers(at);
    while (const auto from = lane.wants_from()) {
      for (std::size_t i = from->value - 1; i < log_.size(); ++i) {
        lane.push(log_[i]);
      }
    }
    BatchLimits limits;
    limits.entries_max = 1 + below(8);
    const auto turn = lane.next_turn(limits);
    if (!turn) {
      return;
    }
    const LaneBatch batch = std::get<LaneBatch>(*turn);
    execute(servers_[at], batch.statements);
    servers_[at].move_to(batch.last);
    lane.on_turn_done();
  }

  /// Of the statements only SETVAL concerns a model server.
  static void execute(ModelServer& server, const std::vector<std::string>& statements) {
    constexpr std::string_view kCall = "SETVAL(`d`.`s`,";
    for (const std::string& sql : statements) {
      for (auto at = sql.find(kCall); at != std::string::npos; at = sql.find(kCall, at + 1)) {
        server.raise(std::stoll(sql.substr(at + kCall.size())));
      }
    }
  }

  void connect(std::size_t at) {
    const ModelServer& server = servers_[at];
    numbers_from_[at].reset();
    lanes_[at]->on_disconnected();
    LaneStart start;
    start.cluster_id = "c";
    start.owner = {1, ++generation_};
    start.position = server.stored().position;
    start.listed_up_to = start.durable = Seqno{log_.size()};
    lanes_[at]->on_connected(start);
  }

  void replace(std::size_t at, std::size_t donor) {
    servers_[at].become_copy_of(servers_[donor]);
    connect(at);
  }

  void restart_consort() {
    for (std::size_t at = 0; at < kServers; ++at) {
      lanes_[at] = std::make_unique<ApplyLane>(BackendId{static_cast<std::uint8_t>(at)}, 7);
      connect(at);
    }
  }

  Random random_;
  std::vector<ModelServer> servers_;
  std::array<std::unique_ptr<ApplyLane>, kServers> lanes_;
  std::vector<std::shared_ptr<const LogEntry>> log_;
  std::array<std::optional<Seqno>, kServers> numbers_from_;
  std::set<std::int64_t> given_;
  std::uint32_t generation_ = 0;
};

std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace

TEST_SUITE("certifier") {
  TEST_CASE("SequenceModel: no number is given twice, whatever breaks") {
    const std::uint64_t first = number_of("SIM_SEED", 1);
    const std::uint64_t seeds =
        std::getenv("SIM_SEED") != nullptr ? 1 : number_of("SIM_SEEDS", 200);
    std::size_t given = 0;
    for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
      CAPTURE(seed);
      Model model(seed);
      for (unsigned i = 0; i < kActions && !model.twice; ++i) {
        model.act();
      }
      REQUIRE_FALSE(model.twice);
      given += model.given();
    }
    EXPECT(given > seeds * 100);  // it is no test when hardly anybody takes numbers
  }
}
