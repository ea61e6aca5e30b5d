// TlsOptions: what an operator says about TLS, on either side. Plain values.
// Threads: any.
#pragma once

#include <cstdint>
#include <string>

namespace consort {

/// The oldest protocol version that is spoken.
enum class TlsVersion : std::uint8_t { kTls12, kTls13 };

/// What is asked of a server that we connect to.
enum class TlsMode : std::uint8_t {
  kOff,
  kPreferred,      ///< TLS where the server offers it; its certificate is not checked
  kRequired,       ///< no connection without; its certificate is not checked
  kVerifyCa,       ///< and its certificate comes from our CA
  kVerifyIdentity  ///< and names the host that we connected to
};

/// PEM files. An empty name: none.
struct TlsFiles {
  std::string certificate;  ///< our own, with the chain behind it
  std::string key;          ///< of the certificate
  std::string ca;           ///< whom we trust to name the peer
  TlsVersion version_min = TlsVersion::kTls12;
  friend bool operator==(const TlsFiles&, const TlsFiles&) = default;
};

/// How to speak to one backend.
struct BackendTls {
  TlsMode mode = TlsMode::kOff;
  TlsFiles files;
  friend bool operator==(const BackendTls&, const BackendTls&) = default;
};

/// What an open TLS connection is, and who its peer has proved to be.
struct TlsPeer {
  std::string version;    ///< "TLSv1.3"
  std::string cipher;     ///< "TLS_AES_256_GCM_SHA384"
  bool verified = false;  ///< it showed a certificate that comes from our CA
  std::string issuer;     ///< of that certificate, as "/C=DE/CN=.."
  std::string subject;    ///< likewise
};

}  // namespace consort
