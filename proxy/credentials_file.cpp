#include "proxy/credentials_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <sys/stat.h>

#include "proxy/config_reader.h"

namespace consort::proxy {
namespace {

constexpr std::size_t kBytesMax = 16U << 20U;

/// The text of a file that others cannot read.
Result<std::string> text_of_private(const std::string& path) {
  struct stat status {};

  if (stat(path.c_str(), &status) != 0) {
    return make_error(path + ": cannot read it: " + std::strerror(errno));
  }
  if ((status.st_mode & S_IRWXO) != 0) {
    return make_error(path + ": others may read it: chmod o-rwx " + path);
  }
  if (!S_ISREG(status.st_mode) || static_cast<std::size_t>(status.st_size) > kBytesMax) {
    return make_error(path + ": expected a file of at most 16 MiB");
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    return make_error(path + ": cannot read it: " + std::strerror(errno));
  }
  return text.str();
}

}  // namespace

Result<std::shared_ptr<const CredentialsFile>> CredentialsFile::load(const std::string& path) {
  const Result<std::string> text = text_of_private(path);
  if (!text.ok()) {
    return text.error();
  }
  const Result<ConfigJson> json = parse_config_json(*text);
  if (!json.ok()) {
    // The parser's message may quote what it read.
    return make_error(path + ": not a JSON object of users and passwords, or a user given twice");
  }
  if (!json->is_object()) {
    return make_error(path + ": expected a JSON object of users and passwords");
  }
  std::unordered_map<std::string, std::string> passwords;
  for (const auto& [user, password] : json->items()) {
    if (!password.is_string() || password.get_ref<const std::string&>().empty()) {
      return make_error(path + ": the password of \"" + user + "\" is not a text, or empty");
    }
    passwords.emplace(user, password.get<std::string>());
  }
  return std::make_shared<const CredentialsFile>(std::move(passwords));
}

const std::string* CredentialsFile::find(std::string_view user, std::string_view host) const {
  std::string name(user);
  const auto exact = passwords_.find(name + "@" + std::string(host));
  if (exact != passwords_.end()) {
    return &exact->second;
  }
  const auto any = passwords_.find(name);
  return any == passwords_.end() ? nullptr : &any->second;
}

}  // namespace consort::proxy
