import { closeSync, openSync } from 'node:fs';
import type { StatementSync } from 'node:sqlite';
import { DatabaseSync } from 'node:sqlite';

const SCHEMA_VERSION = 1;
/** Pages of WAL before it is written back, 64 MiB: random inserts then share their pages' writes. */
const CHECKPOINT_PAGES = 16_384;

/**
 * keeper.db. Everything is durable before it is answered (WAL, synchronous=FULL), and what is deleted or
 * overwritten is overwritten on the disk (secure_delete). Keys stand in it only wrapped.
 */
const SCHEMA = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
-- Keys by name: generations under the root key, the rest under a generation.
CREATE TABLE secrets (name TEXT PRIMARY KEY, generation INTEGER NOT NULL, wrapped BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE periods (
  holding TEXT, month TEXT, generation INTEGER NOT NULL, wrapped BLOB NOT NULL,
  PRIMARY KEY (holding, month)
) STRICT, WITHOUT ROWID;
-- One fixed slot a key, so that destroying one overwrites just it. view_key and chain are null before her first look-up.
CREATE TABLE subjects (
  subject BLOB PRIMARY KEY, generation INTEGER NOT NULL,
  subject_key BLOB NOT NULL, view_generation INTEGER, view_key BLOB,
  number INTEGER NOT NULL, chain BLOB, protected INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE bindings (lookup BLOB PRIMARY KEY, subject BLOB NOT NULL) STRICT, WITHOUT ROWID;
-- One code a subject: a new one ends the last.
CREATE TABLE codes (subject BLOB PRIMARY KEY, lookup BLOB NOT NULL UNIQUE) STRICT, WITHOUT ROWID;
-- By person, whoever keeps her records: an id under a key of no controller. Her identifier (holder) opens with her code.
CREATE TABLE people (
  person BLOB PRIMARY KEY, protected INTEGER NOT NULL, protection_signed INTEGER NOT NULL,
  code BLOB UNIQUE, holder BLOB, code_signed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Numbers that were asked about before they were bound to this subject.
CREATE TABLE aliases (subject BLOB, alias BLOB, PRIMARY KEY (subject, alias)) STRICT, WITHOUT ROWID;
CREATE TABLE undelivered (subject BLOB, number INTEGER, PRIMARY KEY (subject, number)) STRICT, WITHOUT ROWID;
-- Public entries that took effect, with the keeper's time of taking each.
CREATE TABLE documents (idx INTEGER PRIMARY KEY, time INTEGER NOT NULL, document TEXT NOT NULL, signatures TEXT NOT NULL) STRICT;
CREATE TABLE imports (idx INTEGER PRIMARY KEY, drawn INTEGER NOT NULL) STRICT;
-- Look-ups that have no entry yet. What was prepared of one is in memory alone (see look-ups.ts).
CREATE TABLE look_ups (
  id INTEGER PRIMARY KEY, subject BLOB NOT NULL, draft BLOB NOT NULL, evidence BLOB
) STRICT;
CREATE TABLE spent (
  key TEXT, sequence INTEGER, hash TEXT NOT NULL, awaiting INTEGER NOT NULL, expires INTEGER NOT NULL,
  PRIMARY KEY (key, sequence)
) STRICT, WITHOUT ROWID;
CREATE TABLE spent_hashes (hash TEXT PRIMARY KEY, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE suspended (key TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE used (day TEXT, name TEXT, count INTEGER NOT NULL, PRIMARY KEY (day, name)) STRICT, WITHOUT ROWID;
`;

/** A row as node:sqlite gives it. */
export type Row = Readonly<Record<string, unknown>>;
type Value = null | number | string | Uint8Array;

/** The keeper's database: prepared statements and transactions, and nothing of what they mean. */
export class KeeperStore {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Makes a new database. Throws where the file is a database already; an empty file is taken. */
  static create(path: string): KeeperStore {
    // Made for its owner alone; SQLite gives its journals the same mode.
    closeSync(openSync(path, 'a', 0o600));
    const db = connect(path);
    const version = db.prepare('PRAGMA user_version').get() as { user_version: number };
    if (version.user_version !== 0) {
      db.close();
      throw new Error('keeper database is there already');
    }
    db.exec(`BEGIN; ${SCHEMA} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
    return new KeeperStore(db);
  }

  /** Opens an existing database of this version, whose structure is sound: reads all of it. */
  static open(path: string): KeeperStore {
    const db = connect(path);
    try {
      const version = db.prepare('PRAGMA user_version').get() as { user_version: number };
      if (version.user_version !== SCHEMA_VERSION) {
        throw new Error('keeper database is missing or of another version');
      }
      const found = db.prepare('PRAGMA integrity_check(1)').get() as { integrity_check: string };
      if (found.integrity_check !== 'ok') throw new Error('keeper database is damaged');
      return new KeeperStore(db);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** The first row, or undefined. */
  get(sql: string, ...values: readonly Value[]): Row | undefined {
    return this.#statement(sql).get(...values) as Row | undefined;
  }

  /** Every row. The caller bounds it. */
  all(sql: string, ...values: readonly Value[]): readonly Row[] {
    return this.#statement(sql).all(...values) as readonly Row[];
  }

  /** Gives how many rows changed. */
  run(sql: string, ...values: readonly Value[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  /** One durable transaction: all of it, or nothing of it. */
  transaction<T>(work: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      // SQLite rolls back by itself on some errors, such as a full disk.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.#db.close();
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const prepared = this.#db.prepare(sql);
    this.#statements.set(sql, prepared);
    return prepared;
  }
}

function connect(path: string): DatabaseSync {
  // No statement reaches another file: neither ATTACH nor VACUUM INTO, which attaches what it writes.
  const db = new DatabaseSync(path, { limits: { attach: 0 } });
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA cache_size = -65536; PRAGMA busy_timeout = 5000; PRAGMA temp_store = MEMORY;`);
  return db;
}
