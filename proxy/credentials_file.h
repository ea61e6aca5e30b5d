// CredentialsFile: passwords of accounts whose login does not show them, such as ed25519's.
// A JSON object, comments allowed: {"user": "password", "user@host": "password"}, where host is the
// account's, as SHOW GRANTS has it. Nobody but its owner and group may read it. Never shown, never
// logged. Threads: immutable.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/result.h"

namespace consort::proxy {

class CredentialsFile {
 public:
  /// Errors name the file and the key, never a value: not readable, readable by others, not JSON.
  [[nodiscard]] static Result<std::shared_ptr<const CredentialsFile>> load(const std::string& path);

  explicit CredentialsFile(std::unordered_map<std::string, std::string> passwords)
      : passwords_(std::move(passwords)) {}

  /// Of "user@host" if that is there, else of "user"; null: none. Lives as long as this.
  [[nodiscard]] const std::string* find(std::string_view user, std::string_view host) const;

  [[nodiscard]] std::size_t size() const { return passwords_.size(); }

 private:
  std::unordered_map<std::string, std::string> passwords_;
};

}  // namespace consort::proxy
