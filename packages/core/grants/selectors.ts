import { hex } from '../bytes.ts';
import { canonicalBytes } from '../canonical.ts';
import { CompactRange, leafHash } from '../log/merkle.ts';
import type { Read } from '../shape.ts';
import { hexText, object, oneOf, text } from '../shape.ts';

const selector = object({
  type: oneOf('cnic', 'msisdn'),
  value: text(32, /^\+?\d+$/, 'digits'),
  /** 16 random bytes, so that the root confirms no guess of its neighbours. */
  salt: hexText(16),
});

/** Whom a request asks about. */
export type Selector = Read<typeof selector>;

/** Reads one selector strictly. @throws CoreError 'bad-document' */
export const readSelector = selector;

/** The root that a request signs: RFC 6962 over the canonical selectors, in order. */
export function selectorsRoot(selectors: readonly Selector[]): string {
  return hex(rootOf(selectors.map((each) => leafHash(canonicalBytes(each)))));
}

/**
 * RFC 6962 inclusion proof of one selector, hashes in hexadecimal from the leaf up: what opens one
 * person's part of a request and nobody else's.
 */
export function selectorProof(selectors: readonly Selector[], index: number): string[] {
  const hashes = selectors.map((each) => leafHash(canonicalBytes(each)));
  return proofOf(hashes, index).map(hex);
}

function proofOf(hashes: readonly Uint8Array[], index: number): Uint8Array[] {
  if (hashes.length <= 1) return [];
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  const left = hashes.slice(0, split);
  const right = hashes.slice(split);
  return index < split
    ? [...proofOf(left, index), rootOf(right)]
    : [...proofOf(right, index - split), rootOf(left)];
}

function rootOf(hashes: readonly Uint8Array[]): Uint8Array {
  const range = CompactRange.empty();
  for (const hash of hashes) range.append(hash);
  return range.root();
}
