#!/usr/bin/python3
"""The suite of SQLAlchemy over PyMySQL: its reflection, its types, its sessions and its pool."""

import datetime
import decimal
import threading

import sqlalchemy as sa
from sqlalchemy import orm

from transcript import Target, attempt, say

LEVEL = f"SELECT @@{'transaction' if Target.mysql else 'tx'}_isolation, @@autocommit"
Base = orm.declarative_base()


class Author(Base):
    """A parent with every usual type."""

    __tablename__ = "author"
    id = sa.Column(sa.Integer, primary_key=True, autoincrement=False)
    name = sa.Column(sa.String(50), nullable=False, unique=True)
    born = sa.Column(sa.Date)
    seen = sa.Column(sa.DateTime)
    score = sa.Column(sa.Numeric(20, 5))
    weight = sa.Column(sa.Float)
    active = sa.Column(sa.Boolean, default=True)
    picture = sa.Column(sa.LargeBinary)
    notes = sa.Column(sa.JSON)
    kind = sa.Column(sa.Enum("a", "b"))
    wait = sa.Column(sa.Interval)
    text = sa.Column(sa.UnicodeText)
    version = sa.Column(sa.Integer, nullable=False)
    books = orm.relationship("Book", back_populates="author", cascade="all, delete-orphan")
    __mapper_args__ = {"version_id_col": version}
    __table_args__ = {"mysql_charset": "utf8mb4"}


class Book(Base):
    """A child whose number the server gives."""

    __tablename__ = "book"
    id = sa.Column(sa.Integer, primary_key=True)
    title = sa.Column(sa.String(100), index=True)
    author_id = sa.Column(sa.ForeignKey("author.id", ondelete="CASCADE"))
    author = orm.relationship("Author", back_populates="books")


def engine(**options):
    url = sa.engine.URL.create("mysql+pymysql", Target.user, Target.password, Target.host,
                               Target.port, Target.database, {"charset": "utf8mb4"})
    return sa.create_engine(url, **options)


def error_of(error):
    """The driver's part: statements and parameters name objects."""
    return (type(error).__name__, getattr(getattr(error, "orig", None), "args", error.args))


def caught(name, call):
    try:
        say(name, call())
    except Exception as error:  # pylint: disable=broad-except
        say(name, error_of(error))


def reflection(one):
    inspector = sa.inspect(one)
    say("dialect", (one.dialect.name, one.dialect.server_version_info, one.dialect.is_mariadb,
                    one.dialect.default_schema_name, one.dialect._sql_mode))
    for call in ("get_columns", "get_pk_constraint", "get_foreign_keys", "get_indexes",
                 "get_unique_constraints", "get_check_constraints", "get_table_options",
                 "get_table_comment"):
        for table in ("author", "book"):
            def ask(call=call, table=table):
                # The next number of AUTO_INCREMENT differs.
                return {k: str(v) for k, v in found.items() if "auto_increment" not in k} \
                    if isinstance(found := getattr(inspector, call)(table), dict) \
                    else [{k: str(v) for k, v in part.items()} for part in found]
            caught(f"{call} {table}", ask)
    say("tables", inspector.get_table_names())
    say("views", inspector.get_view_names())
    say("isolation", one.connect().get_isolation_level())


def sessions(one):
    make = orm.sessionmaker(one)
    with make() as session:
        session.add(Author(id=1, name="Änne 😀", born=datetime.date(1900, 2, 28), kind="b",
                           score=decimal.Decimal("1.5"), weight=0.25, picture=bytes(range(256)),
                           seen=datetime.datetime(2020, 1, 1, 12), notes={"k": [1, None, "ü"]},
                           wait=datetime.timedelta(days=2), text="x" * 70000,
                           books=[Book(title=f"book {n}") for n in range(5)]))
        session.add(Author(id=2, name="nobody"))
        session.commit()
    with make() as session:
        author = session.get(Author, 1)
        say("author", (author.name, author.born, author.seen, author.score, author.weight,
                       author.active, len(author.picture), author.notes, author.kind, author.wait,
                       len(author.text), author.version,
                       sorted(book.title for book in author.books)))
        author.score += 1
        session.add(Book(title="child", author=author))
        session.flush()
        say("flushed", session.query(Book).count())
        session.rollback()
        say("rolled back", (session.query(Book).count(), author.score))
        with session.begin_nested():
            author.kind = "a"
        try:
            with session.begin_nested():
                session.add(Author(id=1, name="again"))
        except sa.exc.IntegrityError as error:
            say("nested", error_of(error))
        session.commit()
        say("after nested", (author.kind, author.version))
    with make() as session:
        try:
            with session.begin_nested():  # its savepoint is the transaction's first statement
                session.add(Author(id=1, name="again"))
        except sa.exc.IntegrityError as error:
            say("nested first", error_of(error))
        say("goes on", session.query(Author).count())
        session.commit()
    with make() as first, make() as second:
        mine, theirs = first.get(Author, 2), second.get(Author, 2)
        mine.weight, theirs.weight = 1, 2
        first.commit()
        caught("stale", second.commit)
    with make() as session:
        session.delete(session.get(Author, 1))
        session.commit()
        say("deleted", (session.query(Author).count(), session.query(Book).count()))
        say("locked", session.query(Author).with_for_update().one().name)
        caught("missing", lambda: session.execute(sa.text("SELECT * FROM nowhere")))


def core(one):
    table = Book.__table__
    with one.begin() as connection:
        done = connection.execute(table.insert(), [{"title": f"t{n}"} for n in range(500)])
        say("many", done.rowcount)
        done = connection.execute(table.insert().values(title="one"))
        found = connection.execute(sa.select(table.c.title).where(
            table.c.id == done.inserted_primary_key[0])).scalar()
        say("primary key", found)
        say("update", connection.execute(
            table.update().where(table.c.title.like("t1%")).values(title="changed")).rowcount)
        say("same update", connection.execute(
            table.update().where(table.c.title == "changed").values(title="changed")).rowcount)
    with one.connect().execution_options(stream_results=True) as connection:
        rows = connection.execute(sa.select(table.c.title).order_by(table.c.id))
        say("stream", (rows.fetchmany(3), len(rows.fetchall())))
    for level in ("READ COMMITTED", "REPEATABLE READ", "READ UNCOMMITTED", "AUTOCOMMIT"):
        with one.connect().execution_options(isolation_level=level) as connection:
            attempt(f"level {level}", lambda: connection.execute(
                sa.text(LEVEL)).all())
    with one.connect() as connection:
        say("level after", connection.execute(sa.text(LEVEL)).all())


def pool():
    """Connections come back clean, and many threads share few."""
    one = engine(pool_size=3, max_overflow=0, pool_pre_ping=True, pool_recycle=1800)
    errors = []

    def work(number):
        try:
            for step in range(10):
                with one.begin() as connection:
                    connection.execute(sa.text("INSERT INTO pooled VALUES (:a, :b)"),
                                       {"a": number, "b": step})
        except Exception as error:  # pylint: disable=broad-except
            errors.append(error)

    with one.begin() as connection:
        connection.execute(sa.text("CREATE TABLE pooled (a INT, b INT, PRIMARY KEY (a, b))"))
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    say("pool", (errors, one.pool.size(), one.pool.checkedout()))
    with one.connect() as connection:
        say("pooled", connection.execute(sa.text("SELECT COUNT(*), SUM(b) FROM pooled")).all())
        connection.execute(sa.text("DELETE FROM pooled"))  # and no commit
    with one.connect() as connection:
        say("given back", connection.execute(sa.text("SELECT COUNT(*) FROM pooled")).scalar())
        number = connection.execute(sa.text("SELECT CONNECTION_ID()")).scalar()
    with engine().connect() as other:
        other.execute(sa.text(f"KILL {number}"))
    with one.connect() as connection:
        say("pre ping", connection.execute(sa.text("SELECT 'alive'")).scalar())


def main():
    one = engine()
    Base.metadata.create_all(one)
    Base.metadata.create_all(one)
    for suite in (reflection, sessions, core):
        caught(suite.__name__, lambda suite=suite: suite(one))
    caught("pool", pool)
    caught("drop", lambda: Base.metadata.drop_all(one))
    say("left", sa.inspect(one).get_table_names())


if __name__ == "__main__":
    main()
