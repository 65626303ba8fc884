import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A value that is nowhere but where it was planted, and what it is, for the tests' messages. */
export interface Planted {
  readonly what: string;
  readonly value: string;
}

/** Where a planted value was found. */
export interface Finding {
  readonly where: string;
  readonly what: string;
  readonly form: string;
}

const DIGITS_MIN = 7;
const INTEGER_BYTES = 6;

/** Every form in which a planted value could stand in a file. */
export class PlantedForms {
  readonly #needles: { readonly what: string; readonly form: string; readonly bytes: Buffer }[] =
    [];

  constructor(planted: readonly Planted[]) {
    for (const { what, value } of planted) {
      for (const [form, text] of textsOf(value)) {
        for (const [encoding, bytes] of bytesOf(text)) {
          this.#needles.push({ what, form: `${form}, ${encoding}`, bytes });
        }
      }
      for (const [form, bytes] of numbersOf(value)) this.#needles.push({ what, form, bytes });
    }
  }

  /** How many forms are looked for. */
  get count(): number {
    return this.#needles.length;
  }

  /** The planted values that bytes hold; each once. */
  findIn(where: string, haystack: Buffer): Finding[] {
    const found = new Map<string, Finding>();
    for (const { what, form, bytes } of this.#needles) {
      if (!found.has(what) && haystack.includes(bytes)) found.set(what, { where, what, form });
    }
    return [...found.values()];
  }

  /** Looks through the names and the bytes of every file in a folder, and in those inside it. */
  findUnder(folder: string): { readonly findings: readonly Finding[]; readonly files: string[] } {
    const files: string[] = [];
    const findings: Finding[] = [];
    for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
      const path = join(entry.parentPath, entry.name);
      findings.push(...this.findIn(`name of ${path}`, Buffer.from(entry.name)));
      const bytes = entry.isFile() ? readOrNull(path) : null;
      if (bytes === null) continue;
      files.push(path);
      findings.push(...this.findIn(path, bytes));
    }
    return { findings, files };
  }
}

/** A file's bytes; null where it has gone since its folder was listed, as a database's journal does. */
function readOrNull(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return null;
    throw error;
  }
}

function textsOf(value: string): Map<string, string> {
  const texts = new Map([['as it is', value]]);
  const add = (form: string, text: string) => {
    if (![...texts.values()].includes(text)) texts.set(form, text);
  };
  add('lower case', value.toLowerCase());
  add('upper case', value.toUpperCase());
  const digits = value.replace(/\D/g, '');
  if (digits.length >= DIGITS_MIN && /^[+\d\s-]+$/.test(value)) {
    add('digits', digits);
    // A telephone number as it is dialled at home.
    if (digits.startsWith('92')) add('national number', digits.slice(2));
  }
  add('in a URL', encodeURIComponent(value));
  add(
    'escaped',
    value.replace(/[^ -~]/g, (each) => `\\u${hexUnit(each.charCodeAt(0))}`),
  );
  return texts;
}

function hexUnit(unit: number): string {
  return unit.toString(16).padStart(4, '0');
}

function bytesOf(text: string): [string, Buffer][] {
  const utf8 = Buffer.from(text, 'utf8');
  const little = Buffer.from(text, 'utf16le');
  const big = Buffer.from(little).swap16();
  const forms: [string, Buffer][] = [
    ['UTF-8', utf8],
    ['UTF-16LE', little],
    ['UTF-16BE', big],
  ];
  for (const [name, bytes] of [...forms]) {
    const inHex = bytes.toString('hex');
    forms.push([`${name} in hex`, Buffer.from(inHex)]);
    forms.push([`${name} in upper-case hex`, Buffer.from(inHex.toUpperCase())]);
    for (const offset of [0, 1, 2]) {
      const inBase64 = middleOfBase64(bytes, offset);
      forms.push([`${name} in base64`, Buffer.from(inBase64)]);
      const inUrl = inBase64.replaceAll('+', '-').replaceAll('/', '_');
      if (inUrl !== inBase64) forms.push([`${name} in base64url`, Buffer.from(inUrl)]);
    }
  }
  return forms;
}

/** The characters that stand for these bytes alone, wherever among others they begin. */
function middleOfBase64(bytes: Buffer, offset: number): string {
  const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
  const first = Math.ceil((offset * 8) / 6);
  const last = Math.floor(((offset + bytes.length) * 8) / 6);
  return encoded.slice(first, last);
}

/** A number as a machine keeps it, and bytes that were given in hexadecimal. */
function numbersOf(value: string): [string, Buffer][] {
  if (/^[0-9a-f]{32}$/.test(value)) return [['bytes', Buffer.from(value, 'hex')]];
  const digits = value.replace(/\D/g, '');
  if (digits.length < 12 || digits.length > 14 || !/^[+\d\s-]+$/.test(value)) return [];
  const big = Buffer.alloc(INTEGER_BYTES);
  big.writeUIntBE(Number(digits), 0, INTEGER_BYTES);
  const little = Buffer.from(big).reverse();
  return [
    ['integer, big-endian', big],
    ['integer, little-endian', little],
  ];
}
