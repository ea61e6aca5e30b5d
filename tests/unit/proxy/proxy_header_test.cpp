#include "proxy/proxy_header.h"

#include <string>
#include <string_view>
#include <vector>

#include "tests/support/test.h"

using namespace consort;
using namespace consort::proxy;

namespace {

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string version_2(std::uint8_t command, std::uint8_t family, const std::string& rest) {
  std::string out = kSignature;
  out += static_cast<char>(command);
  out += static_cast<char>(family);
  out += static_cast<char>(rest.size() >> 8U);
  out += static_cast<char>(rest.size() & 0xFFU);
  return out + rest;
}

std::string ipv4_block() {
  return std::string("\x0a\x01\x02\x03\x0a\0\0\1\x02\x2b\x0c\xea", 12);
}

std::string header_error(const std::string& text) {
  const auto parsed = parse_proxy_header(as_bytes(text));
  return parsed.ok() ? "" : parsed.error().message;
}

ProxyHeader header_of(const std::string& text) {
  const auto parsed = parse_proxy_header(as_bytes(text));
  REQUIRE(parsed.ok());
  REQUIRE(parsed->has_value());
  return **parsed;
}

struct Good {
  std::string text;
  ProxySource source;
  std::string host;
  int port;
};

const std::vector<Good>& good_headers() {
  static const std::vector<Good> headers = {
      {"PROXY TCP4 10.1.2.3 10.0.0.1 555 3306\r\n", ProxySource::kAddress, "10.1.2.3", 555},
      {"PROXY TCP6 2001:DB8::0:1 ::1 65535 0\r\n", ProxySource::kAddress, "2001:db8::1", 65535},
      {"PROXY UNKNOWN\r\n", ProxySource::kSender, "", 0},
      {"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", ProxySource::kSender, "", 0},
      {version_2(0x21, 0x11, ipv4_block()), ProxySource::kAddress, "10.1.2.3", 555},
      {version_2(0x21, 0x11, ipv4_block() + std::string("\x04\0\1x", 4)), ProxySource::kAddress,
       "10.1.2.3", 555},
      {version_2(0x21, 0x21, std::string(15, '\0') + "\1" + std::string(16, '\0') + "\1\2\3\4"),
       ProxySource::kAddress, "::1", 258},
      {version_2(0x21, 0x31, std::string(216, 'p')), ProxySource::kUnix, "", 0},
      {version_2(0x21, 0x00, "whatever"), ProxySource::kSender, "", 0},
      {version_2(0x20, 0x00, ""), ProxySource::kSender, "", 0},
      {version_2(0x20, 0x11, ipv4_block()), ProxySource::kSender, "", 0},
  };
  return headers;
}

}  // namespace

TEST_SUITE("proxy") {
  TEST_CASE("parse_proxy_header: both versions, and no byte of what follows") {
    for (const Good& good : good_headers()) {
      CAPTURE(good.text);
      const ProxyHeader header = header_of(good.text + "PROXY and more");
      EXPECT(header.bytes == good.text.size());
      EXPECT(header.source == good.source);
      EXPECT(header.host == good.host);
      EXPECT(header.port == good.port);
    }
  }

  TEST_CASE("parse_proxy_header: every front of a header waits for the rest") {
    for (const Good& good : good_headers()) {
      for (std::size_t cut = 0; cut < good.text.size(); ++cut) {
        const auto parsed = parse_proxy_header(as_bytes(good.text).first(cut));
        REQUIRE(parsed.ok());
        EXPECT(!parsed->has_value());
      }
    }
  }

  TEST_CASE("parse_proxy_header: a login is none, whatever its length says") {
    for (int length = 0; length < 256; ++length) {
      const std::string login =
          std::string(1, static_cast<char>(length)) + std::string("\0\0\1", 3);
      EXPECT(header_of(login).source == ProxySource::kNone);
      EXPECT(header_of(login).bytes == 0);
    }
    EXPECT(header_of(std::string("PRO\1", 4)).source == ProxySource::kNone);
    EXPECT(header_of(std::string("\r\n\r\1", 4)).source == ProxySource::kNone);
  }

  TEST_CASE("parse_proxy_header: what is wrong is refused with its reason") {
    const auto has = [](const std::string& error, std::string_view part) {
      return error.find(part) != std::string::npos;
    };
    EXPECT(has(header_error("PROXYX TCP4 1.1.1.1 2.2.2.2 1 2\r\n"), "does not begin"));
    EXPECT(has(header_error("PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n"), "TCP4"));
    EXPECT(has(header_error("PROXY\r\n"), "TCP4"));
    EXPECT(has(header_error("PROXY TCP4 1.1.1.1.1 2.2.2.2 1 2\r\n"), "address"));
    EXPECT(has(header_error("PROXY TCP4 ::1 ::1 1 2\r\n"), "address"));
    EXPECT(has(header_error("PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n"), "address"));
    EXPECT(has(header_error("PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n"), "address"));
    EXPECT(has(header_error(std::string("PROXY TCP4 1.1.1.1\0 2.2.2.2 1 2\r\n", 33)), "address"));
    for (const char* ports :
         {"1", "1 ", "1 65536", "x 2", "1 2 ", "1 2 3", "-1 2", "+1 2", " 1 2"}) {
      EXPECT(
          has(header_error("PROXY TCP4 1.1.1.1 2.2.2.2 " + std::string(ports) + "\r\n"), "port"));
    }
    EXPECT(has(header_error("PROXY UNKNOWN " + std::string(93, 'x')), "107"));
    EXPECT(header_of("PROXY UNKNOWN " + std::string(91, 'x') + "\r\n").bytes == 107);
    EXPECT(has(header_error(std::string("\r\n\r\n\0\r\nQUIX\n", 12)), "signature"));
    EXPECT(has(header_error(version_2(0x11, 0x11, ipv4_block())), "version"));
    EXPECT(has(header_error(version_2(0x22, 0x11, ipv4_block())), "command"));
    EXPECT(has(header_error(version_2(0x21, 0x12, ipv4_block())), "protocol"));
    EXPECT(has(header_error(version_2(0x21, 0x11, "short")), "too short"));
    EXPECT(has(header_error(version_2(0x21, 0x11, std::string(4081, 'x')).substr(0, 16)), "4096"));
    EXPECT(has(header_error(version_2(0x21, 0x11, ipv4_block() + "\x04")), "cut off"));
    EXPECT(has(header_error(version_2(0x21, 0x11, ipv4_block() + std::string("\x04\0\2x", 4))),
               "longer than the header"));
  }

  TEST_CASE("parse_proxy_header: a checksum is checked") {
    // CRC-32C of this header, by hand from the specification's polynomial.
    std::string text = version_2(0x21, 0x11, ipv4_block() + std::string("\x03\0\4\0\0\0\0", 7));
    const std::size_t at = text.size() - 4;
    EXPECT(header_error(text).find("checksum") != std::string::npos);
    std::uint32_t crc = 0xFFFFFFFF;
    for (const char c : text) {
      crc ^= static_cast<std::uint8_t>(c);
      for (int bit = 0; bit < 8; ++bit) {
        crc = (crc & 1U) != 0 ? crc >> 1U ^ 0x82F63B78U : crc >> 1U;
      }
    }
    crc = ~crc;
    for (std::size_t i = 0; i < 4; ++i) {
      text[at + i] = static_cast<char>(crc >> (24 - 8 * i));
    }
    EXPECT(header_of(text).host == "10.1.2.3");
    text[16] = 11;  // another client
    EXPECT(header_error(text).find("checksum") != std::string::npos);
  }
}
