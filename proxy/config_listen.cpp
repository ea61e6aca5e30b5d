#include "proxy/config_listen.h"

#include "proxy/ip_networks.h"

namespace consort::proxy {

void read_compression(ConfigReader& reader, CompressionConfig& out) {
  const ConfigJson* json = reader.array("compression", Need::kOptional);
  if (json == nullptr) {
    return;
  }
  out = {false, false};
  for (const ConfigJson& word : *json) {
    bool* const named = word == "zlib" ? &out.zlib : word == "zstd" ? &out.zstd : nullptr;
    if (named == nullptr || *named) {
      reader.refuse("compression",
                    "expected \"zlib\" and \"zstd\" at most once each, got " +
                        word.dump(-1, ' ', false, ConfigJson::error_handler_t::replace));
      return;
    }
    *named = true;
  }
}

void read_proxy_networks(ConfigReader& reader, std::vector<std::string>& out) {
  constexpr std::string_view kKey = "proxy_protocol_networks";
  constexpr std::size_t kNetworksMax = 64;
  const ConfigJson* json = reader.array(kKey, Need::kOptional);
  if (json == nullptr) {
    return;
  }
  if (json->size() > kNetworksMax) {
    reader.refuse(kKey, "expected at most 64 networks, got " + std::to_string(json->size()));
    return;
  }
  for (const ConfigJson& word : *json) {
    if (!word.is_string()) {
      reader.refuse(kKey, "expected strings");
      return;
    }
    out.push_back(word.get<std::string>());
  }
  if (const Result<IpNetworks> parsed = IpNetworks::parse(out); !parsed.ok()) {
    reader.refuse(kKey, parsed.error().message);
  }
}

}  // namespace consort::proxy
