"""Client programs and drivers: what each sees through Consort is what a plain server shows it.

Every client has a suite of its own below clients/, a program that prints lines `case: result`. It
runs against one server and against Consort before three others, and the two transcripts must be
equal. The servers are MariaDB's or MySQL's (tests/run --servers 9.7), whose SQL is not the same: in the
shared clients/*.sql a line that only one brand knows begins with [mariadb] or [mysql]. To run one
suite by hand, set the variables of Target.environment().
"""

import concurrent.futures
import difflib
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field

from support import wire
from support.case import Skip, case
from support.certificates import Certificates
from support.cluster import Cluster
from support.private_server import APP_PASSWORD, APP_USER, PrivateServer
from support.server_kinds import by_brand, mixes_brands, numbers, with_mysql

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
SHOWN_LINES = 60
ACCOUNTS = ("CREATE USER 'reader'@'%' IDENTIFIED BY 'reader-secret'",
            "GRANT SELECT ON `client_%`.* TO 'reader'@'%'")
BRAND = by_brand("mariadb", "mysql")
SEQUENCES = (20, 30, 100, 3000, 5000, 20000)  # how many rows the suites ask seq_1_to_<n> for


@dataclass
class Client:
    """One client: how its suite is started and what it needs."""

    name: str
    command: list  # words; {here} is the folder of the suites, {work} one for what is built
    needs: list = field(default_factory=list)  # shell commands that succeed when it is installed
    build: list = field(default_factory=list)  # a command that makes the program, once
    package: str = ""  # what to install
    heavy: bool = False  # only with tests/run --clients or --soak


CONNECTOR_J = "/usr/share/java/mariadb-java-client.jar"
JAVA_OPTIONS = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m"]  # quick to start

CLIENTS = [
    Client("mariadb", ["{here}/programs.sh", "mariadb"], needs=["which mariadb-check"],
           package="mariadb-client"),
    Client("dump", ["{here}/programs.sh", "dump"], needs=["which mariadb-dump"],
           package="mariadb-client"),
    Client("import", ["{here}/programs.sh", "import"], needs=["which mariadb-import"],
           package="mariadb-client"),
    Client("libmariadb", ["{work}/libmariadb"],
           build=["sh", "-c", "cc -std=gnu11 -O1 -Wall -Wextra -Werror -o {work}/libmariadb"
                  " {here}/libmariadb.c $(pkg-config --cflags --libs libmariadb)"]),
    Client("pymysql", ["/usr/bin/python3", "{here}/dbapi.py", "pymysql"]),
    Client("mysqlclient", ["/usr/bin/python3", "{here}/dbapi.py", "MySQLdb"],
           needs=["/usr/bin/python3 -c 'import MySQLdb'"], package="python3-mysqldb"),
    Client("sqlalchemy", ["/usr/bin/python3", "{here}/orm.py"],
           needs=["/usr/bin/python3 -c 'import sqlalchemy'"], package="python3-sqlalchemy"),
    Client("dbd_mysql", ["/usr/bin/perl", "{here}/dbi.pl", "mysql"],
           needs=["/usr/bin/perl -MDBD::mysql -e 1"], package="libdbd-mysql-perl"),
    Client("dbd_mariadb", ["/usr/bin/perl", "{here}/dbi.pl", "MariaDB"],
           needs=["/usr/bin/perl -MDBD::MariaDB -e 1"], package="libdbd-mariadb-perl"),
    Client("php_mysqli", ["php", "{here}/php.php", "mysqli"],
           needs=["php -r 'exit(extension_loaded(\"mysqli\") ? 0 : 1);'"],
           package="php-cli php-mysql", heavy=True),
    Client("php_pdo", ["php", "{here}/php.php", "pdo"],
           needs=["php -r 'exit(extension_loaded(\"pdo_mysql\") ? 0 : 1);'"],
           package="php-cli php-mysql", heavy=True),
    Client("ruby", ["/usr/bin/ruby", "{here}/ruby.rb"],
           needs=["/usr/bin/ruby -e 'require \"mysql2\"'"],
           package="ruby-mysql2", heavy=True),
    Client("go", ["{work}/go_client"],
           needs=["which go", "test -d /usr/share/gocode/src/github.com/go-sql-driver"],
           build=["env", "GO111MODULE=off", "GOFLAGS=", "GOPATH=/usr/share/gocode",
                  "GOCACHE={work}/go_cache", "go", "build", "-o", "{work}/go_client",
                  "{here}/go.go"],
           package="golang-go golang-github-go-sql-driver-mysql-dev", heavy=True),
    # Drivers that are no Debian packages: npm fetches them once into the work directory.
    *(Client("node_" + driver, ["node", "{work}/node/suite.js", driver],
             needs=["which node", "timeout 30 npm ping"],
             build=["sh", "-c", "mkdir -p {work}/node && cp {here}/node/* {work}/node && cd {work}/node"
                    " && (test -d node_modules || npm install --no-audit --no-fund)"],
             package="nodejs and npm, and npm's registry", heavy=True)
      for driver in ("mysql2", "mariadb")),
    Client("java", ["java", *JAVA_OPTIONS, "-cp", "{work}/java:" + CONNECTOR_J, "Java"],
           needs=["which javac", "test -e " + CONNECTOR_J],
           build=["javac", "-d", "{work}/java", "{here}/Java.java"],
           package="libmariadb-java openjdk-17-jdk-headless", heavy=True),
]

# Lines that may differ today, by client (a regular expression) and line, each with its reason. One
# that no longer differs fails the test: it is then to be taken out.
ONE_SERVER = "concerns one server: refused by design"
EXPECTED = [
    ("pymysql|mysqlclient", "^reader SET GLOBAL ", ONE_SERVER),
    ("mariadb|mysqlclient", "^compression",
     "SHOW STATUS tells of the connection to the backend"),
    ("mysqlclient", "^tls cipher", "SHOW STATUS tells of the connection to the backend"),
]
# Before MySQL servers also these; docs/compatibility.md has them.
FIRST_TYPES = "a plain server makes later values of a parameter's first type"
EXPECTED_OF_MYSQL = [
    ("(?!dump|import|sqlalchemy).*", "@@warning_count, @@error_count",
     "the warnings of an autocommit write are counted as 0"),
    ("mariadb", "^status", "MySQL prefers another cipher than OpenSSL"),
    ("libmariadb", "^parameters (of other types|after reset)", FIRST_TYPES),
    ("java", "^(binary|bulk) value ", FIRST_TYPES),
    ("node_.*", "^value ", FIRST_TYPES),
    ("java", "^statements [0-9]+ SELECT SQL_CALC_FOUND_ROWS|errors [0-9]+( GET DIAGNOSTICS|$)",
     "the driver's SHOW WARNINGS finds nothing; not mended"),
]


class Target:
    """One side of the comparison."""

    def __init__(self, name, port, directory, ca):
        self.name, self.port, self.ca = name, port, ca
        self.directory = os.path.join(directory, name)

    def environment(self, client):
        # Both sides use the same path, since it shows in messages: only one of them is there.
        return {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC", "CLIENT_HOST": "127.0.0.1",
                "CLIENT_PORT": str(self.port), "CLIENT_USER": APP_USER,
                "CLIENT_PASSWORD": APP_PASSWORD, "CLIENT_DATABASE": f"client_{client.name}",
                "CLIENT_CA": self.ca, "CLIENT_DIR": self.directory, "CLIENT_BRAND": BRAND,
                "CLIENT_SQL": os.path.join(os.path.dirname(self.directory), "sql")}

    def play(self, client, seconds):
        """The suite's transcript, as lines."""
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        try:
            done = subprocess.run(words(client.command, os.path.dirname(self.directory)),
                                  env=self.environment(client), cwd=self.directory,
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds,
                                  check=False)
            out, end = done.stdout, f"{done.returncode} {done.stderr.decode(errors='replace')!r}"
            ended = done.returncode == 0
        except subprocess.TimeoutExpired as error:
            out, end, ended = error.stdout or b"", f"not done after {seconds:.0f} s", False
        lines = out.decode("utf-8", "backslashreplace").splitlines()
        if not ended:
            lines.append(f"(end): {end}")
        # Scratch folders and ports differ.
        port = re.compile(rf"(?<!\w){self.port}(?!\w)")
        return [port.sub("<port>", line.replace(self.directory, "<dir>")) for line in lines]


def words(command, work):
    return [word.format(here=HERE, work=work) for word in command]


def write_statements(directory):
    """The shared statements, those of the servers' brand."""
    os.makedirs(directory, exist_ok=True)
    for name in ("schema.sql", "statements.sql", "errors.sql"):
        with open(os.path.join(HERE, name), encoding="utf-8") as file:
            lines = [re.fullmatch(r"(?:\[(mariadb|mysql)\] )?(.*\n)", line) for line in file]
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.writelines(line[2] for line in lines if line[1] in (None, BRAND))


def database_of(client):
    """Statements that make the database a client's suite begins with."""
    name = f"client_{client.name}"
    yield f"CREATE DATABASE {name}"
    for last in SEQUENCES if with_mysql() else ():  # tables that MariaDB has by itself
        yield f"CREATE VIEW {name}.seq_1_to_{last} AS SELECT seq FROM {numbers(last)}"


class Sides:
    """A plain server, and Consort before three more."""

    def __init__(self, context):
        if mixes_brands():
            raise Skip("which brand is a plain server in a mixture?")
        write_statements(os.path.join(context.work_dir, "sql"))
        certificates = Certificates(os.path.join(context.work_dir, "certificates"))
        file = certificates.file
        plain = os.path.join(context.work_dir, "plain")
        shutil.rmtree(plain, ignore_errors=True)  # of a fixture before this one
        self.plain = PrivateServer(
            plain, 1, context.template,
            {"ssl_cert": file("proxy.pem"), "ssl_key": file("proxy.key"), "ssl_ca": file("ca.pem"),
             "skip_name_resolve": "OFF"})  # loopback is localhost, as Consort has it
        self.plain.launch()
        # A suite's sessions read what its other sessions wrote.
        self.cluster = Cluster(context, server_settings={"skip_name_resolve": "OFF"}, settings={
            "read_consistency": "strong",
            "tls": {"certificate": file("proxy.pem"), "key": file("proxy.key"),
                    "ca": file("ca.pem")}})
        self.plain.wait_ready()
        for sql in ACCOUNTS:
            self.plain.query(sql)
        self.cluster.sql(*ACCOUNTS)
        where = (context.work_dir, file("ca.pem"))
        self.through = Target("through", self.cluster.consort.port, *where)
        self.direct = Target("direct", self.plain.port, *where)

    def close(self, keep=False):
        self.plain.kill()
        self.plain.drop_large_data()
        self.cluster.close(keep)

    def check(self):
        self.cluster.check()

    def evidence(self):
        return self.cluster.evidence()

    def transcripts(self, client, seconds):
        with wire.connect(self.plain.port, APP_USER, APP_PASSWORD) as plain:
            for statement in database_of(client):
                plain.query(statement)
        self.cluster.sql(*database_of(client))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            sides = [pool.submit(target.play, client, seconds)
                     for target in (self.through, self.direct)]
            return [side.result() for side in sides]


def setup(context):
    return Sides(context)


def case_of(line):
    return line.split(": ", 1)[0]


def differences(through, direct):
    """(case, lines through Consort, lines of the plain server) wherever they are not the same."""
    matcher = difflib.SequenceMatcher(None, through, direct, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            continue
        mine, theirs = through[a:b], direct[c:d]
        names = dict.fromkeys(case_of(line) for line in mine + theirs)
        for name in names:
            yield (name, [line for line in mine if case_of(line) == name],
                   [line for line in theirs if case_of(line) == name])


def compare(client, through, direct):
    """AssertionError with a diff unless the transcripts are equal but for what EXPECTED names."""
    known = EXPECTED + (EXPECTED_OF_MYSQL if with_mysql() else [])
    expected = [entry for entry in known if re.fullmatch(entry[0], client.name)]
    met, wrong = set(), []
    for name, mine, theirs in differences(through, direct):
        entry = next((one for one in expected if re.search(one[1], name)), None)
        if entry is not None:
            met.add(entry)
            continue
        wrong += ["- plain   " + line for line in theirs] + ["+ consort " + line for line in mine]
    over = [entry for entry in expected if entry not in met]
    problems = []
    if wrong:
        problems.append(f"{len(wrong)} lines of {len(direct)} differ:")
        problems += wrong[:SHOWN_LINES]
    if over:
        problems.append("no longer different, take it out of EXPECTED: "
                        + "; ".join(f"{pattern} ({reason})" for _, pattern, reason in over))
    assert not problems, "\n".join(problems)
    return len(met)


def missing(client):
    return [need for need in client.needs
            if subprocess.run(["sh", "-c", need], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              check=False).returncode != 0]


@case(seconds=90, each=[(client.name, client) for client in CLIENTS])
def client_sees_one_server(context, sides, client):
    """Its transcript through Consort is that of a plain server."""
    if client.heavy and not context.soak and "CONSORT_CLIENTS" not in os.environ:
        raise Skip("only with tests/run --clients")
    if missing(client):
        raise Skip(f"needs {client.package} (etc/install-packages test clients)")
    if client.build:
        built = subprocess.run(words(client.build, context.work_dir), cwd=context.work_dir,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, timeout=80, check=False)
        assert built.returncode == 0, built.stdout.decode(errors="replace")
    began = time.monotonic()
    through, direct = sides.transcripts(client, 80 * context.slowdown)
    for name, lines in (("through", through), ("direct", direct)):
        with open(os.path.join(context.work_dir, f"{client.name}.{name}.txt"), "w",
                  encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    assert len(direct) > 20 and case_of(direct[-1]) != "(end)", f"no suite: {direct[-20:]}"
    known = compare(client, through, direct)
    note = f", {known} known differences" if known else ""
    return f"{len(direct)} lines, {time.monotonic() - began:.1f} s{note}"
