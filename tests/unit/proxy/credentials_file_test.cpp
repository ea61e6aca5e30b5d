#include "proxy/credentials_file.h"

#include <fstream>
#include <sys/stat.h>

#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

using namespace consort;
using namespace consort::proxy;

namespace {

/// A file of this text and mode that goes with its object.
class TemporaryFile {
 public:
  TemporaryFile(const std::string& text, mode_t mode) {
    std::ofstream(path()) << text;
    REQUIRE(chmod(path().c_str(), mode) == 0);
  }

  [[nodiscard]] std::string path() const { return folder_.path() + "/credentials.json"; }

 private:
  test::TempDir folder_;
};

std::string file_error(const std::string& text, mode_t mode = 0600) {
  const TemporaryFile file(text, mode);
  const auto loaded = CredentialsFile::load(file.path());
  REQUIRE_FALSE(loaded.ok());
  EXPECT(loaded.error().message.find(file.path()) != std::string::npos);
  EXPECT(loaded.error().message.find("secret") == std::string::npos);
  return loaded.error().message;
}

}  // namespace

TEST_SUITE("proxy") {
  TEST_CASE("CredentialsFile: users and accounts") {
    for (const mode_t mode : {0600, 0640, 0400}) {
      const TemporaryFile file(
          "// comment\n{\"a\": \"pw\", \"a@%\": \"all\", \"b@h\": \"\\u00e9\"}", mode);
      const auto loaded = CredentialsFile::load(file.path());
      REQUIRE(loaded.ok());
      EXPECT((*loaded)->size() == 3);
      EXPECT(*(*loaded)->find("a", "10.%") == "pw");
      EXPECT(*(*loaded)->find("a", "%") == "all");
      EXPECT(*(*loaded)->find("b", "h") == "\xC3\xA9");
      EXPECT((*loaded)->find("b", "%") == nullptr);
    }
  }

  TEST_CASE("CredentialsFile: errors name the place and never a password") {
    EXPECT(file_error("{\"a\": \"secret\"}", 0644).find("chmod o-rwx") != std::string::npos);
    EXPECT(file_error("{\"a\": \"secret\"}", 0602).find("chmod o-rwx") != std::string::npos);
    EXPECT(file_error("{\"a\": \"secret\"").find("not a JSON object") != std::string::npos);
    EXPECT(file_error("{\"a\": \"secret\", \"a\": \"x\"}").find("twice") != std::string::npos);
    EXPECT(file_error("[\"secret\"]").find("expected a JSON object") != std::string::npos);
    EXPECT(file_error("{\"ann\": [\"secret\"]}").find("\"ann\"") != std::string::npos);
    EXPECT(file_error("{\"ann\": \"\"}").find("\"ann\"") != std::string::npos);
    EXPECT_FALSE(CredentialsFile::load("/nowhere/at/all").ok());
  }
}
