#include "proxy/session/text_statements.h"

#include <algorithm>
#include <utility>

#include "proxy/session/ascii_text.h"
#include "router/token.h"

namespace consort::proxy {

void TextStatements::add(Entry entry) {
  erase(entry.name);
  if (entries_.size() < kEntriesMax && is_ascii(entry.name)) {
    entries_.push_back(std::move(entry));
  }
}

void TextStatements::erase(std::string_view name) {
  entries_.erase(std::remove_if(entries_.begin(), entries_.end(),
                                [&](const Entry& entry) {
                                  return router::equals_ignoring_case(entry.name, name);
                                }),
                 entries_.end());
}

void TextStatements::clear() {
  entries_.clear();
}

const TextStatements::Entry* TextStatements::find(std::string_view name) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return router::equals_ignoring_case(entry.name, name);
  });
  return found == entries_.end() ? nullptr : &*found;
}

}  // namespace consort::proxy
