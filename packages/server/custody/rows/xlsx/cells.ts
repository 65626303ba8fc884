import type { FieldType } from '../../../holdings/holdings.ts';
import type { Cell } from '../gather.ts';
import { fromNumber } from '../identifiers.ts';
import type { DateFormat } from './formats.ts';
import type { SharedStrings } from './shared-strings.ts';
import type { SheetCell } from './sheet.ts';

const DAY_MS = 86_400_000;
/** Excel's calendar of 1900 has a 29th of February; from the day after it on, days are counted from here. */
const FROM_1900_MS = Date.UTC(1899, 11, 30);
const FROM_1900_DAY_MIN = 61;
const FROM_1904_MS = Date.UTC(1904, 0, 1);
const FROM_1904_DAY_MIN = 1;
/** The last day of the year 9999, from 1900. */
const DAY_MAX = 2_958_465;
/** Programs keep 15 digits of a number. */
const DIGITS_MAX = 15;
const WHOLE_MAX = 10 ** DIGITS_MAX;
const place = /^\d{1,9}$/;
const number = /^[+-]?\d{1,400}(?:\.\d{0,400})?(?:[eE][+-]?\d{1,3})?$/;

/** What the cells of a workbook lean on. */
export interface CellContext {
  readonly strings: SharedStrings;
  readonly styles: readonly DateFormat[];
  readonly from1904: boolean;
}

/** The text that a cell stands for in a field of a type. A formula's value is that of whoever computed it last: it is not taken. */
export function cellText(
  cell: SheetCell,
  type: FieldType,
  { strings, styles, from1904 }: CellContext,
): Cell {
  if (cell.hasFormula) return { code: 'formula-cell' };
  switch (cell.kind) {
    case 's':
      return sharedText(cell, strings) ?? { code: 'bad-cell' };
    case 'str':
    case 'inlineStr':
    case 'd':
      return cell.value;
    case 'b':
      if (cell.value === '1') return 'true';
      return cell.value === '0' ? 'false' : { code: 'bad-cell' };
    case 'e':
      return { code: 'error-cell' };
    case 'n':
      return numberText(cell.value.trim(), type, styles[cell.style] ?? null, from1904);
    default:
      return { code: 'bad-cell' };
  }
}

/** Whether a cell holds something: its row is then a row. */
export function holdsSomething(cell: SheetCell, strings: SharedStrings): boolean {
  if (cell.hasFormula) return true;
  return cell.kind === 's'
    ? !place.test(cell.value) || !strings.isBlank(Number(cell.value))
    : cell.value.trim() !== '';
}

function sharedText({ value }: SheetCell, strings: SharedStrings): string | undefined {
  return place.test(value) ? strings.at(Number(value)) : undefined;
}

function numberText(written: string, type: FieldType, format: DateFormat, from1904: boolean): Cell {
  if (written === '') return '';
  const value = Number(written);
  if (!number.test(written) || !Number.isFinite(value)) return { code: 'bad-cell' };
  if (format !== null) return dateText(value, type, format, from1904);
  const identifier = fromNumber(type, written);
  if (typeof identifier !== 'string') return identifier;
  const text = String(value);
  const digits = text.replace(/e.*$/, '').replace(/\D/g, '').replace(/^0+/, '');
  const isExact = digits.length <= DIGITS_MAX && Math.abs(value) < WHOLE_MAX;
  return isExact ? text : { code: 'inexact-number' };
}

/**
 * A day, or a day and its time, as people write them. A time that is there is never dropped; midnight is one where the
 * cell shows times, unless the field takes none.
 */
function dateText(value: number, type: FieldType, format: DateFormat, from1904: boolean): Cell {
  const startMs = from1904 ? FROM_1904_MS : FROM_1900_MS;
  const first = from1904 ? FROM_1904_DAY_MIN : FROM_1900_DAY_MIN;
  if (value < first || value >= DAY_MAX) return { code: 'bad-cell-date' };
  const ms = Math.round(value * DAY_MS);
  const [day = '', time = ''] = new Date(startMs + ms).toISOString().slice(0, -1).split('T');
  const isMidnight = ms % DAY_MS === 0;
  if (isMidnight && (format === 'day' || type === 'date')) return day;
  return `${day} ${time.replace(/\.000$/, '')}`;
}
