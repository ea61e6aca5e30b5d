// Builders of binlog events for tests: what a MariaDB 10.11 server writes, byte for byte.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <zlib.h>

#include "base/bytes.h"

namespace consort::protocol::test {

inline Buffer from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  Buffer bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return bytes;
}

inline Buffer join(std::initializer_list<Bytes> parts) {
  Buffer all;
  for (const Bytes part : parts) {
    append(all, part);
  }
  return all;
}

/// Makes whole events at growing positions, with or without checksums.
class EventWriter {
 public:
  explicit EventWriter(bool checksums) : checksums_(checksums) {}

  Buffer event(std::uint8_t type, Bytes body) { return make(type, body, checksums_, true); }

  Buffer event(std::uint8_t type, std::string_view hex) { return event(type, from_hex(hex)); }

  /// One that is in no file: next position 0.
  Buffer artificial(std::uint8_t type, Bytes body, bool checksum) {
    return make(type, body, checksum, false);
  }

  Buffer format_description() {
    Buffer body;
    append_le<2>(body, 4);
    append(body, std::string_view("10.11.19-MariaDB"));
    body.resize(2 + 50);
    append_le<4>(body, 0);
    body.push_back(19);
    body.resize(body.size() + 171, 8);  // post-header lengths
    body.push_back(checksums_ ? 1 : 0);
    return make(15, body, true, true);  // always with room for a checksum
  }

  /// A MariaDB GTID event with flags, and for XA kinds the name "xa1".
  Buffer gtid(std::uint64_t sequence, std::uint8_t flags) {
    Buffer body;
    append_le<8>(body, sequence);
    append_le<4>(body, 0);
    body.push_back(flags);
    if ((flags & 0x02) != 0) {
      append_le<8>(body, 77);  // commit id
    }
    if ((flags & 0xC0) != 0) {
      append_le<4>(body, 9);
      body.push_back(3);
      body.push_back(0);
      append(body, std::string_view("xa1"));
    }
    body.resize(body.size() + ((flags & 0xC2) == 0 ? 6 : 0));
    return event(162, body);
  }

  Buffer query(std::string_view sql, std::string_view schema = "d") {
    Buffer body;
    append_le<8>(body, 0);
    body.push_back(static_cast<std::uint8_t>(schema.size()));
    append_le<4>(body, 0);
    append(body, schema);
    body.push_back(0);
    append(body, sql);
    return event(2, body);
  }

  Buffer xid() { return event(16, Buffer(8)); }

  Buffer xa_prepare() {
    Buffer body{0};
    append_le<4>(body, 9);
    append_le<4>(body, 3);
    append_le<4>(body, 0);
    append(body, std::string_view("xa1"));
    return event(38, body);
  }

  Buffer rotate(std::string_view file) {
    Buffer body;
    append_le<8>(body, 4);
    append(body, file);
    return artificial(4, body, false);
  }

  /// Table (id INT) unless told otherwise by the columns' bytes.
  Buffer table_map(std::uint64_t id,
                   std::string_view table,
                   std::string_view columns = "01030000") {
    Buffer body;
    append_le<6>(body, id);
    append_le<2>(body, 1);
    body.push_back(1);
    append(body, std::string_view("d\0", 2));
    body.push_back(static_cast<std::uint8_t>(table.size()));
    append(body, table);
    body.push_back(0);
    append(body, from_hex(columns));
    return event(19, body);
  }

  /// WRITE_ROWS V1 of one INT.
  Buffer insert(std::uint64_t id, std::uint32_t value, std::uint16_t flags = 1) {
    Buffer body;
    append_le<6>(body, id);
    append_le<2>(body, flags);
    append(body, from_hex("0101"
                          "00"));
    append_le<4>(body, value);
    return event(23, body);
  }

  [[nodiscard]] std::uint32_t position() const { return position_; }

 private:
  Buffer make(std::uint8_t type, Bytes body, bool checksum, bool in_file) {
    Buffer out;
    const std::size_t bytes = 19 + body.size() + (checksum ? 4 : 0);
    position_ += in_file ? static_cast<std::uint32_t>(bytes) : 0;
    append_le<4>(out, 1700000000);
    out.push_back(type);
    append_le<4>(out, 11);
    append_le<4>(out, bytes);
    append_le<4>(out, in_file ? position_ : 0);
    append_le<2>(out, in_file ? 0 : 0x20);
    append(out, body);
    if (checksum) {
      append_le<4>(out, crc32_z(0, out.data(), out.size()));
    }
    return out;
  }

  bool checksums_;
  std::uint32_t position_ = 4;
};

}  // namespace consort::protocol::test
