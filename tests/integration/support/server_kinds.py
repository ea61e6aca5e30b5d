"""Which server programs the private servers run: the system's, or one of another release.

CONSORT_SERVERS names the releases of s1, s2, s3 ..., over and over: "11.8" for all, "11.8,system"
for every second one; "9.7" is MySQL. CONSORT_SERVER_DIR is the folder in which
tests/support/other-server has put each below its number. tests/run --servers sets both.
"""

import os

from .case import Skip

SYSTEM = "system"
MARIADB, MYSQL = "mariadb", "mysql"

# What architecture.md asks of a backend, and small sizes, since three of them share a test machine.
_COMMON_SETTINGS = {
    "bind_address": "127.0.0.1",
    "skip_name_resolve": "ON",
    "log_bin": "binlog",
    "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "binlog_row_metadata": "FULL",
    "slave_exec_mode": "STRICT",
    "max_allowed_packet": "1G",
    "innodb_flush_log_at_trx_commit": "2",
    "sync_binlog": "0",
    "binlog_expire_logs_seconds": "86400",
    "max_binlog_size": "256M",
    "innodb_buffer_pool_size": "64M",
    "innodb_log_buffer_size": "8M",
    "innodb_doublewrite": "OFF",
    "key_buffer_size": "1M",
    "max_connections": "600",
    "table_open_cache": "400",
    "thread_cache_size": "64",
}
_LOG_FILE_SIZE = "48M"
# What both brands know.
_SQL_MODE_OF_ALL = "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
_BRAND_SETTINGS = {
    MARIADB: {
        "sync_frm": "OFF",
        "innodb_log_file_size": _LOG_FILE_SIZE,
        "performance_schema": "OFF",
        "log_warnings": "2",
    },
    MYSQL: {
        "slave_exec_mode": None,
        "binlog_format": None,  # there is no other one, and to say so is a warning
        "replica_exec_mode": "STRICT",
        "innodb_redo_log_capacity": _LOG_FILE_SIZE,
        "gtid_mode": "ON",
        "enforce_gtid_consistency": "ON",
        "mysqlx": "OFF",
        "innodb_use_native_aio": "OFF",  # a machine has few of its handles for many servers
        "secure_file_priv": "NULL",
        "disabled_storage_engines": "MyISAM,MEMORY,CSV,ARCHIVE,BLACKHOLE,MRG_MYISAM",
        "local_infile": "ON",  # OFF by default
        "event_scheduler": "OFF",  # ON by default
        "log_error_verbosity": "2",
        # Who waits for whom shows in performance_schema alone; without its histories it is small.
        "performance_schema": "ON",
        "performance_schema_consumer_events_statements_history": "OFF",
        "performance_schema_digests_size": "0",
        "performance_schema_events_statements_history_size": "0",
        "performance_schema_events_statements_history_long_size": "0",
        "performance_schema_events_stages_history_long_size": "0",
        "performance_schema_events_waits_history_long_size": "0",
        "performance_schema_events_transactions_history_long_size": "0",
        "performance_schema_error_size": "0",
        "performance_schema_max_digest_length": "0",
    },
}


class ServerKind:
    """One release's programs and settings."""

    def __init__(self, release):
        self.release = release
        self.brand = _brand(release)
        if release == SYSTEM:
            self.base = "/usr"
        else:
            self.base = os.path.join(os.environ["CONSORT_SERVER_DIR"], release, "base")
        program = "mysqld" if self.is_mysql else "mariadbd"
        self.server = os.path.join(self.base, "sbin", program)
        self.config_group = f"[{program}]"
        # In a mixture a table must come out the same everywhere.
        self.mixture_settings = {} if not is_mixture() else {
            "character_set_server": "utf8mb4", "collation_server": "utf8mb4_general_ci",
            **({"sql_mode": _SQL_MODE_OF_ALL} if mixes_brands() else {}),
            **({} if release == SYSTEM or self.is_mysql else {"character_set_collations": ""})}
        self.settings = _without_none({**_COMMON_SETTINGS, **_BRAND_SETTINGS[self.brand],
                                       **self.mixture_settings})
        # What only SET PERSIST can set; it is kept in the data directory.
        self.persisted = ({"default_collation_for_utf8mb4": "utf8mb4_general_ci"}
                          if mixes_brands() and self.is_mysql else {})
        # A file's servers start from copies of one data directory per release.
        self.template_name = "-".join(
            ["template-data", *([] if release == SYSTEM else [release]),
             *(["mixed"] if self.mixture_settings else [])])

    @property
    def is_mysql(self):
        return self.brand == MYSQL

    def initialise(self, data_dir, run_as, temporary):
        """The commands that make a data directory, each with what it reads: accounts excepted."""
        if self.is_mysql:
            return [self.server, "--no-defaults", "--initialize-insecure",
                    f"--datadir={data_dir}", f"--tmpdir={temporary}", *run_as,
                    "--innodb-use-native-aio=OFF",
                    f"--innodb-redo-log-capacity={_LOG_FILE_SIZE}", "--log-error-verbosity=2"]
        return [os.path.join(self.base, "bin", "mariadb-install-db"), "--no-defaults", "--force",
                *([] if self.release == SYSTEM else [f"--basedir={self.base}"]),
                "--auth-root-authentication-method=normal", "--skip-test-db",
                f"--datadir={data_dir}", *run_as, f"--tmpdir={temporary}",
                f"--innodb-log-file-size={_LOG_FILE_SIZE}"]

    def bootstrap(self, data_dir, run_as, temporary):
        """The command that runs SQL from its input on such a directory, MariaDB's alone."""
        assert not self.is_mysql
        return [self.server, "--no-defaults", "--bootstrap", f"--datadir={data_dir}", *run_as,
                f"--tmpdir={temporary}", f"--innodb-log-file-size={_LOG_FILE_SIZE}",
                *(f"--{key}={value}" for key, value in self.mixture_settings.items())]


def _brand(release):
    return MYSQL if release.startswith(("8.", "9.")) else MARIADB


def _without_none(settings):
    return {key: value for key, value in settings.items() if value is not None}


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


def with_mysql():
    """At least one of the servers is MySQL."""
    return any(_brand(release) == MYSQL for release in kinds_named())


def mixes_brands():
    """MariaDB and MySQL stand side by side."""
    return len({_brand(release) for release in _releases()}) > 1


def mariadb_only(what):
    """Skips a test that is about what MySQL does not have: `what`, in words."""
    if with_mysql():
        raise Skip(f"MySQL has no {what}")


def by_brand(mariadb, mysql):
    """What to say to servers of which at least one is MySQL, or of which none is."""
    return mysql if with_mysql() else mariadb


def numbers(last):
    """What stands behind FROM to get the column seq with 1 to `last`."""
    if not with_mysql():
        return f"seq_1_to_{last}"
    digits = " UNION ALL ".join(f"SELECT {digit} AS d" for digit in range(10))
    count = len(str(last - 1))
    places = [f"({digits}) AS p{place}" for place in range(count)]
    value = " + ".join(f"{10 ** place} * p{place}.d" for place in range(count))
    return (f"(SELECT 1 + {value} AS seq FROM {', '.join(places)}) AS numbers WHERE seq <= {last}")
