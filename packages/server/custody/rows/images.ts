import type { Declaration } from '@amanat/core/grants';
import { readCardName } from './card-name.ts';
import type { RejectCode, Rejection, Row, RowBatch, RowValue } from './codes.ts';
import type { FramedFile } from './frames.ts';
import type { FileRefusal } from './headings.ts';
import type { IdentifierRule } from './identifiers.ts';
import { IMAGE_BYTES_MAX, inspectJpeg } from './jpeg.ts';

/** How many files a batch holds unless told otherwise. */
const BATCH_FILES_DEFAULT = 64;
/** How many bytes of images a batch gathers before it is handed on. */
const BATCH_BYTES_MAX = 16 * 1024 * 1024;

/** How a set of images is to be read. */
export interface ImageOptions {
  readonly identifiers: IdentifierRule;
  readonly batchFiles?: number;
}

/** A declaration that a set of images fits. `batches` can be read once. */
export interface OpenedImages {
  readonly ok: true;
  readonly batches: AsyncGenerator<RowBatch, void, undefined>;
}

/**
 * Reads image files named by identifier and side into rows: one file, one row. The declaration must
 * have a primary `cnic`, one `jpeg` and one `enum` of `front` and `back`, and require nothing else.
 * A rejection gives the file's place in the set, never its name. At most one image beyond a batch's
 * bytes is in memory.
 */
export function readImages(
  files: AsyncIterable<FramedFile>,
  declaration: Declaration,
  options: ImageOptions,
): OpenedImages | FileRefusal {
  const { fields } = declaration;
  const cnic = fields.findIndex(({ identifier }) => identifier === 'primary');
  const image = fields.findIndex(({ type }) => type === 'jpeg');
  const side = fields.findIndex(
    ({ values }) => values?.includes('front') === true && values.includes('back'),
  );
  const missing = fields.filter(
    ({ required }, index) => required && ![cnic, image, side].includes(index),
  );
  if (cnic === -1 || image === -1 || side === -1 || missing.length > 0) {
    return { ok: false, code: 'missing-columns', names: missing.map(({ name }) => name) };
  }
  const places = { cnic, image, side };
  return { ok: true, batches: readBatches(files, declaration, places, options) };
}

interface Places {
  readonly cnic: number;
  readonly image: number;
  readonly side: number;
}

async function* readBatches(
  files: AsyncIterable<FramedFile>,
  declaration: Declaration,
  places: Places,
  options: ImageOptions,
): AsyncGenerator<RowBatch, void, undefined> {
  const batchFiles = options.batchFiles ?? BATCH_FILES_DEFAULT;
  let rows: Row[] = [];
  let rejections: Rejection[] = [];
  let bytes = 0;
  let accepted = 0;
  let rejected = 0;
  const batch = (): RowBatch => {
    const count = accepted + rejected;
    const totals = { lines: count, blankLines: 0, rows: count, accepted, rejected };
    const made = { rows, rejections, totals };
    rows = [];
    rejections = [];
    bytes = 0;
    return made;
  };
  for await (const file of files) {
    const row = accepted + rejected + 1;
    const read = await readImage(file, options.identifiers);
    if ('code' in read) {
      rejected++;
      const column = read.column === null ? null : declaration.fields[places[read.column]]!.name;
      rejections.push({ line: row, lines: 1, row, column, code: read.code });
    } else {
      accepted++;
      const values: RowValue[] = new Array(declaration.fields.length).fill(null);
      values[places.cnic] = read.cnic;
      values[places.side] = { recorded: read.side, normalised: read.side };
      values[places.image] = { bytes: read.bytes };
      bytes += read.bytes.length;
      rows.push({ line: row, row, values });
    }
    if (rows.length + rejections.length >= batchFiles || bytes >= BATCH_BYTES_MAX) yield batch();
  }
  yield batch();
}

async function readImage(
  file: FramedFile,
  rule: IdentifierRule,
): Promise<
  | (Exclude<ReturnType<typeof readCardName>, string> & { readonly bytes: Uint8Array })
  | { readonly code: RejectCode; readonly column: keyof Places | null }
> {
  const named = readCardName(file.name, rule);
  if (named === 'bad-file-name') return { code: named, column: null };
  if (typeof named === 'string') return { code: named, column: 'cnic' };
  if (file.size > IMAGE_BYTES_MAX) return { code: 'image-too-large', column: 'image' };
  const bytes = Buffer.allocUnsafeSlow(file.size);
  let at = 0;
  for await (const chunk of file.content) {
    // The source's word on the size is checked by whoever frames it; here it only must not overrun.
    if (at + chunk.length > bytes.length) return { code: 'jpeg-malformed', column: 'image' };
    bytes.set(chunk, at);
    at += chunk.length;
  }
  if (at !== file.size) return { code: 'jpeg-truncated', column: 'image' };
  const info = inspectJpeg(bytes);
  if (typeof info === 'string') return { code: info, column: 'image' };
  return { ...named, bytes };
}
