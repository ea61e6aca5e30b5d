// parse_proxy_header: any bytes are a header, none, an error or an unfinished one; what it says of
// a whole it never took back from a part; and it never wants more than its limit.
#include "base/check.h"
#include "proxy/proxy_header.h"

using namespace consort;
using namespace consort::proxy;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes wire(data, size);
  const auto whole = parse_proxy_header(wire);
  if (whole.ok() && !whole->has_value()) {
    CHECK(size < kProxyHeaderBytesMax);
  }
  if (!whole.ok()) {
    CHECK(!whole.error().message.empty());
  }
  const bool found = whole.ok() && whole->has_value();
  if (found) {
    const ProxyHeader& header = **whole;
    CHECK(header.bytes <= size);
    CHECK((header.source == ProxySource::kNone) == (header.bytes == 0));
    CHECK((header.source == ProxySource::kAddress) == !header.host.empty());
  }
  for (std::size_t cut = 0; cut < size && cut < 300; ++cut) {
    const auto part = parse_proxy_header(wire.first(cut));
    if (part.ok() && part->has_value()) {
      CHECK(found);
      CHECK((*part)->bytes == (*whole)->bytes);
      CHECK((*part)->source == (*whole)->source);
    }
    if (!part.ok()) {
      CHECK(!whole.ok());
    }
  }
  return 0;
}
