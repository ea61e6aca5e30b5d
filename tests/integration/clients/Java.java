// The suite of MariaDB Connector/J: both protocols, its batches, its streaming, its metadata.
import java.io.ByteArrayInputStream;
import java.io.StringReader;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.*;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

public class Java {
  private static String env(String name) {
    return System.getenv("CLIENT_" + name);
  }

  private static void say(String name, Object... values) {
    StringBuilder text = new StringBuilder(name).append(':');
    for (Object value : values) {
      String one = value instanceof byte[] ? Arrays.toString((byte[]) value) : String.valueOf(value);
      text.append(" '").append(one.length() > 2000 ? one.length() + " characters" : one).append('\'');
    }
    System.out.println(text.toString().replace("\n", "\\n").replace("\r", "\\r").replace("\0", "\\0"));
  }

  // The driver puts its own number of the connection before a server's text.
  private static void fail(String name, SQLException error) {
    String text = String.valueOf(error.getMessage()).replaceAll("\\(conn=[0-9]+\\)", "(conn)");
    say(name, "error", error.getErrorCode(), error.getSQLState(), error.getClass().getSimpleName(),
        text.split("\n")[0]);
  }

  interface Work {
    void run() throws Exception;
  }

  private static void attempt(String name, Work work) {
    try {
      work.run();
    } catch (SQLException error) {
      fail(name, error);
    } catch (Exception error) {
      say(name, error.toString());
    }
  }

  private static Connection connect(String options) throws SQLException {
    return DriverManager.getConnection(
        "jdbc:mariadb://" + env("HOST") + ":" + env("PORT") + "/" + env("DATABASE") + "?user="
            + env("USER") + "&password=" + env("PASSWORD") + "&allowLocalInfile=true&allowPublicKeyRetrieval=true" + options);
  }

  private static void rows(String name, ResultSet result) throws SQLException {
    ResultSetMetaData meta = result.getMetaData();
    for (int i = 1; i <= meta.getColumnCount(); i++) {
      say(name + " column", meta.getColumnLabel(i), meta.getColumnTypeName(i), meta.getColumnClassName(i),
          meta.getPrecision(i), meta.getScale(i), meta.isNullable(i), meta.isAutoIncrement(i),
          meta.getTableName(i));
    }
    while (result.next()) {
      Object[] values = new Object[meta.getColumnCount()];
      for (int i = 0; i < values.length; i++) {
        try {
          values[i] = result.getString(i + 1);
        } catch (SQLException error) {
          values[i] = error.getMessage();
        }
      }
      say(name, values);
    }
  }

  private static void results(String name, Statement statement, boolean isRows) throws SQLException {
    while (true) {
      if (isRows) {
        rows(name, statement.getResultSet());
      } else if (statement.getUpdateCount() == -1) {
        break;
      } else {
        say(name, "count", statement.getUpdateCount());
      }
      isRows = statement.getMoreResults();
    }
    for (SQLWarning one = statement.getWarnings(); one != null; one = one.getNextWarning()) {
      say(name, "warning", one.getErrorCode(), one.getMessage());
    }
  }

  private static void run(Connection on, String name, String sql) {
    attempt(name, () -> {
      try (Statement statement = on.createStatement()) {
        results(name, statement, statement.execute(sql));
      }
    });
  }

  private static void prepared(Connection on, String name, String sql, Object... values) {
    attempt(name, () -> {
      try (PreparedStatement statement = on.prepareStatement(sql)) {
        for (int i = 0; i < values.length; i++) {
          statement.setObject(i + 1, values[i]);
        }
        results(name, statement, statement.execute());
      }
    });
  }

  private static List<String> lines(String file) throws Exception {
    List<String> found = new ArrayList<>();
    for (String line : Files.readAllLines(Path.of(env("SQL"), file + ".sql"))) {
      if (!line.isEmpty() && !line.startsWith("-- ")) {
        found.add(line);
      }
    }
    return found;
  }

  private static void play(Connection on, String file) throws Exception {
    int number = 0;
    for (String sql : lines(file)) {
      run(on, file + " " + number++ + " " + sql.substring(0, Math.min(40, sql.length())), sql);
    }
  }

  private static void types(Connection on, String label) throws Exception {
    for (String table : new String[] {"numbers", "strings", "times"}) {
      prepared(on, label + " " + table, "SELECT * FROM " + table + " WHERE id > ? ORDER BY id", 0);
    }
    Object[] values = {null, Long.MIN_VALUE, 1.5, new BigDecimal("12345678901234567890.00000001"), true, "",
        "Gr\u00fc\u00dfe \ud83d\ude00'\"\\\0", new byte[] {0, -1, 39}, Date.valueOf("1000-01-01"),
        LocalDateTime.of(2024, 2, 29, 23, 59, 59, 999999000), Time.valueOf("23:59:59")};
    for (int i = 0; i < values.length; i++) {
      prepared(on, label + " value " + i, "SELECT ? AS v", values[i]);
    }
    int number = 0;
    for (String sql : lines("errors")) {
      prepared(on, label + " errors " + number++, sql);
    }
    attempt(label + " streams", () -> {
      try (PreparedStatement statement = on.prepareStatement("SELECT LENGTH(?), LENGTH(?)")) {
        statement.setBinaryStream(1, new ByteArrayInputStream(new byte[3 << 20]));
        statement.setCharacterStream(2, new StringReader("\u00fc".repeat(100000)));
        rows(label + " streams", statement.executeQuery());
      }
    });
    attempt(label + " batch", () -> {
      run(on, label + " batch", "DROP TABLE IF EXISTS batched");
      run(on, label + " batch", "CREATE TABLE batched (id INT PRIMARY KEY, v VARCHAR(20))");
      try (PreparedStatement statement = on.prepareStatement("INSERT INTO batched VALUES (?, ?)")) {
        for (int i = 0; i < 200; i++) {
          statement.setInt(1, i);
          statement.setString(2, i % 7 == 0 ? null : "value " + i);
          statement.addBatch();
        }
        int total = 0;
        for (int one : statement.executeBatch()) {
          total += one == Statement.SUCCESS_NO_INFO ? 1 : one;
        }
        say(label + " batch", total);
        statement.setInt(1, 5);
        statement.setString(2, "again");
        statement.addBatch();
        statement.executeBatch();
      }
    });
    run(on, label + " batched", "SELECT COUNT(*), COUNT(v), SUM(id) FROM batched");
  }

  private static void transactions() throws Exception {
    Connection one = connect("");
    run(one, "create", "CREATE TABLE moved (id INT PRIMARY KEY)");
    one.setAutoCommit(false);
    run(one, "insert", "INSERT INTO moved VALUES (1), (2)");
    one.rollback();
    run(one, "rollback", "SELECT COUNT(*) FROM moved");
    Savepoint point = one.setSavepoint("point");
    run(one, "insert", "INSERT INTO moved VALUES (1)");
    run(one, "duplicate", "INSERT INTO moved VALUES (1)");
    one.rollback(point);
    run(one, "insert", "INSERT INTO moved VALUES (3)");
    one.commit();
    one.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
    say("isolation", one.getTransactionIsolation(), one.getAutoCommit());
    one.setReadOnly(true);
    run(one, "read only", "INSERT INTO moved VALUES (9)");
    one.rollback();
    one.setReadOnly(false);
    run(one, "deleted", "DELETE FROM moved");
    one.close();
    run(connect(""), "never committed", "SELECT COUNT(*) FROM moved");
  }

  private static void procedures(Connection on) throws Exception {
    attempt("call", () -> {
      try (CallableStatement call = on.prepareCall("{call in_out(?, ?, ?)}")) {
        call.setInt(1, 5);
        call.setInt(2, 10);
        call.registerOutParameter(2, Types.INTEGER);
        call.registerOutParameter(3, Types.VARCHAR);
        results("call", call, call.execute());
        say("call", call.getInt(2), call.getString(3));
      }
    });
    attempt("function", () -> {
      try (CallableStatement call = on.prepareCall("{? = call twice(?)}")) {
        call.registerOutParameter(1, Types.INTEGER);
        call.setInt(2, 21);
        call.execute();
        say("function", call.getInt(1));
      }
    });
    prepared(on, "two sets", "CALL two_sets()");
  }

  private static void session(Connection on) throws Exception {
    DatabaseMetaData meta = on.getMetaData();
    say("server", meta.getDatabaseProductName(), meta.getDatabaseProductVersion(), meta.getDatabaseMajorVersion());
    rows("tables", meta.getTables(env("DATABASE"), null, "%", new String[] {"TABLE", "VIEW"}));
    rows("columns", meta.getColumns(env("DATABASE"), null, "part", "%"));
    rows("keys", meta.getPrimaryKeys(env("DATABASE"), null, "part"));
    rows("imported", meta.getImportedKeys(env("DATABASE"), null, "part"));
    rows("procedures", meta.getProcedureColumns(env("DATABASE"), null, "in_out", "%"));
    attempt("generated", () -> {
      try (Statement statement = on.createStatement()) {
        statement.executeUpdate("INSERT INTO counted (name) VALUES ('java')", Statement.RETURN_GENERATED_KEYS);
        ResultSet keys = statement.getGeneratedKeys();
        keys.next();
        run(on, "generated", "SELECT COUNT(*) FROM counted WHERE id = " + keys.getLong(1));
      }
    });
    attempt("streamed", () -> {
      try (Statement statement = on.createStatement()) {
        statement.setFetchSize(100);
        ResultSet result = statement.executeQuery("SELECT seq FROM seq_1_to_5000");
        long sum = 0;
        while (result.next()) {
          sum += result.getLong(1);
        }
        say("streamed", sum);
      }
    });
    attempt("timeout", () -> {
      try (Statement statement = on.createStatement()) {
        statement.setQueryTimeout(1);
        rows("timeout", statement.executeQuery("SELECT SLEEP(3)"));
      }
    });
    Path path = Path.of(env("DIR"), "load.tsv");
    StringBuilder text = new StringBuilder();
    for (int i = 10; i < 3000; i++) {
      text.append(i).append('\n');
    }
    Files.write(path, text.toString().getBytes(StandardCharsets.UTF_8));
    run(on, "load", "LOAD DATA LOCAL INFILE '" + path + "' INTO TABLE moved");
    on.setCatalog("test");
    say("catalog", on.getCatalog(), on.isValid(2));
  }

  public static void main(String[] arguments) throws Exception {
    System.setOut(new java.io.PrintStream(System.out, true, "UTF-8"));
    Connection one = connect("&dumpQueriesOnException=false");
    play(one, "schema");
    play(one, "statements");
    play(one, "errors");
    one.close();
    types(connect(""), "text");
    types(connect("&useServerPrepStmts=true"), "binary");
    types(connect("&useServerPrepStmts=true&useBulkStmts=true&rewriteBatchedStatements=false"), "bulk");
    attempt("rewritten", () -> types(connect("&rewriteBatchedStatements=true"), "rewritten"));
    transactions();
    procedures(connect(""));
    session(connect(""));
    attempt("multi", () -> run(connect("&allowMultiQueries=true"), "multi", "SELECT 1; SELECT 2, 3"));
    attempt("tls", () -> run(connect("&useSsl=true&serverSslCert=" + env("CA")), "tls", "SELECT 'secret'"));
    attempt("compressed", () -> run(connect("&useCompression=true"), "compressed", "SELECT LENGTH(REPEAT('x', 1000000))"));
    attempt("pool", () -> {
      String url = "&pool=true&maxPoolSize=2&poolName=own";
      try (Connection first = connect(url)) {
        run(first, "pooled", "SET @left = 1, autocommit = 0");
      }
      try (Connection second = connect(url)) {
        run(second, "pooled again", "SELECT @@autocommit, 'alive'");
      }
    });
    attempt("wrong password", () -> DriverManager.getConnection("jdbc:mariadb://" + env("HOST") + ":" + env("PORT") + "/", env("USER"), "wrong"));
    System.exit(0);
  }
}
