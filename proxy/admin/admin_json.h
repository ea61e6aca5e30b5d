// admin_json: AdminSource's values as the JSON that the admin interface sends.
// Threads: any; pure.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "proxy/admin/admin_source.h"

namespace consort::proxy {

/// Keeps its keys in the order in which they were set, which is the order people read them in.
using AdminJson = nlohmann::ordered_json;

[[nodiscard]] AdminJson to_json(const StatusInfo& status);
[[nodiscard]] AdminJson to_json(const BackendInfo& backend);
[[nodiscard]] AdminJson to_json(const SessionInfo& session);

[[nodiscard]] std::string_view to_text(ReadConsistency value);

/// "worker-slot-generation".
[[nodiscard]] std::string to_text(SessionId id);

/// Replaces every value whose key speaks of a password, secret or token, at any depth, unless it is
/// empty.
void redact(AdminJson& value);

/// Indented text with a newline at its end. Bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string dump(const AdminJson& value);

}  // namespace consort::proxy
