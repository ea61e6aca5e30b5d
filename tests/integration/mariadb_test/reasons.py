"""Why a test of the server's suite prints something else through Consort: by what it prints."""

import re

# (group, pattern on the added lines of the difference), the first that matches.
GROUPS = [
    ("looks at the files of the server", r"is not a subdirectory of MYSQLTEST_VARDIR|s1/data/"),
    ("runs a program that is not installed", r"error: 32512"),
    ("counts the server's connections", r"^\+# Number of sessions"),
    ("status counters of one connection", r"^\+(Handler_\w+|Questions|Created_tmp_\w+|Com_\w+|Feature_\w+|Optimizer_\w+)\t"),
    ("the query cache", r"query_cache_type|^\+Qcache_"),
    ("waits until information_schema.PROCESSLIST shows a session",
     r"Timeout in wait_condition.*information_schema\.processlist"),
    ("Consort's own connections and schema show", r"^\+\d\t\w+\t(global_priv|db)\t"),
    ("rows that EXPLAIN estimates", r"^\+\d+\t(SIMPLE|PRIMARY|SUBQUERY|DEPENDENT \w+|DERIVED|MATERIALIZED)\t"),
    ("an account's change is known within a second", r"ER_ACCOUNT_HAS_BEEN_LOCKED|query 'connect .*ER_DBACCESS_DENIED"),
    ("a server counts wrong passwords, Consort does not", r"ER_USER_IS_BLOCKED"),
    ("DDL of more than 8 tables behind EXECUTE or CALL",
     r"drop tables (?:\w+,){8}[^\n]*one statement|ER_VIEW_SELECT_TMPTABLE"),
    ("temporary tables are refused", r"[Tt]emporary tables"),
    ("events whose body executes DDL", r"table_name = 'andre_table'"),
    ("ORIGINATOR of an event is the number of its server", r"^\+events_test\t.*\tENABLED\t1\t"),
    ("SET GLOBAL max_allowed_packet", r"max_allowed_packet' cannot be SET GLOBAL"),
    ("SET GLOBAL of what Consort keeps", r"SET GLOBAL through Consort|does not take SET GLOBAL"),
    ("a form of CREATE TABLE .. SELECT is refused", r"CREATE TABLE \.\. SELECT"),
    ("lengths that SHOW CREATE TABLE does not tell", r"^\+def\ttest\t\w+\t\w+\t\S+\t\S+\t5\t22\t"),
    ("several statements in one query are refused", r"several statements in one query"),
    ("what of sequences is refused", r"yet support '(temporary )?sequences|support 'SETVAL"),
    ("a sequence's INCREMENT and numbers are Consort's", r"increment by 0"),
    ("XA of the client's own is refused", r"XA statements are Consort"),
    ("a setting that Consort owns", r"belongs to Consort"),
    ("concerns one server", r"concerns one server"),
    ("name the account", r"Name the account"),
    ("tables of other engines are refused", r"other engine|not transactional|only InnoDB"),
    ("mysql_old_password", r"mysql_old_password"),
    ("DDL, COMMIT or the like inside a stored program",
     r"query '(?i:call|begin not atomic)\b[^']*('[^\n]*\n)*?.*?XAER_RMFAIL|^\+Error\t1399"
     r"|query 'BEGIN NOT ATOMIC\n|; -- XAER_RMFAIL|^\+result\tERROR: XAE07 1399"),
    ("EXECUTE of DDL with parameters",
     r"query '(?i:execute)\b(?:.*\n)*?.*?\b(?i:using)\b.*XAER_RMFAIL"),
    ("other statements that cannot run inside a branch (1399)", r"1399|XAER_RMFAIL"),
    ("an engine other than InnoDB is not substituted", r"NO_ENGINE_SUBSTITUTION"),
    ("a note that InnoDB takes the place of another engine", r"^\+Note\t1266"),
    ("CHECK, OPTIMIZE and their like do not wait for LOCK TABLES",
     r"^\+\S+\t(check|optimize|analyze|repair)\t"),
    ("DDL under LOCK TABLES of one's own", r"ER_TABLE_NOT_LOCKED"),
    ("session tracking", r"^\+-- \w+: "),
    ("cannot be read with certainty", r"cannot be read with certainty"),
    ("Consort's own connections and schema show", r"^\+consort\b|^\+\d*\tconsort\t|^\+GRANT .* TO PUBLIC"),
]


def reason_of(difference):
    added = "\n".join(line for line in difference.splitlines()
                      if line.startswith("+") and not line.startswith("+++ "))
    for group, pattern in GROUPS:
        if re.search(pattern, added, re.M):
            return group
    return "other"
