#include "proxy/session/pool_account.h"

#include <variant>

#include "base/bytes.h"

namespace consort::proxy {

// Keys live as long as the pool: of a password they hold what cannot be turned back.
std::string PoolAccount::make_key() const {
  std::string made = user;
  made += '\0';
  made += expired ? 'E' : '-';
  if (const auto* stage1 = std::get_if<protocol::Stage1>(&secret)) {
    made += 'H';
    made += as_text(Bytes(stage1->hash));
  } else if (const auto* password = std::get_if<std::string>(&secret)) {
    made += 'P';
    made += protocol::native_hash_text(protocol::stage2_of(protocol::stage1_of(*password)));
  }
  Buffer numbers;
  append_le<8>(numbers, capabilities);
  append_le<2>(numbers, collation);
  made += as_text(numbers);
  return made;
}

}  // namespace consort::proxy
