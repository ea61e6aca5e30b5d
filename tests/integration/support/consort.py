"""Consort: the program under test, with its configuration, data directory, log and admin port."""

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request

from . import wire
from .private_server import (
    APP_PASSWORD, APP_USER, SERVICE_PASSWORD, SERVICE_USER, tail)
from .process import cpu_seconds, free_port, rss_bytes, spawn, wait_until
from .server_kinds import mixes_brands


class Consort:
    """One proxy. start(), stop(), kill() as for a server."""

    def __init__(self, binary, directory, servers, settings=None, data_dir=None):
        self.binary = binary
        self.directory = directory
        self.log_path = os.path.join(directory, "consort.log")
        self.config_path = os.path.join(directory, "consort.json")
        self.data_dir = data_dir or os.path.join(directory, "log")
        self.port, self.admin_port, self.metrics_port = free_port(), free_port(), free_port()
        self.process = None
        self.admin_host = "127.0.0.1"
        self.client_tls = None  # an ssl.SSLContext for every wire() that brings none
        os.makedirs(directory, exist_ok=True)
        self.config = self._default_config(servers)
        if mixes_brands():
            self.config["accounts"] = {"credentials_file": self._write_credentials()}
        merge(self.config, settings or {})
        self.write_config()

    def _default_config(self, servers):
        def here(port):
            return {"address": "127.0.0.1", "port": port}

        return {
            "cluster_name": "test",
            "data_dir": self.data_dir,
            "listen": {"sql": here(self.port), "admin": here(self.admin_port),
                       "metrics": here(self.metrics_port)},
            "account": {"user": SERVICE_USER, "password": SERVICE_PASSWORD},
            "backends": [{"name": server.name, "host": "127.0.0.1", "port": server.port}
                         for server in servers],
            "shutdown_grace_ms": 300,  # many tests leave transactions open
            # Quicker than the defaults: the tests kill servers all the time.
            "health": {"probe_interval_ms": 300, "probe_quick_interval_ms": 50,
                       "backoff_ms_max": 300},
        }

    def _write_credentials(self):
        """A login on MariaDB's hash shows no password, which MySQL's would need."""
        path = os.path.join(self.directory, "credentials.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({APP_USER: APP_PASSWORD}, file)
        os.chmod(path, 0o600)
        return path

    def write_config(self):
        with open(self.config_path, "w", encoding="utf-8") as file:
            json.dump(self.config, file, indent=2)

    # ---- life --------------------------------------------------------------------------------

    def launch(self):
        assert self.process is None, "consort runs already"
        with open(self.log_path, "ab") as log:
            self.process = spawn([self.binary, "--config", self.config_path],
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                 cwd=self.directory)

    def wait_ready(self, seconds=30, backends=None):
        """Waits until it serves a login and until `backends` (default: all) are online."""
        count = len(self.config["backends"]) if backends is None else backends

        def serves():
            if self.process.poll() is not None:
                raise RuntimeError(f"consort ended at start ({self.process.returncode}):\n"
                                   + tail(self.log_path))
            try:
                states = self.backend_states()
            except (OSError, urllib.error.URLError):
                return False
            if sum(state == "online" for state in states.values()) < count:
                return False
            try:
                self.wire(timeout=5).quit()
                return True
            except (OSError, wire.Closed, wire.ServerError):
                return False

        wait_until(serves, seconds, lambda: "consort serves\n" + tail(self.log_path))

    def start(self, seconds=30, backends=None):
        self.launch()
        self.wait_ready(seconds, backends)

    def stop(self, seconds=20):
        """SIGTERM; it must end by itself with 0."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"consort did not stop within {seconds} s") from None
        self.process = None
        if code != 0:
            raise RuntimeError(f"consort ended with {code} at SIGTERM\n" + tail(self.log_path))

    def kill(self):
        """A crash."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.process = None

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def rss(self):
        return rss_bytes(self.process.pid)

    @property
    def cpu(self):
        return cpu_seconds(self.process.pid)

    def log_text(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    # ---- clients -----------------------------------------------------------------------------

    def wire(self, database=None, user=APP_USER, password=APP_PASSWORD, **options):
        """A logged-in protocol client."""
        options.setdefault("tls", self.client_tls)
        return wire.connect(self.port, user, password, database, **options)

    # ---- admin -------------------------------------------------------------------------------

    def admin(self, path, method="GET", body=None, headers=None):
        """(status, parsed JSON) of one admin request."""
        data = None if body is None else (body if isinstance(body, bytes)
                                          else json.dumps(body).encode())
        request = urllib.request.Request(f"http://{self.admin_host}:{self.admin_port}{path}", data=data,
                                         method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def get(self, path):
        status, body = self.admin(path)
        assert status == 200, f"GET {path}: {status} {body}"
        return body

    def backend_states(self):
        """State by backend name."""
        body = self.get("/backends")
        backends = body["backends"] if isinstance(body, dict) else body
        return {one["name"]: one["state"] for one in backends}

    def metrics(self):
        """Samples of the Prometheus endpoint: {'name{labels}': value}."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics",
                                    timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        samples = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in samples}

    def metric(self, prefix):
        """Sum of all samples whose name begins with `prefix`."""
        return sum(value for name, value in self.metrics().items() if name.startswith(prefix))


def merge(target, changes):
    """Deep update of dictionaries; None removes a key."""
    for key, value in changes.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = value
