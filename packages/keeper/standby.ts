import { statSync } from 'node:fs';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { backup } from 'node:sqlite';
import { scrubJournal, shortenJournal } from './journal.ts';
import type { RowSumKeys, RowsHead } from './row-sum.ts';
import { RowSum } from './row-sum.ts';

/** Everything in one step, and so of one moment. */
const ONE_STEP = 2 ** 31 - 1;

type Value = null | number | string | Uint8Array;

/** What a standby is the second copy of. */
interface Original {
  readonly of: DatabaseSync;
  readonly head: RowsHead;
  readonly keys: RowSumKeys;
  /** Opens a keeper's database whose structure is sound. */
  readonly open: (path: string) => DatabaseSync;
}

/**
 * A second copy of keeper.db, on another disk: every change is made in it too, and is durable there before the keeper
 * answers. Row for row it is the same database, sum of the rows included, so that a keeper starts from it as it is.
 */
export class Standby {
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #statements = new Map<string, StatementSync>();
  readonly #version: StatementSync;
  /** SQLite's count of what other connections have written. */
  readonly #others: unknown;

  private constructor(db: DatabaseSync, path: string) {
    this.#db = db;
    this.#path = path;
    this.#version = db.prepare('PRAGMA data_version');
    this.#others = this.#version.get()?.data_version;
  }

  /**
   * Opens the copy, which must be the original's present state. One that lacks its last change, which a crash may have
   * kept from it, is brought level, and so is an empty file: nobody but the operator makes one.
   * @throws Error for any other copy, and where it cannot be written
   */
  static async open(path: string, original: Original): Promise<Standby> {
    const found = statSync(path).size > 0 ? openCopy(path, original) : null;
    const { nonce, previous } = original.head;
    if (found?.head.nonce.equals(nonce)) return new Standby(found.db, path);
    try {
      const isBefore = found?.head.nonce.equals(previous) ?? true;
      if (found !== null && !isBefore) throw new Error(differenceOf(original, found));
      await copy(original.of, path);
    } finally {
      if (found !== null) wipeAndClose(found.db, path);
    }
    const { db } = openCopy(path, original);
    return new Standby(db, path);
  }

  /** @throws Error where another has written to the copy, or it cannot be written */
  begin(): void {
    this.#guard(() => {
      this.#db.exec('BEGIN IMMEDIATE');
      const isAlone = this.#version.get()?.data_version === this.#others;
      if (!isAlone) throw new Error('somebody else has changed it');
    });
  }

  /**
   * Makes a change that was made in the original, where it came to so many rows, and the inserted one to this number.
   * @throws Error as {@link begin}
   */
  repeat(sql: string, values: readonly Value[], made: { changes: number; row?: number }): void {
    this.#guard(() => {
      const { changes, lastInsertRowid } = this.#statement(sql).run(...values);
      const isSame =
        Number(changes) === made.changes && [undefined, Number(lastInsertRowid)].includes(made.row);
      if (!isSame) throw new Error('it is another database');
    });
  }

  /** @throws Error as {@link begin} */
  commit(): void {
    this.#guard(() => this.#db.exec('COMMIT'));
  }

  rollBack(): void {
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
  }

  /** Wipes its journal, as the original's is. Gives false where somebody else reads it just now. */
  scrub(): boolean {
    return scrubJournal(this.#db, this.#path);
  }

  shorten(): void {
    shortenJournal(this.#db, this.#path);
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

  #guard(work: () => void): void {
    try {
      work();
    } catch (cause) {
      throw standbyError(cause);
    }
  }
}

interface Copy {
  readonly db: DatabaseSync;
  readonly head: RowsHead;
}

function openCopy(path: string, { open, keys }: Original): Copy {
  try {
    const db = open(path);
    try {
      return { db, head: RowSum.headOf(db, keys) };
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (cause) {
    throw standbyError(cause);
  }
}

function standbyError(cause: unknown): Error {
  const why = cause instanceof Error ? cause.message : 'unknown failure';
  return new Error(`the standby copy cannot be kept: ${why}`, { cause });
}

/**
 * The journal has all that the copy was brought level with, and SQLite deletes it with its last connection: it must not
 * stand in blocks that are free.
 */
function wipeAndClose(db: DatabaseSync, path: string): void {
  try {
    scrubJournal(db, path);
  } finally {
    db.close();
  }
}

/** Which of two that are not level is the older one, for whoever has to choose. */
function differenceOf({ of, head }: Original, found: Copy): string {
  if (found.head.previous.equals(head.nonce)) {
    return 'keeper database lacks the last change that its standby copy has: restore it from there';
  }
  const [own, copied] = [of, found.db].map(timeOf);
  return (
    'keeper database and its standby copy are not of one state: ' +
    `the database is of ${own}, the copy of ${copied}. Keep the one that is right, and move the other away`
  );
}

/** The keeper's clock when it last changed a row. */
function timeOf(db: DatabaseSync): string {
  const row = db.prepare("SELECT value FROM meta WHERE name = 'time'").get();
  return new Date(Number(row?.value ?? 0)).toISOString();
}

/**
 * Makes the copy the original's present state, in one step by SQLite's own journal: whatever happens meanwhile, it is that
 * state or the one that it was. Nobody uses it.
 */
async function copy(from: DatabaseSync, path: string): Promise<void> {
  try {
    await backup(from, path, { rate: ONE_STEP });
  } catch (cause) {
    throw standbyError(cause);
  }
}
