import type { DeclaredField } from '@amanat/core/grants';
import type { FieldType } from '../../holdings/holdings.ts';
import type { TextValue, ValueCode } from './codes.ts';
import { parseDate, parseDateTime } from './dates.ts';
import type { IdentifierRule } from './identifiers.ts';
import { parseCnic, parseImei, parseImsi, parseMsisdn, toAsciiDigits } from './identifiers.ts';

/** The longest text a field of type `text` holds, in UTF-16 code units. */
export const TEXT_CHARS_MAX = 500;

/** Reads one field's text: the value, null where there is none, or why it is not taken. */
export type FieldParser = (raw: string) => TextValue | ValueCode | null;

/**
 * Makes the parser of a declared field. What is blank is null, or `missing-value` where the field
 * is required. Made once for each column, so that nothing is looked up row by row.
 */
export function makeFieldParser(field: DeclaredField, rule: IdentifierRule): FieldParser {
  const parse = makeTypeParser(field.type, field.values ?? [], rule);
  const absent = field.required ? 'missing-value' : null;
  return (raw) => (raw.length === 0 || isBlank(raw) ? absent : parse(raw));
}

/** Reads one value of a field; {@link makeFieldParser} is the same for many. */
export function parseField(
  field: DeclaredField,
  raw: string,
  rule: IdentifierRule,
): TextValue | ValueCode | null {
  return makeFieldParser(field, rule)(raw);
}

function makeTypeParser(
  type: FieldType,
  values: readonly string[],
  rule: IdentifierRule,
): (raw: string) => TextValue | ValueCode {
  switch (type) {
    case 'cnic':
      return (raw) => parseCnic(raw, rule);
    case 'msisdn':
      return (raw) => parseMsisdn(raw, rule);
    case 'imsi':
      return (raw) => parseImsi(raw, rule);
    case 'imei':
      return (raw) => parseImei(raw, rule);
    case 'text':
      return parseText;
    case 'date':
      return parseDate;
    case 'datetime':
      return parseDateTime;
    case 'enum':
      return makeEnumParser(values);
    case 'integer':
      return parseInteger;
    case 'jpeg':
      return () => 'not-text';
  }
}

const blank = /^\s*$/;

function isBlank(raw: string): boolean {
  const first = raw.charCodeAt(0);
  // A printable ASCII character first is by far the most common and needs no expression.
  return (first <= 0x20 || first > 0x7e) && blank.test(raw);
}

const plainText = /^[!-~]+(?: [!-~]+)*$/;
// Tabs and line breaks are white space; every other control character is refused.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
const controls = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/;

/** A text: NFC, trimmed, runs of white space made one space, at most {@link TEXT_CHARS_MAX}. */
function parseText(raw: string): TextValue | ValueCode {
  if (raw.length > TEXT_CHARS_MAX) return 'too-long';
  if (plainText.test(raw)) return { recorded: raw, normalised: raw };
  if (controls.test(raw)) return 'control-character';
  return { recorded: raw, normalised: raw.normalize('NFC').replace(/\s+/g, ' ').trim() };
}

function foldEnum(text: string): string {
  return text.normalize('NFC').replace(/\s+/g, ' ').trim().toLowerCase();
}

/** A declared value, whatever its case; normalised to the declaration's spelling. */
function makeEnumParser(values: readonly string[]): (raw: string) => TextValue | ValueCode {
  const exact = new Map(values.map((value) => [value, { recorded: value, normalised: value }]));
  const folded = new Map(values.map((value) => [foldEnum(value), value]));
  return (raw) => {
    const same = exact.get(raw);
    if (same !== undefined) return same;
    if (raw.length > TEXT_CHARS_MAX) return 'too-long';
    const normalised = folded.get(foldEnum(raw));
    return normalised === undefined ? 'not-in-enum' : { recorded: raw, normalised };
  };
}

/** A whole number of at most 15 digits, normalised without sign for plus and without zeros. */
function parseInteger(raw: string): TextValue | ValueCode {
  if (raw.length > TEXT_CHARS_MAX) return 'too-long';
  const parts = /^([+-]?)([0-9]{1,15})$/.exec(toAsciiDigits(raw.trim()));
  if (parts === null) return 'bad-integer';
  const digits = (parts[2] as string).replace(/^0+(?=[0-9])/, '');
  const sign = parts[1] === '-' && digits !== '0' ? '-' : '';
  return { recorded: raw, normalised: sign + digits };
}
