#include "protocol/query_settings.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

#include "protocol/client_collations.h"

namespace consort::protocol {
namespace {

/// Status variables, each a byte and then its value.
enum class StatusVariable : std::uint8_t {
  kFlags = 0,               ///< 4 bytes: the bits below
  kSqlMode = 1,             ///< 8
  kAutoIncrement = 3,       ///< 2 step, 2 offset
  kCharset = 4,             ///< 2 client, 2 connection's collation, 2 server's collation
  kTimeZone = 5,            ///< a byte with its length, its name
  kCatalog = 6,             ///< the same
  kLcTimeNames = 7,         ///< 2
  kCharsetDatabase = 8,     ///< 2
  kTableMapForUpdate = 9,   ///< 8
  kMasterDataWritten = 10,  ///< 4
  kInvoker = 11,            ///< user and host, each as kTimeZone
  // Of MySQL:
  kUpdatedSchemas = 12,      ///< a byte with their number, names that end in zeros
  kMysqlMicroseconds = 13,   ///< 3
  kExplicitTimestamps = 16,  ///< 1
  kDdlXid = 17,              ///< 8
  kUtf8mb4Collation = 18,    ///< 2
  kRequirePrimaryKey = 19,   ///< 1
  kTableEncryption = 20,     ///< 1
  // Of MariaDB:
  kMicroseconds = 128,  ///< 3
  kXid = 129,           ///< 8
};

constexpr std::uint32_t kFlagNoForeignKeyChecks = 1U << 26;
constexpr std::uint32_t kFlagRelaxedUniqueChecks = 1U << 27;
constexpr std::uint32_t kFlagNoCheckConstraints = 1U << 15;
constexpr std::uint32_t kFlagExplicitTimestamps = 1U << 24;

class StatusReader {
 public:
  explicit StatusReader(Bytes rest) : rest_(rest) {}

  template <std::size_t Width>
  std::uint64_t number() {
    const Bytes bytes = take(Width);
    return failed_ ? 0 : load_le<Width>(bytes.data());
  }

  std::string_view text() { return as_text(take(static_cast<std::size_t>(number<1>()))); }

  /// Over a text that ends in a zero.
  void skip_name() {
    const auto end = std::find(rest_.begin(), rest_.end(), std::uint8_t{0});
    failed_ = failed_ || end == rest_.end();
    take(static_cast<std::size_t>(end - rest_.begin()) + (failed_ ? 0 : 1));
  }

  [[nodiscard]] bool failed() const { return failed_; }

  [[nodiscard]] bool more() const { return !failed_ && !rest_.empty(); }

 private:
  Bytes take(std::size_t count) {
    if (failed_ || count > rest_.size()) {
      failed_ = true;
      return {};
    }
    const Bytes bytes = rest_.first(count);
    rest_ = rest_.subspan(count);
    return bytes;
  }

  Bytes rest_;
  bool failed_ = false;
};

class SettingsText {
 public:
  void add(std::string_view name, std::uint64_t value) { add(name, std::to_string(value)); }

  /// Names of time zones; in hexadecimal, whatever the sql_mode.
  void add_text(std::string_view name, std::string_view value) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string literal = "X'";
    for (const char c : value) {
      const auto byte = static_cast<std::uint8_t>(c);
      literal += kDigits[byte >> 4];
      literal += kDigits[byte & 15];
    }
    add(name, literal + "'");
  }

  /// When the statement began: what NOW() is.
  void set_time(std::uint32_t seconds) { seconds_ = seconds; }

  void set_microseconds(std::uint64_t value) { microseconds_ = value; }

  [[nodiscard]] std::string take() {
    constexpr std::size_t kDigits = 6;
    if (seconds_ != 0) {
      const std::string fraction = std::to_string(microseconds_);
      add("timestamp", std::to_string(seconds_) + "." +
                           std::string(kDigits - std::min(kDigits, fraction.size()), '0') +
                           fraction);
    }
    return std::move(sql_);
  }

 private:
  void add(std::string_view name, const std::string& value) {
    sql_ += sql_.empty() ? "SET SESSION " : ",SESSION ";
    sql_ += name;
    sql_ += '=';
    sql_ += value;
  }

  std::string sql_;
  std::uint32_t seconds_ = 0;
  std::uint64_t microseconds_ = 0;
};

}  // namespace

/// How many schemas a statement names; 254: too many, none is written.
constexpr std::uint64_t kSchemasMax = 254;

/// Variables that only one of the two servers writes. False for one that is not known.
bool read_mariadb(StatusVariable variable, StatusReader& in, SettingsText& settings) {
  switch (variable) {
    case StatusVariable::kMicroseconds:
      settings.set_microseconds(in.number<3>());
      return true;
    case StatusVariable::kXid:
      (void)in.number<8>();
      return true;
    default:
      return false;
  }
}

bool read_mysql(StatusVariable variable, StatusReader& in, SettingsText& settings) {
  switch (variable) {
    case StatusVariable::kUpdatedSchemas: {
      const std::uint64_t count = in.number<1>();
      for (std::uint64_t i = 0; count < kSchemasMax && i < count; ++i) {
        in.skip_name();
      }
      return true;
    }
    case StatusVariable::kMysqlMicroseconds:
      settings.set_microseconds(in.number<3>());
      return true;
    case StatusVariable::kExplicitTimestamps:
      settings.add("explicit_defaults_for_timestamp", in.number<1>());
      return true;
    case StatusVariable::kDdlXid:
      (void)in.number<8>();
      return true;
    case StatusVariable::kUtf8mb4Collation:
      settings.add("default_collation_for_utf8mb4", in.number<2>());
      return true;
    case StatusVariable::kRequirePrimaryKey:
      settings.add("sql_require_primary_key", in.number<1>());
      return true;
    case StatusVariable::kTableEncryption:
      settings.add("default_table_encryption", in.number<1>());
      return true;
    default:
      return false;
  }
}

std::optional<std::string> query_settings_sql(Bytes status,
                                              std::uint32_t timestamp,
                                              ServerKind server) {
  StatusReader in(status);
  SettingsText settings;
  settings.set_time(timestamp);
  while (in.more()) {
    const auto variable = static_cast<StatusVariable>(in.number<1>());
    switch (variable) {
      case StatusVariable::kFlags: {
        const auto flags = static_cast<std::uint32_t>(in.number<4>());
        settings.add("foreign_key_checks", (flags & kFlagNoForeignKeyChecks) == 0 ? 1 : 0);
        settings.add("unique_checks", (flags & kFlagRelaxedUniqueChecks) == 0 ? 1 : 0);
        if (server == ServerKind::kMariadb) {
          settings.add("check_constraint_checks", (flags & kFlagNoCheckConstraints) == 0 ? 1 : 0);
          settings.add("explicit_defaults_for_timestamp",
                       (flags & kFlagExplicitTimestamps) != 0 ? 1 : 0);
        }
        break;
      }
      case StatusVariable::kSqlMode:
        settings.add("sql_mode", in.number<8>());
        break;
      case StatusVariable::kAutoIncrement:
        settings.add("auto_increment_increment", in.number<2>());
        settings.add("auto_increment_offset", in.number<2>());
        break;
      case StatusVariable::kCharset:
        // Of a client that named a collation when it logged in, its number stands here.
        settings.add("character_set_client",
                     number_of_character_set(static_cast<std::uint16_t>(in.number<2>())));
        settings.add("collation_connection", in.number<2>());
        settings.add("collation_server", in.number<2>());
        break;
      case StatusVariable::kTimeZone:
        settings.add_text("time_zone", in.text());
        break;
      case StatusVariable::kLcTimeNames:
        settings.add("lc_time_names", in.number<2>());
        break;
      case StatusVariable::kCharsetDatabase:
        settings.add("collation_database", in.number<2>());
        break;
      case StatusVariable::kCatalog:
        (void)in.text();
        break;
      case StatusVariable::kTableMapForUpdate:
        (void)in.number<8>();
        break;
      case StatusVariable::kMasterDataWritten:
        (void)in.number<4>();
        break;
      case StatusVariable::kInvoker:
        (void)in.text();
        (void)in.text();
        break;
      default:
        if (!(server == ServerKind::kMariadb ? read_mariadb : read_mysql)(variable, in, settings)) {
          return settings.take();  // what follows cannot be told apart, as for the server itself
        }
        break;
    }
  }
  return in.failed() ? std::nullopt : std::optional(settings.take());
}

}  // namespace consort::protocol
