import { CoreError } from '../errors.ts';
import type { Leaf, ResourcePosition } from '../log/index.ts';
import { decodeEntryBundle, parseLeaf, TILE_WIDTH, tileWidth } from '../log/index.ts';

/** A leaf of the log as anyone can read it; null where its bytes are no leaf of this version. */
export interface LogEntry {
  readonly index: number;
  readonly leaf: Leaf | null;
}

/** Bundles that one page of the log reads. */
const BUNDLES_MAX = 4;

/**
 * The last leaves of the log below `before`, newest first, at most `count` and no more than four bundles hold.
 * Nothing of it is proven: whoever wants proof verifies the whole log.
 * @param read fetches `tile/entries/…` at the width asked for; what it throws passes through.
 * @throws CoreError 'bad-tile'
 */
export async function readLatestEntries({
  read,
  size,
  before,
  count,
}: {
  readonly read: (position: ResourcePosition) => Promise<Uint8Array>;
  readonly size: number;
  readonly before: number;
  readonly count: number;
}): Promise<readonly LogEntry[]> {
  const end = Math.min(size, before);
  const start = Math.max(0, end - count);
  const entries: LogEntry[] = [];
  const lastBundle = Math.floor((end - 1) / TILE_WIDTH);
  const firstBundle = Math.max(Math.floor(start / TILE_WIDTH), lastBundle - BUNDLES_MAX + 1);
  for (let bundle = lastBundle; end > 0 && bundle >= firstBundle; bundle--) {
    const width = tileWidth({ level: 0, index: bundle, size });
    const bytes = await read({ level: 'entries', index: bundle, width });
    const leaves = decodeEntryBundle(bytes, width);
    for (let i = leaves.length - 1; i >= 0; i--) {
      const index = bundle * TILE_WIDTH + i;
      if (index < end && index >= start) entries.push({ index, leaf: leafOf(leaves[i]) });
    }
  }
  return entries;
}

function leafOf(bytes: Uint8Array | undefined): Leaf | null {
  try {
    return bytes === undefined ? null : parseLeaf(bytes);
  } catch (error) {
    if (error instanceof CoreError) return null;
    throw error;
  }
}
