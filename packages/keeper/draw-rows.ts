import { SECONDARY_MAX } from '@amanat/core/grants';
import { RECORD_KEY_BYTES, RECORD_NONCE_BYTES } from '@amanat/core/keys';
import { date } from '@amanat/core/shape';
import { FrameError } from './frame.ts';
import type { DrawnRow, DrawRow, Identifier } from './protocol.ts';

const TYPES = ['cnic', 'msisdn'] as const satisfies readonly Identifier['type'][];
const IDENTIFIERS_MAX = 1 + SECONDARY_MAX;
const VALUE_BYTES_MAX = 32;
const HASH_BYTES = 32;
const DATE_BYTES = 10;
const ROW_BYTES_MAX =
  4 + 1 + IDENTIFIERS_MAX * (2 + VALUE_BYTES_MAX) + 2 * HASH_BYTES + 1 + DATE_BYTES;

const ID_BYTES = 16;
const MONTH_BYTES = 7;
const DRAWN_BYTES = 4 + 1 + 2 * ID_BYTES + HASH_BYTES + MONTH_BYTES + RECORD_NONCE_BYTES;

/**
 * Rows as `draw` is asked with them. They cross the socket as bytes: as JSON they take as long as their keys. Each is
 * uint32 row ‖ uint8 number of identifiers ‖ the identifiers, the primary one first ‖ record key (32) ‖ digest (32) ‖
 * uint8 length of the event's date, 0 or 10 ‖ the date; an identifier is uint8 type (0 `cnic`, 1 `msisdn`) ‖ uint8
 * length ‖ value.
 */
export function packDrawRows(rows: readonly DrawRow[]): Buffer {
  const packed = Buffer.allocUnsafe(rows.length * ROW_BYTES_MAX);
  let at = 0;
  for (const { row, primary, secondary, recordKey, digest, eventDate } of rows) {
    at = packed.writeUInt32BE(row, at);
    at = packed.writeUInt8(1 + secondary.length, at);
    at = writeIdentifier(packed, primary, at);
    for (const identifier of secondary) at = writeIdentifier(packed, identifier, at);
    packed.set(recordKey, at);
    packed.set(digest, at + HASH_BYTES);
    at = packed.writeUInt8(eventDate?.length ?? 0, at + 2 * HASH_BYTES);
    if (eventDate !== null) at += packed.write(eventDate, at, 'latin1');
  }
  return packed.subarray(0, at);
}

function writeIdentifier(packed: Buffer, { type, value }: Identifier, at: number): number {
  packed[at] = TYPES.indexOf(type);
  packed[at + 1] = value.length;
  return at + 2 + packed.write(value, at + 2, 'latin1');
}

/**
 * The inverse of {@link packDrawRows}, hashes as views.
 * @throws FrameError unless there are exactly `count` rows of that form; CoreError for a date that does not exist
 */
export function unpackDrawRows(packed: Buffer, count: number): readonly DrawRow[] {
  const rows: DrawRow[] = [];
  let at = 0;
  const take = (bytes: number) => {
    at += bytes;
    if (at > packed.length) throw new FrameError('rows are cut short');
    return at - bytes;
  };
  const takeText = (max: number) => {
    const length = packed[take(1)] as number;
    if (length > max) throw new FrameError('a row holds too long a text');
    const start = take(length);
    return packed.toString('latin1', start, at);
  };
  const takeIdentifier = (): Identifier => {
    const type = TYPES[packed[take(1)] as number];
    if (type === undefined) throw new FrameError('a row has no such type of identifier');
    return { type, value: takeText(VALUE_BYTES_MAX) };
  };
  while (rows.length < count) {
    const row = packed.readUInt32BE(take(4));
    const identifiers = packed[take(1)] as number;
    if (row === 0 || identifiers === 0 || identifiers > IDENTIFIERS_MAX) {
      throw new FrameError('a row has no number, or not so many identifiers');
    }
    const primary = takeIdentifier();
    const secondary: Identifier[] = [];
    while (secondary.length < identifiers - 1) secondary.push(takeIdentifier());
    const hashes = take(2 * HASH_BYTES);
    const eventDate = takeText(DATE_BYTES);
    rows.push({
      row,
      primary,
      secondary,
      recordKey: packed.subarray(hashes, hashes + HASH_BYTES),
      digest: packed.subarray(hashes + HASH_BYTES, hashes + 2 * HASH_BYTES),
      eventDate: eventDate === '' ? null : date(eventDate, 'eventDate'),
    });
  }
  if (at !== packed.length) throw new FrameError('bytes follow the last row');
  return rows;
}

/**
 * Writes what `draw` gives for each row that it does not refuse: {@link add} once, then {@link addKey} for each group.
 * A row is uint32 row ‖ uint8 1 where this is her first mention, else 0 ‖ subject id (16) ‖ record id (16) ‖ keyed
 * digest (32) ‖ expiry month (`YYYY-MM`) ‖ nonce (16) ‖ the key (32) of each group, in the declaration's order.
 */
export class DrawnRowsWriter {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(rows: number, groups: number) {
    this.#bytes = Buffer.alloc(rows * (DRAWN_BYTES + groups * RECORD_KEY_BYTES));
  }

  /** Begins a row. */
  add({ row, isFirst, subject, record, digest, expiryMonth, nonce }: Omit<DrawnRow, 'keys'>): void {
    let at = this.#bytes.writeUInt32BE(row, this.#at);
    at = this.#bytes.writeUInt8(isFirst ? 1 : 0, at);
    for (const part of [subject, record, digest]) {
      this.#bytes.set(part, at);
      at += part.length;
    }
    at += this.#bytes.write(expiryMonth, at, 'latin1');
    this.#bytes.set(nonce, at);
    this.#at = at + nonce.length;
  }

  /** The next group's key, 32 bytes. */
  addKey(key: Uint8Array): void {
    this.#bytes.set(key, this.#at);
    this.#at += key.length;
  }

  /** All that was added, as a view. */
  written(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }
}

/**
 * Reads what {@link DrawnRowsWriter} wrote, as views.
 * @throws FrameError unless it is whole rows of so many groups
 */
export function unpackDrawnRows(packed: Buffer, groups: number): readonly DrawnRow[] {
  const rowBytes = DRAWN_BYTES + groups * RECORD_KEY_BYTES;
  if (packed.length % rowBytes !== 0) throw new FrameError('drawn rows are cut short');
  const rows: DrawnRow[] = [];
  for (let start = 0; start < packed.length; start += rowBytes) {
    const mention = packed[start + 4] as number;
    if (mention > 1) throw new FrameError('a drawn row is of no such mention');
    let at = start + 5;
    const take = (bytes: number) => {
      at += bytes;
      return packed.subarray(at - bytes, at);
    };
    rows.push({
      row: packed.readUInt32BE(start),
      isFirst: mention === 1,
      subject: take(ID_BYTES),
      record: take(ID_BYTES),
      digest: take(HASH_BYTES),
      expiryMonth: take(MONTH_BYTES).toString('latin1'),
      nonce: take(RECORD_NONCE_BYTES),
      keys: take(groups * RECORD_KEY_BYTES),
    });
  }
  return rows;
}
