#include "proxy/accounts.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <tuple>
#include <utility>
#include <xxhash.h>

#include "protocol/auth_sha2.h"

namespace consort::proxy {

namespace {

/// How specific a host pattern is; the smaller the earlier. Measured on MariaDB 10.11: first
/// patterns without wildcards (ip/netmask among them), then by: more characters other than %, fewer
/// runs of %, fewer _, an earlier first wildcard; equals go by text, descending.
struct Specificity {
  bool has_wildcards = false;
  std::size_t characters = 0;
  std::size_t many_runs = 0;
  std::size_t ones = 0;
  std::size_t first_wildcard = 0;
};

Specificity specificity_of(std::string_view pattern) {
  Specificity out;
  bool after_many = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    const bool wildcard = c == '%' || c == '_';
    if (wildcard && !out.has_wildcards) {
      out.has_wildcards = true;
      out.first_wildcard = i;
    }
    if (c == '%') {
      out.many_runs += after_many ? 0 : 1;
    } else {
      ++out.characters;
      out.ones += c == '_' ? 1 : 0;
      i += c == '\\' && i + 1 < pattern.size() ? 1 : 0;
    }
    after_many = c == '%';
  }
  return out.has_wildcards ? out : Specificity{};
}

std::string_view effective_host(const Account& account) {
  return account.host.empty() ? std::string_view("%") : std::string_view(account.host);
}

bool goes_before(const Account& left, const Account& right) {
  const std::string_view left_host = effective_host(left);
  const std::string_view right_host = effective_host(right);
  if (left_host != right_host) {
    const Specificity a = specificity_of(left_host);
    const Specificity b = specificity_of(right_host);
    // "More first" compares right with left.
    const auto left_key = std::tuple(a.has_wildcards, b.characters, a.many_runs, a.ones,
                                     a.first_wildcard, right_host);
    const auto right_key =
        std::tuple(b.has_wildcards, a.characters, b.many_runs, b.ones, b.first_wildcard, left_host);
    return left_key < right_key;
  }
  return right.user.empty() ? !left.user.empty() : (!left.user.empty() && left.user < right.user);
}

char fold(char c) {
  return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

/// SQL LIKE with % and _ and backslash, without case. Linear: on a mismatch only the last % grows.
bool like(std::string_view text, std::string_view pattern) {
  std::size_t t = 0;
  std::size_t p = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_text = 0;
  while (t < text.size()) {
    const bool escaped = p + 1 < pattern.size() && pattern[p] == '\\';
    if (p < pattern.size() && pattern[p] == '%') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() &&
               (escaped ? fold(pattern[p + 1]) == fold(text[t])
                        : pattern[p] == '_' || fold(pattern[p]) == fold(text[t]))) {
      p += escaped ? 2 : 1;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') {
    ++p;
  }
  return p == pattern.size();
}

std::optional<std::uint32_t> parse_ipv4(std::string_view text) {
  std::uint32_t address = 0;
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (int i = 0; i < 4; ++i) {
    unsigned part = 0;
    const auto [stopped, error] = std::from_chars(at, end, part);
    if (error != std::errc() || part > 255) {
      return std::nullopt;
    }
    address = (address << 8) | part;
    at = stopped;
    if (i < 3 && (at == end || *at++ != '.')) {
      return std::nullopt;
    }
  }
  return at == end ? std::optional(address) : std::nullopt;
}

/// IPv4 addresses that reached us through an IPv6 socket.
std::string_view without_mapping(std::string_view ip) {
  constexpr std::string_view kMapped = "::ffff:";
  return ip.starts_with(kMapped) && ip.find('.') != std::string_view::npos
             ? ip.substr(kMapped.size())
             : ip;
}

/// Appends `text` so that no two sequences of texts look the same.
void append_counted(std::string& out, std::string_view text) {
  out += std::to_string(text.size());
  out += ':';
  out += text;
}

/// `account` as all servers have it that have executed the same.
Account unsalted_account(Account account) {
  AuthMethod first = unsalted({account.plugin, std::move(account.authentication_string)});
  account.authentication_string = std::move(first.authentication_string);
  for (AuthMethod& method : account.alternatives) {
    method = unsalted(std::move(method));
  }
  return account;
}

std::vector<Account> unsalted_accounts(std::span<const Account> accounts) {
  std::vector<Account> out;
  out.reserve(accounts.size());
  for (const Account& account : accounts) {
    out.push_back(unsalted_account(account));
  }
  return out;
}

std::uint64_t digest_of(std::span<const Account> accounts) {
  std::string all;
  for (const Account& account : accounts) {
    for (const std::string* text :
         {&account.user, &account.host, &account.plugin, &account.authentication_string,
          &account.tls_cipher, &account.tls_issuer, &account.tls_subject}) {
      append_counted(all, *text);
    }
    for (const AuthMethod& method : account.alternatives) {
      all += '|';
      append_counted(all, method.plugin);
      append_counted(all, method.authentication_string);
    }
    all += static_cast<char>('0' + static_cast<int>(account.tls));
    all += account.locked ? 'L' : '-';
    all += account.password_expired ? 'E' : '-';
    all += account.refused_when_expired ? 'R' : '-';
    all += account.connection_admin ? 'A' : '-';
    all += account.read_only_admin ? 'W' : '-';
    all += std::to_string(account.user_connections_max) + '|';
  }
  return XXH64(all.data(), all.size(), 0);
}

}  // namespace

AuthMethod unsalted(AuthMethod method) {
  if (method.plugin == protocol::kSha2Plugin && !method.authentication_string.empty()) {
    method.authentication_string = "(salted)";  // an empty one is no password
  }
  return method;
}

std::string Account::name() const {
  return "'" + user + "'@'" + host + "'";
}

bool transport_suffices(const Account& account, const TlsPeer* peer) {
  if (account.tls == TlsDemand::kNone) {
    return true;
  }
  if (peer == nullptr) {
    return false;
  }
  switch (account.tls) {
    case TlsDemand::kNone:
    case TlsDemand::kAny:
      return true;
    case TlsDemand::kX509:
      return peer->verified;
    case TlsDemand::kSpecified:
      break;
  }
  const auto holds = [](const std::string& wanted, const std::string& there) {
    return wanted.empty() || wanted == there;
  };
  const bool names_somebody = !account.tls_issuer.empty() || !account.tls_subject.empty();
  return holds(account.tls_cipher, peer->cipher) && (peer->verified || !names_somebody) &&
         holds(account.tls_issuer, peer->issuer) && holds(account.tls_subject, peer->subject);
}

ClientHost client_host(std::string_view ip) {
  const std::string_view plain = without_mapping(ip);
  const auto address = parse_ipv4(plain);
  const bool loopback = plain == "::1" || (address && *address == 0x7F000001U);
  return ClientHost{plain, loopback ? std::string_view("localhost") : std::string_view()};
}

bool host_matches(std::string_view pattern, const ClientHost& client) {
  if (pattern.empty()) {
    return true;
  }
  const std::size_t slash = pattern.find('/');
  if (slash != std::string_view::npos) {
    const auto base = parse_ipv4(pattern.substr(0, slash));
    const auto mask = parse_ipv4(pattern.substr(slash + 1));
    const auto address = parse_ipv4(client.ip);
    // As the servers do it: a mask of 0 is no mask, a base with bits outside the mask never
    // matches.
    return base && mask && *mask != 0 && address && (*address & *mask) == *base;
  }
  return like(client.ip, pattern) || (!client.host.empty() && like(client.host, pattern));
}

AccountSet::AccountSet(std::vector<Account> accounts) : accounts_(std::move(accounts)) {
  std::sort(accounts_.begin(), accounts_.end(), goes_before);
  for (std::size_t i = 0; i < accounts_.size(); ++i) {
    by_user_[accounts_[i].user].push_back(i);
  }
  digest_ = digest_of(accounts_);
  unsalted_digest_ = digest_of(unsalted_accounts(accounts_));
}

const Account* AccountSet::find(std::string_view user, const ClientHost& client) const {
  const auto named = first_match(user, client);
  const auto anonymous = user.empty() ? std::nullopt : first_match("", client);
  if (!named && !anonymous) {
    return nullptr;
  }
  return &accounts_[std::min(named.value_or(accounts_.size()),
                             anonymous.value_or(accounts_.size()))];
}

std::optional<std::size_t> AccountSet::first_match(std::string_view user,
                                                   const ClientHost& client) const {
  const auto found = by_user_.find(std::string(user));
  if (found == by_user_.end()) {
    return std::nullopt;
  }
  for (const std::size_t index : found->second) {
    if (host_matches(accounts_[index].host, client)) {
      return index;
    }
  }
  return std::nullopt;
}

std::vector<std::string> account_difference(const AccountSet& left,
                                            const AccountSet& right,
                                            std::size_t names_max) {
  std::vector<std::string> names;
  const std::vector<Account> of_left = unsalted_accounts(left.accounts());
  const std::vector<Account> of_right = unsalted_accounts(right.accounts());
  const auto add_lacking = [&](const std::vector<Account>& of, const std::vector<Account>& in) {
    for (const Account& account : of) {
      const bool there = std::find(in.begin(), in.end(), account) != in.end();
      const bool told = std::find(names.begin(), names.end(), account.name()) != names.end();
      if (names.size() < names_max && !there && !told) {
        names.push_back(account.name());
      }
    }
  };
  add_lacking(of_left, of_right);
  add_lacking(of_right, of_left);
  return names;
}

}  // namespace consort::proxy
