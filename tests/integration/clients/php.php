<?php
// php.php mysqli|pdo: the suites of PHP's two interfaces (both over mysqlnd).
declare(strict_types=1);
mysqli_report(MYSQLI_REPORT_OFF);

function env(string $name): string
{
    return getenv("CLIENT_$name") ?: '';
}

function say(string $name, mixed ...$values): void
{
    $texts = array_map(
        fn ($v) => is_string($v) && strlen($v) > 2000 ? 'string of ' . strlen($v)
            : (is_string($v) && !preg_match("//u", $v) ? bin2hex($v) : var_export($v, true)),
        $values
    );
    echo $name, ': ', str_replace(["\r", "\n", "\0"], ['\r', '\n', '\0'], implode(' ', $texts)), "\n";
}

function lines(string $file): Generator
{
    foreach (file(env('SQL') . "/$file.sql", FILE_IGNORE_NEW_LINES) as $line) {
        if ($line !== '' && !str_starts_with($line, '-- ')) {
            yield $line;
        }
    }
}

const VALUES = [null, 0, -1, PHP_INT_MAX, PHP_INT_MIN, 1.5, -1e300, '', "Grüße 😀'\"\\\0", '18446744073709551615',
    '9999-12-31 23:59:59.999999', '0000-00-00', '-838:59:59'];

// ---- mysqli

function link_of(int $flags = 0, string $database = '', ?callable $prepare = null): mysqli
{
    $link = mysqli_init();
    $link->options(MYSQLI_OPT_LOCAL_INFILE, true);
    $link->options(MYSQLI_OPT_INT_AND_FLOAT_NATIVE, true);
    if ($prepare !== null) {
        $prepare($link);
    }
    if (!@$link->real_connect(env('HOST'), env('USER'), env('PASSWORD'), $database ?: env('DATABASE'),
        (int)env('PORT'), null, $flags)) {
        say('connect', $link->connect_errno, $link->connect_error);
        return $link;
    }
    $link->set_charset('utf8mb4');
    return $link;
}

function results(mysqli $link, string $name, string $sql, bool $counted = true): void
{
    if (!@$link->multi_query($sql)) {
        say($name, 'error', $link->errno, $link->sqlstate, $link->error);
        return;
    }
    do {
        $result = $link->store_result();
        if ($result) {
            say("$name columns", ...array_map(fn ($f) => "$f->name/$f->type/$f->flags/$f->length/$f->decimals",
                $result->fetch_fields()));
            while ($row = $result->fetch_row()) {
                say($name, ...$row);
            }
            $result->free();
        } elseif ($link->errno) {
            say($name, 'error', $link->errno, $link->sqlstate, $link->error);
        } else {
            say($name, 'ok', $link->affected_rows, $link->warning_count, $link->info,
                $counted && !str_contains($sql, 'counted') ? $link->insert_id : 0);
        }
    } while ($link->more_results() && (@$link->next_result() || say($name, 'error', $link->errno, $link->error)));
}

function execute(mysqli $link, string $name, string $sql, array $values = []): void
{
    $stmt = @$link->prepare($sql);
    if (!$stmt || !@$stmt->execute($values ?: null)) {
        $at = $stmt ?: $link;
        say($name, 'error', $at->errno, $at->sqlstate, $at->error);
        return;
    }
    do {
        $result = $stmt->get_result();
        foreach ($result ? $result->fetch_all(MYSQLI_NUM) : [] as $row) {
            say($name, ...$row);
        }
        say($name, 'ok', $stmt->affected_rows);
    } while ($stmt->more_results() && @$stmt->next_result());
    $stmt->close();
}

function mysqli_suite(): void
{
    $link = link_of();
    foreach (['schema', 'statements', 'errors'] as $file) {
        foreach (lines($file) as $number => $sql) {
            results($link, "$file $number " . substr($sql, 0, 40), $sql);
        }
    }
    $link->close();
    $link = link_of();
    foreach (['numbers', 'strings', 'times'] as $table) {
        execute($link, "binary $table", "SELECT * FROM $table ORDER BY id");
    }
    foreach (VALUES as $number => $value) {
        execute($link, "value $number", 'SELECT ? AS v', [$value]);
    }
    foreach (lines('errors') as $number => $sql) {
        execute($link, "prepared errors $number", $sql);
    }
    execute($link, 'call', 'CALL two_sets()');
    say('server', $link->server_info, $link->server_version, $link->protocol_version, $link->host_info);
    say('stat', substr((string)$link->stat(), 0, 6));
    say('change_user', $link->change_user('reader', 'reader-secret', env('DATABASE')));
    results($link, 'changed', 'SELECT CURRENT_USER()');
    say('change_user wrong', @$link->change_user('reader', 'wrong', ''), $link->errno, $link->error);
    $link = link_of();
    say('autocommit', $link->autocommit(false));
    results($link, 'moved', 'CREATE TABLE moved (id INT PRIMARY KEY)');
    results($link, 'insert', 'INSERT INTO moved VALUES (1)');
    say('rollback', $link->rollback());
    say('begin', $link->begin_transaction(MYSQLI_TRANS_START_READ_ONLY));
    results($link, 'read only', 'INSERT INTO moved VALUES (1)');
    say('commit', $link->commit(), $link->autocommit(true));
    say('savepoint', $link->begin_transaction(), $link->savepoint('s'), $link->release_savepoint('s'));
    results($link, 'insert', 'INSERT INTO moved VALUES (1)');
    say('commit', $link->commit(MYSQLI_TRANS_COR_AND_CHAIN), $link->rollback());
    results($link, 'count', 'SELECT COUNT(*) FROM moved');
    $long = $link->prepare('SELECT LENGTH(?)');
    $null = null;
    $long->bind_param('b', $null);
    for ($i = 0; $i < 3; $i++) {
        $long->send_long_data(0, str_repeat('x', 1 << 20));
    }
    $long->execute();
    say('long data', $long->get_result()->fetch_row());
    $path = env('DIR') . '/load.tsv';
    file_put_contents($path, implode('', array_map(fn ($n) => "$n\n", range(2, 2000))));
    results($link, 'load', "LOAD DATA LOCAL INFILE '$path' INTO TABLE moved");
    $asked = $link->query('SELECT SLEEP(0.05), 1', MYSQLI_ASYNC);
    $read = $error = $reject = [$link];
    while (!mysqli_poll($read, $error, $reject, 1)) {
        $read = $error = $reject = [$link];
    }
    say('async', $link->reap_async_query()->fetch_row());
    results($link, 'multi', 'SELECT 1; SELECT 2');
    $link->close();
    $tls = link_of(MYSQLI_CLIENT_SSL, '', fn ($l) => $l->ssl_set(null, null, env('CA'), null, null));
    results($tls, 'tls', "SELECT 'secret'");
    $persistent = mysqli_init();
    for ($i = 0; $i < 2; $i++) {
        $persistent->real_connect('p:' . env('HOST'), env('USER'), env('PASSWORD'), env('DATABASE'), (int)env('PORT'));
        results($persistent, 'persistent', 'SELECT @kept, @@autocommit');
        results($persistent, 'persistent', 'SET @kept = 1, autocommit = 0');
        $persistent->close();
        $persistent = mysqli_init();
    }
    // Where a server offers no compression mysqlnd compresses all the same, and waits.
    $small = link_of(MYSQLI_CLIENT_COMPRESS, '', fn ($l) => $l->options(MYSQLI_OPT_READ_TIMEOUT, 2));
    results($small, 'compressed', "SELECT LENGTH(REPEAT('x', 1000000))");
}

// ---- PDO

function pdo(array $options = []): PDO
{
    return new PDO('mysql:host=' . env('HOST') . ';port=' . env('PORT') . ';dbname=' . env('DATABASE')
        . ';charset=utf8mb4', env('USER'), env('PASSWORD'), $options);
}

function fetch(PDO $pdo, string $name, string $sql, ?array $values = null): void
{
    try {
        $stmt = $pdo->prepare($sql);
        $stmt->execute($values);
        do {
            for ($i = 0; $i < $stmt->columnCount(); $i++) {
                $meta = $stmt->getColumnMeta($i);
                say("$name column", $meta['name'] ?? '', $meta['native_type'] ?? '', $meta['len'] ?? '',
                    $meta['table'] ?? '', $meta['flags'] ?? '');
            }
            foreach ($stmt->columnCount() ? $stmt->fetchAll(PDO::FETCH_NUM) : [] as $row) {
                say($name, ...$row);
            }
            say($name, 'rows', $stmt->rowCount());
        } while ($stmt->nextRowset());
    } catch (PDOException $error) {
        say($name, $error->errorInfo);
    }
}

function pdo_suite(): void
{
    $pdo = pdo();
    foreach (['schema', 'statements', 'errors'] as $file) {
        foreach (lines($file) as $number => $sql) {
            // A question mark in the text would be a parameter.
            if (!preg_match('/[?]|:[a-z]/', $sql)) {
                fetch($pdo, "$file $number " . substr($sql, 0, 40), $sql);
            }
        }
    }
    foreach ([false, true] as $emulated) {
        $pdo = pdo([PDO::ATTR_EMULATE_PREPARES => $emulated, PDO::ATTR_STRINGIFY_FETCHES => false]);
        $label = $emulated ? 'emulated' : 'native';
        foreach (['numbers', 'strings', 'times'] as $table) {
            fetch($pdo, "$label $table", "SELECT * FROM $table WHERE id > ? ORDER BY id", [0]);
        }
        foreach (VALUES as $number => $value) {
            fetch($pdo, "$label value $number", 'SELECT ? AS v', [$value]);
        }
        foreach (lines('errors') as $number => $sql) {
            if (!str_contains($sql, '?')) {
                fetch($pdo, "$label errors $number", $sql);
            }
        }
        fetch($pdo, "$label call", 'CALL two_sets()');
    }
    foreach ([PDO::ATTR_SERVER_VERSION, PDO::ATTR_CLIENT_VERSION, PDO::ATTR_CONNECTION_STATUS,
        PDO::ATTR_AUTOCOMMIT] as $attribute) {
        say("attribute $attribute", $pdo->getAttribute($attribute));
    }
    say('server info', substr($pdo->getAttribute(PDO::ATTR_SERVER_INFO), 0, 6));
    $pdo->exec('CREATE TABLE moved (id INT PRIMARY KEY)');
    say('begin', $pdo->beginTransaction(), $pdo->inTransaction());
    say('exec', $pdo->exec('INSERT INTO moved VALUES (1), (2)'));
    say('rollback', $pdo->rollBack(), $pdo->inTransaction());
    $pdo->beginTransaction();
    $pdo->exec('INSERT INTO moved VALUES (1)');
    say('commit', $pdo->commit(), $pdo->query('SELECT COUNT(*) FROM moved')->fetchColumn());
    $pdo->beginTransaction();
    $pdo->exec('CREATE TABLE implicit (a INT)');
    say('implicit commit', $pdo->inTransaction());
    $pdo->exec("INSERT INTO counted (name) VALUES ('pdo')");
    say('insert id', $pdo->query('SELECT COUNT(*) FROM counted WHERE id = ' . $pdo->lastInsertId())->fetchColumn());
    $unbuffered = pdo([PDO::MYSQL_ATTR_USE_BUFFERED_QUERY => false]);
    $sum = 0;
    foreach ($unbuffered->query('SELECT seq FROM seq_1_to_5000') as $row) {
        $sum += $row[0];
    }
    say('unbuffered', $sum);
    $stmt = $unbuffered->query('SELECT seq FROM seq_1_to_5000');
    $stmt->fetch();
    $stmt->closeCursor();
    fetch($unbuffered, 'after it', "SELECT 'in order'");
    fetch(pdo([PDO::MYSQL_ATTR_SSL_CA => env('CA'), PDO::MYSQL_ATTR_SSL_VERIFY_SERVER_CERT => false]), 'tls',
        "SELECT 'secret'");
    fetch(pdo([PDO::MYSQL_ATTR_INIT_COMMAND => "SET SESSION sql_mode = 'ANSI'"]), 'init', 'SELECT @@sql_mode');
    fetch(pdo([PDO::MYSQL_ATTR_FOUND_ROWS => true]), 'found rows', 'UPDATE moved SET id = id');
    $multi = pdo([PDO::ATTR_EMULATE_PREPARES => true]);
    fetch($multi, 'multi', 'SELECT 1; SELECT 2');
    try {
        new PDO('mysql:host=' . env('HOST') . ';port=' . env('PORT'), env('USER'), 'wrong');
    } catch (PDOException $error) {
        say('wrong password', $error->errorInfo, $error->getMessage());
    }
}

$argv[1] === 'pdo' ? pdo_suite() : mysqli_suite();
