// ResponseTracker: any reply, cut anywhere, gives the same steps as in one piece, and the same
// bytes for the client, whose packets are numbered in order when they are numbered anew. Input:
// command, choice of capabilities, chunk size, mode. Mode even: the rest are packets, each a length
// byte and its payload, numbered in order; odd: the rest is the raw stream.
#include <algorithm>
#include <iterator>
#include <vector>

#include "base/check.h"
#include "protocol/decode.h"
#include "protocol/lenenc.h"
#include "protocol/packet_writer.h"
#include "protocol/response_tracker.h"

using namespace consort;
using namespace consort::protocol;

namespace {

constexpr Command kCommands[] = {Command::kQuery,      Command::kStmtExecute, Command::kStmtPrepare,
                                 Command::kStmtFetch,  Command::kFieldList,   Command::kPing,
                                 Command::kStatistics, Command::kChangeUser,  Command::kProcessInfo,
                                 Command::kStmtClose,  Command::kBinlogDump};

struct Event {
  bool control = false;
  ControlKind kind = ControlKind::kOk;
  std::size_t bytes = 0;
  bool last = false;
  friend bool operator==(const Event&, const Event&) = default;
};

struct Trace {
  std::vector<Event> events;
  int error = 0;
  std::size_t used = 0;
  Buffer told;  ///< to the client
  friend bool operator==(const Trace&, const Trace&) = default;
};

struct Reply {
  Command command = Command::kQuery;
  std::uint64_t capabilities = 0;
  bool gathers = false;  ///< definitions; and drops them
};

/// What a session does with control packets must not crash either.
void look_into(const ResponseTracker::Step& step, std::uint64_t capabilities) {
  CHECK(step.bytes == step.payload.size() + kHeaderBytes);
  static_cast<void>(decode_ok(step.payload, capabilities));
  static_cast<void>(decode_eof(step.payload));
  static_cast<void>(sql_error_of(step.payload));
  static_cast<void>(decode_prepare_ok(step.payload));
}

void take(Trace& trace, const ResponseTracker::Step& step, Bytes unread) {
  const bool control = step.kind == ResponseTracker::StepKind::kControl;
  trace.used += step.bytes;
  if (step.kind == ResponseTracker::StepKind::kDropped) {
    trace.events.push_back(Event{true, ControlKind::kText, step.bytes, step.last});
    return;
  }
  append(trace.told, unread.first(step.bytes));
  if (!control && !trace.events.empty() && !trace.events.back().control) {
    trace.events.back().bytes += step.bytes;
    trace.events.back().last = step.last;
    return;
  }
  trace.events.push_back(Event{control, step.control, step.bytes, step.last});
}

/// The packets that the client gets are numbered in order.
void check_numbers(Bytes told) {
  std::uint8_t due = 1;
  while (told.size() >= kHeaderBytes) {
    CHECK(told[3] == due);
    ++due;
    told = told.subspan(std::min(told.size(), kHeaderBytes + load_le<3>(told.data())));
  }
}

Trace follow(const Reply& reply, Bytes input, std::size_t chunk_bytes) {
  Trace trace;
  ResponseTracker tracker;
  tracker.begin(reply.command, reply.capabilities);
  if (reply.gathers) {
    tracker.gather_definitions();
  }
  Buffer received(input.begin(), input.end());
  const MutableBytes wire(received);
  for (std::size_t end = 0; end < wire.size() && !tracker.done();) {
    end = std::min(wire.size(), end + chunk_bytes);
    while (!tracker.done()) {
      const MutableBytes unread = wire.subspan(trace.used, end - trace.used);
      const Result<ResponseTracker::Step> step = tracker.step(unread);
      if (!step) {
        trace.error = step.error().code;
        return trace;
      }
      if (step->kind == ResponseTracker::StepKind::kNeedMore) {
        CHECK(step->bytes == 0);
        break;
      }
      CHECK(step->bytes > 0);
      CHECK(step->bytes <= unread.size());
      CHECK(step->last == tracker.done());
      if (step->kind == ResponseTracker::StepKind::kControl) {
        look_into(*step, reply.capabilities);
        if (step->control == ControlKind::kColumnCount && !step->definitions.empty()) {
          CHECK(step->bytes + step->definitions.size() <= unread.size());
          tracker.drop_definitions();
        }
      }
      take(trace, *step, unread);
    }
  }
  if ((reply.capabilities & capability::kCompress) != 0 && reply.command != Command::kChangeUser) {
    check_numbers(trace.told);
  }
  return trace;
}

Buffer framed(Bytes input) {
  Buffer wire;
  Reader reader(input);
  std::uint8_t sequence = 1;
  while (!reader.at_end()) {
    const std::size_t bytes = std::min<std::size_t>(reader.u8(), reader.remaining());
    sequence = append_packet(wire, reader.bytes(bytes), sequence);
  }
  return wire;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kChoices = 4;
  if (size < kChoices) {
    return 0;
  }
  Reply reply;
  reply.command = kCommands[data[0] % std::size(kCommands)];
  reply.capabilities = capability::kProtocol41 | capability::kLocalFiles;
  reply.capabilities |= (data[1] & 1U) != 0 ? capability::kDeprecateEof : 0;
  reply.capabilities |= (data[1] & 2U) != 0 ? capability::kSessionTrack : 0;
  reply.capabilities |= (data[1] & 4U) != 0 ? capability::kMariadbCacheMetadata : 0;
  reply.capabilities |= (data[1] & 8U) != 0 ? capability::kMariadbProgress : 0;
  reply.capabilities |= (data[1] & 16U) != 0 ? capability::kCompress : 0;
  reply.gathers = (data[1] & 32U) != 0;
  const Bytes rest(data + kChoices, size - kChoices);
  const Buffer wire = data[3] % 2 == 0 ? framed(rest) : Buffer(rest.begin(), rest.end());
  const Trace whole = follow(reply, wire, std::max<std::size_t>(1, wire.size()));
  CHECK(follow(reply, wire, std::max<std::size_t>(1, data[2])) == whole);
  CHECK(follow(reply, wire, 1) == whole);
  return 0;
}
