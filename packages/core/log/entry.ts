import { base64, fromBase64, fromUtf8, utf8 } from '../bytes.ts';
import { CoreError } from '../errors.ts';
import { MAX_ENTRY_BYTES } from './tile.ts';

/** Signatures a public leaf may carry: two administrators, and room for a change of both. */
export const MAX_LEAF_SIGNATURES = 4;

const PUBLIC_START = 'amanat/v1 public\n';
const COMMITMENT_LENGTH = 32;
const SIGNATURE_LENGTH = 64;
/** Of an erasure's token: nonce, subject id and tag. */
const TOKEN_LENGTH = 44;

const PERSONAL =
  /^amanat\/v1 (person|erased|sealed|opened) ([^ \n]{14}) ([^ \n]{44})((?: [^ \n]+)*)\n$/;
const MONTH = /^[0-9]{4}-(?:0[1-9]|1[0-2])$/;
const INDEX = /^(?:0|[1-9][0-9]{0,15})$/;
const SIGNATURE_LINE = /^([0-9a-f]{32}) ([^ \n]{88})$/;
const KEY_ID = /^[0-9a-f]{32}$/;
const HOUR = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}Z$/;
// A line of JSON holds no control characters and no surrogate without its partner.
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids these
const FORBIDDEN_IN_DOCUMENT = /[\u0000-\u001f\p{Cs}]/u;

/** What every entry about one person shows: the hour in which there was one, and nothing more that its kind does not ask for. */
interface Personal {
  /** The hour in UTC, as `coarseHour` gives it. */
  readonly hour: string;
  /** 32 bytes. */
  readonly commitment: Uint8Array;
}

/**
 * An entry about one person: outsiders learn that there was one, the hour, and by its kind what has to be told beyond. Of
 * an erasure that is that there was one, and a token of 44 bytes: the subject's id, sealed to the keeper.
 */
export type PersonalLeaf =
  | ({ readonly kind: 'person' } & Personal)
  | ({ readonly kind: 'erased'; readonly token: Uint8Array } & Personal)
  /** Withheld from her until a day of `month` (`YYYY-MM`); `extends`: the sealed leaf whose month this one moves. */
  | ({
      readonly kind: 'sealed';
      readonly month: string;
      readonly extends: number | null;
    } & Personal)
  /** What was withheld is hers to read; `seal`: the sealed leaf. */
  | ({ readonly kind: 'opened'; readonly seal: number } & Personal);

/** A signature on a public leaf's document. What is signed, and what the key may do, is for the document's reader. */
export interface LeafSignature {
  /** The signing key's id: 32 lower-case hexadecimal digits. */
  readonly key: string;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** An entry about organisations: a document that anyone may read. */
export interface PublicLeaf {
  /** A JSON object as one line of text. That it is JSON, and means anything, is for the document's reader to check. */
  readonly document: string;
  /** At most four, each by another key. */
  readonly signatures: readonly LeafSignature[];
}

/** Any entry of the log. */
export type Leaf = PersonalLeaf | ({ readonly kind: 'public' } & PublicLeaf);

/** The hour in UTC of a time in milliseconds, such as `2026-11-23T08Z`. Throws `out-of-range` outside 1970 to 9999. */
export function coarseHour(timeMs: number): string {
  if (!(timeMs >= 0 && timeMs < Date.UTC(10_000, 0))) {
    throw new CoreError('out-of-range', 'time is outside 1970 to 9999');
  }
  return `${new Date(timeMs).toISOString().slice(0, 13)}Z`;
}

/** When an hour as {@link coarseHour} gives it begins, in milliseconds since 1970. */
export function hourStart(hour: string): number {
  return Date.parse(hour.replace('Z', ':00:00Z'));
}

/** The bytes of an entry about one person: 77 of the kind `person`, more of the others. Throws `bad-entry`. */
export function encodePersonalLeaf(leaf: PersonalLeaf): Uint8Array {
  requirePersonal(leaf);
  const words = ['amanat/v1', leaf.kind, leaf.hour, base64(leaf.commitment)];
  if (leaf.kind === 'erased') words.push(base64(leaf.token));
  if (leaf.kind === 'sealed') {
    words.push(leaf.month);
    if (leaf.extends !== null) words.push(String(leaf.extends));
  }
  if (leaf.kind === 'opened') words.push(String(leaf.seal));
  return utf8(`${words.join(' ')}\n`);
}

/** The bytes of an entry about organisations. Throws `bad-entry`, also for what comes to more than 65,535 bytes. */
export function encodePublicLeaf({ document, signatures }: PublicLeaf): Uint8Array {
  requirePublic({ document, signatures });
  const lines = signatures.map(({ key, signature }) => `${key} ${base64(signature)}\n`);
  const bytes = utf8(`${PUBLIC_START}${document}\n${lines.join('')}`);
  if (bytes.length > MAX_ENTRY_BYTES) throw new CoreError('bad-entry', 'leaf is too long');
  return bytes;
}

/**
 * The entry of a leaf's bytes: the strict inverse of the two encoders, so that encoding what it gives brings back
 * the same bytes. Throws `bad-entry`.
 */
export function parseLeaf(bytes: Uint8Array): Leaf {
  if (bytes.length > MAX_ENTRY_BYTES) throw new CoreError('bad-entry', 'leaf is too long');
  const text = decode(() => fromUtf8(bytes));
  if (text.startsWith(PUBLIC_START)) return parsePublic(text.slice(PUBLIC_START.length));
  return parsePersonal(text);
}

/** As {@link parseLeaf}; null where the bytes are no leaf. */
export function parseLeafOrNull(bytes: Uint8Array): Leaf | null {
  try {
    return parseLeaf(bytes);
  } catch (error) {
    if (error instanceof CoreError) return null;
    throw error;
  }
}

function parsePersonal(text: string): PersonalLeaf {
  const [, kind, hour, commitment, more] = PERSONAL.exec(text) ?? [];
  if (hour === undefined || commitment === undefined) {
    throw new CoreError('bad-entry', 'not a leaf of this log');
  }
  const words = more === undefined || more === '' ? [] : more.slice(1).split(' ');
  const common = { hour, commitment: decode(() => fromBase64(commitment)) };
  const leaf = kind === undefined ? null : personalOf(kind, common, words);
  if (leaf === null) throw new CoreError('bad-entry', 'not a leaf of this log');
  requirePersonal(leaf);
  return leaf;
}

function personalOf(
  kind: string,
  common: Personal,
  [first, second, ...more]: readonly string[],
): PersonalLeaf | null {
  if (more.length > 0) return null;
  if (kind === 'person') return first === undefined ? { kind, ...common } : null;
  if (first === undefined) return null;
  if (kind === 'sealed') {
    const extended = second === undefined ? null : indexOf(second);
    return { kind, ...common, month: first, extends: extended };
  }
  if (second !== undefined) return null;
  if (kind === 'opened') return { kind, ...common, seal: indexOf(first) };
  return kind === 'erased' ? { kind, ...common, token: decode(() => fromBase64(first)) } : null;
}

function indexOf(word: string): number {
  if (!INDEX.test(word)) throw new CoreError('bad-entry', 'leaf names no leaf');
  return Number(word);
}

function requirePersonal(leaf: PersonalLeaf): void {
  if (!isHour(leaf.hour)) throw new CoreError('bad-entry', 'leaf has no proper hour');
  // 44 characters may be 31 to 33 bytes.
  requireBytes(leaf.commitment, COMMITMENT_LENGTH, 'commitment');
  if (leaf.kind === 'erased') requireBytes(leaf.token, TOKEN_LENGTH, 'token');
  if (leaf.kind === 'sealed' && !MONTH.test(leaf.month))
    throw new CoreError('bad-entry', 'leaf has no proper month');
  const named = leaf.kind === 'sealed' ? leaf.extends : leaf.kind === 'opened' ? leaf.seal : null;
  if (named !== null && !(Number.isSafeInteger(named) && named >= 0))
    throw new CoreError('bad-entry', 'leaf names no leaf');
}

function parsePublic(text: string): Leaf {
  if (!text.endsWith('\n')) throw new CoreError('bad-entry', 'leaf ends without a newline');
  const [document, ...lines] = text.slice(0, -1).split('\n', MAX_LEAF_SIGNATURES + 2);
  if (lines.length > MAX_LEAF_SIGNATURES)
    throw new CoreError('bad-entry', 'leaf has too many signatures');
  const signatures = lines.map((line) => {
    const [, key, signature] = SIGNATURE_LINE.exec(line) ?? [];
    if (key === undefined || signature === undefined) {
      throw new CoreError('bad-entry', 'leaf has a malformed signature line');
    }
    return { key, signature: decode(() => fromBase64(signature)) };
  });
  const leaf = { document: document as string, signatures };
  requirePublic(leaf);
  return { kind: 'public', ...leaf };
}

function requirePublic({ document, signatures }: PublicLeaf): void {
  if (
    !document.startsWith('{') ||
    !document.endsWith('}') ||
    FORBIDDEN_IN_DOCUMENT.test(document)
  ) {
    throw new CoreError('bad-entry', 'document is not one line of a json object');
  }
  if (signatures.length > MAX_LEAF_SIGNATURES)
    throw new CoreError('bad-entry', 'leaf has too many signatures');
  if (
    signatures.some(
      ({ key, signature }) => !KEY_ID.test(key) || signature.length !== SIGNATURE_LENGTH,
    )
  ) {
    throw new CoreError('bad-entry', 'leaf has a malformed signature');
  }
  // One key twice must never look like two persons.
  if (new Set(signatures.map(({ key }) => key)).size !== signatures.length) {
    throw new CoreError('bad-entry', 'leaf is signed twice by one key');
  }
}

/** A word of so many bytes in base64: characters alone do not tell their number. */

function requireBytes(bytes: Uint8Array, length: number, what: string): void {
  if (bytes.length !== length) throw new CoreError('bad-entry', `a ${what} has ${length} bytes`);
}

function isHour(hour: string): boolean {
  if (!HOUR.test(hour)) return false;
  const timeMs = Date.parse(`${hour.slice(0, 13)}:00:00Z`);
  // A day that does not exist either does not parse or comes back as another.
  return timeMs >= 0 && coarseHour(timeMs) === hour;
}

function decode<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new CoreError('bad-entry', 'leaf is not properly encoded', { cause });
  }
}
