#include "proxy/session/own_result.h"

#include <string>

#include "protocol/lenenc.h"
#include "protocol/packet_writer.h"
#include "tests/support/test.h"

namespace consort::proxy {
namespace {

/// Two column definitions, then rows of a text and a NULL.
Buffer result_of(const std::vector<std::string>& texts) {
  Buffer wire;
  std::uint8_t sequence = protocol::append_packet(wire, as_bytes("definition"), 2);
  sequence = protocol::append_packet(wire, as_bytes("definition"), sequence);
  for (const std::string& text : texts) {
    Buffer row;
    protocol::append_lenenc_text(row, text);
    row.push_back(0xFB);
    sequence = protocol::append_packet(wire, row, sequence);
  }
  return wire;
}

TEST_SUITE("session") {
  TEST_CASE("OwnResult: rows come back, however their bytes were cut") {
    const Buffer wire = result_of({"one", std::string(300, 'x'), ""});
    for (std::size_t cut = 0; cut <= wire.size(); cut += 7) {
      OwnResult result;
      result.begin(2);
      result.add(Bytes(wire).first(cut));
      result.add(Bytes(wire).subspan(cut));
      const auto rows = result.rows();
      REQUIRE(rows);
      REQUIRE(rows->size() == 3);
      EXPECT((*rows)[0][0] == "one");
      EXPECT((*rows)[1][0]->size() == 300);
      EXPECT((*rows)[2][0] == "");
      EXPECT_FALSE((*rows)[2][1]);
    }
  }

  TEST_CASE("OwnResult: a single value") {
    const auto of_rows = [](const std::vector<std::string>& values) {
      Buffer wire;
      std::uint8_t sequence = protocol::append_packet(wire, as_bytes("definition"), 2);
      for (const std::string& value : values) {
        Buffer row;
        if (value == "NULL") {
          row.push_back(0xFB);
        } else {
          protocol::append_lenenc_text(row, value);
        }
        sequence = protocol::append_packet(wire, row, sequence);
      }
      OwnResult result;
      result.begin(1);
      result.add(wire);
      return result;
    };
    const std::string text(100'000, 'x');
    EXPECT(of_rows({text}).value() == text);
    EXPECT(of_rows({""}).value() == "");
    EXPECT_FALSE(of_rows({"NULL"}).value());
    EXPECT_FALSE(of_rows({"a", "b"}).value());
    EXPECT_FALSE(of_rows({}).value());
    EXPECT_FALSE(OwnResult().value());
    OwnResult two;
    two.begin(2);
    two.add(result_of({"one"}));
    EXPECT_FALSE(two.value());
  }

  TEST_CASE("OwnResult: what is cut short, broken or too large has no rows") {
    const Buffer wire = result_of({"one"});
    OwnResult result;
    result.begin(2);
    EXPECT_FALSE(result.rows());  // not even the definitions
    result.add(Bytes(wire).first(wire.size() - 1));
    EXPECT_FALSE(result.rows());
    result.begin(3);  // the row is taken for a definition
    result.add(wire);
    EXPECT(result.rows()->empty());
    result.begin(1);
    result.add(Bytes(wire).first(14));  // a definition where a row is due
    Buffer broken;
    protocol::append_packet(broken, as_bytes("\x09short"), 3);
    result.add(broken);
    EXPECT_FALSE(result.rows());
    result.begin(2);
    result.add(Buffer(OwnResult::kBytesMax + 1));
    EXPECT_FALSE(result.rows());
    result.clear();
    EXPECT(result.rows()->empty());
  }
}

}  // namespace
}  // namespace consort::proxy
