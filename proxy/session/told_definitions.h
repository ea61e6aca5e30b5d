// ToldDefinitions: what a client was told last of the columns of its prepared statements, where it
// keeps that in mind (MARIADB_CLIENT_CACHE_METADATA) and wants to be told again only of what is
// new. Kept to the byte: Consort asks several servers, and what one of them has told says nothing
// of what another one will. Spec: MariaDB KB "Result set packets". Threads: none; its session's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "base/bytes.h"

namespace consort::proxy {

class ToldDefinitions {
 public:
  /// Of all statements together. What does not fit is told each time.
  static constexpr std::size_t kBytesMax = std::size_t{4} << 20;

  /// Are these whole packets, their numbers aside, what was told last? False when they are none.
  [[nodiscard]] bool knows(std::uint32_t client_id, Bytes packets) const;

  /// They have been told now; none: what has been is not known.
  void note(std::uint32_t client_id, Bytes packets);

  void erase(std::uint32_t client_id);
  void clear();

  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::unordered_map<std::uint32_t, Buffer> packets_;
  std::size_t bytes_ = 0;
};

}  // namespace consort::proxy
