/** The most headings that a mapping names. */
const MAPPING_ENTRIES_MAX = 256;
/** The longest heading, in characters. */
export const HEADING_CHARS_MAX = 200;

/** Which field a heading stands for, by the heading's folded form; null leaves the column out. */
export type Mapping = ReadonlyMap<string, string | null>;

/** A mapping, or what is wrong with it. */
export type ParsedMapping =
  | { readonly ok: true; readonly mapping: Mapping }
  | { readonly ok: false; readonly path: string; readonly expected: string };

/**
 * The form in which headings are compared: case, accents' encoding, and the difference between
 * space, underscore and hyphen do not count.
 */
export function foldHeading(heading: string): string {
  return heading
    .normalize('NFC')
    .trim()
    .toLowerCase()
    .replace(/[\s_-]+/g, '_');
}

/**
 * Checks a mapping file's plain data, `heading: field` and `heading: null`. Leaving a column out by
 * null is the only way to drop one. Which fields exist is checked where the mapping is used.
 */
export function parseMapping(value: unknown): ParsedMapping {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { ok: false, path: '', expected: 'an object of heading: field' };
  }
  const entries = Object.entries(value);
  if (entries.length > MAPPING_ENTRIES_MAX) {
    return { ok: false, path: '', expected: `at most ${MAPPING_ENTRIES_MAX} headings` };
  }
  const mapping = new Map<string, string | null>();
  for (const [heading, field] of entries) {
    const path = printHeading(heading);
    if (heading.length > HEADING_CHARS_MAX) {
      return { ok: false, path, expected: `a heading of at most ${HEADING_CHARS_MAX} characters` };
    }
    const folded = foldHeading(heading);
    if (folded === '' || mapping.has(folded)) {
      return { ok: false, path, expected: 'each heading once, and none that is blank' };
    }
    if (field !== null && (typeof field !== 'string' || field.length > HEADING_CHARS_MAX)) {
      return { ok: false, path, expected: "a field's name, or null to leave the column out" };
    }
    mapping.set(folded, field);
  }
  return { ok: true, mapping };
}

/** The most of a heading that is printed, in characters. */
const PRINTED_MAX = 60;
const unprintable = /[\p{Cc}\p{Cf}\p{Cn}\p{Cs}\u2028\u2029]/gu;
/** As many digits as a file's name may show: a date fits, nobody's number does. */
const NAME_DIGITS_MAX = 8;
const digit = /[\d\u0660-\u0669\u06f0-\u06f9]/g;
const digitRun = /[\d\u0660-\u0669\u06f0-\u06f9]{4,}/g;

/**
 * A heading made fit to print: one line, bounded, no control or direction characters. Runs of four
 * digits and more are masked, because a file without a heading line has a person's row there.
 */
export function printHeading(heading: string): string {
  return cut(heading.replace(unprintable, '?').replace(digitRun, '####'));
}

/** A file's name made fit to print, likewise; it is masked where it could hold somebody's number. */
export function printFileName(name: string): string {
  if ((name.match(digit)?.length ?? 0) > NAME_DIGITS_MAX) return printHeading(name);
  return cut(name.replace(unprintable, '?'));
}

function cut(clean: string): string {
  return clean.length > PRINTED_MAX ? `${clean.slice(0, PRINTED_MAX)}…` : clean;
}
