import { equal } from '@amanat/core/bytes';
import type { ResourcePosition } from '@amanat/core/log';
import { CompactRange, HASH_LENGTH, TILE_WIDTH, tilePath, tileWidth } from '@amanat/core/log';
import type { Finding } from './errors.ts';
import type { LeafCounts } from './hashing.ts';
import { addLeaves, bundleHashes, noLeaves, tileRoot } from './hashing.ts';
import type { Notice } from './notices.ts';
import { addNotices, noticesOf } from './notices.ts';
import type { LogSource } from './source.ts';

/** Leaves of a part: those under one tile of level 1. */
export const PART_LEAVES = TILE_WIDTH ** 2;

/** Files that are read at the same time. */
const CONCURRENT_READS_MAX = 8;

/** A piece of a tree that is verified by itself: the leaves under one tile of level 1, as far as they are new. */
export interface PartTask {
  readonly index: number;
  /** Leaves of the whole tree. */
  readonly size: number;
  /** Leaves that were verified before. */
  readonly oldSize: number;
  /** Whether its notices are wanted: to look for them takes a tenth of what hashing takes. */
  readonly wantsNotices: boolean;
  /** The remembered subtrees of level 0 to 7, and of 8 to 15, that lie in this part. */
  readonly remembered: readonly [readonly Uint8Array[], readonly Uint8Array[]];
}

/** What a part came to. */
export interface PartResult {
  readonly index: number;
  readonly leaves: number;
  /** The root over the whole part; null where the tree ends within it. */
  readonly root: Uint8Array | null;
  /** The tree's subtrees of level 0 to 7, and of 8 to 15, where it ends within this part. */
  readonly ends: readonly [readonly Uint8Array[], readonly Uint8Array[]];
  /**
   * Of the tree's last tile, where its bundle says otherwise: the subtrees that it, instead of its bundle, gives. Only
   * the tree's root can tell which of the two is right.
   */
  readonly doubtful: DoubtfulEdge | null;
  /** Whether the remembered leaves of the first tile are still there. */
  readonly extendsOld: boolean;
  readonly counts: LeafCounts;
  /** None where they are not wanted. */
  readonly notices: readonly Notice[];
  readonly findings: readonly Finding[];
}

/** What the tree's last tile says, where its bundle says otherwise. */
export interface DoubtfulEdge {
  readonly index: number;
  readonly ends: readonly Uint8Array[];
  readonly extendsOld: boolean;
}

/** A bundle and its tile: the leaf hashes that each gives, null where it gives none. */
interface CheckedLeaves {
  readonly index: number;
  readonly width: number;
  readonly fromBundle: Uint8Array | null;
  readonly fromTile: Uint8Array | null;
  readonly counts: LeafCounts;
  readonly notices: readonly Notice[];
}

/**
 * Verifies a part from its leaves: every new bundle is hashed and compared with its tile of level 0, and those with the
 * tile of level 1. Where bundle and tile differ, the tile above says which of them is wrong, and the other one is
 * carried on, so that one changed file is found as that file.
 */
export async function verifyPart(source: LogSource, task: PartTask): Promise<PartResult> {
  const { index, size, oldSize, remembered } = task;
  const findings: Finding[] = [];
  const first = index * TILE_WIDTH;
  const start = Math.max(first, Math.floor(oldSize / TILE_WIDTH));
  const end = Math.min(first + TILE_WIDTH, Math.ceil(size / TILE_WIDTH));
  const leaves = await readLeaves(source, { ...task, start, end }, findings);
  const above = await readAbove(source, task, findings);
  const roots: Uint8Array[] = [];
  const counts = noLeaves();
  const notices: Notice[] = [];
  let extendsOld = true;
  let ends: readonly Uint8Array[] = [];
  let doubtful: PartResult['doubtful'] = null;
  for (const each of leaves) {
    addLeaves(counts, each.counts);
    addNotices(notices, each.notices);
    const isFull = each.width === TILE_WIDTH;
    const slot = (each.index - first) * HASH_LENGTH;
    const parent = isFull && above !== null ? above.subarray(slot, slot + HASH_LENGTH) : null;
    const known = isFull ? chooseHashes(each, parent, findings) : hashesOfEither(each);
    // Zeros are no leaf's hashes, and give no root that anybody signed.
    const hashes = known ?? new Uint8Array(each.width * HASH_LENGTH);
    const oldLeaves = Math.max(0, oldSize - each.index * TILE_WIDTH);
    const beginsWithOld = (some: Uint8Array) =>
      oldLeaves === 0 || sameHashes(subtreesOf(some, oldLeaves), remembered[0]);
    extendsOld &&= known === null || beginsWithOld(known);
    if (isFull) roots.push(known === null && parent !== null ? parent : tileRoot(hashes));
    else {
      ends = subtreesOf(hashes, each.width);
      const { fromTile } = each;
      if (isOneMind(each) || fromTile === null) continue;
      const tileEnds = subtreesOf(fromTile, each.width);
      // The first tile, if it is another one, has been looked at by now.
      const tileExtendsOld = oldLeaves === 0 ? extendsOld : beginsWithOld(fromTile);
      doubtful = { index: each.index, ends: tileEnds, extendsOld: tileExtendsOld };
    }
  }
  const range = CompactRange.from(start - first, remembered[1]);
  for (const root of roots) range.append(root);
  if (
    above !== null &&
    !isTileOf(above, { remembered: remembered[1], old: start - first, roots })
  ) {
    findings.push({ code: 'tile-differs', at: tilePath(positionAbove(task)) });
  }
  const isWhole = range.size === TILE_WIDTH;
  return {
    index,
    leaves: Math.min(size, (index + 1) * PART_LEAVES) - Math.max(oldSize, index * PART_LEAVES),
    root: isWhole ? range.root() : null,
    ends: [ends, isWhole ? [] : range.hashes()],
    doubtful,
    extendsOld,
    counts,
    notices,
    findings,
  };
}

async function readLeaves(
  source: LogSource,
  { start, end, ...task }: PartTask & { readonly start: number; readonly end: number },
  findings: Finding[],
): Promise<CheckedLeaves[]> {
  const found: CheckedLeaves[] = [];
  let next = start;
  const readInTurn = async (): Promise<void> => {
    while (next < end) {
      const index = next++;
      found[index - start] = await checkLeaves(source, { ...task, index }, findings);
    }
  };
  // Whoever fails ends the part; the others then find nothing more to do.
  const stop = (error: unknown) => {
    next = end;
    throw error;
  };
  await Promise.all(Array.from({ length: CONCURRENT_READS_MAX }, () => readInTurn().catch(stop)));
  return found;
}

async function checkLeaves(
  source: LogSource,
  { index, size, oldSize, wantsNotices }: PartTask,
  findings: Finding[],
): Promise<CheckedLeaves> {
  const width = tileWidth({ level: 0, index, size });
  const old = Math.max(0, oldSize - index * TILE_WIDTH);
  const bundleAt = { level: 'entries', index, width } as const;
  const bundle = await source.read(bundleAt);
  const hashed = bundle === null ? null : bundleHashes(bundle, { width, old });
  if (hashed === null) findings.push(lacking(bundle, bundleAt, 'bundle-differs'));
  const isNoticed = wantsNotices && bundle !== null && hashed !== null;
  const fromTile = await readTile(source, { level: 0, index, width }, findings);
  return {
    index,
    width,
    fromBundle: hashed?.hashes ?? null,
    fromTile,
    counts: hashed?.counts ?? noLeaves(),
    notices: isNoticed ? noticesOf(bundle, { first: index * TILE_WIDTH, old }) : [],
  };
}

/** A tile of the right length, or null with the finding noted. */
export async function readTile(
  source: LogSource,
  position: ResourcePosition,
  findings: Finding[],
): Promise<Uint8Array | null> {
  const bytes = await source.read(position);
  if (bytes?.length === position.width * HASH_LENGTH) return bytes;
  findings.push(lacking(bytes, position, 'tile-differs'));
  return null;
}

function lacking(
  bytes: Uint8Array | null,
  position: ResourcePosition,
  code: 'bundle-differs' | 'tile-differs',
): Finding {
  return { code: bytes === null ? 'hole' : code, at: tilePath(position) };
}

function positionAbove({ index, size }: PartTask) {
  return { level: 1, index, width: tileWidth({ level: 1, index, size }) };
}

/** The tile of level 1 over the part; null also where it has not grown. */
async function readAbove(source: LogSource, task: PartTask, findings: Finding[]) {
  const { width } = positionAbove(task);
  const old = tileWidth({ level: 1, index: task.index, size: task.oldSize });
  return width === old ? null : readTile(source, positionAbove(task), findings);
}

/** The leaf hashes of a full tile that the tile above vouches for, or else the bundle's; null where there are none. */
function chooseHashes(
  checked: CheckedLeaves,
  parent: Uint8Array | null,
  findings: Finding[],
): Uint8Array | null {
  const { index, fromBundle, fromTile } = checked;
  if (fromBundle === null || fromTile === null || isOneMind(checked))
    return hashesOfEither(checked);
  const isVouchedFor = (hashes: Uint8Array) => parent !== null && equal(tileRoot(hashes), parent);
  const tileIsRight = isVouchedFor(fromTile);
  if (tileIsRight || !isVouchedFor(fromBundle)) findings.push(differing('entries', index));
  if (!tileIsRight) findings.push(differing(0, index));
  return tileIsRight ? fromTile : fromBundle;
}

/** The bundle's leaf hashes or else the tile's; null where there are neither. */
function hashesOfEither({ fromBundle, fromTile }: CheckedLeaves): Uint8Array | null {
  return fromBundle ?? fromTile;
}

function isOneMind({ fromBundle, fromTile }: CheckedLeaves): boolean {
  // Eight kilobytes: compared by the system, not byte by byte here.
  return fromBundle === null || fromTile === null || Buffer.compare(fromBundle, fromTile) === 0;
}

function differing(level: 0 | 'entries', index: number): Finding {
  const at = tilePath({ level, index, width: TILE_WIDTH });
  return { code: level === 0 ? 'tile-differs' : 'bundle-differs', at };
}

/** Whether a tile is made of hashes of which only the subtrees are remembered, and of new ones. */
export function isTileOf(
  tile: Uint8Array,
  {
    remembered,
    old,
    roots,
  }: {
    readonly remembered: readonly Uint8Array[];
    readonly old: number;
    readonly roots: readonly Uint8Array[];
  },
): boolean {
  if (tile.length !== (old + roots.length) * HASH_LENGTH) return false;
  if (!sameHashes(subtreesOf(tile, old), remembered)) return false;
  return roots.every((root, i) => {
    const start = (old + i) * HASH_LENGTH;
    return equal(root, tile.subarray(start, start + HASH_LENGTH));
  });
}

/** The complete subtrees over the first hashes of a tile, largest first. */
export function subtreesOf(hashes: Uint8Array, count: number): readonly Uint8Array[] {
  const range = CompactRange.empty();
  for (let i = 0; i < count; i++) {
    range.append(new Uint8Array(hashes.subarray(i * HASH_LENGTH, (i + 1) * HASH_LENGTH)));
  }
  return range.hashes();
}

function sameHashes(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((hash, i) => equal(hash, b[i] as Uint8Array));
}
