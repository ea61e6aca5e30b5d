#include "proxy/admin/admin_routes.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "proxy/admin/admin_json.h"

namespace consort::proxy {

namespace {

using healthcheck::OperatorState;

constexpr std::size_t kSessionsPageDefault = 100;
constexpr std::size_t kSessionsPageMax = 1000;
constexpr std::uint32_t kWeightMax = 1000;

/// What a handler works with. `name` is what the route's <name> matched.
struct Call {
  AdminSource& source;
  const AdminRequest& request;
  std::string name;
};

struct Route {
  std::string_view method;
  std::string_view path;
  std::string_view help;
  AdminReply (*handle)(const Call&);
};

AdminReply get_routes(const Call& call);
AdminReply get_status(const Call& call);
AdminReply get_backends(const Call& call);
AdminReply get_sessions(const Call& call);
AdminReply get_config(const Call& call);
AdminReply get_health(const Call& call);
AdminReply put_backend_state(const Call& call);
AdminReply put_read_consistency(const Call& call);
AdminReply put_weights(const Call& call);
AdminReply post_tls_reload(const Call& call);
AdminReply post_config_reload(const Call& call);

constexpr Route kRoutes[] = {
    {"GET", "/", "this list", get_routes},
    {"GET", "/status", "the proxy as a whole", get_status},
    {"GET", "/backends", "each backend's state, position and connections", get_backends},
    {"GET", "/sessions", "client sessions; ?limit=1..1000 (100) &offset=0..", get_sessions},
    {"GET", "/config", "the configuration in force, without secrets", get_config},
    {"GET", "/health", "200 when at least one backend serves, else 503", get_health},
    {"PUT", "/backends/<name>/state", "{\"state\": \"online|draining|offline\"}",
     put_backend_state},
    {"PUT", "/routing/read_consistency", "{\"value\": \"eventual|session|strong\"}",
     put_read_consistency},
    {"PUT", "/routing/weights", "{\"<backend>\": 0..1000, ...}", put_weights},
    {"POST", "/config/reload", "reads the configuration and the certificates again",
     post_config_reload},
    {"POST", "/tls/reload", "reads the certificates again", post_tls_reload},
};

AdminReply ok(const AdminJson& body) {
  return {200, dump(body), {}};
}

/// The reply to a failed AdminSource call.
AdminReply source_error(const Error& error, const AdminRequest& request) {
  switch (static_cast<AdminErrorCode>(error.code)) {
    case AdminErrorCode::kNotFound:
      return admin_error(404, "not_found", error.message, request.path);
    case AdminErrorCode::kInvalid:
      return admin_error(422, "invalid_value", error.message, "$");
    case AdminErrorCode::kConflict:
      return admin_error(409, "conflict", error.message, request.path);
    case AdminErrorCode::kUnavailable:
      return admin_error(503, "unavailable", error.message, request.path);
    case AdminErrorCode::kInternal:
      break;
  }
  return admin_error(500, "internal", error.message, request.path);
}

// ---- Reading requests -------------------------------------------------------------------------

template <typename T>
using Parsed = std::variant<T, AdminReply>;

/// The body as a JSON object.
Parsed<AdminJson> parse_object(const AdminRequest& request) {
  AdminJson body;
  try {
    body = AdminJson::parse(request.body);
  } catch (const nlohmann::json::parse_error& error) {
    return admin_error(400, "malformed_json",
                       "the body is not JSON: error at byte " + std::to_string(error.byte) +
                           " of " + std::to_string(request.body.size()),
                       request.path);
  }
  if (!body.is_object()) {
    return admin_error(422, "wrong_type",
                       "expected a JSON object, got " + std::string(body.type_name()), "$");
  }
  return body;
}

std::string quoted_list(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) {
    text += (text.empty() ? "\"" : ", \"") + value + "\"";
  }
  return text;
}

/// The value of the body's only member `key`, which is one of `allowed`.
Parsed<std::string> parse_choice(const AdminRequest& request,
                                 const std::string& key,
                                 const std::vector<std::string>& allowed) {
  auto parsed = parse_object(request);
  if (auto* reply = std::get_if<AdminReply>(&parsed)) {
    return std::move(*reply);
  }
  const AdminJson& body = std::get<AdminJson>(parsed);
  const std::string path = "$." + key;
  for (const auto& item : body.items()) {
    if (item.key() != key) {
      return admin_error(422, "unknown_key", "unknown key; the only one here is \"" + key + "\"",
                         "$." + item.key());
    }
  }
  if (!body.contains(key)) {
    return admin_error(422, "missing_key", "missing; one of " + quoted_list(allowed), path);
  }
  const AdminJson& value = body.at(key);
  if (!value.is_string()) {
    return admin_error(422, "wrong_type",
                       "expected a string, got " + std::string(value.type_name()), path);
  }
  auto text = value.get<std::string>();
  if (std::find(allowed.begin(), allowed.end(), text) == allowed.end()) {
    return admin_error(422, "invalid_value",
                       "\"" + text + "\" is not one of " + quoted_list(allowed), path);
  }
  return text;
}

/// A whole number in the query; nullopt when it is not one.
std::optional<std::size_t> parse_number(const std::string& text) {
  std::size_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end) {
    return std::nullopt;
  }
  return value;
}

struct Page {
  std::size_t offset = 0;
  std::size_t limit = kSessionsPageDefault;
};

Parsed<Page> parse_page(const AdminRequest& request) {
  Page page;
  for (const auto& [key, text] : request.query) {
    const std::string path = "query." + key;
    if (key != "limit" && key != "offset") {
      return admin_error(422, "unknown_key", "unknown; known are \"limit\", \"offset\"", path);
    }
    const std::optional<std::size_t> number = parse_number(text);
    if (key == "limit") {
      if (!number || *number < 1 || *number > kSessionsPageMax) {
        return admin_error(
            422, "invalid_value",
            "expected 1 to " + std::to_string(kSessionsPageMax) + ", got \"" + text + "\"", path);
      }
      page.limit = *number;
    } else {
      if (!number) {
        return admin_error(422, "invalid_value", "expected a whole number, got \"" + text + "\"",
                           path);
      }
      page.offset = *number;
    }
  }
  return page;
}

const BackendInfo* find_backend(const std::vector<BackendInfo>& backends, const std::string& name) {
  const auto found = std::find_if(backends.begin(), backends.end(),
                                  [&](const BackendInfo& backend) { return backend.name == name; });
  return found == backends.end() ? nullptr : &*found;
}

std::string unknown_backend(const std::string& name, const std::vector<BackendInfo>& backends) {
  std::vector<std::string> names;
  names.reserve(backends.size());
  for (const BackendInfo& backend : backends) {
    names.push_back(backend.name);
  }
  return "no backend \"" + name + "\"; known are " + quoted_list(names);
}

// ---- Handlers ---------------------------------------------------------------------------------

AdminReply get_routes(const Call&) {
  AdminJson list = AdminJson::array();
  for (const Route& route : kRoutes) {
    list.push_back({{"method", route.method}, {"path", route.path}, {"help", route.help}});
  }
  return ok({{"routes", list}});
}

AdminReply get_status(const Call& call) {
  const auto status = call.source.status();
  return status.ok() ? ok(to_json(*status)) : source_error(status.error(), call.request);
}

AdminReply get_backends(const Call& call) {
  const auto backends = call.source.backends();
  if (!backends.ok()) {
    return source_error(backends.error(), call.request);
  }
  AdminJson list = AdminJson::array();
  for (const BackendInfo& backend : *backends) {
    list.push_back(to_json(backend));
  }
  return ok({{"backends", list}});
}

AdminReply get_sessions(const Call& call) {
  auto parsed = parse_page(call.request);
  if (auto* reply = std::get_if<AdminReply>(&parsed)) {
    return std::move(*reply);
  }
  const Page page = std::get<Page>(parsed);
  const auto sessions = call.source.sessions(page.offset, page.limit);
  if (!sessions.ok()) {
    return source_error(sessions.error(), call.request);
  }
  AdminJson list = AdminJson::array();
  for (const SessionInfo& session : sessions->sessions) {
    list.push_back(to_json(session));
  }
  return ok({{"total", sessions->total},
             {"offset", page.offset},
             {"limit", page.limit},
             {"sessions", list}});
}

AdminReply get_config(const Call& call) {
  const auto text = call.source.config_json();
  if (!text.ok()) {
    return source_error(text.error(), call.request);
  }
  AdminJson config = AdminJson::parse(*text, nullptr, false);
  if (config.is_discarded()) {
    return admin_error(500, "internal", "the configuration could not be shown", call.request.path);
  }
  redact(config);
  return ok(config);
}

AdminReply get_health(const Call& call) {
  const auto backends = call.source.backends();
  if (!backends.ok()) {
    return source_error(backends.error(), call.request);
  }
  const auto serves = [](const BackendInfo& backend) {
    return backend.state == healthcheck::BackendState::kOnline ||
           backend.state == healthcheck::BackendState::kSuspect;
  };
  const auto status = call.source.status();
  if (!status.ok()) {
    return source_error(status.error(), call.request);
  }
  const auto online = std::count_if(backends->begin(), backends->end(), serves);
  const auto serving = status->draining ? 0 : online;
  AdminReply reply =
      ok({{"serving", serving > 0}, {"backends_serving", serving}, {"backends", backends->size()}});
  reply.status = serving > 0 ? 200 : 503;
  return reply;
}

AdminReply put_backend_state(const Call& call) {
  auto backends = call.source.backends();
  if (!backends.ok()) {
    return source_error(backends.error(), call.request);
  }
  const BackendInfo* backend = find_backend(*backends, call.name);
  if (backend == nullptr) {
    return admin_error(404, "unknown_backend", unknown_backend(call.name, *backends),
                       call.request.path);
  }
  auto parsed = parse_choice(call.request, "state", {"online", "draining", "offline"});
  if (auto* reply = std::get_if<AdminReply>(&parsed)) {
    return std::move(*reply);
  }
  const auto& text = std::get<std::string>(parsed);
  const OperatorState wanted = text == "online"     ? OperatorState::kOnline
                               : text == "draining" ? OperatorState::kDraining
                                                    : OperatorState::kOffline;
  const Status done = call.source.set_backend_state(backend->id, wanted);
  if (!done.ok()) {
    return source_error(done.error(), call.request);
  }
  return ok({{"backend", call.name}, {"wanted", text}});
}

AdminReply put_read_consistency(const Call& call) {
  auto parsed = parse_choice(call.request, "value", {"eventual", "session", "strong"});
  if (auto* reply = std::get_if<AdminReply>(&parsed)) {
    return std::move(*reply);
  }
  const auto& text = std::get<std::string>(parsed);
  const ReadConsistency value = text == "eventual"  ? ReadConsistency::kEventual
                                : text == "session" ? ReadConsistency::kSession
                                                    : ReadConsistency::kStrong;
  const Status done = call.source.set_read_consistency(value);
  return done.ok() ? ok({{"read_consistency", text}}) : source_error(done.error(), call.request);
}

Parsed<std::vector<BackendWeight>> parse_weights(const AdminJson& body,
                                                 const std::vector<BackendInfo>& backends) {
  if (body.empty()) {
    return admin_error(422, "missing_key", "no backend is named", "$");
  }
  std::vector<BackendWeight> weights;
  for (const auto& item : body.items()) {
    const std::string path = "$." + item.key();
    const BackendInfo* backend = find_backend(backends, item.key());
    if (backend == nullptr) {
      return admin_error(404, "unknown_backend", unknown_backend(item.key(), backends), path);
    }
    const AdminJson& value = item.value();
    const std::string expected = "expected a whole number from 0 to " + std::to_string(kWeightMax);
    if (!value.is_number_integer()) {
      return admin_error(422, "wrong_type", expected + ", got " + value.dump(), path);
    }
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > kWeightMax) {
      return admin_error(422, "invalid_value", expected + ", got " + value.dump(), path);
    }
    weights.push_back({backend->id, value.get<std::uint32_t>()});
  }
  return weights;
}

/// True when at least one backend has a weight above 0 once `changes` are made.
bool leaves_a_weight(const std::vector<BackendInfo>& backends,
                     const std::vector<BackendWeight>& changes) {
  return std::any_of(backends.begin(), backends.end(), [&](const BackendInfo& backend) {
    std::uint32_t weight = backend.weight;
    for (const BackendWeight& change : changes) {
      weight = change.backend == backend.id ? change.weight : weight;
    }
    return weight > 0;
  });
}

AdminReply put_weights(const Call& call) {
  auto body = parse_object(call.request);
  if (auto* reply = std::get_if<AdminReply>(&body)) {
    return std::move(*reply);
  }
  const auto backends = call.source.backends();
  if (!backends.ok()) {
    return source_error(backends.error(), call.request);
  }
  auto parsed = parse_weights(std::get<AdminJson>(body), *backends);
  if (auto* reply = std::get_if<AdminReply>(&parsed)) {
    return std::move(*reply);
  }
  const auto& weights = std::get<std::vector<BackendWeight>>(parsed);
  if (!leaves_a_weight(*backends, weights)) {
    return admin_error(422, "invalid_value", "at least one backend needs a weight above 0", "$");
  }
  const Status done = call.source.set_weights(weights);
  return done.ok() ? ok({{"weights", std::get<AdminJson>(body)}})
                   : source_error(done.error(), call.request);
}

AdminReply post_tls_reload(const Call& call) {
  const Status done = call.source.reload_tls();
  return done.ok() ? ok({{"reloaded", true}}) : source_error(done.error(), call.request);
}

/// The first JSON path in a message of load_config().
std::string first_path(const std::string& message) {
  const std::size_t at = message.find("$.");
  return at == std::string::npos ? "$" : message.substr(at, message.find(": ", at) - at);
}

AdminReply post_config_reload(const Call& call) {
  const auto done = call.source.reload_config();
  if (!done.ok() && static_cast<AdminErrorCode>(done.error().code) == AdminErrorCode::kInvalid) {
    return admin_error(422, "invalid_value", done.error().message,
                       first_path(done.error().message));
  }
  return done.ok() ? ok({{"changed", done->changed}, {"needs_restart", done->needs_restart}})
                   : source_error(done.error(), call.request);
}

// ---- Routing ----------------------------------------------------------------------------------

/// What <name> stands for when `path` matches `pattern` (empty for a pattern without one); nullopt
/// when it does not match.
std::optional<std::string> match(std::string_view pattern, std::string_view path) {
  constexpr std::string_view kName = "<name>";
  const std::size_t at = pattern.find(kName);
  if (at == std::string_view::npos) {
    return path == pattern ? std::optional<std::string>("") : std::nullopt;
  }
  const std::string_view before = pattern.substr(0, at);
  const std::string_view after = pattern.substr(at + kName.size());
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) ||
      !path.ends_with(after)) {
    return std::nullopt;
  }
  std::string name(path.substr(before.size(), path.size() - before.size() - after.size()));
  return name.find('/') == std::string::npos ? std::optional(name) : std::nullopt;
}

AdminReply wrong_method(const AdminRequest& request, const std::string& allowed) {
  AdminReply reply =
      admin_error(405, "wrong_method",
                  request.method + " is not possible here; possible: " + allowed, request.path);
  reply.allow = allowed;
  return reply;
}

}  // namespace

AdminReply admin_error(int status,
                       std::string_view code,
                       std::string_view message,
                       std::string_view path) {
  return {status, dump({{"error", {{"code", code}, {"path", path}, {"message", message}}}}), {}};
}

AdminRoutes::AdminRoutes(AdminSource& source, std::string token)
    : source_(source), token_(std::move(token)) {}

AdminReply AdminRoutes::handle(const AdminRequest& request) const {
  if (request.path.size() > kAdminPathBytesMax) {
    return admin_error(414, "path_too_long", "the path is too long", "");
  }
  if (!authorized(request.authorization)) {
    return admin_error(401, "unauthorized", "send \"Authorization: Bearer <token>\"", request.path);
  }
  if (request.body.size() > kAdminBodyBytesMax) {
    return admin_error(413, "body_too_large",
                       "at most " + std::to_string(kAdminBodyBytesMax) + " bytes", request.path);
  }
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  std::string allowed;
  for (const Route& route : kRoutes) {
    const std::optional<std::string> name = match(route.path, request.path);
    if (name && route.method == method) {
      return route.handle({source_, request, *name});
    }
    if (name) {
      allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
    }
  }
  if (!allowed.empty()) {
    return wrong_method(request, allowed);
  }
  return admin_error(404, "unknown_route", "no such route; GET / lists them", request.path);
}

bool AdminRoutes::authorized(std::string_view authorization) const {
  if (token_.empty()) {
    return true;
  }
  constexpr std::string_view kScheme = "Bearer ";
  if (!authorization.starts_with(kScheme)) {
    return false;
  }
  const std::string_view given = authorization.substr(kScheme.size());
  if (given.size() != token_.size()) {
    return false;
  }
  volatile unsigned char difference = 0;  // volatile: no early exit may be made of the loop
  for (std::size_t i = 0; i < given.size(); ++i) {
    difference = static_cast<unsigned char>(difference | (given[i] ^ token_[i]));
  }
  return difference == 0;
}

}  // namespace consort::proxy
