#include "protocol/single_value.h"

#include <string>

#include "protocol/constants.h"
#include "protocol/lenenc.h"
#include "protocol/packet_writer.h"

namespace consort::protocol {
namespace {

constexpr std::uint32_t kBigintDisplay = 21;
constexpr std::uint8_t kTypeLonglong = 8;
constexpr std::uint16_t kFlagNotNull = 1;
constexpr std::uint16_t kFlagUnsigned = 32;
constexpr std::uint16_t kFlagBinary = 128;
constexpr std::uint8_t kFixedFieldsBytes = 0x0C;

Buffer definition(const SingleValue& value, std::uint64_t capabilities) {
  Buffer out;
  append_lenenc_text(out, "def");
  append_lenenc_text(out, "");  // schema
  append_lenenc_text(out, "");  // table
  append_lenenc_text(out, "");  // table's own name
  append_lenenc_text(out, value.name);
  append_lenenc_text(out, "");  // column's own name
  if ((capabilities & capability::kMariadbExtendedMetadata) != 0) {
    append_lenenc_text(out, "");  // nothing more about its type
  }
  out.push_back(kFixedFieldsBytes);
  append_le<2>(out, kBinaryCollation);
  append_le<4>(out, kBigintDisplay);
  out.push_back(kTypeLonglong);
  append_le<2>(
      out, kFlagBinary | (value.origin == ValueOrigin::kVariable ? kFlagUnsigned : kFlagNotNull));
  append_le<3>(out, 0);  // decimals and filler
  return out;
}

}  // namespace

void append_single_value(Buffer& out,
                         const SingleValue& value,
                         std::uint64_t capabilities,
                         std::uint16_t status,
                         std::uint8_t sequence) {
  const bool old_eof = (capabilities & capability::kDeprecateEof) == 0;
  sequence = append_column_count(out, {1}, capabilities, sequence);
  sequence = append_packet(out, definition(value, capabilities), sequence);
  if (old_eof) {
    sequence = append_eof(out, {0, status}, sequence);
  }
  Buffer row;
  append_lenenc_text(row, std::to_string(value.value));
  sequence = append_packet(out, row, sequence);
  if (old_eof) {
    append_eof(out, {0, status}, sequence);
    return;
  }
  OkPacket end;
  end.status = status;
  append_ok(out, end, capabilities, sequence, OkHeader::kEof);
}

}  // namespace consort::protocol
