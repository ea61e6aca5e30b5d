#include "certifier/lane_errors.h"

#include <algorithm>
#include <array>

#include "certifier/lane_sql.h"

namespace consort::certifier {
namespace {

// Error numbers of MariaDB and MySQL; where they differ, the remark says whose.

/// A lock stood in the way.
constexpr std::array<std::uint16_t, 2> kRetryErrors{
    1205,  // lock wait timeout
    1213,  // deadlock
};

/// Somebody stopped the statement, or the session is not as the lane believes. 1397 (no such
/// branch) is not among them: the position has moved over that branch, so it would pass for
/// committed.
constexpr std::array<std::uint16_t, 6> kResyncErrors{
    1020,  // record has changed since last read
    1053,  // server shutdown in progress
    1317,  // query execution was interrupted
    1609,  // no format description event before BINLOG
    1927,  // connection was killed
    1969,  // max_statement_time exceeded
};

/// The backend lacks something for now, or somebody made it read-only.
constexpr std::array<std::uint16_t, 16> kBackOffErrors{
    1021,  // disk full
    1026,  // error writing a file: a temporary or log file, the disk is full or failing
    1030,  // error from the storage engine
    1037,  // out of memory
    1038,  // out of sort memory
    1041,  // out of resources
    1114,  // table full (also: tablespace, temporary space)
    1135,  // cannot create a thread
    1153,  // packet larger than max_allowed_packet: somebody has to raise that (see
           // kPacketTooLargeErrno)
    1180,  // error during commit
    1206,  // lock table full
    1290,  // an option such as read_only prevents the statement
    1637,  // too many concurrent transactions
    1792,  // read only transaction
    1836,  // read-only mode
    3019,  // undo log full
};

/// The object is already there, or already gone.
constexpr std::array<std::uint16_t, 31> kAlreadyApplied{
    1007,  // create database: it exists
    1008,  // drop database: it does not
    1010,  // drop database: its tables are gone, a file that is none of them is not
    1049,  // unknown database
    1050,  // create table, rename: it exists
    1051,  // drop table: unknown
    1054,  // unknown column: renamed or dropped
    1060,  // duplicate column name
    1061,  // duplicate key name
    1068,  // multiple primary key
    1072,  // key column is not there
    1091,  // drop column or key: it is not there
    1133,  // no such account
    1141,  // no such grant
    1146,  // no such table: renamed or dropped
    1147,  // no such grant on the table
    1176,  // no such key: renamed or dropped
    1269,  // cannot revoke from such accounts
    1304,  // routine exists
    1305,  // routine does not exist
    1359,  // trigger exists
    1360,  // trigger does not exist
    1396,  // account exists, or does not
    1451,  // drop table: another refers to it; those before it in the list are gone
    1507,  // drop partition: it is not there
    1517,  // duplicate partition name
    1537,  // event exists
    1539,  // unknown event
    1826,  // duplicate constraint name
    4091,  // unknown sequence (MariaDB)
    4092,  // unknown view (MariaDB)
};

/// The statement works through a list of objects or accounts and reports those it could not treat:
/// others of them may have been treated.
/// (Measured with MariaDB 10.11, each with a list whose last one is the bad one.)
constexpr std::array<std::uint16_t, 18> kPartialEffect{
    1051,  // drop table: unknown
    1133,  // no such account
    1141,  // no such grant
    1147,  // no such grant on the table
    1269,  // cannot revoke from such accounts
    1372,  // create user, grant: no password hash
    1396,  // account exists, or does not
    1403,  // no such grant on the routine
    1451,  // drop table: another refers to it
    1524,  // create user, grant: no such authentication plugin
    1819,  // create user, grant: the password is too simple
    1959,  // create role: no name of a role
    1961,  // grant of a role to itself
    1962,  // revoke of a role that the account does not have
    1965,  // drop table, drop sequence: it is a view
    4090,  // drop sequence: it is none (MariaDB)
    4091,  // drop sequence: unknown (MariaDB)
    4092,  // drop view: unknown (MariaDB)
};

/// What an account may not do.
constexpr std::array<std::uint16_t, 7> kDenials{
    1044,  // the database
    1045,  // anything
    1142,  // the table
    1143,  // the column
    1227,  // without a global privilege
    1370,  // the routine
    1410,  // make an account by GRANT
};

template <std::size_t Size>
bool contains(const std::array<std::uint16_t, Size>& errors, std::uint16_t error) {
  return std::find(errors.begin(), errors.end(), error) != errors.end();
}

/// Behind blanks and comments. nullopt: what is there runs only on some servers.
std::optional<std::string_view> skip_blanks(std::string_view sql) {
  for (;;) {
    sql.remove_prefix(std::min(sql.find_first_not_of(" \t\r\n\f\v"), sql.size()));
    if (sql.starts_with("/*!") || sql.starts_with("/*M!")) {
      return std::nullopt;
    }
    const bool block = sql.starts_with("/*");
    if (!block && !sql.starts_with("#") && !sql.starts_with("--")) {
      return sql;
    }
    const std::size_t end = block ? sql.find("*/", 2) : sql.find('\n');
    sql.remove_prefix(end == sql.npos ? sql.size() : end + (block ? 2 : 1));
  }
}

/// Takes `word` (in capitals) off the front of `sql`.
bool take_word(std::string_view& sql, std::string_view word) {
  const auto same = [](char capital, char c) {
    return capital == (c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  };
  if (sql.size() < word.size() || !std::equal(word.begin(), word.end(), sql.begin(), same)) {
    return false;
  }
  sql.remove_prefix(word.size());
  return true;
}

}  // namespace

bool drops_before_creating(std::string_view sql) {
  for (const std::string_view word : {"CREATE", "OR", "REPLACE", ""}) {
    const std::optional<std::string_view> rest = skip_blanks(sql);
    if (!rest) {
      return true;
    }
    sql = *rest;
    if (!word.empty() && !take_word(sql, word)) {
      return false;
    }
  }
  constexpr std::array<std::string_view, 4> kObjects{"TABLE", "SEQUENCE", "USER", "ROLE"};
  return std::any_of(kObjects.begin(), kObjects.end(),
                     [&sql](std::string_view object) { return take_word(sql, object); });
}

bool is_of_its_account(std::uint16_t error) {
  return error == 1372 || error == 1524 || error == 1819;
}

bool is_denial(std::uint16_t error) {
  return contains(kDenials, error);
}

LaneAction classify_lane_error(std::uint16_t error) {
  if (error == kFencedErrno) {
    return LaneAction::kFenced;
  }
  if (contains(kRetryErrors, error)) {
    return LaneAction::kRetry;
  }
  if (contains(kResyncErrors, error)) {
    return LaneAction::kResync;
  }
  return contains(kBackOffErrors, error) ? LaneAction::kBackOff : LaneAction::kInconsistent;
}

bool ddl_already_applied(std::uint16_t error) {
  return contains(kAlreadyApplied, error);
}

bool ddl_partly_applied(std::uint16_t error) {
  return contains(kPartialEffect, error);
}

std::optional<DdlOutcome> ddl_outcome(std::uint16_t error) {
  if (error == 0) {
    return DdlOutcome::kRun;
  }
  if (classify_lane_error(error) != LaneAction::kInconsistent) {
    return std::nullopt;
  }
  return contains(kPartialEffect, error) ? DdlOutcome::kRunTolerant : DdlOutcome::kSkip;
}

}  // namespace consort::certifier
