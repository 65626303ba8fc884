import type { LineCode } from './codes.ts';
import type { RawRow } from './gather.ts';

/** The longest row, in bytes of UTF-8; a longer one is rejected without being kept. */
export const ROW_BYTES_MAX = 1024 * 1024;
/** The most physical lines that one quoted row may span. */
export const ROW_LINES_MAX = 256;
/** How much is gathered before it is split: small pieces cost more than waiting for the next. */
const BLOCK_BYTES = 64 * 1024;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const QUOTE = 0x22;

/** Bounds of a row; the defaults are {@link ROW_BYTES_MAX} and {@link ROW_LINES_MAX}. */
export interface RowBounds {
  readonly rowBytesMax: number;
  readonly rowLinesMax: number;
}

type Quoted =
  | {
      readonly state: 'row';
      readonly fields: readonly string[];
      readonly end: number;
      readonly lines: number;
    }
  | { readonly state: 'open' | 'unclosed' | 'bad' };

/**
 * Splits UTF-8 bytes into rows (RFC 4180, with any one delimiter and with LF, CRLF or CR at a
 * line's end, mixed as they come), keeping no more than one row's bound and one block in memory.
 *
 * Nothing is lost silently. Each line that is not blank belongs to exactly one {@link RawRow}. A
 * quoted row over several lines is taken as one only when its quotes close within the bounds and
 * its fields are as many as the heading's; otherwise its first line alone is rejected, as one whose
 * quote is not closed, and reading goes on at the second, so that a stray quote costs one line and
 * never the rest of the file. What comes out does not depend on how the input is cut into chunks.
 */
export class RowSplitter {
  readonly #delimiter: string;
  readonly #columns: number;
  readonly #bounds: RowBounds;
  /** Bytes since the last line end that has been split. */
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** A quoted row that is still open at the end of the last block, from its first character. */
  #open = '';
  /** Inside a line that is too long, whose bytes are dropped as they come. */
  #skipping = false;
  /** A dropped line ended with CR at the end of a chunk: an LF that follows belongs to it. */
  #afterReturn = false;
  #line: number;
  #blankLines = 0;

  constructor(options: {
    readonly delimiter: string;
    readonly columns: number;
    readonly firstLine: number;
    readonly bounds: RowBounds;
  }) {
    this.#delimiter = options.delimiter;
    this.#columns = options.columns;
    this.#line = options.firstLine;
    this.#bounds = options.bounds;
  }

  /** The line that is read next, 1-based: lines so far are one less. */
  get line(): number {
    return this.#line;
  }

  /** How many lines were blank. */
  get blankLines(): number {
    return this.#blankLines;
  }

  /** Takes some bytes and returns the rows that are complete. */
  push(chunk: Uint8Array): RawRow[] {
    let rest = chunk;
    if (this.#skipping) {
      rest = this.#skip(rest);
      if (this.#skipping) return [];
    }
    if (this.#afterReturn && rest.length > 0) {
      if (rest[0] === LINE_FEED) rest = rest.subarray(1);
      this.#afterReturn = false;
    }
    if (rest.length === 0) return [];
    this.#pending.push(rest);
    this.#pendingBytes += rest.length;
    const enough = Math.min(BLOCK_BYTES, this.#bounds.rowBytesMax);
    return this.#pendingBytes < enough ? [] : this.#flush(false);
  }

  /** Ends the input and returns the rows that are left. */
  end(): RawRow[] {
    if (this.#skipping) {
      this.#skipping = false;
      this.#line++;
      return [];
    }
    return this.#flush(true);
  }

  #flush(final: boolean): RawRow[] {
    const block =
      this.#pending.length === 1 ? asBuffer(this.#pending[0]!) : Buffer.concat(this.#pending);
    const cut = final ? block.length : lastLineEnd(block);
    const rest = block.subarray(cut);
    this.#pending = rest.length === 0 ? [] : [rest];
    this.#pendingBytes = rest.length;

    const rows: RawRow[] = [];
    if (cut > 0 || final) {
      const lines = block.subarray(0, cut);
      // In bytes, because looking for U+0000 in a string of two-byte units is a hundred times slower.
      const nuls = this.#open !== '' || lines.includes(0);
      const text = this.#open + decode(lines);
      this.#open = '';
      this.#split(text, { final, nuls }, rows);
    }
    const restBytes = rest.length - (rest.at(-1) === CARRIAGE_RETURN ? 1 : 0);
    if (restBytes > this.#bounds.rowBytesMax) {
      // Nothing that is open can close within its bound any more.
      const open = this.#open;
      this.#open = '';
      this.#split(open, { final: true, nuls: true }, rows);
      rows.push({ line: this.#line, lines: 1, cells: null, code: 'row-too-long' });
      this.#pending = [];
      this.#pendingBytes = 0;
      this.#skipping = true;
      // `rest` holds no line end, save a CR as its last byte whose LF may be still to come.
      this.#skip(rest);
    }
    return rows;
  }

  /** Drops bytes to the end of the line and returns what follows it. */
  #skip(bytes: Uint8Array): Uint8Array {
    const end = firstLineEnd(bytes);
    if (end === -1) return bytes.subarray(bytes.length);
    this.#skipping = false;
    this.#line++;
    this.#afterReturn = bytes[end] === CARRIAGE_RETURN;
    return bytes.subarray(end + 1);
  }

  #split(
    text: string,
    { final, nuls }: { readonly final: boolean; readonly nuls: boolean },
    rows: RawRow[],
  ): void {
    const length = text.length;
    const returns = text.includes('\r');
    const quotes = text.includes('"');
    const broken = text.includes('\ufffd');
    let at = 0;
    // Looked for again only once passed: a text without any would be searched to its end each time.
    let feed = -1;
    while (at < length) {
      if (feed < at) {
        feed = text.indexOf('\n', at);
        if (feed === -1) feed = length;
      }
      let end = feed;
      let next = end + 1;
      if (returns) {
        const back = text.slice(at, end).indexOf('\r');
        if (back !== -1) {
          end = at + back;
          next = text.charCodeAt(end + 1) === LINE_FEED ? end + 2 : end + 1;
        }
      }
      const line = text.slice(at, end);
      if (line.length * 3 > this.#bounds.rowBytesMax && this.#isTooLong(line)) {
        rows.push(this.#reject('row-too-long'));
      } else if (quotes && line.includes('"')) {
        const quoted = this.#readQuoted(text, at);
        if (quoted.state === 'open' && !final) {
          this.#open = text.slice(at);
          return;
        }
        if (quoted.state !== 'row') {
          rows.push(this.#reject(quoted.state === 'bad' ? 'bad-quote' : 'unclosed-quote'));
        } else if (quoted.fields.length !== this.#columns) {
          rows.push(this.#reject(quoted.lines === 1 ? 'ragged-row' : 'unclosed-quote'));
        } else {
          const whole = quoted.lines === 1 ? line : text.slice(at, quoted.end);
          rows.push(this.#take(whole, quoted.fields, quoted.lines, nuls, broken));
          next = afterLineEnd(text, quoted.end);
        }
      } else if (line.length === 0 || isBlankLine(line)) {
        this.#line++;
        this.#blankLines++;
      } else {
        // One more than the columns is enough to see that there are too many.
        const fields = line.split(this.#delimiter, this.#columns + 1);
        if (fields.length !== this.#columns) rows.push(this.#reject(this.#raggedCode(line)));
        else rows.push(this.#take(line, fields, 1, nuls, broken));
      }
      at = next;
    }
  }

  #reject(code: LineCode): RawRow {
    return { line: this.#line++, lines: 1, cells: null, code };
  }

  /** A line of NULs (a hole that a crash left) says so rather than that it is ragged. */
  #raggedCode(line: string): LineCode {
    if (line.includes('\0')) return 'nul-character';
    return line.includes('\ufffd') ? 'bad-encoding' : 'ragged-row';
  }

  #take(
    whole: string,
    fields: readonly string[],
    lines: number,
    nuls: boolean,
    broken: boolean,
  ): RawRow {
    const line = this.#line;
    this.#line += lines;
    let code: LineCode | null = null;
    if (nuls && whole.includes('\0')) code = 'nul-character';
    else if (broken && whole.includes('\ufffd')) code = 'bad-encoding';
    return { line, lines, cells: code === null ? fields : null, code };
  }

  #isTooLong(text: string): boolean {
    return Buffer.byteLength(text) > this.#bounds.rowBytesMax;
  }

  /** Reads the row that begins at `start`, field by field, across line ends inside quotes. */
  #readQuoted(text: string, start: number): Quoted {
    const separator = this.#delimiter.charCodeAt(0);
    const fields: string[] = [];
    let lines = 1;
    let at = start;
    for (;;) {
      if (text.charCodeAt(at) === QUOTE) {
        let value = '';
        let from = at + 1;
        for (;;) {
          const close = text.indexOf('"', from);
          const until = close === -1 ? text.length : close;
          lines += countLineEnds(text, from, until, this.#bounds.rowLinesMax);
          if (until - start > this.#bounds.rowBytesMax || lines > this.#bounds.rowLinesMax) {
            return { state: 'unclosed' };
          }
          if (close === -1) return { state: 'open' };
          value += text.slice(from, close);
          from = close + 1;
          if (text.charCodeAt(from) !== QUOTE) break;
          value += '"';
          from++;
        }
        at = from;
        fields.push(value);
      } else {
        const from = at;
        while (at < text.length && !endsField(text.charCodeAt(at), separator)) at++;
        fields.push(text.slice(from, at));
      }
      if (at < text.length && text.charCodeAt(at) === separator && fields.length <= this.#columns) {
        at++;
        continue;
      }
      if (at < text.length && !endsField(text.charCodeAt(at), separator)) {
        return { state: lines === 1 ? 'bad' : 'unclosed' };
      }
      if (lines > 1 && this.#isTooLong(text.slice(start, at))) return { state: 'unclosed' };
      return { state: 'row', fields, end: at, lines };
    }
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Invalid sequences become U+FFFD, by which their rows are found and rejected. */
function decode(block: Buffer): string {
  return block.toString('utf8');
}

function endsField(code: number, separator: number): boolean {
  return code === separator || code === LINE_FEED || code === CARRIAGE_RETURN;
}

function afterLineEnd(text: string, end: number): number {
  const pair = text.charCodeAt(end) === CARRIAGE_RETURN && text.charCodeAt(end + 1) === LINE_FEED;
  return end + (pair ? 2 : 1);
}

/** The offset after the last line end that is known to be whole: a last CR may be half a CRLF. */
function lastLineEnd(block: Buffer): number {
  const feed = block.lastIndexOf(LINE_FEED);
  const after = block.length < 2 ? -1 : block.lastIndexOf(CARRIAGE_RETURN, block.length - 2);
  return Math.max(feed, after) + 1;
}

function firstLineEnd(bytes: Uint8Array): number {
  const feed = bytes.indexOf(LINE_FEED);
  const back = bytes.indexOf(CARRIAGE_RETURN);
  return feed === -1 || back === -1 ? Math.max(feed, back) : Math.min(feed, back);
}

/** Counts LF, CRLF and CR in a stretch of text, giving up after `max`. */
function countLineEnds(text: string, from: number, until: number, max: number): number {
  let count = 0;
  for (let at = from; at < until && count <= max; at++) {
    const code = text.charCodeAt(at);
    if (code === LINE_FEED) count++;
    else if (code === CARRIAGE_RETURN && text.charCodeAt(at + 1) !== LINE_FEED) count++;
  }
  return count;
}

function isBlankLine(line: string): boolean {
  const first = line.charCodeAt(0);
  return (first <= 0x20 || first > 0x7e) && line.trim() === '';
}
