// DisplayLengths: DOUBLE columns made by a query have a display length, that of the expression,
// which clients see and ALTER TABLE keeps, but no definition can spell (decision 0042). A query of
// literals that are as long gives it to another table's columns.
//
// Threads: none; pure values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "proxy/session/own_result.h"

namespace consort::proxy {

class DisplayLengths {
 public:
  DisplayLengths() = default;

  /// Of a table: `rows` are those of SHOW COLUMNS, `definition` what stands behind the name in SHOW
  /// CREATE TABLE. Columns whose definition says more than their type, NULL and 0 are left alone.
  DisplayLengths(const std::vector<OwnResult::Row>& rows, std::string_view definition);

  /// Nothing to ask.
  [[nodiscard]] bool empty() const { return odd_.empty(); }

  /// Tells the lengths. `table`: as statements name it.
  [[nodiscard]] std::string question(std::string_view table) const;

  /// `wire`: the reply. What is as long as any DOUBLE is forgotten, and so is what no literal
  /// gives.
  void read(Bytes wire, std::uint64_t capabilities);

  /// Takes the columns that have such a length out of the definition.
  [[nodiscard]] std::string without_odd(std::string definition) const;

  /// The query that adds them, in their places: of no rows. Empty when empty().
  [[nodiscard]] std::string query() const;

 private:
  enum class Form : std::uint8_t { kNotNull, kNotNullDefault, kNull };

  struct Odd {
    std::size_t at = 0;  ///< in names_
    Form form = Form::kNotNull;
    std::string line;  ///< of the definition
    std::string literal;
  };

  std::vector<std::string> names_;  ///< all columns, quoted
  std::vector<Odd> odd_;
};

}  // namespace consort::proxy
