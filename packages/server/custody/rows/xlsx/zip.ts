import { crc32, createInflateRaw } from 'node:zlib';
import { broken, WorkbookError } from './errors.ts';

/** The most parts of a package. */
const PARTS_MAX = 4_096;
/** The most bytes that a part may come to, and the most for each byte that it has in the file. */
const PART_BYTES_MAX = 1024 * 1024 * 1024;
const PART_RATIO_MAX = 256;
/** What any part may come to, however small it is in the file. */
const PART_BYTES_FREE = 1024 * 1024;
const PIECE_BYTES = 64 * 1024;

const END_SIGNATURE = 0x06054b50;
const END_BYTES = 22;
const COMMENT_BYTES_MAX = 0xffff;
const ENTRY_SIGNATURE = 0x02014b50;
const ENTRY_BYTES = 46;
const LOCAL_SIGNATURE = 0x04034b50;
const LOCAL_BYTES = 30;
const ENCRYPTED = 1;
const STORED = 0;
const DEFLATED = 8;
/** Says that the size stands in an extra field, as 64 bits. */
const ELSEWHERE = 0xffffffff;
const WIDE_SIZES = 1;

interface Entry {
  readonly method: number;
  readonly crc: number;
  readonly compressed: Buffer;
  readonly size: number;
}

/**
 * The parts of an Open Packaging file, by the central directory of its zip (APPNOTE 6.3). Only what two readers could not
 * read differently is taken: no part twice, no local header that says otherwise, no encryption, no split archive.
 * A part is inflated as it is read, against its size, its checksum and the bounds above.
 */
export class Zip {
  readonly #entries: ReadonlyMap<string, Entry>;

  /** @throws WorkbookError */
  constructor(bytes: Buffer) {
    this.#entries = readDirectory(bytes);
  }

  /** Whether there is a part of this name; case does not count. */
  has(name: string): boolean {
    return this.#entries.has(name.toLowerCase());
  }

  /** A part's bytes. Not to be trusted before its end. @throws WorkbookError */
  async *read(name: string): AsyncGenerator<Uint8Array, void, undefined> {
    const entry = this.#entries.get(name.toLowerCase());
    if (entry === undefined) throw broken();
    const ratio = PART_BYTES_FREE + PART_RATIO_MAX * entry.compressed.length;
    if (entry.size > Math.min(PART_BYTES_MAX, ratio)) {
      throw new WorkbookError('workbook-too-large');
    }
    let size = 0;
    let crc = 0;
    for await (const piece of entry.method === STORED
      ? slices(entry.compressed)
      : inflate(entry.compressed)) {
      size += piece.length;
      if (size > entry.size) throw broken();
      crc = crc32(piece, crc);
      yield piece;
    }
    if (size !== entry.size || crc !== entry.crc) throw broken();
  }
}

function* slices(bytes: Buffer): Generator<Buffer, void, undefined> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

async function* inflate(compressed: Buffer): AsyncGenerator<Buffer, void, undefined> {
  const stream = createInflateRaw({ chunkSize: PIECE_BYTES });
  const pieces = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  stream.end(compressed);
  try {
    for (;;) {
      const next = await pieces.next().catch((cause: unknown) => {
        throw broken(cause);
      });
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    stream.destroy();
  }
}

function readDirectory(bytes: Buffer): ReadonlyMap<string, Entry> {
  const end = findEnd(bytes);
  const count = bytes.readUInt16LE(end + 10);
  const size = bytes.readUInt32LE(end + 12);
  let at = bytes.readUInt32LE(end + 16);
  const isSplit = bytes.readUInt32LE(end + 4) !== 0 || bytes.readUInt16LE(end + 8) !== count;
  if (isSplit || count > PARTS_MAX || at + size > end) throw broken();
  const entries = new Map<string, Entry>();
  for (let index = 0; index < count; index++) {
    if (at + ENTRY_BYTES > end || bytes.readUInt32LE(at) !== ENTRY_SIGNATURE) throw broken();
    const nameEnd = at + ENTRY_BYTES + bytes.readUInt16LE(at + 28);
    const extraEnd = nameEnd + bytes.readUInt16LE(at + 30);
    const next = extraEnd + bytes.readUInt16LE(at + 32);
    if (next > end) throw broken();
    const nameBytes = bytes.subarray(at + ENTRY_BYTES, nameEnd);
    const name = nameBytes.toString('utf8').replaceAll('\\', '/').toLowerCase();
    if (entries.has(name)) throw broken();
    entries.set(name, readEntry(bytes, at, nameBytes, bytes.subarray(nameEnd, extraEnd)));
    at = next;
  }
  return entries;
}

function readEntry(bytes: Buffer, at: number, name: Buffer, extra: Buffer): Entry {
  const method = bytes.readUInt16LE(at + 10);
  const isEncrypted = (bytes.readUInt16LE(at + 8) & ENCRYPTED) !== 0;
  if (isEncrypted || (method !== STORED && method !== DEFLATED)) throw broken();
  const wide = readWideSizes(extra);
  const wideSize = (offset: number): number => {
    const narrow = bytes.readUInt32LE(at + offset);
    return narrow === ELSEWHERE ? (wide.shift() ?? ELSEWHERE) : narrow;
  };
  // In the order in which the extra field has those that are not here.
  const size = wideSize(24);
  const compressedSize = wideSize(20);
  const local = wideSize(42);
  if (local + LOCAL_BYTES > bytes.length) throw broken();
  if (bytes.readUInt32LE(local) !== LOCAL_SIGNATURE) throw broken();
  const nameEnd = local + LOCAL_BYTES + bytes.readUInt16LE(local + 26);
  if (!bytes.subarray(local + LOCAL_BYTES, nameEnd).equals(name)) throw broken();
  const start = nameEnd + bytes.readUInt16LE(local + 28);
  if (start + compressedSize > bytes.length) throw broken();
  const compressed = bytes.subarray(start, start + compressedSize);
  return { method, crc: bytes.readUInt32LE(at + 16), compressed, size };
}

/** The end of the central directory: only a comment follows it, and reaches to the file's end. */
function findEnd(bytes: Buffer): number {
  const first = Math.max(0, bytes.length - END_BYTES - COMMENT_BYTES_MAX);
  for (let at = bytes.length - END_BYTES; at >= first; at--) {
    const isEnd = bytes.readUInt32LE(at) === END_SIGNATURE;
    if (isEnd && at + END_BYTES + bytes.readUInt16LE(at + 20) === bytes.length) return at;
  }
  throw broken();
}

/** The 64-bit sizes of an extra field, of those that do not fit 32 bits. */
function readWideSizes(extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.length; ) {
    const id = extra.readUInt16LE(at);
    const end = at + 4 + extra.readUInt16LE(at + 2);
    if (end > extra.length) throw broken();
    const sizes: number[] = [];
    for (at += 4; id === WIDE_SIZES && at + 8 <= end; at += 8) {
      const size = extra.readBigUInt64LE(at);
      if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw broken();
      sizes.push(Number(size));
    }
    if (id === WIDE_SIZES) return sizes;
    at = end;
  }
  return [];
}
