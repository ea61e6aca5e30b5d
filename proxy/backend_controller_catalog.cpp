// The one command of BackendController that needs the catalog loader.
#include <utility>

#include <mysql.h>

#include "proxy/backend_controller.h"
#include "proxy/catalog_loader.h"

namespace consort::proxy {

bool BackendController::load_table(std::string schema,
                                   std::string table,
                                   Done<certifier::TableDefinition> done) {
  certifier::TableRef name{std::move(schema), std::move(table)};
  auto repeats_left = std::make_shared<int>(1);
  return post([name = std::move(name), done = std::move(done), repeats_left](
                  healthcheck::ServerLink* link, const Error& why_not) -> Retry {
    if (link == nullptr) {
      done(make_error(CatalogError::kQueryFailed, why_not.message));
      return std::nullopt;
    }
    auto definition = load_table_definition(link->handle(), name);
    if (!definition.ok() &&
        healthcheck::is_link_error(static_cast<int>(mysql_errno(link->handle())))) {
      link->close();
      if ((*repeats_left)-- > 0) {
        return Duration::zero();
      }
    }
    done(std::move(definition));
    return std::nullopt;
  });
}

}  // namespace consort::proxy
