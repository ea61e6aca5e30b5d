"""Certificates: a CA, a foreign CA and certificates of both, made by the openssl command."""

import os
import ssl
import subprocess


class Certificates:
    """Files <name>.pem and <name>.key in one folder."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        self.make_ca("ca")
        self.make_ca("foreign")
        self.make("proxy", "IP:127.0.0.1,DNS:localhost")
        self.make("client", "DNS:client", subject="/C=DE/O=Test/CN=client")
        self.make("stranger", "IP:127.0.0.1", ca="foreign")

    def file(self, name):
        return os.path.join(self.directory, name)

    def _openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self.directory, capture_output=True,
                              check=False)
        assert done.returncode == 0, done.stderr.decode()

    def make_ca(self, name):
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                      "-nodes", "-days", "2", "-keyout", name + ".key", "-out", name + ".pem",
                      "-subj", "/CN=" + name)

    def make(self, name, names, ca="ca", subject=None):
        """A certificate for `names`, as the extension has them: "IP:127.0.0.1,DNS:localhost"."""
        with open(self.file(name + ".ext"), "w", encoding="ascii") as file:
            file.write(f"subjectAltName={names}\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                      "-keyout", name + ".key", "-out", name + ".csr",
                      "-subj", subject or "/CN=" + name)
        self._openssl("x509", "-req", "-days", "2", "-in", name + ".csr", "-CA", ca + ".pem",
                      "-CAkey", ca + ".key", "-CAcreateserial", "-extfile", name + ".ext",
                      "-out", name + ".pem")

    def client(self, ca="ca", certificate=None, version=None):
        """An ssl.SSLContext that trusts `ca`; shows `certificate`; speaks only `version`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.file(ca + ".pem"))
        if certificate is not None:
            context.load_cert_chain(self.file(certificate + ".pem"), self.file(certificate + ".key"))
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context
