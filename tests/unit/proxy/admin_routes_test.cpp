#include "proxy/admin/admin_routes.h"

#include <string>

#include <nlohmann/json.hpp>

#include "tests/support/test.h"
#include "tests/unit/proxy/fake_admin_source.h"

namespace consort::proxy {
namespace {

using healthcheck::OperatorState;

using nlohmann::json;

struct Fixture {
  FakeAdminSource source;
  AdminRoutes routes{source, ""};

  [[nodiscard]] AdminReply get(const std::string& path,
                               std::map<std::string, std::string> query = {}) const {
    return routes.handle({"GET", path, std::move(query), "", ""});
  }

  [[nodiscard]] AdminReply put(const std::string& path, const std::string& body) const {
    return routes.handle({"PUT", path, {}, body, ""});
  }
};

/// The error of a reply, with the checks that every error must pass.
json error_of(const AdminReply& reply, int status) {
  CAPTURE(reply.body);
  EXPECT(reply.status == status);
  const json body = json::parse(reply.body, nullptr, false);
  REQUIRE(body.contains("error"));
  json error = body["error"];
  EXPECT(error["code"].is_string());
  EXPECT(error["path"].is_string());
  EXPECT(error["message"].is_string());
  return error;
}

bool holds(const json& text, const std::string& part) {
  return text.get<std::string>().find(part) != std::string::npos;
}

TEST_SUITE("proxy") {
  TEST_CASE("AdminRoutes: GET / lists every route") {
    const Fixture fixture;
    const json body = json::parse(fixture.get("/").body);
    EXPECT(body["routes"].size() == 11);
    for (const json& route : body["routes"]) {
      const std::string path = route["path"];
      if (route["method"] == "GET") {
        EXPECT(fixture.get(path).status == 200);
      }
    }
  }

  TEST_CASE("AdminRoutes: status, backends, health") {
    Fixture fixture;
    const json status = json::parse(fixture.get("/status").body);
    EXPECT(status["head"] == 42);
    EXPECT(status["read_consistency"] == "session");
    const json backends = json::parse(fixture.get("/backends").body)["backends"];
    REQUIRE(backends.size() == 3);
    EXPECT(backends[1]["name"] == "db2");
    EXPECT(backends[1]["state"] == "online");
    EXPECT(fixture.get("/health").status == 200);
    fixture.source.set_states(healthcheck::BackendState::kCatchingUp);
    const AdminReply unhealthy = fixture.get("/health");
    EXPECT(unhealthy.status == 503);
    EXPECT(json::parse(unhealthy.body)["serving"] == false);
  }

  TEST_CASE("AdminRoutes: HEAD is answered as GET is") {
    const Fixture fixture;
    EXPECT(fixture.routes.handle({"HEAD", "/health", {}, "", ""}).status == 200);
  }

  TEST_CASE("AdminRoutes: sessions come in pages") {
    Fixture fixture;
    for (std::uint32_t i = 0; i < 5; ++i) {
      SessionInfo session;
      session.id = SessionId{1, i, 7};
      session.user = "demo";
      session.in_transaction = i == 2;
      session.pinned = {"a transaction is open"};
      fixture.source.add_session(session);
    }
    const json page = json::parse(fixture.get("/sessions", {{"limit", "2"}, {"offset", "2"}}).body);
    EXPECT(page["total"] == 5);
    REQUIRE(page["sessions"].size() == 2);
    EXPECT(page["sessions"][0]["id"] == "1-2-7");
    EXPECT(page["sessions"][0]["in_transaction"] == true);
    EXPECT(page["sessions"][0]["pinned"][0] == "a transaction is open");
    EXPECT(json::parse(fixture.get("/sessions", {{"offset", "99"}}).body)["sessions"].empty());
  }

  TEST_CASE("AdminRoutes: wrong session pages name the parameter") {
    const Fixture fixture;
    for (const std::string limit : {"0", "1001", "-1", "x", "", "1x", "99999999999999999999"}) {
      CAPTURE(limit);
      EXPECT(error_of(fixture.get("/sessions", {{"limit", limit}}), 422)["path"] == "query.limit");
    }
    EXPECT(error_of(fixture.get("/sessions", {{"offset", "-1"}}), 422)["path"] == "query.offset");
    EXPECT(error_of(fixture.get("/sessions", {{"page", "1"}}), 422)["path"] == "query.page");
  }

  TEST_CASE("AdminRoutes: bytes that are not UTF-8 do not break the reply") {
    Fixture fixture;
    SessionInfo session;
    session.user =
        "b\xff\xfe"
        "d";
    fixture.source.add_session(session);
    const json page = json::parse(fixture.get("/sessions").body);
    EXPECT(page["sessions"][0]["user"] == "b\uFFFD\uFFFDd");
  }

  TEST_CASE("AdminRoutes: the configuration is shown without its secrets") {
    const Fixture fixture;
    const AdminReply reply = fixture.get("/config");
    EXPECT(reply.status == 200);
    for (const char* secret : {"tiger", "lion", "puma"}) {
      EXPECT(reply.body.find(secret) == std::string::npos);
    }
    const json config = json::parse(reply.body);
    EXPECT(config["admin"]["token"] == "(redacted)");
    EXPECT(config["backends"][1]["passwd"] == "");
    EXPECT(config["service_account"]["user"] == "consort");
  }

  TEST_CASE("AdminRoutes: PUT backend state") {
    Fixture fixture;
    EXPECT(fixture.put("/backends/db2/state", R"({"state": "draining"})").status == 200);
    EXPECT(fixture.source.backend(1).wanted == OperatorState::kDraining);
    EXPECT(fixture.put("/backends/db2/state", R"({"state": "offline"})").status == 200);
    EXPECT(fixture.source.backend(1).wanted == OperatorState::kOffline);
    EXPECT(fixture.put("/backends/db2/state", R"({"state": "online"})").status == 200);
    EXPECT(fixture.source.backend(1).wanted == OperatorState::kOnline);
  }

  TEST_CASE("AdminRoutes: PUT read consistency") {
    Fixture fixture;
    EXPECT(fixture.put("/routing/read_consistency", R"({"value": "strong"})").status == 200);
    EXPECT(fixture.source.read_consistency() == ReadConsistency::kStrong);
    EXPECT(fixture.put("/routing/read_consistency", R"({"value": "eventual"})").status == 200);
    EXPECT(fixture.source.read_consistency() == ReadConsistency::kEventual);
  }

  TEST_CASE("AdminRoutes: PUT weights changes all or none") {
    Fixture fixture;
    EXPECT(fixture.put("/routing/weights", R"({"db1": 0, "db3": 1000})").status == 200);
    EXPECT(fixture.source.backend(0).weight == 0);
    EXPECT(fixture.source.backend(1).weight == 1);
    EXPECT(fixture.source.backend(2).weight == 1000);
    error_of(fixture.put("/routing/weights", R"({"db1": 5, "db9": 5})"), 404);
    EXPECT(fixture.source.backend(0).weight == 0);
  }

  TEST_CASE("AdminRoutes: POST reads the configuration again and says what needs a restart") {
    Fixture fixture;
    const AdminReply done = fixture.routes.handle({"POST", "/config/reload", {}, "", ""});
    REQUIRE(done.status == 200);
    EXPECT(json::parse(done.body) ==
           json({{"changed", {"$.pool.wait_ms_max"}}, {"needs_restart", {"$.workers"}}}));
    fixture.source.fail_with(
        AdminErrorCode::kInvalid,
        "/etc/c.json: $.pool.wait_ms_max: expected an integer 1..3600000, got \"x\"");
    const json error = error_of(fixture.routes.handle({"POST", "/config/reload", {}, "", ""}), 422);
    EXPECT(error["path"] == "$.pool.wait_ms_max");
    fixture.source.fail_with(AdminErrorCode::kInvalid, "cannot read the key x.pem: no");
    EXPECT(error_of(fixture.routes.handle({"POST", "/config/reload", {}, "", ""}), 422)["path"] ==
           "$");
  }

  TEST_CASE("AdminRoutes: who drains is not healthy") {
    Fixture fixture;
    fixture.source.set_draining();
    EXPECT(fixture.get("/health").status == 503);
  }

  TEST_CASE("AdminRoutes: POST reads the certificates again") {
    Fixture fixture;
    EXPECT(fixture.routes.handle({"POST", "/tls/reload", {}, "", ""}).status == 200);
    EXPECT(fixture.source.reloads() == 1);
    EXPECT(fixture.routes.handle({"GET", "/tls/reload", {}, "", ""}).allow == "POST");
    fixture.source.fail_with(AdminErrorCode::kInvalid, "cannot read the key x.pem: no");
    const AdminReply reply = fixture.routes.handle({"POST", "/tls/reload", {}, "", ""});
    EXPECT(error_of(reply, 422)["message"] == "cannot read the key x.pem: no");
  }

  TEST_CASE("AdminRoutes: malformed JSON is 400 and says where") {
    const Fixture fixture;
    const json error = error_of(fixture.put("/routing/weights", R"({"db1": 1,})"), 400);
    EXPECT(error["code"] == "malformed_json");
    EXPECT(holds(error["message"], "byte 11 of 11"));
    for (const std::string body : {"", "{", "nonsense", "{\"db1\": 1} {}", "\xff"}) {
      CAPTURE(body);
      error_of(fixture.put("/routing/weights", body), 400);
      error_of(fixture.put("/backends/db1/state", body), 400);
      error_of(fixture.put("/routing/read_consistency", body), 400);
    }
  }

  TEST_CASE("AdminRoutes: wrong values are 422 and name the JSON path") {
    struct Case {
      const char* path;
      const char* body;
      const char* error_path;
    };

    const Case cases[] = {
        {"/backends/db1/state", "[]", "$"},
        {"/backends/db1/state", "{}", "$.state"},
        {"/backends/db1/state", R"({"state": 1})", "$.state"},
        {"/backends/db1/state", R"({"state": null})", "$.state"},
        {"/backends/db1/state", R"({"state": "Online"})", "$.state"},
        {"/backends/db1/state", R"({"state": "suspect"})", "$.state"},
        {"/backends/db1/state", R"({"state": "online", "force": true})", "$.force"},
        {"/routing/read_consistency", R"("strong")", "$"},
        {"/routing/read_consistency", R"({"consistency": "strong"})", "$.consistency"},
        {"/routing/read_consistency", R"({"value": "stronger"})", "$.value"},
        {"/routing/weights", "3", "$"},
        {"/routing/weights", "{}", "$"},
        {"/routing/weights", R"({"db1": -1})", "$.db1"},
        {"/routing/weights", R"({"db1": 1001})", "$.db1"},
        {"/routing/weights", R"({"db1": 1.5})", "$.db1"},
        {"/routing/weights", R"({"db1": "1"})", "$.db1"},
        {"/routing/weights", R"({"db2": 1, "db1": 18446744073709551616})", "$.db1"},
        {"/routing/weights", R"({"db1": 0, "db2": 0, "db3": 0})", "$"},
    };
    Fixture fixture;
    for (const Case& wrong : cases) {
      CAPTURE(wrong.path);
      CAPTURE(wrong.body);
      EXPECT(error_of(fixture.put(wrong.path, wrong.body), 422)["path"] == wrong.error_path);
    }
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT(fixture.source.backend(i).weight == 1);
      EXPECT(fixture.source.backend(i).wanted == OperatorState::kOnline);
    }
  }

  TEST_CASE("AdminRoutes: an unknown backend is 404 and the known ones are named") {
    const Fixture fixture;
    const json state = error_of(fixture.put("/backends/db9/state", R"({"state": "online"})"), 404);
    EXPECT(state["code"] == "unknown_backend");
    EXPECT(holds(state["message"], "\"db1\", \"db2\", \"db3\""));
    const json weight = error_of(fixture.put("/routing/weights", R"({"db9": 1})"), 404);
    EXPECT(weight["path"] == "$.db9");
    EXPECT(holds(weight["message"], "\"db3\""));
  }

  TEST_CASE("AdminRoutes: unknown routes are 404") {
    const Fixture fixture;
    for (const std::string path : {"", "/statusx", "/status/", "/backends/db1", "/backends//state",
                                   "/backends/a/b/state", "/backends/state", "status", "//"}) {
      CAPTURE(path);
      EXPECT(error_of(fixture.get(path), 404)["code"] == "unknown_route");
    }
  }

  TEST_CASE("AdminRoutes: wrong methods are 405 and say which are right") {
    const Fixture fixture;
    const AdminReply put = fixture.put("/status", "{}");
    EXPECT(error_of(put, 405)["code"] == "wrong_method");
    EXPECT(put.allow == "GET");
    const AdminReply get = fixture.get("/backends/db1/state");
    error_of(get, 405);
    EXPECT(get.allow == "PUT");
    error_of(fixture.routes.handle({"DELETE", "/backends", {}, "", ""}), 405);
  }

  TEST_CASE("AdminRoutes: too large a body is 413, too long a path 414") {
    const Fixture fixture;
    error_of(fixture.put("/routing/weights", std::string(kAdminBodyBytesMax + 1, ' ')), 413);
    error_of(fixture.get("/" + std::string(kAdminPathBytesMax, 'x')), 414);
  }

  TEST_CASE("AdminRoutes: with a token every route asks for it") {
    FakeAdminSource source;
    const AdminRoutes routes(source, "s3cret");
    for (const std::string given : {"", "s3cret", "Bearer", "Bearer ", "Bearer s3creT",
                                    "Bearer s3cre", "Bearer s3crets", "Basic s3cret"}) {
      CAPTURE(given);
      EXPECT(error_of(routes.handle({"GET", "/status", {}, "", given}), 401)["code"] ==
             "unauthorized");
      EXPECT(routes.handle({"GET", "/nowhere", {}, "", given}).status == 401);
      EXPECT(routes.handle({"GET", "/health", {}, "", given}).status == 401);
    }
    EXPECT(routes.handle({"GET", "/status", {}, "", "Bearer s3cret"}).status == 200);
  }

  TEST_CASE("AdminRoutes: errors of the source become statuses") {
    struct Case {
      AdminErrorCode code;
      int status;
    };

    const Case cases[] = {{AdminErrorCode::kInternal, 500},
                          {AdminErrorCode::kNotFound, 404},
                          {AdminErrorCode::kInvalid, 422},
                          {AdminErrorCode::kConflict, 409},
                          {AdminErrorCode::kUnavailable, 503}};
    for (const Case& failing : cases) {
      Fixture fixture;
      fixture.source.fail_with(failing.code, "because");
      for (const std::string path : {"/status", "/backends", "/sessions", "/config", "/health"}) {
        CAPTURE(path);
        EXPECT(error_of(fixture.get(path), failing.status)["message"] == "because");
      }
      error_of(fixture.put("/backends/db1/state", R"({"state":"online"})"), failing.status);
      error_of(fixture.put("/routing/weights", R"({"db1":1})"), failing.status);
      error_of(fixture.put("/routing/read_consistency", R"({"value":"strong"})"), failing.status);
    }
  }
}

}  // namespace
}  // namespace consort::proxy
