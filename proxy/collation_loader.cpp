// The part of catalog_loader.h that reads character weights.

#include <charconv>
#include <errmsg.h>
#include <memory>
#include <string>
#include <utility>

#include <mysql.h>

#include "base/server_kind.h"
#include "proxy/catalog_loader.h"

namespace consort::proxy {
namespace {

using certifier::CharacterWidth;
using certifier::CollationWeights;
using certifier::WeightSource;
using certifier::WeightTable;

constexpr std::size_t kBytes = 256;
constexpr std::uint32_t kBasicPlane = 65536;

/// A table of the numbers from 32 to `last` in a column `seq`.
std::string numbers(ServerKind server, std::uint32_t last) {
  if (server == ServerKind::kMariadb) {  // the sequence engine
    return "mysql.seq_32_to_" + std::to_string(last);
  }
  return "(WITH RECURSIVE numbers(seq) AS (SELECT 32 UNION ALL SELECT seq+1 FROM numbers "
         "WHERE seq<" +
         std::to_string(last) +
         ") SELECT /*+ SET_VAR(cte_max_recursion_depth=65536) */ seq FROM numbers) n";
}

/// A query that answers (code point, weight) for each character.
std::string weights_query(ServerKind server, const WeightSource& source) {
  const std::string collate = " COLLATE " + std::string(source.collation) + ")";
  if (source.width == CharacterWidth::kSingleByte) {
    const std::string charset(source.collation.substr(0, source.collation.find('_')));
    return "SELECT seq,WEIGHT_STRING(CONVERT(CHAR(seq) USING " + charset + ")" + collate +
           " FROM " + numbers(server, kBytes - 1);
  }
  return "SELECT seq,WEIGHT_STRING(CONVERT(CONVERT(UNHEX(LPAD(HEX(seq),8,'0')) USING utf32) "
         "USING utf8mb4)" +
         collate + " FROM " + numbers(server, kBasicPlane - 1) +
         " WHERE seq NOT BETWEEN 0xD800 AND 0xDFFF";
}

bool is_wanted(const WeightSource& source, std::uint32_t code_point) {
  constexpr std::uint32_t kDelete = 0x7F;
  if (code_point == kDelete) {
    return false;
  }
  return source.simple || certifier::may_have_weight(code_point);
}

/// Null when the server cannot tell.
std::shared_ptr<const WeightTable> load_table(MYSQL* connection, const WeightSource& source) {
  const ServerKind server = server_kind_of(mysql_get_server_info(connection));
  const std::string sql = weights_query(server, source);
  if (mysql_real_query(connection, sql.data(), sql.size()) != 0) {
    return nullptr;
  }
  const std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)> result(
      mysql_use_result(connection), &mysql_free_result);
  if (result == nullptr) {
    return nullptr;
  }
  auto table = std::make_shared<WeightTable>(
      source.width == CharacterWidth::kSingleByte ? kBytes : kBasicPlane);
  while (const MYSQL_ROW row = mysql_fetch_row(result.get())) {
    const unsigned long* lengths = mysql_fetch_lengths(result.get());
    std::uint32_t code_point = kBasicPlane;
    if (row[0] != nullptr && row[1] != nullptr) {
      std::from_chars(row[0], row[0] + lengths[0], code_point);
    }
    if (code_point < kBasicPlane && lengths[1] > 0 && is_wanted(source, code_point)) {
      table->set(code_point, std::string(row[1], lengths[1]));
    }
  }
  return mysql_errno(connection) == 0 ? table : nullptr;
}

bool is_lost(MYSQL* connection) {
  return mysql_errno(connection) == CR_SERVER_LOST ||
         mysql_errno(connection) == CR_SERVER_GONE_ERROR;
}

}  // namespace

Result<std::shared_ptr<const CollationWeights>> load_collation_weights(MYSQL* connection) {
  auto weights = std::make_shared<CollationWeights>();
  for (const WeightSource& source : certifier::weight_sources()) {
    const std::shared_ptr<const WeightTable> table = load_table(connection, source);
    if (table == nullptr) {
      if (is_lost(connection)) {
        return make_error(CatalogError::kQueryFailed,
                          "loading character weights: " + std::string(mysql_error(connection)));
      }
      continue;
    }
    for (const std::string& collation : source.also_for) {
      weights->add(collation, table);
    }
  }
  return std::shared_ptr<const CollationWeights>(std::move(weights));
}

}  // namespace consort::proxy
