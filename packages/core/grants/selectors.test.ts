import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex, hex } from '../bytes.ts';
import type { Json } from '../canonical.ts';
import { canonicalBytes } from '../canonical.ts';
import { leafHash, verifyInclusion } from '../log/merkle.ts';
import type { Selector } from './selectors.ts';
import { readSelector, selectorProofs, selectorsRoot } from './selectors.ts';

const selector: fc.Arbitrary<Selector> = fc.record(
  {
    type: fc.constantFrom('cnic', 'msisdn'),
    value: fc.nat({ max: 9_999_999 }).map((end) => `012341${String(end).padStart(7, '0')}`),
    salt: fc.uint8Array({ minLength: 16, maxLength: 16 }).map(hex),
  },
  { noNullPrototype: true },
);
const selectors = fc.array(selector, { minLength: 1, maxLength: 40 });

function proves(
  of: Selector,
  index: number,
  size: number,
  proof: readonly string[],
  root: string,
): boolean {
  return verifyInclusion({
    index,
    size,
    leafHash: leafHash(canonicalBytes(of)),
    proof: proof.map(fromHex),
    root: fromHex(root),
  });
}

describe('selectors', () => {
  it('out of their form are refused', () => {
    const good: Selector = { type: 'cnic', value: '0123412345671', salt: '00'.repeat(16) };
    for (const changed of [
      { ...good, type: 'imsi' },
      { ...good, value: '' },
      { ...good, value: '01234-1234567-1' },
      { ...good, value: '0123412345671\n' },
      { ...good, value: '٠١٢٣٤' },
      { ...good, value: '1'.repeat(33) },
      { ...good, salt: '' },
      { ...good, salt: '00'.repeat(15) },
      { ...good, more: 1 },
      [],
      null,
    ]) {
      assert.throws(() => readSelector(changed as Json, ''), { code: 'bad-document' });
    }
    assert.deepEqual(readSelector(good, ''), good);
  });

  it('each is proven under the signed root, in its place and in no other', () => {
    fc.assert(
      fc.property(selectors, fc.nat(), (all, pick) => {
        const root = selectorsRoot(all);
        const index = pick % all.length;
        const proof = selectorProofs(all)[index] as readonly string[];
        const own = all[index] as Selector;
        assert.ok(proves(own, index, all.length, proof, root));
        const salted = { ...own, salt: 'ff'.repeat(16) };
        fc.pre(salted.salt !== own.salt);
        assert.ok(!proves(salted, index, all.length, proof, root));
        assert.ok(!proves({ ...own, value: '0999912345671' }, index, all.length, proof, root));
        if (all.length > 1) {
          const other = (index + 1) % all.length;
          assert.ok(!proves(own, other, all.length, proof, root));
          assert.ok(!proves(own, index, all.length, proof.slice(1), root));
        }
      }),
      { numRuns: 200 },
    );
  });

  it('another order, one more, one less, or another salt gives another root', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(selector, { minLength: 2, maxLength: 12, selector: ({ salt }) => salt }),
        (all) => {
          const roots = [
            all,
            [...all].reverse(),
            all.slice(1),
            [...all, all[0] as Selector],
            [{ ...(all[0] as Selector), salt: 'ee'.repeat(16) }, ...all.slice(1)],
          ].map(selectorsRoot);
          assert.equal(new Set(roots).size, roots.length);
        },
      ),
    );
  });

  it('a neighbour’s part of a proof does not confirm a guess of the neighbour', () => {
    const guess = { type: 'cnic' as const, value: '0123412345671' };
    const all: Selector[] = [
      { ...guess, value: '0123412345672', salt: '11'.repeat(16) },
      { ...guess, salt: '22'.repeat(16) },
    ];
    const [neighbour] = selectorProofs(all)[0] as readonly string[];
    for (const salt of ['', '00'.repeat(16), '11'.repeat(16)]) {
      assert.notEqual(hex(leafHash(canonicalBytes({ ...guess, salt }))), neighbour);
    }
  });
});
