import type { RowValue } from './codes.ts';

/** The version of the framing below. */
const GROUP_VERSION = 1;
/** The most fields in one group. */
const FIELDS_MAX = 64;
/** What a writer keeps between rows, in bytes. */
const WRITER_BYTES = 64 * 1024;

const KIND_ABSENT = 0;
const KIND_TEXT = 1;
const KIND_TWO_TEXTS = 2;
const KIND_BYTES = 3;

/** A field's name and what a record holds for it. */
export interface GroupField {
  readonly name: string;
  readonly value: RowValue;
}

/**
 * Encodes one field group of a record: the plaintext that is encrypted. Byte by byte, integers
 * big-endian:
 *
 * ```
 * uint8   version, 1
 * uint16  number of fields, then for each, in declared order:
 *   uint8   kind: 0 absent, 1 text, 2 text whose recorded form differs, 3 bytes
 *   uint16  length of the name, then the name in UTF-8
 *   kind 1, 2, 3:  uint32 length, then the normalised text in UTF-8, or the bytes
 *   kind 2:        uint32 length, then the recorded text in UTF-8
 * ```
 *
 * Each list of fields has exactly one encoding, and {@link decodeGroup} takes no other.
 */
export function encodeGroup(fields: readonly GroupField[]): Buffer {
  const named = fields.map(({ name, value }) => ({ name: Buffer.from(name, 'utf8'), value }));
  writer.reset();
  writer.writeGroup(
    named.map(({ name }) => name),
    (index) => named[index]?.value ?? null,
  );
  return Buffer.from(writer.written());
}

/**
 * Writes groups one after another into memory that is used again for each row: a row costs one
 * allocation, made by whoever copies {@link written}. Nothing asynchronous may happen in between.
 */
export class GroupWriter {
  #bytes = Buffer.allocUnsafeSlow(WRITER_BYTES);
  #at = 0;

  /** Forgets what was written, and gives back memory that one large row took. */
  reset(): void {
    this.#at = 0;
    if (this.#bytes.length > WRITER_BYTES) this.#bytes = Buffer.allocUnsafeSlow(WRITER_BYTES);
  }

  /** How many bytes have been written since the last reset. */
  get length(): number {
    return this.#at;
  }

  /** What has been written since the last reset; valid until the next. */
  written(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  /** Writes bytes as they are. */
  writeBytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Writes one group with its length (uint32) before it and returns where it begins and ends. */
  writeSizedGroup(
    names: readonly Uint8Array[],
    valueAt: (index: number) => RowValue,
  ): { readonly start: number; readonly end: number } {
    this.#reserve(4);
    const start = this.#at + 4;
    this.#at = start;
    this.writeGroup(names, valueAt);
    this.#bytes.writeUInt32BE(this.#at - start, start - 4);
    return { start, end: this.#at };
  }

  /** Writes one group in the framing of {@link encodeGroup}, names being in UTF-8 already. */
  writeGroup(names: readonly Uint8Array[], valueAt: (index: number) => RowValue): void {
    if (names.length > FIELDS_MAX) throw new RangeError(`a group has at most ${FIELDS_MAX} fields`);
    this.#reserve(3);
    this.#bytes[this.#at] = GROUP_VERSION;
    this.#at = this.#bytes.writeUInt16BE(names.length, this.#at + 1);
    for (const [index, name] of names.entries()) this.#writeField(name, valueAt(index));
  }

  #writeField(name: Uint8Array, value: RowValue): void {
    this.#reserve(3);
    this.#bytes[this.#at] = kindOf(value);
    this.#at = this.#bytes.writeUInt16BE(name.length, this.#at + 1);
    this.writeBytes(name);
    if (value === null) return;
    if ('bytes' in value) {
      this.#reserve(4);
      this.#at = this.#bytes.writeUInt32BE(value.bytes.length, this.#at);
      this.writeBytes(value.bytes);
      return;
    }
    this.#writeText(value.normalised);
    if (value.recorded !== value.normalised) this.#writeText(value.recorded);
  }

  #writeText(text: string): void {
    // Three bytes are the most that a UTF-16 code unit takes in UTF-8.
    this.#reserve(4 + 3 * text.length);
    const bytes = this.#bytes;
    const start = this.#at + 4;
    let at = start;
    // Short ASCII, nearly every value, is quicker byte by byte than by a call out of the engine.
    const ascii = text.length <= 64 ? text.length : 0;
    let index = 0;
    for (; index < ascii; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) break;
      bytes[at++] = code;
    }
    if (index < text.length) at = start + bytes.write(text, start, 'utf8');
    bytes.writeUInt32BE(at - start, this.#at);
    this.#at = at;
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * (this.#at + count));
    larger.set(this.written());
    this.#bytes = larger;
  }
}

const writer = new GroupWriter();

function kindOf(value: RowValue): number {
  if (value === null) return KIND_ABSENT;
  if ('bytes' in value) return KIND_BYTES;
  return value.recorded === value.normalised ? KIND_TEXT : KIND_TWO_TEXTS;
}

/**
 * Decodes what {@link encodeGroup} wrote, or null where the bytes are anything else: another
 * version, cut off, too long, not UTF-8, a name twice. Bytes are a view of the input.
 */
export function decodeGroup(bytes: Uint8Array): readonly GroupField[] | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const take = (length: number): Uint8Array | null => {
    if (length > bytes.length - at) return null;
    at += length;
    return bytes.subarray(at - length, at);
  };
  const integer = (size: 1 | 2 | 4): number | null => {
    if (size > bytes.length - at) return null;
    const from = at;
    at += size;
    if (size === 1) return view.getUint8(from);
    return size === 2 ? view.getUint16(from) : view.getUint32(from);
  };
  const sized = (size: 2 | 4): Uint8Array | null => {
    const length = integer(size);
    return length === null ? null : take(length);
  };

  if (integer(1) !== GROUP_VERSION) return null;
  const count = integer(2);
  if (count === null || count > FIELDS_MAX) return null;
  const fields: GroupField[] = [];
  const seen = new Set<string>();
  for (let index = 0; index < count; index++) {
    const kind = integer(1);
    const name = decodeText(sized(2));
    if (kind === null || kind > KIND_BYTES || name === null || seen.has(name)) return null;
    seen.add(name);
    const value = readValue(kind, () => sized(4));
    if (value === undefined) return null;
    fields.push({ name, value });
  }
  return at === bytes.length ? fields : null;
}

function readValue(kind: number, next: () => Uint8Array | null): RowValue | undefined {
  if (kind === KIND_ABSENT) return null;
  const content = next();
  if (content === null) return undefined;
  if (kind === KIND_BYTES) return { bytes: content };
  const normalised = decodeText(content);
  if (normalised === null) return undefined;
  if (kind === KIND_TEXT) return { recorded: normalised, normalised };
  const recorded = decodeText(next());
  if (recorded === null || recorded === normalised) return undefined;
  return { recorded, normalised };
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeText(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null;
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return null;
  }
}
