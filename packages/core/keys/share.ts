import { sha256 } from '#sha256';
import { concat, equal, fromHex, hex, utf8 } from '../bytes.ts';
import { CoreError } from '../errors.ts';
import { encodeNames } from './mac.ts';
import type { ShamirShare } from './shamir.ts';
import { SHARES_MAX } from './shamir.ts';

/** One share of a root key, as it is printed. */
export interface RootShare extends ShamirShare {
  /** Whether it is of a throw-away key. */
  readonly isRehearsal: boolean;
  /** 8 bytes in hexadecimal, public: the ceremony in which it was drawn. */
  readonly ceremony: string;
  /** How many of `count` open. */
  readonly threshold: number;
  readonly count: number;
  /** 32 bytes. */
  readonly value: Uint8Array;
}

const VERSION = 1;
const CEREMONY_BYTES = 8;
const VALUE_BYTES = 32;
const HEAD_BYTES = 1 + 1 + CEREMONY_BYTES + 3;
const SUM_BYTES = 5;
/** Crockford's base 32: no I, L, O or U, which are taken for 1, 1, 0 and V. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const LINES = 5;
const LINE_BYTES = 10;
const LINE_LENGTH = 16;
/** Most characters of one share as somebody typed it, with what is for people. */
export const SHARE_TEXT_MAX = 4_096;

/**
 * A share as text: five numbered lines, each with two letters by which a slip in it is found. Printed as it is, and read
 * from paper by {@link parseShare}. See docs/formats.md.
 */
export function formatShare(share: RootShare): string {
  const { isRehearsal, ceremony, index, threshold, count, value } = share;
  const head = [VERSION, isRehearsal ? 1 : 0, ...fromHex(ceremony), index, threshold, count];
  const body = concat(Uint8Array.from(head), value);
  const bytes = concat(body, sumOf(body));
  const lines = Array.from({ length: LINES }, (_, at) => {
    const letters = toBase32(bytes.subarray(at * LINE_BYTES, (at + 1) * LINE_BYTES));
    const groups = letters.match(/.{4}/g) ?? [];
    return `${at + 1} ${groups.join(' ')} ${lineSum(at + 1, letters)}\n`;
  });
  bytes.fill(0);
  return lines.join('');
}

/** The texts of shares that stand one under another, as printed or typed; of the last, lines may be missing. */
export function splitShares(text: string): readonly string[] {
  const lines = linesOf(text);
  return Array.from({ length: Math.ceil(lines.length / LINES) }, (_, at) =>
    lines.slice(at * LINES, (at + 1) * LINES).join('\n'),
  );
}

/**
 * Reads a share as somebody typed it: spaces, hyphens and small letters do not matter, O is 0, I and L are 1. Lines that
 * begin with # and empty ones are for people.
 * @throws CoreError 'bad-share', which names the line that is mistyped or missing, and nothing of what it holds
 */
export function parseShare(text: string): RootShare {
  if (text.length > SHARE_TEXT_MAX) throw new CoreError('bad-share', 'share is too long');
  const lines = linesOf(text);
  if (lines.length > LINES) throw new CoreError('bad-share', 'share has more than five lines');
  const bytes = new Uint8Array(LINES * LINE_BYTES);
  for (let at = 0; at < LINES; at++) bytes.set(readLine(lines[at], at + 1), at * LINE_BYTES);
  const body = bytes.subarray(0, HEAD_BYTES + VALUE_BYTES);
  const [version, rehearsal] = body;
  const [index = 0, threshold = 0, count = 0] = body.subarray(HEAD_BYTES - 3, HEAD_BYTES);
  if (!equal(bytes.subarray(body.length), sumOf(body))) {
    throw new CoreError('bad-share', 'share’s lines are not of one sheet');
  }
  const isKnown = version === VERSION && (rehearsal === 0 || rehearsal === 1);
  const isOneOfThem = index >= 1 && index <= count && threshold >= 2 && threshold <= count;
  if (!isKnown || !isOneOfThem || count > SHARES_MAX) {
    throw new CoreError('bad-share', 'share is of no form known');
  }
  return {
    isRehearsal: rehearsal === 1,
    ceremony: hex(body.subarray(2, 2 + CEREMONY_BYTES)),
    index,
    threshold,
    count,
    value: body.slice(HEAD_BYTES),
  };
}

/**
 * By what a share is checked without it: SHA-256 over ceremony, index and value. A value has 256 random bits, so that it
 * is not found from this, nor anything of the root key.
 */
export function shareCommitment({
  ceremony,
  index,
  value,
}: Pick<RootShare, 'ceremony' | 'index' | 'value'>): string {
  return hex(sha256(encodeNames('amanat/v1 share', ceremony, String(index), value)));
}

/** Without what is for people. */
function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
}

/** @param line the nth of a share, if it is there */
function readLine(line: string | undefined, nth: number): Uint8Array {
  const letters = (line ?? '')
    .toUpperCase()
    .replaceAll(/[\s-]/g, '')
    .replaceAll('O', '0')
    .replaceAll(/[IL]/g, '1');
  const coded = letters.slice(1, 1 + LINE_LENGTH);
  const isWhole = letters.length === LINE_LENGTH + 3 && letters.startsWith(String(nth));
  if (!isWhole || lineSum(nth, coded) !== letters.slice(1 + LINE_LENGTH)) {
    throw new CoreError('bad-share', `line ${nth} of the share is missing or mistyped`);
  }
  return fromBase32(coded, nth);
}

/** 80 bits in 16 letters. */
function toBase32(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length * 8; at += 5) {
    const pair = ((bytes[at >> 3] as number) << 8) | (bytes[(at >> 3) + 1] ?? 0);
    text += ALPHABET[(pair >> (11 - (at & 7))) & 31];
  }
  return text;
}

function fromBase32(letters: string, nth: number): Uint8Array {
  const bytes = new Uint8Array(LINE_BYTES);
  for (const [at, letter] of [...letters].entries()) {
    const value = ALPHABET.indexOf(letter);
    if (value < 0) throw new CoreError('bad-share', `line ${nth} of the share is mistyped`);
    const bit = at * 5;
    const pair = value << (11 - (bit & 7));
    bytes[bit >> 3] = (bytes[bit >> 3] as number) | (pair >> 8);
    if ((bit >> 3) + 1 < LINE_BYTES) {
      bytes[(bit >> 3) + 1] = (bytes[(bit >> 3) + 1] as number) | (pair & 0xff);
    }
  }
  return bytes;
}

/** Two letters of a hash of a line: of 1,024 slips one is not found here, but by the sum over all. */
function lineSum(nth: number, letters: string): string {
  const digest = sha256(encodeNames('amanat/v1 share line', String(nth), letters));
  return toBase32(digest.subarray(0, LINE_BYTES)).slice(0, 2);
}

function sumOf(body: Uint8Array): Uint8Array {
  return sha256(concat(utf8('amanat/v1 share sum\n'), body)).subarray(0, SUM_BYTES);
}
