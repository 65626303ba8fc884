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
  | 'file-columns';

/** A refused file: why, and the headings or fields concerned, fit to print. */
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
  readonly delimiter: Delimiter;
  /** For each column the index of its field in the declaration, or null where it is left out. */
  readonly fieldIndexes: readonly (number | null)[];
}

/**
 * Decides from a heading line which delimiter a file uses and which column is which field, or
 * refuses the file. Undeclared columns are refused by name (I5).
 */
export function planColumns(
  headingLine: string,
  declaration: Declaration,
  mapping: Mapping = new Map(),
): ColumnPlan | FileRefusal {
  const fieldIndex = new Map(declaration.fields.map((field, index) => [field.name, index]));
  const strangers = [...mapping.values()].filter((name) => name !== null && !fieldIndex.has(name));
  if (strangers.length > 0) {
    return refuse(
      'unknown-mapped-fields',
      strangers.map((name) => name ?? ''),
    );
  }
  if (headingLine.includes('\0') || headingLine.includes('\ufffd')) return refuse('bad-encoding');

  // undefined: not known; null: left out on purpose.
  const resolve = (heading: string): number | null | undefined => {
    const folded = foldHeading(heading);
    const mapped = mapping.get(folded);
    if (mapped === null) return null;
    return fieldIndex.get(mapped ?? folded);
  };

  const best = chooseDelimiter(headingLine, (heading) => resolve(heading) !== undefined);
  if (best === null) return refuse('bad-heading');
  const { delimiter, headings } = best;
  if (headings.length > COLUMNS_MAX) return refuse('too-many-columns');
  if (headings.some(({ length }) => length > HEADING_CHARS_MAX)) return refuse('bad-heading');
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
  if (missing.length > 0) {
    return refuse(
      'missing-columns',
      missing.map((field) => field.name),
    );
  }
  return { ok: true, delimiter, fieldIndexes: resolved.map((index) => index ?? null) };
}

function refuse(code: FileCode, names: readonly string[] = []): FileRefusal {
  return { ok: false, code, names: names.slice(0, NAMED_MAX).map(printHeading) };
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
