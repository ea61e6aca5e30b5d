#include "proxy/session/global_settings.h"

#include <algorithm>
#include <charconv>

#include "protocol/constants.h"
#include "router/own_tracking.h"

namespace consort::proxy {
namespace {

constexpr std::uint64_t kPacketBytesMax = std::uint64_t{1} << 30;

bool is_heeded(std::string_view name) {
  return name == kWaitTimeout || name == kInteractiveTimeout || name == kTxReadOnly ||
         name == kOwnMaxConnections || name == kOwnReadOnly || name == kOwnEventScheduler ||
         name == kOwnInitConnect || name == kSqlModeName || name == kMaxPasswordErrors ||
         router::is_tracking_setting(name);
}

/// 0: it is none.
std::uint64_t number_of(const std::optional<std::string_view>& text) {
  std::uint64_t number = 0;
  if (text) {
    std::from_chars(text->data(), text->data() + text->size(), number);
  }
  return number;
}

}  // namespace

void GlobalSettings::note(const GlobalsChanged& changed) {
  seen_ = std::max(seen_, changed.seqno);
  if (changed.changes.empty()) {
    return;
  }
  changed_at_ = std::max(changed_at_, changed.seqno);
  for (const GlobalChange& change : changed.changes) {
    const std::string& name = change.variable.name;
    if (name == kSqlModeName) {
      sql_mode_ = heeded_[name] = change.variable.value.value_or("");
    } else if (name == "max_allowed_packet") {
      max_allowed_packet_ = number_of(change.variable.value);
      logins_changed_at_ = std::max(logins_changed_at_, changed.seqno);
    } else if (name == "net_buffer_length") {
      net_buffer_length_ = number_of(change.variable.value);
      logins_changed_at_ = std::max(logins_changed_at_, changed.seqno);
    } else if (is_heeded(name)) {
      heeded_[name] = change.variable.value.value_or("");
    }
  }
  const auto heeded = [this](std::string_view name, bool before) {
    const auto found = heeded_.find(name);
    return found == heeded_.end() ? before : is_on(found->second);
  };
  read_only_ = heeded(kOwnReadOnly, read_only_);
  runs_events_ = heeded(kOwnEventScheduler, runs_events_);
}

std::size_t GlobalSettings::connections_max(const KeptGlobals& known,
                                            std::size_t configured) const {
  constexpr std::uint64_t kLeast = 10;  // as on a server
  const auto value = value_of(known, kOwnMaxConnections);
  return value && !value->empty() ? std::max(number_of(value), kLeast) : configured;
}

std::string_view GlobalSettings::init_connect(const KeptGlobals& known) const {
  return value_of(known, kOwnInitConnect).value_or("");
}

std::uint64_t GlobalSettings::password_errors_max(const KeptGlobals& known) const {
  return number_of(value_of(known, kMaxPasswordErrors));
}

std::optional<std::string_view> GlobalSettings::value_of(const KeptGlobals& known,
                                                         std::string_view name) const {
  for (const KeptGlobals* values : {&heeded_, &known}) {
    if (const auto found = values->find(name); found != values->end()) {
      return found->second;
    }
  }
  return std::nullopt;
}

KeptGlobals GlobalSettings::first_settings(const KeptGlobals& known,
                                           std::uint64_t capabilities,
                                           std::chrono::seconds usual) const {
  KeptGlobals settings;
  const bool interactive = (capabilities & protocol::capability::kInteractive) != 0;
  const auto seconds = value_of(known, interactive ? kInteractiveTimeout : kWaitTimeout);
  if (seconds && number_of(seconds) != static_cast<std::uint64_t>(usual.count())) {
    settings.emplace(kWaitTimeout, *seconds);
  }
  if (is_on(value_of(known, kTxReadOnly).value_or(""))) {
    settings.emplace(kTxReadOnly, "ON");
  }
  const auto mode = value_of(known, kSqlModeName);
  if (mode && (capabilities & protocol::capability::kIgnoreSpace) != 0) {
    settings.emplace(kSqlModeName,
                     std::string(*mode) + (mode->empty() ? "" : ",") + "IGNORE_SPACE");
  }
  for (const std::string_view name : {router::kTrackedSchema, router::kTrackedVariables}) {
    if (const auto tracked = value_of(known, name)) {
      settings.emplace(name, *tracked);
    }
  }
  return settings;
}

void GlobalSettings::on_kept_known(const KeptGlobals& known) {
  std::erase_if(heeded_, [&](const auto& newer) {
    const auto found = known.find(newer.first);
    return found != known.end() && found->second == newer.second;
  });
  read_only_ = is_on(value_of(known, kOwnReadOnly).value_or(""));
  runs_events_ = is_on(value_of(known, kOwnEventScheduler).value_or(""));
}

// A server takes what fits into its buffer in any case.
std::size_t GlobalSettings::packet_bytes_max(std::uint64_t known) const {
  const std::uint64_t packet = max_allowed_packet_.value_or(known);
  return packet == 0 ? 0 : std::min(std::max(packet, net_buffer_length_), kPacketBytesMax);
}

void GlobalSettings::on_packet_limit_known(std::uint64_t known) {
  if (max_allowed_packet_ == known) {
    max_allowed_packet_.reset();
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

Seqno GlobalSettings::schemas_changed() const {
  return Seqno{positions_.schemas_changed.load(std::memory_order_acquire)};
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
