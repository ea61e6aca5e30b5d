// OwnResult: the rows that answer a query of the session's own, collected from a reply's bytes.
// Small ones only: what is larger than kBytesMax is not kept, and the result says so.
// Spec: MariaDB KB "Result set packets" (text protocol). Threads: none; its session's.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace consort::proxy {

class OwnResult {
 public:
  static constexpr std::size_t kBytesMax = 1 << 20;

  /// NULL is nullopt. Views die with the next begin() or add().
  using Row = std::vector<std::optional<std::string_view>>;

  /// One row's packet; nullopt: it is none. Views into `payload`.
  [[nodiscard]] static std::optional<Row> read_row(Bytes payload, std::size_t columns);

  /// A result set of `columns` columns begins.
  void begin(std::size_t columns);

  /// Column definitions and rows as they came, cut anywhere; no OK, EOF or ERR.
  void add(Bytes wire);

  /// nullopt: too large, or no such packets.
  [[nodiscard]] std::optional<std::vector<Row>> rows() const;

  [[nodiscard]] std::size_t columns() const { return columns_; }

  /// Column definitions, then rows; empty when too large. Dies with the next begin() or add().
  [[nodiscard]] Bytes wire() const { return wire_; }

  /// Of a single row of a single column: its value. nullopt: NULL, or no such result.
  [[nodiscard]] std::optional<std::string_view> value() const;

  /// Forgets the rows, and their memory when it is much.
  void clear();

 private:
  std::size_t columns_ = 0;
  bool too_large_ = false;
  Buffer wire_;
};

}  // namespace consort::proxy
