import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { directions, ProvenTrees } from './_tree.ts';
import { verifyConsistency, verifyInclusion } from './merkle.ts';

/** Trees of every size to this one. */
const SIZE_MAX = 1_000;
/** Claims that are spoilt in every way; of each, every bit of every hash. */
const SPOILT_CLAIMS = 24;

const trees = new ProvenTrees(SIZE_MAX);
const numRuns = SPOILT_CLAIMS;
const size = fc.integer({ min: 2, max: SIZE_MAX });

type Hashes = readonly Uint8Array[];

/** Every copy of the hashes in which one bit is another. */
function* withOneBitFlipped(hashes: Hashes): Generator<Hashes> {
  for (const [at, hash] of hashes.entries()) {
    for (let bit = 0; bit < 8 * hash.length; bit++) {
      const flipped = Uint8Array.from(hash);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      yield hashes.with(at, flipped);
    }
  }
}

/** Proofs with one hash missing, one more, one in another's place, or two that changed places. */
function* reshaped(proof: Hashes, strange: Uint8Array): Generator<Hashes> {
  for (let at = 0; at <= proof.length; at++) {
    yield proof.toSpliced(at, 0, strange);
    if (at === proof.length) continue;
    yield proof.toSpliced(at, 1);
    yield proof.toSpliced(at, 0, proof[at] as Uint8Array);
    yield proof.with(at, strange);
    for (let other = at + 1; other < proof.length; other++) {
      yield proof.with(at, proof[other] as Uint8Array).with(other, proof[at] as Uint8Array);
    }
  }
}

describe('a proof that is spoilt is refused', () => {
  it('of inclusion: any bit, hash, place or size', () => {
    fc.assert(
      fc.property(size, fc.nat(), (size, pick) => {
        const index = pick % size;
        const [leafHash, root] = [trees.leaf(index), trees.root(size)];
        const proof = trees.inclusion(index, size);
        const claim = { index, size, leafHash, proof, root };
        assert.equal(verifyInclusion(claim), true);
        const refused = (changed: Partial<typeof claim>, what: string) =>
          assert.equal(verifyInclusion({ ...claim, ...changed }), false, what);
        for (const [leaf, top, ...rest] of withOneBitFlipped([leafHash, root, ...proof])) {
          refused({ leafHash: leaf as Uint8Array, root: top as Uint8Array, proof: rest }, 'bit');
        }
        for (const each of reshaped(proof, trees.leaf(SIZE_MAX - 1))) {
          refused({ proof: each as Uint8Array[] }, 'reshaped');
        }
        for (let other = 0; other <= SIZE_MAX; other++) {
          if (other !== index) refused({ index: other }, `index ${other}`);
          if (other === size) continue;
          refused({ size: other, root: trees.root(other) }, `size ${other} and its root`);
          // Nothing in a root says how many leaves are under it: sizes in which the leaf's path turns alike are told
          // apart by the checkpoint, which is signed with size and root together.
          if (other <= index || directions(index, other) !== directions(index, size)) {
            refused({ size: other }, `size ${other}`);
          }
        }
      }),
      { numRuns },
    );
  });

  it('of consistency: any bit, hash or size', () => {
    fc.assert(
      fc.property(size, fc.nat(), (newSize, pick) => {
        const oldSize = 1 + (pick % (newSize - 1));
        const [oldRoot, newRoot] = [trees.root(oldSize), trees.root(newSize)];
        const proof = trees.consistency(oldSize, newSize);
        const claim = { oldSize, newSize, oldRoot, newRoot, proof };
        assert.equal(verifyConsistency(claim), true);
        const refused = (changed: Partial<typeof claim>, what: string) =>
          assert.equal(verifyConsistency({ ...claim, ...changed }), false, what);
        for (const [old, top, ...rest] of withOneBitFlipped([oldRoot, newRoot, ...proof])) {
          refused({ oldRoot: old as Uint8Array, newRoot: top as Uint8Array, proof: rest }, 'bit');
        }
        for (const each of reshaped(proof, trees.leaf(SIZE_MAX - 1))) {
          refused({ proof: each as Uint8Array[] }, 'reshaped');
        }
        refused({ oldSize: newSize, newSize: oldSize }, 'sizes the other way round');
        refused({ oldRoot: newRoot, newRoot: oldRoot }, 'roots the other way round');
        for (let other = 0; other <= SIZE_MAX; other++) {
          const root = trees.root(other);
          if (other !== oldSize) refused({ oldSize: other, oldRoot: root }, `from ${other}`);
          if (other !== newSize) refused({ newSize: other, newRoot: root }, `to ${other}`);
          if (other !== oldSize) refused({ oldRoot: root }, `old root of ${other}`);
          if (other !== newSize) refused({ newRoot: root }, `new root of ${other}`);
        }
      }),
      { numRuns },
    );
  });
});

describe(`in every tree to ${SIZE_MAX} leaves`, () => {
  it('every leaf’s inclusion proof is accepted', () => {
    let proofs = 0;
    for (let size = 1; size <= SIZE_MAX; size++) {
      const root = trees.root(size);
      for (const { index, proof } of trees.inclusions(size)) {
        const isValid = verifyInclusion({ index, size, leafHash: trees.leaf(index), proof, root });
        if (!isValid) assert.fail(`leaf ${index} of ${size}`);
        proofs += 1;
      }
    }
    assert.equal(proofs, (SIZE_MAX * (SIZE_MAX + 1)) / 2);
  });

  it('the consistency proof from every earlier tree, and from itself, is accepted', () => {
    let proofs = 0;
    for (let newSize = 1; newSize <= SIZE_MAX; newSize++) {
      const newRoot = trees.root(newSize);
      for (const { oldSize, proof } of trees.consistencies(newSize)) {
        const oldRoot = trees.root(oldSize);
        const isValid = verifyConsistency({ oldSize, newSize, oldRoot, newRoot, proof });
        if (!isValid) assert.fail(`${oldSize} to ${newSize}`);
        proofs += 1;
      }
    }
    assert.equal(proofs, (SIZE_MAX * (SIZE_MAX + 1)) / 2);
  });
});
