import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDrawn } from './seal.ts';

const ASKED = [1, 2].map((row) => ({ row, groups: [] }));
const REFUSED = [{ row: 2, refused: 'date-ahead' as const }];

/** What the keeper gives for a row of one group; all but its number is zero. */
function drawnRow(row: number): Buffer {
  const bytes = Buffer.alloc(4 + 1 + 16 + 16 + 32 + 7 + 16 + 32);
  bytes.writeUInt32BE(row);
  return bytes;
}

test('an answer of the keeper that has not the form agreed is refused as a whole, whatever stands in its place', () => {
  for (const refused of [
    null,
    {},
    [],
    [null],
    ['2'],
    [...REFUSED, ...REFUSED],
    [{ row: 3, refused: 'date-ahead' }],
    [{ row: 1, refused: 'date-ahead' }],
    [...REFUSED, { row: 1, refused: 'date-ahead' }],
  ]) {
    const read = () => readDrawn(ASKED, refused as never, drawnRow(1), 1);
    assert.throws(read, { name: 'CustodyError', code: 'keeper-refused' }, JSON.stringify(refused));
  }
  const whole = drawnRow(1);
  for (const drawn of [
    Buffer.alloc(0),
    whole.subarray(1),
    Buffer.concat([whole, Buffer.alloc(1)]),
    Buffer.concat([whole, drawnRow(2)]),
    drawnRow(2),
  ]) {
    assert.throws(() => readDrawn(ASKED, REFUSED, drawn, 1), { code: 'keeper-refused' });
  }
  assert.throws(() => readDrawn(ASKED, REFUSED, whole, 2), { code: 'keeper-refused' });
  assert.deepEqual(
    readDrawn(ASKED, REFUSED, whole, 1).map(({ drawn }) => drawn.row),
    [1],
  );
});
