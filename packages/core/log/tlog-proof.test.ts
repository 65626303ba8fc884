import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CoreError } from '../errors.ts';
import { plainInclusion, plainRoot, someLeaves } from './_tree.ts';
import { formatCheckpoint } from './checkpoint.ts';
import { encodeCosignature } from './cosignature.ts';
import { MAX_PROOF_HASHES } from './merkle.ts';
import { cosignerKey, formatNote, noteKey } from './note.ts';
import type { Policy } from './policy.ts';
import type { TlogProof } from './tlog-proof.ts';
import {
  formatTlogProof,
  MAX_TLOG_PROOF_EXTRA_BYTES,
  parseTlogProof,
  verifyTlogProof,
} from './tlog-proof.ts';

const badProof = { name: 'CoreError', code: 'bad-proof' };
const log = noteKey('log.example', new Uint8Array(32).fill(1));
const witness = cosignerKey(4, 'w.example', new Uint8Array(32).fill(2));
const leaves = someLeaves(40);
const policy: Policy = {
  logs: [{ key: log, url: null }],
  witnesses: [{ name: 'w', key: witness, url: null }],
  groups: [],
  quorum: 'w',
};

function proofOf(index: number, size: number, extra: Uint8Array | null = null): TlogProof {
  const tree = leaves.slice(0, size);
  const text = formatCheckpoint({ origin: log.name, size, root: plainRoot(tree) });
  const checkpoint = formatNote(text, [
    { key: log, signature: new Uint8Array(64) },
    { key: witness, signature: encodeCosignature(5, new Uint8Array(64)) },
  ]);
  return { extra, index, hashes: plainInclusion(tree, index), checkpoint };
}

describe('a proof of inclusion in a file', () => {
  it('over its bounds is neither written nor read', () => {
    const proof = proofOf(3, 9);
    const hash = new Uint8Array(32);
    const many = Array.from({ length: MAX_PROOF_HASHES + 1 }, () => hash);
    assert.throws(() => formatTlogProof({ ...proof, hashes: many }), badProof);
    const most = { ...proof, hashes: many.slice(1) };
    assert.deepEqual(parseTlogProof(formatTlogProof(most)), most);
    const extra = new Uint8Array(MAX_TLOG_PROOF_EXTRA_BYTES);
    assert.deepEqual(parseTlogProof(formatTlogProof({ ...most, extra })), { ...most, extra });
    const longer = new Uint8Array(MAX_TLOG_PROOF_EXTRA_BYTES + 1);
    assert.throws(() => formatTlogProof({ ...proof, extra: longer }), badProof);
    assert.throws(() => parseTlogProof(`${'x'.repeat(1_000_000)}\n\n`), badProof);
  });

  it('that could not be read back is not written', () => {
    const proof = proofOf(3, 9);
    for (const index of [-1, 0.5, Number.NaN, 2 ** 53, 1e21]) {
      assert.throws(() => formatTlogProof({ ...proof, index }), badProof);
    }
    assert.throws(() => formatTlogProof({ ...proof, hashes: [new Uint8Array(31)] }), badProof);
    assert.throws(() => formatTlogProof({ ...proof, extra: new Uint8Array(0) }), badProof);
    assert.throws(() => formatTlogProof({ ...proof, checkpoint: 'text\n' }), { code: 'bad-note' });
  });

  it('does not hold where the verifier does not say true, of the log or of the witness', async () => {
    const proof = proofOf(3, 9);
    const leafHash = leaves[3] as Uint8Array;
    for (const liar of [log, witness]) {
      const verifying = verifyTlogProof(proof, {
        leafHash,
        policy,
        verify: (key) => key !== liar,
      });
      await assert.rejects(verifying, { code: 'bad-note' });
    }
    const found = await verifyTlogProof(proof, { leafHash, policy, verify: async () => true });
    assert.deepEqual(
      found.cosignatures.map(({ key, timeSeconds }) => [key, timeSeconds]),
      [[witness, 5]],
    );
  });

  it('holds for its own leaf and index, and for no other', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.nat(),
        fc.nat(39),
        async (size, pick, other) => {
          const index = pick % size;
          const proof = proofOf(index, size);
          const verify = () => true;
          const leafHash = leaves[index] as Uint8Array;
          const { checkpoint } = await verifyTlogProof(proof, { leafHash, policy, verify });
          assert.equal(checkpoint.size, size);
          if (other === index) return;
          const wrong = leaves[other] as Uint8Array;
          await assert.rejects(
            verifyTlogProof(proof, { leafHash: wrong, policy, verify }),
            badProof,
          );
          const moved = { ...proof, index: other };
          await assert.rejects(verifyTlogProof(moved, { leafHash, policy, verify }), badProof);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('comes back', () => {
    const extra = fc.option(fc.uint8Array({ minLength: 1, maxLength: 40 }), { nil: null });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), extra, (size, pick, data) => {
        const proof = proofOf(pick % size, size, data);
        assert.deepEqual(parseTlogProof(formatTlogProof(proof)), proof);
      }),
    );
  });

  it('is refused with a code, or its text is the only one it has, whatever it was', () => {
    const valid = formatTlogProof(proofOf(3, 9, Uint8Array.of(1, 2)));
    const put = fc.constantFrom('', '\n', '\n\n', ' ', '0', 'A', '=', '\u2014', 'extra ', 'index ');
    const mutated = fc.tuple(fc.nat(), put, fc.nat(3)).map(([pick, some, drop]) => {
      const at = pick % valid.length;
      return valid.slice(0, at) + some + valid.slice(at + drop);
    });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.string({ unit: 'binary' })), (text) => {
        try {
          assert.equal(formatTlogProof(parseTlogProof(text)), text);
        } catch (error) {
          assert.ok(error instanceof CoreError, String(error));
          assert.match(error.code, /^bad-(?:proof|note|checkpoint)$/);
        }
      }),
      { numRuns: 3_000 },
    );
  });
});
