"""MariaDB's C client library by ctypes: what real clients make of arrays, cursors and pipelines."""

import ctypes
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_size_t, c_uint, c_ulong, c_ulonglong, c_void_p

MULTI_STATEMENTS = 1 << 16
TYPE_LONG, TYPE_STRING = 3, 254
ATTR_CURSOR_TYPE, ATTR_PREFETCH_ROWS, ATTR_PREBIND_PARAMS, ATTR_ARRAY_SIZE = 1, 2, 200, 201


class Bind(ctypes.Structure):
    """MYSQL_BIND."""

    _fields_ = [("length", POINTER(c_ulong)), ("is_null", c_void_p), ("buffer", c_void_p),
                ("error", c_void_p), ("indicator", c_void_p), ("store_param", c_void_p),
                ("fetch_result", c_void_p), ("skip_result", c_void_p), ("buffer_length", c_ulong),
                ("offset", c_ulong), ("length_value", c_ulong), ("flags", c_uint),
                ("pack_length", c_uint), ("buffer_type", c_int), ("error_value", c_char),
                ("is_unsigned", c_char), ("long_data_used", c_char), ("is_null_value", c_char),
                ("extension", c_void_p)]


def _load():
    library = ctypes.CDLL("libmariadb.so.3")
    for name, result, *arguments in (
            ("mysql_init", c_void_p, c_void_p),
            ("mysql_real_connect", c_void_p, c_void_p, c_char_p, c_char_p, c_char_p, c_char_p, c_uint,
             c_char_p, c_ulong),
            ("mysql_error", c_char_p, c_void_p), ("mysql_close", None, c_void_p),
            ("mysql_query", c_int, c_void_p, c_char_p), ("mysql_next_result", c_int, c_void_p),
            ("mysql_store_result", c_void_p, c_void_p), ("mysql_free_result", None, c_void_p),
            ("mysql_affected_rows", c_ulonglong, c_void_p),
            ("mysql_stmt_init", c_void_p, c_void_p), ("mysql_stmt_close", c_char, c_void_p),
            ("mysql_stmt_error", c_char_p, c_void_p), ("mysql_stmt_execute", c_int, c_void_p),
            ("mysql_stmt_fetch", c_int, c_void_p),
            ("mysql_stmt_affected_rows", c_ulonglong, c_void_p),
            ("mysql_stmt_attr_set", c_char, c_void_p, c_int, c_void_p),
            ("mysql_stmt_bind_param", c_char, c_void_p, c_void_p),
            ("mysql_stmt_bind_result", c_char, c_void_p, c_void_p),
            ("mysql_stmt_prepare", c_int, c_void_p, c_char_p, c_ulong),
            ("mariadb_stmt_execute_direct", c_int, c_void_p, c_char_p, c_size_t)):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Connection:
    """A MYSQL handle."""

    def __init__(self, port, user, password, database):
        self.library = _load()
        self.handle = self.library.mysql_init(None)
        connected = self.library.mysql_real_connect(
            self.handle, b"127.0.0.1", user.encode(), password.encode(), database.encode(), port,
            None, MULTI_STATEMENTS)
        assert connected, self.library.mysql_error(self.handle)

    def close(self):
        self.library.mysql_close(self.handle)

    def query_all(self, sql):
        """Affected rows, or None for rows, of each result."""
        library, results = self.library, []
        assert library.mysql_query(self.handle, sql.encode()) == 0, library.mysql_error(self.handle)
        while True:
            rows = library.mysql_store_result(self.handle)
            results.append(None if rows else library.mysql_affected_rows(self.handle))
            if rows:
                library.mysql_free_result(rows)
            more = library.mysql_next_result(self.handle)
            assert more <= 0, library.mysql_error(self.handle)
            if more < 0:
                return results

    def insert_array(self, sql, ids, texts):
        """INSERT of (INT, text or None) as arrays: prepared and executed in one flush, then executed
        again with ids moved on by their number. Affected rows of both."""
        library, count = self.library, len(ids)
        statement = library.mysql_stmt_init(self.handle)
        for attribute, value in ((ATTR_PREBIND_PARAMS, 2), (ATTR_ARRAY_SIZE, count)):
            library.mysql_stmt_attr_set(statement, attribute, byref(c_uint(value)))
        numbers = (c_int * count)(*ids)
        values = (c_char_p * count)(*(text or b"" for text in texts))
        lengths = (c_ulong * count)(*(len(text or b"") for text in texts))
        nulls = ctypes.create_string_buffer(bytes(text is None for text in texts), count)
        binds = (Bind * 2)()
        binds[0].buffer, binds[0].buffer_type = ctypes.cast(numbers, c_void_p), TYPE_LONG
        binds[1].buffer, binds[1].buffer_type = ctypes.cast(values, c_void_p), TYPE_STRING
        binds[1].length, binds[1].indicator = lengths, ctypes.cast(nulls, c_void_p)
        assert library.mysql_stmt_bind_param(statement, binds) == b"\0"
        affected = []
        text = sql.encode()
        for execute in (lambda: library.mariadb_stmt_execute_direct(statement, text, len(text)),
                        lambda: library.mysql_stmt_execute(statement)):
            assert execute() == 0, library.mysql_stmt_error(statement)
            affected.append(library.mysql_stmt_affected_rows(statement))
            for index in range(count):
                numbers[index] += count
        library.mysql_stmt_close(statement)
        return affected

    def numbers_by_cursor(self, sql, rows_at_once):
        """The INT column of a query, fetched through a cursor."""
        library = self.library
        statement = library.mysql_stmt_init(self.handle)
        for attribute, value in ((ATTR_CURSOR_TYPE, 1), (ATTR_PREFETCH_ROWS, rows_at_once)):
            library.mysql_stmt_attr_set(statement, attribute, byref(c_ulong(value)))
        text = sql.encode()
        assert library.mysql_stmt_prepare(statement, text, len(text)) == 0
        assert library.mysql_stmt_execute(statement) == 0, library.mysql_stmt_error(statement)
        number, binds, got = c_int(), (Bind * 1)(), []
        binds[0].buffer, binds[0].buffer_type = ctypes.cast(byref(number), c_void_p), TYPE_LONG
        library.mysql_stmt_bind_result(statement, binds)
        while library.mysql_stmt_fetch(statement) == 0:
            got.append(number.value)
        assert not library.mysql_stmt_error(statement), library.mysql_stmt_error(statement)
        library.mysql_stmt_close(statement)
        return got
