import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { plainConsistency, plainInclusion, plainLeaf, plainRoot, someLeaves } from './_tree.ts';
import {
  CompactRange,
  emptyRoot,
  leafHash,
  MAX_TREE_SIZE,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
} from './merkle.ts';

const vectors =
  process.env.AMANAT_VECTORS ??
  fileURLToPath(new URL('../../../../shared/vectors', import.meta.url));
const skip = existsSync(join(vectors, 'merkle')) ? false : 'the shared merkle vectors are absent';

interface InclusionVector {
  readonly leafIdx: number;
  readonly treeSize: number;
  readonly root: string;
  readonly leafHash: string;
  readonly proof: readonly string[] | null;
  readonly wantErr: boolean;
}

interface ConsistencyVector {
  readonly size1: number;
  readonly size2: number;
  readonly root1: string;
  readonly root2: string;
  readonly proof: readonly string[] | null;
  readonly wantErr: boolean;
}

function readVectors<T>(folder: string): { readonly name: string; readonly vector: T }[] {
  return readdirSync(join(vectors, 'merkle', folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .map((name) => ({
      name,
      vector: JSON.parse(readFileSync(join(vectors, 'merkle', folder, name), 'utf8')) as T,
    }));
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
}

const leaves = someLeaves(1_000);
const roots: Uint8Array[] = [emptyRoot()];
const growing = CompactRange.empty();
for (const leaf of leaves) {
  growing.append(leaf);
  roots.push(growing.root());
}

function rootAt(size: number): Uint8Array {
  return roots[size] as Uint8Array;
}

function leafAt(index: number): Uint8Array {
  return leaves[index] as Uint8Array;
}

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = Uint8Array.from(bytes);
  const at = Math.floor(bit / 8) % bytes.length;
  flipped[at] = (flipped[at] as number) ^ (1 << (bit % 8));
  return flipped;
}

describe('shared vectors', () => {
  it('of inclusion are accepted and rejected as they say', { skip }, () => {
    const all = readVectors<InclusionVector>('inclusion');
    assert.equal(all.length, 98);
    for (const { name, vector } of all) {
      const valid = verifyInclusion({
        index: vector.leafIdx,
        size: vector.treeSize,
        leafHash: bytesOf(vector.leafHash),
        proof: (vector.proof ?? []).map(bytesOf),
        root: bytesOf(vector.root),
      });
      assert.equal(valid, !vector.wantErr, name);
    }
  });

  it('of consistency are accepted and rejected as they say', { skip }, () => {
    const all = readVectors<ConsistencyVector>('consistency');
    assert.equal(all.length, 98);
    for (const { name, vector } of all) {
      const valid = verifyConsistency({
        oldSize: vector.size1,
        newSize: vector.size2,
        oldRoot: bytesOf(vector.root1),
        newRoot: bytesOf(vector.root2),
        proof: (vector.proof ?? []).map(bytesOf),
      });
      assert.equal(valid, !vector.wantErr, name);
    }
  });
});

describe('an inclusion proof', () => {
  it('for another leaf, place, size or root is refused', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 1_000 }), fc.nat(), fc.nat(), (size, pick, other) => {
        const index = pick % size;
        const proof = plainInclusion(leaves.slice(0, size), index);
        const claim = { index, size, leafHash: leafAt(index), proof, root: rootAt(size) };
        assert.equal(verifyInclusion(claim), true);
        const wrong = (index + 1 + (other % (size - 1))) % size;
        assert.equal(verifyInclusion({ ...claim, index: wrong }), false);
        assert.equal(verifyInclusion({ ...claim, leafHash: leafAt(wrong) }), false);
        assert.equal(verifyInclusion({ ...claim, root: rootAt(size - 1) }), false);
        assert.equal(verifyInclusion({ ...claim, leafHash: flip(leafAt(index), other) }), false);
        assert.equal(verifyInclusion({ ...claim, proof: proof.slice(0, -1) }), false);
        assert.equal(verifyInclusion({ ...claim, proof: [...proof, rootAt(size)] }), false);
        const at = other % proof.length;
        const bent = proof.with(at, flip(proof[at] as Uint8Array, other));
        assert.equal(verifyInclusion({ ...claim, proof: bent }), false);
      }),
      { numRuns: 60 },
    );
  });

  it('with numbers that are none is refused', () => {
    const claim = { index: 0, size: 1, leafHash: leafAt(0), proof: [], root: rootAt(1) };
    assert.equal(verifyInclusion(claim), true);
    for (const number of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      assert.equal(verifyInclusion({ ...claim, index: number }), false);
      assert.equal(verifyInclusion({ ...claim, size: number }), false);
    }
  });

  it('with bytes moved between two hashes is refused', () => {
    const [left, right] = [leafAt(0), leafAt(1)];
    const joined = Uint8Array.from([...left, ...right]);
    const claim = { index: 0, size: 2, root: rootAt(2) };
    const shifted = { leafHash: joined.subarray(0, 31), proof: [joined.subarray(31)] };
    assert.equal(verifyInclusion({ ...claim, ...shifted }), false);
    assert.throws(() => nodeHash(joined.subarray(0, 31), joined.subarray(31)), {
      code: 'out-of-range',
    });
  });

  it('longer than any tree is refused without hashing it', () => {
    const proof = Array.from({ length: 10_000 }, () => leafAt(0));
    const claim = { index: 0, size: MAX_TREE_SIZE, leafHash: leafAt(0), proof, root: rootAt(1) };
    assert.equal(verifyInclusion(claim), false);
  });
});

describe('a consistency proof', () => {
  it('of another history is refused', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 1_000 }),
        fc.nat(),
        fc.nat(),
        (newSize, pick, other) => {
          const oldSize = 1 + (pick % (newSize - 1));
          const proof = plainConsistency(leaves.slice(0, newSize), oldSize);
          const claim = {
            oldSize,
            newSize,
            oldRoot: rootAt(oldSize),
            newRoot: rootAt(newSize),
            proof,
          };
          assert.equal(verifyConsistency(claim), true);
          assert.equal(verifyConsistency({ ...claim, oldRoot: flip(claim.oldRoot, other) }), false);
          assert.equal(verifyConsistency({ ...claim, newRoot: flip(claim.newRoot, other) }), false);
          assert.equal(verifyConsistency({ ...claim, oldRoot: rootAt(oldSize - 1) }), false);
          assert.equal(verifyConsistency({ ...claim, proof: proof.slice(0, -1) }), false);
          assert.equal(verifyConsistency({ ...claim, proof: proof.slice(1) }), false);
          assert.equal(verifyConsistency({ ...claim, proof: [...proof, claim.newRoot] }), false);
          assert.equal(verifyConsistency({ ...claim, oldSize: newSize, newSize: oldSize }), false);
          const at = other % proof.length;
          const bent = proof.with(at, flip(proof[at] as Uint8Array, other));
          assert.equal(verifyConsistency({ ...claim, proof: bent }), false);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('from a tree without leaves shows nothing and is refused', () => {
    const claim = { oldSize: 0, oldRoot: emptyRoot(), proof: [] };
    assert.equal(verifyConsistency({ ...claim, newSize: 3, newRoot: rootAt(3) }), false);
    assert.equal(verifyConsistency({ ...claim, newSize: 0, newRoot: emptyRoot() }), false);
  });

  it('with numbers that are none is refused', () => {
    const claim = { oldSize: 1, newSize: 1, oldRoot: rootAt(1), newRoot: rootAt(1), proof: [] };
    assert.equal(verifyConsistency(claim), true);
    for (const number of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      assert.equal(verifyConsistency({ ...claim, oldSize: number, newSize: number }), false);
    }
  });
});

describe('a compact range', () => {
  it('that does not fit its size is refused', () => {
    const hash = leafAt(0);
    for (const [size, hashes] of [
      [0, [hash]],
      [3, [hash]],
      [4, [hash, hash]],
      [1, [hash.subarray(1)]],
      [-1, []],
      [0.5, []],
      [2 ** 53, [hash]],
    ] as const) {
      assert.throws(() => CompactRange.from(size, hashes), { code: 'bad-proof' });
    }
  });

  it('refuses a leaf that is no hash, and one too many, and stays as it was', () => {
    const range = CompactRange.empty();
    assert.throws(() => range.append(leafAt(0).subarray(1)), { code: 'out-of-range' });
    assert.equal(range.size, 0);
    const full = CompactRange.from(
      MAX_TREE_SIZE,
      Array.from({ length: 53 }, () => leafAt(0)),
    );
    const root = full.root();
    assert.throws(() => full.append(leafAt(0)), { code: 'out-of-range' });
    assert.deepEqual(full.root(), root);
  });

  it('has the root that the definition gives, at every size to 300', () => {
    for (let size = 0; size <= 300; size++) {
      assert.deepEqual(rootAt(size), plainRoot(leaves.slice(0, size)));
    }
  });

  it('goes on from any size as if never stopped', () => {
    const range = CompactRange.empty();
    for (let size = 0; size < 300; size++) {
      const resumed = CompactRange.from(range.size, range.hashes());
      resumed.append(leafAt(size));
      assert.deepEqual(resumed.root(), rootAt(size + 1));
      range.append(leafAt(size));
    }
  });

  it('tells of every complete node once, with its place and hash', () => {
    const range = CompactRange.empty();
    const seen = new Set<string>();
    const size = 70;
    for (let i = 0; i < size; i++) {
      range.append(leafAt(i), (level, index, hash) => {
        assert.ok(!seen.has(`${level}/${index}`));
        seen.add(`${level}/${index}`);
        const covered = leaves.slice(index * 2 ** level, (index + 1) * 2 ** level);
        assert.deepEqual(hash, plainRoot(covered));
      });
    }
    let expected = 0;
    for (let level = 0; level < 7; level++) expected += Math.floor(size / 2 ** level);
    assert.equal(seen.size, expected);
  });

  it('does not lend out its own list', () => {
    const range = CompactRange.from(1, [leafAt(0)]);
    (range.hashes() as Uint8Array[]).pop();
    assert.deepEqual(range.root(), leafAt(0));
  });
});

it('leaves of any length hash as the definition says, one after another', () => {
  const lengths = fc.oneof(
    fc.integer({ min: 0, max: 100 }),
    fc.integer({ min: 1_000, max: 1_100 }),
  );
  fc.assert(
    fc.property(fc.array(lengths, { maxLength: 6 }), fc.nat(255), (some, fill) => {
      for (const length of some) {
        const data = new Uint8Array(length).fill(fill);
        assert.deepEqual(leafHash(data), plainLeaf(data));
      }
    }),
  );
});
