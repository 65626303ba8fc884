/** The longest file name, in bytes of UTF-8. */
const NAME_BYTES_MAX = 255;
/** The most files in one upload, unless told otherwise. */
const FILES_MAX_DEFAULT = 1_000_000;
/** The largest file in an upload, in bytes, unless told otherwise. */
const FILE_BYTES_MAX_DEFAULT = 64 * 1024 * 1024 * 1024;

/** Why an upload's framing was refused. */
export type FrameCode =
  | 'frame-truncated'
  | 'frame-bad-name'
  | 'frame-too-large'
  | 'frame-too-many'
  | 'frame-wrong-size';

/** An upload whose framing does not hold. The message holds no file's name. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
  readonly code: FrameCode;

  constructor(code: FrameCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** A file to send: its size must be known before its bytes. */
export interface NamedSource {
  readonly name: string;
  readonly size: number;
  readonly content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** A file as it arrives. What is not read of `content` is passed over when the next is asked for. */
export interface FramedFile {
  readonly name: string;
  readonly size: number;
  readonly content: AsyncIterable<Uint8Array>;
}

/** Bounds of an upload; see the defaults. */
export interface FrameBounds {
  readonly filesMax?: number;
  readonly fileBytesMax?: number;
}

/**
 * Writes files as one stream: for each a name's length (uint16, big-endian), the name in UTF-8, the
 * size (uint64, big-endian), and the bytes. The stream ends where a file ends; there is no trailer.
 * Throws {@link FrameError} `frame-bad-name`, or `frame-wrong-size` where a source gives more or
 * fewer bytes than it said.
 */
export async function* encodeFrames(
  files: AsyncIterable<NamedSource> | Iterable<NamedSource>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const file of files) {
    const name = Buffer.from(file.name, 'utf8');
    if (!isName(file.name) || name.length > NAME_BYTES_MAX) {
      throw new FrameError('frame-bad-name', 'a file has a name that cannot be sent');
    }
    if (!Number.isSafeInteger(file.size) || file.size < 0) {
      throw new FrameError('frame-wrong-size', 'a file has no size');
    }
    const head = Buffer.alloc(2 + name.length + 8);
    head.writeUInt16BE(name.length, 0);
    name.copy(head, 2);
    head.writeBigUInt64BE(BigInt(file.size), 2 + name.length);
    yield head;
    let left = file.size;
    for await (const chunk of file.content) {
      left -= chunk.length;
      if (left < 0) break;
      if (chunk.length > 0) yield chunk;
    }
    if (left !== 0) throw new FrameError('frame-wrong-size', 'a file changed while it was sent');
  }
}

/**
 * Reads what {@link encodeFrames} writes, one file at a time, in flat memory. Throws
 * {@link FrameError} where the stream is cut off, a name is not one, or a bound is passed; a cut
 * inside a file is thrown by its `content`, or, where that is not read, by the next file.
 */
export async function* decodeFrames(
  source: AsyncIterable<Uint8Array>,
  bounds: FrameBounds = {},
): AsyncGenerator<FramedFile, void, undefined> {
  const filesMax = bounds.filesMax ?? FILES_MAX_DEFAULT;
  const fileBytesMax = bounds.fileBytesMax ?? FILE_BYTES_MAX_DEFAULT;
  const reader = new ByteReader(source);
  try {
    for (let count = 0; ; count++) {
      const prefix = await reader.exactly(2, true);
      if (prefix === null) return;
      if (count >= filesMax) throw new FrameError('frame-too-many', 'too many files in one upload');
      const name = readName(await reader.exactly(prefix.readUInt16BE(0)));
      const size = (await reader.exactly(8)).readBigUInt64BE(0);
      if (size > BigInt(fileBytesMax)) {
        throw new FrameError('frame-too-large', 'a file is larger than the upload allows');
      }
      const content = new Content(reader, Number(size));
      yield { name, size: Number(size), content };
      await content.drain();
    }
  } finally {
    await reader.close();
  }
}

function readName(bytes: Buffer): string {
  if (bytes.length <= NAME_BYTES_MAX) {
    try {
      const name = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
      if (isName(name)) return name;
    } catch {
      // Not UTF-8: refused below with every other bad name.
    }
  }
  throw new FrameError('frame-bad-name', 'a file in the upload has a name that is not allowed');
}

/** A name of its own, not a path: nothing that a file system would take for more than a name. */
function isName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
  const outlawed = /[\u0000-\u001f\u007f/\\]|\p{Cs}/u;
  return name !== '' && name !== '.' && name !== '..' && !outlawed.test(name);
}

/** One file's bytes; iterating again goes on where the last iteration stopped. */
class Content implements AsyncIterable<Uint8Array> {
  readonly #reader: ByteReader;
  #left: number;

  constructor(reader: ByteReader, size: number) {
    this.#reader = reader;
    this.#left = size;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    while (this.#left > 0) {
      const chunk = await this.#reader.upTo(this.#left);
      this.#left -= chunk.length;
      yield chunk;
    }
  }

  async drain(): Promise<void> {
    for await (const _ of this) {
      // Passed over.
    }
  }
}

/** Takes bytes from a source by count. */
class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** Between 1 and `max` bytes, without copying; at the source's end it throws. */
  async upTo(max: number): Promise<Uint8Array> {
    if (!(await this.#fill())) throw truncated();
    const taken = this.#chunk.subarray(0, max);
    this.#chunk = this.#chunk.subarray(taken.length);
    return taken;
  }

  /** Exactly so many bytes; null where `endAllowed` and the source has ended before the first. */
  async exactly(count: number): Promise<Buffer>;
  async exactly(count: number, endAllowed: true): Promise<Buffer | null>;
  async exactly(count: number, endAllowed = false): Promise<Buffer | null> {
    const bytes = Buffer.alloc(count);
    for (let have = 0; have < count; ) {
      if (!(await this.#fill())) {
        if (endAllowed && have === 0) return null;
        throw truncated();
      }
      const taken = this.#chunk.subarray(0, count - have);
      bytes.set(taken, have);
      have += taken.length;
      this.#chunk = this.#chunk.subarray(taken.length);
    }
    return bytes;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #fill(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) return false;
      this.#chunk = next.value;
    }
    return true;
  }
}

function truncated(): FrameError {
  return new FrameError('frame-truncated', 'the upload ends in the middle of a file');
}
