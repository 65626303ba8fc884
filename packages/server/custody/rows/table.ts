import { Readable } from 'node:stream';
import type { Declaration } from '@amanat/core/grants';
import type { RowBatch } from './codes.ts';
import type { CsvOptions } from './csv.ts';
import { openCsv } from './csv.ts';
import type { Encoding } from './encoding.ts';
import { toUtf8 } from './encoding.ts';
import type { GatherOptions, OpenedSource } from './gather.ts';
import { gatherRows } from './gather.ts';
import type { FileRefusal } from './headings.ts';
import { refuse } from './headings.ts';
import { openJsonLines } from './json-lines.ts';
import type { XlsxOptions } from './xlsx/xlsx.ts';
import { countSheetRows, openXlsx, WORKBOOK_BYTES_MAX } from './xlsx/xlsx.ts';

/** How many bytes are looked at before a file's format is known: blank ones at its beginning count. */
const LOOK_BYTES_MAX = 64 * 1024;
const ZIP = Buffer.from('PK\x03\x04', 'latin1');
/** The Compound File of older Office files, and of newer ones with a password. */
const COMPOUND = Buffer.from('d0cf11e0a1b11ae1', 'hex');
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** What tells a text's format: its first sign that is not blank, behind a bracket the second. */
const beginning = /^\s*(?:[^\s[]|\[\s*\S)/;
const object = /^\s*\{/;
const array = /^\s*\[\s*[{[\]]/;

/** How a file of rows is to be read. */
export interface TableOptions extends GatherOptions, CsvOptions, XlsxOptions {
  /** The encoding of a text without a byte order mark; UTF-8 unless declared. A workbook says its own. */
  readonly encoding?: Encoding;
}

/** A file whose columns fit the declaration. `batches` can be read once. */
export interface OpenedTable {
  readonly ok: true;
  /**
   * Ends with a batch whose totals are the file's, even where the file has no rows. Ending the
   * loop early ends the source.
   */
  readonly batches: AsyncGenerator<RowBatch, void, undefined>;
}

/**
 * Opens a file of rows, CSV, JSON Lines or a workbook, by what it holds and whatever its name, and refuses it as a whole
 * where it does not fit the declaration. Rows are then read in flat memory: each is taken with every value in declared
 * order, or rejected with its place and a code, never with a value. Throws only what the source throws.
 */
export async function readTable(
  source: AsyncIterable<Uint8Array>,
  declaration: Declaration,
  options: TableOptions,
): Promise<OpenedTable | FileRefusal> {
  const bytes = iterate(source);
  const opened = await openSource(bytes, declaration, options);
  if (!opened.ok) {
    await bytes.return();
    return opened;
  }
  return { ok: true, batches: closing(gatherRows(opened.source, declaration, options), bytes) };
}

async function openSource(
  bytes: Bytes,
  declaration: Declaration,
  options: TableOptions,
): Promise<OpenedSource> {
  const { head, all } = await peek(bytes, ({ length }) => length >= COMPOUND.length);
  if (startsWith(head, COMPOUND)) return refuse('old-workbook');
  if (startsWith(head, ZIP)) return openXlsx(all, declaration, options);
  if (options.sheet !== undefined) return refuse('no-such-sheet');
  const text = toUtf8(all, options.encoding);
  const begun = await peek(text, (bytes) => beginning.test(bytes.toString('latin1')));
  const first = begun.head.toString('latin1');
  if (array.test(first)) return refuse('json-array');
  const open = object.test(first) ? openJsonLines : openCsv;
  return open(begun.all, declaration, options);
}

/**
 * Counts what may be rows in a file as its bytes pass, for a bound: of a workbook the rows of the sheet that is read, of
 * a text the ends of lines, since a quoted row may span lines, and a last row may lack its end.
 */
export class RowBound {
  readonly #sheet: string | undefined;
  #head = Buffer.alloc(0);
  /** Of a workbook, all of it, up to its bound. */
  #chunks: Uint8Array[] | null = [];
  #bytes = 0;
  #ends = 0;
  #last = 0;

  constructor(sheet: string | undefined) {
    this.#sheet = sheet;
  }

  take(chunk: Buffer): void {
    if (chunk.length === 0) return;
    if (this.#head.length < ZIP.length)
      this.#head = Buffer.concat([this.#head, chunk.subarray(0, ZIP.length)]);
    this.#bytes += chunk.length;
    const isWorkbook = ZIP.subarray(0, this.#head.length).equals(
      this.#head.subarray(0, ZIP.length),
    );
    if (!isWorkbook || this.#bytes > WORKBOOK_BYTES_MAX) this.#chunks = null;
    this.#chunks?.push(chunk);
    this.#countEnds(chunk);
  }

  /** At the file's end: no more rows than this, or why the file is refused. */
  async rows(): Promise<{ readonly ok: true; readonly rows: number } | FileRefusal> {
    if (!startsWith(this.#head, ZIP)) return { ok: true, rows: this.#ends + 1 };
    if (this.#chunks === null) return refuse('workbook-too-large');
    return countSheetRows(Readable.from(this.#chunks), this.#sheet);
  }

  /** Every LF, and every CR that no LF follows. */
  #countEnds(chunk: Buffer): void {
    for (let at = chunk.indexOf(CARRIAGE_RETURN); at !== -1; ) {
      if (chunk[at + 1] !== LINE_FEED) this.#ends += 1;
      at = chunk.indexOf(CARRIAGE_RETURN, at + 1);
    }
    for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, at + 1)) {
      this.#ends += 1;
    }
    // A CR and its LF in two chunks were counted twice.
    if (this.#last === CARRIAGE_RETURN && chunk[0] === LINE_FEED) this.#ends -= 1;
    this.#last = chunk[chunk.length - 1] as number;
  }
}

type Bytes = AsyncGenerator<Uint8Array, void, undefined>;

async function* iterate(source: AsyncIterable<Uint8Array>): Bytes {
  yield* source;
}

/** Reads until enough is seen, and gives what was seen, and all of it again with what follows. */
async function peek(
  pieces: Bytes,
  isEnough: (head: Buffer) => boolean,
): Promise<{ readonly head: Buffer; readonly all: Bytes }> {
  let head = Buffer.alloc(0);
  while (head.length < LOOK_BYTES_MAX && !isEnough(head)) {
    const next = await pieces.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  return { head, all: following(head, pieces) };
}

async function* following(head: Buffer, pieces: Bytes): Bytes {
  yield head;
  yield* pieces;
}

/** Passes batches on, and ends what they are read from however they end. */
async function* closing(
  batches: AsyncGenerator<RowBatch, void, undefined>,
  bytes: Bytes,
): AsyncGenerator<RowBatch, void, undefined> {
  try {
    yield* batches;
  } finally {
    await bytes.return();
  }
}

function startsWith(head: Buffer, signature: Buffer): boolean {
  return head.subarray(0, signature.length).equals(signature);
}
