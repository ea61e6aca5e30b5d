#include "proxy/commit/table_loader.h"

#include <spdlog/spdlog.h>
#include <utility>

#include "base/result.h"
#include "proxy/backend_controller.h"
#include "proxy/catalog_loader.h"

namespace consort::proxy {

TableLoader::TableLoader(std::vector<BackendController*> controllers,
                         std::shared_ptr<LoopTasks> tasks,
                         certifier::SchemaCatalog& catalog,
                         const AppliedPositions& positions,
                         std::function<void()> on_answer)
    : controllers_(std::move(controllers)),
      tasks_(std::move(tasks)),
      catalog_(catalog),
      positions_(positions),
      on_answer_(std::move(on_answer)) {}

void TableLoader::load(BackendId backend, const certifier::TableRef& table) {
  const Seqno as_of{positions_.applied[backend.value].load(std::memory_order_relaxed)};
  BackendController* controller = controllers_[backend.value];
  if (controller == nullptr || as_of < newest_ddl_ || asked_.contains(table)) {
    return;
  }
  auto answered = [this, alive = alive_, tasks = tasks_, table,
                   as_of](Result<certifier::TableDefinition> definition) {
    tasks->post([this, alive, table, as_of, definition = std::move(definition)] {
      if (*alive) {
        on_answered(table, as_of, definition);
      }
    });
  };
  if (controller->load_table(table.schema, table.table, std::move(answered))) {
    asked_.emplace(table, backend);
  }
}

void TableLoader::on_answered(const certifier::TableRef& table,
                              Seqno as_of,
                              Result<certifier::TableDefinition> definition) {
  asked_.erase(table);
  if (as_of >= newest_ddl_) {
    if (definition.ok()) {
      catalog_.put(std::move(definition).value());
    } else if (definition.error().code == static_cast<int>(CatalogError::kTableMissing)) {
      catalog_.put(certifier::absent_table(table));
    } else {
      spdlog::warn("definition of {}.{}: {}", table.schema, table.table,
                   definition.error().message);
    }
  }
  on_answer_();
}

}  // namespace consort::proxy
