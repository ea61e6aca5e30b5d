#!/bin/bash
# programs.sh mariadb|dump|import: the suites of MariaDB's own client programs.
set -uo pipefail
database=$CLIENT_DATABASE
account=(--no-defaults "--host=$CLIENT_HOST" "--port=$CLIENT_PORT" --protocol=tcp
  "--user=$CLIENT_USER" "--password=$CLIENT_PASSWORD")

# The lines that a command prints, each with the case's name before it; then how it ended.
try() {
  local name=$1
  shift
  "$@" 2>&1 | sed -e 's/([0-9.]* sec)/(.. sec)/' -e "s/^/$name: /"
  printf '%s: ended with %s\n' "$name" "${PIPESTATUS[0]}"
}

sql() {
  mariadb "${account[@]}" "$@"
}

# The statements of a file for the mariadb program: one a line there, and they may hold semicolons.
script() {
  printf 'DELIMITER //\n'
  grep -v '^-- ' "$CLIENT_SQL/$1" | sed 's/$/\n\/\//'
}

# Like try, for a script echoed with -vvv: the case is the statement.
play() {
  local name=$1
  shift
  # Lines at once: errors come by another way.
  script "$name.sql" | stdbuf -oL mariadb "${account[@]}" --force -vvv --table \
    --default-character-set=utf8mb4 "$@" "$database" 2>&1 |
    sed -e 's/([0-9.]* sec)/(.. sec)/' -e 's/^\(ERROR [0-9]* ([0-9A-Z]*)\) at line [0-9]*/\1/' |
    awk -v file="$name" '
      /^--------------$/ { echo = !echo; next }
      echo { number++; name = file " " number " " substr($0, 1, 60); next }
      NF { print name ": " $0 }'
}

suite_mariadb() {
  local format
  play schema
  play statements
  play errors
  for format in --batch --table --vertical --html --xml --column-type-info "--batch --raw" --quick \
    "--skip-column-names --silent" "--unbuffered --binary-as-hex"; do
    # shellcheck disable=SC2086 # two options
    try "format $format" sql $format --default-character-set=utf8mb4 "$database" \
      -e "SELECT * FROM numbers; SELECT * FROM strings; SELECT * FROM times; SELECT 1 FROM item WHERE 0"
  done
  try "stops at an error" sql "$database" -e "SELECT 1; SELECT nothing; SELECT 2"
  try "goes on after it" sql --force "$database" -e "SELECT 1; SELECT nothing; SELECT 2"
  try "no database" sql -e "SELECT DATABASE(); USE test; SELECT DATABASE(); SHOW TABLES"
  try "absent database" sql nodatabase -e "SELECT 1"
  try "wrong password" mariadb --no-defaults --host="$CLIENT_HOST" --port="$CLIENT_PORT" \
    --user="$CLIENT_USER" --password=wrong -e "SELECT 1"
  try "tls" sql --ssl-ca="$CLIENT_CA" --ssl-verify-server-cert -e "SELECT 'secret'"
  try "compress" sql --compress -e "SELECT LENGTH(REPEAT('x', 1000000)), 'compressed'"
  try "compression" sql --compress -e "SHOW SESSION STATUS LIKE 'Compression'"
  try "init command" sql --init-command="SET @a = 5" -e "SELECT @a"
  try "safe updates" sql --safe-updates "$database" -e "DELETE FROM item; SELECT @@sql_select_limit"
  try "abort" sql --abort-source-on-error "$database" -e "SELECT nothing; SELECT 2"
  try "comments" sql --comments -e "SELECT /* kept */ 1 -- not kept
    ; # nothing
    SELECT 2 /* end"
  printf 'SELECT 1 AS sourced;\nSELECT 2;\n' >"$CLIENT_DIR/sourced.sql"
  try "commands" sql --default-character-set=utf8mb4 "$database" <<END
source $CLIENT_DIR/sourced.sql
\u test
SELECT DATABASE();
delimiter %%
SELECT 'a;b'%%
delimiter ;
charset latin1
SELECT @@character_set_client;
connect $database
SELECT DATABASE();
warnings
SELECT 1 / 0;
ego
SELECT 1\G
END
  try "status" sql "$database" -e "status" |
    grep -v -e 'Connection id' -e 'TCP port' -e Uptime -e Threads
  local size=$((17 << 20))
  { printf "SELECT LENGTH('" && head -c $size /dev/zero | tr '\0' x && printf "');\n"; } \
    >"$CLIENT_DIR/large.sql"
  try "large packet" sql --max-allowed-packet=64M <"$CLIENT_DIR/large.sql"
  sql --max-allowed-packet=64M --batch --skip-column-names -e "SELECT REPEAT('x', $size)" 2>&1 |
    try "large result" wc -c
  printf '1\tone\n2\ttwo\n2\tagain\n3\tGr\xc3\xbc\xc3\x9fe\nx\n' >"$CLIENT_DIR/some.tsv"
  try "load data" sql --local-infile=1 -vvv "$database" -e "CREATE TABLE loaded (id INT PRIMARY KEY,
    v VARCHAR(20)); LOAD DATA LOCAL INFILE '$CLIENT_DIR/some.tsv' INTO TABLE loaded; SHOW WARNINGS;
    SELECT * FROM loaded ORDER BY id"
  try "load not allowed" sql --local-infile=0 "$database" -e \
    "LOAD DATA LOCAL INFILE '$CLIENT_DIR/some.tsv' INTO TABLE loaded"
  suite_tools
}

# mariadb-admin, mariadb-check, mariadb-show.
suite_tools() {
  try "admin ping" mariadb-admin "${account[@]}" ping
  try "admin create" mariadb-admin "${account[@]}" create "${database}_made"
  try "admin create again" mariadb-admin "${account[@]}" create "${database}_made"
  try "admin drop" mariadb-admin "${account[@]}" --force drop "${database}_made"
  try "admin flush" mariadb-admin "${account[@]}" flush-tables flush-privileges flush-status
  try "admin version" mariadb-admin "${account[@]}" version |
    grep -v -e Uptime -e Threads -e 'TCP port'
  try "admin status" mariadb-admin "${account[@]}" status | sed 's/[0-9.]\+/N/g'
  try "admin wrong" mariadb-admin "${account[@]}" nonsense
  try "check" mariadb-check "${account[@]}" "$database"
  try "check analyze" mariadb-check "${account[@]}" --analyze "$database"
  try "check optimize" mariadb-check "${account[@]}" --optimize "$database" part
  try "check absent" mariadb-check "${account[@]}" "$database" nowhere
  try "show" mariadb-show "${account[@]}" "$database"
  try "show counts" mariadb-show "${account[@]}" --count "$database"
  try "show table" mariadb-show "${account[@]}" "$database" times
  try "show keys" mariadb-show "${account[@]}" --keys "$database" nowhere
}

dump() {
  mariadb-dump "${account[@]}" --skip-dump-date --default-character-set=utf8mb4 "$@"
}

# Dumps, restores into another database, dumps that one: the same text.
there_and_back() {
  local name=$1
  shift
  dump "$@" "$database" >"$CLIENT_DIR/first.sql" 2>"$CLIENT_DIR/errors"
  try "$name dump" cut -c 1-400 "$CLIENT_DIR/errors"
  cut -c 1-400 "$CLIENT_DIR/first.sql" | sed "s/^/$name text: /"
  sql -e "DROP DATABASE IF EXISTS ${database}_back; CREATE DATABASE ${database}_back"
  try "$name restore" sql --default-character-set=utf8mb4 "${database}_back" <"$CLIENT_DIR/first.sql"
  dump "$@" "${database}_back" >"$CLIENT_DIR/second.sql" 2>&1
  try "$name again" diff "$CLIENT_DIR/first.sql" "$CLIENT_DIR/second.sql"
}

suite_dump() {
  script schema.sql | sql --default-character-set=utf8mb4 "$database"
  sql "$database" -e "INSERT INTO item (id, name) SELECT seq, CONCAT('item ', seq) FROM seq_1_to_100;
    INSERT INTO part SELECT id, id FROM item; INSERT INTO counted SELECT id, name FROM item;
    CREATE TABLE wide (id INT PRIMARY KEY, v LONGTEXT, w LONGBLOB);
    INSERT INTO wide SELECT seq, REPEAT(CHAR(64 + seq), 20000), REPEAT(UNHEX(HEX(seq)), 20000) FROM seq_1_to_20"
  there_and_back "transaction" --single-transaction --skip-add-locks --routines --triggers --events
  there_and_back "hex" --single-transaction --skip-add-locks --hex-blob --complete-insert --tz-utc=0
  there_and_back "each row" --single-transaction --skip-opt --quick --create-options --add-drop-table
  there_and_back "replace" --single-transaction --skip-add-locks --replace --skip-disable-keys \
    --no-autocommit --order-by-primary
  try "xml" dump --single-transaction --xml "$database" item numbers |
    sed -E 's/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]+/(time)/g; s/(Cardinality|Rows|[A-Za-z]+_length)="[0-9]+"//g'
  try "no data" dump --single-transaction --no-data --compact "$database"
  try "where" dump --single-transaction --no-create-info --compact --where="id < 5" "$database" item
  try "absent" dump --single-transaction "$database" nowhere
  try "compressed" dump --single-transaction --compress --compact "$database" part
  try "two databases" dump --single-transaction --no-data --databases "$database" "${database}_back"
  try "users" dump --single-transaction --no-data --system=users --compact "$database" item |
    grep -c 'CREATE USER'
  there_and_back "locks" --routines --triggers
}

import() {
  mariadb-import "${account[@]}" --local "$@"
}

suite_import() {
  sql "$database" -e "CREATE TABLE plain (id INT PRIMARY KEY, v VARCHAR(30), d DATETIME(6), b VARBINARY(20));
    CREATE TABLE other LIKE plain"
  awk 'BEGIN { for (i = 0; i < 4000; i++) printf "%d\trow %d\t2024-01-01 00:00:00.%06d\t\\\\\\0x\n", i, i, i }' \
    >"$CLIENT_DIR/plain.tsv"
  awk 'BEGIN { for (i = 0; i < 2000; i++) printf "\"v, %d\",%d\r\n", i, i }' >"$CLIENT_DIR/other.csv"
  printf '1\tagain\t\\N\t\\N\n9999\tnew\n' >"$CLIENT_DIR/plain.more"
  try "tabs" import "$database" "$CLIENT_DIR/plain.tsv"
  try "commas" import --fields-terminated-by=, --fields-optionally-enclosed-by='"' --columns=v,id \
    --lines-terminated-by='\r\n' "$database" "$CLIENT_DIR/other.csv"
  try "duplicate" import "$database" "$CLIENT_DIR/plain.more"
  try "ignore" import --ignore --verbose "$database" "$CLIENT_DIR/plain.more"
  try "replace" import --replace --verbose "$database" "$CLIENT_DIR/plain.more"
  try "kept" sql "$database" -e "CHECKSUM TABLE plain, other; SELECT COUNT(*), MIN(id), MAX(id) FROM plain;
    SELECT * FROM plain WHERE id IN (0, 1, 2, 9999); SELECT * FROM other WHERE id < 2"
  try "delete" import --delete --ignore-lines=3998 --verbose "$database" "$CLIENT_DIR/plain.tsv"
  try "rest" sql "$database" -e "SELECT id, v FROM plain"
  try "low priority" import --low-priority --silent --replace "$database" "$CLIENT_DIR/plain.tsv"
  try "compress" import --compress --replace "$database" "$CLIENT_DIR/plain.tsv"
  cp "$CLIENT_DIR/plain.tsv" "$CLIENT_DIR/other.tsv"
  try "threads" import --use-threads=2 --replace "$database" "$CLIENT_DIR/plain.tsv" \
    "$CLIENT_DIR/other.tsv" | LC_ALL=C sort
  try "locked" import --lock-tables --replace "$database" "$CLIENT_DIR/plain.tsv"
  try "absent table" import "$database" "$CLIENT_DIR/nowhere.tsv"
  cp "$CLIENT_DIR/plain.tsv" "$CLIENT_DIR/nowhere.tsv"
  try "no such table" import "$database" "$CLIENT_DIR/nowhere.tsv"
  try "tls" import --ssl-ca="$CLIENT_CA" --ssl-verify-server-cert --replace "$database" \
    "$CLIENT_DIR/plain.tsv"
  try "end" sql "$database" -e "CHECKSUM TABLE plain, other"
}

"suite_$1"
