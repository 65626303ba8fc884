import { CoreError } from '../errors.ts';
import { emptyRoot, isTreeSize, joinSubtrees, nodeHash } from './merkle.ts';
import type { TilePosition } from './tile.ts';
import { decodeTile, TILE_HEIGHT, TILE_WIDTH, tilePath, tileWidth } from './tile.ts';

/**
 * Where tiles come from: a store, or a server over HTTP. It is asked for exactly the width that the tile has in the
 * tree of the size in question, and must give that many hashes. A log may have deleted a partial tile once a fuller
 * one exists: it is the reader's to fetch the fuller one and cut it to the width asked for.
 * What it gives need not be trusted: a wrong hash makes a proof or root that does not verify.
 */
export interface TileReader {
  readTile(position: TilePosition): Promise<Uint8Array>;
}

/** Proofs that one call makes at most. */
export const MAX_PROOF_BATCH = 4_096;

/** Tiles that one call reads at the same time. */
const MAX_CONCURRENT_READS = 16;

/** Leaves from `start` up to but without `end`, of which the hash is wanted. */
interface Range {
  readonly start: number;
  readonly end: number;
}

/** The root of a complete subtree: leaves from `index · 2^level`, 2^level of them. */
interface Node {
  readonly level: number;
  readonly index: number;
}

/**
 * The hashes that lead from the leaf at `index` to the root of the tree of `size` leaves (RFC 6962, section 2.1.1).
 * Throws `out-of-range` for no such leaf, `bad-tile` for a tile of the wrong width, and what the reader throws.
 */
export async function inclusionProof(
  reader: TileReader,
  index: number,
  size: number,
): Promise<Uint8Array[]> {
  const [proof] = await inclusionProofs(reader, [index], size);
  return proof as Uint8Array[];
}

/**
 * `inclusionProof` for many leaves of one tree, in the order asked: each tile is read, and each node over it hashed,
 * once. At most 4,096 leaves; throws `out-of-range` for more.
 */
export async function inclusionProofs(
  reader: TileReader,
  indices: readonly number[],
  size: number,
): Promise<Uint8Array[][]> {
  if (indices.length > MAX_PROOF_BATCH)
    throw new CoreError('out-of-range', 'too many proofs at once');
  const plans = indices.map((index) => inclusionRanges(index, size));
  const nodes = await readNodes(reader, size, plans.flat());
  return plans.map((ranges) => ranges.map((range) => nodes.hashOf(range)));
}

/**
 * The hashes that show that the tree of `newSize` leaves begins with that of `oldSize` (RFC 6962, section 2.1.2);
 * none when `oldSize` is 0 or the sizes are equal. Throws as `inclusionProof` does.
 */
export async function consistencyProof(
  reader: TileReader,
  oldSize: number,
  newSize: number,
): Promise<Uint8Array[]> {
  const ranges = consistencyRanges(oldSize, newSize);
  const nodes = await readNodes(reader, newSize, ranges);
  return ranges.map((range) => nodes.hashOf(range));
}

/** The root of the tree of `size` leaves, from the tiles at its right edge. Throws as `inclusionProof` does. */
export async function rootFromTiles(reader: TileReader, size: number): Promise<Uint8Array> {
  if (!isTreeSize(size)) throw new CoreError('out-of-range', 'not a tree size');
  if (size === 0) return emptyRoot();
  const whole = { start: 0, end: size };
  const nodes = await readNodes(reader, size, [whole]);
  return nodes.hashOf(whole);
}

function inclusionRanges(index: number, size: number): Range[] {
  if (!isTreeSize(size) || !isTreeSize(index) || index >= size) {
    throw new CoreError('out-of-range', 'the tree has no such leaf');
  }
  const siblings: Range[] = [];
  let start = 0;
  let end = size;
  // Halves the range at least at every second turn: at most 53 turns.
  while (end - start > 1) {
    const middle = start + splitPoint(end - start);
    if (index < middle) {
      siblings.push({ start: middle, end });
      end = middle;
    } else {
      siblings.push({ start, end: middle });
      start = middle;
    }
  }
  return siblings.reverse();
}

function consistencyRanges(oldSize: number, newSize: number): Range[] {
  if (!isTreeSize(oldSize) || !isTreeSize(newSize) || oldSize > newSize) {
    throw new CoreError('out-of-range', 'tree sizes are not in order');
  }
  if (oldSize === 0) return [];
  const ranges: Range[] = [];
  let start = 0;
  let end = newSize;
  while (oldSize < end) {
    const middle = start + splitPoint(end - start);
    if (oldSize <= middle) {
      ranges.push({ start: middle, end });
      end = middle;
    } else {
      ranges.push({ start, end: middle });
      start = middle;
    }
  }
  // Where the old tree is itself a node from the first leaf, the verifier has its hash: the old root.
  if (start > 0) ranges.push({ start, end });
  return ranges.reverse();
}

/** The largest power of two below `leaves`, which is at least 2. */
function splitPoint(leaves: number): number {
  let power = 1;
  while (power * 2 < leaves) power *= 2;
  return power;
}

/** The complete subtrees that make up a range, largest first; the range starts where RFC 6962 lets one start. */
function completeSubtrees({ start, end }: Range): Node[] {
  const nodes: Node[] = [];
  let at = start;
  while (at < end) {
    let level = 0;
    while (at + 2 ** (level + 1) <= end) level += 1;
    nodes.push({ level, index: at / 2 ** level });
    at += 2 ** level;
  }
  return nodes;
}

async function readNodes(
  reader: TileReader,
  size: number,
  ranges: readonly Range[],
): Promise<Nodes> {
  const wanted = new Map<string, TilePosition>();
  for (const node of ranges.flatMap(completeSubtrees)) {
    const position = tileOf(node, size);
    wanted.set(tilePath(position), position);
  }
  const tiles = new Map<string, TileNodes>();
  const queue = wanted.entries();
  const readInTurn = async (): Promise<void> => {
    try {
      for (const [path, position] of queue) {
        const bytes = await reader.readTile(position);
        tiles.set(path, new TileNodes(decodeTile(bytes, position.width)));
      }
    } catch (error) {
      // The call has failed: the other turns are to stop too.
      wanted.clear();
      throw error;
    }
  };
  await Promise.all(
    Array.from({ length: Math.min(MAX_CONCURRENT_READS, wanted.size) }, readInTurn),
  );
  return new Nodes(size, tiles);
}

function tileOf(node: Node, size: number): TilePosition {
  const level = Math.floor(node.level / TILE_HEIGHT);
  const index = Math.floor((node.index * 2 ** (node.level % TILE_HEIGHT)) / TILE_WIDTH);
  return { level, index, width: tileWidth({ level, index, size }) };
}

/** The nodes over the tiles that were read. */
class Nodes {
  readonly #size: number;
  readonly #tiles: ReadonlyMap<string, TileNodes>;

  constructor(size: number, tiles: ReadonlyMap<string, TileNodes>) {
    this.#size = size;
    this.#tiles = tiles;
  }

  hashOf(range: Range): Uint8Array {
    return joinSubtrees(completeSubtrees(range).map((node) => this.#nodeHash(node)));
  }

  #nodeHash(node: Node): Uint8Array {
    const tile = this.#tiles.get(tilePath(tileOf(node, this.#size)));
    if (tile === undefined) throw new CoreError('bad-proof', 'a tile of the proof was not read');
    const height = node.level % TILE_HEIGHT;
    return tile.hashAt(height, node.index % 2 ** (TILE_HEIGHT - height));
  }
}

/** A tile as the tree of eight levels that it stands for, hashed as far as asked and no further. */
class TileNodes {
  // As a heap: node 1 is the root, 2n and 2n + 1 are the children of n, the tile's own hashes begin at 256.
  readonly #heap: (Uint8Array | undefined)[];

  constructor(hashes: readonly Uint8Array[]) {
    this.#heap = [...new Array<undefined>(TILE_WIDTH), ...hashes];
  }

  hashAt(height: number, position: number): Uint8Array {
    return this.#hash(2 ** (TILE_HEIGHT - height) + position);
  }

  #hash(slot: number): Uint8Array {
    const known = this.#heap[slot];
    if (known !== undefined) return known;
    if (slot >= TILE_WIDTH) throw new CoreError('bad-tile', 'tile is too narrow');
    const hash = nodeHash(this.#hash(2 * slot), this.#hash(2 * slot + 1));
    this.#heap[slot] = hash;
    return hash;
  }
}
