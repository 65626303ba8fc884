import { closeSync, openSync } from 'node:fs';
import type { StatementSync } from 'node:sqlite';
import { DatabaseSync } from 'node:sqlite';
import { StorageError, toStorageError } from './errors.ts';

/**
 * The layout that this code writes, to the letter of its SQL. A store of another one is refused, never guessed at.
 */
export const SCHEMA_VERSION = 4;

/** `Aman`: tells our store from any other SQLite file. */
const APPLICATION_ID = 0x416d616e;

/** Memory that SQLite may keep pages in. */
const CACHE_KIB = 65_536;
/** Pages in the WAL (4 KiB each) before they move into the file: fewer moves of pages that are written often. */
const WAL_PAGES = 8_000;
/** The WAL is cut back to this after a checkpoint. */
const WAL_BYTES_MAX = 64 * 1024 * 1024;
/** How long a statement waits for another process, a backup say, before it fails. */
const BUSY_TIMEOUT_MS = 5_000;
/** Prepared statements that are kept: more than all parts have, so that a leak shows as an error. */
const STATEMENTS_MAX = 500;

/**
 * One SQLite file: WAL, every commit synced (`synchronous=FULL`), deleted bytes overwritten (`secure_delete`).
 * Statements are prepared once. Everything is synchronous and one transaction runs at a time.
 */
export class Database {
  readonly path: string;
  readonly #sqlite: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string, sqlite: DatabaseSync) {
    this.path = path;
    this.#sqlite = sqlite;
  }

  /** Runs statements that give no rows, such as `CREATE TABLE IF NOT EXISTS`. @throws StorageError */
  exec(sql: string): void {
    guard(() => this.#sqlite.exec(sql));
  }

  /** The statement of this text, prepared at the first call. Texts are constants: no value is ever put into one. */
  prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    if (this.#statements.size >= STATEMENTS_MAX) throw new Error('too many different statements');
    const statement = guard(() => this.#sqlite.prepare(sql));
    this.#statements.set(sql, statement);
    return statement;
  }

  /**
   * Runs `write` in one transaction: once this returns, all of it is durable; if it throws, none of it is there.
   * Not nested. @throws StorageError where the store is at fault, else what `write` threw
   */
  transaction<T>(write: () => T): T {
    try {
      this.#sqlite.exec('BEGIN IMMEDIATE');
      const result = write();
      this.#sqlite.exec('COMMIT');
      return result;
    } catch (error) {
      this.#rollBack();
      throw toStorageError(error) ?? error;
    }
  }

  /** What is wrong with the file's structure; nothing, in a sound one. Reads all of it. */
  integrity(): readonly string[] {
    const rows = guard(() => this.#sqlite.prepare('PRAGMA integrity_check(20)').all());
    const found = rows.map((row) => String(row.integrity_check));
    return found.length === 1 && found[0] === 'ok' ? [] : found;
  }

  /** All that is made of tables, indexes and triggers, as text: the same of every store of one layout. */
  schema(): string {
    const sql = 'SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name';
    return JSON.stringify(guard(() => this.#sqlite.prepare(sql).all()));
  }

  /** Moves the WAL into the file, so that a copy of the file alone is whole. */
  checkpoint(): void {
    guard(() => this.#sqlite.exec('PRAGMA wal_checkpoint(TRUNCATE)'));
  }

  close(): void {
    this.#statements.clear();
    if (this.#sqlite.isOpen) this.#sqlite.close();
  }

  #rollBack(): void {
    // A full disk may have made SQLite roll back by itself.
    if (!this.#sqlite.isTransaction) return;
    try {
      this.#sqlite.exec('ROLLBACK');
    } catch (error) {
      throw toStorageError(error) ?? error;
    }
  }
}

/**
 * Opens the store, or makes it; its folder must exist. The file is its owner's alone.
 * @throws StorageError 'store-newer' for a later layout, 'store-older' for an earlier one, 'store-not-ours' for
 *   another program's file, others as they fit
 */
export function openDatabase(path: string): Database {
  return guard(() => {
    // SQLite gives the WAL the file's own mode.
    closeSync(openSync(path, 'a', 0o600));
    const sqlite = new DatabaseSync(path, {
      enableForeignKeyConstraints: false,
      timeout: BUSY_TIMEOUT_MS,
    });
    try {
      checkSchema(sqlite);
      configure(sqlite);
    } catch (error) {
      sqlite.close();
      throw error;
    }
    return new Database(path, sqlite);
  });
}

/** Opens the store to read it, beside whoever writes it. @throws StorageError as {@link openDatabase} */
export function openDatabaseForReading(path: string): Database {
  return guard(() => {
    const sqlite = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
    try {
      checkSchema(sqlite);
      sqlite.exec(`PRAGMA cache_size = -${CACHE_KIB}; PRAGMA temp_store = MEMORY`);
    } catch (error) {
      sqlite.close();
      throw error;
    }
    return new Database(path, sqlite);
  });
}

/** An empty store that is gone when it is closed. */
export function databaseInMemory(): Database {
  return new Database(':memory:', new DatabaseSync(':memory:'));
}

function configure(sqlite: DatabaseSync): void {
  const mode = sqlite.prepare('PRAGMA journal_mode = WAL').get()?.journal_mode;
  if (mode !== 'wal')
    throw new StorageError('store-unavailable', 'the store cannot use a WAL here');
  sqlite.exec(`
    PRAGMA synchronous = FULL;
    PRAGMA secure_delete = ON;
    PRAGMA foreign_keys = OFF;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -${CACHE_KIB};
    PRAGMA wal_autocheckpoint = ${WAL_PAGES};
    PRAGMA journal_size_limit = ${WAL_BYTES_MAX};
    PRAGMA user_version = ${SCHEMA_VERSION};
    PRAGMA application_id = ${APPLICATION_ID};
  `);
}

function checkSchema(sqlite: DatabaseSync): void {
  const version = Number(sqlite.prepare('PRAGMA user_version').get()?.user_version);
  const id = Number(sqlite.prepare('PRAGMA application_id').get()?.application_id);
  const tables = Number(sqlite.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.n);
  if (id !== APPLICATION_ID && (id !== 0 || tables > 0)) {
    throw new StorageError('store-not-ours', 'the file is another program’s');
  }
  if (version > SCHEMA_VERSION) {
    throw new StorageError('store-newer', 'the store was written by a newer version: update first');
  }
  if (id === APPLICATION_ID && version < SCHEMA_VERSION) {
    throw new StorageError(
      'store-older',
      'the store was written by an older version: use that one',
    );
  }
}

function guard<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const code = (error as { code?: unknown } | null)?.code;
    if (code === 'ENOENT' || code === 'EACCES' || code === 'EROFS' || code === 'ENOSPC') {
      throw new StorageError('store-unavailable', 'the store’s file cannot be opened', {
        cause: error,
      });
    }
    throw toStorageError(error) ?? error;
  }
}
