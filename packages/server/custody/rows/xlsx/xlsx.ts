import type { Declaration } from '@amanat/core/grants';
import type { LineCode } from '../codes.ts';
import type { Cell, OpenedSource, RawRow } from '../gather.ts';
import { makeResolver, planColumns, refuse } from '../headings.ts';
import type { Mapping } from '../mapping.ts';
import type { CellContext } from './cells.ts';
import { cellText, holdsSomething } from './cells.ts';
import { WorkbookError } from './errors.ts';
import type { SheetPart } from './parts.ts';
import { findParts, readStyles } from './parts.ts';
import { SharedStrings } from './shared-strings.ts';
import type { SheetCell, SheetRow } from './sheet.ts';
import { readSheet } from './sheet.ts';
import { Zip } from './zip.ts';

/**
 * The largest workbook, in bytes. It is held whole, because what its cells lean on may stand behind them, and in memory,
 * because nothing of it may be on a disk.
 */
export const WORKBOOK_BYTES_MAX = 64 * 1024 * 1024;

/** How a workbook is to be read. */
export interface XlsxOptions {
  readonly mapping?: Mapping;
  /** The sheet to read; without it the only one that holds something. */
  readonly sheet?: string;
}

/**
 * Opens a workbook (Office Open XML, .xlsx): finds the sheet, reads it to its end once, so that one which does not hold
 * together is refused before any row is taken, and matches its first row that holds something with the declaration.
 */
export async function openXlsx(
  content: AsyncIterable<Uint8Array>,
  declaration: Declaration,
  options: XlsxOptions,
): Promise<OpenedSource> {
  const resolver = makeResolver(declaration, options.mapping);
  if (!resolver.ok) return resolver;
  return await refusing(async () => {
    const workbook = await Workbook.open(content, options.sheet);
    const { heading } = workbook;
    const cells: Cell[] = new Array((heading.cells.at(-1)?.column ?? -1) + 1).fill('');
    for (const cell of heading.cells) cells[cell.column] = cellText(cell, 'text', workbook.context);
    // A heading that is a formula or an error is none.
    const headings = cells.map((cell) => (typeof cell === 'string' ? cell : ''));
    const plan = planColumns(headings, declaration, resolver.resolve);
    if (!plan.ok) return plan;
    const rows = new SheetRows(workbook, plan.fieldIndexes, declaration);
    const source = { fieldIndexes: plan.fieldIndexes, rows: rows.read(), progress: rows.progress };
    return { ok: true, source };
  });
}

/** How many rows a workbook's sheet has, heading included; or why it is refused. */
export async function countSheetRows(
  content: AsyncIterable<Uint8Array>,
  sheet: string | undefined,
): Promise<{ readonly ok: true; readonly rows: number } | ReturnType<typeof refuse>> {
  return await refusing(async () => {
    const { rows } = await Workbook.open(content, sheet);
    return { ok: true, rows };
  });
}

async function refusing<T>(open: () => Promise<T>): Promise<T | ReturnType<typeof refuse>> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof WorkbookError) return refuse(error.code, error.names);
    throw error;
  }
}

/** A row that holds something; null for the cells of one that is too long. */
interface FullRow {
  readonly line: number;
  readonly cells: readonly SheetCell[] | null;
}

/** A workbook of which one sheet was found good from its first byte to its last. */
class Workbook {
  readonly #zip: Zip;
  readonly #part: string;
  readonly context: CellContext;
  readonly heading: FullRow & { readonly cells: readonly SheetCell[] };
  /** Rows that hold something, the heading among them. */
  readonly rows: number;

  private constructor(
    zip: Zip,
    part: string,
    context: CellContext,
    found: { readonly heading: Workbook['heading']; readonly rows: number },
  ) {
    this.#zip = zip;
    this.#part = part;
    this.context = context;
    this.heading = found.heading;
    this.rows = found.rows;
  }

  /** @throws WorkbookError; what the content throws */
  static async open(content: AsyncIterable<Uint8Array>, sheet?: string): Promise<Workbook> {
    const zip = new Zip(await readWhole(content));
    if (!zip.has('[Content_Types].xml')) {
      throw new WorkbookError(zip.has('mimetype') ? 'open-document' : 'bad-workbook');
    }
    const parts = await findParts(zip);
    const context = {
      strings: await SharedStrings.read(zip, parts.sharedStrings),
      styles: await readStyles(zip, parts.styles),
      from1904: parts.from1904,
    };
    const { part } = await chooseSheet(zip, parts.sheets, context, sheet);
    let heading: Workbook['heading'] | null = null;
    let rows = 0;
    const reading = readSheet(zip, part);
    for (;;) {
      const next = await reading.next();
      if (next.done === true) {
        const { merged, filled } = next.value;
        if (merged !== null) throw new WorkbookError('merged-cells', [merged]);
        if (filled !== null) throw new WorkbookError('range-formulas', [filled]);
        break;
      }
      for (const { line, cells } of fullRows(next.value, context.strings)) {
        rows++;
        if (heading === null && cells === null) throw new WorkbookError('bad-heading');
        if (heading === null && cells !== null) heading = { line, cells };
      }
    }
    if (heading === null) throw new WorkbookError('empty-file');
    return new Workbook(zip, part, context, { heading, rows });
  }

  /** The rows that hold something, some at a time, the heading among them. */
  async *read(): AsyncGenerator<Iterable<FullRow>, void, undefined> {
    for await (const rows of readSheet(this.#zip, this.#part)) {
      yield fullRows(rows, this.context.strings);
    }
  }
}

function* fullRows(
  rows: readonly SheetRow[],
  strings: SharedStrings,
): Generator<FullRow, void, undefined> {
  for (const { line, cells } of rows) {
    const full = cells?.filter((cell) => holdsSomething(cell, strings)) ?? null;
    if (full === null || full.length > 0) yield { line, cells: full };
  }
}

async function chooseSheet(
  zip: Zip,
  sheets: readonly SheetPart[],
  { strings }: CellContext,
  wanted: string | undefined,
): Promise<SheetPart> {
  if (wanted !== undefined) {
    const named = sheets.find(({ name }) => name === wanted);
    if (named !== undefined) return named;
    throw new WorkbookError(
      'no-such-sheet',
      sheets.map(({ name }) => name),
    );
  }
  const full: SheetPart[] = [];
  for (const sheet of sheets) if (await isFull(zip, sheet, strings)) full.push(sheet);
  const [only] = full;
  if (only === undefined) throw new WorkbookError('empty-file');
  if (full.length === 1) return only;
  throw new WorkbookError(
    'several-sheets',
    full.map(({ name }) => name),
  );
}

async function isFull(zip: Zip, { part }: SheetPart, strings: SharedStrings): Promise<boolean> {
  for await (const rows of readSheet(zip, part)) {
    for (const _ of fullRows(rows, strings)) return true;
  }
  return false;
}

/** Makes rows of cells of a sheet's rows behind its heading. */
class SheetRows {
  readonly #workbook: Workbook;
  readonly #fieldIndexes: readonly (number | null)[];
  readonly #declaration: Declaration;
  #line: number;
  #rows = 0;

  constructor(
    workbook: Workbook,
    fieldIndexes: readonly (number | null)[],
    declaration: Declaration,
  ) {
    this.#workbook = workbook;
    this.#fieldIndexes = fieldIndexes;
    this.#declaration = declaration;
    this.#line = workbook.heading.line;
  }

  readonly progress = () => ({ lines: this.#line, blankLines: this.#line - 1 - this.#rows });

  async *read(): AsyncGenerator<Iterable<RawRow>, void, undefined> {
    for await (const rows of this.#workbook.read()) yield this.#toRaw(rows);
  }

  *#toRaw(rows: Iterable<FullRow>): Generator<RawRow, void, undefined> {
    for (const { line, cells } of rows) {
      if (line <= this.#workbook.heading.line) continue;
      this.#line = line;
      this.#rows++;
      const made = cells === null ? 'row-too-long' : this.#cells(cells);
      if (typeof made === 'string') yield { line, lines: 1, cells: null, code: made };
      else yield { line, lines: 1, cells: made, code: null };
    }
  }

  #cells(row: readonly SheetCell[]): readonly Cell[] | LineCode {
    const cells: Cell[] = new Array(this.#fieldIndexes.length).fill('');
    for (const cell of row) {
      const index = this.#fieldIndexes[cell.column];
      if (index === undefined) return 'ragged-row';
      if (index === null) continue;
      const type = this.#declaration.fields[index]!.type;
      const text = cellText(cell, type, this.#workbook.context);
      if (typeof text === 'string') {
        if (text.includes('\0')) return 'nul-character';
        if (!text.isWellFormed() || text.includes('\ufffd')) return 'bad-encoding';
      }
      cells[cell.column] = text;
    }
    return cells;
  }
}

async function readWhole(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    if (bytes > WORKBOOK_BYTES_MAX) throw new WorkbookError('workbook-too-large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
