import { fromHex } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import type { ImportBegun, Signed } from '@amanat/core/grants';
import { readDocument } from '@amanat/core/grants';
import { CustodyError } from './errors.ts';
import type { Encoding, Mapping } from './rows/rows.ts';
import { encodings, parseMapping } from './rows/rows.ts';

/** How old an announcement may be when it arrives, and how far ahead of this clock. */
const FRESH_MS = 5 * 60_000;
const SALT_BYTES_MIN = 16;
const SALT_BYTES_MAX = 64;
const MAPPING_LENGTH_MAX = 65_536;
const SHEET_NAME_LENGTH_MAX = 200;

/** An import as its importer announces it. */
export interface ImportAsk {
  readonly signed: Signed;
  /** 16 to 64 bytes in hexadecimal. */
  readonly salt: string;
  /** `heading: field`, or `heading: null` to leave the column out; null where headings are the fields' names. */
  readonly mapping: unknown;
  /** One of the encodings that are read; null for UTF-8. */
  readonly encoding: string | null;
  /** Name of the sheet to read of each workbook; null for the only one that holds something. */
  readonly sheet: string | null;
}

/** An announcement whose form is good. Whether its signer may import is for the register to say. */
export interface Announcement {
  readonly document: ImportBegun;
  readonly salt: string;
  /** JSON of the mapping, or null. */
  readonly mapping: string | null;
  readonly encoding: Encoding;
  readonly sheet: string | null;
}

/** Reads an announcement strictly. @throws CustodyError 'malformed', 'clock-ahead' or 'stale' */
export function readAnnouncement(ask: ImportAsk, now: number): Announcement {
  const document = readBegun(ask.signed.document);
  if (document.time > now + FRESH_MS) throw new CustodyError('clock-ahead');
  if (document.time < now - FRESH_MS) throw new CustodyError('stale');
  return {
    document,
    salt: readSalt(ask.salt),
    mapping: readMapping(ask.mapping),
    encoding: readEncoding(ask.encoding),
    sheet: readSheetName(ask.sheet),
  };
}

function readBegun(document: string): ImportBegun {
  try {
    return readDocument(document, 'import-begun');
  } catch (cause) {
    if (cause instanceof CoreError) throw new CustodyError('malformed', cause.message, { cause });
    throw cause;
  }
}

function readSalt(text: string): string {
  try {
    const { length } = fromHex(text);
    if (length >= SALT_BYTES_MIN && length <= SALT_BYTES_MAX) return text;
  } catch (cause) {
    if (!(cause instanceof CoreError)) throw cause;
  }
  throw new CustodyError('malformed', 'salt: expected 16 to 64 bytes in hexadecimal');
}

function readMapping(value: unknown): string | null {
  if (value === null) return null;
  toMapping(value);
  const text = JSON.stringify(value);
  if (text.length > MAPPING_LENGTH_MAX) throw new CustodyError('malformed', 'mapping is too long');
  return text;
}

/** The mapping of its plain data. @throws CustodyError 'malformed' */
export function toMapping(value: unknown): Mapping {
  const parsed = parseMapping(value);
  if (parsed.ok) return parsed.mapping;
  const path = parsed.path === '' ? 'mapping' : `mapping.${parsed.path}`;
  throw new CustodyError('malformed', `${path}: expected ${parsed.expected}`);
}

function readEncoding(text: string | null): Encoding {
  const found = encodings.find((each) => each === (text ?? 'utf-8'));
  if (found !== undefined) return found;
  throw new CustodyError('malformed', `encoding: expected one of ${encodings.join(', ')}`);
}

function readSheetName(name: string | null): string | null {
  if (name === null || (name !== '' && name.length <= SHEET_NAME_LENGTH_MAX)) return name;
  throw new CustodyError(
    'malformed',
    `sheet: expected a name of at most ${SHEET_NAME_LENGTH_MAX} characters`,
  );
}
