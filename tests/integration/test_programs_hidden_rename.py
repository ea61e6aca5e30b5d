"""A program renames a temporary table of which nobody could know. By itself, since it loses a server."""

from support.case import Skip, case
from support.process import wait_until
from support.programs import Programs
from support.wire import code_of


def setup(context):
    return Programs(context)


@case(seconds=60)
def rename_of_what_a_function_made_takes_the_home_out(context, programs):
    """A temporary table that nobody knew of: the others' table of that name stays."""
    if not context.soak:
        raise Skip("loses a server")
    online = list(programs.consort.backend_states().values()).count("online")
    programs.sql("CREATE OR REPLACE TABLE mine (id INT PRIMARY KEY)",
                 "CREATE OR REPLACE FUNCTION makes() RETURNS INT DETERMINISTIC BEGIN "
                 "CREATE TEMPORARY TABLE mine (a INT); RETURN 1; END",
                 "CREATE OR REPLACE PROCEDURE p() BEGIN DECLARE a INT; COMMIT; SET a = makes(); "
                 "RENAME TABLE mine TO theirs; END")
    with programs.connect() as client:
        assert code_of(lambda: client.query("CALL p()")) != 0
    wait_until(lambda: list(programs.consort.backend_states().values()).count("online") < online,
               30, lambda: f"out: {programs.consort.get('/backends')}")
    for server in programs.servers:
        assert not server.query("SHOW TABLES FROM test LIKE 'theirs'")
