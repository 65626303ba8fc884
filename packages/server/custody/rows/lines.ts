const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * Cuts bytes into lines that end with LF, CRLF or CR, mixed as they come, and keeps no more of one than its bound. What
 * comes out does not depend on how the input is cut into chunks.
 */
export class LineCutter {
  readonly #bytesMax: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  /** The last line ended with CR at the end of a chunk: an LF that follows belongs to it. */
  #afterReturn = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The lines that end in this chunk, in order; null for one that is too long. */
  *push(chunk: Uint8Array): Generator<Buffer | null, void, undefined> {
    let at = this.#afterReturn && chunk[0] === LINE_FEED ? 1 : 0;
    if (chunk.length > 0) this.#afterReturn = false;
    let feed = chunk.indexOf(LINE_FEED, at);
    let back = chunk.indexOf(CARRIAGE_RETURN, at);
    while (feed !== -1 || back !== -1) {
      const end = feed === -1 || (back !== -1 && back < feed) ? back : feed;
      this.#keep(chunk.subarray(at, end));
      yield this.#take();
      at = end + 1;
      if (end === back && at === chunk.length) this.#afterReturn = true;
      if (end === back && feed === at) at++;
      if (feed !== -1 && feed < at) feed = chunk.indexOf(LINE_FEED, at);
      if (back !== -1 && back < at) back = chunk.indexOf(CARRIAGE_RETURN, at);
    }
    this.#keep(chunk.subarray(at));
  }

  /** Ends the input: the last line, where it had no end; null where it is too long. */
  *end(): Generator<Buffer | null, void, undefined> {
    if (this.#bytes > 0) yield this.#take();
  }

  #keep(part: Uint8Array): void {
    this.#bytes += part.length;
    if (this.#bytes > this.#bytesMax) this.#parts = [];
    else if (part.length > 0) this.#parts.push(part);
  }

  #take(): Buffer | null {
    const line = this.#bytes > this.#bytesMax ? null : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    return line;
  }
}
