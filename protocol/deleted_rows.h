// Turns the rows that a statement has deleted into rows that are written, in the same order: their
// events differ in nothing but their type. Who wants a table's rows as the binlog spells them has
// them deleted, and takes that back.
// Spec: MariaDB KB "Rows_event_v1". Threads: none.
#pragma once

#include "protocol/binlog_events.h"

namespace consort::protocol {

/// `group` deletes rows of one table and changes nothing else: afterwards it writes them. Tables
/// that are mapped without rows are left out. False, and `group` as it was: it changes something
/// else, or its rows are in another form.
[[nodiscard]] bool write_deleted_rows(BinlogGroup& group);

}  // namespace consort::protocol
