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

/** The turns from the root to a leaf, by the definition: two sizes under which they are alike prove it alike. */
export function directions(index: number, size: number): string {
  if (size === 1) return '';
  const k = split(size);
  return index < k ? `l${directions(index, k)}` : `r${directions(index - k, size - k)}`;
}

/**
 * The proofs of {@link plainInclusion} and {@link plainConsistency} in the trees of one list of leaves, quick enough
 * for all of them: a subtree's root is made once, whichever trees it is a part of.
 */
export class ProvenTrees {
  readonly #leaves: readonly Uint8Array[];
  readonly #roots = new Map<number, Uint8Array>();

  constructor(size: number) {
    this.#leaves = someLeaves(size);
  }

  leaf(index: number): Uint8Array {
    return this.#leaves[index] as Uint8Array;
  }

  root(size: number): Uint8Array {
    return size === 0 ? sha256() : this.#rootOf(0, size);
  }

  inclusion(index: number, size: number): Uint8Array[] {
    const found = this.inclusions(size).find((each) => each.index === index);
    return found?.proof ?? [];
  }

  consistency(oldSize: number, newSize: number): Uint8Array[] {
    const found = this.consistencies(newSize).find((each) => each.oldSize === oldSize);
    return found?.proof ?? [];
  }

  /** The proof of every leaf of one tree. */
  inclusions(size: number): Generator<{ readonly index: number; readonly proof: Uint8Array[] }> {
    return this.#inclusions(0, size, []);
  }

  /** The proof from every size that one tree once had. */
  consistencies(
    newSize: number,
  ): Generator<{ readonly oldSize: number; readonly proof: Uint8Array[] }> {
    return this.#consistencies(0, newSize, newSize, []);
  }

  *#inclusions(
    start: number,
    end: number,
    above: readonly Uint8Array[],
  ): ReturnType<ProvenTrees['inclusions']> {
    if (end - start === 1) {
      yield { index: start, proof: [...above] };
      return;
    }
    const middle = start + split(end - start);
    yield* this.#inclusions(start, middle, [this.#rootOf(middle, end), ...above]);
    yield* this.#inclusions(middle, end, [this.#rootOf(start, middle), ...above]);
  }

  /** Old sizes over `start` and up to `last` end within the node of the leaves from `start` to `end`. */
  *#consistencies(
    start: number,
    end: number,
    last: number,
    above: readonly Uint8Array[],
  ): ReturnType<ProvenTrees['consistencies']> {
    if (last === end) {
      const own = start === 0 ? [] : [this.#rootOf(start, end)];
      yield { oldSize: end, proof: [...own, ...above] };
    }
    if (end - start === 1) return;
    const middle = start + split(end - start);
    yield* this.#consistencies(start, middle, middle, [this.#rootOf(middle, end), ...above]);
    yield* this.#consistencies(middle, end, end - 1, [this.#rootOf(start, middle), ...above]);
  }

  #rootOf(start: number, end: number): Uint8Array {
    if (end - start === 1) return this.leaf(start);
    const key = start * 2 ** 20 + end;
    const known = this.#roots.get(key);
    if (known !== undefined) return known;
    const middle = start + split(end - start);
    const made = sha256(Uint8Array.of(1), this.#rootOf(start, middle), this.#rootOf(middle, end));
    this.#roots.set(key, made);
    return made;
  }
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
