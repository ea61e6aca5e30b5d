"""Admin and metrics endpoints, the configuration, the log."""

import json
import os
import subprocess

from support import wire
from support.case import case
from support.cluster import Cluster
from support.process import wait_until


def setup(context):
    return Cluster(context)


@case(seconds=20)
def status(_context, cluster):
    """GET /status tells the whole in one look."""
    body = cluster.consort.get("/status")
    assert body["cluster_name"] == "test", body
    assert body["durability"] == "durable" and body["read_consistency"] == "session", body
    assert body["sessions"] >= 0 and body["workers"] >= 1 and body["uptime_ms"] > 0, body
    before = body["head"]
    table = cluster.table("id INT PRIMARY KEY")
    cluster.sql(f"INSERT INTO {table} VALUES (1)")
    after = cluster.consort.get("/status")
    assert after["head"] > before and after["certified"] >= body["certified"], (body, after)


@case(seconds=20)
def backends(_context, cluster):
    """GET /backends: all online, none behind, each with its port and version."""
    found = {one["name"]: one for one in cluster.consort.get("/backends")["backends"]}
    assert set(found) == {server.name for server in cluster.servers}
    for server in cluster.servers:
        one = found[server.name]
        assert one["port"] == server.port and one["state"] == "online", one
        assert "MariaDB" in one["server_version"] and one["preflight"] == [], one
    cluster.settle()
    applied = {one["applied"] for one in cluster.consort.get("/backends")["backends"]}
    assert len(applied) == 1, applied


@case(seconds=20)
def sessions(_context, cluster):
    """GET /sessions shows who is there, where at home, and why pinned."""
    with cluster.connect() as client:
        client.query("SELECT GET_LOCK('pinning', 1)")
        client.query("BEGIN")
        home = client.value("SELECT @@server_id")
        body = cluster.consort.get("/sessions")
        mine = [one for one in body["sessions"] if one["in_transaction"]]
        assert len(mine) == 1, body
        assert mine[0]["user"] == "app" and mine[0]["database"] == "test", mine
        assert mine[0]["home"] == f"s{home}" and mine[0]["pinned"], mine
        client.query("ROLLBACK")
        client.query("SELECT RELEASE_LOCK('pinning')")


@case(seconds=20)
def config_without_secrets(_context, cluster):
    """GET /config is the configuration in force; passwords are blanked."""
    body = cluster.consort.get("/config")
    assert body["listen"]["sql"]["port"] == cluster.consort.port
    assert "consort-secret" not in json.dumps(body)


@case(seconds=20)
def errors_are_json(_context, cluster):
    """Unknown paths, wrong methods and wrong bodies: a status, a code, a message."""
    consort = cluster.consort
    for path, method, body, expected in (
            ("/nowhere", "GET", None, 404), ("/status", "PUT", {}, 405), ("/status", "DELETE", None, 405),
            ("/backends/nobody/state", "PUT", {"state": "offline"}, 404),
            ("/backends/s1/state", "PUT", {"state": "dreaming"}, 422),
            ("/backends/s1/state", "PUT", {"stat": "offline"}, 422),
            ("/backends/s1/state", "PUT", b"{not json", 400),
            ("/backends/s1/state", "PUT", b"[]", 422),
            ("/routing/read_consistency", "PUT", {"value": "lucky"}, 422),
            ("/routing/weights", "PUT", {"nobody": 3}, 404),
            ("/routing/weights", "PUT", {"s1": -3}, 422)):
        code, answer = consort.admin(path, method, body)
        allowed = (expected, 404, 422) if expected in (404, 422) else (expected,)
        assert code in allowed, f"{method} {path} {body}: {code} {answer}"
        assert answer["error"]["message"] and answer["error"]["code"], answer


@case(seconds=30)
def draining(_context, cluster):
    """Draining: transactions end in peace, nothing new comes; online again: it serves."""
    consort = cluster.consort
    with cluster.connect() as client:
        table = cluster.table("id INT PRIMARY KEY")
        client.query("BEGIN")
        client.query(f"INSERT INTO {table} VALUES (1)")
        home = "s" + client.value("SELECT @@server_id")
        code, answer = consort.admin(f"/backends/{home}/state", "PUT", {"state": "draining"})
        assert code == 200, answer
        wait_until(lambda: consort.backend_states()[home] == "draining", 10, "it drains")
        client.query(f"INSERT INTO {table} VALUES (2)")
        client.query("COMMIT")
        with cluster.connect() as other:
            for _ in range(20):
                assert "s" + other.value("SELECT @@server_id") != home
                other.query("BEGIN")
                assert "s" + other.value("SELECT @@server_id") != home
                other.query("COMMIT")
    consort.admin(f"/backends/{home}/state", "PUT", {"state": "online"})
    wait_until(lambda: consort.backend_states()[home] == "online", 15, "it serves again")
    cluster.assert_identical()


@case(seconds=30)
def offline(_context, cluster):
    """Offline: its transactions get 1213, it catches up when it is taken back."""
    consort = cluster.consort
    table = cluster.table("id INT PRIMARY KEY")
    with cluster.connect() as client:
        client.query("BEGIN")
        client.query(f"INSERT INTO {table} VALUES (1)")
        home = "s" + client.value("SELECT @@server_id")
        code, answer = consort.admin(f"/backends/{home}/state", "PUT", {"state": "offline"})
        assert code == 200, answer
        wait_until(lambda: consort.backend_states()[home] == "offline", 10, "it is offline")
        try:
            client.query(f"INSERT INTO {table} VALUES (2)")
            client.query("COMMIT")
            raise AssertionError("a transaction on an offline backend was committed")
        except wire.ServerError as error:
            assert error.code == 1213, error
        client.query(f"INSERT INTO {table} VALUES (3)")
    consort.admin(f"/backends/{home}/state", "PUT", {"state": "online"})
    wait_until(lambda: consort.backend_states()[home] == "online", 15, "it serves again")
    cluster.assert_identical()


@case(seconds=20)
def read_consistency_and_weights(_context, cluster):
    """Both can be changed at run time and show in GET /status and /backends."""
    consort = cluster.consort
    for value in ("eventual", "strong", "session"):
        code, answer = consort.admin("/routing/read_consistency", "PUT", {"value": value})
        assert code == 200, answer
        wait_until(lambda wanted=value: consort.get("/status")["read_consistency"] == wanted, 5,
                   f"reads are {value}")
    code, answer = consort.admin("/routing/weights", "PUT", {"s1": 0, "s2": 3})
    assert code == 200, answer

    def weights():
        return {one["name"]: one["weight"] for one in consort.get("/backends")["backends"]}

    wait_until(lambda: weights() == {"s1": 0, "s2": 3, "s3": 1}, 5, lambda: str(weights()))
    with cluster.connect() as client:
        assert all(client.value("SELECT @@server_id") != "1" for _ in range(20))
    consort.admin("/routing/weights", "PUT", {"s1": 1, "s2": 1})
    wait_until(lambda: set(weights().values()) == {1}, 5, lambda: str(weights()))


@case(seconds=20)
def metrics(_context, cluster):
    """The Prometheus endpoint has what operators need, and it moves."""
    before = cluster.consort.metrics()
    names = set(before)
    for word in ("connections", "queries", "certif", "applied", "lag", "prepare", "log", "apply",
                 "backend_state", "pool"):
        assert any(word in name for name in names), f"no metric speaks of {word}: {sorted(names)}"
    table = cluster.table("id INT PRIMARY KEY")
    with cluster.connect() as client:
        for number in range(10):
            client.query(f"INSERT INTO {table} VALUES ({number})")
            client.query("SELECT 1")
    after = cluster.consort.metrics()
    moved = {name for name, value in after.items() if value > before.get(name, 0)}
    for word in ("queries", "certif", "applied"):
        assert any(word in name for name in moved), f"nothing about {word} moved: {sorted(moved)}"


@case(seconds=20)
def health(_context, cluster):
    """GET /health for load balancers."""
    code, _ = cluster.consort.admin("/health")
    assert code == 200


# ---- configuration ---------------------------------------------------------------------------------


def check_config(context, cluster, change, text=None):
    """(exit code, output) of consort --check-config with a changed file."""
    path = os.path.join(cluster.directory, "checked.json")
    config = json.loads(json.dumps(cluster.consort.config))
    change(config)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text if text is not None else json.dumps(config))
    done = subprocess.run([context.consort, "--config", path, "--check-config"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=10,
                          check=False)
    return done.returncode, done.stdout


def set_port(config):
    config["backends"][1]["port"] = 70000


def set_unknown(config):
    config["listen"]["sqll"] = {"port": 1}


def set_text(config):
    config["workers"] = "many"


def set_durability(config):
    config["durability"] = "maybe"


def set_twice(config):
    config["backends"][2]["name"] = config["backends"][0]["name"]


def set_none(config):
    config["backends"] = []


def set_open(config):
    config["listen"]["admin"]["address"] = "0.0.0.0"


def set_no_user(config):
    del config["account"]["user"]


@case(seconds=20, each=[
    ("port", set_port, "$.backends[1].port"), ("unknown_key", set_unknown, "$.listen.sqll"),
    ("type", set_text, "$.workers"), ("choice", set_durability, "$.durability"),
    ("same_name", set_twice, "$.backends[2].name"), ("no_backends", set_none, "$.backends"),
    ("admin_for_all", set_open, "$.listen.admin"), ("no_user", set_no_user, "$.account")])
def bad_config_names_its_place(context, cluster, change, place):
    """A bad configuration is refused with the JSON path."""
    code, output = check_config(context, cluster, change)
    assert code != 0 and place in output, f"exit {code}, no {place} in: {output}"


@case(seconds=20)
def config_forms(context, cluster):
    """Comments are allowed; broken JSON and a missing file are told as such."""
    code, output = check_config(context, cluster, lambda config: None)
    assert code == 0, output
    commented = "// a comment\n/* another */\n" + json.dumps(cluster.consort.config)
    code, output = check_config(context, cluster, lambda config: None, commented)
    assert code == 0, output
    code, output = check_config(context, cluster, lambda config: None, '{"backends": [')
    assert code != 0 and "checked.json" in output, output
    done = subprocess.run([context.consort, "--config", "/nowhere.json"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=10, check=False)
    assert done.returncode != 0 and "/nowhere.json" in done.stdout, done.stdout


@case(seconds=20)
def shipped_config_is_valid(context, _cluster):
    """etc/consort.json, the commented example, passes the check."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    done = subprocess.run([context.consort, "--config", os.path.join(root, "etc/consort.json"),
                           "--check-config"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=10, check=False)
    # Its password file does not exist here; any other complaint is one about the file itself.
    assert done.returncode == 0 or "password" in done.stdout, done.stdout


@case(seconds=20)
def taken_port(context, cluster):
    """A second Consort on the same port ends with a message that names it."""
    path = os.path.join(cluster.directory, "second.json")
    config = json.loads(json.dumps(cluster.consort.config))
    config["data_dir"] = os.path.join(cluster.directory, "second")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)
    done = subprocess.run([context.consort, "--config", path], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=15, check=False)
    assert done.returncode != 0, "it runs on a port that is taken"
    assert any(str(port) in done.stdout for port in (
        cluster.consort.port, cluster.consort.admin_port, cluster.consort.metrics_port)), done.stdout
    with cluster.connect() as client:
        assert client.value("SELECT 1") == "1"


@case(seconds=40)
def preflight_refuses_a_wrong_backend(context, _cluster):
    """A server with the wrong settings is reported with what mends it, and not used."""
    wrong = Cluster(context, server_settings=None, start=False)
    try:
        server = wrong.servers[2]
        server.stop()
        server.settings["binlog_format"] = "STATEMENT"
        del server.settings["log_bin"]
        server.start()
        wrong.consort.launch()
        wait_until(lambda: preflight(wrong, "s3"), 20, "the report of the third server")
        report = " ".join(preflight(wrong, "s3"))
        assert "log_bin" in report and "binlog_format" in report, report
        assert wrong.consort.backend_states()["s3"] != "online"
        assert "log_bin" in wrong.consort.log_text()
    finally:
        wrong.close()


@case(seconds=40)
def preflight_of_own_tables(_context, cluster):
    """Consort's own tables are nothing to be mended, when it has made them and starts again."""
    cluster.sql("CREATE TABLE with_a_key (id INT PRIMARY KEY)", "DROP TABLE with_a_key")
    cluster.consort.stop()
    cluster.consort.start()
    for server in cluster.servers:
        assert preflight(cluster, server.name) == [], preflight(cluster, server.name)


def preflight(cluster, name):
    try:
        backends_now = cluster.consort.get("/backends")["backends"]
    except OSError:
        return None
    return next(one["preflight"] for one in backends_now if one["name"] == name)
