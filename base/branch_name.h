// BranchName: how a BranchId is spelled as an XA transaction id on the backends.
// gtrid = "consort-<cluster>-<epoch>-<worker>-<counter>" in lower-case hex, empty bqual, and a
// format id of our own. Branches with another format id or cluster are somebody else's and never
// touched.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace consort {

/// "Cons" in ASCII.
inline constexpr std::uint32_t kXaFormatId = 0x436F6E73;

/// The gtrid text, at most 64 bytes as XA demands. `cluster` is the cluster id's first 32 bits.
[[nodiscard]] std::string branch_gtrid(std::uint32_t cluster, const BranchId& branch);

/// The literal to write behind XA START, XA END and so on: `'<gtrid>','',1131376243`.
[[nodiscard]] std::string branch_xid_sql(std::uint32_t cluster, const BranchId& branch);

/// The same, spelled so that it means the same bytes whatever the session's collation_connection:
/// of ucs2, utf16 and utf32 a literal's bytes are others.
[[nodiscard]] std::string branch_xid_hex_sql(std::uint32_t cluster, const BranchId& branch);

/// A branch name taken apart.
struct ParsedBranch {
  std::uint32_t cluster = 0;
  BranchId branch;
};

/// Reads a gtrid that branch_gtrid() wrote; nullopt for anything else.
[[nodiscard]] std::optional<ParsedBranch> parse_branch_gtrid(std::string_view gtrid);

}  // namespace consort
