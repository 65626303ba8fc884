import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Witnessing } from '@amanat/core/grants';
import { readDocument } from '@amanat/core/grants';
import type { KeeperPort } from '@amanat/keeper/client';
import { BrokenGlassCount } from './broken-glass.ts';

test('what a broken glass released is entered once it is covered, once, and again only where the log did not take it', async () => {
  let witnessing: Witnessing | null = null;
  let uncounted = 0;
  let asked = 0;
  let fails = true;
  const entered: number[] = [];
  const keeper = {
    ask: async () => {
      asked += 1;
      return { answer: { releasedUncounted: uncounted }, attachment: Buffer.alloc(0) };
    },
  } as unknown as KeeperPort;
  using count = new BrokenGlassCount({
    keeper,
    log: {
      now: () => Date.UTC(2026, 10, 23),
      register: { witnessing: () => witnessing },
      appendPublic: async ({ document, signatures }) => {
        if (fails) throw new Error('the log takes nothing');
        assert.equal(signatures.length, 0);
        const { releases } = readDocument(document, 'broken-glass-counted');
        entered.push(releases);
        // The keeper follows.
        uncounted -= releases;
        return { index: entered.length };
      },
    },
  });
  uncounted = 3;
  await count.enter();
  assert.equal(asked, 0, 'without witnesses there is no glass');
  witnessing = {} as Witnessing;
  await count.enter();
  assert.deepEqual(entered, []);
  fails = false;
  await Promise.all([count.enter(), count.enter()]);
  await count.enter();
  assert.deepEqual(entered, [3]);
  uncounted = 1;
  await count.enter();
  assert.deepEqual(entered, [3, 1]);
});
