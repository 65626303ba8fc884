import { hex } from '../bytes.ts';
import { canonicalBytes } from '../canonical.ts';
import { CompactRange, leafHash, nodeHash } from '../log/merkle.ts';
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
  const range = CompactRange.empty();
  for (const each of selectors) range.append(leafHash(canonicalBytes(each)));
  return hex(range.root());
}

/**
 * RFC 6962 inclusion proof of each selector, hashes in hexadecimal from the leaf up: what opens one
 * person's part of a request and nobody else's. Every hash is computed once, however many there are.
 */
export function selectorProofs(selectors: readonly Selector[]): readonly (readonly string[])[] {
  if (selectors.length === 0) return [];
  return provedTree(selectors.map((each) => leafHash(canonicalBytes(each)))).proofs;
}

interface ProvedTree {
  readonly root: Uint8Array;
  readonly proofs: readonly (readonly string[])[];
}

function provedTree(hashes: readonly Uint8Array[]): ProvedTree {
  if (hashes.length === 1) return { root: hashes[0] as Uint8Array, proofs: [[]] };
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  const left = provedTree(hashes.slice(0, split));
  const right = provedTree(hashes.slice(split));
  const beside = (tree: ProvedTree, sibling: Uint8Array) => {
    const last = hex(sibling);
    return tree.proofs.map((proof) => [...proof, last]);
  };
  return {
    root: nodeHash(left.root, right.root),
    proofs: [...beside(left, right.root), ...beside(right, left.root)],
  };
}
