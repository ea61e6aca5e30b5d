// QueryAttributes: what a client of MySQL 8 sends beside a statement, names and values
// (CLIENT_QUERY_ATTRIBUTES). They are taken out of its commands, which then are what they are for
// any other client, and put into what goes to a backend connection that has the capability: there
// every COM_QUERY has a place for them.
// Spec: MySQL Source Code Documentation, "COM_QUERY", "COM_STMT_EXECUTE". Threads: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "protocol/constants.h"
#include "protocol/statement_map.h"

namespace consort::protocol {

enum class AttributesError : std::uint8_t {
  kMalformed = 1,  ///< answer 1835
  kTooFew          ///< answer 1210: fewer than the statement has parameters, or not counted
};

/// Of one command. Those of an execution may also be its parameters, which have names then.
struct QueryAttributes {
  std::vector<bool> nulls;  ///< one each: it has no value
  Buffer types;             ///< two bytes and the name, each
  Buffer values;            ///< of those that have one, as in the binary protocol
  Buffer parameter_names;   ///< of the statement's parameters, one after the other; empty: none has

  [[nodiscard]] std::size_t count() const { return nulls.size(); }
};

/// A client, or a connection, with these capabilities has a place for them in its commands.
[[nodiscard]] constexpr bool sends_attributes(std::uint64_t capabilities) {
  return (capabilities & capability::kQueryAttributes) != 0;
}

/// The text of a COM_QUERY, whose `argument` is what stands behind its first byte. The text lives
/// as long as that. Errors: kMalformed.
[[nodiscard]] Result<Bytes> take_query_attributes(Bytes argument, QueryAttributes& attributes);

/// Appends to `plain` the payload of a COM_STMT_EXECUTE as it would be without them.
/// `has_long_data`: of the parameter with this number; its value is not in the payload.
/// Errors: kMalformed, kTooFew.
[[nodiscard]] Status take_execute_attributes(Bytes payload,
                                             const ClientStatement& statement,
                                             const std::function<bool(std::size_t)>& has_long_data,
                                             QueryAttributes& attributes,
                                             Buffer& plain);

/// Appends the payload of a COM_STMT_EXECUTE that is ready for a backend (rewrite_execute()), with
/// the attributes. REQUIRES: rewrite_execute() was ok.
void append_attributed_execute(Buffer& out,
                               Bytes plain,
                               const ClientStatement& statement,
                               const QueryAttributes& attributes);

/// Appends packets of commands, with the attributes in each COM_QUERY. REQUIRES: `pieces` are whole
/// packets.
void append_attributed_commands(Buffer& out,
                                std::initializer_list<Bytes> pieces,
                                const QueryAttributes& attributes);

}  // namespace consort::protocol
