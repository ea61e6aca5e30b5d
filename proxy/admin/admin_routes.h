// AdminRoutes: one admin request in, one JSON reply out. Knows no sockets.
// Routes: GET / /status /backends /sessions /config /health; PUT /backends/<name>/state
// /routing/read_consistency /routing/weights; POST /tls/reload. Reference: docs/operations.md.
// Threads: handle() any, several at once.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "proxy/admin/admin_source.h"

namespace consort::proxy {

/// Bodies above this are refused before they are read.
inline constexpr std::size_t kAdminBodyBytesMax = std::size_t{16} << 10;

/// Paths above this are refused.
inline constexpr std::size_t kAdminPathBytesMax = 256;

struct AdminRequest {
  std::string method;
  std::string path;  ///< decoded, without the query
  std::map<std::string, std::string> query;
  std::string body;
  std::string authorization;  ///< the Authorization header's value; empty when absent
};

struct AdminReply {
  int status = 200;
  std::string body;   ///< JSON, ends with a newline
  std::string allow;  ///< the Allow header of a 405; empty otherwise
};

/// The JSON body of an error: {"error":{"code":..,"message":..,"path":..}}. `path` is the JSON path
/// of the wrong value, or the request's path.
[[nodiscard]] AdminReply admin_error(int status,
                                     std::string_view code,
                                     std::string_view message,
                                     std::string_view path);

class AdminRoutes {
 public:
  /// `source` outlives the routes. An empty `token`: no authorization is asked for.
  AdminRoutes(AdminSource& source, std::string token);

  [[nodiscard]] AdminReply handle(const AdminRequest& request) const;

  /// True when `authorization` carries the token, or none is configured. Takes the same time for
  /// every wrong token of one length.
  [[nodiscard]] bool authorized(std::string_view authorization) const;

 private:
  AdminSource& source_;
  const std::string token_;
};

}  // namespace consort::proxy
