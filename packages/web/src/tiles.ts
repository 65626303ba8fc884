import type { ResourcePosition, TileReader } from '@amanat/core/verify';
import { tilePath } from '@amanat/core/verify';
import { fetchLogFile } from './api.ts';

const HASH_BYTES = 32;
const FULL_WIDTH = 256;

/**
 * The log's hash tiles over HTTP. A log may drop a partial tile once the full one exists, which is then
 * fetched and cut to the width asked for.
 */
export const httpTiles: TileReader = {
  async readTile(position) {
    const { width } = position;
    try {
      return await fetchLogFile(tilePath(position));
    } catch (error) {
      if (width === FULL_WIDTH) throw error;
      const full = await fetchLogFile(tilePath({ ...position, width: FULL_WIDTH }));
      return full.subarray(0, width * HASH_BYTES);
    }
  },
};

/** A bundle of entries over HTTP. */
export function readEntryBundle(position: ResourcePosition): Promise<Uint8Array> {
  return fetchLogFile(tilePath(position));
}
