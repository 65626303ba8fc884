import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Signed } from '@amanat/core/grants';
import { readDocument } from '@amanat/core/grants';
import { RefusalCounts } from './refusals.ts';

const HOUR_MS = 3_600_000;

test('counts enter when their hour is over, once, and wait for a log that takes nothing', async () => {
  let now = Date.UTC(2026, 10, 23, 9, 30);
  let fails = true;
  const entered: Signed[] = [];
  using counts = new RefusalCounts({
    now: () => now,
    appendPublic: async (signed) => {
      if (fails) throw new Error('the log takes nothing');
      entered.push(signed);
      return { index: entered.length };
    },
  });
  counts.count('agency-a');
  counts.count('agency-a');
  counts.count('agency-b');
  await counts.enter();
  assert.equal(entered.length, 0);
  now += HOUR_MS;
  await counts.enter();
  assert.equal(entered.length, 0);
  fails = false;
  await counts.enter();
  await counts.enter();
  const found = entered.map(({ document, signatures }) => {
    assert.equal(signatures.length, 0);
    return readDocument(document, 'refusals-counted');
  });
  assert.deepEqual(found.map(({ agency, hour, count }) => [agency, hour, count]).sort(), [
    ['agency-a', '2026-11-23T09Z', 2],
    ['agency-b', '2026-11-23T09Z', 1],
  ]);
  counts.count('agency-a');
  await counts.enter({ all: true });
  assert.equal(entered.length, 3);
});
