#!/usr/bin/ruby
# The suite of Ruby's mysql2.
require "mysql2"

$stdout.sync = true

def env(name)
  ENV.fetch("CLIENT_#{name}")
end

def say(name, *values)
  texts = values.map { |v| v.is_a?(String) && v.bytesize > 2000 ? "string of #{v.bytesize}" : v.inspect }
  puts "#{name}: #{texts.join(' ')}".gsub("\n", "\\n")
end

def client(options = {})
  Mysql2::Client.new({ host: env("HOST"), port: env("PORT").to_i, username: env("USER"),
                       password: env("PASSWORD"), database: env("DATABASE"), encoding: "utf8mb4",
                       local_infile: true, database_timezone: :utc }.merge(options))
end

def attempt(name)
  yield
rescue Mysql2::Error => error
  say(name, error.class, error.error_number, error.sql_state, error.message)
rescue StandardError => error
  say(name, error.class, error.message)
end

def lines(file)
  File.readlines(File.join(env("SQL"), "#{file}.sql"), chomp: true, encoding: "UTF-8")
      .reject { |line| line.empty? || line.start_with?("-- ") }
end

def run(client, name, sql)
  attempt(name) do
    result = client.query(sql)
    loop do
      if result
        say("#{name} columns", *result.fields)
        result.each(as: :array) { |row| say(name, *row) }
      end
      say(name, "ok", client.affected_rows, client.warning_count)
      break unless client.next_result
      result = client.store_result
    end
  end
ensure
  client.abandon_results!
end

def execute(client, name, sql, *values)
  attempt(name) do
    statement = client.prepare(sql)
    result = statement.execute(*values, as: :array)
    result&.each { |row| say(name, *row) }
    say(name, "ok", statement.affected_rows, statement.param_count)
    statement.close
  end
end

VALUES = [nil, 0, -1, 2**63 - 1, -2**63, 1.5, -1e300, "", "Grüße 😀'\"\\\0", "\xff\x00".b, true,
          Time.utc(2024, 2, 29, 23, 59, 59, 999_999), Date.new(1000, 1, 1)].freeze

def transactions
  one = client
  one.query("CREATE TABLE moved (id INT PRIMARY KEY)")
  one.query("BEGIN")
  one.query("INSERT INTO moved VALUES (1), (2)")
  say("in transaction", one.query("SELECT COUNT(*) AS n FROM moved").first)
  one.query("ROLLBACK")
  one.query("SET autocommit = 0")
  one.query("INSERT INTO moved VALUES (1)")
  one.query("SAVEPOINT s")
  run(one, "duplicate", "INSERT INTO moved VALUES (1)")
  one.query("ROLLBACK TO s")
  one.query("COMMIT")
  one.query("DELETE FROM moved")
  one.close
  run(client, "never committed", "SELECT COUNT(*) FROM moved")
end

def session
  one = client
  say("server", one.server_info, one.ping, one.encoding)
  say("thread id", one.query("SELECT CONNECTION_ID() AS n").first["n"] == one.thread_id)
  say("select_db", one.select_db("test"))
  attempt("select_db absent") { one.select_db("nowhere") }
  one.query("INSERT INTO #{env('DATABASE')}.counted (name) VALUES ('ruby')")
  say("insert id", one.query("SELECT COUNT(*) AS n FROM #{env('DATABASE')}.counted WHERE id = #{one.last_id}").first)
  path = File.join(env("DIR"), "load.tsv")
  File.write(path, (1..2000).map { |n| "#{n}\n" }.join)
  one.select_db(env("DATABASE"))
  run(one, "load", "LOAD DATA LOCAL INFILE '#{path}' INTO TABLE moved")
  one.query("SELECT SLEEP(0.05), 'later' AS v", async: true)
  say("async", one.async_result.first["v"])
  sum = 0
  one.query("SELECT seq FROM seq_1_to_5000", stream: true, cache_rows: false).each { |row| sum += row["seq"] }
  say("stream", sum)
  attempt("killed") do
    victim = client
    one.query("KILL #{victim.thread_id}")
    victim.query("SELECT 1")
  end
  run(client(flags: Mysql2::Client::MULTI_STATEMENTS), "multi", "SELECT 1; SELECT 2, 3; DO 1")
  run(client(flags: Mysql2::Client::FOUND_ROWS), "found rows", "UPDATE moved SET id = id WHERE id < 4")
  run(client(sslca: env("CA")), "tls", "SELECT 'secret'")
  run(client(init_command: "SET @a = 5"), "init", "SELECT @a")
  attempt("wrong password") { client(password: "wrong") }
end

one = client
%w[schema statements errors].each do |file|
  lines(file).each_with_index { |sql, number| run(one, "#{file} #{number} #{sql[0, 50]}", sql) }
end
one.close
one = client
%w[numbers strings times].each { |table| execute(one, "binary #{table}", "SELECT * FROM #{table} ORDER BY id") }
VALUES.each_with_index { |value, number| execute(one, "value #{number}", "SELECT ? AS v", value) }
lines("errors").each_with_index { |sql, number| execute(one, "prepared errors #{number}", sql) unless sql.start_with?("CALL") }
transactions
session
