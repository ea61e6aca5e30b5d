// TableMap: see row_events.h.

#include <algorithm>

#include "protocol/lenenc.h"
#include "protocol/row_events.h"

namespace consort::protocol {
namespace {

constexpr std::size_t kTableColumnsMax = 4096;
constexpr std::uint16_t kBinaryCollation = 63;

/// Kinds of optional metadata that are read; the rest describes values we do not decode.
enum class OptionalField : std::uint8_t {
  kSignedness = 1,
  kDefaultCharset = 2,
  kColumnCharset = 3,
  kColumnName = 4,
  kSimplePrimaryKey = 8,
  kPrimaryKeyWithPrefix = 9
};

bool is_numeric(ColumnType type) {
  switch (type) {
    case ColumnType::kTiny:
    case ColumnType::kShort:
    case ColumnType::kInt24:
    case ColumnType::kLong:
    case ColumnType::kLongLong:
    case ColumnType::kNewDecimal:
    case ColumnType::kFloat:
    case ColumnType::kDouble:
    case ColumnType::kYear:
      return true;
    default:
      return false;
  }
}

/// Columns that have a collation in the event, in the server's opinion: MySQL's VECTOR has one,
/// its JSON and GEOMETRY have none.
bool is_character(ColumnType type) {
  switch (type) {
    case ColumnType::kString:
    case ColumnType::kVarString:
    case ColumnType::kVarchar:
    case ColumnType::kVarcharCompressed:
    case ColumnType::kTinyBlob:
    case ColumnType::kMediumBlob:
    case ColumnType::kLongBlob:
    case ColumnType::kBlob:
    case ColumnType::kBlobCompressed:
    case ColumnType::kVector:
      return true;
    default:
      return false;
  }
}

std::uint32_t decimal_bytes(std::uint8_t precision, std::uint8_t scale) {
  constexpr std::uint8_t kBytesOfDigits[10] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
  const std::uint32_t whole = precision - scale;
  return whole / 9 * 4 + kBytesOfDigits[whole % 9] + scale / 9u * 4 + kBytesOfDigits[scale % 9];
}

bool set_fixed(ColumnLayout& column, std::uint32_t bytes, ValueKind kind = ValueKind::kFixed) {
  column.fixed_bytes = bytes;
  column.kind = kind;
  return true;
}

bool set_blob(ColumnLayout& column, std::uint8_t length_bytes, ValueKind kind) {
  column.length_bytes = length_bytes;
  column.kind = kind;
  return length_bytes >= 1 && length_bytes <= 4;
}

bool set_characters(ColumnLayout& column, std::uint32_t bytes_max, ValueKind kind) {
  column.bytes_max = bytes_max;
  column.length_bytes = bytes_max > 255 ? 2 : 1;
  column.kind = kind;
  return true;
}

/// CHAR, BINARY, ENUM and SET share a type; the metadata holds the real one and, folded into two
/// of its bits, the length's high bits.
bool set_packed_string(ColumnLayout& column, std::uint8_t real_type, std::uint8_t length) {
  const auto real = static_cast<ColumnType>(real_type);
  if (real == ColumnType::kEnum || real == ColumnType::kSet) {
    column.type = real;
    return set_fixed(column, length) && length >= 1 && length <= 8;
  }
  std::uint32_t bytes_max = length;
  if ((real_type & 0x30) != 0x30) {
    bytes_max |= static_cast<std::uint32_t>((real_type & 0x30) ^ 0x30) << 4;
  }
  return set_characters(column, bytes_max, ValueKind::kText);
}

/// Seconds' fraction of `digits` decimal digits, behind `whole_bytes`.
bool set_temporal(ColumnLayout& column, std::uint32_t whole_bytes, std::uint8_t digits) {
  return set_fixed(column, whole_bytes + (digits + 1u) / 2) && digits <= 6;
}

/// Reads the metadata of one column and lays it out. False when its size cannot be told.
bool lay_out(ColumnLayout& column, Reader& metadata) {
  switch (column.type) {
    case ColumnType::kNull:
      return set_fixed(column, 0);
    case ColumnType::kTiny:
    case ColumnType::kYear:
      return set_fixed(column, 1);
    case ColumnType::kShort:
      return set_fixed(column, 2);
    case ColumnType::kInt24:
    case ColumnType::kDate:
    case ColumnType::kNewDate:
      return set_fixed(column, 3);
    case ColumnType::kLong:
      return set_fixed(column, 4);
    case ColumnType::kLongLong:
      return set_fixed(column, 8);
    case ColumnType::kFloat:
      return set_fixed(column, 4, ValueKind::kFloat) && metadata.u8() == 4;
    case ColumnType::kDouble:
      return set_fixed(column, 8, ValueKind::kDouble) && metadata.u8() == 8;
    case ColumnType::kTimestamp2:
      return set_temporal(column, 4, metadata.u8());
    case ColumnType::kDateTime2:
      return set_temporal(column, 5, metadata.u8());
    case ColumnType::kTime2:
      return set_temporal(column, 3, metadata.u8());
    case ColumnType::kNewDecimal: {
      const std::uint8_t precision = metadata.u8();
      const std::uint8_t scale = metadata.u8();
      return scale <= precision && set_fixed(column, decimal_bytes(precision, scale));
    }
    case ColumnType::kBit: {
      const std::uint8_t bits = metadata.u8();
      const std::uint8_t bytes = metadata.u8();
      return set_fixed(column, bytes + (bits > 0 ? 1u : 0u)) && bits < 8;
    }
    case ColumnType::kEnum:
    case ColumnType::kSet:
    case ColumnType::kString:
    case ColumnType::kVarString: {
      const std::uint8_t real_type = metadata.u8();
      return set_packed_string(column, real_type, metadata.u8());
    }
    case ColumnType::kVarchar:
      return set_characters(column, metadata.u16(), ValueKind::kText);
    case ColumnType::kVarcharCompressed:
      return set_characters(column, metadata.u16(), ValueKind::kOpaque);
    case ColumnType::kTinyBlob:
    case ColumnType::kMediumBlob:
    case ColumnType::kLongBlob:
    case ColumnType::kBlob:
      return set_blob(column, metadata.u8(), ValueKind::kText);
    case ColumnType::kBlobCompressed:
      return set_blob(column, metadata.u8(), ValueKind::kOpaque);
    case ColumnType::kJson:
    case ColumnType::kVector:
    case ColumnType::kGeometry:
      return set_blob(column, metadata.u8(), ValueKind::kBinary);
    case ColumnType::kTime:       // the old formats: three to eight
    case ColumnType::kTimestamp:  // bytes by a precision that is
    case ColumnType::kDateTime:   // not told
    case ColumnType::kDecimalOld:
      return false;
  }
  return false;
}

void set_collation(ColumnLayout& column, std::uint64_t collation) {
  column.collation = static_cast<std::uint16_t>(collation);
  if (column.kind == ValueKind::kText && collation == kBinaryCollation) {
    column.kind = ValueKind::kBinary;
  }
}

/// A default for all character columns, then exceptions by their place among those.
void read_default_charset(std::vector<ColumnLayout*>& characters, Reader field) {
  const std::uint64_t common = field.lenenc();
  std::vector<std::uint64_t> collations(characters.size(), common);
  while (!field.failed() && !field.at_end()) {
    const std::uint64_t place = field.lenenc();
    const std::uint64_t collation = field.lenenc();
    if (place >= collations.size()) {
      return;
    }
    collations[static_cast<std::size_t>(place)] = collation;
  }
  if (field.failed()) {
    return;
  }
  for (std::size_t i = 0; i < characters.size(); ++i) {
    set_collation(*characters[i], collations[i]);
  }
}

void read_column_charsets(std::vector<ColumnLayout*>& characters, Reader field) {
  std::vector<std::uint64_t> collations;
  while (!field.at_end() && collations.size() <= characters.size()) {
    collations.push_back(field.lenenc());
  }
  if (field.failed() || collations.size() != characters.size()) {
    return;
  }
  for (std::size_t i = 0; i < characters.size(); ++i) {
    set_collation(*characters[i], collations[i]);
  }
}

void read_signedness(std::vector<ColumnLayout>& columns, Bytes bits) {
  std::size_t place = 0;
  for (ColumnLayout& column : columns) {
    if (is_numeric(column.type) && place / 8 < bits.size()) {
      column.is_unsigned = (bits[place / 8] & (0x80 >> (place % 8))) != 0;
      ++place;
    }
  }
}

}  // namespace

/// Fills a TableMap from its event.
class TableMapDecoder {
 public:
  [[nodiscard]] Status decode(Bytes event);

  [[nodiscard]] TableMap take() { return std::move(map_); }

 private:
  [[nodiscard]] bool read_optional(Reader& reader);
  void read_names(Reader field);
  void read_primary_key(Reader field, bool with_prefix);

  [[nodiscard]] Error malformed() const {
    return make_error(BinlogError::kMalformed,
                      "malformed table map of " + map_.schema_ + "." + map_.table_);
  }

  TableMap map_;
};

Status TableMapDecoder::decode(Bytes event) {
  Reader reader(event);
  reader.skip(kBinlogHeaderBytes);
  map_.table_id_ = reader.le<6>();
  reader.skip(2);  // flags
  map_.schema_ = std::string(reader.lenenc_text());
  reader.skip(1);
  map_.table_ = std::string(reader.lenenc_text());
  reader.skip(1);
  const std::uint64_t count = reader.lenenc();
  if (reader.failed() || count == 0 || count > kTableColumnsMax) {
    return malformed();
  }
  map_.columns_.resize(static_cast<std::size_t>(count));
  for (ColumnLayout& column : map_.columns_) {
    column.type = static_cast<ColumnType>(reader.u8());
  }
  Reader metadata(reader.lenenc_bytes());
  const Bytes null_bits = reader.bytes((count + 7) / 8);
  if (reader.failed()) {
    return malformed();
  }
  for (std::size_t i = 0; i < map_.columns_.size(); ++i) {
    ColumnLayout& column = map_.columns_[i];
    if (!lay_out(column, metadata)) {
      map_.columns_.clear();
      return Ok{};
    }
    column.nullable = (null_bits[i / 8] & (1 << (i % 8))) != 0;
  }
  if (metadata.failed() || !metadata.at_end() || !read_optional(reader)) {
    return malformed();
  }
  return Ok{};
}

bool TableMapDecoder::read_optional(Reader& reader) {
  std::vector<ColumnLayout*> characters;
  for (ColumnLayout& column : map_.columns_) {
    if (is_character(column.type)) {
      characters.push_back(&column);
    }
  }
  while (!reader.at_end()) {
    const auto kind = static_cast<OptionalField>(reader.u8());
    const Bytes field = reader.lenenc_bytes();
    switch (kind) {
      case OptionalField::kSignedness:
        read_signedness(map_.columns_, field);
        break;
      case OptionalField::kDefaultCharset:
        read_default_charset(characters, Reader(field));
        break;
      case OptionalField::kColumnCharset:
        read_column_charsets(characters, Reader(field));
        break;
      case OptionalField::kColumnName:
        read_names(Reader(field));
        break;
      case OptionalField::kSimplePrimaryKey:
        read_primary_key(Reader(field), false);
        break;
      case OptionalField::kPrimaryKeyWithPrefix:
        read_primary_key(Reader(field), true);
        break;
    }
  }
  return !reader.failed();
}

void TableMapDecoder::read_names(Reader field) {
  std::vector<std::string> names;
  while (!field.at_end() && names.size() <= map_.columns_.size()) {
    names.emplace_back(field.lenenc_text());
  }
  if (!field.failed() && names.size() == map_.columns_.size()) {
    map_.column_names_ = std::move(names);
  }
}

void TableMapDecoder::read_primary_key(Reader field, bool with_prefix) {
  std::vector<TableMap::PrimaryKeyPart> parts;
  while (!field.at_end() && parts.size() <= map_.columns_.size()) {
    const std::uint64_t column = field.lenenc();
    const std::uint64_t prefix = with_prefix ? field.lenenc() : 0;
    if (field.failed() || column >= map_.columns_.size()) {
      return;
    }
    parts.push_back({static_cast<std::uint16_t>(column), static_cast<std::uint32_t>(prefix)});
  }
  map_.primary_key_ = std::move(parts);
}

Result<TableMap> TableMap::decode(Bytes event) {
  TableMapDecoder decoder;
  Status status = decoder.decode(event);
  if (!status) {
    return status.error();
  }
  return decoder.take();
}

}  // namespace consort::protocol
