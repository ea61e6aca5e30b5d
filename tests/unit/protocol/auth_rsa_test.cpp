#include "protocol/auth_rsa.h"

#include "tests/support/test.h"
#include "tests/unit/protocol/salt.h"

using namespace consort;
using namespace consort::protocol;
using namespace consort::protocol::test;

namespace {}  // namespace

// The masking itself is checked against real clients in tests/integration/test_auth.py.
TEST_SUITE("protocol") {
  TEST_CASE("RSA: a password goes to the server that has the key") {
    const auto key = RsaKeyPair::generate();
    EXPECT(key->public_pem().starts_with("-----BEGIN PUBLIC KEY-----\n"));
    for (const std::string& password : {std::string(), std::string("pw"), std::string(200, 'x')}) {
      const auto sent = rsa_encrypted(password, as_bytes(kSalt), key->public_pem());
      REQUIRE(sent);
      EXPECT(sent->size() == 256);
      EXPECT(key->password_of(*sent, as_bytes(kSalt)) == password);
      EXPECT(key->password_of(*sent, as_bytes("Abcdefghijklmnopqrst")) != password);
      EXPECT_FALSE(key->password_of(Bytes(*sent).first(255), as_bytes(kSalt)));
      EXPECT_FALSE(RsaKeyPair::generate()->password_of(*sent, as_bytes(kSalt)));
    }
    EXPECT_FALSE(key->password_of({}, as_bytes(kSalt)));
    EXPECT_FALSE(rsa_encrypted(std::string(215, 'x'), as_bytes(kSalt), key->public_pem()));
  }

  TEST_CASE("RSA: what is no key") {
    for (const char* pem :
         {"", "text", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
          // Ed25519: a key, but not of this kind
          "-----BEGIN PUBLIC KEY-----\n"
          "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
          "-----END PUBLIC KEY-----\n"}) {
      EXPECT_FALSE(rsa_encrypted("pw", as_bytes(kSalt), pem));
    }
  }
}
