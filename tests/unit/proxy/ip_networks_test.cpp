#include "proxy/ip_networks.h"

#include "tests/support/test.h"

using namespace consort::proxy;

namespace {

IpNetworks networks(const std::vector<std::string>& words) {
  auto parsed = IpNetworks::parse(words);
  REQUIRE(parsed.ok());
  return std::move(parsed).value();
}

}  // namespace

TEST_SUITE("proxy") {
  TEST_CASE("IpNetworks: addresses and networks of both families") {
    const IpNetworks some =
        networks({"10.0.0.0/8", "192.168.1.7", "fd00::/9", "::1", "1.2.3.4/31"});
    for (const char* in : {"10.0.0.0", "10.255.1.2", "::ffff:10.1.1.1", "192.168.1.7", "fd00::5",
                           "fd7f::1", "::1", "1.2.3.4", "1.2.3.5"}) {
      CAPTURE(in);
      EXPECT(some.contains(in));
    }
    for (const char* out : {"11.0.0.0", "9.255.255.255", "192.168.1.8", "fd80::1", "::2", "1.2.3.6",
                            "localhost", "", "nonsense", "10.0.0"}) {
      CAPTURE(out);
      EXPECT(!some.contains(out));
    }
  }

  TEST_CASE("IpNetworks: everybody, nobody, and the Unix socket") {
    EXPECT(networks({"0.0.0.0/0"}).contains("8.8.8.8"));
    EXPECT(!networks({"0.0.0.0/0"}).contains("2001::1"));
    EXPECT(networks({"::/0"}).contains("8.8.8.8"));
    EXPECT(!networks({"::/0"}).contains("localhost"));
    EXPECT(networks({"localhost"}).contains("localhost"));
    EXPECT(!networks({"localhost"}).contains("127.0.0.1"));
    EXPECT(networks({}).empty());
    EXPECT(!networks({"localhost"}).empty());
  }

  TEST_CASE("IpNetworks: a wrong word is named") {
    for (const char* word : {"", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/8x", "::/129",
                             "10.1.0.0/8", "host.example", "10.0.0", "/8", "10.0.0.0/-1"}) {
      CAPTURE(word);
      const auto parsed = IpNetworks::parse({"127.0.0.1", word});
      REQUIRE(!parsed.ok());
      EXPECT(parsed.error().message.find("\"" + std::string(word) + "\"") != std::string::npos);
    }
  }
}
