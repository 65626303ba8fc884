import { closeSync, openSync } from 'node:fs';
import type { StatementSync } from 'node:sqlite';
import { DatabaseSync } from 'node:sqlite';
import { scrubJournal, shortenJournal } from './journal.ts';
import type { RowSumKeys } from './row-sum.ts';
import { CHANGED, RowSum, WRITE_SUM } from './row-sum.ts';
import { Standby } from './standby.ts';

const SCHEMA_VERSION = 3;
/** Pages of WAL before it is written back, 16 MiB: the batches of an import then share their pages' writes. */
const CHECKPOINT_PAGES = 4_096;

/**
 * keeper.db. Everything is durable before it is answered (WAL, synchronous=FULL), and what is deleted or
 * overwritten is overwritten on the disk (secure_delete). Keys stand in it only wrapped.
 */
const SCHEMA = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
-- Where the root's key is to be had (see roots.ts): 1, the present root; 2, one that is drawn and not adopted.
CREATE TABLE roots (place INTEGER PRIMARY KEY, root TEXT NOT NULL) STRICT;
-- Keys by name, each under a generation.
CREATE TABLE secrets (name TEXT PRIMARY KEY, generation INTEGER NOT NULL, wrapped BLOB NOT NULL) STRICT, WITHOUT ROWID;
-- Wrapped keys that are to be destroyed one day (see slots.ts): a generation's under the root key, with its own number;
-- the rest under a generation. 60 zero bytes under generation 0: destroyed.
CREATE TABLE slots (slot INTEGER PRIMARY KEY, generation INTEGER NOT NULL, wrapped BLOB NOT NULL) STRICT;
CREATE TABLE generations (generation INTEGER PRIMARY KEY, slot INTEGER NOT NULL) STRICT;
CREATE TABLE periods (holding TEXT, month TEXT, slot INTEGER NOT NULL, PRIMARY KEY (holding, month)) STRICT, WITHOUT ROWID;
-- view_slot and chain are null before her first look-up, seal_slot before the first that is sealed; sealed: how many are.
CREATE TABLE subjects (
  subject BLOB PRIMARY KEY, subject_slot INTEGER NOT NULL, view_slot INTEGER,
  number INTEGER NOT NULL, chain BLOB, protected INTEGER NOT NULL, seal_slot INTEGER, sealed INTEGER NOT NULL DEFAULT 0
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
-- Look-ups that are withheld: by their leaf; whose agency's, until when, and what else is known of one (see seals.ts).
CREATE TABLE seals (idx INTEGER PRIMARY KEY, subject BLOB NOT NULL, seal BLOB NOT NULL) STRICT;
-- By the opening's number on her chain, the numbers of the sealed entries that it opened, as JSON.
CREATE TABLE opened (
  subject BLOB, number INTEGER, delivered INTEGER NOT NULL, sealed TEXT NOT NULL, PRIMARY KEY (subject, number)
) STRICT, WITHOUT ROWID;
-- What the log has yet to tell in public: counts by month, and leaves about seals that mean nothing.
CREATE TABLE seal_counts (
  month TEXT, agency TEXT, sealed INTEGER NOT NULL, extended INTEGER NOT NULL, opened INTEGER NOT NULL,
  refused INTEGER NOT NULL, awaited INTEGER NOT NULL, PRIMARY KEY (month, agency)
) STRICT, WITHOUT ROWID;
CREATE TABLE inert_seals (idx INTEGER PRIMARY KEY) STRICT;
-- Public entries that took effect, with the keeper's time of taking each.
CREATE TABLE documents (idx INTEGER PRIMARY KEY, time INTEGER NOT NULL, document TEXT NOT NULL, signatures TEXT NOT NULL) STRICT;
CREATE TABLE imports (idx INTEGER PRIMARY KEY, drawn INTEGER NOT NULL) STRICT;
-- Look-ups that have no entry yet. What was prepared of one is in memory alone (see look-ups.ts).
CREATE TABLE look_ups (
  id INTEGER PRIMARY KEY, subject BLOB NOT NULL, draft BLOB NOT NULL, evidence BLOB
) STRICT;
-- Shreddings by the index of their entry, in the order of the log; generation is null where there was no key.
CREATE TABLE shreds (
  idx INTEGER PRIMARY KEY, kind TEXT NOT NULL, holding TEXT, month TEXT, leaf BLOB NOT NULL,
  generation INTEGER, time INTEGER NOT NULL
) STRICT;
CREATE TABLE spent (
  key TEXT, sequence INTEGER, hash TEXT NOT NULL, awaiting INTEGER NOT NULL, expires INTEGER NOT NULL,
  PRIMARY KEY (key, sequence)
) STRICT, WITHOUT ROWID;
CREATE TABLE spent_hashes (hash TEXT PRIMARY KEY, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE suspended (key TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE used (day TEXT, name TEXT, count INTEGER NOT NULL, PRIMARY KEY (day, name)) STRICT, WITHOUT ROWID;
-- The sum of all rows but its own, masked (see row-sum.ts).
CREATE TABLE row_sum (id INTEGER PRIMARY KEY, masked BLOB NOT NULL) STRICT;
`;

/** A row as node:sqlite gives it. */
export type Row = Readonly<Record<string, unknown>>;
type Value = null | number | string | Uint8Array;

/** The keeper's database: prepared statements and transactions, and nothing of what they mean. */
export class KeeperStore {
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #statements = new Map<string, StatementSync>();
  /** Null until the key is had, which stands in the database itself. */
  #sum: RowSum | null = null;
  #standby: Standby | null = null;

  private constructor(db: DatabaseSync, path: string) {
    this.#db = db;
    this.#path = path;
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
    return new KeeperStore(db, path);
  }

  /**
   * Opens an existing database of this version, whose structure is sound: reads all of it. What stands in it is nobody's
   * word before {@link authenticate}. The sum of the rows says nothing of their order, nor of an index beside them, by
   * which SQLite finds a row or does not: that much is checked here.
   */
  static open(path: string): KeeperStore {
    return new KeeperStore(openSound(path), path);
  }

  /** Has the first sum made of a new database's rows, in the transaction that fills it. */
  beginSum(keys: RowSumKeys): void {
    this.#sum = RowSum.begin(this.#db, keys);
  }

  /**
   * Reads all rows, and holds them against the sum; from here on every change is part of it.
   * @throws Error where they are not those that the keeper left
   */
  authenticate(keys: RowSumKeys): void {
    this.#sum = RowSum.open(this.#db, keys);
  }

  /**
   * Has every change from here on made in a second copy too, which is brought level first.
   * @throws Error where the copy is not the state that this is, nor the one before its last change
   */
  async addStandby(path: string, keys: RowSumKeys): Promise<void> {
    if (this.#sum === null) throw new Error('a standby is of rows that are authenticated');
    const { head } = this.#sum;
    this.#standby = await Standby.open(path, { of: this.#db, head, keys, open: openSound });
  }

  /** The first row, or undefined. */
  get(sql: string, ...values: readonly Value[]): Row | undefined {
    return this.#statement(sql).get(...values) as Row | undefined;
  }

  /** Every row. The caller bounds it. */
  all(sql: string, ...values: readonly Value[]): readonly Row[] {
    return this.#statement(sql).all(...values) as readonly Row[];
  }

  /** Gives how many rows changed. In no transaction it is one of its own, which the sum has to be part of. */
  run(sql: string, ...values: readonly Value[]): number {
    if (this.#sum !== null && !this.#db.isTransaction) {
      return this.transaction(() => this.run(sql, ...values));
    }
    const changes = Number(this.#statement(sql).run(...values).changes);
    this.#standby?.repeat(sql, values, { changes });
    return changes;
  }

  /** Inserts one row, and gives its rowid. Inside a transaction of the caller's. */
  insert(sql: string, ...values: readonly Value[]): number {
    const row = Number(this.#statement(sql).run(...values).lastInsertRowid);
    this.#standby?.repeat(sql, values, { changes: 1, row });
    return row;
  }

  /**
   * One durable transaction: all of it, or nothing of it. With a standby the copy is durable second, so that it is never
   * ahead, and is one change behind at most: then nothing was answered yet.
   */
  transaction<T>(work: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      this.#sum?.requireAlone();
      this.#standby?.begin();
      const result = work();
      const written = this.#sum?.write() ?? null;
      if (written !== null) this.#standby?.repeat(WRITE_SUM, [written], { changes: 1 });
      this.#db.exec('COMMIT');
      this.#sum?.keep();
      this.#standby?.commit();
      return result;
    } catch (error) {
      // SQLite rolls back by itself on some errors, such as a full disk.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      this.#sum?.takeBack();
      this.#standby?.rollBack();
      throw error;
    }
  }

  /**
   * Wipes from the disk what the journal, and the standby's, still hold of rows that are no longer so. Gives false where somebody else reads
   * the database just now: nothing is wiped then.
   */
  scrub(): boolean {
    const isScrubbed = scrubJournal(this.#db, this.#path);
    return (this.#standby?.scrub() ?? true) && isScrubbed;
  }

  /** Scrubs journals that are long, while nobody waits. */
  shorten(): void {
    shortenJournal(this.#db, this.#path);
    this.#standby?.shorten();
  }

  /** SQLite deletes the journal with its last connection: what it held must not stand in blocks that are free. */
  close(): void {
    try {
      this.scrub();
    } finally {
      this.#db.close();
      this.#standby?.close();
    }
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const prepared = this.#db.prepare(sql);
    this.#statements.set(sql, prepared);
    return prepared;
  }
}

/** Opens a database of this version whose structure is sound, and reads all of it. @throws Error */
function openSound(path: string): DatabaseSync {
  const db = connect(path);
  try {
    const { user_version, application_id } =
      db.prepare('SELECT * FROM pragma_user_version, pragma_application_id').get() ?? {};
    if (user_version !== SCHEMA_VERSION || application_id !== 0) {
      throw new Error('keeper database is missing or of another version');
    }
    if (schemaOf(db) !== schemaAsMade()) throw new Error(CHANGED);
    const found = db.prepare('PRAGMA integrity_check(1)').get() as { integrity_check: string };
    if (found.integrity_check !== 'ok') throw new Error('keeper database is damaged');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function connect(path: string): DatabaseSync {
  // No statement reaches another file: neither ATTACH nor VACUUM INTO, which attaches what it writes. What a row replaces
  // is deleted like any other, triggers included (recursive_triggers).
  const db = new DatabaseSync(path, { limits: { attach: 0 } });
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA cache_size = -65536; PRAGMA busy_timeout = 5000; PRAGMA temp_store = MEMORY;
    PRAGMA recursive_triggers = ON;`);
  return db;
}

/** All that is made of the schema, indexes and triggers included, as text. */
function schemaOf(db: DatabaseSync): string {
  const sql = 'SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name';
  return JSON.stringify(db.prepare(sql).all());
}

function schemaAsMade(): string {
  const db = new DatabaseSync(':memory:');
  try {
    db.exec(SCHEMA);
    return schemaOf(db);
  } finally {
    db.close();
  }
}
