import type { Declaration } from '@amanat/core/grants';
import type { OpenedSource, RawRow } from './gather.ts';
import type { FileRefusal } from './headings.ts';
import { HEADING_BYTES_MAX, planHeadingLine } from './headings.ts';
import type { Mapping } from './mapping.ts';
import { ROW_BYTES_MAX, ROW_LINES_MAX, RowSplitter } from './splitter.ts';

/** How a CSV file is to be read. */
export interface CsvOptions {
  readonly mapping?: Mapping;
  readonly rowBytesMax?: number;
  readonly rowLinesMax?: number;
}

/**
 * Opens a CSV file, given as UTF-8: reads its heading line, finds delimiter and columns, and refuses the file as a whole
 * where they do not fit the declaration. Throws only what the source throws.
 */
export async function openCsv(
  pieces: AsyncGenerator<Uint8Array, void, undefined>,
  declaration: Declaration,
  options: CsvOptions,
): Promise<OpenedSource> {
  const heading = await readHeading(pieces);
  if (!heading.ok) return heading;
  const plan = planHeadingLine(heading.text, declaration, options.mapping);
  if (!plan.ok) return plan;
  const splitter = new RowSplitter({
    delimiter: plan.delimiter,
    columns: plan.fieldIndexes.length,
    firstLine: heading.lines + 1,
    bounds: {
      rowBytesMax: options.rowBytesMax ?? ROW_BYTES_MAX,
      rowLinesMax: options.rowLinesMax ?? ROW_LINES_MAX,
    },
  });
  const progress = () => ({
    lines: splitter.line - 1,
    blankLines: heading.lines - 1 + splitter.blankLines,
  });
  const rows = splitRows(pieces, heading.rest, splitter);
  return { ok: true, source: { fieldIndexes: plan.fieldIndexes, rows, progress } };
}

async function* splitRows(
  pieces: AsyncGenerator<Uint8Array, void, undefined>,
  first: Uint8Array,
  splitter: RowSplitter,
): AsyncGenerator<readonly RawRow[], void, undefined> {
  yield splitter.push(first);
  for await (const piece of pieces) yield splitter.push(piece);
  yield splitter.end();
}

type Heading =
  | { readonly ok: true; readonly text: string; readonly lines: number; readonly rest: Uint8Array }
  | FileRefusal;

/** Reads up to the end of the first line that is not blank; what follows comes back as `rest`. */
async function readHeading(pieces: AsyncGenerator<Uint8Array, void, undefined>): Promise<Heading> {
  let bytes = Buffer.alloc(0);
  let at = 0;
  let lines = 0;
  let done = false;
  for (;;) {
    const feed = bytes.indexOf(0x0a, at);
    const back = bytes.indexOf(0x0d, at);
    let end = feed === -1 || (back !== -1 && back < feed) ? back : feed;
    // A CR as the last byte may be half a CRLF.
    if (end === bytes.length - 1 && end === back && !done) end = -1;
    if (end === -1 && done) end = bytes.length;
    if (end === -1) {
      if (bytes.length > HEADING_BYTES_MAX) break;
      const next = await pieces.next();
      if (next.done === true) done = true;
      else bytes = Buffer.concat([bytes, next.value]);
      continue;
    }
    const text = bytes.toString('utf8', at, end);
    const pair = bytes[end] === 0x0d && bytes[end + 1] === 0x0a;
    lines++;
    at = Math.min(end + (pair ? 2 : 1), bytes.length);
    if (at > HEADING_BYTES_MAX + 2) break;
    if (text.trim() !== '') return { ok: true, text, lines, rest: bytes.subarray(at) };
    if (done && at === bytes.length) return { ok: false, code: 'empty-file', names: [] };
  }
  return { ok: false, code: 'bad-heading', names: [] };
}
