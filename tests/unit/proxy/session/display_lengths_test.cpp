#include "proxy/session/display_lengths.h"

#include "protocol/constants.h"
#include "protocol/lenenc.h"
#include "protocol/packet_writer.h"
#include "tests/support/test.h"

namespace consort::proxy {
namespace {

constexpr std::uint64_t kExtended = protocol::capability::kMariadbExtendedMetadata;

/// A reply with columns of such lengths.
Buffer told(const std::vector<std::uint32_t>& lengths, std::uint64_t capabilities = 0) {
  Buffer reply;
  const std::uint8_t count[] = {static_cast<std::uint8_t>(lengths.size())};
  std::uint8_t sequence = protocol::append_packet(reply, count, 1);
  for (const std::uint32_t length : lengths) {
    Buffer packet;
    for (const char* name : {"def", "d", "t", "t", "name", "name"}) {
      protocol::append_lenenc_text(packet, name);
    }
    if (capabilities == kExtended) {
      protocol::append_lenenc_text(packet, "");
    }
    append_le<1>(packet, 12);
    append_le<2>(packet, 63);
    append_le<4>(packet, length);
    append_le<1>(packet, 5);
    append_le<2>(packet, 0);
    append_le<1>(packet, 31);
    append_le<2>(packet, 0);
    sequence = protocol::append_packet(reply, packet, sequence);
  }
  return reply;
}

using Rows = std::vector<OwnResult::Row>;

OwnResult::Row row(std::string_view name, std::string_view type) {
  return {name, type, "NO", "", "", ""};
}

TEST_SUITE("session") {
  TEST_CASE("DisplayLengths: literals as long as what the query has made") {
    const std::string definition =
        " (\n  `a` int(1) NOT NULL,\n  `b` double NOT NULL,\n  `c``` double DEFAULT NULL,\n"
        "  `d` double NOT NULL DEFAULT 0,\n  `e` double DEFAULT NULL,\n  KEY `b` (`b`)\n) ENGINE=x";
    DisplayLengths lengths(Rows{row("a", "int(1)"), row("b", "double"), row("c`", "double"),
                                row("d", "double"), row("e", "double")},
                           definition);
    EXPECT_FALSE(lengths.empty());
    EXPECT(lengths.question("`t`") == "SELECT `b`,`c```,`d`,`e` FROM `t` LIMIT 0");
    for (const std::uint64_t capabilities : {std::uint64_t{0}, kExtended}) {
      DisplayLengths read = lengths;
      read.read(told({3, 4, 23, 22}, capabilities), capabilities);
      EXPECT(read.without_odd(definition) ==
             " (\n  `a` int(1) NOT NULL,\n  `e` double DEFAULT NULL,\n  KEY `b` (`b`)\n) ENGINE=x");
      EXPECT(read.query() ==
             " SELECT NULL AS `a`,1e0 AS `b`,NULLIF(10e0,10e0) AS `c```,`d`,NULL AS `e` FROM "
             "(SELECT 1.0000000000000000000e0 AS `d`) AS of_literals LIMIT 0");
    }
  }

  TEST_CASE("DisplayLengths: the only column, the last one") {
    const std::string only = " (\n  `a` double NOT NULL\n) ENGINE=x";
    DisplayLengths lengths(Rows{row("a", "double")}, only);
    lengths.read(told({5}), 0);
    EXPECT(lengths.without_odd(only) == " ENGINE=x");
    EXPECT(lengths.query() == " SELECT 1.0e0 AS `a` LIMIT 0");
    const std::string last = " (\n  `a` int,\n  `b` double NOT NULL\n) ENGINE=x";
    DisplayLengths behind(Rows{row("a", "int"), row("b", "double")}, last);
    behind.read(told({7}), 0);
    EXPECT(behind.without_odd(last) == " (\n  `a` int\n) ENGINE=x");
  }

  TEST_CASE("DisplayLengths: what no literal gives stays as the definition says") {
    for (const char* line :
         {"`a` double NOT NULL DEFAULT 5", "`a` double NOT NULL COMMENT 'x'", "`a` double",
          "`a` double GENERATED ALWAYS AS (`b`) STORED", "`a` double(5,2) NOT NULL"}) {
      CAPTURE(line);
      const std::string definition = std::string(" (\n  ") + line + "\n) ENGINE=x";
      EXPECT(DisplayLengths(Rows{row("a", "double")}, definition).empty());
    }
    const std::string usual = " (\n  `a` double NOT NULL\n) ENGINE=x";
    for (const std::uint32_t length : {22, 1, 2, 256}) {
      CAPTURE(length);
      DisplayLengths lengths(Rows{row("a", "double")}, usual);
      lengths.read(told({length}), 0);
      EXPECT(lengths.empty());
      EXPECT(lengths.query().empty());
      EXPECT(lengths.without_odd(usual) == usual);
    }
    DisplayLengths nothing(Rows{row("a", "double")}, usual);
    nothing.read(Buffer{1, 0, 0, 1, 1}, 0);
    EXPECT(nothing.empty());
  }
}

}  // namespace
}  // namespace consort::proxy
