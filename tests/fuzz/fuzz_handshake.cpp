// ClientAuth and BackendLogin: no packet a peer can send makes them fail otherwise than cleanly.
// Input: mode (client or backend), choice of account or credential, then packets, each a length
// byte and its payload. After a login, further packets of the client are COM_CHANGE_USER.
#include <algorithm>

#include "base/check.h"
#include "protocol/backend_login.h"
#include "protocol/client_auth.h"
#include "protocol/lenenc.h"
#include "protocol/packet_reader.h"
#include "protocol/statement_map.h"

using namespace consort;
using namespace consort::protocol;

namespace {

constexpr std::size_t kPacketsMax = 32;

Scramble fixed_salt() {
  Scramble salt{};
  std::fill(salt.begin(), salt.end(), std::uint8_t{'s'});
  return salt;
}

Bytes next_packet(Reader& input) {
  const std::size_t bytes = std::min<std::size_t>(input.u8(), input.remaining());
  return input.bytes(bytes);
}

std::optional<AccountCredential> account_of(std::uint8_t choice) {
  switch (choice % 6) {
    case 0:
      return std::nullopt;
    case 1:
      return AccountCredential{std::string(kNativePlugin), "", false};
    case 2:
      return AccountCredential{"", native_hash_text(stage2_of(stage1_of("pw"))), false};
    case 3:
      return AccountCredential{"", "invalid", false};
    case 4:
      return AccountCredential{"", "", true};
    default:
      return AccountCredential{"ed25519", "hash", false};
  }
}

void check_sent(Bytes wire) {
  const std::optional<Frame> frame = peek_packet(wire);
  CHECK(frame.has_value());
  CHECK(frame->bytes == wire.size());
}

/// False when the dialogue is over.
bool go_on(ClientAuth& auth, ClientAuth::Step step, std::uint8_t choice) {
  if (std::holds_alternative<ClientAuth::NeedAccount>(step)) {
    step = auth.on_account(account_of(choice));
  }
  if (const auto* failed = std::get_if<ClientAuth::Failed>(&step)) {
    CHECK(failed->error.state.size() == 5);
    return false;
  }
  if (const auto* send = std::get_if<ClientAuth::Send>(&step)) {
    check_sent(send->bytes);
  }
  return true;
}

void run_client(Reader& input, std::uint8_t choice) {
  ClientAuth::Params params;
  params.client_host = "host";
  params.salt = fixed_salt();
  if ((choice & 0x40U) != 0) {
    params.capabilities |= capability::kSsl;
    params.tls_required = (choice & 0x80U) != 0;
  }
  ClientAuth auth(params);
  check_sent(auth.greeting());
  for (std::size_t left = kPacketsMax; left > 0 && !input.at_end(); --left) {
    const Bytes payload = next_packet(input);
    ClientAuth::Step step = auth.authenticated() ? auth.begin_change_user(payload, 0)
                                                 : auth.on_packet(payload, auth.next_sequence());
    if (!go_on(auth, std::move(step), choice)) {
      return;
    }
  }
}

void run_backend(Reader& input, std::uint8_t choice) {
  BackendLogin::Params params;
  params.user = "user";
  params.database = (choice & 4U) != 0 ? "db" : "";
  params.capabilities = ~0ULL;
  if ((choice & 1U) != 0) {
    params.credential = stage1_of("pw");
  }
  params.tls = static_cast<TlsMode>((choice >> 3U) % 3U);
  BackendLogin login(params);
  std::uint8_t sequence = 0;
  for (std::size_t left = kPacketsMax; left > 0 && !input.at_end() && !login.finished(); --left) {
    const BackendLogin::Step step = login.on_packet(next_packet(input), sequence);
    if (const auto* send = std::get_if<BackendLogin::Send>(&step)) {
      check_sent(send->bytes);
    } else if (const auto* secure = std::get_if<BackendLogin::StartTls>(&step)) {
      check_sent(secure->request);
      check_sent(secure->response);
      ++sequence;
    }
    sequence = static_cast<std::uint8_t>(sequence + 2);
  }
}

/// Prepared-statement commands of any shape against a statement of any width.
void run_statement(Reader& input, std::uint8_t choice) {
  ClientStatement statement;
  statement.parameters = choice;
  Buffer out;
  for (std::size_t left = kPacketsMax; left > 0 && !input.at_end(); --left) {
    const Bytes packet = next_packet(input);
    static_cast<void>(statement_id_of(packet));
    Buffer payload(packet.begin(), packet.end());
    const auto result = rewrite_execute(payload, statement, ExecuteTarget{7, left % 2}, out);
    CHECK(statement.parameter_types.size() == (statement.types_version == 0 ? 0 : 2U * choice));
    if (result.ok() && *result == ExecuteRewrite::kSpliced) {
      CHECK(out.size() == payload.size() + 2U * choice);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Reader input(Bytes(data, size));
  const std::uint8_t mode = input.u8();
  const std::uint8_t choice = input.u8();
  if (mode % 3 == 0) {
    run_client(input, choice);
  } else if (mode % 3 == 1) {
    run_backend(input, choice);
  } else {
    run_statement(input, choice);
  }
  return 0;
}
