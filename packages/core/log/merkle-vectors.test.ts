import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fromHex, hex } from '../bytes.ts';
import { plainConsistency, plainInclusion, plainRoot, plainTiles, someLeaves } from './_tree.ts';
import { CompactRange, leafHash, verifyConsistency, verifyInclusion } from './merkle.ts';
import { consistencyProof, inclusionProof } from './proof.ts';
import {
  decodeEntryBundle,
  decodeTile,
  encodeEntryBundle,
  encodeTile,
  parseTilePath,
  tileWidth,
} from './tile.ts';

interface Cases<Valid, Invalid = Valid> {
  readonly valid: Valid;
  readonly invalid: Invalid;
}

function readVectors<T>(name: string): T {
  const file = new URL(`../../../vectors/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as T;
}

const largest = 257;
const leaves = someLeaves(520);

describe('Merkle proof vectors', () => {
  interface Inclusion {
    readonly name: string;
    readonly index: number;
    readonly size: number;
    readonly leafHash: string;
    readonly proof: readonly string[];
    readonly root: string;
  }
  interface Consistency {
    readonly name: string;
    readonly oldSize: number;
    readonly newSize: number;
    readonly oldRoot: string;
    readonly newRoot: string;
    readonly proof: readonly string[];
  }
  const { roots, valid, invalid } = readVectors<
    Cases<{
      readonly inclusion: readonly Inclusion[];
      readonly consistency: readonly Consistency[];
    }> & { readonly roots: readonly { readonly size: number; readonly root: string }[] }
  >('merkle-proofs');
  const isIncluded = (claim: Inclusion): boolean =>
    verifyInclusion({
      index: claim.index,
      size: claim.size,
      leafHash: fromHex(claim.leafHash),
      proof: claim.proof.map(fromHex),
      root: fromHex(claim.root),
    });
  const isConsistent = (claim: Consistency): boolean =>
    verifyConsistency({
      oldSize: claim.oldSize,
      newSize: claim.newSize,
      oldRoot: fromHex(claim.oldRoot),
      newRoot: fromHex(claim.newRoot),
      proof: claim.proof.map(fromHex),
    });

  it('that are invalid are refused', () => {
    assert.ok(invalid.inclusion.length > 90 && invalid.consistency.length > 100);
    for (const claim of invalid.inclusion) assert.equal(isIncluded(claim), false, claim.name);
    for (const claim of invalid.consistency) assert.equal(isConsistent(claim), false, claim.name);
  });

  it('that are valid hold', () => {
    assert.ok(valid.inclusion.length > 40 && valid.consistency.length > 40);
    for (const claim of valid.inclusion) assert.equal(isIncluded(claim), true, claim.name);
    for (const claim of valid.consistency) assert.equal(isConsistent(claim), true, claim.name);
  });

  it('are those that are made from the tiles of the tree, and those of its definition', async () => {
    const tiles = plainTiles(leaves);
    for (const { name, index, size, proof } of valid.inclusion) {
      if (size > largest) continue;
      const made = await inclusionProof(tiles, index, size);
      assert.deepEqual(made.map(hex), proof, name);
      assert.deepEqual(plainInclusion(leaves.slice(0, size), index).map(hex), proof, name);
    }
    for (const { name, oldSize, newSize, proof } of valid.consistency) {
      if (newSize > largest) continue;
      const made = await consistencyProof(tiles, oldSize, newSize);
      assert.deepEqual(made.map(hex), proof, name);
      assert.deepEqual(plainConsistency(leaves.slice(0, newSize), oldSize).map(hex), proof, name);
    }
  });

  it('of roots are those of a tree that grows', () => {
    assert.ok(roots.length > 8);
    for (const { size, root } of roots) {
      const range = CompactRange.empty();
      for (const leaf of leaves.slice(0, size)) range.append(leaf);
      assert.equal(hex(range.root()), root, `${size}`);
      assert.equal(hex(plainRoot(leaves.slice(0, size))), root, `${size}`);
    }
  });
});

describe('tile and bundle vectors', () => {
  interface Tile {
    readonly name: string;
    readonly width: number;
    readonly tile: string;
  }
  interface Bundle {
    readonly name: string;
    readonly width: number;
    readonly bundle: string;
  }
  const { valid, invalid } =
    readVectors<
      Cases<
        {
          readonly tiles: readonly (Tile & {
            readonly path: string;
            readonly size: number;
            readonly hashes: readonly string[];
          })[];
          readonly entries: readonly (Bundle & {
            readonly entries: readonly string[];
            readonly leafHashes: readonly string[];
          })[];
        },
        { readonly tiles: readonly Tile[]; readonly entries: readonly Bundle[] }
      >
    >('bundles');

  it('that are invalid are refused', () => {
    assert.ok(invalid.tiles.length > 10 && invalid.entries.length > 20);
    for (const { name, width, tile } of invalid.tiles) {
      assert.throws(() => decodeTile(fromHex(tile), width), { code: 'bad-tile' }, name);
    }
    for (const { name, width, bundle } of invalid.entries) {
      assert.throws(() => decodeEntryBundle(fromHex(bundle), width), { code: 'bad-tile' }, name);
    }
  });

  it('of tiles that are valid come out and go back, and hold what the tree has there', async () => {
    for (const { name, path, size, width, tile, hashes } of valid.tiles) {
      const found = decodeTile(fromHex(tile), width);
      assert.deepEqual(found.map(hex), hashes, name);
      assert.equal(hex(encodeTile(found)), tile, name);
      const { level, index, width: ofPath } = parseTilePath(path);
      assert.notEqual(level, 'entries', name);
      const position = { level: Number(level), index };
      assert.deepEqual([tileWidth({ ...position, size }), ofPath], [width, width], name);
      const plain = plainTiles(leaves.slice(0, size));
      assert.equal(hex(await plain.readTile({ ...position, width })), tile, name);
    }
  });

  it('of bundles that are valid come out and go back', () => {
    for (const { name, width, bundle, entries, leafHashes } of valid.entries) {
      const found = decodeEntryBundle(fromHex(bundle), width);
      assert.deepEqual(found.map(hex), entries, name);
      assert.equal(hex(encodeEntryBundle(found)), bundle, name);
      assert.deepEqual(
        found.map((entry) => hex(leafHash(entry))),
        leafHashes,
        name,
      );
    }
  });
});
