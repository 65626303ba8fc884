import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { drawGeneration, KeyRing } from './key-ring.ts';
import { rootInMemory } from './providers/root.ts';
import { FIRST_GENERATION } from './slots.ts';
import { KeeperStore } from './store.ts';

const ONE = "X'01'";
const TWO = "X'02'";

let dir: string;
let path: string;
let ring: KeyRing;
let store: KeeperStore;
let isOpen: boolean;
const root = rootInMemory(createSecretKey(randomBytes(32)), randomBytes);
const first = await drawGeneration(root, FIRST_GENERATION);
const generations = new Map([[first.generation, first.key]]);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'amanat-row-sum-'));
  path = join(dir, 'keeper.db');
  store = KeeperStore.create(path);
  isOpen = true;
  store.transaction(() => {
    ring = KeyRing.begin(store, root, first);
    ring.secret('index/telecom/cnic');
    for (const subject of [1, 2]) {
      ring.drawSubjectKey(Buffer.from([subject]), 'subject');
      store.run('INSERT INTO codes VALUES (?, ?)', Buffer.from([subject]), randomBytes(32));
      store.run('UPDATE subjects SET protected = ?', subject - 1);
    }
    store.run('INSERT INTO people VALUES (?, 1, 7, NULL, NULL, 0)', Buffer.from([9]));
    store.run('INSERT INTO bindings VALUES (?, ?)', Buffer.from([1]), Buffer.from([2]));
    store.run("INSERT INTO used VALUES ('2026-11-23', 'officer o-1', 49)");
    store.run("INSERT INTO suspended VALUES ('k', 1)");
    store.run("INSERT INTO meta VALUES ('time', ?)", 1_764_154_980_123);
    store.run('INSERT INTO look_ups VALUES (1, ?, ?, ?)', ring.random(16), ring.random(500), null);
    store.beginSum(ring.rowSumKeys());
  });
});
afterEach(() => {
  leave();
  rmSync(dir, { recursive: true });
});

function leave(): void {
  if (isOpen) store.close();
  isOpen = false;
}

/** Opens it as the keeper does when it starts. */
function reopen(): void {
  leave();
  store = KeeperStore.open(path);
  isOpen = true;
  store.authenticate(new KeyRing(store, root, generations).rowSumKeys());
}

/** What somebody does who has the file, and no key. */
function tamper(...sql: readonly string[]): void {
  leave();
  const db = new DatabaseSync(path, { defensive: false });
  for (const each of sql) db.exec(each);
  db.close();
}

describe('a database that somebody else has changed is not opened', () => {
  const changed = /keeper database was changed by somebody else/;
  const cases: Readonly<Record<string, readonly string[]>> = {
    'a value': ["UPDATE used SET count = 48 WHERE name = 'officer o-1'"],
    'a value of any type': ["UPDATE meta SET value = value + 1 WHERE name = 'time'"],
    'a value by another of its looks': [
      "UPDATE meta SET value = CAST(value AS TEXT) WHERE name = 'time'",
    ],
    'nothing to an empty value': [`UPDATE subjects SET chain = X'' WHERE subject = ${ONE}`],
    'a sealed draft': ['UPDATE look_ups SET draft = randomblob(500)'],
    'a look-up’s subject': [`UPDATE look_ups SET subject = ${TWO}`],
    'a protection': [`UPDATE subjects SET protected = 0 WHERE subject = ${TWO}`],
    'a name by what follows its end': ["UPDATE used SET name = name || char(0) || 'x'"],
    'where one value ends and the next begins': ["UPDATE used SET day = '', name = day || name"],
    'a row deleted': ['DELETE FROM suspended'],
    'a row inserted': ["INSERT INTO spent_hashes VALUES ('h', 1)"],
    'a key deleted': ["DELETE FROM secrets WHERE name = 'index/telecom/cnic'"],
    'values swapped between two people': [
      'CREATE TEMP TABLE was AS SELECT * FROM subjects',
      `UPDATE subjects SET subject_slot = (SELECT subject_slot FROM was WHERE subject <> subjects.subject)`,
    ],
    'codes swapped between two people': [
      'CREATE TEMP TABLE was AS SELECT * FROM codes',
      'DELETE FROM codes',
      `INSERT INTO codes SELECT CASE subject WHEN ${ONE} THEN ${TWO} ELSE ${ONE} END, lookup FROM was`,
    ],
    'a row moved to another table': [
      'INSERT INTO aliases SELECT * FROM bindings',
      'DELETE FROM bindings',
    ],
    'the sum deleted': ['DELETE FROM row_sum'],
    'the sum cut off': ['UPDATE row_sum SET masked = substr(masked, 1, 95)'],
    'the sum under another nonce': [
      'UPDATE row_sum SET masked = CAST(zeroblob(32) || substr(masked, 33) AS BLOB)',
    ],
    'the sum by a byte': [
      `UPDATE row_sum SET masked = CAST(substr(masked, 1, 95) ||
        CASE substr(masked, 96) WHEN X'00' THEN X'01' ELSE X'00' END AS BLOB)`,
    ],
    'the sum as if it followed another': [
      "UPDATE row_sum SET masked = CAST(substr(masked, 1, 32) || zeroblob(31) || X'01' || substr(masked, 65) AS BLOB)",
    ],
    'a trigger in the schema': [
      "CREATE TRIGGER t AFTER INSERT ON spent BEGIN DELETE FROM spent WHERE key = 'k'; END",
    ],
    'a view in the schema': ['CREATE VIEW v AS SELECT * FROM used'],
    'an index in the schema': ['CREATE INDEX i ON used (count)'],
    'a table in the schema': ['CREATE TABLE t (a)'],
    'a table made anew with less asked of it': [
      'ALTER TABLE suspended RENAME TO was',
      'CREATE TABLE suspended (key TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID',
      'INSERT INTO suspended SELECT * FROM was',
      'DROP TABLE was',
    ],
  };
  for (const [what, sql] of Object.entries(cases)) {
    it(what, () => {
      tamper(...sql);
      assert.throws(reopen, changed);
    });
  }

  it('a row as it once was', () => {
    const was = store.get("SELECT count FROM used WHERE name = 'officer o-1'")?.count;
    store.run('UPDATE used SET count = 50');
    tamper(`UPDATE used SET count = ${was}`);
    assert.throws(reopen, changed);
  });

  it('the sum as it once was, alone or with all rows but one', () => {
    const old = join(dir, 'old.db');
    reopen();
    leave();
    copyFileSync(path, old);
    reopen();
    store.run('UPDATE used SET count = 50');
    store.run("DELETE FROM suspended WHERE key = 'k'");
    const back = `ATTACH '${old}' AS old; DELETE FROM row_sum; INSERT INTO row_sum SELECT * FROM old.row_sum`;
    tamper(back);
    assert.throws(reopen, changed);
    tamper(`ATTACH '${old}' AS old; INSERT INTO suspended SELECT * FROM old.suspended`);
    assert.throws(reopen, changed);
    tamper('UPDATE used SET count = 49');
    reopen();
  });

  it('its key deleted, or another’s put in its place', () => {
    const other = "SELECT wrapped FROM secrets WHERE name = 'index/telecom/cnic'";
    tamper(`UPDATE secrets SET wrapped = (${other}) WHERE name = 'rows'`);
    assert.throws(reopen, { code: 'bad-ciphertext' });
    tamper("DELETE FROM secrets WHERE name = 'rows'");
    assert.throws(reopen, /lacks a key of its own/);
  });

  it('an index that finds another row than stands in the table', () => {
    tamper(
      'PRAGMA writable_schema = ON',
      "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_people_2') WHERE name = 'sqlite_autoindex_codes_2'",
    );
    assert.throws(reopen, /keeper database is damaged/);
  });

  it('while it is open: the next transaction ends', () => {
    reopen();
    const other = new DatabaseSync(path);
    other.exec('UPDATE used SET count = 0');
    other.close();
    assert.throws(() => store.run("INSERT INTO spent_hashes VALUES ('h', 1)"), changed);
    assert.equal(store.get('SELECT 1 FROM spent_hashes'), undefined);
  });
});

describe('a database as it was left is opened', () => {
  it('after whatever was inserted, replaced, updated, deleted and rolled back', () => {
    const value = fc.nat(3);
    const step = fc.record({
      what: fc.constantFrom('insert', 'ignore', 'replace', 'update', 'move', 'delete', 'clear'),
      table: fc.constantFrom('bindings', 'codes', 'aliases'),
      one: value,
      two: value,
    });
    const transaction = fc.record({ steps: fc.array(step, { maxLength: 6 }), fails: fc.boolean() });
    fc.assert(
      fc.property(fc.array(transaction, { maxLength: 6 }), (transactions) => {
        for (const { steps, fails } of transactions) {
          try {
            store.transaction(() => {
              for (const { what, table, one, two } of steps) {
                const [first, second] = COLUMNS[table];
                const [a, b] = [Buffer.from([one]), Buffer.from([two])];
                if (what === 'insert') store.run(`INSERT INTO ${table} VALUES (?, ?)`, a, b);
                if (what === 'ignore')
                  store.run(`INSERT OR IGNORE INTO ${table} VALUES (?, ?)`, a, b);
                if (what === 'replace')
                  store.run(`INSERT OR REPLACE INTO ${table} VALUES (?, ?)`, a, b);
                if (what === 'update')
                  store.run(`UPDATE ${table} SET ${second} = ? WHERE ${first} = ?`, a, b);
                if (what === 'move')
                  store.run(`UPDATE OR REPLACE ${table} SET ${first} = ? WHERE ${first} = ?`, a, b);
                if (what === 'delete') store.run(`DELETE FROM ${table} WHERE ${first} = ?`, a);
                if (what === 'clear') store.run(`DELETE FROM ${table}`);
              }
              if (fails) throw new Error('rolled back');
            });
          } catch (error) {
            // Two of one key, or what was meant.
            assert.match(String(error), /rolled back|constraint failed/);
          }
        }
        reopen();
      }),
      { numRuns: 60 },
    );
  });

  it('after it was copied while it is open, and so is the copy; it goes on meanwhile', async () => {
    reopen();
    const copy = join(dir, 'copy.db');
    const other = new DatabaseSync(path, { readOnly: true });
    await backup(other, copy);
    other.close();
    store.run('UPDATE used SET count = 50');
    reopen();
    const copied = KeeperStore.open(copy);
    copied.authenticate(new KeyRing(copied, root, generations).rowSumKeys());
    assert.equal(copied.get('SELECT count FROM used')?.count, 49);
    copied.close();
  });

  it('after VACUUM, which moves rows and changes none', () => {
    reopen();
    tamper('VACUUM');
    reopen();
  });

  it('and where no row is another, nothing is written', () => {
    reopen();
    const masked = () => Buffer.from(store.get('SELECT masked FROM row_sum')?.masked as Uint8Array);
    const before = masked();
    store.transaction(() => store.run("INSERT OR REPLACE INTO suspended VALUES ('k', 1)"));
    assert.deepEqual(masked(), before);
    store.run("INSERT OR REPLACE INTO suspended VALUES ('k', 2)");
    const after = masked();
    assert.notDeepEqual(after.subarray(0, 32), before.subarray(0, 32), 'the nonce is another');
    assert.notDeepEqual(after.subarray(32), before.subarray(32));
  });
});

const COLUMNS = {
  bindings: ['lookup', 'subject'],
  codes: ['subject', 'lookup'],
  aliases: ['subject', 'alias'],
} as const;
