import { hash } from 'node:crypto';
import { HASH_LENGTH, TILE_WIDTH } from '@amanat/core/log';

/** Leaves by what they are about, told by how they begin; in a log that is not Amanat's, all are unknown. */
export interface LeafCounts {
  personal: number;
  public: number;
  unknown: number;
}

/** Bytes of a leaf about a person that neither seals nor opens. */
export const PERSONAL_BYTES = 77;
const PERSONAL_START = Buffer.from('amanat/v1 person ');
const SEAL_STARTS = ['amanat/v1 sealed ', 'amanat/v1 opened '].map((start) => Buffer.from(start));
const PUBLIC_START = Buffer.from('amanat/v1 public\n');

const LEAF_PREFIX = 0;
const NODE_PREFIX = 1;

// Hashing is synchronous, so one buffer serves every tile. The first byte makes room for the first node's prefix.
const tree = Buffer.alloc(1 + TILE_WIDTH * HASH_LENGTH);

export function noLeaves(): LeafCounts {
  return { personal: 0, public: 0, unknown: 0 };
}

/** Adds leaves to those counted. */
export function addLeaves(counts: LeafCounts, more: LeafCounts): void {
  counts.personal += more.personal;
  counts.public += more.public;
  counts.unknown += more.unknown;
}

/**
 * The leaf hashes (RFC 6962, section 2.1) of a bundle's entries, side by side, and the entries behind the first `old`
 * counted; null for what is not `width` entries and nothing more. The same as `leafHash` of each, without copying any:
 * the prefix stands, for as long as it takes, where the second byte of the entry's length was.
 */
export function bundleHashes(
  bundle: Uint8Array,
  { width, old = 0 }: { width: number; old?: number },
): { readonly hashes: Buffer; readonly counts: LeafCounts } | null {
  const bytes = Buffer.from(bundle.buffer, bundle.byteOffset, bundle.length);
  const hashes = Buffer.allocUnsafeSlow(width * HASH_LENGTH);
  const counts = noLeaves();
  let at = 0;
  for (let i = 0; i < width; i++) {
    if (at + 2 > bytes.length) return null;
    const low = bytes[at + 1] as number;
    const start = at + 2;
    at = start + (bytes[start - 2] as number) * 256 + low;
    if (at > bytes.length) return null;
    if (i >= old) count(counts, bytes, start, at);
    bytes[start - 1] = LEAF_PREFIX;
    hashes.write(
      hash('sha256', bytes.subarray(start - 1, at), 'binary'),
      i * HASH_LENGTH,
      'latin1',
    );
    bytes[start - 1] = low;
  }
  return at === bytes.length ? { hashes, counts } : null;
}

function count(counts: LeafCounts, bytes: Uint8Array, start: number, end: number): void {
  if (end - start === PERSONAL_BYTES && begins(bytes, start, end, PERSONAL_START))
    counts.personal += 1;
  else if (begins(bytes, start, end, PUBLIC_START)) counts.public += 1;
  else if (isAboutSeals(bytes, start, end)) counts.personal += 1;
  else counts.unknown += 1;
}

/** Whether what stands from `start` to `end` begins as a leaf that seals or opens. */
export function isAboutSeals(bytes: Uint8Array, start: number, end: number): boolean {
  return SEAL_STARTS.some((each) => begins(bytes, start, end, each));
}

/** Whether what stands from `start` to `end` begins so. Byte by byte: that is quicker for so few than any call. */
export function begins(bytes: Uint8Array, start: number, end: number, text: Uint8Array): boolean {
  if (end - start < text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text[i]) return false;
  return true;
}

/**
 * The root over a full tile's 256 hashes, side by side: the same as `nodeHash` level by level, in place. A node's hash
 * goes where hashes were that are done with, and its prefix into the last byte of the one before its children.
 */
export function tileRoot(hashes: Uint8Array): Uint8Array {
  if (hashes.length !== TILE_WIDTH * HASH_LENGTH) throw new Error('only a full tile has a root');
  tree.set(hashes, 1);
  for (let nodes = TILE_WIDTH / 2; nodes >= 1; nodes /= 2) {
    for (let i = 0; i < nodes; i++) {
      const start = 2 * i * HASH_LENGTH;
      tree[start] = NODE_PREFIX;
      const text = hash('sha256', tree.subarray(start, start + 1 + 2 * HASH_LENGTH), 'binary');
      tree.write(text, 1 + i * HASH_LENGTH, 'binary');
    }
  }
  return new Uint8Array(tree.subarray(1, 1 + HASH_LENGTH));
}
