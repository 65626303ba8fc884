import type { Declaration } from '@amanat/core/grants';
import type { CellCode, LineCode, Rejection, Row, RowBatch, RowValue } from './codes.ts';
import type { FieldParser } from './fields.ts';
import { makeFieldParser } from './fields.ts';
import type { FileRefusal } from './headings.ts';
import type { IdentifierRule } from './identifiers.ts';

/** How many rows a batch holds, taken and rejected together, unless told otherwise. */
const BATCH_ROWS_DEFAULT = 512;

/** A cell's text, empty where it holds nothing; or why nothing can be made of it, if its column is taken. */
export type Cell = string | { readonly code: CellCode };

/** A row as its source gives it: a cell for each column, or why it has none. */
export interface RawRow {
  readonly line: number;
  readonly lines: number;
  readonly cells: readonly Cell[] | null;
  readonly code: LineCode | null;
}

/** Rows of a file whose columns fit the declaration, whatever the file's format. Can be read once. */
export interface RowSource {
  /** For each column the index of its field in the declaration, or null where it is left out. */
  readonly fieldIndexes: readonly (number | null)[];
  /** Some rows at a time, each to be gone through once. Ending it early ends what it reads from. */
  readonly rows: AsyncGenerator<Iterable<RawRow>, void, undefined>;
  /** Lines so far, the heading's and blank ones included, and how many were blank. */
  progress(): { readonly lines: number; readonly blankLines: number };
}

/** A source, or why the file is refused before any row is read. */
export type OpenedSource = { readonly ok: true; readonly source: RowSource } | FileRefusal;

/** How rows are made of cells. */
export interface GatherOptions {
  readonly identifiers: IdentifierRule;
  readonly batchRows?: number;
}

/**
 * Makes rows of a source's cells: each is taken with every value in declared order, or rejected with its place and a
 * code, never with a value. Ends with a batch whose totals are the file's, even where the file has no rows.
 */
export async function* gatherRows(
  source: RowSource,
  declaration: Declaration,
  options: GatherOptions,
): AsyncGenerator<RowBatch, void, undefined> {
  const batchRows = options.batchRows ?? BATCH_ROWS_DEFAULT;
  const gatherer = new Gatherer(source, declaration, options.identifiers);
  for await (const rows of source.rows) {
    for (const row of rows) {
      gatherer.add(row);
      if (gatherer.size >= batchRows) yield gatherer.batch();
    }
  }
  yield gatherer.batch();
}

interface Column {
  readonly index: number;
  readonly name: string;
  readonly parse: FieldParser;
}

/** Turns cells into values and gathers them until a batch is asked for. */
class Gatherer {
  readonly #source: RowSource;
  readonly #columns: readonly (Column | null)[];
  readonly #fieldCount: number;
  #rows: Row[] = [];
  #rejections: Rejection[] = [];
  #accepted = 0;
  #rejected = 0;

  constructor(source: RowSource, declaration: Declaration, rule: IdentifierRule) {
    this.#source = source;
    this.#columns = source.fieldIndexes.map((index) => {
      const field = index === null ? undefined : declaration.fields[index];
      if (index === null || field === undefined) return null;
      return { index, name: field.name, parse: makeFieldParser(field, rule) };
    });
    this.#fieldCount = declaration.fields.length;
  }

  get size(): number {
    return this.#rows.length + this.#rejections.length;
  }

  add(raw: RawRow): void {
    const row = this.#accepted + this.#rejected + 1;
    const { line, lines, cells } = raw;
    if (cells === null || raw.code !== null) {
      this.#reject({ line, lines, row, column: null, code: raw.code ?? 'ragged-row' });
      return;
    }
    const values: RowValue[] = new Array(this.#fieldCount).fill(null);
    for (let at = 0; at < this.#columns.length; at++) {
      const column = this.#columns[at];
      if (column == null) continue;
      const cell = cells[at] as Cell;
      const value = typeof cell === 'string' ? column.parse(cell) : cell.code;
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
    const [accepted, rejected] = [this.#accepted, this.#rejected];
    const totals = { ...this.#source.progress(), rows: accepted + rejected, accepted, rejected };
    const batch = { rows: this.#rows, rejections: this.#rejections, totals };
    this.#rows = [];
    this.#rejections = [];
    return batch;
  }

  #reject(rejection: Rejection): void {
    this.#rejected++;
    this.#rejections.push(rejection);
  }
}
