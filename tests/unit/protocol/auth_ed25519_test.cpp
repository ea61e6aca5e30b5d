#include "protocol/auth_ed25519.h"

#include "tests/support/test.h"
#include "tests/unit/protocol/wire_script.h"

using namespace consort;
using namespace consort::protocol;
using namespace consort::protocol::test;

namespace {

Buffer counted_nonce() {
  Buffer out;
  for (std::uint8_t i = 0; i < kEd25519NonceBytes; ++i) {
    out.push_back(i);
  }
  return out;
}

std::string hex_text(Bytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t byte : bytes) {
    out += kDigits[byte >> 4U];
    out += kDigits[byte & 0x0FU];
  }
  return out;
}

}  // namespace

TEST_SUITE("protocol") {
  // Keys: what a MariaDB server stores for PASSWORD('pw'), and, like the signatures, RFC 8032 in
  // whole numbers, without a library.
  TEST_CASE("ed25519: keys and signatures of known passwords") {
    struct Row {
      std::string password;
      const char* stored;
      const char* signature;
    };

    const Row rows[] = {
        {"pw", "vRq+ROSzhW4MwhdoPvlkL1fHkT0w6ZDDbTpVQwSNQ90",
         "7a17ca62645d09ee8b5cf450c455245e80581f97408cbcd4ed0ed0fbe2fce330"
         "6bbac25a2a6b6774ac2a859584cd5c2b478c94e01c3f0c675acf382c293eb40b"},
        {"secret", "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY",
         "546c3e9311d19ee389d1ae5d945821bfe459423910136f16b3bd2ae89fd7d63b"
         "449e689f4be812891a85b8f999076446d92adb83d0707215aaa60b5a23220907"},
        {"", "4LH+dBF+G5W2CKTyId8xR3SyDqZoQjUNUVNxx8aWbG4",
         "1e7e2c09c0c0e5f755a202872d95c85c4b14d23a888e9c40a0e9323e1ed28dd4"
         "aee4a8197c2d2ca26942bf6496d61c60c63661959ab57706eb0bfda05749ad0f"},
        {std::string(100, 'x'), "UdhomqEdOtHyENpx97aeneL7yr8EYvVvlNWoAEJEyZg",
         "31fc1442c219db61910de2dd89d897eaa6af88ac31abd398d6a2da389b1ace9e"
         "ea389f51e0f024c8ee3f10d81cabc099620b02ca4edd55bae87b1abc9211b203"},
    };
    const Buffer nonce = counted_nonce();
    for (const Row& row : rows) {
      CAPTURE(row.password);
      const auto key = parse_ed25519_key(row.stored);
      REQUIRE(key);
      EXPECT((ed25519_key_of(row.password) == *key));
      const Ed25519Signature signature = ed25519_answer(row.password, nonce);
      EXPECT(hex_text(signature) == row.signature);
      EXPECT(verify_ed25519_answer(signature, nonce, *key));
    }
  }

  TEST_CASE("ed25519: what is no signature of this key over this nonce") {
    const Buffer nonce = counted_nonce();
    const Ed25519Key key = ed25519_key_of("pw");
    const Ed25519Signature right = ed25519_answer("pw", nonce);
    EXPECT_FALSE(verify_ed25519_answer(right, make_ed25519_nonce(), key));
    EXPECT_FALSE(verify_ed25519_answer(right, nonce, ed25519_key_of("pW")));
    EXPECT_FALSE(verify_ed25519_answer(Bytes(right).first(63), nonce, key));
    EXPECT_FALSE(verify_ed25519_answer({}, nonce, key));
    EXPECT_FALSE(verify_ed25519_answer(Ed25519Signature{}, nonce, key));
    EXPECT_FALSE(verify_ed25519_answer(Ed25519Signature{}, nonce, Ed25519Key{}));
    for (std::size_t i = 0; i < right.size(); ++i) {
      Ed25519Signature wrong = right;
      wrong[i] ^= 1U;
      EXPECT_FALSE(verify_ed25519_answer(wrong, nonce, key));
    }
  }

  TEST_CASE("ed25519: what is no key") {
    const std::string stored = "vRq+ROSzhW4MwhdoPvlkL1fHkT0w6ZDDbTpVQwSNQ90";
    for (std::size_t cut = 0; cut < stored.size(); ++cut) {
      EXPECT_FALSE(parse_ed25519_key(stored.substr(0, cut)));
    }
    EXPECT_FALSE(parse_ed25519_key(stored + "A"));
    EXPECT_FALSE(parse_ed25519_key("invalid"));
    EXPECT_FALSE(parse_ed25519_key("*D821809F681A40A6E379B50D0463EFAE20BDD122"));
  }
}
