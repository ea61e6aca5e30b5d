// ResponseTracker: follows the reply to one command to its last packet.
// Copies nothing, allocates nothing, decodes no rows. The caller holds the received bytes and asks
// step() what lies in front of them. Packets that would come to the client under other numbers than
// they have are numbered anew where they lie: all of a compressed connection, where a server counts
// on from the compressed packets of the command, and those behind definitions that were dropped.
//
//             COM_QUERY, COM_STMT_EXECUTE             COM_STMT_PREPARE
//   kFirst -- OK, ERR ---------------> done           kPrepare -- ERR --> done
//     |  \--- LOCAL INFILE -> kFirst                     | PREPARE_OK
//     | column count                                     v
//     v                                               kDefinitions (params [EOF] columns [EOF])
//   kColumns -- [EOF] --> kRows -- EOF, ERR --> done     --> done
//     an OK or EOF with MORE_RESULTS_EXISTS leads back to kFirst
//
// Spec: MariaDB KB "Result set packets", "COM_STMT_PREPARE". Threads: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "protocol/constants.h"

namespace consort::protocol {

/// What a control packet is.
enum class ControlKind : std::uint8_t {
  kOk,           ///< header 0x00: decode_ok()
  kErr,          ///< decode_err(); ends the reply wherever it comes
  kEof,          ///< ends rows, or answers a command: EOF, or OK with header 0xFE: decode_ok()
  kColumnsEof,   ///< EOF behind column or parameter definitions: decode_eof()
  kColumnCount,  ///< a result set begins: Step::columns
  kLocalInfile,  ///< the client must send its file (0xFB and the name)
  kPrepareOk,    ///< decode_prepare_ok()
  kText,         ///< COM_STATISTICS: the payload is the text
  kAuth,         ///< COM_CHANGE_USER: AuthSwitchRequest or more data
  kProgress      ///< MariaDB's progress report; forward it or drop it
};

enum class TrackError : std::uint8_t {
  kMalformed = 1,   ///< not a packet that can come here: the connection is lost
  kSequence,        ///< a packet is missing or doubled: the connection is lost
  kUnexpectedReply  ///< bytes where no reply is under way
};

class ResponseTracker {
 public:
  enum class StepKind : std::uint8_t {
    kForward,  ///< the first `bytes` bytes pass unchanged: definitions, rows, parts of them
    kControl,  ///< a whole packet of `bytes` bytes, header included, to look at
    kDropped,  ///< `bytes` bytes are not for the client: drop_definitions()
    kNeedMore  ///< an incomplete packet is in front: read more, then call step() again
  };

  /// The caller consumes exactly `bytes` bytes before the next step(). `payload` is a view into
  /// what was given to step().
  struct Step {
    StepKind kind = StepKind::kNeedMore;
    ControlKind control = ControlKind::kOk;
    bool last = false;  ///< the reply ends with these bytes (of kForward too: PREPARE may end so)
    std::uint8_t sequence = 0;  ///< of the control packet
    std::uint16_t status = 0;   ///< of kOk, kEof and kColumnsEof
    std::size_t bytes = 0;
    std::uint64_t columns = 0;  ///< of kColumnCount
    Bytes payload;              ///< of the control packet
    /// Of kColumnCount and kPrepareOk when gather_definitions() has asked for them: the packets of
    /// the columns' definitions, which come next. Empty: there are none, or more than are gathered.
    Bytes definitions;
  };

  /// Definitions that take more bytes are not gathered.
  static constexpr std::size_t kGatheredBytesMax = std::size_t{256} << 10;

  /// A reply is expected to `command`, sent on a connection with `capabilities` in force.
  /// `command_sequence`: sequence id of the command's last packet (not 0 above 16 MiB). With
  /// capability::kCompress the packets' own numbers mean nothing.
  /// Afterwards done() is true at once for a command without a reply.
  void begin(Command command, std::uint64_t capabilities, std::uint8_t command_sequence = 0);

  /// The packets that describe columns are wanted as a whole, with the packet in front of them.
  /// REQUIRES: begin() was the last call.
  void gather_definitions() { gathers_ = true; }

  /// Looks at the front of the received bytes. Errors: TrackError; afterwards only begin() helps,
  /// and the connection must be closed. Bytes behind the reply's end are not touched.
  [[nodiscard]] Result<Step> step(MutableBytes unread);

  /// The definitions behind the kColumnCount packet that step() returned last shall not reach the
  /// client: the next step passes over them. REQUIRES: that Step::definitions is not empty.
  void drop_definitions();

  /// Rows of the reply's last result set, so far.
  [[nodiscard]] std::uint64_t rows() const { return rows_; }

  /// No reply is under way.
  [[nodiscard]] bool done() const { return phase_ == Phase::kDone; }

  /// The file of a LOCAL INFILE is sent, its last (empty) packet numbered `sequence`.
  void on_infile_sent(std::uint8_t sequence) {
    next_sequence_ = next_of(sequence);
    any_sequence_ = false;
  }

  /// Rows (or part of one) were forwarded: an error in the middle can no longer be replaced by
  /// another reply.
  [[nodiscard]] bool anything_forwarded() const { return forwarded_; }

  /// True while the next byte lies inside a row that has been forwarded in part.
  [[nodiscard]] bool inside_packet() const { return frame_missing_ > 0 || continues_; }

  /// Sequence id that the reply's next packet has for the client: for an ERR of our own in its
  /// place.
  [[nodiscard]] std::uint8_t next_sequence() const { return next_sequence_; }

 private:
  enum class Phase : std::uint8_t {
    kDone,
    kFirst,        ///< of a reply that may be a result set
    kColumns,      ///< `definitions_left_` definitions
    kColumnsEof,   ///< the EOF behind them
    kRows,         ///< rows up to EOF or ERR; definitions of COM_FIELD_LIST likewise
    kSimple,       ///< OK, EOF or ERR
    kText,         ///< COM_STATISTICS
    kAuth,         ///< COM_CHANGE_USER
    kPrepare,      ///< PREPARE_OK or ERR
    kDefinitions,  ///< of a PREPARE reply: parameters, then columns
    kDefinitionsEof
  };

  /// The header of the packet in front, and its first payload byte.
  struct Look {
    std::size_t payload_bytes = 0;
    std::uint8_t sequence = 0;
    std::uint8_t first = 0;
  };

  [[nodiscard]] static std::uint8_t next_of(std::uint8_t sequence) {
    return static_cast<std::uint8_t>(sequence + 1);
  }

  [[nodiscard]] std::size_t forward(MutableBytes unread);
  [[nodiscard]] std::size_t forward_whole_rows(Bytes unread);
  [[nodiscard]] std::size_t row_like_eof_bytes_min() const;
  [[nodiscard]] std::optional<Look> look(Bytes unread) const;
  [[nodiscard]] bool passes(const Look& look) const;
  [[nodiscard]] bool numbered_right(const Look& look) const;
  [[nodiscard]] bool well_formed(const Look& look) const;
  void finish_frame();
  void next_definitions();
  void begin_rows(bool metadata_follows);
  [[nodiscard]] std::uint8_t number(std::uint8_t* header);

  /// Packets at the front of bytes; not `whole`: more must be read to know.
  struct Gathered {
    Bytes packets;
    bool whole = true;
  };

  [[nodiscard]] Gathered gather(Bytes unread, std::uint64_t count) const;
  [[nodiscard]] Gathered gather_behind(const Step& step, Bytes unread) const;

  [[nodiscard]] Result<Step> control(MutableBytes unread, const Look& look);
  [[nodiscard]] bool classify(Step& step);
  [[nodiscard]] bool on_error(Step& step);
  [[nodiscard]] bool on_first(Step& step);
  [[nodiscard]] bool on_ok(Step& step, ControlKind kind);
  [[nodiscard]] bool on_column_count(Step& step);
  [[nodiscard]] bool on_columns_eof(Step& step);
  [[nodiscard]] bool on_prepare_ok(Step& step);
  [[nodiscard]] Error fail(TrackError code, const char* message);

  Phase phase_ = Phase::kDone;
  Command command_ = Command::kSleep;
  std::uint64_t capabilities_ = 0;
  std::uint64_t definitions_left_ = 0;
  std::uint64_t rows_ = 0;
  std::uint16_t columns_after_parameters_ = 0;
  std::size_t frame_missing_ = 0;     ///< bytes of a forwarded packet that are still to come
  std::size_t dropping_ = 0;          ///< bytes in front that the client does not get
  std::size_t gathered_bytes_ = 0;    ///< of the definitions that were handed out last
  std::uint8_t next_sequence_ = 0;    ///< as the client counts
  std::uint8_t dropped_packets_ = 0;  ///< by so many the backend is ahead
  bool continues_ = false;            ///< the next packet continues a payload of kMaxPayload
  bool forwarded_ = false;
  bool out_parameters_ = false;  ///< the rows are OUT parameters: another result follows
  bool any_sequence_ = false;    ///< the client speaks in between: take what comes next
  bool unnumbered_ = false;      ///< the backend's numbers mean nothing
  bool renumbers_ = false;       ///< they are not the client's
  bool gathers_ = false;
};

/// Overwrites the status flags of a whole EOF packet of the old form (header included) in place.
/// False when it is not one.
[[nodiscard]] bool patch_eof_status(MutableBytes packet, std::uint16_t status);

/// The same for a whole OK packet, header byte 0x00 or 0xFE.
[[nodiscard]] bool patch_ok_status(MutableBytes packet, std::uint16_t status);

/// Overwrites the statement id of a whole PREPARE_OK packet in place.
[[nodiscard]] bool patch_prepare_ok_id(MutableBytes packet, std::uint32_t statement_id);

}  // namespace consort::protocol
