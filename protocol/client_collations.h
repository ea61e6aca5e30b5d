// The numbers by which MariaDB knows the collations and character sets of its clients.
// Source: MariaDB KB "Supported Character Sets and Collations"; what a server takes was measured.
// Threads: none.
#pragma once

#include <cstdint>

namespace consort::protocol {

/// Has every MariaDB since 10.6 this collation, and of a character set that a client may use (none
/// of ucs2, utf16 and utf32)?
[[nodiscard]] bool can_be_a_clients(std::uint16_t collation);

/// The collation whose number stands for the character set of `collation`: the server takes no
/// other number for one (1115). REQUIRES: can_be_a_clients(collation), or one of the uca1400
/// collations of utf8mb3 (from 2048) and utf8mb4 (from 2304).
[[nodiscard]] std::uint16_t number_of_character_set(std::uint16_t collation);

}  // namespace consort::protocol
