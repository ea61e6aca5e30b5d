#include "protocol/response_tracker.h"

#include <string>
#include <vector>

#include "protocol/decode.h"
#include "protocol/packet_reader.h"
#include "tests/support/test.h"
#include "tests/unit/protocol/wire_script.h"

using namespace consort;
using namespace consort::protocol;
using namespace consort::protocol::test;

namespace {

using Kind = ControlKind;
using StepKind = ResponseTracker::StepKind;

constexpr std::uint64_t kOld = capability::kProtocol41 | capability::kLocalFiles;
constexpr std::uint64_t kNew = kOld | capability::kDeprecateEof;

/// What a session would do with one reply: a line per control packet, "+n" for n bytes forwarded
/// between them. A trailing "." marks the last step.
struct Trace {
  std::string text;
  int error = 0;
  std::size_t used = 0;
  bool done = false;
};

const char* name_of(Kind kind) {
  static const char* const kNames[] = {"OK",   "ERR",     "EOF",  "CEOF", "COLS",
                                       "FILE", "PREPARE", "TEXT", "AUTH", "PROGRESS"};
  return kNames[static_cast<std::size_t>(kind)];
}

class Tracing {
 public:
  Tracing(Command command, std::uint64_t capabilities) { tracker_.begin(command, capabilities); }

  /// More bytes came; `wire` is all that came so far.
  void run(Bytes wire) {
    append(received_, wire.subspan(received_.size()));
    while (trace_.error == 0 && !trace_.done) {
      const auto step = tracker_.step(MutableBytes(received_).subspan(trace_.used));
      if (!step) {
        flush();
        trace_.error = step.error().code;
        return;
      }
      if (step->kind == StepKind::kNeedMore) {
        return;
      }
      take(*step);
    }
  }

  Trace finish() {
    flush();
    return trace_;
  }

  ResponseTracker& tracker() { return tracker_; }

  /// Definitions are gathered, and dropped where they can be.
  void drop_definitions() {
    tracker_.gather_definitions();
    drops_ = true;
  }

  /// The numbers of the packets that reach the client.
  [[nodiscard]] std::string numbers() const {
    std::string text;
    Bytes rest(told_);
    while (const auto frame = peek_packet(rest)) {
      text += std::to_string(frame->sequence) + " ";
      rest = rest.subspan(frame->bytes);
    }
    return rest.empty() ? text : text + "and a part";
  }

 private:
  void take(const ResponseTracker::Step& step) {
    REQUIRE(step.bytes > 0);
    if (step.kind == StepKind::kForward) {
      forwarded_ += step.bytes;
    } else if (step.kind == StepKind::kDropped) {
      flush();
      trace_.text += " -" + std::to_string(step.bytes);
    } else {
      flush();
      REQUIRE(step.bytes == step.payload.size() + kHeaderBytes);
      trace_.text += std::string(" ") + name_of(step.control);
      if (!step.definitions.empty()) {
        trace_.text += "(" + std::to_string(step.definitions.size()) + ")";
      }
      if (drops_ && step.control == Kind::kColumnCount && !step.definitions.empty()) {
        tracker_.drop_definitions();
      }
    }
    if (step.kind != StepKind::kDropped) {
      append(told_, Bytes(received_).subspan(trace_.used, step.bytes));
    }
    trace_.used += step.bytes;
    if (step.last) {
      flush();
      trace_.text += ".";
      trace_.done = true;
      REQUIRE(tracker_.done());
    }
  }

  void flush() {
    if (forwarded_ > 0) {
      trace_.text += " +" + std::to_string(forwarded_);
      forwarded_ = 0;
    }
  }

  ResponseTracker tracker_;
  Trace trace_;
  std::size_t forwarded_ = 0;
  Buffer received_;
  Buffer told_;
  bool drops_ = false;
};

Trace trace(Command command, std::uint64_t capabilities, Bytes wire, std::size_t chunk_bytes) {
  Tracing tracing(command, capabilities);
  for (std::size_t end = 0; end < wire.size();) {
    end = std::min(wire.size(), end + chunk_bytes);
    tracing.run(wire.first(end));
  }
  return tracing.finish();
}

/// The trace of `script` in one piece. Also: every way to cut it gives the same, and no prefix of
/// it ends the reply or fails.
std::string trace_of(Command command, std::uint64_t capabilities, const Script& script) {
  const Bytes wire = script.wire();
  const Trace whole = trace(command, capabilities, wire, wire.size());
  for (const std::size_t size : chunk_sizes(wire.size())) {
    CAPTURE(size);
    const Trace cut = trace(command, capabilities, wire, size);
    EXPECT(cut.text == whole.text);
    EXPECT(cut.error == whole.error);
    EXPECT(cut.used == whole.used);
  }
  if (whole.error == 0 && whole.done) {
    EXPECT(whole.used == wire.size());
    for (std::size_t end = 1; end < wire.size(); ++end) {
      const Trace prefix = trace(command, capabilities, wire.first(end), end);
      EXPECT_FALSE(prefix.done);
      EXPECT(prefix.error == 0);
    }
  }
  return whole.error == 0 ? whole.text : whole.text + " !" + std::to_string(whole.error);
}

/// Of `script`, however it is cut: the trace, and the numbers of what reaches the client, when
/// definitions are dropped; or the packets come with `capabilities` that say nothing of numbers.
std::string renumbered(Command command,
                       std::uint64_t capabilities,
                       const Script& script,
                       bool drops = true) {
  std::string whole;
  for (const std::size_t size : chunk_sizes(script.wire().size())) {
    CAPTURE(size);
    Tracing tracing(command, capabilities);
    if (drops) {
      tracing.drop_definitions();
    }
    const Bytes wire(script.wire());
    for (std::size_t end = 0; end < wire.size();) {
      end = std::min(wire.size(), end + size);
      tracing.run(wire.first(end));
    }
    const Trace trace = tracing.finish();
    const std::string text = tracing.numbers() + "|" + trace.text +
                             (trace.error == 0 ? "" : " !" + std::to_string(trace.error));
    EXPECT((whole.empty() || whole == text));
    whole = text;
  }
  return whole;
}

Buffer prepare_ok(std::uint16_t columns, std::uint16_t parameters) {
  Buffer out;
  encode_prepare_ok(out, StmtPrepareOk{3, columns, parameters, 0});
  return out;
}

constexpr std::uint16_t kMore = status_flag::kMoreResultsExist;

}  // namespace

TEST_SUITE("protocol") {
  TEST_CASE("ResponseTracker: replies of one packet") {
    EXPECT(trace_of(Command::kQuery, kOld, Script().ok()) == " OK.");
    EXPECT(trace_of(Command::kQuery, kNew, Script().ok(2, "Rows matched: 1")) == " OK.");
    EXPECT(trace_of(Command::kQuery, kNew, Script().err()) == " ERR.");
    EXPECT(trace_of(Command::kPing, kNew, Script().ok()) == " OK.");
    EXPECT(trace_of(Command::kInitDb, kNew, Script().err(1049)) == " ERR.");
    EXPECT(trace_of(Command::kSetOption, kOld, Script().eof()) == " EOF.");
    EXPECT(trace_of(Command::kSetOption, kNew, Script().end()) == " EOF.");
    EXPECT(trace_of(Command::kResetConnection, kNew, Script().ok()) == " OK.");
    EXPECT(trace_of(Command::kStatistics, kNew, Script().packet(text_bytes("Uptime: 1"))) ==
           " TEXT.");
  }

  TEST_CASE("ResponseTracker: commands without a reply") {
    for (const Command command :
         {Command::kQuit, Command::kStmtClose, Command::kStmtSendLongData}) {
      ResponseTracker tracker;
      tracker.begin(command, kNew);
      EXPECT(tracker.done());
      EXPECT(tracker.step({})->kind == StepKind::kNeedMore);
      Buffer unasked = bytes_of({1, 0, 0, 1, 0});
      EXPECT(tracker.step(unasked).error().code == static_cast<int>(TrackError::kUnexpectedReply));
    }
  }

  TEST_CASE("ResponseTracker: a text result set, in both EOF styles") {
    Script old_style;
    old_style.columns(2).eof().text_row({"1", "a"}).text_row({"2", ""}).eof();
    EXPECT(trace_of(Command::kQuery, kOld, old_style) == " COLS +24 CEOF +15 EOF.");
    Script new_style;
    new_style.columns(2).text_row({"1", "a"}).text_row({"2", ""}).end();
    EXPECT(trace_of(Command::kQuery, kNew, new_style) == " COLS +39 EOF.");
    Script empty;
    empty.columns(1).end();
    EXPECT(trace_of(Command::kQuery, kNew, empty) == " COLS +12 EOF.");
  }

  TEST_CASE("ResponseTracker: more columns than a table may have") {
    Script many;
    many.packet(bytes_of({0xFD, 0xA1, 0x09, 0x01})).definitions(68001).end();
    EXPECT(trace(Command::kQuery, kNew, many.wire(), many.wire().size()).text ==
           " COLS +" + std::to_string(68001 * 12) + " EOF.");
  }

  TEST_CASE("ResponseTracker: rows that begin like control packets") {
    // 0xFB: NULL first. 0x00: an empty text first. 0xFE: only behind a length of nine or more.
    Script old_style;
    old_style.columns(1).eof();
    old_style.packet(bytes_of({0xFB})).packet(bytes_of({0x00}));
    old_style.packet(bytes_of({0xFE, 1, 0, 0, 0, 0, 0, 0, 0, 'x'}));
    old_style.eof();
    EXPECT(trace_of(Command::kQuery, kOld, old_style) == " COLS +12 CEOF +24 EOF.");
    Script new_style;
    new_style.columns(1).packet(bytes_of({0xFB})).packet(bytes_of({0x00})).end();
    EXPECT(trace_of(Command::kQuery, kNew, new_style) == " COLS +22 EOF.");
  }

  TEST_CASE("ResponseTracker: binary rows") {
    Script script;
    script.columns(1).packet(bytes_of({0, 0, 7, 0, 0, 0})).packet(bytes_of({0, 4})).end();
    EXPECT(trace_of(Command::kStmtExecute, kNew, script) == " COLS +28 EOF.");
    Script fetched;
    fetched.packet(bytes_of({0, 0, 7, 0, 0, 0})).eof(status_flag::kLastRowSent);
    EXPECT(trace_of(Command::kStmtFetch, kOld, fetched) == " +10 EOF.");
    Script cursor;
    cursor.columns(1).eof(status_flag::kCursorExists);
    EXPECT(trace_of(Command::kStmtExecute, kOld, cursor) == " COLS +12 CEOF.");
  }

  TEST_CASE("ResponseTracker: errors among definitions and rows end the reply") {
    Script in_rows;
    in_rows.columns(1).eof().text_row({"1"}).err(1317);
    EXPECT(trace_of(Command::kQuery, kOld, in_rows) == " COLS +12 CEOF +6 ERR.");
    Script in_columns;
    in_columns.packet(bytes_of({2})).definitions(1).err(1317);
    EXPECT(trace_of(Command::kQuery, kNew, in_columns) == " COLS +12 ERR.");
    Script for_eof;
    for_eof.columns(1).err(1317);
    EXPECT(trace_of(Command::kQuery, kOld, for_eof) == " COLS +12 ERR.");
  }

  TEST_CASE("ResponseTracker: several results in one reply") {
    Script script;
    script.ok(kMore).columns(1).text_row({"1"}).end(kMore).columns(1).end(kMore).ok();
    EXPECT(trace_of(Command::kQuery, kNew, script) == " OK COLS +18 EOF COLS +12 EOF OK.");
    Script old_style;
    old_style.columns(1).eof(kMore).text_row({"1"}).eof(kMore).err();
    EXPECT(trace_of(Command::kQuery, kOld, old_style) == " COLS +12 CEOF +6 EOF ERR.");
    Script out_parameters;
    out_parameters.columns(1).packet(bytes_of({0, 0, 1})).end(kMore | status_flag::kPsOutParams);
    out_parameters.ok();
    EXPECT(trace_of(Command::kStmtExecute, kNew, out_parameters) == " COLS +19 EOF OK.");
    // MySQL in the old style: its rows' end does not say that the OK follows.
    Script of_mysql;
    of_mysql.columns(1).eof(kMore | status_flag::kPsOutParams).packet(bytes_of({0, 0, 1}));
    of_mysql.eof().ok();
    EXPECT(trace_of(Command::kStmtExecute, kOld, of_mysql) == " COLS +12 CEOF +7 EOF OK.");
    // A ping cannot have more results, whatever its status says.
    EXPECT(trace_of(Command::kPing, kNew, Script().ok(kMore)) == " OK.");
  }

  TEST_CASE("ResponseTracker: COM_STMT_PREPARE") {
    EXPECT(trace_of(Command::kStmtPrepare, kOld, Script().packet(prepare_ok(0, 0))) == " PREPARE.");
    EXPECT(trace_of(Command::kStmtPrepare, kOld,
                    Script().packet(prepare_ok(1, 2)).definitions(2).eof().definitions(1).eof()) ==
           " PREPARE +24 CEOF +12 CEOF.");
    EXPECT(trace_of(Command::kStmtPrepare, kNew,
                    Script().packet(prepare_ok(1, 2)).definitions(3)) == " PREPARE +36.");
    EXPECT(trace_of(Command::kStmtPrepare, kOld,
                    Script().packet(prepare_ok(0, 1)).definitions(1).eof()) ==
           " PREPARE +12 CEOF.");
    EXPECT(trace_of(Command::kStmtPrepare, kNew,
                    Script().packet(prepare_ok(2, 0)).definitions(2)) == " PREPARE +24.");
    EXPECT(trace_of(Command::kStmtPrepare, kNew, Script().err()) == " ERR.");
  }

  TEST_CASE("ResponseTracker: COM_FIELD_LIST") {
    EXPECT(trace_of(Command::kFieldList, kOld, Script().definitions(2).eof()) == " +24 EOF.");
    EXPECT(trace_of(Command::kFieldList, kNew, Script().definitions(2).end()) == " +24 EOF.");
    EXPECT(trace_of(Command::kFieldList, kNew, Script().err()) == " ERR.");
  }

  TEST_CASE("ResponseTracker: MariaDB leaves definitions out when the client has them") {
    const std::uint64_t cached = kNew | capability::kMariadbCacheMetadata;
    Script without;
    without.packet(bytes_of({2, 0})).packet(bytes_of({0, 0, 1, 2})).end();
    EXPECT(trace_of(Command::kStmtExecute, cached, without) == " COLS +8 EOF.");
    Script with;
    with.packet(bytes_of({2, 1})).definitions(2).packet(bytes_of({0, 0, 1, 2})).end();
    EXPECT(trace_of(Command::kStmtExecute, cached, with) == " COLS +32 EOF.");
    Script old_style;
    old_style.packet(bytes_of({2, 0})).eof().packet(bytes_of({0, 0, 1, 2})).eof();
    EXPECT(trace_of(Command::kStmtExecute, kOld | capability::kMariadbCacheMetadata, old_style) ==
           " COLS CEOF +8 EOF.");
  }

  TEST_CASE("ResponseTracker: progress reports are no errors") {
    Script script;
    script.packet(bytes_of({0xFF, 0xFF, 0xFF, 1, 1, 2, 0, 0, 0})).ok();
    EXPECT(trace_of(Command::kQuery, kNew | capability::kMariadbProgress, script) ==
           " PROGRESS OK.");
  }

  TEST_CASE("ResponseTracker: LOCAL INFILE waits for the client") {
    Script request;
    request.packet(
        text_bytes("\xFB"
                   "file"));
    Tracing tracing(Command::kQuery, kNew);
    tracing.run(request.wire());
    EXPECT(tracing.tracker().next_sequence() == 2);
    tracing.tracker().on_infile_sent(4);
    Script all = request;
    append_ok(const_cast<Buffer&>(all.wire()), OkPacket{}, kNew, 5);
    tracing.run(all.wire());
    EXPECT(tracing.finish().text == " FILE OK.");
    EXPECT(trace_of(Command::kQuery, kNew & ~capability::kLocalFiles, request) == " !1");
  }

  TEST_CASE("ResponseTracker: COM_CHANGE_USER is a dialogue") {
    EXPECT(trace_of(Command::kChangeUser, kNew, Script().ok()) == " OK.");
    Buffer wire;
    append_packet(wire,
                  text_bytes("\xFE"
                             "mysql_native_password"),
                  1);
    append_ok(wire, OkPacket{}, kNew, 3);
    EXPECT(trace(Command::kChangeUser, kNew, wire, 1).text == " AUTH OK.");
  }

  TEST_CASE("ResponseTracker: rows above 16 MiB pass in parts") {
    for (const std::uint64_t capabilities : {kOld, kNew}) {
      for (const std::size_t bytes : {kMaxPayload, kMaxPayload + 1, 2 * kMaxPayload}) {
        CAPTURE(bytes);
        Buffer row = bytes_of({0xFE});
        append_le<8>(row, bytes - 9);
        row.resize(bytes, 0xFF);  // the parts that follow begin like errors
        Script script;
        script.columns(1);
        if (capabilities == kOld) {
          script.eof();
        }
        script.packet(row).text_row({"x"});
        capabilities == kOld ? script.eof() : script.end();
        const std::string whole =
            trace(Command::kQuery, capabilities, script.wire(), script.wire().size()).text;
        EXPECT(whole.ends_with(" EOF."));
        EXPECT(trace(Command::kQuery, capabilities, script.wire(), 65536).text == whole);
        EXPECT(trace(Command::kQuery, capabilities, script.wire(), 1000003).text == whole);
        ResponseTracker tracker;
        tracker.begin(Command::kQuery, capabilities);
        Buffer received = script.wire();
        for (std::size_t at = 0; !tracker.done();) {
          at += tracker.step(MutableBytes(received).subspan(at))->bytes;
        }
        EXPECT(tracker.rows() == 2);
      }
    }
  }

  TEST_CASE("ResponseTracker: forwards as much as is there, in one step") {
    Script script;
    script.columns(1);
    const std::size_t header_bytes = 5;
    for (int i = 0; i < 1000; ++i) {
      script.text_row({"row"});
    }
    ResponseTracker tracker;
    tracker.begin(Command::kQuery, kNew);
    Buffer received = script.wire();
    const MutableBytes wire(received);
    EXPECT(tracker.step(wire)->bytes == header_bytes);
    EXPECT_FALSE(tracker.anything_forwarded());
    const auto step = tracker.step(wire.subspan(header_bytes, 1007));
    EXPECT(step->kind == StepKind::kForward);
    // The last packet's header is not complete: it waits. Else everything goes.
    EXPECT(step->bytes >= 1007 - kHeaderBytes);
    EXPECT(tracker.anything_forwarded());
    const auto rest = tracker.step(wire.subspan(header_bytes + step->bytes));
    EXPECT(step->bytes + rest->bytes + header_bytes == wire.size());
    EXPECT(tracker.rows() == 1000);
    EXPECT_FALSE(tracker.inside_packet());
  }

  TEST_CASE("ResponseTracker: leaves the next reply alone") {
    Script first;
    first.ok();
    Buffer wire = first.wire();
    Script second;
    second.columns(1).text_row({"1"}).end();
    append(wire, second.wire());
    ResponseTracker tracker;
    tracker.begin(Command::kQuery, kNew);
    auto step = tracker.step(wire);
    EXPECT(step->last);
    EXPECT(step->bytes == first.wire().size());
    tracker.begin(Command::kQuery, kNew);
    step = tracker.step(MutableBytes(wire).subspan(step->bytes));
    EXPECT(step->control == Kind::kColumnCount);
    EXPECT(step->columns == 1);
  }

  TEST_CASE("ResponseTracker: malformed replies and wrong numbers") {
    const int malformed = static_cast<int>(TrackError::kMalformed);
    const int sequence = static_cast<int>(TrackError::kSequence);
    const std::string bad = " !" + std::to_string(malformed);
    EXPECT(trace_of(Command::kQuery, kNew, Script().packet({})) == bad);
    EXPECT(trace_of(Command::kQuery, kNew, Script().packet(bytes_of({0, 0}))) == bad);
    EXPECT(trace_of(Command::kQuery, kNew, Script().packet(bytes_of({0xFF, 1}))) == bad);
    EXPECT(trace_of(Command::kQuery, kNew, Script().packet(bytes_of({2, 2}))) == bad);
    EXPECT(trace_of(Command::kQuery, kNew, Script().packet(bytes_of({0xFC, 0, 0}))) == bad);
    EXPECT(trace_of(Command::kPing, kNew, Script().packet(bytes_of({2}))) == bad);
    EXPECT(trace_of(Command::kQuery, kNew, Script().columns(1).packet({})) == " COLS +12" + bad);
    EXPECT(trace_of(Command::kQuery, kOld, Script().columns(1).text_row({"1"})) ==
           " COLS +12" + bad);
    EXPECT(trace_of(Command::kQuery, kNew, Script().packet(bytes_of({2})).definitions(1).end()) ==
           " COLS +12" + bad);
    EXPECT(trace_of(Command::kStmtPrepare, kNew, Script().packet(bytes_of({0, 1}))) == bad);
    EXPECT(trace_of(Command::kQuery, kNew, Script(2).ok()) == " !" + std::to_string(sequence));
    EXPECT(trace_of(Command::kQuery, kNew, Script(9).err()) == " ERR.");
    Script gap;
    gap.columns(1).text_row({"1"});
    Buffer wire = gap.wire();
    Script tail(static_cast<std::uint8_t>(gap.sequence() + 1));
    append(wire, tail.text_row({"2"}).wire());
    for (const std::size_t size : chunk_sizes(wire.size())) {
      const Trace got = trace(Command::kQuery, kNew, wire, size);
      EXPECT(got.error == sequence);
      EXPECT(got.text == " COLS +18");
    }
  }

  TEST_CASE("ResponseTracker: behind dropped definitions packets are numbered anew") {
    const auto dropped = [](std::uint64_t capabilities, const Script& script) {
      return renumbered(Command::kStmtExecute, capabilities, script);
    };
    Script rows;
    rows.columns(2).text_row({"1"}).text_row({"2"}).end();
    EXPECT(dropped(kNew, rows) == "1 2 3 4 | COLS(24) -24 +12 EOF.");
    Script old_style;
    old_style.columns(2).eof().text_row({"1"}).eof();
    EXPECT(dropped(kOld, old_style) == "1 2 3 4 | COLS(24) -24 CEOF +6 EOF.");
    Script failing;
    failing.columns(2).text_row({"1"}).err();
    EXPECT(dropped(kNew, failing) == "1 2 3 | COLS(24) -24 +6 ERR.");
    Script several;
    several.columns(1).text_row({"1"}).end(kMore).columns(2).end(kMore).ok();
    EXPECT(dropped(kNew, several) == "1 2 3 4 5 6 | COLS(12) -12 +6 EOF COLS(24) -24 EOF OK.");
    Script progress;
    progress.packet(bytes_of({0xFF, 0xFF, 0xFF, 1, 1, 2, 0, 0, 0})).columns(1);
    progress.packet(bytes_of({0xFF, 0xFF, 0xFF, 1, 1, 2, 0, 0, 0})).text_row({"1"}).end();
    EXPECT(dropped(kNew | capability::kMariadbProgress, progress) ==
           "1 2 3 4 5 | PROGRESS COLS(12) -12 PROGRESS +6 EOF.");
    Script cursor;
    cursor.columns(1).eof(status_flag::kCursorExists);
    EXPECT(dropped(kOld, cursor) == "1 2 | COLS(12) -12 CEOF.");
    // What is not there as a whole is not dropped.
    Script cut_short;
    cut_short.packet(bytes_of({2})).definitions(1).err();
    EXPECT(dropped(kNew, cut_short) == "1 2 3 | COLS +12 ERR.");
    Script missing(1);
    missing.columns(1);
    Script wrong(4);
    Buffer wire = missing.wire();
    append(wire, wrong.text_row({"1"}).wire());
    Tracing tracing(Command::kStmtExecute, kNew);
    tracing.drop_definitions();
    tracing.run(wire);
    EXPECT(tracing.finish().error == static_cast<int>(TrackError::kSequence));
  }

  TEST_CASE("ResponseTracker: a PREPARE tells the columns' definitions") {
    for (const bool old_style : {true, false}) {
      CAPTURE(old_style);
      const auto gathered = [&](std::uint16_t columns, std::uint16_t parameters) {
        Script script;
        script.packet(prepare_ok(columns, parameters));
        for (const std::uint16_t count : {parameters, columns}) {
          script.definitions(count);
          if (old_style && count > 0) {
            script.eof();
          }
        }
        return renumbered(Command::kStmtPrepare, old_style ? kOld : kNew, script);
      };
      EXPECT(gathered(0, 0) == "1 | PREPARE.");
      EXPECT(gathered(2, 0).find("PREPARE(24)") != std::string::npos);
      EXPECT(gathered(1, 3).find("PREPARE(12)") != std::string::npos);
      EXPECT(gathered(0, 3).find("PREPARE ") != std::string::npos);
    }
    EXPECT(renumbered(Command::kStmtPrepare, kNew, Script().err()) == "1 | ERR.");
  }

  TEST_CASE("ResponseTracker: definitions beyond all measure are not gathered") {
    Script script;
    script.packet(bytes_of({3}));
    Buffer definition = text_bytes(
        ""
        "def");
    definition.resize(ResponseTracker::kGatheredBytesMax / 2, 'x');
    for (int i = 0; i < 3; ++i) {
      script.packet(definition);
    }
    script.text_row({"1"}).end();
    for (const std::size_t size : {script.wire().size(), std::size_t{65536}}) {
      Tracing tracing(Command::kStmtExecute, kNew);
      tracing.drop_definitions();
      for (std::size_t end = 0; end < script.wire().size();) {
        end = std::min(script.wire().size(), end + size);
        tracing.run(Bytes(script.wire()).first(end));
      }
      EXPECT(tracing.finish().text.starts_with(" COLS +"));
      EXPECT(tracing.numbers() == "1 2 3 4 5 6 ");
    }
  }

  TEST_CASE("ResponseTracker: rows above 16 MiB behind dropped definitions") {
    Script script;
    script.columns(2).packet(Buffer(2 * kMaxPayload, 'x')).text_row({"1"}).end();
    for (const std::size_t size : {script.wire().size(), std::size_t{1000003}}) {
      Tracing tracing(Command::kStmtExecute, kNew);
      tracing.drop_definitions();
      for (std::size_t end = 0; end < script.wire().size();) {
        end = std::min(script.wire().size(), end + size);
        tracing.run(Bytes(script.wire()).first(end));
      }
      EXPECT(tracing.finish().text.ends_with(" EOF."));
      EXPECT(tracing.numbers() == "1 2 3 4 5 6 ");  // a row is three packets
    }
  }

  TEST_CASE("ResponseTracker: a compressed connection's numbers mean nothing") {
    Script script(200);
    script.columns(2).text_row({"1"});
    Buffer wire = script.wire();
    Script behind(7);  // a server flushes amid a reply
    append(wire, behind.end(kMore).ok().wire());
    for (const std::size_t size : chunk_sizes(wire.size())) {
      Tracing tracing(Command::kQuery, kNew | capability::kCompress);
      for (std::size_t end = 0; end < wire.size();) {
        end = std::min(wire.size(), end + size);
        tracing.run(Bytes(wire).first(end));
      }
      EXPECT(tracing.finish().text == " COLS +30 EOF OK.");
      EXPECT(tracing.numbers() == "1 2 3 4 5 6 ");
    }
    EXPECT(renumbered(Command::kQuery, kNew | capability::kCompress, Script(9).err(), false) ==
           "1 | ERR.");
    Tracing file(Command::kQuery, kNew | capability::kCompress);
    Script request(5);
    request.packet(
        text_bytes("\xFB"
                   "file"));
    file.run(request.wire());
    EXPECT(file.tracker().next_sequence() == 2);
    file.tracker().on_infile_sent(4);
    Script all = request;
    append_ok(const_cast<Buffer&>(all.wire()), OkPacket{}, kNew, 77);
    file.run(all.wire());
    EXPECT(file.finish().text == " FILE OK.");
    EXPECT(file.numbers() == "1 5 ");
  }

  TEST_CASE("ResponseTracker: a command above 16 MiB moves the numbers of its reply") {
    ResponseTracker tracker;
    tracker.begin(Command::kQuery, kNew, 2);
    Buffer wire = Script(3).ok().wire();
    EXPECT(tracker.step(wire)->last);
  }

  TEST_CASE("patching: status flags and statement ids in place") {
    Script script;
    script.ok(0x0002, "info").eof(0x0002).end(0x0002).packet(prepare_ok(1, 1));
    Buffer wire = script.wire();
    const std::size_t ok_bytes = 4 + 12;
    const std::size_t eof_bytes = 4 + 5;
    const std::size_t end_bytes = 4 + 7;
    const MutableBytes ok = MutableBytes(wire).first(ok_bytes);
    const MutableBytes eof = MutableBytes(wire).subspan(ok_bytes, eof_bytes);
    const MutableBytes end = MutableBytes(wire).subspan(ok_bytes + eof_bytes, end_bytes);
    const MutableBytes prepared = MutableBytes(wire).subspan(ok_bytes + eof_bytes + end_bytes);
    EXPECT(patch_ok_status(ok, 0x2001));
    EXPECT(patch_eof_status(eof, 0x2001));
    EXPECT(patch_ok_status(end, 0x2001));
    EXPECT(patch_prepare_ok_id(prepared, 0xA0B0C0D0));
    EXPECT(decode_ok(ok.subspan(4), kNew)->status == 0x2001);
    EXPECT(decode_ok(ok.subspan(4), kNew)->info == "info");
    EXPECT(decode_eof(eof.subspan(4))->status == 0x2001);
    EXPECT(decode_ok(end.subspan(4), kNew)->status == 0x2001);
    EXPECT(decode_prepare_ok(prepared.subspan(4))->statement_id == 0xA0B0C0D0);
    EXPECT_FALSE(patch_eof_status(ok, 0));
    EXPECT_FALSE(patch_eof_status(end, 0));
    EXPECT_FALSE(patch_ok_status(MutableBytes(wire).first(5), 0));
    EXPECT_FALSE(patch_ok_status({}, 0));
    EXPECT_FALSE(patch_prepare_ok_id(eof, 0));
  }
}
