// A result set of one integer, for what the proxy answers itself.
// Spec: MariaDB KB "Result set packets". Threads: none.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace consort::protocol {

/// As what a server describes it: a function is NOT NULL, a variable UNSIGNED.
enum class ValueOrigin : std::uint8_t { kFunction, kVariable };

struct SingleValue {
  std::string_view name;  ///< of the column, as the client wrote it
  std::int64_t value = 0;
  ValueOrigin origin = ValueOrigin::kFunction;
};

/// Appends a text-protocol result set (column count, definition, one row, end) as a server answers
/// what is a BIGINT, for a client with `capabilities`. `status`: of the closing packet.
void append_single_value(Buffer& out,
                         const SingleValue& value,
                         std::uint64_t capabilities,
                         std::uint16_t status,
                         std::uint8_t sequence);

}  // namespace consort::protocol
