#include "router/functions.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace consort::router {
namespace {

/// How a word must stand to be the built-in, and where it exists.
enum class Form : std::uint8_t {
  kAnywhere,
  kTouching,  ///< a blank before `(` makes it a stored function's name
  kMariaDb,   ///< MySQL knows no such built-in
  kTouchingMariaDb,
  kMariaDb1011  ///< where every server is MariaDB 10.11 or later
};

struct Entry {
  std::string_view name;
  FunctionClass meaning = FunctionClass::kUnknown;
  Form form = Form::kAnywhere;
};

// Only built-ins that every MariaDB from 10.6 on has, but for kMariaDb1011: an older server would
// take a newer name for a stored function's. Left out on purpose: LOAD_FILE, MASTER_POS_WAIT,
// MASTER_GTID_WAIT, BINLOG_GTID_POS and WSREP_* (they speak of one server), POINT (a stored
// function may bear that name and be called with one or three arguments). Every list is sorted.
// clang-format off
constexpr std::string_view kSafe[] = {
    "ABS", "ACOS", "ADDTIME", "AES_DECRYPT", "AES_ENCRYPT", "ASCII", "ASIN", "ATAN", "ATAN2",
    "AVG", "BENCHMARK", "BIN", "BIT_COUNT", "BIT_LENGTH", "CEIL", "CEILING", "CHARACTER_LENGTH",
    "CHARSET", "CHAR_LENGTH", "COALESCE", "COERCIBILITY", "COLLATION", "COMPRESS", "CONCAT",
    "CONCAT_WS", "CONV", "CONVERT", "CONVERT_TZ", "COS", "COT", "CRC32", "CURRENT_DATE",
    "CURRENT_ROLE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "DATABASE", "DATE",
    "DATEDIFF", "DATE_FORMAT", "DAY", "DAYNAME", "DAYOFMONTH", "DAYOFWEEK", "DAYOFYEAR",
    "DEGREES", "ELT", "EXP", "EXPORT_SET", "EXTRACTVALUE", "FIELD", "FIND_IN_SET", "FLOOR",
    "FORMAT", "FROM_BASE64", "FROM_DAYS", "FROM_UNIXTIME", "GET_FORMAT", "GREATEST", "HEX",
    "HOUR", "IFNULL", "INET6_ATON", "INET6_NTOA", "INET_ATON", "INET_NTOA", "INSTR", "ISNULL",
    "IS_IPV4", "IS_IPV4_COMPAT", "IS_IPV4_MAPPED", "IS_IPV6", "JSON_ARRAY", "JSON_ARRAY_APPEND",
    "JSON_ARRAY_INSERT", "JSON_CONTAINS", "JSON_CONTAINS_PATH", "JSON_DEPTH", "JSON_EXTRACT",
    "JSON_INSERT", "JSON_KEYS", "JSON_LENGTH", "JSON_MERGE", "JSON_MERGE_PATCH",
    "JSON_MERGE_PRESERVE", "JSON_OBJECT", "JSON_PRETTY", "JSON_QUOTE", "JSON_REMOVE",
    "JSON_REPLACE", "JSON_SEARCH", "JSON_SET", "JSON_TYPE", "JSON_UNQUOTE", "JSON_VALID",
    "JSON_VALUE", "LAST_DAY", "LAST_VALUE", "LCASE", "LEAST", "LENGTH", "LN", "LOCALTIME",
    "LOCALTIMESTAMP", "LOCATE", "LOG", "LOG10", "LOG2", "LOWER", "LPAD", "LTRIM", "MAKEDATE",
    "MAKETIME", "MAKE_SET", "MBRCONTAINS", "MBRDISJOINT", "MBREQUALS", "MBRINTERSECTS",
    "MBROVERLAPS", "MBRTOUCHES", "MBRWITHIN", "MD5", "MICROSECOND", "MINUTE", "MOD", "MONTH",
    "MONTHNAME", "NAME_CONST", "NULLIF", "OCT", "OCTET_LENGTH", "ORD", "PERIOD_ADD",
    "PERIOD_DIFF", "PI", "POW", "POWER", "QUARTER", "QUOTE", "RADIANS", "RAND", "REGEXP_INSTR",
    "REGEXP_REPLACE", "REGEXP_SUBSTR", "REVERSE", "ROUND", "ROW_NUMBER", "RPAD", "RTRIM",
    "SCHEMA", "SECOND", "SEC_TO_TIME", "SHA", "SHA1", "SHA2", "SIGN", "SIN", "SLEEP", "SOUNDEX",
    "SPACE", "SQRT", "STRCMP", "STR_TO_DATE", "ST_AREA", "ST_ASBINARY", "ST_ASGEOJSON",
    "ST_ASTEXT", "ST_ASWKB", "ST_ASWKT", "ST_BUFFER", "ST_CENTROID", "ST_CONTAINS",
    "ST_CONVEXHULL", "ST_CROSSES", "ST_DIFFERENCE", "ST_DIMENSION", "ST_DISJOINT",
    "ST_DISTANCE", "ST_DISTANCE_SPHERE", "ST_ENDPOINT", "ST_ENVELOPE", "ST_EQUALS",
    "ST_EXTERIORRING", "ST_GEOMCOLLFROMTEXT", "ST_GEOMCOLLFROMWKB",
    "ST_GEOMETRYCOLLECTIONFROMTEXT", "ST_GEOMETRYCOLLECTIONFROMWKB", "ST_GEOMETRYFROMTEXT",
    "ST_GEOMETRYFROMWKB", "ST_GEOMETRYN", "ST_GEOMETRYTYPE", "ST_GEOMFROMGEOJSON",
    "ST_GEOMFROMTEXT", "ST_GEOMFROMWKB", "ST_INTERIORRINGN", "ST_INTERSECTION", "ST_INTERSECTS",
    "ST_ISCLOSED", "ST_ISEMPTY", "ST_ISSIMPLE", "ST_LENGTH", "ST_LINEFROMTEXT",
    "ST_LINEFROMWKB", "ST_LINESTRINGFROMTEXT", "ST_LINESTRINGFROMWKB", "ST_NUMGEOMETRIES",
    "ST_NUMINTERIORRINGS", "ST_NUMPOINTS", "ST_OVERLAPS", "ST_POINTFROMTEXT", "ST_POINTFROMWKB",
    "ST_POINTN", "ST_POLYFROMTEXT", "ST_POLYFROMWKB", "ST_POLYGONFROMTEXT", "ST_POLYGONFROMWKB",
    "ST_SRID", "ST_STARTPOINT", "ST_SYMDIFFERENCE", "ST_TOUCHES", "ST_UNION", "ST_WITHIN",
    "ST_X", "ST_Y", "SUBSTRING_INDEX", "SUBTIME", "SYSDATE", "TAN", "TIME", "TIMEDIFF",
    "TIMESTAMP", "TIMESTAMPADD", "TIMESTAMPDIFF", "TIME_FORMAT", "TIME_TO_SEC", "TO_BASE64",
    "TO_DAYS", "TO_SECONDS", "TRUNCATE", "UCASE", "UNCOMPRESS", "UNCOMPRESSED_LENGTH", "UNHEX",
    "UNIX_TIMESTAMP", "UPDATEXML", "UPPER", "USER", "UTC_DATE", "UTC_TIME", "UTC_TIMESTAMP",
    "UUID", "UUID_SHORT", "VERSION", "WEEK", "WEEKDAY", "WEEKOFYEAR", "WEIGHT_STRING", "YEAR",
    "YEARWEEK"};

constexpr std::string_view kTouching[] = {
    "ADDDATE", "BIT_AND", "BIT_OR", "BIT_XOR", "CAST", "COUNT", "CUME_DIST", "CURDATE",
    "CURTIME", "DATE_ADD", "DATE_SUB", "DENSE_RANK", "EXTRACT", "FIRST_VALUE", "GROUP_CONCAT",
    "JSON_ARRAYAGG", "JSON_OBJECTAGG", "LAG", "LEAD", "MAX", "MID", "MIN", "NOW", "NTH_VALUE",
    "NTILE", "PERCENT_RANK", "POSITION", "RANK", "SESSION_USER", "STD", "STDDEV", "STDDEV_POP",
    "STDDEV_SAMP", "SUBDATE", "SUBSTR", "SUBSTRING", "SUM", "SYSTEM_USER", "TRIM", "VARIANCE",
    "VAR_POP", "VAR_SAMP"};

constexpr std::string_view kMariaDb[] = {
    "ADD_MONTHS", "AREA", "ASBINARY", "ASTEXT", "ASWKB", "ASWKT", "BOUNDARY", "BUFFER",
    "CENTROID", "CHR", "COLUMN_ADD", "COLUMN_CHECK", "COLUMN_CREATE", "COLUMN_DELETE",
    "COLUMN_EXISTS", "COLUMN_GET", "COLUMN_JSON", "COLUMN_LIST", "CONVEXHULL", "CROSSES",
    "DECODE", "DES_DECRYPT", "DES_ENCRYPT", "DIMENSION", "DISJOINT", "ENCODE", "ENCRYPT",
    "ENDPOINT", "ENVELOPE", "EQUALS", "EXTERIORRING", "GEOMCOLLFROMTEXT", "GEOMCOLLFROMWKB",
    "GEOMETRYCOLLECTIONFROMTEXT", "GEOMETRYCOLLECTIONFROMWKB", "GEOMETRYFROMTEXT",
    "GEOMETRYFROMWKB", "GEOMETRYN", "GEOMETRYTYPE", "GEOMFROMTEXT", "GEOMFROMWKB", "GLENGTH",
    "INTERIORRINGN", "INTERSECTS", "ISCLOSED", "ISEMPTY", "ISRING", "ISSIMPLE", "JSON_COMPACT",
    "JSON_DETAILED", "JSON_EXISTS", "JSON_LOOSE", "JSON_QUERY", "LENGTHB", "LINEFROMTEXT",
    "LINEFROMWKB", "LINESTRINGFROMTEXT", "LINESTRINGFROMWKB", "MBREQUAL", "MLINEFROMTEXT",
    "MLINEFROMWKB", "MPOINTFROMTEXT", "MPOINTFROMWKB", "MPOLYFROMTEXT", "MPOLYFROMWKB",
    "MULTILINESTRINGFROMTEXT", "MULTILINESTRINGFROMWKB", "MULTIPOINTFROMTEXT",
    "MULTIPOINTFROMWKB", "MULTIPOLYGONFROMTEXT", "MULTIPOLYGONFROMWKB", "NUMGEOMETRIES",
    "NUMINTERIORRINGS", "NUMPOINTS", "NVL", "NVL2", "OLD_PASSWORD", "OVERLAPS", "PASSWORD",
    "POINTFROMTEXT", "POINTFROMWKB", "POINTN", "POINTONSURFACE", "POLYFROMTEXT", "POLYFROMWKB",
    "POLYGONFROMTEXT", "POLYGONFROMWKB", "ROWNUM", "SRID", "STARTPOINT", "ST_BOUNDARY",
    "ST_ISRING", "ST_POINTONSURFACE", "ST_RELATE", "SYS_GUID", "TOUCHES", "TO_CHAR", "WITHIN"};

constexpr std::string_view kMariaDb1011[] = {
    "CRC32C", "JSON_EQUALS", "JSON_NORMALIZE", "JSON_OVERLAPS", "NATURAL_SORT_KEY",
    "RANDOM_BYTES", "SFORMAT"};

constexpr std::string_view kTouchingMariaDb[] = {
    "MEDIAN", "PERCENTILE_CONT", "PERCENTILE_DISC"};

constexpr std::string_view kGeometry[] = {
    "GEOMETRYCOLLECTION", "LINESTRING", "MULTILINESTRING", "MULTIPOINT", "MULTIPOLYGON",
    "POLYGON"};

// Reserved words: no stored function can bear them unquoted.
constexpr std::string_view kSyntax[] = {
    "ALL", "AND", "ANY", "AS", "BETWEEN", "BIGINT", "BINARY", "BLOB", "BY", "CASE", "CHAR",
    "COLLATE", "CROSS", "DATETIME", "DEC", "DECIMAL", "DEFAULT", "DELETE", "DISTINCT",
    "DISTINCTROW", "DIV", "DOUBLE", "ELSE", "EXCEPT", "EXISTS", "FLOAT", "FORCE", "FROM",
    "GROUP", "HAVING", "HIGH_PRIORITY", "IF", "IGNORE", "IN", "INDEX", "INNER", "INSERT", "INT",
    "INTEGER", "INTERSECT", "INTERVAL", "INTO", "IS", "JOIN", "KEY", "KEYS", "LEFT", "LIKE",
    "LIMIT", "MATCH", "MEDIUMINT", "NOT", "NULL", "NUMERIC", "ON", "OR", "ORDER", "OUTER",
    "OVER", "PARTITION", "PRIMARY", "REAL", "RECURSIVE", "REGEXP", "REPEAT", "REPLACE",
    "RETURNING", "RIGHT", "RLIKE", "ROW", "SELECT", "SET", "SMALLINT", "SOME", "SQL_BIG_RESULT",
    "SQL_CALC_FOUND_ROWS", "SQL_SMALL_RESULT", "STRAIGHT_JOIN", "THEN", "TINYINT", "UNION",
    "UNIQUE", "UPDATE", "USE", "USING", "VALUE", "VALUES", "VARBINARY", "VARCHAR", "WHEN",
    "WHERE", "WITH", "XOR"};
// clang-format on

constexpr Entry kSpecial[] = {
    {"CONNECTION_ID", FunctionClass::kConnectionId, Form::kAnywhere},
    {"FOUND_ROWS", FunctionClass::kFoundRows, Form::kAnywhere},
    {"GET_LOCK", FunctionClass::kGetLock, Form::kAnywhere},
    {"IS_FREE_LOCK", FunctionClass::kUserLock, Form::kAnywhere},
    {"IS_USED_LOCK", FunctionClass::kUserLock, Form::kAnywhere},
    {"LASTVAL", FunctionClass::kSequence, Form::kAnywhere},
    {"LAST_INSERT_ID", FunctionClass::kLastInsertId, Form::kAnywhere},
    {"NEXTVAL", FunctionClass::kSequence, Form::kAnywhere},
    {"RELEASE_ALL_LOCKS", FunctionClass::kReleaseAllLocks, Form::kAnywhere},
    {"RELEASE_LOCK", FunctionClass::kUserLock, Form::kAnywhere},
    {"ROW_COUNT", FunctionClass::kRowCount, Form::kAnywhere},
    {"SETVAL", FunctionClass::kSequence, Form::kAnywhere},
};

constexpr std::size_t kEntriesCount =
    std::size(kSafe) + std::size(kTouching) + std::size(kMariaDb) + std::size(kTouchingMariaDb) +
    std::size(kMariaDb1011) + std::size(kGeometry) + std::size(kSyntax) + std::size(kSpecial);

constexpr bool by_name(const Entry& left, const Entry& right) {
  return left.name < right.name;
}

/// All lists in one, sorted. `filled` grows by merging one sorted list after the other.
struct Table {
  std::array<Entry, kEntriesCount> entries{};
  std::size_t filled = 0;

  template <std::size_t N>
  constexpr void add(const std::string_view (&names)[N], FunctionClass meaning, Form form) {
    std::array<Entry, N> more{};
    for (std::size_t i = 0; i < N; ++i) {
      more[i] = Entry{names[i], meaning, form};
    }
    add(more);
  }

  template <typename Entries>
  constexpr void add(const Entries& more) {
    const std::array<Entry, kEntriesCount> before = entries;
    std::merge(before.begin(), before.begin() + filled, std::begin(more), std::end(more),
               entries.begin(), by_name);
    filled += std::size(more);
  }
};

constexpr Table make_table() {
  Table table;
  table.add(kSafe, FunctionClass::kSafe, Form::kAnywhere);
  table.add(kTouching, FunctionClass::kSafe, Form::kTouching);
  table.add(kMariaDb, FunctionClass::kSafe, Form::kMariaDb);
  table.add(kTouchingMariaDb, FunctionClass::kSafe, Form::kTouchingMariaDb);
  table.add(kMariaDb1011, FunctionClass::kSafe, Form::kMariaDb1011);
  table.add(kGeometry, FunctionClass::kGeometry, Form::kAnywhere);
  table.add(kSyntax, FunctionClass::kSyntax, Form::kAnywhere);
  table.add(kSpecial);
  return table;
}

constexpr std::array<Entry, kEntriesCount> kEntries = make_table().entries;

constexpr bool is_sorted_without_doubles() {
  for (std::size_t i = 1; i < kEntries.size(); ++i) {
    if (kEntries[i - 1].name >= kEntries[i].name) {
      return false;
    }
  }
  return true;
}

static_assert(is_sorted_without_doubles());

constexpr std::size_t longest_name() {
  std::size_t longest = 0;
  for (const Entry& entry : kEntries) {
    longest = std::max(longest, entry.name.size());
  }
  return longest;
}

constexpr std::size_t kNameBytesMax = longest_name();

bool holds(Form form, bool spaced, const LexerOptions& options) {
  constexpr std::uint32_t kVersion1011 = 101100;
  if (form == Form::kMariaDb1011) {
    return !options.mysql && options.server_version >= kVersion1011;
  }
  const bool must_touch = form == Form::kTouching || form == Form::kTouchingMariaDb;
  const bool mariadb_only = form == Form::kMariaDb || form == Form::kTouchingMariaDb;
  return !(must_touch && spaced && !options.ignore_space) && !(mariadb_only && options.mysql);
}

}  // namespace

FunctionClass classify_function(std::string_view word, bool spaced, const LexerOptions& options) {
  if (word.size() > kNameBytesMax) {
    return FunctionClass::kUnknown;
  }
  std::array<char, kNameBytesMax> upper{};
  for (std::size_t i = 0; i < word.size(); ++i) {
    const char c = word[i];
    upper[i] = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  }
  const Entry wanted{std::string_view(upper.data(), word.size()), FunctionClass::kUnknown,
                     Form::kAnywhere};
  const auto* entry = std::lower_bound(kEntries.begin(), kEntries.end(), wanted, by_name);
  if (entry == kEntries.end() || entry->name != wanted.name ||
      !holds(entry->form, spaced, options)) {
    return FunctionClass::kUnknown;
  }
  return entry->meaning;
}

}  // namespace consort::router
