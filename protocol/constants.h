// Constants of the client/server protocol: commands, capabilities, status flags, collations.
// Spec: MariaDB KB "Connection" and "Protocol differences". Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>

namespace consort::protocol {

/// Bytes in front of each packet's payload: length (3, little-endian) and sequence id (1).
inline constexpr std::size_t kHeaderBytes = 4;
/// Longest payload of one packet. A payload this long continues in the next packet.
inline constexpr std::size_t kMaxPayload = 0xFFFFFF;

/// First byte of a command's payload. Values above 0xF9 exist on MariaDB only.
enum class Command : std::uint8_t {
  kSleep = 0x00,
  kQuit = 0x01,
  kInitDb = 0x02,
  kQuery = 0x03,
  kFieldList = 0x04,
  kCreateDb = 0x05,
  kDropDb = 0x06,
  kRefresh = 0x07,
  kShutdown = 0x08,
  kStatistics = 0x09,
  kProcessInfo = 0x0A,
  kConnect = 0x0B,
  kProcessKill = 0x0C,
  kDebug = 0x0D,
  kPing = 0x0E,
  kTime = 0x0F,
  kDelayedInsert = 0x10,
  kChangeUser = 0x11,
  kBinlogDump = 0x12,
  kTableDump = 0x13,
  kConnectOut = 0x14,
  kRegisterSlave = 0x15,
  kStmtPrepare = 0x16,
  kStmtExecute = 0x17,
  kStmtSendLongData = 0x18,
  kStmtClose = 0x19,
  kStmtReset = 0x1A,
  kSetOption = 0x1B,
  kStmtFetch = 0x1C,
  kDaemon = 0x1D,
  kBinlogDumpGtid = 0x1E,
  kResetConnection = 0x1F,
  kStmtBulkExecute = 0xFA,
  kSlaveWorker = 0xFB,
  kSlaveIo = 0xFC,
  kSlaveSql = 0xFD,
  kMulti = 0xFE
};

/// Capability flags. The low 32 bits are common to MySQL and MariaDB; the high 32 bits are
/// MariaDB's extended capabilities, valid only where kLongPassword ("CLIENT_MYSQL") is not set.
namespace capability {
inline constexpr std::uint64_t kLongPassword = 1ULL << 0;
inline constexpr std::uint64_t kFoundRows = 1ULL << 1;
inline constexpr std::uint64_t kLongFlag = 1ULL << 2;
inline constexpr std::uint64_t kConnectWithDb = 1ULL << 3;
inline constexpr std::uint64_t kNoSchema = 1ULL << 4;
inline constexpr std::uint64_t kCompress = 1ULL << 5;
inline constexpr std::uint64_t kOdbc = 1ULL << 6;
inline constexpr std::uint64_t kLocalFiles = 1ULL << 7;
inline constexpr std::uint64_t kIgnoreSpace = 1ULL << 8;
inline constexpr std::uint64_t kProtocol41 = 1ULL << 9;
inline constexpr std::uint64_t kInteractive = 1ULL << 10;
inline constexpr std::uint64_t kSsl = 1ULL << 11;
inline constexpr std::uint64_t kIgnoreSigpipe = 1ULL << 12;
inline constexpr std::uint64_t kTransactions = 1ULL << 13;
inline constexpr std::uint64_t kReserved = 1ULL << 14;
inline constexpr std::uint64_t kSecureConnection = 1ULL << 15;
inline constexpr std::uint64_t kMultiStatements = 1ULL << 16;
inline constexpr std::uint64_t kMultiResults = 1ULL << 17;
inline constexpr std::uint64_t kPsMultiResults = 1ULL << 18;
inline constexpr std::uint64_t kPluginAuth = 1ULL << 19;
inline constexpr std::uint64_t kConnectAttrs = 1ULL << 20;
inline constexpr std::uint64_t kPluginAuthLenenc = 1ULL << 21;
inline constexpr std::uint64_t kExpiredPasswords = 1ULL << 22;
inline constexpr std::uint64_t kSessionTrack = 1ULL << 23;
inline constexpr std::uint64_t kDeprecateEof = 1ULL << 24;
inline constexpr std::uint64_t kOptionalResultsetMetadata = 1ULL << 25;
inline constexpr std::uint64_t kZstdCompression = 1ULL << 26;
inline constexpr std::uint64_t kQueryAttributes = 1ULL << 27;
inline constexpr std::uint64_t kMultiFactor = 1ULL << 28;
inline constexpr std::uint64_t kCapabilityExtension = 1ULL << 29;
inline constexpr std::uint64_t kSslVerifyServerCert = 1ULL << 30;
inline constexpr std::uint64_t kRememberOptions = 1ULL << 31;
inline constexpr std::uint64_t kMariadbProgress = 1ULL << 32;
inline constexpr std::uint64_t kMariadbComMulti = 1ULL << 33;
inline constexpr std::uint64_t kMariadbStmtBulk = 1ULL << 34;
inline constexpr std::uint64_t kMariadbExtendedMetadata = 1ULL << 35;
inline constexpr std::uint64_t kMariadbCacheMetadata = 1ULL << 36;
inline constexpr std::uint64_t kMariadbBulkUnitResults = 1ULL << 37;
inline constexpr std::uint64_t kOfBothBrands = (1ULL << 32) - 1;
}  // namespace capability

/// The server status of OK and EOF packets.
namespace status_flag {
inline constexpr std::uint16_t kInTransaction = 0x0001;
inline constexpr std::uint16_t kAutocommit = 0x0002;
inline constexpr std::uint16_t kMoreResultsExist = 0x0008;
inline constexpr std::uint16_t kNoGoodIndexUsed = 0x0010;
inline constexpr std::uint16_t kNoIndexUsed = 0x0020;
inline constexpr std::uint16_t kCursorExists = 0x0040;
inline constexpr std::uint16_t kLastRowSent = 0x0080;
inline constexpr std::uint16_t kDbDropped = 0x0100;
inline constexpr std::uint16_t kNoBackslashEscapes = 0x0200;
inline constexpr std::uint16_t kMetadataChanged = 0x0400;
inline constexpr std::uint16_t kQueryWasSlow = 0x0800;
inline constexpr std::uint16_t kPsOutParams = 0x1000;
inline constexpr std::uint16_t kInTransactionReadonly = 0x2000;
inline constexpr std::uint16_t kSessionStateChanged = 0x4000;
inline constexpr std::uint16_t kAnsiQuotes = 0x8000;
}  // namespace status_flag

/// First payload bytes that tell the generic packets apart.
inline constexpr std::uint8_t kOkByte = 0x00;
inline constexpr std::uint8_t kAuthMoreByte = 0x01;

/// Bytes of the random text that a greeting carries, without its closing zero.
inline constexpr std::size_t kScrambleBytes = 20;
inline constexpr std::uint8_t kLocalInfileByte = 0xFB;
inline constexpr std::uint8_t kEofByte = 0xFE;
inline constexpr std::uint8_t kErrByte = 0xFF;

/// The "error code" of MariaDB's progress reports.
inline constexpr std::uint16_t kProgressCode = 0xFFFF;

/// Collation ids that the dialogues name themselves.
inline constexpr std::uint16_t kLatin1SwedishCi = 8;
inline constexpr std::uint16_t kUtf8mb3GeneralCi = 33;
inline constexpr std::uint16_t kUtf8mb4GeneralCi = 45;
inline constexpr std::uint16_t kBinaryCollation = 63;

}  // namespace consort::protocol
