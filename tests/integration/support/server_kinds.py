"""Which server programs the private servers run: the system's, or one of another release.

CONSORT_SERVERS names the releases of s1, s2, s3 ..., over and over: "11.8" for all, "11.8,system"
for every second one. CONSORT_SERVER_DIR is the folder in which tests/support/other-server has put
each below its number. tests/run --servers sets both.
"""

import os

SYSTEM = "system"


class ServerKind:
    """One release's programs."""

    def __init__(self, release):
        self.release = release
        if release == SYSTEM:
            self.mariadbd, self.base = "/usr/sbin/mariadbd", "/usr"
        else:
            self.base = os.path.join(os.environ["CONSORT_SERVER_DIR"], release, "base")
            self.mariadbd = os.path.join(self.base, "sbin", "mariadbd")
        # In a mixture a table must come out the same everywhere.
        self.settings = {} if not is_mixture() else {
            "character_set_server": "utf8mb4", "collation_server": "utf8mb4_general_ci",
            **({} if release == SYSTEM else {"character_set_collations": ""})}
        # A file's servers start from copies of one data directory per release.
        self.template_name = "-".join(
            ["template-data", *([] if release == SYSTEM else [release]),
             *(["mixed"] if self.settings else [])])

    def install_db(self):
        """The command that initialises a data directory."""
        return [os.path.join(self.base, "bin", "mariadb-install-db"), "--no-defaults",
                "--force", *([] if self.release == SYSTEM else [f"--basedir={self.base}"])]


def _releases():
    return (os.environ.get("CONSORT_SERVERS") or SYSTEM).split(",")


def kinds_named():
    """The releases in use, each once."""
    return list(dict.fromkeys(_releases()))


def kind_of(server_id):
    """The kind of server `server_id`, counted from 1."""
    releases = _releases()
    return ServerKind(releases[(server_id - 1) % len(releases)])


def kinds():
    """Each kind in use, once."""
    return [ServerKind(release) for release in kinds_named()]


def is_mixture():
    """Servers of several releases stand side by side."""
    return len(kinds_named()) > 1
