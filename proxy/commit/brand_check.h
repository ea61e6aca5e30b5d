// BrandCheck: may servers of both brands, MariaDB and MySQL, execute this statement? Asked where
// they stand side by side, before it gets its place in the order: what only its home understands
// would take the others out. Pure. Threads: any.
#pragma once

#include <cstdint>
#include <string_view>

namespace consort::proxy {

/// What the text names that is not the same on both brands, to refuse it; empty: nothing.
[[nodiscard]] std::string_view of_one_brand(std::string_view sql);

/// A server of the other brand can be asked to prepare it: that opens no table, which might wait.
[[nodiscard]] bool can_be_tried(std::string_view sql);

/// Such a server does not understand the statement, or what it names, at all.
[[nodiscard]] bool is_foreign(std::uint16_t error);

}  // namespace consort::proxy
