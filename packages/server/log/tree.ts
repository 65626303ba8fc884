import type { TileReader } from '@amanat/core/log';
import {
  CompactRange,
  encodeTile,
  leafHash,
  TILE_HEIGHT,
  TILE_WIDTH,
  tileWidth,
} from '@amanat/core/log';
import type { LogStore } from './store.ts';

/**
 * The right edge of the tree of the store's first `size` leaves. Reads at most 255 leaves and 128 nodes for each
 * of the size's bits, whatever the size. Throws where the store lacks one of them.
 */
export function rangeAt(store: LogStore, size: number): CompactRange {
  const hashes: Uint8Array[] = [];
  let start = 0;
  // Largest subtree first: at most 53 turns.
  for (let height = Math.floor(Math.log2(size || 1)); height >= 0; height--) {
    const span = 2 ** height;
    if (size - start < span) continue;
    hashes.push(subtreeRoot(store, start, height));
    start += span;
  }
  return CompactRange.from(size, hashes);
}

/** The hashes of a tile in the tree of `size` leaves, at its full width there. Throws where the store lacks one. */
export function tileHashes(
  store: LogStore,
  { level, index, size }: { level: number; index: number; size: number },
): Uint8Array[] {
  const from = index * TILE_WIDTH;
  return hashesAt(store, level, from, from + tileWidth({ level, index, size }));
}

/** The tiles of the tree of `size` leaves, from the store. */
export function storeTiles(store: LogStore, size: number): TileReader {
  return {
    readTile: async ({ level, index }) => encodeTile(tileHashes(store, { level, index, size })),
  };
}

function subtreeRoot(store: LogStore, start: number, height: number): Uint8Array {
  const level = Math.floor(height / TILE_HEIGHT);
  const from = start / TILE_WIDTH ** level;
  const range = CompactRange.empty();
  for (const hash of hashesAt(store, level, from, from + 2 ** (height % TILE_HEIGHT))) {
    range.append(hash);
  }
  return range.root();
}

function hashesAt(store: LogStore, level: number, from: number, to: number): Uint8Array[] {
  const found = level === 0 ? store.leaves(from, to).map(leafHash) : store.nodes(level, from, to);
  if (found.length !== to - from) throw new Error('the store lacks a part of the tree');
  return found;
}
