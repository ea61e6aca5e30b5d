// The keys of $.listen that are lists. Private to config.cpp. Threads: none.
#pragma once

#include <string>
#include <vector>

#include "proxy/config.h"
#include "proxy/config_reader.h"

namespace consort::proxy {

/// `compression`: the algorithms that clients may choose.
void read_compression(ConfigReader& reader, CompressionConfig& out);

/// `proxy_protocol_networks`: whose PROXY headers are believed.
void read_proxy_networks(ConfigReader& reader, std::vector<std::string>& out);

}  // namespace consort::proxy
