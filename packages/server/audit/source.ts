import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { CoreError } from '@amanat/core/errors';
import type { ResourcePosition, TilePosition, TileReader } from '@amanat/core/log';
import {
  decodeEntryBundle,
  encodeEntryBundle,
  FULL_TILE_BYTES,
  HASH_LENGTH,
  MAX_ENTRY_BYTES,
  MAX_NOTE_LENGTH,
  TILE_WIDTH,
  tilePath,
  tileWidth,
} from '@amanat/core/log';
import { AuditError } from './errors.ts';

/** The name of a log's signed head under its prefix. */
export const CHECKPOINT = 'checkpoint';

const BUNDLE_BYTES_MAX = TILE_WIDTH * (2 + MAX_ENTRY_BYTES);

/**
 * The static files of a log (C2SP tlog-tiles), wherever they are. Gives a file's bytes, or null where there is none.
 * @throws AuditError 'bad-response' for more than `bytesMax`, 'unreachable'
 */
export interface LogFiles {
  read(path: string, bytesMax: number): Promise<Uint8Array | null>;
}

/** A log as an audit reads it. What it gives is not trusted. */
export interface LogSource {
  /** The checkpoint's note, or null where there is none. */
  readCheckpoint(): Promise<Uint8Array | null>;
  /**
   * A tile, or a bundle, as wide as asked; null where there is none. A log may delete a partial one once the full one
   * is there: then this is the full one's beginning.
   */
  read(position: ResourcePosition): Promise<Uint8Array | null>;
}

/** A tile or a bundle from the file of its own name, and from no other. @throws AuditError as `LogFiles` does */
export function readResource(
  files: LogFiles,
  position: ResourcePosition,
): Promise<Uint8Array | null> {
  const isTile = position.level !== 'entries';
  return files.read(tilePath(position), isTile ? FULL_TILE_BYTES : BUNDLE_BYTES_MAX);
}

/** A log of files. */
export function sourceOf(files: LogFiles): LogSource {
  return {
    readCheckpoint: () => files.read(CHECKPOINT, MAX_NOTE_LENGTH),
    async read(position) {
      const found = await readResource(files, position);
      if (found !== null || position.width === TILE_WIDTH) return found;
      const full = await readResource(files, { ...position, width: TILE_WIDTH });
      return full === null ? null : beginningOf(full, position);
    },
  };
}

function beginningOf(full: Uint8Array, { level, width }: ResourcePosition): Uint8Array {
  if (level !== 'entries') return full.subarray(0, width * HASH_LENGTH);
  try {
    return encodeEntryBundle(decodeEntryBundle(full, TILE_WIDTH).slice(0, width));
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
    // No bundle at all: whoever hashes it will find so.
    return full;
  }
}

/** Tiles of the tree of `size` leaves for whoever makes proofs in it, or in a smaller one: each is cut from the wide one. */
export function tilesOf(source: LogSource, size: number): TileReader {
  return {
    async readTile(position: TilePosition) {
      const width = tileWidth({ ...position, size });
      const bytes = await source.read({ ...position, width });
      if (bytes === null) throw new AuditError('hole', tilePath(position), 'a tile is not there');
      return bytes.subarray(0, position.width * HASH_LENGTH);
    },
  };
}

/** The files of a log in a folder. */
export function folderFiles(directory: string): LogFiles {
  return {
    // Read at once, not in the background, which would take as long again as hashing what was read.
    async read(path, bytesMax) {
      try {
        return readBounded(join(directory, path), bytesMax, path);
      } catch (cause) {
        if (cause instanceof AuditError) throw cause;
        const code = (cause as { code?: unknown }).code;
        if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return null;
        throw new AuditError('unreachable', path, 'a file cannot be read', { cause });
      }
    },
  };
}

/** Most files fit, so that one look is enough. */
const ROOM = Buffer.alloc(128 * 1024);

function readBounded(file: string, bytesMax: number, path: string): Uint8Array {
  const handle = openSync(file, 'r');
  try {
    const found = readSync(handle, ROOM, 0, ROOM.length, 0);
    if (found <= bytesMax && found < ROOM.length) return new Uint8Array(ROOM.subarray(0, found));
    const { size } = fstatSync(handle);
    if (size > bytesMax) throw new AuditError('bad-response', path, 'a file is too long');
    return readFileSync(handle);
  } finally {
    closeSync(handle);
  }
}
