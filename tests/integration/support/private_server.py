"""PrivateServer: one mariadbd or mysqld of our own, in its own directory, on a free port of 127.0.0.1."""

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import time

import pymysql

from . import wire
from .process import free_port, spawn, wait_until
from .server_kinds import kind_of, kinds

# Accounts of every private server: the tests' administrator beside Consort, Consort's own account,
# and an application that knows nothing of either.
ROOT_PASSWORD = ""
SERVICE_USER, SERVICE_PASSWORD = "consort", "consort-secret"
APP_USER, APP_PASSWORD = "app", "app-secret"

_ACCOUNTS = (
    "CREATE DATABASE test",
    f"CREATE USER '{SERVICE_USER}'@'127.0.0.1' IDENTIFIED BY '{SERVICE_PASSWORD}'",
    f"GRANT ALL PRIVILEGES ON *.* TO '{SERVICE_USER}'@'127.0.0.1' WITH GRANT OPTION",
    f"CREATE USER '{APP_USER}'@'%' IDENTIFIED BY '{APP_PASSWORD}'",
    f"GRANT ALL PRIVILEGES ON *.* TO '{APP_USER}'@'%' WITH GRANT OPTION",
)
# install-db makes root for every address of this machine, and somebody without a name.
_MARIADB_ACCOUNTS = ("DELETE FROM mysql.global_priv WHERE User = ''",)
_MYSQL_ACCOUNTS = (
    f"CREATE USER root@'127.0.0.1' IDENTIFIED BY '{ROOT_PASSWORD}'",
    "GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION",
    "GRANT PROXY ON ''@'' TO root@'127.0.0.1' WITH GRANT OPTION",
)


def _run_as(user=None):
    return ["--user=" + (user or pwd.getpwuid(os.getuid()).pw_name)]


def make_template(directory):
    """Makes an initialised data directory with our accounts for each kind of server, once; returns
    the path of s1's."""
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "template.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for kind in kinds():
            _make_template(directory, kind)
    return os.path.join(directory, kind_of(1).template_name)


def _make_template(directory, kind):
    template = os.path.join(directory, kind.template_name)
    if os.path.exists(os.path.join(template, "complete")):
        return
    shutil.rmtree(template, ignore_errors=True)
    # A starting server sweeps its temporary folder: no two may share one.
    temporary = os.path.join(directory, "template-tmp")
    os.makedirs(temporary, exist_ok=True)
    with open(os.path.join(directory, "template.log"), "wb") as log:
        subprocess.run(kind.initialise(template, _run_as(), temporary), stdout=log, stderr=log,
                       check=True, env={**os.environ, "TMPDIR": temporary})
        if kind.is_mysql:
            _make_mysql_accounts(kind, template, temporary, log)
            os.unlink(os.path.join(template, "auto.cnf"))  # or all copies are one and the same server
        else:
            # A bootstrap server knows no CREATE USER until the grants are loaded.
            statements = ("FLUSH PRIVILEGES", *_ACCOUNTS, *_MARIADB_ACCOUNTS)
            subprocess.run(
                kind.bootstrap(template, _run_as(), temporary), stdout=log, stderr=log, check=True,
                input="".join(f"{one};\n" for one in statements).encode())
    with open(os.path.join(template, "complete"), "w", encoding="ascii"):
        pass


def _make_mysql_accounts(kind, template, temporary, log):
    """By a server that only its socket leads to: there is no bootstrap."""
    process = spawn(
        [kind.server, "--no-defaults", f"--datadir={template}", f"--tmpdir={temporary}", *_run_as(),
         "--skip-networking", "--mysqlx=OFF", "--skip-log-bin", "--secure-file-priv=NULL",
         "--innodb-use-native-aio=OFF",
         f"--socket={template}/s", f"--pid-file={template}/pid",
         f"--innodb-redo-log-capacity={kind.settings['innodb_redo_log_capacity']}",
         *(f"--{key}={value}" for key, value in kind.mixture_settings.items())],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def answers():
        if process.poll() is not None:
            raise RuntimeError(f"the server of the template ended ({process.returncode}):\n"
                               + tail(log.name))
        try:
            return wire.connect(0, "root", "", unix=f"{template}/s", collation=45)
        except OSError:
            return None

    try:
        with wait_until(answers, 60, lambda: "the template's server\n" + tail(log.name)) as client:
            persisted = (f"SET PERSIST {key}='{value}'" for key, value in kind.persisted.items())
            for statement in (*_ACCOUNTS, *_MYSQL_ACCOUNTS, *persisted):
                client.query(statement)
        process.terminate()
        process.wait(60)
    finally:
        process.kill()
        process.wait()


class PrivateServer:
    """One server. start() and stop() may alternate; kill() is a crash. Not thread-safe."""

    def __init__(self, directory, server_id, template, settings=None, user=None):
        self.name = f"s{server_id}"
        self.directory = directory
        self.data_dir = os.path.join(directory, "data")
        self.error_log = os.path.join(directory, "error.log")
        self.server_id = server_id
        self.kind = kind_of(server_id)
        self.settings = {**self.kind.settings, "server_id": str(server_id),
                         **(settings or {})}
        self.port = free_port()
        self.process = None
        self._watcher = None
        # Only root can run it as somebody else; its directory then belongs to that user.
        self._user = user if os.getuid() == 0 else None
        os.makedirs(os.path.join(directory, "tmp"), exist_ok=True)
        if not os.path.exists(self.data_dir):
            shutil.copytree(os.path.join(os.path.dirname(template), self.kind.template_name),
                            self.data_dir)
            os.unlink(os.path.join(self.data_dir, "complete"))
        if self._user is not None:
            subprocess.run(["chown", "-R", self._user, directory], check=True)

    def _write_config(self):
        # A short path: the socket's full name may have 107 bytes at most.
        lines = [self.kind.config_group, f"datadir={self.data_dir}", f"tmpdir={self.directory}/tmp",
                 f"port={self.port}",
                 f"socket={self.data_dir}/s", f"pid_file={self.directory}/pid",
                 f"log_error={self.error_log}"]
        lines += [f"{key}={value}" for key, value in self.settings.items()]
        path = os.path.join(self.directory, "my.cnf")
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        return path

    def launch(self, arguments=()):
        """Starts the process without waiting until it answers."""
        assert self.process is None, f"{self.name} runs already"
        self.process = spawn(
            [self.kind.server, f"--defaults-file={self._write_config()}", *_run_as(self._user),
             *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd=self.directory)

    def wait_ready(self, seconds=60):
        """Waits until it accepts a login."""

        def answers():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended at start ({self.process.returncode}):\n"
                                   + tail(self.error_log))
            try:
                self.connect().close()
                return True
            except pymysql.err.OperationalError:
                return False

        wait_until(answers, seconds, lambda: f"{self.name} answers\n" + tail(self.error_log))

    def start(self):
        self.launch()
        self.wait_ready()

    def stop(self, seconds=60):
        """A clean shutdown; a server that does not obey is killed and reported."""
        self._drop_watcher()
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"{self.name} did not stop within {seconds} s") from None
        self.process = None

    def kill(self):
        """A crash: kill -9, nothing is flushed."""
        self._drop_watcher()
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.process = None

    def drop_large_data(self):
        """Gives the room of its data back where a server has a lot of it from the start: MySQL."""
        if self.kind.is_mysql:
            shutil.rmtree(self.data_dir, ignore_errors=True)

    def pause(self):
        """Freezes it: connections stay open, nothing answers."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def connect(self, database=None, **options):
        """A direct connection as root, past Consort."""
        return pymysql.connect(host="127.0.0.1", port=self.port, user="root",
                               password=ROOT_PASSWORD, database=database, autocommit=True,
                               connect_timeout=options.pop("connect_timeout", 5), **options)

    def query(self, sql, args=None, database=None):
        """Rows of one statement, directly."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, args)
                return cursor.fetchall()
        finally:
            connection.close()

    def watch(self, sql):
        """Rows, as bytes, over one connection that is kept: for questions asked again and again."""
        if self._watcher is None:
            self._watcher = wire.connect(self.port, "root", ROOT_PASSWORD)
        try:
            return self._watcher.query(sql).rows
        except (wire.Closed, OSError):
            self._drop_watcher()
            raise

    def _drop_watcher(self):
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None

    def prepared_branches(self):
        """What XA RECOVER shows: the branches that wait for their end."""
        return self.query("XA RECOVER" if self.kind.is_mysql else "XA RECOVER FORMAT='SQL'")


def tail(path, lines=30):
    """The last lines of a log, for messages."""
    try:
        with open(path, "rb") as file:
            return b"\n".join(file.read().splitlines()[-lines:]).decode("utf-8", "replace")
    except OSError as error:
        return f"({path}: {error.strerror})"


def timed(call):
    """Seconds that call() took, and what it returned."""
    began = time.monotonic()
    value = call()
    return time.monotonic() - began, value
