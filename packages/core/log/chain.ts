import { sha256 } from '#sha256';
import { concat, equal, uint64, utf8 } from '../bytes.ts';
import { CoreError } from '../errors.ts';
import { HASH_LENGTH, isTreeSize } from './merkle.ts';

/** Links that are verified in one call. */
export const MAX_CHAIN_LINKS = 1_000_000;

const CHAIN_DOMAIN = utf8('amanat/v1 chain\n');

/** One entry of a subject's chain: where it stands in the log, and its leaf's hash. */
export interface ChainLink {
  readonly index: number;
  readonly leafHash: Uint8Array;
}

/** What `verifyChain` checks. */
export interface ChainClaim {
  readonly subject: Uint8Array;
  readonly links: readonly ChainLink[];
  readonly count: number;
  readonly head: Uint8Array;
}

/** The head of a subject's chain before its first entry: SHA-256("amanat/v1 chain\n" ‖ subject). */
export function chainStart(subject: Uint8Array): Uint8Array {
  return sha256(concat(CHAIN_DOMAIN, subject));
}

/**
 * The head after one more entry: SHA-256(previous ‖ leaf index as a uint64 ‖ leaf hash).
 * Throws `bad-chain` unless both hashes have 32 bytes and the index can be one.
 */
export function nextChainHash(
  previous: Uint8Array,
  leafIndex: number,
  leafHash: Uint8Array,
): Uint8Array {
  if (
    previous.length !== HASH_LENGTH ||
    leafHash.length !== HASH_LENGTH ||
    !isTreeSize(leafIndex)
  ) {
    throw new CoreError('bad-chain', 'not a link of a chain');
  }
  return sha256(concat(previous, uint64(leafIndex), leafHash));
}

/**
 * Whether these entries, in this order, are the subject's first `count` and all of them up to `head`. Never throws.
 * Whoever signed the head vouches for the count; that each leaf stands in the log is for inclusion proofs to show.
 */
export function verifyChain({ subject, links, count, head }: ChainClaim): boolean {
  if (links.length !== count || count > MAX_CHAIN_LINKS) return false;
  let hash = chainStart(subject);
  let lastIndex = -1;
  for (const { index, leafHash } of links) {
    if (!isTreeSize(index) || index <= lastIndex || leafHash.length !== HASH_LENGTH) return false;
    hash = nextChainHash(hash, index, leafHash);
    lastIndex = index;
  }
  return equal(hash, head);
}
