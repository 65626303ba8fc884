import { hourStart, parseLeafOrNull } from '@amanat/core/log';
import { begins, isAboutSeals, PERSONAL_BYTES } from './hashing.ts';

/** Documents that are noticed in a bundle, and in a part. A log that enters more hides the later ones, for all to see. */
const DOCUMENTS_MAX = 256;
/** Bytes of a leaf about a person up to and with its hour. */
const HOUR_END = 31;
const PERSONAL_START = Buffer.from('amanat/v1 person ');
const PUBLIC_START = Buffer.from('amanat/v1 public\n');
const MARKS = [
  'witnesses',
  'broken-glass',
  'log-key',
  'seals-counted',
  'root-rotation',
  'generation-rotation',
  'carried-out',
].map((type) => Buffer.from(`"type":"${type}"`));

/** A leaf that seals or opens, and where it stands. */
export interface SealNotice {
  readonly index: number;
  readonly leaf: Uint8Array;
}

/**
 * What of a log's leaves, in order, tells who has to cosign, and what is sealed: when the hour of a leaf about a person
 * begins, in milliseconds, where it is later than any before; a public leaf that may appoint witnesses, break the glass,
 * name another key of the log's, count seals, or order something of the keeper's keys or say that it is done, or that
 * begins the log; a leaf that seals or opens.
 */
export type Notice = number | Uint8Array | SealNotice;

/** Adds what follows, of which no hour is needed that is no later than those before. */
export function addNotices(notices: Notice[], more: readonly Notice[]): void {
  let latest = notices.findLast((notice) => typeof notice === 'number') ?? -1;
  let documents = notices.filter((notice) => notice instanceof Uint8Array).length;
  for (const notice of more) {
    if (typeof notice === 'number') {
      if (notice <= latest) continue;
      latest = notice;
    } else if (notice instanceof Uint8Array && ++documents > DOCUMENTS_MAX) continue;
    notices.push(notice);
  }
}

/** What there is to notice in a whole bundle, whose first leaf is the log's `first`; its first `old` leaves are known. */
export function noticesOf(
  bundle: Uint8Array,
  { first, old }: { readonly first: number; readonly old: number },
): Notice[] {
  const bytes = Buffer.from(bundle.buffer, bundle.byteOffset, bundle.length);
  const found: Notice[] = [];
  let parsed: Uint8Array = new Uint8Array(0);
  for (let at = 0, index = 0; at + 2 <= bytes.length; index++) {
    const start = at + 2;
    at = start + bytes.readUInt16BE(at);
    if (index < old) continue;
    // Most have the hour of the one before, and parsing takes longer than hashing.
    if (parsed.length > 0 && begins(bytes, start, at, parsed)) continue;
    if (at - start === PERSONAL_BYTES && begins(bytes, start, at, PERSONAL_START)) {
      const leaf = parseLeafOrNull(bytes.subarray(start, at));
      if (leaf === null || leaf.kind === 'public') continue;
      parsed = bytes.subarray(start, start + HOUR_END);
      addNotices(found, [hourStart(leaf.hour)]);
    } else if (isAboutSeals(bytes, start, at)) {
      const leaf = parseLeafOrNull(bytes.subarray(start, at));
      if (leaf === null || leaf.kind === 'public') continue;
      const notice = { index: first + index, leaf: new Uint8Array(bytes.subarray(start, at)) };
      addNotices(found, [hourStart(leaf.hour), notice]);
    } else if (begins(bytes, start, at, PUBLIC_START)) {
      const leaf = bytes.subarray(start, at);
      const isOfNote = first + index === 0 || MARKS.some((mark) => leaf.includes(mark));
      if (isOfNote) addNotices(found, [new Uint8Array(leaf)]);
    }
  }
  return found;
}
