import { TextDecoder } from 'node:util';

/** The encodings a file can be declared to be in; only those with a byte order mark are detected. */
export const encodings = ['utf-8', 'utf-16le', 'utf-16be', 'windows-1252', 'windows-1256'] as const;
/** One of {@link encodings}. */
export type Encoding = (typeof encodings)[number];

/** The most bytes handed on at once. */
const PIECE_BYTES_MAX = 64 * 1024;

/**
 * Passes a text on as UTF-8 in pieces of at most about {@link PIECE_BYTES_MAX} bytes. A byte order
 * mark decides the encoding and is taken off; without one it is `declared`, by default UTF-8. What
 * is invalid in UTF-16 comes out as U+FFFD and what is invalid in UTF-8 as it is: both are for the
 * row's reader to refuse. Ends its source when it is ended early.
 */
export async function* toUtf8(
  source: AsyncIterable<Uint8Array>,
  declared: Encoding = 'utf-8',
): AsyncGenerator<Uint8Array, void, undefined> {
  let head: Uint8Array | null = new Uint8Array(0);
  let decoder: TextDecoder | null = null;
  for await (const chunk of source) {
    let rest = chunk;
    if (head !== null) {
      rest = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      if (rest.length < 3) {
        head = rest;
        continue;
      }
      head = null;
      const found = detect(rest, declared);
      decoder = makeDecoder(found.encoding);
      rest = rest.subarray(found.skip);
    }
    for (let at = 0; at < rest.length; at += PIECE_BYTES_MAX) {
      const piece = rest.subarray(at, at + PIECE_BYTES_MAX);
      if (decoder === null) yield piece;
      else yield Buffer.from(decoder.decode(piece, { stream: true }), 'utf8');
    }
  }
  if (head !== null) {
    const found = detect(head, declared);
    decoder = makeDecoder(found.encoding);
    const rest = head.subarray(found.skip);
    yield decoder === null ? rest : Buffer.from(decoder.decode(rest, { stream: true }), 'utf8');
  }
  // A code unit cut off by the end of the file becomes U+FFFD here.
  if (decoder !== null) yield Buffer.from(decoder.decode(), 'utf8');
}

function detect(
  head: Uint8Array,
  declared: Encoding,
): { readonly encoding: Encoding; readonly skip: number } {
  if (head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf)
    return { encoding: 'utf-8', skip: 3 };
  if (head[0] === 0xff && head[1] === 0xfe) return { encoding: 'utf-16le', skip: 2 };
  if (head[0] === 0xfe && head[1] === 0xff) return { encoding: 'utf-16be', skip: 2 };
  return { encoding: declared, skip: 0 };
}

function makeDecoder(encoding: Encoding): TextDecoder | null {
  return encoding === 'utf-8' ? null : new TextDecoder(encoding, { ignoreBOM: true });
}
