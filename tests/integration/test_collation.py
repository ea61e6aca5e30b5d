"""Unique keys compare by collation, not by bytes: equal values from different homes never both win."""

from support import wire
from support.case import case
from support.cluster import Cluster
from support.racing import DEADLOCK, DUPLICATE, begin_on_different_homes, race
from support.server_kinds import by_brand, mariadb_only

# Groups of values that are one value under the collation (case, accents, trailing spaces, ...).
EQUAL_VALUES = {
    "utf8mb4_unicode_ci": [["b", "B", "b ", "B  "], ["resume", "Résumé", "RESUMÉ ", "rēsumē"],
                           ["strasse", "straße"], ["ﬁn", "fin"], ["Å", "å", "Å"]],
    "utf8mb4_general_ci": [["b", "B", "b   "], ["e", "é", "È "], ["ß", "s", "S "]],
    "latin1_swedish_ci": [["b", "B", "b "], ["e", "É", "e "], ["y", "ü"]],
    "utf8mb4_bin": [["b", "b ", "b  "]],
    "utf8mb4_unicode_520_ci": [["b", "B", "b "], ["e", "É"]],
    "utf8mb3_general_ci": [["b", "B ", "b"], ["o", "Ö"]],
    "latin1_german2_ci": [["ä", "ae", "AE "]],
    "utf8mb4_unicode_nopad_ci": [["b", "B"], ["e", "É"]],
}
# Values that are different and must both be accepted.
DIFFERENT_VALUES = {
    "utf8mb4_bin": [["b", "B"], ["e", "é"]],
    "utf8mb4_unicode_ci": [["b", "c"], ["a b", "ab"]],
}


def setup(context):
    return Cluster(context)


def charset(collation):
    return collation.split("_")[0]


def literal(text):
    return "_utf8mb4 x'" + text.encode().hex() + "'"


@case(seconds=60, soak_seconds=600, each=[(name, name) for name in EQUAL_VALUES])
def at_most_one_winner(context, cluster, collation):
    """Races of equal values: one wins, the other gets 1213 (or 1062 when it came later)."""
    if "nopad" in collation:
        mariadb_only("collation of this name; its own without PAD SPACE: test_mysql.py")
    table = cluster.table("id BIGINT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(40) CHARACTER SET "
                          f"{charset(collation)} COLLATE {collation} NOT NULL, UNIQUE KEY (v)")
    races = 0
    with cluster.two_homes() as (first, second):
        for number in range(context.pick(3, 200)):
            for group in EQUAL_VALUES[collation]:
                for other in group[1:]:
                    races += 1
                    pair = [f"{number}.{races} {text}" for text in (group[0], other)]
                    race_pair(first, second, table, pair)
    count = int(cluster.sql(f"SELECT /* consort: read=strong */ COUNT(*) FROM {table}")[0][0])
    assert count == races, f"{races} races left {count} rows"
    cluster.assert_identical()
    return f"{races} races"


def race_pair(first, second, table, pair):
    begin_on_different_homes(first, second)
    inserted = race([(client, f"INSERT INTO {table} (v) VALUES ({literal(text)})")
                     for client, text in zip((first, second), pair)])
    assert inserted == ["ok", "ok"], f"{pair}: {inserted}"
    outcome = race([(first, "COMMIT"), (second, "COMMIT")])
    assert sorted(outcome, key=str) == [DEADLOCK, "ok"], f"{pair}: {outcome}"


@case(seconds=60, each=[(name, name) for name in DIFFERENT_VALUES])
def different_values_both_win(_context, cluster, collation):
    """No false conflict where the collation tells the values apart."""
    # READ COMMITTED, and a hash for every value: gaps must not be what decides.
    table = cluster.table("v VARCHAR(40) CHARACTER SET "
                          f"{charset(collation)} COLLATE {collation} NOT NULL PRIMARY KEY")
    with cluster.two_homes() as (first, second):
        for client in (first, second):
            client.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        for pair in DIFFERENT_VALUES[collation]:
            begin_on_different_homes(first, second)
            race([(client, f"INSERT INTO {table} VALUES ({literal(text)})")
                  for client, text in zip((first, second), pair)])
            outcome = race([(first, "COMMIT"), (second, "COMMIT")])
            assert outcome == ["ok", "ok"], f"{pair}: {outcome}"
    cluster.assert_identical()


@case(seconds=60, soak_seconds=600)
def autocommit_race(context, cluster):
    """The same with autocommit inserts, sent at once: never two winners, servers stay equal."""
    table = cluster.table("id BIGINT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(40) COLLATE "
                          "utf8mb4_unicode_ci NOT NULL, UNIQUE KEY (v)")
    rounds, wins = context.pick(100, 5000), 0
    clients = [cluster.connect() for _ in range(3)]
    for number in range(rounds):
        texts = [f"{number} Zoé", f"{number} zoe ", f"{number} ZOÉ  "]
        outcome = race([(client, f"INSERT INTO {table} (v) VALUES ({literal(text)})")
                        for client, text in zip(clients, texts)])
        assert outcome.count("ok") <= 1, f"round {number}: {outcome}"
        assert set(outcome) <= {"ok", DEADLOCK, DUPLICATE}, f"round {number}: {outcome}"
        wins += outcome.count("ok")
    for client in clients:
        client.quit()
    count = int(cluster.sql(f"SELECT /* consort: read=strong */ COUNT(*) FROM {table}")[0][0])
    assert count == wins, f"{wins} acknowledged, {count} rows"
    cluster.assert_identical()
    return f"{wins} winners in {rounds} rounds"


@case(seconds=60)
def case_change_of_a_key_is_an_update(_context, cluster):
    """Changing only the case of a key conflicts with the key's other users, and applies."""
    table = cluster.table("v VARCHAR(40) COLLATE utf8mb4_general_ci PRIMARY KEY, n INT NOT NULL")
    cluster.sql(f"INSERT INTO {table} VALUES ('abc', 0)")
    with cluster.two_homes() as (first, second):
        begin_on_different_homes(first, second)
        race([(first, f"UPDATE {table} SET v = 'ABC '"),
              (second, f"UPDATE {table} SET n = 1")])
        outcome = race([(first, "COMMIT"), (second, "COMMIT")])
        assert sorted(outcome, key=str) == [DEADLOCK, "ok"], outcome
        try:
            first.query(f"INSERT INTO {table} VALUES ('Abc', 2)")
            raise AssertionError("a duplicate was accepted")
        except wire.ServerError as error:
            assert error.code == DUPLICATE
    cluster.assert_identical()


@case(seconds=30, each=[(name, name) for name in ("ucs2", "utf16", "utf16le", "utf32")])
def writes_in_a_database_of_wide_characters(_context, cluster, character_set):
    """There MariaDB pads what its OKs tell of the session: nothing of it may be missed."""
    cluster.sql("CREATE TABLE IF NOT EXISTS test.wide (a INT PRIMARY KEY, b INT)")
    cluster.sql("REPLACE INTO test.wide VALUES (1, 1), (2, 2)")
    cluster.sql(f"CREATE DATABASE wide CHARACTER SET {character_set}")
    try:
        with cluster.connect("test") as client:
            client.query("USE wide")
            assert client.query("UPDATE test.wide SET b = 10 WHERE a = 1").affected == 1
            client.query("CREATE TABLE t (a INT PRIMARY KEY, v VARCHAR(9))")
            assert client.query("INSERT INTO t VALUES (1, 'x'), (2, 'y')").affected == 2
            client.query("BEGIN")
            client.query("DELETE FROM t WHERE a = 1")
            client.query("UPDATE test.wide SET b = 20 WHERE a = 2")
            client.query("COMMIT")
            client.query("SET sql_mode = 'ANSI_QUOTES'")
            assert client.query('SELECT "a", "v" FROM "t"').rows == [(b"2", b"y")]
        cluster.settle()
        with cluster.connect("wide") as other:
            assert other.query("SELECT * FROM t").rows == [(b"2", b"y")]
            assert other.query("SELECT * FROM test.wide").rows == [(b"1", b"10"), (b"2", b"20")]
        cluster.assert_identical()
    finally:
        cluster.sql("DROP DATABASE wide")


@case(seconds=30)
def collation_behind_names(_context, cluster):
    """SET NAMES and a collation in one statement: the server tells of both, the character set last."""
    with cluster.connect() as client:
        client.query("SET NAMES utf8mb3, collation_connection = utf16le_bin")
        client.query("CREATE TABLE behind_names " + by_brand("AS SELECT 'a' AS a", "(a CHAR(1))"))
        for _ in range(6):  # wherever it reads
            assert client.value("SELECT @@collation_connection") == "utf16le_bin"
        client.query("DROP TABLE behind_names")
        assert client.value("SELECT @@collation_connection") == "utf16le_bin"
