import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DrawnRow } from '@amanat/keeper/client';
import { DRAWN_BYTES, readDrawn } from './seal.ts';

const DRAWN: DrawnRow = {
  row: 1,
  subject: '00'.repeat(16),
  record: '01'.repeat(16),
  digest: '02'.repeat(32),
  expiryMonth: '2029-01',
};
const ASKED = [{ row: 1, groups: [] }];
const KEYS = Buffer.alloc(DRAWN_BYTES);

test('an answer of the keeper that has not the form agreed is refused as a whole, whatever stands in its place', () => {
  const { row: _, ...unnumbered } = DRAWN;
  for (const answer of [
    null,
    {},
    [],
    [null],
    ['1'],
    [DRAWN, DRAWN],
    [unnumbered],
    [{ ...DRAWN, row: 2 }],
    ...['', '0', null, 7, {}, 'zz'.repeat(16), '00'.repeat(17)].flatMap((text) => [
      [{ ...DRAWN, subject: text }],
      [{ ...DRAWN, record: text }],
      [{ ...DRAWN, digest: text }],
    ]),
  ]) {
    const read = () => readDrawn(ASKED, answer as never, KEYS, 1);
    assert.throws(read, { name: 'CustodyError', code: 'keeper-refused' }, JSON.stringify(answer));
  }
  for (const keys of [Buffer.alloc(0), KEYS.subarray(1), Buffer.alloc(DRAWN_BYTES + 1)]) {
    assert.throws(() => readDrawn(ASKED, [DRAWN], keys, 1), { code: 'keeper-refused' });
  }
  assert.equal(readDrawn(ASKED, [DRAWN], KEYS, 1).keyed.length, 1);
});
