import { createHash } from 'node:crypto';
import type { TileReader } from './proof.ts';
import { encodeTile } from './tile.ts';

/** What the tests compare with: RFC 6962 written down as its text reads, slow and without any code of the log's. */

function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

export function plainLeaf(data: Uint8Array): Uint8Array {
  return sha256(Uint8Array.of(0), data);
}

export function plainRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0] as Uint8Array;
  const k = split(leaves.length);
  return sha256(Uint8Array.of(1), plainRoot(leaves.slice(0, k)), plainRoot(leaves.slice(k)));
}

export function plainInclusion(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return index < k
    ? [...plainInclusion(leaves.slice(0, k), index), plainRoot(leaves.slice(k))]
    : [...plainInclusion(leaves.slice(k), index - k), plainRoot(leaves.slice(0, k))];
}

export function plainConsistency(leaves: readonly Uint8Array[], oldSize: number): Uint8Array[] {
  return subproof(leaves, oldSize, true);
}

function subproof(leaves: readonly Uint8Array[], oldSize: number, whole: boolean): Uint8Array[] {
  if (oldSize === leaves.length) return whole ? [] : [plainRoot(leaves)];
  const k = split(leaves.length);
  return oldSize <= k
    ? [...subproof(leaves.slice(0, k), oldSize, whole), plainRoot(leaves.slice(k))]
    : [...subproof(leaves.slice(k), oldSize - k, false), plainRoot(leaves.slice(0, k))];
}

function split(size: number): number {
  let k = 1;
  while (k * 2 < size) k *= 2;
  return k;
}

/** Leaf hashes 0 to `size` − 1 of one fixed tree. */
export function someLeaves(size: number): Uint8Array[] {
  return Array.from({ length: size }, (_, i) => plainLeaf(new TextEncoder().encode(`leaf ${i}`)));
}

/** Tiles of a tree as the specification defines them: each hash is the root over its slice of the leaves. */
export function plainTiles(
  leaves: readonly Uint8Array[],
): TileReader & { readonly reads: string[] } {
  const reads: string[] = [];
  const rows = new Map<number, Uint8Array[]>([[0, [...leaves]]]);
  const rowOf = (level: number): Uint8Array[] => {
    const known = rows.get(level);
    if (known !== undefined) return known;
    const below = rowOf(level - 1);
    const row = Array.from({ length: Math.floor(below.length / 256) }, (_, i) =>
      plainRoot(below.slice(i * 256, (i + 1) * 256)),
    );
    rows.set(level, row);
    return row;
  };
  return {
    reads,
    async readTile({ level, index, width }) {
      reads.push(`${level}/${index}/${width}`);
      return encodeTile(rowOf(level).slice(index * 256, index * 256 + width));
    },
  };
}
