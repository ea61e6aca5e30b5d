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

  TEST_CASE("caching_sha2_password: what MySQL 9.7 stores") {
    // For "foobar": ten thousand rounds, "00A" in the text.
    const Buffer crypt5 = from_hex(
        "2441243030412412467860756B69666E555C6E09331A2D0C6B4F70344A4553464D493862757055587966353957"
        "306C4C316356646E69742F725539767843714C686337507232");
    EXPECT(sha2_account_has(as_text(crypt5), "foobar"));
    EXPECT_FALSE(sha2_account_has(as_text(crypt5), "foobaR"));
    // Its other format is not verified here.
    const Buffer pbkdf2 = from_hex(
        "244224303041240C583C4A1A6B6C2041406528744D1A4A18065D74656D446C38627443435A7368786F416F6563"
        "4E78636C63694E39306A6A4E462F423142634E7A42574E3134635443447A715834746E6A636C704268682F3276"
        "34334A69652F64634B4B52774C6C336E375766715354513D3D");
    EXPECT_FALSE(sha2_account_has(as_text(pbkdf2), "foobar"));
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
