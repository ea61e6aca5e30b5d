#include "protocol/query_attributes.h"

#include "base/check.h"
#include "protocol/constants.h"
#include "protocol/lenenc.h"
#include "protocol/packet_reader.h"
#include "protocol/packet_writer.h"

namespace consort::protocol {
namespace {

/// A flag of COM_STMT_EXECUTE: how many parameters come stands in front of them.
constexpr std::uint8_t kParameterCountAvailable = 8;
constexpr std::size_t kCountMax = 0xFFFF;

Error malformed() {
  return make_error(AttributesError::kMalformed, "malformed query attributes");
}

std::size_t bitmap_bytes(std::size_t count) {
  return (count + 7) / 8;
}

bool bit(Bytes bitmap, std::size_t at) {
  return (bitmap[at / 8] >> (at % 8) & 1) != 0;
}

/// Bytes of a value of the binary protocol; 0: its length stands in front of it.
std::size_t fixed_bytes(std::uint8_t type) {
  switch (type) {
    case 1:    // TINY
    case 244:  // BOOL
      return 1;
    case 2:   // SHORT
    case 13:  // YEAR
      return 2;
    case 3:  // LONG
    case 4:  // FLOAT
    case 9:  // INT24
      return 4;
    case 5:  // DOUBLE
    case 8:  // LONGLONG
      return 8;
    default:
      return 0;
  }
}

void skip_value(Reader& reader, std::uint8_t type) {
  constexpr std::uint8_t kNull = 6;
  if (type == kNull) {
    return;
  }
  const std::size_t fixed = fixed_bytes(type);
  reader.skip(fixed != 0 ? fixed : reader.lenenc());
}

/// Parameters and attributes, as they stand in either command.
struct Bound {
  Bytes nulls;
  bool with_types = false;
  std::vector<Bytes> types;  ///< two bytes each
  std::vector<Bytes> names;
};

Bound read_bound(Reader& reader, std::size_t count) {
  Bound bound;
  bound.nulls = reader.bytes(bitmap_bytes(count));
  bound.with_types = reader.u8() == 1;
  for (std::size_t i = 0; bound.with_types && i < count && !reader.failed(); ++i) {
    bound.types.push_back(reader.bytes(kParameterTypeBytes));
    bound.names.push_back(reader.lenenc_bytes());
  }
  return bound;
}

/// Those behind the first `parameters` of them, without values.
void note_attributes(const Bound& bound, std::size_t parameters, QueryAttributes& attributes) {
  for (std::size_t i = parameters; i < bound.types.size(); ++i) {
    attributes.nulls.push_back(bit(bound.nulls, i));
    append(attributes.types, bound.types[i]);
    append_lenenc_bytes(attributes.types, bound.names[i]);
  }
}

void append_bitmap(Buffer& out, const std::vector<bool>& bits) {
  const std::size_t place = out.size();
  out.resize(place + bitmap_bytes(bits.size()));
  for (std::size_t i = 0; i < bits.size(); ++i) {
    if (bits[i]) {
      out[place + i / 8] |= static_cast<std::uint8_t>(1U << (i % 8));
    }
  }
}

std::vector<bool> bits_of(Bytes bitmap, std::size_t count) {
  std::vector<bool> bits(count);
  for (std::size_t i = 0; i < count; ++i) {
    bits[i] = bit(bitmap, i);
  }
  return bits;
}

/// The attributes as they stand in front of a COM_QUERY's text.
void append_block(Buffer& out, const QueryAttributes& attributes) {
  append_lenenc(out, attributes.count());
  append_lenenc(out, 1);  // sets of them
  if (attributes.count() == 0) {
    return;
  }
  append_bitmap(out, attributes.nulls);
  out.push_back(1);
  append(out, attributes.types);
  append(out, attributes.values);
}

}  // namespace

Result<Bytes> take_query_attributes(Bytes argument, QueryAttributes& attributes) {
  attributes = {};
  Reader reader(argument);
  const std::uint64_t count = reader.lenenc();
  const std::uint64_t sets = reader.lenenc();
  if (reader.failed() || sets != 1 || count > kCountMax) {
    return malformed();
  }
  if (count > 0) {
    const Bound bound = read_bound(reader, count);
    if (reader.failed() || !bound.with_types) {
      return malformed();
    }
    const std::size_t begin = argument.size() - reader.remaining();
    for (std::size_t i = 0; i < count; ++i) {
      if (!bit(bound.nulls, i)) {
        skip_value(reader, bound.types[i][0]);
      }
    }
    if (reader.failed()) {
      return malformed();
    }
    note_attributes(bound, 0, attributes);
    append(attributes.values,
           argument.subspan(begin, argument.size() - reader.remaining() - begin));
  }
  return reader.rest();
}

Status take_execute_attributes(Bytes payload,
                               const ClientStatement& statement,
                               const std::function<bool(std::size_t)>& has_long_data,
                               QueryAttributes& attributes,
                               Buffer& plain) {
  attributes = {};
  Reader reader(payload);
  const Bytes fixed = reader.bytes(kExecuteFixedBytes);
  if (reader.failed()) {
    return malformed();
  }
  const std::size_t parameters = statement.parameters;
  const bool counted = (fixed[kExecuteFlagsOffset] & kParameterCountAvailable) != 0;
  const std::uint64_t count = counted ? reader.lenenc() : 0;
  if (reader.failed() || count > kCountMax) {
    return malformed();
  }
  if (count < parameters) {
    return make_error(AttributesError::kTooFew, "fewer values than parameters");
  }
  append(plain, fixed);
  plain[plain.size() - kExecuteFixedBytes + kExecuteFlagsOffset] &=
      static_cast<std::uint8_t>(~kParameterCountAvailable);
  if (count == 0) {
    return Ok{};
  }
  const Bound bound = read_bound(reader, count);
  if (reader.failed() || (count > parameters && !bound.with_types)) {
    return malformed();
  }
  const Bytes values = payload.last(reader.remaining());
  if (count > parameters) {
    for (std::size_t i = 0; i < parameters; ++i) {
      if (!bit(bound.nulls, i) && !has_long_data(i)) {
        skip_value(reader, bound.types[i][0]);
      }
    }
    if (reader.failed()) {
      return malformed();
    }
  }
  const Bytes own = count > parameters ? values.first(values.size() - reader.remaining()) : values;
  note_attributes(bound, parameters, attributes);
  append(attributes.values, values.subspan(own.size()));
  if (parameters == 0) {
    return Ok{};
  }
  append_bitmap(plain, bits_of(bound.nulls, parameters));
  plain.push_back(bound.with_types ? 1 : 0);
  bool named = false;
  for (std::size_t i = 0; bound.with_types && i < parameters; ++i) {
    append(plain, bound.types[i]);
    named = named || !bound.names[i].empty();
  }
  for (std::size_t i = 0; named && i < parameters; ++i) {
    append_lenenc_bytes(attributes.parameter_names, bound.names[i]);
  }
  append(plain, own);
  return Ok{};
}

void append_attributed_execute(Buffer& out,
                               Bytes plain,
                               const ClientStatement& statement,
                               const QueryAttributes& attributes) {
  const std::size_t parameters = statement.parameters;
  const std::size_t count = parameters + attributes.count();
  const std::size_t place = out.size();
  append(out, plain.first(kExecuteFixedBytes));
  if (count == 0) {
    return;
  }
  out[place + kExecuteFlagsOffset] |= kParameterCountAvailable;
  append_lenenc(out, count);
  Reader reader(plain.subspan(kExecuteFixedBytes));
  std::vector<bool> nulls;
  Bytes types;
  bool with_types = attributes.count() > 0;
  if (parameters > 0) {
    nulls = bits_of(reader.bytes(bitmap_bytes(parameters)), parameters);
    if (reader.u8() == 1) {
      with_types = true;
      types = reader.bytes(kParameterTypeBytes * parameters);
    } else {
      types = statement.parameter_types;
    }
    CHECK(!reader.failed() && types.size() == kParameterTypeBytes * parameters);
  }
  nulls.insert(nulls.end(), attributes.nulls.begin(), attributes.nulls.end());
  append_bitmap(out, nulls);
  out.push_back(with_types ? 1 : 0);
  if (with_types) {
    Reader names(attributes.parameter_names);
    for (std::size_t i = 0; i < parameters; ++i) {
      append(out, types.subspan(kParameterTypeBytes * i, kParameterTypeBytes));
      append_lenenc_bytes(out, names.at_end() ? Bytes() : names.lenenc_bytes());
    }
    append(out, attributes.types);
  }
  append(out, reader.rest());
  append(out, attributes.values);
}

void append_attributed_commands(Buffer& out,
                                std::initializer_list<Bytes> pieces,
                                const QueryAttributes& attributes) {
  for (Bytes rest : pieces) {
    while (!rest.empty()) {
      const auto peeked = peek_message(rest, 0, {SIZE_MAX});
      CHECK(peeked.ok() && peeked->has_value());
      const Message& command = **peeked;
      rest = rest.subspan(command.wire.size());
      const bool query = !command.payload_front.empty() &&
                         command.payload_front[0] == static_cast<std::uint8_t>(Command::kQuery);
      if (!query) {
        append(out, command.wire);
        continue;
      }
      const Buffer joined = command.split ? join_payload(command.wire) : Buffer();
      const Bytes payload = command.split ? Bytes(joined) : command.payload_front;
      const std::size_t place = begin_packet(out);
      out.push_back(payload[0]);
      append_block(out, attributes);
      append(out, payload.subspan(1));
      finish_packet(out, place, 0);
    }
  }
}

}  // namespace consort::protocol
