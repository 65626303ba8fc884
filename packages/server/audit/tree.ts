import { equal } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import type { Checkpoint, TileReader } from '@amanat/core/log';
import {
  CompactRange,
  consistencyProof,
  TILE_HEIGHT,
  TILE_WIDTH,
  tilePath,
  tileWidth,
  verifyConsistency,
} from '@amanat/core/log';
import type { Finding } from './errors.ts';
import { AuditError } from './errors.ts';
import type { LeafCounts } from './hashing.ts';
import { addLeaves, noLeaves } from './hashing.ts';
import type { Notice } from './notices.ts';
import type { PartResult, PartTask } from './part.ts';
import { isTileOf, PART_LEAVES, readTile, subtreesOf } from './part.ts';
import type { LogSource } from './source.ts';
import { tilesOf } from './source.ts';

/** Findings after which no further part is looked at: the first say enough. */
const FINDINGS_MAX = 100;
/** Levels of a tree's nodes: its size is less than 2^53. */
const NODE_LEVELS = 53;

export interface TreeTerms {
  readonly source: LogSource;
  /** What the tree has to come to. */
  readonly checkpoint: Pick<Checkpoint, 'size' | 'root'>;
  /** The tree that was verified before, which this one has to begin with. At most as large. */
  readonly from: CompactRange;
  /** Verify parts, each one after another and beside the others. */
  readonly runners: readonly ((task: PartTask) => Promise<PartResult>)[];
  /** Whether the notices of the new leaves are wanted. */
  readonly wantsNotices?: boolean;
  /** Told how many leaves have been verified. */
  readonly onLeaves: (leaves: number) => void;
  readonly signal: AbortSignal;
}

/** What a tree came to. */
export interface TreeVerification {
  /** The verified tree; null where anything is wrong. */
  readonly range: CompactRange | null;
  /**
   * Whether the leaves come to the checkpoint's root, where files are wrong that the others show to be so; null where
   * not all of them were looked at.
   */
  readonly isRooted: boolean | null;
  /** New leaves only. */
  readonly counts: LeafCounts;
  /** Of the new leaves, where they are wanted. */
  readonly notices: readonly Notice[];
  /** None where the tree is the checkpoint's. Once there are a hundred, no further part is begun. */
  readonly findings: readonly Finding[];
}

/**
 * Verifies the part of a tree that is new, from leaves to root: the remembered subtrees and every new bundle give the
 * root, which must be the checkpoint's, and every new tile on the way is compared.
 * @throws AuditError 'unreachable', 'bad-response'; what the signal throws
 */
export async function verifyTree(terms: TreeTerms): Promise<TreeVerification> {
  const { source, checkpoint, from } = terms;
  const remembered = subtreesByLevel(from);
  const results = await runParts(terms, remembered);
  const findings = results.flatMap((result) => result.findings);
  const counts = noLeaves();
  for (const result of results) addLeaves(counts, result.counts);
  const isWhole = findings.length < FINDINGS_MAX;
  const ends = isWhole ? await joinParts(terms, { remembered, results }, findings) : null;
  const settled = ends === null ? null : settleEdge(ends, { checkpoint, results }, findings);
  if (settled?.extendsOld !== true) {
    const isProven = settled !== null || (await isFork(source, from, checkpoint));
    // Of two histories the tiles of one differ from the other's, which says nothing more.
    if (isProven) findings.splice(0, findings.length, { code: 'fork', at: null });
    else if (findings.length === 0) findings.push({ code: 'root-differs', at: null });
  }
  return {
    range: findings.length === 0 ? (settled?.range ?? null) : null,
    isRooted: isWhole ? settled !== null : null,
    counts,
    notices: results.flatMap(({ notices }) => notices),
    findings,
  };
}

async function runParts(
  { checkpoint: { size }, from, runners, wantsNotices = false, onLeaves, signal }: TreeTerms,
  remembered: readonly (readonly Uint8Array[])[],
): Promise<PartResult[]> {
  const results: PartResult[] = [];
  const start = Math.floor(from.size / PART_LEAVES);
  const end = from.size === size ? start : Math.ceil(size / PART_LEAVES);
  let next = start;
  let found = 0;
  let done = from.size;
  const runInTurn = async (run: TreeTerms['runners'][number]): Promise<void> => {
    while (next < end && found < FINDINGS_MAX) {
      signal.throwIfAborted();
      const index = next++;
      const own = index === start ? [remembered[0] ?? [], remembered[1] ?? []] : [[], []];
      const [low, high] = own as [Uint8Array[], Uint8Array[]];
      const oldSize = from.size;
      const result = await run({ index, size, oldSize, wantsNotices, remembered: [low, high] });
      results[index - start] = result;
      found += result.findings.length;
      done += result.leaves;
      onLeaves(done);
    }
  };
  const stop = (error: unknown) => {
    next = end;
    throw error;
  };
  await Promise.all(runners.map((run) => runInTurn(run).catch(stop)));
  return results;
}

/** The subtrees of the grown tree by level of tiles, from the parts upwards; the tiles above the parts are compared. */
async function joinParts(
  { source, checkpoint: { size }, from }: TreeTerms,
  {
    remembered,
    results,
  }: {
    readonly remembered: readonly (readonly Uint8Array[])[];
    readonly results: readonly PartResult[];
  },
  findings: Finding[],
): Promise<(readonly Uint8Array[])[]> {
  const ends = [...remembered];
  const last = results.at(-1);
  if (last !== undefined) [ends[0], ends[1]] = last.ends;
  let roots = results.flatMap(({ root }) => root ?? []);
  for (let level = 2; roots.length > 0; level++) {
    const next: Uint8Array[] = [];
    const before = Math.floor(from.size / TILE_WIDTH ** level);
    let old = before % TILE_WIDTH;
    let index = Math.floor(before / TILE_WIDTH);
    let start: readonly Uint8Array[] = remembered[level] ?? [];
    for (let at = 0; at < roots.length; index++) {
      const own = roots.slice(at, at + TILE_WIDTH - old);
      const position = { level, index, width: tileWidth({ level, index, size }) };
      const tile = await readTile(source, position, findings);
      if (tile !== null && !isTileOf(tile, { remembered: start, old, roots: own })) {
        findings.push({ code: 'tile-differs', at: tilePath(position) });
      }
      const range = CompactRange.from(old, start);
      for (const root of own) range.append(root);
      const isFull = range.size === TILE_WIDTH;
      if (isFull) next.push(range.root());
      ends[level] = isFull ? [] : range.hashes();
      at += own.length;
      old = 0;
      start = [];
    }
    roots = next;
  }
  return ends;
}

/**
 * The tree that the subtrees give, if it is the checkpoint's, and whether it begins with the remembered one. Where the
 * last bundle and its tile differ, the root says which of them is wrong.
 */
function settleEdge(
  ends: readonly (readonly Uint8Array[])[],
  {
    checkpoint: { size, root },
    results,
  }: {
    readonly checkpoint: Pick<Checkpoint, 'size' | 'root'>;
    readonly results: readonly PartResult[];
  },
  findings: Finding[],
): { readonly range: CompactRange; readonly extendsOld: boolean } | null {
  const settle = (low: readonly Uint8Array[] | undefined, extendsOld: boolean) => {
    const levels = [low ?? [], ...ends.slice(1)];
    const range = CompactRange.from(size, levels.toReversed().flat());
    return equal(range.root(), root) ? { range, extendsOld } : null;
  };
  const doubtful = results.at(-1)?.doubtful ?? null;
  const isOld = (some: readonly PartResult[]) => some.every(({ extendsOld }) => extendsOld);
  const byBundle = settle(ends[0], isOld(results));
  if (doubtful === null) return byBundle;
  const byTile = settle(doubtful.ends, isOld(results.slice(0, -1)) && doubtful.extendsOld);
  const { index } = doubtful;
  const width = tileWidth({ level: 0, index, size });
  if (byBundle === null) {
    findings.push({ code: 'bundle-differs', at: tilePath({ level: 'entries', index, width }) });
  }
  if (byTile === null) {
    findings.push({ code: 'tile-differs', at: tilePath({ level: 0, index, width }) });
  }
  return byBundle ?? byTile;
}

/**
 * Whether the log's own tiles prove that its tree is not one that begins with the remembered one: they lead to the
 * checkpoint's root, and another tree than the remembered one is what they begin with.
 */
export async function isFork(
  source: LogSource,
  from: CompactRange,
  { size, root }: Pick<Checkpoint, 'size' | 'root'>,
): Promise<boolean> {
  const oldSize = from.size;
  if (oldSize === 0) return false;
  try {
    const tiles = tilesOf(source, size);
    const oldRoot = (await rangeFromTiles(tiles, oldSize)).root();
    const proof = await consistencyProof(tiles, oldSize, size);
    const isPart = verifyConsistency({ oldSize, newSize: size, oldRoot, newRoot: root, proof });
    return isPart && !equal(oldRoot, from.root());
  } catch (error) {
    // Tiles that are wrong or not there prove nothing.
    if (error instanceof CoreError || error instanceof AuditError) return false;
    throw error;
  }
}

/** Whether the log's own tiles prove that its tree begins with the remembered one. */
export async function isExtension(
  source: LogSource,
  from: CompactRange,
  { size, root }: Pick<Checkpoint, 'size' | 'root'>,
): Promise<boolean> {
  if (from.size === size) return equal(from.root(), root);
  if (from.size === 0) return true;
  try {
    const proof = await consistencyProof(tilesOf(source, size), from.size, size);
    const roots = { oldRoot: from.root(), newRoot: root };
    return verifyConsistency({ oldSize: from.size, newSize: size, ...roots, proof });
  } catch (error) {
    // Tiles that were others a moment ago.
    if (error instanceof CoreError) return false;
    throw error;
  }
}

/** The right edge of the tree of `size` leaves, from its tiles. @throws CoreError 'bad-proof'; what the tiles throw */
export async function rangeFromTiles(tiles: TileReader, size: number): Promise<CompactRange> {
  const levels: (readonly Uint8Array[])[] = [];
  for (let level = 0; TILE_WIDTH ** level <= size; level++) {
    const nodes = Math.floor(size / TILE_WIDTH ** level);
    const width = nodes % TILE_WIDTH;
    const position = { level, index: Math.floor(nodes / TILE_WIDTH), width };
    levels.unshift(width === 0 ? [] : subtreesOf(await tiles.readTile(position), width));
  }
  return CompactRange.from(size, levels.flat());
}

/** The subtrees of a range by the level of the tiles in which they are. */
function subtreesByLevel(range: CompactRange): Uint8Array[][] {
  const hashes = range.hashes().values();
  const levels: Uint8Array[][] = Array.from(
    { length: Math.ceil(NODE_LEVELS / TILE_HEIGHT) },
    () => [],
  );
  for (let level = NODE_LEVELS - 1; level >= 0; level--) {
    if (Math.floor(range.size / 2 ** level) % 2 === 0) continue;
    levels[Math.floor(level / TILE_HEIGHT)]?.push(hashes.next().value as Uint8Array);
  }
  return levels;
}
