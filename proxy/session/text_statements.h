// TextStatements: what the session has prepared by PREPARE .. FROM and must not leave to the
// server's EXECUTE, which runs inside a branch: DDL, transaction control and the like; and what it
// may leave, since it is known to prepare nothing itself. The server is asked for the text's value
// right before it prepares it. Decision 0021.
// Threads: none; its session's.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "router/lexer_options.h"

namespace consort::proxy {

class TextStatements {
 public:
  struct Entry {
    std::string name;    ///< compared without regard to case
    std::string sql;     ///< empty: the server is to execute it
    std::string schema;  ///< in which its names were meant
    router::LexerOptions lexer;
  };

  /// Entries beyond kEntriesMax and names that are not ASCII are not kept.
  void add(Entry entry);
  void erase(std::string_view name);
  void clear();

  /// nullptr: nothing is known of it. Valid until the next change.
  [[nodiscard]] const Entry* find(std::string_view name) const;

 private:
  static constexpr std::size_t kEntriesMax = 64;

  std::vector<Entry> entries_;
};

}  // namespace consort::proxy
