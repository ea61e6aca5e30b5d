#include "base/gtid.h"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace consort {
namespace {

/// Takes a number and, unless `last`, the dash behind it off the front of `text`.
template <typename Number>
bool take(std::string_view& text, Number& number, bool last) {
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || (last ? parsed.ptr != end : parsed.ptr == end)) {
    return false;
  }
  if (!last && *parsed.ptr != '-') {
    return false;
  }
  text = last ? std::string_view()
              : text.substr(static_cast<std::size_t>(parsed.ptr - text.data()) + 1);
  return true;
}

}  // namespace

std::optional<Gtid> parse_gtid_text(std::string_view text) {
  Gtid gtid;
  const bool read = take(text, gtid.domain, false) && take(text, gtid.server, false) &&
                    take(text, gtid.sequence, true);
  return read ? std::optional(gtid) : std::nullopt;
}

std::optional<GtidState> GtidState::parse(std::string_view text) {
  GtidState state;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::optional<Gtid> gtid = parse_gtid_text(text.substr(0, comma));
    if (!gtid) {
      return std::nullopt;
    }
    state.add(*gtid);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return state;
}

void GtidState::add(const Gtid& gtid) {
  std::uint64_t& newest = newest_[{gtid.domain, gtid.server}];
  newest = std::max(newest, gtid.sequence);
}

bool GtidState::contains(const Gtid& gtid) const {
  const auto found = newest_.find({gtid.domain, gtid.server});
  return found != newest_.end() && found->second >= gtid.sequence;
}

}  // namespace consort
