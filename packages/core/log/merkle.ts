import { sha256 } from '#sha256';
import { concat, equal } from '../bytes.ts';
import { CoreError } from '../errors.ts';

/** Bytes of a node: SHA-256. */
export const HASH_LENGTH = 32;

/** Leaves a tree may have: what a number holds exactly. It bounds every path to 53 levels. */
export const MAX_TREE_SIZE = Number.MAX_SAFE_INTEGER;

/** Hashes a proof may have: one a level, and one more where an old tree was complete. */
export const MAX_PROOF_HASHES = 54;

const LEAF_PREFIX = 0;
const NODE_PREFIX = 1;

// Hashing is synchronous, so one buffer serves every node, and another every short leaf: fresh memory would cost
// as much as the hash. The leaf's view is kept, since leaves of one length come one after another.
const leafBuffer = new Uint8Array(1_024);
let leafInput = leafBuffer.subarray(0, 1);
const nodeInput = new Uint8Array(1 + 2 * HASH_LENGTH);
nodeInput[0] = NODE_PREFIX;

/** Hash of a leaf's bytes (RFC 6962, section 2.1). */
export function leafHash(data: Uint8Array): Uint8Array {
  const length = 1 + data.length;
  if (length > leafBuffer.length) return sha256(concat(Uint8Array.of(LEAF_PREFIX), data));
  if (leafInput.length !== length) leafInput = leafBuffer.subarray(0, length);
  // Nothing else writes here, so that the first byte stays LEAF_PREFIX.
  leafInput.set(data, 1);
  return sha256(leafInput);
}

/** Hash of the node over two hashes (RFC 6962, section 2.1). Throws `out-of-range` unless both have 32 bytes. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  // Without this, bytes could move between left and right and keep the hash.
  if (left.length !== HASH_LENGTH || right.length !== HASH_LENGTH) {
    throw new CoreError('out-of-range', 'a node hash has 32 bytes');
  }
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + HASH_LENGTH);
  return sha256(nodeInput);
}

/** Root of the tree without leaves: SHA-256 of nothing. */
export function emptyRoot(): Uint8Array {
  return sha256(new Uint8Array(0));
}

/** Whether a number can be a tree's size. */
export function isTreeSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** Hash over complete subtrees that stand side by side, largest first. Throws `out-of-range` for none. */
export function joinSubtrees(hashes: readonly Uint8Array[]): Uint8Array {
  let joined = hashes.at(-1);
  if (joined === undefined) throw new CoreError('out-of-range', 'no subtree to join');
  for (let i = hashes.length - 2; i >= 0; i--) joined = nodeHash(hashes[i] as Uint8Array, joined);
  return joined;
}

/**
 * The right edge of a growing tree: the roots of its complete subtrees, at most 53 hashes. Enough to append
 * and to know the root; not enough to prove.
 */
export class CompactRange {
  #size: number;
  readonly #hashes: Uint8Array[];

  private constructor(size: number, hashes: Uint8Array[]) {
    this.#size = size;
    this.#hashes = hashes;
  }

  /** The tree without leaves. */
  static empty(): CompactRange {
    return new CompactRange(0, []);
  }

  /** Resumes from what `size` and `hashes()` gave. Throws `bad-proof` when they do not fit each other. */
  static from(size: number, hashes: readonly Uint8Array[]): CompactRange {
    if (!isTreeSize(size)) throw new CoreError('bad-proof', 'not a tree size');
    if (hashes.length !== countOnes(size) || hashes.some((hash) => hash.length !== HASH_LENGTH)) {
      throw new CoreError('bad-proof', 'range does not fit its size');
    }
    return new CompactRange(size, [...hashes]);
  }

  /** Leaves so far. */
  get size(): number {
    return this.#size;
  }

  /**
   * Adds a leaf by its hash, which is kept and must not be changed afterwards. `onNode` is told of every node that
   * the leaf completes, itself (level 0) first; the level's node `index` covers leaves from `index · 2^level`.
   * What a full tile of level L + 1 needs are the nodes of level 8 (L + 1). Throws `out-of-range`, before any change.
   */
  append(
    leaf: Uint8Array,
    onNode?: (level: number, index: number, hash: Uint8Array) => void,
  ): void {
    if (leaf.length !== HASH_LENGTH)
      throw new CoreError('out-of-range', 'a leaf hash has 32 bytes');
    if (this.#size >= MAX_TREE_SIZE) throw new CoreError('out-of-range', 'the tree is full');
    let hash = leaf;
    let index = this.#size;
    let level = 0;
    onNode?.(level, index, hash);
    // One turn for each trailing one bit of the old size: at most 53.
    while (index % 2 === 1) {
      hash = nodeHash(this.#hashes.pop() as Uint8Array, hash);
      index = (index - 1) / 2;
      level += 1;
      onNode?.(level, index, hash);
    }
    this.#hashes.push(hash);
    this.#size += 1;
  }

  /** Root of the tree as it is. Costs at most 52 hashes. */
  root(): Uint8Array {
    return this.#size === 0 ? emptyRoot() : joinSubtrees(this.#hashes);
  }

  /** Roots of the complete subtrees, largest first: one for each one bit of the size. */
  hashes(): readonly Uint8Array[] {
    return [...this.#hashes];
  }
}

/** What `verifyInclusion` checks. */
export interface InclusionClaim {
  readonly index: number;
  readonly size: number;
  readonly leafHash: Uint8Array;
  readonly proof: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/** Whether the proof shows that the leaf stands at `index` of the tree (RFC 9162, section 2.1.3.2). Never throws. */
export function verifyInclusion({ index, size, leafHash, proof, root }: InclusionClaim): boolean {
  if (!isTreeSize(size) || !isTreeSize(index) || index >= size) return false;
  if (leafHash.length !== HASH_LENGTH || !isProof(proof)) return false;
  let node = index;
  let last = size - 1;
  let hash = leafHash;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash);
      // A node without a sibling on the right is carried up unchanged.
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = half(last);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    node = half(node);
    last = half(last);
  }
  return last === 0 && equal(hash, root);
}

/** What `verifyConsistency` checks. */
export interface ConsistencyClaim {
  readonly oldSize: number;
  readonly newSize: number;
  readonly oldRoot: Uint8Array;
  readonly newRoot: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/**
 * Whether the proof shows that the new tree begins with the old one (RFC 9162, section 2.1.4.2). Never throws.
 * About an old tree without leaves there is nothing to prove, and the answer is always no, also to another without
 * leaves: who starts from size 0 must decide so by itself and not ask. Other equal sizes need equal roots and an
 * empty proof.
 */
export function verifyConsistency({
  oldSize,
  newSize,
  oldRoot,
  newRoot,
  proof,
}: ConsistencyClaim): boolean {
  if (!isTreeSize(oldSize) || !isTreeSize(newSize) || oldSize > newSize || !isProof(proof))
    return false;
  if (oldSize === 0) return false;
  if (oldSize === newSize) return proof.length === 0 && equal(oldRoot, newRoot);
  if (oldRoot.length !== HASH_LENGTH || newRoot.length !== HASH_LENGTH) return false;
  let node = oldSize - 1;
  let last = newSize - 1;
  while (node % 2 === 1) {
    node = half(node);
    last = half(last);
  }
  // An old tree that was complete is a node of the new one, and its root the proof's first hash.
  const path = node === 0 ? [oldRoot, ...proof] : proof;
  const start = path[0];
  if (start === undefined) return false;
  let oldHash = start;
  let newHash = start;
  for (const sibling of path.slice(1)) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      oldHash = nodeHash(sibling, oldHash);
      newHash = nodeHash(sibling, newHash);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = half(last);
      }
    } else {
      newHash = nodeHash(newHash, sibling);
    }
    node = half(node);
    last = half(last);
  }
  return last === 0 && equal(oldHash, oldRoot) && equal(newHash, newRoot);
}

function isProof(proof: readonly Uint8Array[]): boolean {
  return proof.length <= MAX_PROOF_HASHES && proof.every((hash) => hash.length === HASH_LENGTH);
}

function half(value: number): number {
  return Math.floor(value / 2);
}

function countOnes(value: number): number {
  let ones = 0;
  for (let rest = value; rest > 0; rest = half(rest)) ones += rest % 2;
  return ones;
}
