// What a server's binlog says of the numbers that it has reserved of sequences, and which tables
// are sequences. Decision 0034. Threads: any for the functions.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "certifier/schema_catalog.h"
#include "certifier/sequence_reserve.h"
#include "protocol/binlog_events.h"

namespace consort::proxy {

/// Every table of the group is a sequence, as `catalog` knows. False when it does not know one.
[[nodiscard]] bool has_sequences_only(const protocol::BinlogGroup& group,
                                      const certifier::SchemaCatalog& catalog);

/// What a group of sequences reserves, one per row. `step`: SequenceSteps::step. Errors: those of
/// visit_group_rows(), and rows that are none of a sequence.
[[nodiscard]] Result<std::vector<certifier::SequenceReserve>> reserves_of(
    const protocol::BinlogGroup& group, std::uint32_t step);

}  // namespace consort::proxy
