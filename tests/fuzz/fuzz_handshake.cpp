// ClientAuth and BackendLogin: no packet a peer can send makes them fail otherwise than cleanly.
// Input: mode (client or backend), choice of account or credential, then packets, each a length
// byte and its payload. After a login, further packets of the client are COM_CHANGE_USER.
#include <algorithm>

#include "base/check.h"
#include "protocol/auth_sha2.h"
#include "protocol/backend_login.h"
#include "protocol/client_auth.h"
#include "protocol/lenenc.h"
#include "protocol/packet_reader.h"
#include "protocol/packet_writer.h"
#include "protocol/query_attributes.h"
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

const std::shared_ptr<const RsaKeyPair>& rsa_key() {
  static const std::shared_ptr<const RsaKeyPair> key = RsaKeyPair::generate();
  return key;
}

/// What an account of "pw" stores for caching_sha2_password.
const std::string& sha2_hash() {
  static const std::string salt = "abcdefghijklmnopqrst";
  static const std::string hash = "$A$001$" + salt + sha256_crypt("pw", salt, 1000);
  return hash;
}

/// Each of the low six bits adds a method or a property.
std::optional<AccountCredential> account_of(std::uint8_t choice) {
  if (choice % 64 == 0) {
    return std::nullopt;
  }
  AccountCredential out;
  const auto add = [&](int bit, std::string_view plugin, const std::string& stored) {
    if ((choice >> bit & 1) != 0) {
      out.methods.push_back({std::string(plugin), stored});
    }
  };
  add(0, kEd25519Plugin, "vRq+ROSzhW4MwhdoPvlkL1fHkT0w6ZDDbTpVQwSNQ90");
  add(1, kSha2Plugin, sha2_hash());
  add(2, kNativePlugin, native_hash_text(stage2_of(stage1_of("pw"))));
  add(3, "pam", "");
  out.locked = (choice >> 4 & 1) != 0;
  out.known_password = (choice >> 5 & 1) != 0 ? "pw" : "";
  out.rsa_key = rsa_key();
  return out;
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
  if (const auto* done = std::get_if<ClientAuth::Authenticated>(&step);
      done != nullptr && !done->bytes.empty()) {
    check_sent(done->bytes);
  }
  return true;
}

void run_client(Reader& input, std::uint8_t choice) {
  ClientAuth::Params params;
  params.client_host = "host";
  params.salt = fixed_salt();
  params.clear_password = (choice & 1U) != 0;
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
  } else if ((choice & 2U) != 0) {
    params.credential = std::string("pw");
  }
  params.tls = static_cast<TlsMode>((choice >> 3U) % 3U);
  BackendLogin login(params);
  std::uint8_t sequence = 0;
  for (std::size_t left = kPacketsMax; left > 0 && !input.at_end() && !login.finished(); --left) {
    const BackendLogin::Step step = login.on_packet(next_packet(input), sequence);
    if (const auto* send = std::get_if<BackendLogin::Send>(&step)) {
      if (send->bytes.empty()) {
        ++sequence;
        continue;
      }
      check_sent(send->bytes);
    } else if (const auto* secure = std::get_if<BackendLogin::StartTls>(&step)) {
      check_sent(secure->request);
      check_sent(secure->response);
      ++sequence;
    }
    sequence = static_cast<std::uint8_t>(sequence + 2);
  }
}

/// What is taken out of a command can be put in again, and is the same then.
void take_attributes(Bytes packet, const ClientStatement& statement) {
  QueryAttributes attributes;
  QueryAttributes again;
  Buffer out;
  if (const auto text = take_query_attributes(packet, attributes); text.ok()) {
    Buffer plain;
    append_command(plain, Command::kQuery, *text);
    append_attributed_commands(out, {plain}, attributes);
    const Buffer argument(out.begin() + kHeaderBytes + 1, out.end());
    const auto text_again = take_query_attributes(argument, again);
    CHECK(text_again.ok() && std::ranges::equal(*text_again, *text));
    CHECK(again.nulls == attributes.nulls && again.types == attributes.types &&
          again.values == attributes.values);
  }
  const auto has_long_data = [](std::size_t parameter) { return parameter % 3 == 1; };
  Buffer plain;
  if (!take_execute_attributes(packet, statement, has_long_data, attributes, plain).ok()) {
    return;
  }
  ClientStatement bound = statement;
  if (bind_types(plain, bound).ok() && (bound.parameters == 0 || bound.types_version > 0)) {
    out.clear();
    append_attributed_execute(out, plain, bound, attributes);
    Buffer plain_again;
    CHECK(take_execute_attributes(out, bound, has_long_data, again, plain_again).ok());
    CHECK(again.nulls == attributes.nulls && again.types == attributes.types &&
          again.values == attributes.values);
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
    take_attributes(packet, statement);
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
