// The classifier: any bytes, in any mode, are read without a byte past their end; whatever may
// write never leaves home. Input: first byte = lexer options, then the statement.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "router/digest.h"
#include "router/own_tracking.h"
#include "router/router.h"

using namespace consort::router;

namespace {

bool lies_within(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  LexerOptions options;
  options.ansi_quotes = (data[0] & 1) != 0;
  options.no_backslash_escapes = (data[0] & 2) != 0;
  options.doubtful = (data[0] & 4) != 0;
  options.single_byte = (data[0] & 8) != 0;
  options.mysql = (data[0] & 16) != 0;
  options.ignore_space = (data[0] & 32) != 0;
  const std::string_view sql(reinterpret_cast<const char*>(data) + 1, size - 1);

  const Statement statement = classify(sql, options);
  CHECK(lies_within(statement.rest, sql));
  CHECK(lies_within(statement.name, sql));
  CHECK(lies_within(statement.hints.backend, sql));
  CHECK(lies_within(statement.hints.bad, sql));
  for (const TableRef& table : statement.tables) {
    CHECK(lies_within(table.schema, sql));
    CHECK(lies_within(table.name, sql));
  }
  for (const SetItem& item : statement.settings) {
    CHECK(lies_within(item.name, sql));
    CHECK(lies_within(item.value, sql));
    CHECK(lies_within(item.collation, sql));
  }
  const Route route = decide(statement, {});
  if (route.target == Target::kAnyFresh) {
    CHECK(!statement.may_write());
    CHECK(!statement.has(Flag::kMultiStatement));
    CHECK(!statement.has(Flag::kUncertain));
  }
  CHECK(digest_text(sql, options, 256).size() <= 256);
  if (const auto tracking = with_own_tracking(sql, statement)) {  // no connection loses ours by it
    const Statement kept = classify(tracking->sql, options);
    CHECK(kept.kind == StatementKind::kSetSession);
    for (const SetItem& item : kept.settings) {
      CHECK(!item.guarded || !is_tracking_setting(item.name));
    }
  }
  if (!statement.rest.empty() &&
      !statement.has(
          Flag::kUncertain)) {  // the first of several is read alike when it stands alone
    const auto first_size = static_cast<std::size_t>(statement.rest.data() - sql.data());
    const Statement first = classify(sql.substr(0, first_size), options);
    CHECK(first.kind == statement.kind);
    CHECK(first.digest == statement.digest);
  }
  return 0;
}
