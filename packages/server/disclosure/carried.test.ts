import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { fakeParts } from './_fakes.ts';
import type { Answered } from './asks.ts';
import { Asks } from './asks.ts';
import { carry, giveUp, shuffle } from './carried.ts';

/** One look-up for each subject named, numbered in this order. */
function look(subjects: string) {
  return [...subjects].map((subject, at) =>
    carry(
      { id: at + 1, subject, controller: '', erased: false, reads: [] },
      giveUp('not-released'),
    ),
  );
}

function idsOf(carried: ReturnType<typeof shuffle>): string {
  return carried.map(({ lookUp }) => lookUp.id).join(' ');
}

test('one subject’s look-ups keep their order wherever they come to stand, and none is lost', () => {
  for (let round = 0; round < 100; round++) {
    const shuffled = shuffle(look('abcabcaad'), randomBytes);
    const ids = (subject: string) =>
      idsOf(shuffled.filter(({ lookUp }) => lookUp.subject === subject));
    assert.deepEqual([...'abcd'].map(ids), ['1 4 7 8', '2 5', '3 6', '9']);
  }
});

test('look-ups of different subjects come in every order, about as often', () => {
  const counts = new Map<string, number>();
  for (let round = 0; round < 6_000; round++) {
    const order = idsOf(shuffle(look('abc'), randomBytes));
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assert.equal(counts.size, 6);
  // Each is 1,000, give or take 29: past seven times that one run in 10^11 would fail.
  for (const count of counts.values()) assert.ok(Math.abs(count - 1_000) < 203, `${count}`);
});

test('entries enter the log in an order that the draw decides, and answer in that of the selectors', async () => {
  const parts = fakeParts();
  // Descending: the last look-up of a chunk comes first.
  const descending = (count: number) => {
    const bytes = Buffer.alloc(count);
    for (let at = 0; at < count; at += 8) bytes.writeBigUInt64BE(BigInt(count - at), at);
    return bytes;
  };
  const asks = new Asks({ ...parts, randomBytes: descending });
  await asks.start();
  const selector = { type: 'cnic', value: '0000000000000', salt: '00'.repeat(16) } as const;
  const selectors = [selector, selector, selector];
  const signed = { document: 'a document', signatures: [] };
  const ask = () => asks.ask({ kind: 'request', signed, selectors, approval: null });
  const lookUps = (answered: Answered) =>
    answered.outcome === 'entered' ? answered.entries.map(({ lookUp }) => lookUp.id) : [];
  const answered = await ask();
  assert.deepEqual(parts.log.order, [3, 2, 1]);
  assert.deepEqual(parts.keeper.prepared, [3, 2, 1]);
  assert.deepEqual(lookUps(answered), [1, 2, 3]);
});
