import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { someLeaves } from './_tree.ts';
import { chainStart, nextChainHash, verifyChain } from './chain.ts';

const badChain = { name: 'CoreError', code: 'bad-chain' };
const subject = new Uint8Array(16).fill(4);
const leaves = someLeaves(20);
const links = leaves.map((leafHash, i) => ({ index: i * i + 3, leafHash }));

function headOf(some: typeof links): Uint8Array {
  return some.reduce(
    (hash, link) => nextChainHash(hash, link.index, link.leafHash),
    chainStart(subject),
  );
}

describe('a chain', () => {
  it('with any one entry left out, changed, moved or added is refused', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 19 }), fc.nat(), (count, pick) => {
        const mine = links.slice(0, count);
        const head = headOf(mine);
        const claim = { subject, links: mine, count, head };
        assert.equal(verifyChain(claim), true);
        const at = pick % count;
        const link = mine[at] as (typeof links)[number];
        const out = mine.toSpliced(at, 1);
        assert.equal(verifyChain({ ...claim, links: out }), false);
        assert.equal(verifyChain({ ...claim, links: out, count: count - 1 }), false);
        const more = [...mine, links[count] as typeof link];
        assert.equal(verifyChain({ ...claim, links: more, count: count + 1 }), false);
        const elsewhere = mine.with(at, { ...link, index: link.index + 1 });
        assert.equal(verifyChain({ ...claim, links: elsewhere }), false);
        const leafHash = leaves[19] as Uint8Array;
        const other = mine.with(at, { ...link, leafHash });
        assert.equal(verifyChain({ ...claim, links: other }), false);
        assert.equal(verifyChain({ ...claim, subject: new Uint8Array(16) }), false);
      }),
    );
  });

  it('that does not rise is refused even with a head of its own', () => {
    const [a, b] = links as [(typeof links)[0], (typeof links)[0]];
    for (const some of [
      [b, a],
      [a, a],
      [a, { ...b, index: a.index }],
    ]) {
      assert.equal(verifyChain({ subject, links: some, count: 2, head: headOf(some) }), false);
    }
  });

  it('with numbers that are none is refused, not thrown at', () => {
    for (const index of [-1, 0.5, Number.NaN, 2 ** 53]) {
      const leafHash = leaves[0] as Uint8Array;
      const claim = { subject, links: [{ index, leafHash }], count: 1, head: leafHash };
      assert.equal(verifyChain(claim), false);
      assert.throws(() => nextChainHash(leafHash, index, leafHash), badChain);
      assert.equal(verifyChain({ subject, links: [], count: index, head: headOf([]) }), false);
    }
    assert.throws(() => nextChainHash(new Uint8Array(31), 0, new Uint8Array(33)), badChain);
  });

  it('has its start and links as the definition says', () => {
    assert.equal(verifyChain({ subject, links: [], count: 0, head: chainStart(subject) }), true);
    assert.notDeepEqual(chainStart(subject), chainStart(new Uint8Array(16)));
  });
});
