import { CoreError } from '../errors.ts';
import type { TileReader } from '../log/index.ts';
import {
  consistencyProof,
  decodeTile,
  inclusionProofs,
  MAX_PROOF_BATCH,
  TILE_WIDTH,
  tilePath,
  tileWidth,
} from '../log/index.ts';
import type { CheckFailure } from './checks.ts';

/** Where a leaf stands, as the log has it: its hash, and the hashes that lead from it to the root. */
export interface LeafProof {
  readonly leafHash: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/** Where proofs come from: the log's tiles, or a bundle. Nothing it gives is believed before it verifies. */
export interface ProofSource {
  /** In the order asked. Each index is below `size`. Never throws. */
  prove(indices: readonly number[], size: number): Promise<readonly (LeafProof | CheckFailure)[]>;
  /** That the tree of `newSize` leaves begins with that of `oldSize`, which is no larger. Never throws. */
  connect(oldSize: number, newSize: number): Promise<readonly Uint8Array[] | CheckFailure>;
}

const BATCH = Math.min(1024, MAX_PROOF_BATCH);
/** Leaves that are tried one by one where a batch failed, to tell which of them it was. */
const SINGLES_MAX = 256;
/** Tiles kept while one history is checked: 32 MB. */
const TILES_MAX = 4096;

/** Proofs made from tiles, each fetched once. */
export function proofsFromTiles(reader: TileReader): ProofSource {
  const cached = cacheTiles(reader);
  return {
    async prove(indices, size) {
      const found: (LeafProof | CheckFailure)[] = [];
      let singles = 0;
      for (let at = 0; at < indices.length; at += BATCH) {
        const batch = indices.slice(at, at + BATCH);
        const together = await proveBatch(cached, batch, size);
        if (typeof together !== 'string') {
          found.push(...together);
          continue;
        }
        for (const index of batch) {
          if (singles++ >= SINGLES_MAX) {
            found.push(together);
            continue;
          }
          const alone = await proveBatch(cached, [index], size);
          found.push(typeof alone === 'string' ? alone : (alone[0] as LeafProof));
        }
      }
      return found;
    },
    async connect(oldSize, newSize) {
      try {
        return await consistencyProof(cached, oldSize, newSize);
      } catch (error) {
        return failureOf(error);
      }
    },
  };
}

/** Of a tile that came, core says what is wrong with it; anything else is that it did not come. */
function failureOf(error: unknown): CheckFailure {
  return error instanceof CoreError ? 'wrong' : 'unavailable';
}

async function proveBatch(
  reader: TileReader,
  indices: readonly number[],
  size: number,
): Promise<readonly LeafProof[] | CheckFailure> {
  try {
    const proofs = await inclusionProofs(reader, indices, size);
    const leafHashes = await Promise.all(indices.map((index) => readLeaf(reader, index, size)));
    return leafHashes.map((leafHash, i) => ({ leafHash, proof: proofs[i] as Uint8Array[] }));
  } catch (error) {
    return failureOf(error);
  }
}

async function readLeaf(reader: TileReader, leaf: number, size: number): Promise<Uint8Array> {
  const index = Math.floor(leaf / TILE_WIDTH);
  const width = tileWidth({ level: 0, index, size });
  const hashes = decodeTile(await reader.readTile({ level: 0, index, width }), width);
  const hash = hashes[leaf % TILE_WIDTH];
  if (hash === undefined) throw new CoreError('bad-tile', 'tile is too narrow');
  return hash;
}

function cacheTiles(reader: TileReader): TileReader {
  const tiles = new Map<string, Promise<Uint8Array>>();
  return {
    readTile(position) {
      const path = tilePath(position);
      const known = tiles.get(path);
      if (known !== undefined) return known;
      if (tiles.size >= TILES_MAX) tiles.clear();
      const read = reader.readTile(position);
      tiles.set(path, read);
      return read;
    },
  };
}
