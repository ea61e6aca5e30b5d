/* The suite of MariaDB Connector/C: prepared statements in all their forms, bulk execution, cursors,
 * the asynchronous interface, several results. Prints lines `case: result`. */
#include <errmsg.h>
#include <mysql.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 32
#define VALUE_BYTES_MAX 2000
#define MIB (1ul << 20)

static const char *setting(const char *name) {
  const char *value = getenv(name);
  return value != NULL ? value : "";
}

static void say_bytes(const char *bytes, unsigned long size) {
  for (unsigned long i = 0; i < size && i < 400; ++i) {
    const unsigned char c = (unsigned char)bytes[i];
    if (c >= 32 && c < 127) {
      putchar(c);
    } else {
      printf("\\x%02x", c);
    }
  }
}

static void say_error(const char *name, unsigned code, const char *state, const char *text) {
  printf("%s: error %u %s ", name, code, state);
  say_bytes(text, strlen(text));
  putchar('\n');
}

static MYSQL *connect_with(unsigned long flags, void (*prepare)(MYSQL *)) {
  MYSQL *mysql = mysql_init(NULL);
  unsigned long bytes_max = 64 * MIB;
  mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &bytes_max);
  if (prepare != NULL) {
    prepare(mysql);
  }
  if (mysql_real_connect(mysql, setting("CLIENT_HOST"), setting("CLIENT_USER"),
                         setting("CLIENT_PASSWORD"), setting("CLIENT_DATABASE"),
                         (unsigned)atoi(setting("CLIENT_PORT")), NULL, flags) == NULL) {
    say_error("connect", mysql_errno(mysql), mysql_sqlstate(mysql), mysql_error(mysql));
  }
  return mysql;
}

static void say_fields(const char *name, MYSQL_RES *result) {
  printf("%s columns:", name);
  for (unsigned i = 0; i < mysql_num_fields(result); ++i) {
    const MYSQL_FIELD *field = mysql_fetch_field_direct(result, i);
    printf(" %s.%s.%s/%s/%s=%d,%lu,%u,%u,%u", field->db, field->org_table, field->org_name,
           field->table, field->name, (int)field->type, field->length, field->flags,
           field->decimals, field->charsetnr);
  }
  putchar('\n');
}

/* All results of what was just sent. */
static void say_results(const char *name, MYSQL *mysql) {
  int more = 0;
  do {
    MYSQL_RES *result = mysql_store_result(mysql);
    if (result == NULL && mysql_errno(mysql) != 0) {
      say_error(name, mysql_errno(mysql), mysql_sqlstate(mysql), mysql_error(mysql));
      return;
    }
    if (result == NULL) {
      printf("%s: ok %lld affected, %u warnings, status %x, info %s\n", name,
             (long long)mysql_affected_rows(mysql), mysql_warning_count(mysql),
             mysql->server_status & 0x33ffu, mysql_info(mysql) ? mysql_info(mysql) : "-");
    } else {
      MYSQL_ROW row;
      say_fields(name, result);
      while ((row = mysql_fetch_row(result)) != NULL) {
        const unsigned long *lengths = mysql_fetch_lengths(result);
        printf("%s:", name);
        for (unsigned i = 0; i < mysql_num_fields(result); ++i) {
          putchar(' ');
          if (row[i] == NULL) {
            printf("NULL");
          } else {
            putchar('\'');
            say_bytes(row[i], lengths[i]);
            putchar('\'');
          }
        }
        putchar('\n');
      }
      printf("%s: %llu rows, %u warnings, status %x\n", name,
             (unsigned long long)mysql_num_rows(result), mysql_warning_count(mysql),
             mysql->server_status & 0x33ffu);
      mysql_free_result(result);
    }
    more = mysql_next_result(mysql);
    if (more > 0) {
      say_error(name, mysql_errno(mysql), mysql_sqlstate(mysql), mysql_error(mysql));
    }
  } while (more == 0);
}

static void query(MYSQL *mysql, const char *name, const char *sql) {
  if (mysql_query(mysql, sql) != 0) {
    say_error(name, mysql_errno(mysql), mysql_sqlstate(mysql), mysql_error(mysql));
  } else {
    say_results(name, mysql);
  }
}

/* ---- prepared statements ------------------------------------------------------------------- */

/* A result's rows as strings, and how long each value is; binary types keep their form. */
static void say_rows(const char *name, MYSQL_STMT *stmt) {
  static char buffers[COLUMNS_MAX][VALUE_BYTES_MAX];
  static unsigned long lengths[COLUMNS_MAX];
  static my_bool nulls[COLUMNS_MAX];
  static my_bool errors[COLUMNS_MAX];
  MYSQL_BIND binds[COLUMNS_MAX];
  const unsigned count = mysql_stmt_field_count(stmt);
  unsigned long rows = 0;
  int fetched = 0;
  memset(binds, 0, sizeof binds);
  for (unsigned i = 0; i < count && i < COLUMNS_MAX; ++i) {
    binds[i].buffer_type = MYSQL_TYPE_STRING;
    binds[i].buffer = buffers[i];
    binds[i].buffer_length = VALUE_BYTES_MAX;
    binds[i].length = &lengths[i];
    binds[i].is_null = &nulls[i];
    binds[i].error = &errors[i];
  }
  if (mysql_stmt_bind_result(stmt, binds) != 0) {
    say_error(name, mysql_stmt_errno(stmt), mysql_stmt_sqlstate(stmt), mysql_stmt_error(stmt));
    return;
  }
  while ((fetched = mysql_stmt_fetch(stmt)) == 0 || fetched == MYSQL_DATA_TRUNCATED) {
    ++rows;
    if (rows > 40) {
      continue;
    }
    printf("%s:", name);
    for (unsigned i = 0; i < count && i < COLUMNS_MAX; ++i) {
      if (nulls[i]) {
        printf(" NULL");
      } else {
        printf(" %lu'", lengths[i]);
        say_bytes(buffers[i], lengths[i] < VALUE_BYTES_MAX ? lengths[i] : VALUE_BYTES_MAX);
        putchar('\'');
      }
    }
    putchar('\n');
  }
  if (fetched == 1) {
    say_error(name, mysql_stmt_errno(stmt), mysql_stmt_sqlstate(stmt), mysql_stmt_error(stmt));
  }
  printf("%s: %lu rows fetched\n", name, rows);
}

static void say_execution(const char *name, MYSQL_STMT *stmt) {
  if (mysql_stmt_execute(stmt) != 0) {
    say_error(name, mysql_stmt_errno(stmt), mysql_stmt_sqlstate(stmt), mysql_stmt_error(stmt));
    return;
  }
  do {
    if (mysql_stmt_field_count(stmt) > 0) {
      say_rows(name, stmt);
    } else {
      printf("%s: ok %lld affected, %u warnings\n", name, (long long)mysql_stmt_affected_rows(stmt),
             mysql_stmt_warning_count(stmt));
    }
  } while (mysql_stmt_next_result(stmt) == 0);
}

static MYSQL_STMT *prepared(MYSQL *mysql, const char *name, const char *sql) {
  MYSQL_STMT *stmt = mysql_stmt_init(mysql);
  if (mysql_stmt_prepare(stmt, sql, strlen(sql)) != 0) {
    say_error(name, mysql_stmt_errno(stmt), mysql_stmt_sqlstate(stmt), mysql_stmt_error(stmt));
    mysql_stmt_close(stmt);
    return NULL;
  }
  printf("%s: prepared, %lu parameters, %u columns\n", name, mysql_stmt_param_count(stmt),
         mysql_stmt_field_count(stmt));
  return stmt;
}

/* Prepares and executes a statement without parameters, twice. */
static void run_prepared(MYSQL *mysql, const char *name, const char *sql) {
  MYSQL_STMT *stmt = prepared(mysql, name, sql);
  if (stmt != NULL) {
    say_execution(name, stmt);
    say_execution(name, stmt);
    mysql_stmt_close(stmt);
  }
}

/* Every line of a shared file, as text or prepared. */
static void play(MYSQL *mysql, const char *file, int by_preparing) {
  char path[1000];
  char *line = NULL;
  size_t room = 0;
  ssize_t size = 0;
  int number = 0;
  snprintf(path, sizeof path, "%s/%s.sql", setting("CLIENT_SQL"), file);
  FILE *in = fopen(path, "r");
  if (in == NULL) {
    printf("%s: cannot be read\n", path);
    exit(1);
  }
  while ((size = getline(&line, &room, in)) > 0) {
    char name[120];
    if (strncmp(line, "-- ", 3) == 0) {
      continue;
    }
    line[size - 1] = '\0';
    snprintf(name, sizeof name, "%s%s %d %.50s", by_preparing ? "prepared " : "", file, number++,
             line);
    if (!by_preparing) {
      query(mysql, name, line);
    } else if (strncmp(line, "USE ", 4) != 0) {
      run_prepared(mysql, name, line);
    }
  }
  free(line);
  fclose(in);
}

/* Every type of parameter into columns that hold it, and back. */
static void parameters(MYSQL *mysql) {
  MYSQL_STMT *stmt = prepared(mysql, "parameters", "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?");
  MYSQL_BIND binds[12];
  signed char tiny = -128;
  unsigned char unsigned_tiny = 255;
  short small = -32768;
  int integer = -2147483647 - 1;
  unsigned long long large = 18446744073709551615ull;
  float real = -1.5f;
  double number = 1.7976931348623157e308;
  char text[] = "Gr\xc3\xbc\xc3\x9f"
                "e\0'\"\\";
  unsigned long text_size = sizeof text - 1;
  MYSQL_TIME date = {0};
  MYSQL_TIME time = {0};
  MYSQL_TIME moment = {0};
  if (stmt == NULL) {
    return;
  }
  date.year = 1000, date.month = 1, date.day = 1, date.time_type = MYSQL_TIMESTAMP_DATE;
  time.hour = 838, time.minute = 59, time.second = 58, time.second_part = 999999, time.neg = 1;
  time.time_type = MYSQL_TIMESTAMP_TIME;
  moment.year = 9999, moment.month = 12, moment.day = 31, moment.hour = 23, moment.minute = 59;
  moment.second = 59, moment.second_part = 1, moment.time_type = MYSQL_TIMESTAMP_DATETIME;
  memset(binds, 0, sizeof binds);
  binds[0].buffer_type = MYSQL_TYPE_TINY, binds[0].buffer = &tiny;
  binds[1].buffer_type = MYSQL_TYPE_TINY, binds[1].buffer = &unsigned_tiny, binds[1].is_unsigned = 1;
  binds[2].buffer_type = MYSQL_TYPE_SHORT, binds[2].buffer = &small;
  binds[3].buffer_type = MYSQL_TYPE_LONG, binds[3].buffer = &integer;
  binds[4].buffer_type = MYSQL_TYPE_LONGLONG, binds[4].buffer = &large, binds[4].is_unsigned = 1;
  binds[5].buffer_type = MYSQL_TYPE_FLOAT, binds[5].buffer = &real;
  binds[6].buffer_type = MYSQL_TYPE_DOUBLE, binds[6].buffer = &number;
  binds[7].buffer_type = MYSQL_TYPE_BLOB, binds[7].buffer = text;
  binds[7].buffer_length = text_size, binds[7].length = &text_size;
  binds[8].buffer_type = MYSQL_TYPE_DATE, binds[8].buffer = &date;
  binds[9].buffer_type = MYSQL_TYPE_TIME, binds[9].buffer = &time;
  binds[10].buffer_type = MYSQL_TYPE_DATETIME, binds[10].buffer = &moment;
  binds[11].buffer_type = MYSQL_TYPE_NULL;
  mysql_stmt_bind_param(stmt, binds);
  say_execution("parameters", stmt);
  binds[0].buffer_type = MYSQL_TYPE_STRING, binds[0].buffer = "other", binds[0].buffer_length = 5;
  binds[1].buffer_type = MYSQL_TYPE_NULL;
  mysql_stmt_bind_param(stmt, binds);
  say_execution("parameters of other types", stmt);
  printf("reset: %d\n", mysql_stmt_reset(stmt));
  say_execution("parameters after reset", stmt);
  mysql_stmt_close(stmt);
}

static void long_data(MYSQL *mysql) {
  MYSQL_STMT *stmt = prepared(mysql, "long data", "SELECT LENGTH(?), MD5(?)");
  MYSQL_BIND binds[2];
  char *piece = malloc(MIB);
  if (stmt == NULL || piece == NULL) {
    return;
  }
  memset(piece, 'x', MIB);
  memset(binds, 0, sizeof binds);
  binds[0].buffer_type = binds[1].buffer_type = MYSQL_TYPE_LONG_BLOB;
  mysql_stmt_bind_param(stmt, binds);
  for (int i = 0; i < 17; ++i) {
    mysql_stmt_send_long_data(stmt, 0, piece, MIB);
  }
  mysql_stmt_send_long_data(stmt, 1, "abc", 3);
  say_execution("long data", stmt);
  mysql_stmt_close(stmt);
  free(piece);
}

/* Rows a few at a time, while other statements run between. */
static void cursor(MYSQL *mysql) {
  unsigned long type = CURSOR_TYPE_READ_ONLY;
  unsigned long ahead = 7;
  MYSQL_STMT *stmt = prepared(mysql, "cursor", "SELECT seq, seq * 2 FROM seq_1_to_30");
  if (stmt == NULL) {
    return;
  }
  mysql_stmt_attr_set(stmt, STMT_ATTR_CURSOR_TYPE, &type);
  mysql_stmt_attr_set(stmt, STMT_ATTR_PREFETCH_ROWS, &ahead);
  say_execution("cursor", stmt);
  if (mysql_stmt_execute(stmt) == 0) {
    int number = 0;
    unsigned long size = 0;
    MYSQL_BIND binds[2];
    memset(binds, 0, sizeof binds);
    binds[0].buffer_type = binds[1].buffer_type = MYSQL_TYPE_LONG;
    binds[0].buffer = binds[1].buffer = &number;
    binds[0].length = binds[1].length = &size;
    mysql_stmt_bind_result(stmt, binds);
    for (int i = 0; i < 10 && mysql_stmt_fetch(stmt) == 0; ++i) {
    }
    printf("cursor half: %d, status %x\n", number, mysql->server_status & 0xc0u);
    query(mysql, "cursor beside", "SELECT 'beside'");
    printf("cursor on: %d\n", mysql_stmt_fetch(stmt));
    printf("cursor closed: %d\n", mysql_stmt_free_result(stmt));
  }
  mysql_stmt_close(stmt);
  query(mysql, "cursor after", "SELECT 'in order'");
}

static void bulk(MYSQL *mysql) {
  int ids[] = {1, 2, 3, 4, 5};
  char *names[] = {"one", "two", NULL, "four", "five"};
  unsigned long sizes[] = {3, 3, 0, 4, 4};
  char marks[] = {STMT_INDICATOR_NONE, STMT_INDICATOR_NONE, STMT_INDICATOR_NULL,
                  STMT_INDICATOR_NONE, STMT_INDICATOR_DEFAULT};
  unsigned rows = 5;
  MYSQL_BIND binds[2];
  query(mysql, "bulk", "CREATE TABLE bulk (id INT PRIMARY KEY, name VARCHAR(10) DEFAULT 'unset')");
  MYSQL_STMT *stmt = prepared(mysql, "bulk", "INSERT INTO bulk VALUES (?, ?)");
  if (stmt == NULL) {
    return;
  }
  memset(binds, 0, sizeof binds);
  binds[0].buffer_type = MYSQL_TYPE_LONG, binds[0].buffer = ids;
  binds[1].buffer_type = MYSQL_TYPE_STRING, binds[1].buffer = names, binds[1].length = sizes;
  binds[1].u.indicator = marks;
  mysql_stmt_attr_set(stmt, STMT_ATTR_ARRAY_SIZE, &rows);
  mysql_stmt_bind_param(stmt, binds);
  say_execution("bulk", stmt);
  say_execution("bulk again", stmt);
  query(mysql, "bulk rows", "SELECT * FROM bulk ORDER BY id");
  mysql_stmt_close(stmt);
}

static void statements(MYSQL *mysql) {
  MYSQL_STMT *stmt = prepared(mysql, "direct", "SELECT 1");
  run_prepared(mysql, "procedure", "CALL two_sets()");
  run_prepared(mysql, "procedure fails", "CALL fails_late()");
  if (stmt != NULL) {
    printf("direct: %d\n", mariadb_stmt_execute_direct(stmt, "SELECT 2, 'direct'", 18));
    say_rows("direct", stmt);
    printf("direct wrong: %d\n", mariadb_stmt_execute_direct(stmt, "SELEC", 5));
    say_error("direct wrong", mysql_stmt_errno(stmt), mysql_stmt_sqlstate(stmt),
              mysql_stmt_error(stmt));
    mysql_stmt_close(stmt);
  }
  /* The table changes between two executions. */
  query(mysql, "changing", "CREATE TABLE changing (a INT)");
  query(mysql, "changing", "INSERT INTO changing VALUES (1)");
  stmt = prepared(mysql, "changing", "SELECT * FROM changing");
  if (stmt != NULL) {
    say_execution("changing", stmt);
    query(mysql, "changing", "ALTER TABLE changing ADD COLUMN b VARCHAR(10) DEFAULT 'new'");
    say_execution("changed", stmt);
    query(mysql, "changing", "DROP TABLE changing");
    say_execution("dropped", stmt);
    mysql_stmt_close(stmt);
  }
}

/* ---- the rest ------------------------------------------------------------------------------ */

static void wait_for(MYSQL *mysql, int *status) {
  struct pollfd one = {mysql_get_socket(mysql), 0, 0};
  one.events = (short)(((*status & MYSQL_WAIT_READ) ? POLLIN : 0) |
                       ((*status & MYSQL_WAIT_WRITE) ? POLLOUT : 0));
  poll(&one, 1, 10000);
  *status = ((one.revents & POLLIN) ? MYSQL_WAIT_READ : 0) |
            ((one.revents & POLLOUT) ? MYSQL_WAIT_WRITE : 0);
}

static void set_nonblocking(MYSQL *mysql) { mysql_options(mysql, MYSQL_OPT_NONBLOCK, 0); }

static void asynchronous(void) {
  MYSQL *mysql = connect_with(0, set_nonblocking);
  MYSQL_RES *result = NULL;
  MYSQL_ROW row = NULL;
  int error = 0;
  unsigned long rows = 0;
  int status =
      mysql_real_query_start(&error, mysql, "SELECT seq, REPEAT('x', 500) FROM seq_1_to_3000", 47);
  while (status != 0) {
    wait_for(mysql, &status);
    status = mysql_real_query_cont(&error, mysql, status);
  }
  printf("async query: %d\n", error);
  result = mysql_use_result(mysql);
  while (result != NULL) {
    status = mysql_fetch_row_start(&row, result);
    while (status != 0) {
      wait_for(mysql, &status);
      status = mysql_fetch_row_cont(&row, result, status);
    }
    if (row == NULL) {
      break;
    }
    ++rows;
  }
  printf("async rows: %lu\n", rows);
  mysql_free_result(result);
  query(mysql, "async after", "SELECT 'in order'");
  mysql_close(mysql);
}

static void commands(MYSQL *mysql) {
  const char *user = setting("CLIENT_USER");
  const char *database = setting("CLIENT_DATABASE");
  printf("server: %s, %lu, protocol %u\n", mysql_get_server_info(mysql),
         mysql_get_server_version(mysql), mysql_get_proto_info(mysql));
  printf("ping: %d\n", mysql_ping(mysql));
  printf("stat: %.6s\n", mysql_stat(mysql) ? mysql_stat(mysql) : "-");
  query(mysql, "thread id", "SET @id = CONNECTION_ID()");
  query(mysql, "state", "SET @x = 1, autocommit = 0, NAMES latin1");
  printf("select_db: %d\n", mysql_select_db(mysql, "test"));
  printf("select_db absent: %d %s\n", mysql_select_db(mysql, "nowhere"), mysql_error(mysql));
  printf("reset: %d\n", mysql_reset_connection(mysql));
  query(mysql, "after reset", "SELECT @x, @@autocommit, @@character_set_client, DATABASE()");
  printf("charset: %d\n", mysql_set_character_set(mysql, "latin1"));
  query(mysql, "in latin1", "SELECT @@character_set_client, 'x'");
  printf("change_user: %d\n", mysql_change_user(mysql, "reader", "reader-secret", database));
  query(mysql, "changed", "SELECT CURRENT_USER(), DATABASE(), @@character_set_client");
  query(mysql, "not allowed", "INSERT INTO item (id, name) VALUES (99, 'x')");
  printf("change_user wrong: %d", mysql_change_user(mysql, user, "wrong", database));
  say_error("", mysql_errno(mysql), mysql_sqlstate(mysql), mysql_error(mysql));
  mysql_close(mysql);
  mysql = connect_with(0, NULL);
  printf("refresh: %d\n", mysql_refresh(mysql, REFRESH_TABLES));
  MYSQL_RES *result = mysql_list_fields(mysql, "times", "t%");
  if (result != NULL) {
    say_fields("list_fields", result);
    mysql_free_result(result);
  }
  result = mysql_list_tables(mysql, "n%");
  printf("list_tables: %llu\n", result ? (unsigned long long)mysql_num_rows(result) : 0ull);
  mysql_free_result(result);
  result = mysql_list_processes(mysql);
  printf("list_processes: %d\n", result != NULL);
  mysql_free_result(result);
  printf("autocommit: %d %d %d\n", mysql_autocommit(mysql, 0), mysql_rollback(mysql),
         mysql_commit(mysql));
  printf("set_option: %d\n", mysql_set_server_option(mysql, MYSQL_OPTION_MULTI_STATEMENTS_ON));
  printf("debug: %d\n", mysql_dump_debug_info(mysql) != 0);
  mysql_close(mysql);
}

static void tracked(MYSQL *mysql) {
  const char *sqls[] = {"USE test", "SET NAMES latin1", "BEGIN", "SELECT 1 FROM DUAL", "COMMIT"};
  for (size_t i = 0; i < sizeof sqls / sizeof sqls[0]; ++i) {
    const char *data = NULL;
    size_t size = 0;
    mysql_query(mysql, sqls[i]);
    mysql_free_result(mysql_store_result(mysql));
    printf("tracked %s:", sqls[i]);
    for (int type = SESSION_TRACK_BEGIN; type <= SESSION_TRACK_STATE_CHANGE; ++type) {
      int missing = mysql_session_track_get_first(mysql, (enum enum_session_state_type)type, &data,
                                                  &size);
      for (; missing == 0; missing = mysql_session_track_get_next(
                               mysql, (enum enum_session_state_type)type, &data, &size)) {
        /* The order of variables is the server's own business. */
        printf(type == SESSION_TRACK_SYSTEM_VARIABLES ? " %d" : " %d=%.*s", type, (int)size, data);
      }
    }
    putchar('\n');
  }
}

static void use_tls(MYSQL *mysql) {
  my_bool verify = 1;
  mysql_ssl_set(mysql, NULL, NULL, setting("CLIENT_CA"), NULL, NULL);
  mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
}

static void use_compression(MYSQL *mysql) { mysql_options(mysql, MYSQL_OPT_COMPRESS, NULL); }

int main(void) {
  MYSQL *mysql = connect_with(0, NULL);
  setvbuf(stdout, NULL, _IOLBF, 0);
  play(mysql, "schema", 0);
  play(mysql, "statements", 0);
  play(mysql, "errors", 0);
  mysql_close(mysql);
  mysql = connect_with(0, NULL);
  run_prepared(mysql, "binary numbers", "SELECT * FROM numbers ORDER BY id");
  run_prepared(mysql, "binary strings", "SELECT * FROM strings ORDER BY id");
  run_prepared(mysql, "binary times", "SELECT * FROM times ORDER BY id");
  parameters(mysql);
  long_data(mysql);
  statements(mysql);
  play(mysql, "errors", 1);
  mysql_close(mysql);
  mysql = connect_with(0, NULL);
  tracked(mysql);
  cursor(mysql);
  mysql_close(mysql);
  mysql = connect_with(0, NULL);
  bulk(mysql);
  mysql_close(mysql);
  asynchronous();
  commands(connect_with(0, NULL));
  mysql = connect_with(CLIENT_MULTI_STATEMENTS, NULL);
  query(mysql, "multi", "SELECT 1; DO 2; SELECT 3, 4; SELECT nothing; SELECT 5");
  mysql_close(mysql);
  mysql = connect_with(CLIENT_FOUND_ROWS, NULL);
  query(mysql, "found rows", "UPDATE item SET qty = qty WHERE id < 3");
  mysql_close(mysql);
  mysql = connect_with(0, use_tls);
  printf("tls: %d\n", mysql_get_ssl_cipher(mysql) != NULL);
  query(mysql, "tls", "SELECT 'secret'");
  mysql_close(mysql);
  mysql = connect_with(0, use_compression);
  query(mysql, "compressed", "SELECT LENGTH(REPEAT('x', 1000000))");
  mysql_close(mysql);
  return 0;
}
