import { ROW_BYTES_MAX } from '../splitter.ts';
import { broken } from './errors.ts';
import { RichText } from './rich-text.ts';
import type { Attributes, XmlHandler } from './xml.ts';
import { readXml } from './xml.ts';
import type { Zip } from './zip.ts';

/** The last row and the last column that a sheet can have. */
const ROW_MAX = 1_048_576;
const COLUMN_MAX = 16_384;
const LETTERS = 26;
const reference = /^([A-Z]{1,3})([1-9]\d{0,6})$/;

/** A cell as it is written: what its value is said to be, and the value; see cells.ts. */
export interface SheetCell {
  /** From 0. */
  readonly column: number;
  readonly kind: string;
  readonly value: string;
  readonly style: number;
  readonly hasFormula: boolean;
}

/** A row of a sheet, by its number from 1, hidden or not; its cells in order, null where their texts are too long in all. */
export interface SheetRow {
  readonly line: number;
  readonly cells: readonly SheetCell[] | null;
}

/** What stands about a sheet behind its rows, and so is known at its end only. */
export interface SheetFacts {
  /** A range of merged cells; null where there is none. */
  readonly merged: string | null;
  /** A range that one formula fills; null where there is none. */
  readonly filled: string | null;
}

/** Reads a sheet's rows, some at a time, in flat memory, and what stands about it. @throws WorkbookError */
export async function* readSheet(
  zip: Zip,
  part: string,
): AsyncGenerator<readonly SheetRow[], SheetFacts, undefined> {
  const reader = new SheetReader();
  for await (const _ of readXml(zip.read(part), reader)) {
    const rows = reader.take();
    if (rows.length > 0) yield rows;
  }
  return reader;
}

/** Rows are numbered upwards and cells ordered within them, or the sheet does not hold together. */
class SheetReader implements XmlHandler, SheetFacts {
  merged: string | null = null;
  filled: string | null = null;
  #rows: SheetRow[] = [];
  #line = 0;
  #column = -1;
  #cells: SheetCell[] = [];
  #inData = false;
  #inRow = false;
  /** The cell that is open, without its value. */
  #cell: { kind: string; style: number; hasFormula: boolean } | null = null;
  readonly #inline = new RichText();
  readonly #value = new RichText();
  #chars = 0;

  take(): readonly SheetRow[] {
    const rows = this.#rows;
    this.#rows = [];
    return rows;
  }

  open(name: string, attributes: Attributes): void {
    if (this.#cell !== null) this.#openInCell(name, attributes);
    else if (this.#inRow && name === 'c') this.#openCell(attributes);
    else if (this.#inData && name === 'row') this.#openRow(attributes);
    else if (name === 'sheetData') this.#inData = true;
    else if (name === 'mergeCell') this.merged ??= attributes.get('ref') ?? '';
  }

  close(name: string): void {
    if (this.#cell !== null) {
      if (name === 'c') this.#closeCell();
      else if (name === 'v') this.#value.close('t');
      else this.#inline.close(name);
    } else if (this.#inRow && name === 'row') {
      const isTooLong = this.#chars > ROW_BYTES_MAX;
      this.#rows.push({ line: this.#line, cells: isTooLong ? null : this.#cells });
      this.#inRow = false;
    } else if (name === 'sheetData') this.#inData = false;
  }

  text(piece: string): void {
    if (this.#cell === null) return;
    this.#value.add(piece);
    this.#inline.add(piece);
  }

  #openRow(attributes: Attributes): void {
    const written = attributes.get('r');
    const line = written === undefined ? this.#line + 1 : Number(written);
    if (!Number.isInteger(line) || line <= this.#line || line > ROW_MAX) throw broken();
    this.#line = line;
    this.#column = -1;
    this.#cells = [];
    this.#chars = 0;
    this.#inRow = true;
  }

  #openCell(attributes: Attributes): void {
    const written = attributes.get('r');
    const column = written === undefined ? this.#column + 1 : columnOf(written, this.#line);
    if (column <= this.#column || column >= COLUMN_MAX) throw broken();
    this.#column = column;
    const style = Number(attributes.get('s') ?? 0);
    this.#cell = { kind: attributes.get('t') ?? 'n', style, hasFormula: false };
    this.#value.begin();
    this.#inline.begin();
  }

  #openInCell(name: string, attributes: Attributes): void {
    if (name === 'v') this.#value.open('t');
    else if (name === 'f') {
      this.#cell!.hasFormula = true;
      const isOfRange = /^(?:array|dataTable)$/.test(attributes.get('t') ?? '');
      const range = attributes.get('ref') ?? '';
      if (isOfRange && range.includes(':')) this.filled ??= range;
    } else this.#inline.open(name);
  }

  #closeCell(): void {
    const { kind, style, hasFormula } = this.#cell!;
    const value = (kind === 'inlineStr' ? this.#inline : this.#value).end();
    this.#cell = null;
    this.#chars += value.length;
    if (!hasFormula && value === '') return;
    // Of a row that is too long nothing more is kept.
    if (this.#chars > ROW_BYTES_MAX) this.#cells = [];
    else this.#cells.push({ column: this.#column, kind, value, style, hasFormula });
  }
}

/** The column of a reference such as `AB12`, from 0. */
function columnOf(written: string, line: number): number {
  const [, letters = '', row] = reference.exec(written) ?? [];
  if (Number(row) !== line) throw broken();
  let column = 0;
  for (const letter of letters) column = column * LETTERS + letter.charCodeAt(0) - 0x40;
  return column - 1;
}
