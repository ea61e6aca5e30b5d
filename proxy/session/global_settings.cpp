#include "proxy/session/global_settings.h"

#include <algorithm>

namespace consort::proxy {

void GlobalSettings::note(const GlobalsChanged& changed) {
  seen_ = std::max(seen_, changed.seqno);
  if (changed.changes.empty()) {
    return;
  }
  changed_at_ = std::max(changed_at_, changed.seqno);
  for (const GlobalChange& change : changed.changes) {
    if (change.variable.name == "sql_mode") {
      sql_mode_ = change.variable.value.value_or("");
    }
  }
}

SettingsAge GlobalSettings::age(BackendId backend) const {
  const std::uint32_t generation =
      positions_.lane_generations[backend.value].load(std::memory_order_acquire);
  return {generation, Seqno{positions_.applied[backend.value].load(std::memory_order_acquire)}};
}

bool GlobalSettings::outdated(BackendId backend, const SettingsAge& age) const {
  return age.applied < changed_at_ ||
         age.lane_generation !=
             positions_.lane_generations[backend.value].load(std::memory_order_acquire);
}

router::LexerOptions GlobalSettings::lexer(const router::LexerOptions& known) const {
  if (!sql_mode_) {
    return known;
  }
  router::LexerOptions options = known;
  options.doubtful = false;
  const auto with_mode = router::with_sql_mode(options, *sql_mode_);
  options = with_mode.value_or(options);
  options.doubtful = !with_mode;
  return options;
}

void GlobalSettings::on_lexer_known(const router::LexerOptions& known) {
  if (lexer(known) == known) {
    sql_mode_.reset();
  }
}

}  // namespace consort::proxy
