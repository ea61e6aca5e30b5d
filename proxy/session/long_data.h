// LongData: what COM_STMT_SEND_LONG_DATA brought for the next execution of one prepared statement.
// Kept here until then, because only then is it known which backend executes; that may be another
// one in a moment. An error stays until COM_STMT_RESET, as the server keeps it.
// Spec: MariaDB KB "COM_STMT_SEND_LONG_DATA". Threads: none; its session's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "protocol/sql_error.h"

namespace consort::proxy {

class LongData {
 public:
  /// A packet for a backend carries at most so much: any backend takes it.
  static constexpr std::size_t kChunkBytesMax = std::size_t{256} * 1024;

  /// What a packet must be right for.
  struct Limits {
    std::uint16_t parameters = 0;
    std::size_t bytes_max = 0;  ///< that may still be added
  };

  /// Takes the payload of one COM_STMT_SEND_LONG_DATA. What is wrong with it shows in error(): the
  /// command has no reply.
  void add(Bytes payload, const Limits& limits);

  /// Of the next execution.
  [[nodiscard]] const std::optional<protocol::SqlError>& error() const { return error_; }

  /// No parameter has any, not even an empty one.
  [[nodiscard]] bool empty() const { return parameters_.empty(); }

  /// Some parameter that is true in `parameters` has any. What is beyond its end is false.
  [[nodiscard]] bool any_of(const std::vector<bool>& parameters) const;

  /// The parameter has any.
  [[nodiscard]] bool has(std::size_t parameter) const {
    return parameter <= UINT16_MAX && parameters_.contains(static_cast<std::uint16_t>(parameter));
  }

  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  /// Appends the COM_STMT_SEND_LONG_DATA packets for a backend that knows the statement as
  /// `statement_id`.
  void append_packets(Buffer& out, std::uint32_t statement_id) const;

 private:
  void fail(protocol::SqlError error);

  std::map<std::uint16_t, Buffer> parameters_;  // by their numbers
  std::size_t bytes_ = 0;
  std::optional<protocol::SqlError> error_;
};

}  // namespace consort::proxy
