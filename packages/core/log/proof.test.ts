import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { plainConsistency, plainInclusion, plainRoot, plainTiles, someLeaves } from './_tree.ts';
import { CompactRange, emptyRoot, verifyConsistency, verifyInclusion } from './merkle.ts';
import type { TileReader } from './proof.ts';
import {
  consistencyProof,
  inclusionProof,
  inclusionProofs,
  MAX_PROOF_BATCH,
  rootFromTiles,
} from './proof.ts';
import { encodeTile } from './tile.ts';

const leaves = someLeaves(1_000);
const tiles = plainTiles(leaves);
const outOfRange = { name: 'CoreError', code: 'out-of-range' };

describe('proofs from tiles', () => {
  it('for what the tree has not are refused before any tile is read', async () => {
    const { reads, ...reader } = plainTiles(leaves);
    for (const [index, size] of [
      [5, 5],
      [0, 0],
      [-1, 5],
      [0.5, 5],
      [0, -1],
      [0, 2 ** 53],
    ] as const) {
      await assert.rejects(inclusionProof(reader, index, size), outOfRange);
    }
    for (const [oldSize, newSize] of [
      [6, 5],
      [-1, 5],
      [0.5, 5],
      [1, 2 ** 53],
    ] as const) {
      await assert.rejects(consistencyProof(reader, oldSize, newSize), outOfRange);
    }
    await assert.rejects(rootFromTiles(reader, -1), outOfRange);
    const tooMany = Array.from({ length: MAX_PROOF_BATCH + 1 }, () => 0);
    await assert.rejects(inclusionProofs(reader, tooMany, 5), outOfRange);
    assert.deepEqual(reads, []);
  });

  it('from a tile of another width are refused', async () => {
    for (const change of [-1, 1]) {
      const reader: TileReader = {
        readTile: (position) => tiles.readTile({ ...position, width: position.width + change }),
      };
      await assert.rejects(inclusionProof(reader, 3, 100), { code: 'bad-tile' });
      await assert.rejects(rootFromTiles(reader, 100), { code: 'bad-tile' });
    }
    const empty: TileReader = { readTile: async () => new Uint8Array(0) };
    await assert.rejects(consistencyProof(empty, 50, 100), { code: 'bad-tile' });
  });

  it('pass the reader’s own error through and read no further', async () => {
    let reads = 0;
    const reader: TileReader = {
      async readTile({ width }) {
        reads += 1;
        if (reads === 1) throw new Error('tile is gone');
        return new Uint8Array(32 * width);
      },
    };
    const indices = Array.from({ length: 1_000 }, (_, i) => i * 256);
    await assert.rejects(inclusionProofs(reader, indices, 256_000), /tile is gone/);
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(reads <= 32, `${reads} reads`);
  });

  it('from a tile with a flipped bit do not verify', async () => {
    const bent: TileReader = {
      async readTile(position) {
        const bytes = await tiles.readTile(position);
        bytes[40] = (bytes[40] as number) ^ 1;
        return bytes;
      },
    };
    const root = plainRoot(leaves.slice(0, 100));
    const proof = await inclusionProof(bent, 0, 100);
    const leafHash = leaves[0] as Uint8Array;
    assert.equal(verifyInclusion({ index: 0, size: 100, leafHash, proof, root }), false);
    assert.notDeepEqual(await rootFromTiles(bent, 100), root);
  });

  it('are those that the definition gives', async () => {
    const size = fc.integer({ min: 1, max: 1_000 });
    await fc.assert(
      fc.asyncProperty(size, fc.nat(), async (newSize, pick) => {
        const tree = leaves.slice(0, newSize);
        const index = pick % newSize;
        assert.deepEqual(await inclusionProof(tiles, index, newSize), plainInclusion(tree, index));
        const oldSize = index + 1;
        const expected = plainConsistency(tree, oldSize);
        assert.deepEqual(await consistencyProof(tiles, oldSize, newSize), expected);
        assert.deepEqual(await rootFromTiles(tiles, newSize), plainRoot(tree));
      }),
      { numRuns: 60 },
    );
  });

  it('for all leaves at once are those for each alone', async () => {
    const size = 513;
    const { reads, ...reader } = plainTiles(leaves);
    const indices = Array.from({ length: size }, (_, i) => size - 1 - i);
    const proofs = await inclusionProofs(reader, indices, size);
    assert.deepEqual(reads.sort(), ['0/0/256', '0/1/256', '0/2/1', '1/0/2']);
    const root = plainRoot(leaves.slice(0, size));
    for (const [i, index] of indices.entries()) {
      const proof = proofs[i] as Uint8Array[];
      const leafHash = leaves[index] as Uint8Array;
      assert.ok(verifyInclusion({ index, size, leafHash, proof, root }));
    }
    assert.deepEqual(await inclusionProofs(reader, [], size), []);
  });

  it('hold across the edges of a tree with three levels of tiles', async () => {
    const size = 65_536 + 300;
    const rows: Uint8Array[][] = [[], [], []];
    const range = CompactRange.empty();
    const some = leaves.slice(0, 7);
    const roots = new Map<number, Uint8Array>();
    for (let i = 0; i < size; i++) {
      range.append(some[i % 7] as Uint8Array, (level, _, hash) => {
        if (level % 8 === 0) rows[level / 8]?.push(hash);
      });
      if (i % 257 === 0 || i > 65_530) roots.set(i + 1, range.root());
    }
    const reader: TileReader = {
      async readTile({ level, index, width }) {
        const start = index * 256;
        return encodeTile(rows[level]?.slice(start, start + width) ?? []);
      },
    };
    const root = range.root();
    for (const index of [0, 255, 256, 65_535, 65_536, 65_791, 65_792, size - 1]) {
      const proof = await inclusionProof(reader, index, size);
      const leafHash = some[index % 7] as Uint8Array;
      assert.ok(verifyInclusion({ index, size, leafHash, proof, root }), `leaf ${index}`);
    }
    for (const [oldSize, oldRoot] of roots) {
      assert.deepEqual(await rootFromTiles(reader, oldSize), oldRoot);
      const proof = await consistencyProof(reader, oldSize, size);
      const claim = { oldSize, newSize: size, oldRoot, newRoot: root, proof };
      assert.ok(verifyConsistency(claim), `from ${oldSize}`);
    }
  });

  it('need nothing where there is nothing to show', async () => {
    const { reads, ...reader } = plainTiles(leaves);
    assert.deepEqual(await consistencyProof(reader, 0, 100), []);
    assert.deepEqual(await consistencyProof(reader, 100, 100), []);
    assert.deepEqual(await inclusionProof(reader, 0, 1), []);
    assert.deepEqual(await rootFromTiles(reader, 0), emptyRoot());
    assert.deepEqual(reads, []);
  });
});
