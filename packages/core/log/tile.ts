import { concat, uint16 } from '../bytes.ts';
import { CoreError } from '../errors.ts';
import { HASH_LENGTH, isTreeSize } from './merkle.ts';

/** Hashes of a full tile, and entries of a full bundle. */
export const TILE_WIDTH = 256;

/** Bytes of a full tile. */
export const FULL_TILE_BYTES = TILE_WIDTH * HASH_LENGTH;

/** Levels of the tree that one level of tiles spans: 2^8 = 256. */
export const TILE_HEIGHT = 8;

/** Bytes an entry may have: its length is a uint16. */
export const MAX_ENTRY_BYTES = 65_535;

/** The highest level a tile's path may name (tlog-tiles). */
const MAX_TILE_LEVEL = 63;

// 'tile/entries/' and six groups, which hold every safe integer, and '.p/255'.
const MAX_PATH_LENGTH = 48;
const PATH =
  /^tile\/(entries|0|[1-9][0-9]?)\/((?:x[0-9]{3}\/)*[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/** Which tile of hashes, at which width: 256 is full, less is partial; a tile is never empty. */
export interface TilePosition {
  readonly level: number;
  readonly index: number;
  readonly width: number;
}

/** A tile of hashes, or a bundle of the entries under a tile of level 0. */
export interface ResourcePosition {
  readonly level: number | 'entries';
  readonly index: number;
  readonly width: number;
}

/**
 * The path of a tile or bundle under the log's prefix, without a leading slash, such as `tile/0/x001/234.p/5`
 * (C2SP tlog-tiles). Throws `bad-tile` for a position that cannot be.
 */
export function tilePath({ level, index, width }: ResourcePosition): string {
  if (!isResourcePosition({ level, index, width })) throw new CoreError('bad-tile', 'no such tile');
  const groups = [String(index % 1000).padStart(3, '0')];
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    groups.unshift(`x${String(rest % 1000).padStart(3, '0')}`);
  }
  const suffix = width === TILE_WIDTH ? '' : `.p/${width}`;
  return `tile/${level}/${groups.join('/')}${suffix}`;
}

/** The position of a path; the strict inverse of `tilePath`. Throws `bad-tile`. */
export function parseTilePath(path: string): ResourcePosition {
  const match = path.length <= MAX_PATH_LENGTH ? PATH.exec(path) : null;
  if (match === null) throw new CoreError('bad-tile', 'not a tile path');
  const [, level, groups, width] = match;
  const position: ResourcePosition = {
    level: level === 'entries' ? level : Number(level),
    index: Number((groups as string).replaceAll(/[x/]/g, '')),
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  const isPartialOrBare = width === undefined || position.width < TILE_WIDTH;
  // Leading groups of zeros would give one tile several paths.
  const isShortest = !(groups as string).startsWith('x000');
  if (!isPartialOrBare || !isShortest || !isResourcePosition(position)) {
    throw new CoreError('bad-tile', 'not a tile path');
  }
  return position;
}

function isResourcePosition({ level, index, width }: ResourcePosition): boolean {
  const isLevel =
    level === 'entries' || (Number.isInteger(level) && level >= 0 && level <= MAX_TILE_LEVEL);
  return isLevel && isTreeSize(index) && isWidth(width);
}

function isWidth(width: number): boolean {
  return Number.isInteger(width) && width >= 1 && width <= TILE_WIDTH;
}

/** Hashes that the tile holds in a tree of `size` leaves: 0 where it does not exist yet, 256 where it is full. */
export function tileWidth({
  level,
  index,
  size,
}: {
  level: number;
  index: number;
  size: number;
}): number {
  const hashes = Math.floor(size / TILE_WIDTH ** level);
  return Math.max(0, Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH));
}

/**
 * The tiles that a tree of `newSize` has and one of `oldSize` has not, or not as wide: what is to be published
 * after growing, lowest level first. From 0, every tile of the tree; the last of each level may be partial.
 * Throws `out-of-range` unless the sizes are sizes and in order.
 */
export function* tilesBetween({
  oldSize,
  newSize,
}: {
  oldSize: number;
  newSize: number;
}): Generator<TilePosition> {
  if (!isTreeSize(oldSize) || !isTreeSize(newSize) || oldSize > newSize) {
    throw new CoreError('out-of-range', 'tree sizes are not in order');
  }
  // At most seven levels: 256^7 is more than a tree can have.
  for (let level = 0; ; level++) {
    const span = TILE_WIDTH ** level;
    const hashes = Math.floor(newSize / span);
    const oldHashes = Math.floor(oldSize / span);
    if (hashes === oldHashes) return;
    for (let index = Math.floor(oldHashes / TILE_WIDTH); index * TILE_WIDTH < hashes; index++) {
      yield { level, index, width: tileWidth({ level, index, size: newSize }) };
    }
  }
}

/** Every tile of a tree of `size` leaves. Throws `out-of-range` unless it is a size. */
export function tilesForSize(size: number): Generator<TilePosition> {
  return tilesBetween({ oldSize: 0, newSize: size });
}

/** The bytes of a tile. Throws `bad-tile` unless there are 1 to 256 hashes of 32 bytes. */
export function encodeTile(hashes: readonly Uint8Array[]): Uint8Array {
  if (!isWidth(hashes.length) || hashes.some((hash) => hash.length !== HASH_LENGTH)) {
    throw new CoreError('bad-tile', 'a tile has 1 to 256 hashes of 32 bytes');
  }
  return concat(...hashes);
}

/** The hashes of a tile that must be `width` wide, as views of its bytes. Throws `bad-tile`. */
export function decodeTile(bytes: Uint8Array, width: number): Uint8Array[] {
  if (!isWidth(width) || bytes.length !== width * HASH_LENGTH) {
    throw new CoreError('bad-tile', 'tile has the wrong width');
  }
  return Array.from({ length: width }, (_, i) =>
    bytes.subarray(i * HASH_LENGTH, (i + 1) * HASH_LENGTH),
  );
}

/** The bytes of a bundle: each entry behind its length as a uint16. Throws `bad-tile` for none, over 256, or a long one. */
export function encodeEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  if (!isWidth(entries.length) || entries.some((entry) => entry.length > MAX_ENTRY_BYTES)) {
    throw new CoreError('bad-tile', 'a bundle has 1 to 256 entries of at most 65535 bytes');
  }
  return concat(...entries.flatMap((entry) => [uint16(entry.length), entry]));
}

/** The entries of a bundle that must hold `width` and nothing more, as views of its bytes. Throws `bad-tile`. */
export function decodeEntryBundle(bytes: Uint8Array, width: number): Uint8Array[] {
  if (!isWidth(width)) throw new CoreError('bad-tile', 'bundle has no such width');
  const entries: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; i < width; i++) {
    const [high, low] = bytes.subarray(at, at + 2);
    if (high === undefined || low === undefined)
      throw new CoreError('bad-tile', 'bundle ends too soon');
    const end = at + 2 + high * 256 + low;
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  if (at !== bytes.length) throw new CoreError('bad-tile', 'bundle has another length');
  return entries;
}
