#include "protocol/lenenc.h"

#include "tests/support/test.h"
#include "tests/unit/protocol/wire_script.h"

using namespace consort;
using namespace consort::protocol;

TEST_SUITE("protocol") {
  TEST_CASE("lenenc: integers survive, in their shortest form") {
    struct Row {
      std::uint64_t value;
      std::size_t bytes;
    };

    const Row rows[] = {{0, 1},       {0xFA, 1},     {0xFB, 3},      {0xFFFF, 3},
                        {0x10000, 4}, {0xFFFFFF, 4}, {0x1000000, 9}, {~0ULL, 9}};
    for (const Row& row : rows) {
      CAPTURE(row.value);
      Buffer out;
      append_lenenc(out, row.value);
      EXPECT(out.size() == row.bytes);
      EXPECT(lenenc_size(row.value) == row.bytes);
      Reader reader(out);
      EXPECT(reader.lenenc() == row.value);
      EXPECT(reader.at_end());
      EXPECT_FALSE(reader.failed());
      for (std::size_t cut = 0; cut < out.size(); ++cut) {
        Reader short_reader(Bytes(out).first(cut));
        EXPECT(short_reader.lenenc() == 0);
        EXPECT(short_reader.failed());
      }
    }
  }

  TEST_CASE("Reader: NULL and 0xFF are no lengths") {
    for (const int first : {0xFB, 0xFF}) {
      const Buffer bytes = test::bytes_of({first, 0, 0, 0, 0, 0, 0, 0, 0});
      Reader reader(bytes);
      static_cast<void>(reader.lenenc());
      EXPECT(reader.failed());
    }
  }

  TEST_CASE("Reader: a failure lasts") {
    const Buffer bytes = test::bytes_of({5, 'a', 'b'});
    Reader reader(bytes);
    EXPECT(reader.lenenc_text().empty());
    EXPECT(reader.failed());
    EXPECT(reader.u8() == 0);
    EXPECT(reader.rest().empty());
    EXPECT(reader.failed());
  }

  TEST_CASE("Reader: texts with and without their zero") {
    const Buffer bytes = test::bytes_of({'a', 'b', 0, 'c'});
    Reader reader(bytes);
    EXPECT(reader.nul_text() == "ab");
    Reader again = reader;
    EXPECT(reader.nul_text_or_rest() == "c");
    EXPECT_FALSE(reader.failed());
    EXPECT(again.nul_text().empty());
    EXPECT(again.failed());
    Reader huge(bytes);
    EXPECT(huge.bytes(~0ULL).empty());
    EXPECT(huge.failed());
  }
}
