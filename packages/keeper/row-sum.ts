import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { MacKey } from '@amanat/core/keys';
import { encodeNames } from '@amanat/core/keys';

/** What is said where the database is not what the keeper left. */
export const CHANGED = 'keeper database was changed by somebody else';

/** Where the sum stands, itself no part of it. */
const TABLE = 'row_sum';
/** By which SQL hands on a row, to be added or taken away. */
const FUNCTION = 'amanat_row';
const ADDED = 1;
const TAKEN = -1;

/**
 * What the sum takes of columns that are sealed: of a draft its tag, and nothing of the evidence beside it, with which the
 * draft is sealed (draft-seal.ts). They are the longest of all, and pass by with every request.
 */
const SEALED: Readonly<Record<string, (value: string) => string>> = {
  'look_ups.draft': (value) => `hex(substr(${value}, -16))`,
  'look_ups.evidence': () => "''",
};

const WORDS = 8;
const WORD = 2 ** 32;
const NONCE_BYTES = 32;
/** What is written: a nonce, that of the change before, and the sum under both. */
const SUM_AT = 2 * NONCE_BYTES;
const MASKED_BYTES = SUM_AT + 4 * WORDS;
const ROWS_AT_A_TIME = 1_000;
// Longer rows are few; this spares the others an allocation.
const scratch = Buffer.alloc(8_192);

/** Writes the sum, as `RowSum.write` gives it. */
export const WRITE_SUM = `INSERT OR REPLACE INTO ${TABLE} VALUES (1, ?)`;

/** By which a state of the rows is known, and the one that it came from by one transaction. Both are drawn. */
export interface RowsHead {
  readonly nonce: Buffer;
  readonly previous: Buffer;
}

/** What a sum is made with: a key that stands wrapped in the database that it is of, and random bytes. */
export interface RowSumKeys {
  readonly key: MacKey;
  readonly random: (bytes: number) => Uint8Array;
}

/**
 * Authenticates all rows of keeper.db together, so that whoever lacks the root key changes, adds, drops, moves or brings
 * back none of them unseen: the sum of each row's HMAC modulo 2^256, written by each transaction. What is written has
 * one more HMAC added to it, of a nonce drawn each time, so that it tells neither sums nor their differences
 * (MSet-Add-Hash: Clarke, Devadas, van Dijk, Gassend, Suh, ASIACRYPT 2003). That the whole database is older than it was
 * it does not show; of two copies it shows whether they are the same, or one is the other before its last change.
 *
 * Changes come in by triggers that are the connection's own: no code that writes has to think of them, and nothing in the
 * file can take them away.
 */
export class RowSum {
  readonly #key: MacKey;
  readonly #random: (bytes: number) => Uint8Array;
  readonly #read: StatementSync;
  readonly #write: StatementSync;
  readonly #version: StatementSync;
  readonly #sum = new Uint32Array(WORDS);
  /** The sum of what is durable. */
  readonly #durable = new Uint32Array(WORDS);
  /** Of what is durable. */
  #head: RowsHead = { nonce: Buffer.alloc(NONCE_BYTES), previous: Buffer.alloc(NONCE_BYTES) };
  /** Of what the transaction under way has written; null before it has. */
  #next: RowsHead | null = null;
  /** SQLite's count of what other connections have written. */
  readonly #others: unknown;

  private constructor(db: DatabaseSync, { key, random }: RowSumKeys) {
    this.#key = key;
    this.#random = random;
    this.#read = db.prepare(`SELECT masked FROM ${TABLE} WHERE id = 1`);
    this.#write = db.prepare(WRITE_SUM);
    this.#version = db.prepare('PRAGMA data_version');
    this.#others = this.#version.get()?.data_version;
    let calls = 0;
    // Direct: no trigger, view or constraint of the file may call it.
    db.function(FUNCTION, { directOnly: true }, (sign, row) => {
      add(this.#sum, sign as number, key.digest(asciiBytes(row as string)));
      return ++calls % ROWS_AT_A_TIME === 0 ? 1 : 0;
    });
    for (const table of tablesOf(db)) {
      // Every row is added in passing. What SQLite hands to a function is held until it next gives a row.
      const rows = db.prepare(`SELECT 1 FROM main.${table.name} WHERE ${callFor(table, ADDED)}`);
      for (const _ of rows.iterate());
    }
  }

  /** Begins with what a new database has, in the transaction that fills it. */
  static begin(db: DatabaseSync, keys: RowSumKeys): RowSum {
    const sum = new RowSum(db, keys);
    watch(db);
    return sum;
  }

  /** Reads all rows. @throws Error where they are not those that were left */
  static open(db: DatabaseSync, keys: RowSumKeys): RowSum {
    const sum = RowSum.#check(db, keys);
    watch(db);
    return sum;
  }

  /** Reads all rows of a copy that is written to by others' statements. @throws Error as {@link open} */
  static headOf(db: DatabaseSync, keys: RowSumKeys): RowsHead {
    return RowSum.#check(db, keys).head;
  }

  static #check(db: DatabaseSync, keys: RowSumKeys): RowSum {
    const sum = new RowSum(db, keys);
    const head = sum.#headAsWritten();
    if (head === null) throw new Error(CHANGED);
    sum.#next = head;
    sum.keep();
    return sum;
  }

  /** Of what is durable. */
  get head(): RowsHead {
    return this.#head;
  }

  /** First in a transaction. @throws Error where another connection has written since the rows were read */
  requireAlone(): void {
    if (this.#version.get()?.data_version !== this.#others) throw new Error(CHANGED);
  }

  /** Last in a transaction. Gives what was written: nothing, where no row is another. */
  write(): Buffer | null {
    if (this.#sum.every((word, at) => word === this.#durable[at])) return null;
    const next = { nonce: Buffer.from(this.#random(NONCE_BYTES)), previous: this.#head.nonce };
    const masked = this.#mask(next);
    this.#write.run(masked);
    this.#next = next;
    return masked;
  }

  /** The transaction is durable. */
  keep(): void {
    this.#durable.set(this.#sum);
    this.#head = this.#next ?? this.#head;
    this.#next = null;
  }

  /** The transaction was rolled back. */
  takeBack(): void {
    this.#sum.set(this.#durable);
    this.#next = null;
  }

  /** What the written sum is under; null where it is not that of the rows. */
  #headAsWritten(): RowsHead | null {
    const written = this.#read.get()?.masked;
    if (!(written instanceof Uint8Array) || written.length !== MASKED_BYTES) return null;
    const nonce = Buffer.from(written.subarray(0, NONCE_BYTES));
    const previous = Buffer.from(written.subarray(NONCE_BYTES, SUM_AT));
    return this.#mask({ nonce, previous }).equals(written) ? { nonce, previous } : null;
  }

  /** Both nonces, and the sum under them. The HMAC is of no row's: a row begins with a letter, this with a zero byte. */
  #mask({ nonce, previous }: RowsHead): Buffer {
    const masked = this.#sum.slice();
    add(masked, ADDED, this.#key.digest(encodeNames('nonce', nonce, previous)));
    const bytes = Buffer.alloc(MASKED_BYTES);
    bytes.set(nonce);
    bytes.set(previous, NONCE_BYTES);
    for (const [at, word] of masked.entries()) bytes.writeUInt32LE(word, SUM_AT + 4 * at);
    return bytes;
  }
}

/** Has every change of a row call for the sum, from here on. */
function watch(db: DatabaseSync): void {
  for (const table of tablesOf(db)) db.exec(triggersOn(table));
}

/** Adds a number of 256 bits to a sum, or takes it away, modulo 2^256; least word first. */
function add(sum: Uint32Array, sign: number, digest: Buffer): void {
  let carry = 0;
  for (let at = 0; at < WORDS; at++) {
    const word = (sum[at] as number) + sign * digest.readUInt32LE(4 * at) + carry;
    // The array keeps it modulo 2^32; the carry is 1, 0 or -1.
    sum[at] = word;
    carry = Math.floor(word / WORD);
  }
}

function asciiBytes(row: string): Uint8Array {
  if (row.length > scratch.length) return Buffer.from(row, 'latin1');
  return scratch.subarray(0, scratch.write(row, 'latin1'));
}

/** A table of the schema. */
interface Table {
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}

function tablesOf(db: DatabaseSync): readonly Table[] {
  const tables = db.prepare("SELECT name FROM main.sqlite_schema WHERE type = 'table'").all();
  const names = tables.map(({ name }) => String(name)).filter((name) => name !== TABLE);
  const columnsOf = db.prepare("SELECT name, type FROM pragma_table_info(?, 'main')");
  return names.map((name) => ({
    name,
    columns: columnsOf.all(name) as unknown as Table['columns'],
  }));
}

function triggersOn(table: Table): string {
  const [added, taken] = [callFor(table, ADDED, 'NEW.'), callFor(table, TAKEN, 'OLD.')];
  return Object.entries({ INSERT: added, DELETE: taken, UPDATE: `${taken}, ${added}` })
    .map(
      ([change, calls]) =>
        `CREATE TEMP TRIGGER ${TABLE}_${change}_${table.name} AFTER ${change} ON main.${table.name}
          BEGIN SELECT ${calls}; END;`,
    )
    .join('\n');
}

/**
 * SQL that hands on a row as text, which leaves SQLite at half of what a blob costs: the table's name and the values,
 * nothing for NULL, integers in decimal, texts and blobs byte by byte in hexadecimal. What type a value has is its
 * column's, to which integrity_check holds it; where the column takes any, it is said.
 */
function callFor({ name, columns }: Table, sign: number, row = ''): string {
  const values = columns.map((column) => {
    const encode = SEALED[`${name}.${column.name}`];
    return encode?.(row + column.name) ?? encodingOf(row + column.name, column.type);
  });
  return `${FUNCTION}(${sign}, concat_ws(' ', '${name}', ${values.join(', ')}))`;
}

function encodingOf(value: string, type: string): string {
  if (type === 'INTEGER') return `coalesce(${value}, '')`;
  const bytes = `iif(${value} IS NULL, '', 'x' || hex(${value}))`;
  return type === 'ANY' ? `typeof(${value}), ${bytes}` : bytes;
}
