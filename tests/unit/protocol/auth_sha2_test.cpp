#include "protocol/auth_sha2.h"

#include "tests/support/test.h"
#include "tests/unit/protocol/salt.h"
#include "tests/unit/protocol/wire_script.h"

using namespace consort;
using namespace consort::protocol;
using namespace consort::protocol::test;

namespace {

Buffer from_hex(std::string_view digits) {
  Buffer out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    out.push_back(
        static_cast<std::uint8_t>(std::stoul(std::string(digits.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

// What a MySQL 8 server stored for the password "foobar".
const Buffer kStored = from_hex(
    "24412430303524031A69251C34295C4B35167C7F1E5A7B63091349503974624D34504B5A424679354856336868686F"
    "52485A736E4A733368786E427575516C73446469496537");

}  // namespace

TEST_SUITE("protocol") {
  TEST_CASE("caching_sha2_password: SHA-256 crypt as crypt(3) has it") {
    struct Row {
      std::string password;
      const char* salt;
      const char* crypt;
    };

    const Row rows[] = {
        {"secret", "abcdefghij012345", "suX2yUk6aU7W49feHFM3ML9FtjvDS3RvKZoGEbKlYq3"},
        {"", "abcdefghij012345", "Y1cfhFJ4/D7mEQtOst.GOEBn3Ay7GC/3/Jlk6NcVev3"},
        {std::string(100, 'x'), "saltstring", "Oa4FAe3j12NEBjTMwR61FXUth0v2z1HlRVgHK3bteq/"},
    };
    for (const Row& row : rows) {
      CAPTURE(row.password);
      EXPECT(sha256_crypt(row.password, row.salt, 5000) == row.crypt);
    }
  }

  TEST_CASE("caching_sha2_password: what a server stored") {
    const std::string stored(as_text(kStored));
    EXPECT(sha2_account_has(stored, "foobar"));
    EXPECT_FALSE(sha2_account_has(stored, "foobaR"));
    EXPECT_FALSE(sha2_account_has(stored, ""));
    EXPECT_FALSE(sha2_account_has(stored, std::string(kSha2PasswordBytesMax + 1, 'x')));
    for (std::size_t cut = 0; cut < stored.size(); ++cut) {
      EXPECT_FALSE(sha2_account_has(stored.substr(0, cut), "foobar"));
    }
    std::string other = stored;
    other.replace(3, 3, "000");
    EXPECT_FALSE(sha2_account_has(other, "foobar"));
    other.replace(3, 3, "FFF");  // would take a second of our time
    EXPECT_FALSE(sha2_account_has(other, "foobar"));
    other.replace(3, 3, "0x5");
    EXPECT_FALSE(sha2_account_has(other, "foobar"));
  }

  TEST_CASE("caching_sha2_password: the fast answer") {
    const Sha2Hash token = sha2_answer("foobar", as_bytes(kSalt));
    EXPECT(Buffer(token.begin(), token.end()) ==
           from_hex("a643e1b5ccea5173c7de3288d39a94c125f40ae367feefc6908cd4cc51e6ed22"));
    EXPECT(verify_sha2_answer(token, "foobar", as_bytes(kSalt)));
    EXPECT_FALSE(verify_sha2_answer(token, "foobaR", as_bytes(kSalt)));
    EXPECT_FALSE(verify_sha2_answer(token, "foobar", as_bytes("Abcdefghijklmnopqrst")));
    EXPECT_FALSE(verify_sha2_answer(Bytes(token).first(31), "foobar", as_bytes(kSalt)));
    EXPECT_FALSE(verify_sha2_answer({}, "foobar", as_bytes(kSalt)));
  }
}
