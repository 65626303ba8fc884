import type { FieldType } from '../../holdings/holdings.ts';
import type { CellCode, TextValue, ValueCode } from './codes.ts';

/**
 * Which identifiers a store takes: a demonstration takes only the synthetic ranges, a store for
 * real records takes everything but them.
 */
export type IdentifierRule = 'synthetic' | 'real';

/** The longest text that is looked at as an identifier, in characters. */
const IDENTIFIER_CHARS_MAX = 64;
/** Urdu digits begin at U+06F0, Arabic-Indic ones at U+0660. */
const URDU_ZERO = 0x06f0;
const ARABIC_ZERO = 0x0660;

const foreignDigits = /[\u0660-\u0669\u06f0-\u06f9]/;
const foreignDigitsAll = /[\u0660-\u0669\u06f0-\u06f9]/g;

/** Replaces Urdu and Arabic-Indic digits by ASCII ones and leaves all else as it is. */
export function toAsciiDigits(text: string): string {
  if (!foreignDigits.test(text)) return text;
  return text.replace(foreignDigitsAll, (digit) => {
    const code = digit.charCodeAt(0);
    return String(code - (code >= URDU_ZERO ? URDU_ZERO : ARABIC_ZERO));
  });
}

/**
 * The digits of a text that holds nothing but digits and separators (spaces, dashes, direction
 * marks), or null. The fast path is a text that is plain ASCII.
 */
function digitsOf(text: string): string | null {
  if (text.length > IDENTIFIER_CHARS_MAX) return null;
  let plain = true;
  let digits = '';
  let start = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code >= 0x30 && code <= 0x39) continue;
    if (code === 0x2d || code === 0x20) {
      digits += text.slice(start, index);
      start = index + 1;
    } else {
      plain = false;
      break;
    }
  }
  if (plain) return start === 0 ? text : digits + text.slice(start);
  const bare = toAsciiDigits(text).replace(separators, '');
  return /^[0-9]*$/.test(bare) ? bare : null;
}

// Spaces of every width, dashes of every kind, and the marks that steer direction around digits.
const separators = /[\s\u00a0\u2000-\u200f\u202f\u061c\-\u2010-\u2015\u2212]/g;

function judge(
  rule: IdentifierRule,
  synthetic: boolean,
  recorded: string,
  normalised: string,
): TextValue | ValueCode {
  if (rule === 'synthetic') return synthetic ? { recorded, normalised } : 'real-identifier';
  return synthetic ? 'synthetic-identifier' : { recorded, normalised };
}

/** A national identity number: 13 digits, normalised without separators. Synthetic: first digit 0. */
export function parseCnic(raw: string, rule: IdentifierRule): TextValue | ValueCode {
  const digits = digitsOf(raw);
  if (digits === null || digits.length !== 13) return 'bad-cnic';
  return judge(rule, digits.charCodeAt(0) === 0x30, raw, digits);
}

/**
 * A mobile number of Pakistan in any of its written forms, normalised to E.164. Synthetic:
 * `+92398…` and `+92399…`.
 */
export function parseMsisdn(raw: string, rule: IdentifierRule): TextValue | ValueCode {
  const text = raw.trim();
  const international = text.charCodeAt(0) === 0x2b;
  const digits = digitsOf(international ? text.slice(1) : text);
  if (digits === null) return 'bad-msisdn';
  let national: string;
  if (international || (digits.length === 12 && digits.startsWith('92'))) {
    if (!digits.startsWith('92')) return 'bad-msisdn';
    national = digits.slice(2);
  } else if (digits.startsWith('0092')) national = digits.slice(4);
  else if (digits.startsWith('0')) national = digits.slice(1);
  else return 'bad-msisdn';
  if (national.length !== 10 || national.charCodeAt(0) !== 0x33) return 'bad-msisdn';
  const synthetic = national.startsWith('398') || national.startsWith('399');
  return judge(rule, synthetic, raw, `+92${national}`);
}

/** A SIM's subscriber number: 15 digits. Synthetic: the test network 001-01. */
export function parseImsi(raw: string, rule: IdentifierRule): TextValue | ValueCode {
  const digits = digitsOf(raw);
  if (digits === null || digits.length !== 15) return 'bad-imsi';
  return judge(rule, digits.startsWith('00101'), raw, digits);
}

/** A device's number: 15 digits of which the last is a Luhn check. Synthetic: type code `001…`. */
export function parseImei(raw: string, rule: IdentifierRule): TextValue | ValueCode {
  const digits = digitsOf(raw);
  if (digits === null || digits.length !== 15) return 'bad-imei';
  let sum = 0;
  for (let index = 0; index < 15; index++) {
    const digit = digits.charCodeAt(index) - 0x30;
    const weighed = index % 2 === 1 ? digit * 2 : digit;
    sum += weighed > 9 ? weighed - 9 : weighed;
  }
  if (sum % 10 !== 0) return 'imei-check-digit';
  return judge(rule, digits.startsWith('001'), raw, digits);
}

const numbers: Partial<Record<FieldType, RegExp>> = {
  cnic: /^\d{13}$/,
  msisdn: /^92\d{10}$/,
  imsi: /^\d{15}$/,
  imei: /^\d{15}$/,
};

/**
 * The text of a number as it was written, for a field of a type. As a number an identifier has lost the zeros before it,
 * and in many programs its last digits: only one that is whole is taken, and nothing is put before it.
 */
export function fromNumber(type: FieldType, written: string): string | { readonly code: CellCode } {
  return numbers[type]?.test(written) === false ? { code: 'number-for-identifier' } : written;
}
