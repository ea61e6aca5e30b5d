// TestCertificates: a CA, a foreign CA and certificates of both, made by the openssl command in a
// folder of their own.
#pragma once

#include <cstdlib>
#include <fstream>
#include <string>

#include "base/check.h"
#include "base/tls_options.h"
#include "tests/support/temp_dir.h"

namespace consort::test {

class TestCertificates {
 public:
  TestCertificates() {
    make_ca("ca");
    make_ca("foreign");
    make("server", "ca", "/CN=server", "IP:127.0.0.1,DNS:db.example");
    make("client", "ca", "/C=DE/O=Test/CN=client", "DNS:client");
    make("stranger", "foreign", "/CN=stranger", "IP:127.0.0.1");
  }

  /// Path of `name`.pem or `name`.key.
  [[nodiscard]] std::string file(const std::string& name) const { return dir_.path() + "/" + name; }

  [[nodiscard]] TlsFiles files(const std::string& name, const std::string& ca = "") const {
    return {file(name + ".pem"), file(name + ".key"), ca.empty() ? ca : file(ca + ".pem"),
            TlsVersion::kTls12};
  }

 private:
  void run(const std::string& arguments) const {
    const std::string command = "cd " + dir_.path() + " && openssl " + arguments + " 2>/dev/null";
    CHECK(std::system(command.c_str()) == 0);
  }

  void make_ca(const std::string& name) const {
    run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout " +
        name + ".key -out " + name + ".pem -subj '/CN=" + name + "'");
  }

  void make(const std::string& name,
            const std::string& ca,
            const std::string& subject,
            const std::string& names) const {
    std::ofstream(file(name + ".ext")) << "subjectAltName=" << names << "\n";
    run("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout " + name +
        ".key -out " + name + ".csr -subj '" + subject + "'");
    run("x509 -req -days 2 -in " + name + ".csr -CA " + ca + ".pem -CAkey " + ca +
        ".key -CAcreateserial -extfile " + name + ".ext -out " + name + ".pem");
  }

  TempDir dir_;
};

}  // namespace consort::test
