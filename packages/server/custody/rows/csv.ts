import type { Declaration } from '@amanat/core/grants';
import type { Rejection, Row, RowBatch, RowValue, Totals } from './codes.ts';
import type { Encoding } from './encoding.ts';
import { toUtf8 } from './encoding.ts';
import type { FieldParser } from './fields.ts';
import { makeFieldParser } from './fields.ts';
import type { FileRefusal } from './headings.ts';
import { HEADING_BYTES_MAX, planColumns } from './headings.ts';
import type { IdentifierRule } from './identifiers.ts';
import type { Mapping } from './mapping.ts';
import type { RawRow } from './splitter.ts';
import { ROW_BYTES_MAX, ROW_LINES_MAX, RowSplitter } from './splitter.ts';

/** How many rows a batch holds, taken and rejected together, unless told otherwise. */
const BATCH_ROWS_DEFAULT = 512;

/** How a file of rows is to be read. */
export interface CsvOptions {
  readonly identifiers: IdentifierRule;
  readonly mapping?: Mapping;
  /** The encoding of a file without a byte order mark; UTF-8 unless declared. */
  readonly encoding?: Encoding;
  readonly batchRows?: number;
  readonly rowBytesMax?: number;
  readonly rowLinesMax?: number;
}

/** A file whose heading line fits the declaration. `batches` can be read once. */
export interface OpenedCsv {
  readonly ok: true;
  /**
   * Ends with a batch whose totals are the file's, even where the file has no rows. Ending the
   * loop early ends the source.
   */
  readonly batches: AsyncGenerator<RowBatch, void, undefined>;
}

/**
 * Opens a CSV file: reads its heading line, finds delimiter and columns, and refuses the file as a
 * whole where they do not fit the declaration. Rows are then read in flat memory: each is taken
 * with every value in declared order, or rejected with its place and a code, never with a value.
 * Throws only what the source throws.
 */
export async function readCsv(
  source: AsyncIterable<Uint8Array>,
  declaration: Declaration,
  options: CsvOptions,
): Promise<OpenedCsv | FileRefusal> {
  const pieces = toUtf8(source, options.encoding);
  const heading = await readHeading(pieces);
  const plan = heading.ok ? planColumns(heading.text, declaration, options.mapping) : heading;
  if (!heading.ok || !plan.ok) {
    await pieces.return();
    return heading.ok ? (plan as FileRefusal) : heading;
  }
  const splitter = new RowSplitter({
    delimiter: plan.delimiter,
    columns: plan.fieldIndexes.length,
    firstLine: heading.lines + 1,
    bounds: {
      rowBytesMax: options.rowBytesMax ?? ROW_BYTES_MAX,
      rowLinesMax: options.rowLinesMax ?? ROW_LINES_MAX,
    },
  });
  const columns = plan.fieldIndexes.map((index) => makeColumn(declaration, index, options));
  const gather = new Gatherer(columns, declaration.fields.length, splitter, heading.lines - 1);
  const batchRows = options.batchRows ?? BATCH_ROWS_DEFAULT;
  return { ok: true, batches: readBatches(pieces, heading.rest, splitter, gather, batchRows) };
}

async function* readBatches(
  pieces: AsyncGenerator<Uint8Array, void, undefined>,
  first: Uint8Array,
  splitter: RowSplitter,
  gather: Gatherer,
  batchRows: number,
): AsyncGenerator<RowBatch, void, undefined> {
  try {
    for (const raw of splitter.push(first)) {
      gather.add(raw);
      if (gather.size >= batchRows) yield gather.batch();
    }
    for await (const piece of pieces) {
      for (const raw of splitter.push(piece)) {
        gather.add(raw);
        if (gather.size >= batchRows) yield gather.batch();
      }
    }
    for (const raw of splitter.end()) {
      gather.add(raw);
      if (gather.size >= batchRows) yield gather.batch();
    }
    yield gather.batch();
  } finally {
    await pieces.return();
  }
}

interface Column {
  readonly index: number;
  readonly name: string;
  readonly parse: FieldParser;
}

function makeColumn(
  declaration: Declaration,
  index: number | null,
  options: CsvOptions,
): Column | null {
  const field = index === null ? undefined : declaration.fields[index];
  if (index === null || field === undefined) return null;
  return { index, name: field.name, parse: makeFieldParser(field, options.identifiers) };
}

/** Turns split rows into values and gathers them until a batch is asked for. */
class Gatherer {
  readonly #columns: readonly (Column | null)[];
  readonly #fieldCount: number;
  readonly #splitter: RowSplitter;
  readonly #blankBefore: number;
  #rows: Row[] = [];
  #rejections: Rejection[] = [];
  #accepted = 0;
  #rejected = 0;
  constructor(
    columns: readonly (Column | null)[],
    fieldCount: number,
    splitter: RowSplitter,
    blankBefore: number,
  ) {
    this.#columns = columns;
    this.#fieldCount = fieldCount;
    this.#splitter = splitter;
    this.#blankBefore = blankBefore;
  }

  get size(): number {
    return this.#rows.length + this.#rejections.length;
  }

  add(raw: RawRow): void {
    const row = this.#accepted + this.#rejected + 1;
    const { line, lines, fields } = raw;
    if (fields === null || raw.code !== null) {
      this.#reject({ line, lines, row, column: null, code: raw.code ?? 'ragged-row' });
      return;
    }
    const values: RowValue[] = new Array(this.#fieldCount).fill(null);
    for (let at = 0; at < this.#columns.length; at++) {
      const column = this.#columns[at];
      if (column == null) continue;
      const value = column.parse(fields[at] as string);
      if (typeof value === 'string') {
        this.#reject({ line, lines, row, column: column.name, code: value });
        return;
      }
      values[column.index] = value;
    }
    this.#accepted++;
    this.#rows.push({ line, row, values });
  }

  batch(): RowBatch {
    const batch = { rows: this.#rows, rejections: this.#rejections, totals: this.#totals() };
    this.#rows = [];
    this.#rejections = [];
    return batch;
  }

  #reject(rejection: Rejection): void {
    this.#rejected++;
    this.#rejections.push(rejection);
  }

  #totals(): Totals {
    return {
      lines: this.#splitter.line - 1,
      blankLines: this.#blankBefore + this.#splitter.blankLines,
      rows: this.#accepted + this.#rejected,
      accepted: this.#accepted,
      rejected: this.#rejected,
    };
  }
}

type Heading =
  | { readonly ok: true; readonly text: string; readonly lines: number; readonly rest: Uint8Array }
  | FileRefusal;

/** Reads up to the end of the first line that is not blank; what follows comes back as `rest`. */
async function readHeading(pieces: AsyncGenerator<Uint8Array, void, undefined>): Promise<Heading> {
  let bytes = Buffer.alloc(0);
  let at = 0;
  let lines = 0;
  let done = false;
  for (;;) {
    const feed = bytes.indexOf(0x0a, at);
    const back = bytes.indexOf(0x0d, at);
    let end = feed === -1 || (back !== -1 && back < feed) ? back : feed;
    // A CR as the last byte may be half a CRLF.
    if (end === bytes.length - 1 && end === back && !done) end = -1;
    if (end === -1 && done) end = bytes.length;
    if (end === -1) {
      if (bytes.length > HEADING_BYTES_MAX) break;
      const next = await pieces.next();
      if (next.done === true) done = true;
      else bytes = Buffer.concat([bytes, next.value]);
      continue;
    }
    const text = bytes.toString('utf8', at, end);
    const pair = bytes[end] === 0x0d && bytes[end + 1] === 0x0a;
    lines++;
    at = Math.min(end + (pair ? 2 : 1), bytes.length);
    if (at > HEADING_BYTES_MAX + 2) break;
    if (text.trim() !== '') return { ok: true, text, lines, rest: bytes.subarray(at) };
    if (done && at === bytes.length) return { ok: false, code: 'empty-file', names: [] };
  }
  return { ok: false, code: 'bad-heading', names: [] };
}
