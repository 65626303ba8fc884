import type { Declaration } from '@amanat/core/grants';
import type { Mapping } from './mapping.ts';
import { foldHeading, HEADING_CHARS_MAX, printFileName, printHeading } from './mapping.ts';

/** The most columns a file may have. */
const COLUMNS_MAX = 256;
/** The longest heading line, in bytes. */
export const HEADING_BYTES_MAX = 64 * 1024;
/** The most headings that a refusal names. */
const NAMED_MAX = 32;

const delimiters = [',', ';', '\t', '|'] as const;
/** What may stand between two fields. */
export type Delimiter = (typeof delimiters)[number];

/** Why a whole file is refused before any row is read. */
export type FileCode =
  | 'empty-file'
  | 'no-heading'
  | 'bad-heading'
  | 'bad-encoding'
  | 'too-many-columns'
  | 'duplicate-headings'
  | 'undeclared-columns'
  | 'missing-columns'
  | 'unknown-mapped-fields'
  | 'file-columns'
  | 'not-json-lines'
  | 'json-array'
  | 'old-workbook'
  | 'open-document'
  | 'bad-workbook'
  | 'workbook-too-large'
  | 'several-sheets'
  | 'no-such-sheet'
  | 'merged-cells'
  | 'range-formulas';

/** A refused file: why, and the headings, fields or sheets concerned, fit to print. */
export interface FileRefusal {
  readonly ok: false;
  readonly code: FileCode;
  readonly names: readonly string[];
}

/** What each code asks of whoever mends the file. */
export const fileAdvice: Readonly<Record<FileCode, string>> = {
  'empty-file': 'the file holds no rows',
  'no-heading':
    "the first line names none of the declaration's fields: give a heading line, or say with a mapping (--map) which heading is which field",
  'bad-heading': `the heading line is badly quoted, longer than ${HEADING_BYTES_MAX} bytes, or has a heading of more than ${HEADING_CHARS_MAX} characters`,
  'bad-encoding':
    'the heading line is not UTF-8: declare the encoding (--encoding), or save the file as UTF-8',
  'too-many-columns': `the file has more than ${COLUMNS_MAX} columns`,
  'duplicate-headings': 'these headings stand for a field that another heading stands for too',
  'undeclared-columns':
    'these columns are not declared: map them to a field, or to null to leave them out on purpose',
  'missing-columns': 'these required fields have no column: map a heading to each',
  'unknown-mapped-fields': 'the mapping names these fields, which the declaration does not have',
  'file-columns': 'these fields hold files and cannot come from a table',
  'not-json-lines':
    'the first line is not one whole JSON object: JSON Lines has one object a line, each on a line of its own',
  'json-array':
    'the file is one JSON array: save its objects as JSON Lines, one object a line and no brackets around them',
  'old-workbook':
    'the file is an old Excel workbook (.xls) or has a password: save it as .xlsx without one, or as CSV',
  'open-document': 'the file is an OpenDocument table (.ods): save it as .xlsx or CSV',
  'bad-workbook':
    'the file begins like an Excel workbook (.xlsx) and is none that holds together: save it anew, or as CSV',
  'workbook-too-large':
    'the workbook is larger than the bounds allow: save it as CSV, or in several workbooks',
  'several-sheets': 'more than one sheet holds something: say which to read (--sheet), or keep one',
  'no-such-sheet': 'the file has no sheet of the name that was given; it has',
  'merged-cells':
    'the sheet has merged cells, of which only one holds a value: unmerge them and fill each',
  'range-formulas':
    'the sheet has formulas that fill a range of cells: paste their values in their place',
};

/** Which of several files it is: its place among them, from 1, and its name. */
export interface FilePlace {
  readonly at: number;
  readonly name: string;
}

/** A refusal in words, behind the file that it is about; null where it is about all of them. */
export function describeRefusal({ code, names }: FileRefusal, file: FilePlace | null): string {
  const where = file === null ? '' : `file ${file.at}, ${printFileName(file.name)}: `;
  const what = names.length === 0 ? '' : `: ${names.join(', ')}`;
  return `${where}${fileAdvice[code]}${what}`;
}

/** How a file's columns meet the declaration. */
export interface ColumnPlan {
  readonly ok: true;
  /** For each column the index of its field in the declaration, or null where it is left out. */
  readonly fieldIndexes: readonly (number | null)[];
}

/** Which field a heading stands for: its index, null where it is left out on purpose, undefined where it is not known. */
export type HeadingResolver = (heading: string) => number | null | undefined;

/** How headings are to be resolved, or a refusal of a mapping that names fields of its own. */
export function makeResolver(
  declaration: Declaration,
  mapping: Mapping = new Map(),
): { readonly ok: true; readonly resolve: HeadingResolver } | FileRefusal {
  const fieldIndex = new Map(declaration.fields.map((field, index) => [field.name, index]));
  const strangers = [...mapping.values()].filter((name) => name !== null && !fieldIndex.has(name));
  if (strangers.length > 0) {
    return refuse(
      'unknown-mapped-fields',
      strangers.map((name) => name ?? ''),
    );
  }
  const resolve: HeadingResolver = (heading) => {
    const folded = foldHeading(heading);
    const mapped = mapping.get(folded);
    if (mapped === null) return null;
    return fieldIndex.get(mapped ?? folded);
  };
  return { ok: true, resolve };
}

/**
 * Decides from a CSV file's heading line which delimiter it uses and which column is which field, or refuses the file.
 */
export function planHeadingLine(
  line: string,
  declaration: Declaration,
  mapping?: Mapping,
): (ColumnPlan & { readonly delimiter: Delimiter }) | FileRefusal {
  const resolver = makeResolver(declaration, mapping);
  if (!resolver.ok) return resolver;
  const { resolve } = resolver;
  if (isBroken(line)) return refuse('bad-encoding');
  const best = chooseDelimiter(line, (heading) => resolve(heading) !== undefined);
  if (best === null) return refuse('bad-heading');
  const plan = planColumns(best.headings, declaration, resolve);
  return plan.ok ? { ...plan, delimiter: best.delimiter } : plan;
}

/**
 * Decides which heading is which field, or refuses the file. Undeclared columns are refused by name (I5). Members of
 * an object are headings of its line alone: what it lacks, `isPartial`, another may have.
 */
export function planColumns(
  headings: readonly string[],
  declaration: Declaration,
  resolve: HeadingResolver,
  isPartial = false,
): ColumnPlan | FileRefusal {
  if (headings.length > COLUMNS_MAX) return refuse('too-many-columns');
  if (headings.some(({ length }) => length > HEADING_CHARS_MAX)) return refuse('bad-heading');
  if (headings.some(isBroken)) return refuse('bad-encoding');
  const resolved = headings.map(resolve);
  if (resolved.every((index) => index === undefined)) return refuse('no-heading');

  const named = (wanted: (index: number | null | undefined, at: number) => boolean): string[] =>
    headings.filter((_, at) => wanted(resolved[at], at));
  const undeclared = named((index) => index === undefined);
  if (undeclared.length > 0) return refuse('undeclared-columns', undeclared);
  const duplicates = named((index, at) => index != null && resolved.indexOf(index) !== at);
  if (duplicates.length > 0) return refuse('duplicate-headings', duplicates);
  const files = named((index) => index != null && declaration.fields[index]?.type === 'jpeg');
  if (files.length > 0) return refuse('file-columns', files);
  const present = new Set(resolved);
  const missing = declaration.fields.filter((field, at) => field.required && !present.has(at));
  if (missing.length > 0 && !isPartial) {
    return refuse(
      'missing-columns',
      missing.map((field) => field.name),
    );
  }
  return { ok: true, fieldIndexes: resolved.map((index) => index ?? null) };
}

/** Whether a text holds what no text of a file does: NULs, or the sign for bytes that could not be decoded. */
function isBroken(text: string): boolean {
  return text.includes('\0') || text.includes('\ufffd');
}

/** A refusal of a file, with the headings, fields or sheets concerned made fit to print. */
export function refuse(code: FileCode, names: readonly string[] = []): FileRefusal {
  // A sheet is named to be given by its name, and is often a date.
  const ofSheets = code === 'several-sheets' || code === 'no-such-sheet';
  const print = ofSheets ? printFileName : printHeading;
  return { ok: false, code, names: names.slice(0, NAMED_MAX).map(print) };
}

/**
 * The delimiter under which most headings are known; where it is even, the one that occurs most.
 * Null where the line is badly quoted under all of them, or known under none and badly quoted
 * under some: it is then more likely a bad heading than no heading.
 */
function chooseDelimiter(
  line: string,
  isKnown: (heading: string) => boolean,
): { readonly delimiter: Delimiter; readonly headings: readonly string[] } | null {
  let best: { readonly delimiter: Delimiter; readonly headings: readonly string[] } | null = null;
  let bestKnown = 0;
  let allSplit = true;
  for (const delimiter of delimiters) {
    const headings = splitHeadings(line, delimiter);
    if (headings === null) {
      allSplit = false;
      continue;
    }
    const known = headings.slice(0, COLUMNS_MAX).filter(isKnown).length;
    const more = best === null || headings.length > best.headings.length;
    if (known > bestKnown || (known === bestKnown && more)) {
      best = { delimiter, headings };
      bestKnown = known;
    }
  }
  return bestKnown > 0 || allSplit ? best : null;
}

/** Splits one heading line; null where it is badly quoted. */
function splitHeadings(line: string, delimiter: Delimiter): readonly string[] | null {
  const headings: string[] = [];
  let at = 0;
  while (headings.length <= COLUMNS_MAX) {
    let heading = '';
    if (line[at] === '"') {
      let close = line.indexOf('"', at + 1);
      while (close !== -1 && line[close + 1] === '"') {
        heading += line.slice(at + 1, close + 1);
        at = close + 1;
        close = line.indexOf('"', at + 1);
      }
      if (close === -1) return null;
      heading += line.slice(at + 1, close);
      at = close + 1;
      if (at < line.length && line[at] !== delimiter) return null;
    } else {
      const end = line.indexOf(delimiter, at);
      heading = line.slice(at, end === -1 ? line.length : end);
      at += heading.length;
    }
    headings.push(heading);
    if (at >= line.length) break;
    at++;
  }
  return headings;
}
