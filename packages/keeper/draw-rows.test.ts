import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CoreError } from '@amanat/core/errors';
import fc from 'fast-check';
import { DrawnRowsWriter, packDrawRows, unpackDrawnRows, unpackDrawRows } from './draw-rows.ts';
import { FrameError } from './frame.ts';
import type { DrawnRow, DrawRow, Identifier } from './protocol.ts';

const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((each) => Buffer.from(each));
/** As plain objects, which alone are equal to what is read. */
const record = <T>(members: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(members, { noNullPrototype: true });
const identifier = record<Identifier>({
  type: fc.constantFrom('cnic' as const, 'msisdn' as const),
  value: fc.stringMatching(/^[+0-9]{0,32}$/),
});
const row: fc.Arbitrary<DrawRow> = record<DrawRow>({
  row: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  primary: identifier,
  secondary: fc.array(identifier, { maxLength: 4 }),
  recordKey: bytes(32),
  digest: bytes(32),
  eventDate: fc.constantFrom(null, '2024-02-29', '1999-12-31'),
});
const drawn: fc.Arbitrary<DrawnRow> = record<DrawnRow>({
  row: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  isFirst: fc.boolean(),
  subject: bytes(16),
  record: bytes(16),
  digest: bytes(32),
  expiryMonth: fc.constantFrom('2029-01', '2030-12'),
  nonce: bytes(16),
  keys: bytes(96),
});

const ROW: DrawRow = {
  row: 1,
  primary: { type: 'cnic', value: '0123412345671' },
  secondary: [{ type: 'msisdn', value: '+923980000001' }],
  recordKey: Buffer.alloc(32, 1),
  digest: Buffer.alloc(32, 2),
  eventDate: '2026-01-01',
};

describe('rows to draw for', () => {
  it('that are cut short, or one more or less than was said, are not taken', () => {
    const packed = packDrawRows([ROW]);
    for (let length = 0; length < packed.length; length++) {
      assert.throws(() => unpackDrawRows(packed.subarray(0, length), 1), FrameError);
    }
    assert.throws(() => unpackDrawRows(packed, 2), FrameError);
    assert.throws(() => unpackDrawRows(Buffer.concat([packed, packed]), 1), FrameError);
  });

  it('without a number, an identifier, a known type, or with too much, are not taken', () => {
    const packed = packDrawRows([ROW]);
    for (const [at, value] of [
      [3, 0],
      [4, 0],
      [4, 6],
      [5, 2],
      [6, 33],
    ] as const) {
      const altered = Buffer.from(packed);
      altered[at] = value;
      assert.throws(() => unpackDrawRows(altered, 1), FrameError, `byte ${at}`);
    }
    const impossible = packDrawRows([{ ...ROW, eventDate: '2026-02-30' }]);
    assert.throws(() => unpackDrawRows(impossible, 1), CoreError);
  });

  it('come out as they went in', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 10 }), (rows) => {
        assert.deepEqual(unpackDrawRows(packDrawRows(rows), rows.length), rows);
      }),
    );
  });
});

describe('drawn rows', () => {
  const pack = (rows: readonly DrawnRow[]) => {
    const writer = new DrawnRowsWriter(rows.length, 3);
    for (const { keys, ...names } of rows) {
      writer.add(names);
      for (const at of [0, 32, 64]) writer.addKey(keys.subarray(at, at + 32));
    }
    return writer.written();
  };

  it('that are not whole, or of other groups, are not taken', () => {
    const packed = pack([{ ...fc.sample(drawn, 1)[0] } as DrawnRow]);
    assert.throws(() => unpackDrawnRows(packed.subarray(1), 3), FrameError);
    assert.throws(() => unpackDrawnRows(packed, 2), FrameError);
    packed[4] = 2;
    assert.throws(() => unpackDrawnRows(packed, 3), FrameError);
  });

  it('come out as they went in', () => {
    fc.assert(
      fc.property(fc.array(drawn, { maxLength: 10 }), (rows) => {
        assert.deepEqual(unpackDrawnRows(pack(rows), 3), rows);
      }),
    );
  });
});
