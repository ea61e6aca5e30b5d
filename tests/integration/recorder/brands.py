"""What is said to MySQL servers where MariaDB's words are others, so that a seed's sequence says much the
same to both. What MySQL does not know and is not named here stays: the error must be its own, too."""

import re

from support.server_kinds import with_mysql

_MYSQL_WORDS = [(re.compile(pattern, re.I), words) for pattern, words in (
    (r"\btx_(isolation|read_only)\b", r"transaction_\1"),
    (r"\bmax_statement_time( :?= )10\b", r"max_execution_time\g<1>10000"),
    (r"\bmax_statement_time\b", "max_execution_time"),
    (r" RETURNING \w+(, \w+)*", ""),
    (r"\bCREATE OR REPLACE TABLE\b", "CREATE TABLE"),
    (r"^SET STATEMENT (\w+) = (\S+) FOR (SELECT|INSERT)\b", r"\3 /*+ SET_VAR(\1 = \2) */"),
)]


def as_said(text):
    """`text`, as MariaDB understands it, for the servers that there are."""
    if with_mysql():
        for pattern, words in _MYSQL_WORDS:
            text = pattern.sub(words, text)
    return text
