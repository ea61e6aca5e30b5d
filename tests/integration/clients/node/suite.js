// The suite of Node's mysql2 and mariadb: both protocols, pools, streams, batches.
// Usage: suite.js mysql2|mariadb
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const driver = process.argv[2];
const isMysql2 = driver === 'mysql2';
const library = require(isMysql2 ? 'mysql2/promise' : 'mariadb');
const env = (name) => process.env['CLIENT_' + name];

function shown(value) {
  if (Buffer.isBuffer(value)) return 'x' + value.toString('hex').slice(0, 200) + '/' + value.length;
  if (typeof value === 'bigint') return value + 'n';
  if (typeof value === 'string') {
    if (value.length > 2000) {
      return `${value.length} ${crypto.createHash('md5').update(value).digest('hex')}`;
    }
    return JSON.stringify(value);
  }
  if (value instanceof Date) return isNaN(value) ? 'no date' : value.toISOString();
  if (Array.isArray(value)) return '[' + value.map(shown).join(', ') + ']';
  if (value && typeof value === 'object') {
    return '{' + Object.keys(value).map((key) => `${key}=${shown(value[key])}`).join(', ') + '}';
  }
  return String(value);
}

function say(name, ...values) {
  console.log((name + ': ' + values.map(shown).join(' ')).replace(/\n/g, '\\n'));
}

async function attempt(name, work) {
  try {
    await work();
  } catch (error) {
    say(name, 'error', error.errno, error.sqlState, error.sqlMessage || error.message);
  }
}

const common = {
  host: env('HOST'), port: Number(env('PORT')), user: env('USER'), password: env('PASSWORD'),
  database: env('DATABASE'), timezone: 'Z', supportBigNumbers: true, bigNumberStrings: true,
};
const own = isMysql2 ? {} : {
  permitLocalInfile: true, metaAsArray: true, trace: false, allowPublicKeyRetrieval: true,
};

function connect(options = {}) {
  return library.createConnection({...common, ...own, ...options});
}

// Both drivers, one shape: [what came, its columns].
async function query(connection, sql, values) {
  if (isMysql2) return connection.query(sql, values);
  const result = await connection.query({sql, metaAsArray: true}, values);
  return Array.isArray(result) && result.length === 2 ? result : [result, undefined];
}

async function execute(connection, sql, values) {
  if (isMysql2) return connection.execute(sql, values);
  const result = await connection.execute({sql, metaAsArray: true}, values);
  return Array.isArray(result) && result.length === 2 ? result : [result, undefined];
}

function sayColumns(name, columns) {
  for (const column of (columns || []).flat()) {
    if (!column) continue;
    const title = typeof column.name === 'function' ? column.name() : column.name;
    say(name + ' column', title, column.columnType, column.flags, column.columnLength,
        column.decimals ?? column.scale, column.characterSet ?? column.collation?.index);
  }
}

function sayResult(name, result) {
  if (Array.isArray(result)) {
    result.forEach((row) => (Array.isArray(row) ? sayResult(name, row) : sayResult(name, row)));
    say(name, 'rows', result.length);
  } else if (result && result.affectedRows !== undefined) {  // numbers of AUTO_INCREMENT differ
    say(name, 'ok', result.affectedRows, result.info, result.warningStatus);
  } else {
    say(name, result);
  }
}

async function run(connection, name, sql, how = query, values = undefined) {
  await attempt(name, async () => {
    const [result, columns] = await how(connection, sql, values);
    sayColumns(name, columns);
    sayResult(name, result);
  });
}

function lines(file) {
  return fs.readFileSync(path.join(env('SQL'), file + '.sql'), 'utf8').split('\n')
      .filter((line) => line && !line.startsWith('-- '));
}

async function play(connection, file, how = query, name = file) {
  let number = 0;
  for (const sql of lines(file)) {
    await run(connection, `${name} ${number++} ${sql.slice(0, 40)}`, sql, how);
  }
}

async function types(connection) {
  for (const table of ['numbers', 'strings', 'times']) {
    await run(connection, 'binary ' + table, `SELECT * FROM ${table} WHERE id > ? ORDER BY id`,
              execute, [0]);
  }
  const values = [null, 0, -1, 1.5, -1e300, '', 'Gr\u00fc\u00dfe \ud83d\ude00\'"\\\0',
    Buffer.from([0, 255, 39]), true, new Date(Date.UTC(2024, 1, 29, 23, 59, 59, 999)),
    // As long data, which a plain server gets wrong behind a number or a date, but not behind NULL.
    null, Buffer.alloc(3 << 20, 7), isMysql2 ? '9007199254740993' : 9007199254740993n];
  for (let round = 0; round < 3; round++) {  // one statement, other types: on every backend
    for (let i = 0; i < values.length; i++) {
      await run(connection, `value ${round} ${i}`, 'SELECT ? AS v', execute, [values[i]]);
    }
  }
  await play(connection, 'errors', execute, 'prepared errors');
}

async function transactions() {
  const one = await connect();
  await run(one, 'create', 'CREATE TABLE moved (id INT PRIMARY KEY, v LONGBLOB)');
  await one.beginTransaction();
  await run(one, 'insert', 'INSERT INTO moved VALUES (1, 2), (2, 3)', execute);
  await one.rollback();
  await run(one, 'rolled back', 'SELECT COUNT(*) FROM moved');
  await one.beginTransaction();
  await run(one, 'insert', 'INSERT INTO moved VALUES (?, ?)', execute, [1, Buffer.alloc(70000, 1)]);
  await run(one, 'duplicate', 'INSERT INTO moved VALUES (?, ?)', execute, [1, 'x']);
  await one.commit();
  await run(one, 'committed', 'SELECT id, MD5(v) FROM moved');
  await one.beginTransaction();
  await run(one, 'delete', 'DELETE FROM moved');
  await one.end();
  const two = await connect();
  await run(two, 'never committed', 'SELECT COUNT(*) FROM moved');
  await two.end();
}

async function batch(connection) {
  const rows = [];
  for (let i = 10; i < 300; i++) rows.push([i, i % 7 ? 'value ' + i : null]);
  await attempt('batch', async () => {
    const result = isMysql2
        ? (await connection.query('INSERT INTO moved (id, v) VALUES ?', [rows]))[0]
        : await connection.batch('INSERT INTO moved (id, v) VALUES (?, ?)', rows);
    say('batch', result.affectedRows);
  });
  await run(connection, 'batched', 'SELECT COUNT(*), COUNT(v), SUM(id) FROM moved');
}

async function stream(connection) {
  await attempt('stream', () => new Promise((resolve, reject) => {
    const sql = 'SELECT seq FROM seq_1_to_5000';
    const rows = isMysql2 ? connection.connection.query(sql).stream() : connection.queryStream(sql);
    let sum = 0;
    rows.on('data', (row) => { sum += Number(row.seq); });
    rows.on('error', reject);
    rows.on('end', () => { say('stream', sum); resolve(); });
  }));
}

async function load(connection) {
  const file = path.join(env('DIR'), 'load.tsv');
  fs.writeFileSync(file, Array.from({length: 3000}, (_, n) => `${n + 1000}\t${n}\n`).join(''));
  const sql = `LOAD DATA LOCAL INFILE '${file}' INTO TABLE moved`;
  const how = isMysql2
      ? (on) => on.query({sql, infileStreamFactory: (name) => fs.createReadStream(name)}) : query;
  await run(connection, 'load', sql, how);
}

async function session() {
  const one = await connect();
  await batch(one);
  await stream(one);
  await load(one);
  await attempt('insert id', async () => {
    const [result] = await query(one, "INSERT INTO counted (name) VALUES ('node')");
    await run(one, 'insert id', 'SELECT COUNT(*) FROM counted WHERE id = ' + result.insertId);
  });
  await attempt('thread id', async () => {
    const [rows] = await query(one, 'SELECT CONNECTION_ID() AS n');
    say('thread id', Number(rows[0].n) === one.threadId);
  });
  for (const call of ['CALL two_sets()', "SET @b = 1", 'CALL in_out(5, @b, @c)', 'SELECT @b, @c',
    'CALL fails_late()']) {
    await run(one, call, call);
  }
  await attempt('change user', async () => {
    await one.changeUser({...common, user: 'reader', password: 'reader-secret'});
    await run(one, 'change user', 'SELECT CURRENT_USER()');
    await run(one, 'change user', 'INSERT INTO counted (name) VALUES (1)');
    await one.changeUser(common);
  });
  await attempt('reset', async () => {
    await query(one, 'SET @left = 1');
    await one.reset();
    await run(one, 'reset', 'SELECT @left');
  });
  await attempt('ping', () => one.ping());
  await one.end();
}

async function variants() {
  const several = 'SELECT 1; SELECT 2, 3; DO 1; SELECT nothing';
  const ca = fs.readFileSync(env('CA'));
  for (const [name, options, sql] of [
    ['multi', {multipleStatements: true}, several],
    ['not multi', {}, several],
    ['tls', {ssl: {ca, checkServerIdentity: () => undefined}}, "SELECT 'secret'"],
    ['compressed', {compress: true}, "SELECT MD5(REPEAT('x', 1000000)), REPEAT('y', 100000)"],
    ['rows as arrays', {rowsAsArray: true}, 'SELECT 1 AS a, 2 AS a'],
    ['wrong password', {password: 'wrong'}, 'DO 1'],
    ['no database', {database: 'absent'}, 'DO 1'],
  ]) {
    await attempt(name, async () => {
      const one = await connect(options);
      await run(one, name, sql);
      await one.end();
    });
  }
  await attempt('pool', async () => {
    const pool = library.createPool({...common, ...own, connectionLimit: 3});
    const all = await Promise.all(Array.from({length: 20}, (_, n) => query(pool, 'SELECT ? AS n', [n])));
    say('pool', all.map(([rows]) => Number(rows[0].n)).join(' '));
    await pool.end();
  });
}

async function main() {
  const one = await connect();
  for (const file of ['schema', 'statements', 'errors']) await play(one, file);
  await one.end();
  const two = await connect();
  await types(two);
  await two.end();
  await transactions();
  await session();
  await variants();
  process.exit(0);
}

main();
