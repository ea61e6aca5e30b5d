// TableLoader: fills the schema catalog from the backends, and never with a definition that a DDL
// statement under way may be about to change.
// Threads: the commit thread's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "certifier/schema_catalog.h"
#include "proxy/cluster_view.h"
#include "proxy/commit/loop_tasks.h"

namespace consort::proxy {

class BackendController;

class TableLoader {
 public:
  /// `controllers` by BackendId; they, `catalog` and `positions` outlive the loader. `on_answer` is
  /// called after each answer, good or bad: ask again for what is still missing.
  TableLoader(std::vector<BackendController*> controllers,
              std::shared_ptr<LoopTasks> tasks,
              certifier::SchemaCatalog& catalog,
              const AppliedPositions& positions,
              std::function<void()> on_answer);

  ~TableLoader() { *alive_ = false; }

  TableLoader(const TableLoader&) = delete;
  TableLoader& operator=(const TableLoader&) = delete;

  /// Asks `backend` for the definition, unless it is asked for already or the backend has not yet
  /// executed the newest DDL (then ask again when it has).
  void load(BackendId backend, const certifier::TableRef& table);

  /// A DDL entry got its seqno: definitions asked for before may be of before.
  void on_ddl(Seqno seqno) { newest_ddl_ = seqno; }

 private:
  void on_answered(const certifier::TableRef& table,
                   Seqno as_of,
                   Result<certifier::TableDefinition> definition);

  const std::vector<BackendController*> controllers_;
  const std::shared_ptr<LoopTasks> tasks_;
  certifier::SchemaCatalog& catalog_;
  const AppliedPositions& positions_;
  const std::function<void()> on_answer_;
  std::map<certifier::TableRef, BackendId> asked_;
  Seqno newest_ddl_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace consort::proxy
