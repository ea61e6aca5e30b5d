// Session: COM_CHANGE_USER. One that fails leaves the client who it was, in a session as fresh as
// after one that succeeds; so that nobody tries passwords this way, the answer takes a second and
// the third is the last that is looked at. As a server does it (MariaDB 10.11).
#include <utility>

#include "base/check.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session.h"
#include "proxy/worker.h"

namespace consort::proxy {
namespace {

constexpr unsigned kDeniedChangesMax = 3;
constexpr std::chrono::milliseconds kDenialDelay{1000};

}  // namespace

void Session::begin_change_user(const protocol::Message& message) {
  core_.reset();
  authenticated_ = false;
  prior_ =
      Identity{login_account_, definer_, user_, account_, std::move(place_), packet_bytes_max_};
  if (denied_changes_ >= kDeniedChangesMax) {
    deny_change(protocol::unknown_command_error(), static_cast<std::uint8_t>(message.sequence + 1));
    return;
  }
  follow(auth_->begin_change_user(message.payload_front, message.sequence));
}

/// It has succeeded, unless a backend still has to say whether the account may use its database.
void Session::settle_change_user() {
  if (prior_ && authenticated_ && core_.idle()) {
    prior_.reset();
  }
}

void Session::deny_change(const protocol::SqlError& error, std::uint8_t sequence) {
  CHECK(prior_);
  Identity prior = *std::exchange(prior_, std::nullopt);
  login_account_ = std::move(prior.login_account);
  definer_ = std::move(prior.definer);
  user_ = std::move(prior.user);
  account_ = std::move(prior.account);
  place_ = std::move(prior.place);
  packet_bytes_max_ = prior.packet_bytes_max;
  login_unproven_ = false;
  authenticated_ = false;
  awaiting_account_ = false;
  ++denied_changes_;
  denied_change_ = DeniedChange{error, sequence};
  timer_use_ = TimerUse::kDeniedChange;
  timer_once(kDenialDelay);
}

void Session::answer_denied_change() {
  const DeniedChange denied = *std::exchange(denied_change_, std::nullopt);
  if (closing_) {
    return;
  }
  authenticated_ = true;
  // The character set of its login is forgotten.
  account_.collation = worker_.view().default_collation;
  account_.key = account_.make_key();
  SessionOwner owner = core_.owner();
  owner.schema = core_.state().schema();
  owner.collation = account_.collation;
  core_.begin(std::move(owner));
  Buffer packet;
  protocol::append_err(packet, denied.error, denied.sequence);
  send_client({packet});
}

KeptGlobals Session::first_settings(std::uint64_t capabilities) {
  return worker_.globals().first_settings(worker_.view().kept_globals, capabilities,
                                          worker_.limits().idle_timeout);
}

}  // namespace consort::proxy
