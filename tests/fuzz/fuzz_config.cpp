// The configuration: any text gives a configuration or an error that says something. What is
// accepted can be shown, and shows no secret.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "proxy/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const consort::Result<consort::proxy::Config> config =
      consort::proxy::parse_config(text, "/nowhere");
  if (!config.ok()) {
    CHECK(!config.error().message.empty());
    return 0;
  }
  CHECK(!config->backends.empty());
  CHECK(config->auto_increment.increment >= config->backends.size());
  CHECK(!config->redacted().empty());
  return 0;
}
