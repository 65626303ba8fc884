import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { openDatabase, openDatabaseForReading, SCHEMA_VERSION } from './sqlite.ts';

function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'amanat-store-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

for (const [code, version] of [
  ['store-newer', SCHEMA_VERSION + 1],
  ['store-older', SCHEMA_VERSION - 1],
] as const) {
  test(`a store of another layout is refused and left as it is: ${code}`, (t) => {
    const path = join(folder(t), 'store.db');
    openDatabase(path).close();
    const raw = new DatabaseSync(path);
    raw.exec(`PRAGMA user_version = ${version}`);
    raw.close();
    assert.throws(() => openDatabase(path), { code });
    assert.throws(() => openDatabaseForReading(path), { code });
  });
}

test('another program’s file, and one that is no database, are refused', (t) => {
  const directory = folder(t);
  const other = join(directory, 'other.db');
  const raw = new DatabaseSync(other);
  raw.exec('CREATE TABLE contacts (name TEXT)');
  raw.close();
  assert.throws(() => openDatabase(other), { code: 'store-not-ours' });
  const text = join(directory, 'text.db');
  writeFileSync(text, 'not a database, but long enough to be looked at '.repeat(100));
  assert.throws(() => openDatabase(text), { code: 'store-not-ours' });
});

test('a missing folder is an error with a code, not an empty store', (t) => {
  const path = join(folder(t), 'missing', 'store.db');
  assert.throws(() => openDatabase(path), { code: 'store-unavailable' });
  assert.throws(() => openDatabaseForReading(path), { code: 'store-unavailable' });
});

test('what a transaction wrote before it threw is not there, and the error passes through', (t) => {
  const database = openDatabase(join(folder(t), 'store.db'));
  t.after(() => database.close());
  database.exec('CREATE TABLE numbers (n INTEGER PRIMARY KEY) STRICT');
  const add = database.prepare('INSERT INTO numbers VALUES (?)');
  const mistake = new RangeError('ours');
  const failing = () =>
    database.transaction(() => {
      add.run(1);
      throw mistake;
    });
  assert.throws(failing, mistake);
  assert.throws(() =>
    database.transaction(() => {
      add.run(2);
      add.run(2);
    }),
  );
  assert.deepEqual(database.prepare('SELECT n FROM numbers').all(), []);
  database.transaction(() => add.run(3));
  assert.equal(database.prepare('SELECT n FROM numbers').get()?.n, 3);
});

test('a full store fails the transaction whole, and takes the next one once there is room', (t) => {
  const database = openDatabase(join(folder(t), 'store.db'));
  t.after(() => database.close());
  database.exec('CREATE TABLE blobs (id INTEGER PRIMARY KEY, bytes BLOB) STRICT');
  const add = database.prepare('INSERT INTO blobs (bytes) VALUES (?)');
  database.exec('PRAGMA max_page_count = 20');
  const fill = () =>
    database.transaction(() => {
      for (let i = 0; i < 100; i++) add.run(Buffer.alloc(4000));
    });
  assert.throws(fill, { code: 'store-full' });
  database.exec('PRAGMA max_page_count = 1000');
  assert.equal(database.prepare('SELECT count(*) AS n FROM blobs').get()?.n, 0);
  fill();
  assert.equal(database.prepare('SELECT count(*) AS n FROM blobs').get()?.n, 100);
});

test('commits are synced, deleted bytes overwritten, and the file its owner’s alone', (t) => {
  const path = join(folder(t), 'store.db');
  const database = openDatabase(path);
  t.after(() => database.close());
  const pragma = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  assert.equal(pragma('journal_mode'), 'wal');
  assert.equal(pragma('synchronous'), 2);
  assert.equal(pragma('secure_delete'), 1);
  assert.equal(pragma('temp_store'), 2);
  database.exec('CREATE TABLE numbers (n INTEGER) STRICT');
  for (const file of [path, `${path}-wal`]) assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(database.integrity(), []);
});
