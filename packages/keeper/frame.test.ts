import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Frame } from './frame.ts';
import { encodeFrame, FrameError, FrameReader, packLeaves, unpackLeaves } from './frame.ts';
import { FRAME_BYTES_MAX } from './protocol.ts';

function lengths(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [at, value] of values.entries()) bytes.writeUInt32BE(value, 4 * at);
  return bytes;
}

function read(...chunks: readonly Buffer[]): Frame[] {
  const reader = new FrameReader();
  return chunks.flatMap((chunk) => [...reader.push(chunk)]);
}

function plain({ json, attachment }: Frame) {
  return { json, attachment: Buffer.from(attachment).toString('hex') };
}

describe('a stream that is no frames is refused', () => {
  const refused: readonly (readonly [string, Buffer])[] = [
    ['a length under four', lengths(3)],
    ['no length', lengths(0)],
    ['a length beyond the bound, before any of it has come', lengths(FRAME_BYTES_MAX + 1)],
    ['the longest length that can be written', lengths(0xffffffff)],
    ['JSON that is longer than its frame', Buffer.concat([lengths(6, 3), Buffer.from('{}')])],
    ['JSON of a length that wraps', Buffer.concat([lengths(6, 0xffffffff), Buffer.from('{}')])],
    ['no JSON', lengths(4, 0)],
    ['broken JSON', Buffer.concat([lengths(5, 1), Buffer.from('{')])],
    ['JSON and more', Buffer.concat([lengths(7, 3), Buffer.from('{}}')])],
  ];
  for (const [name, bytes] of refused) {
    it(name, () => {
      assert.throws(() => read(bytes), FrameError);
    });
  }

  it('a frame of exactly the greatest length is waited for, not refused', () => {
    assert.deepEqual(read(lengths(FRAME_BYTES_MAX)), []);
  });

  it('what came before the fault was given, and the fault is told', () => {
    const reader = new FrameReader();
    const frames = reader.push(Buffer.concat([encodeFrame({ a: 1 }), lengths(0)]));
    assert.deepEqual(frames.next().value?.json, { a: 1 });
    assert.throws(() => frames.next(), FrameError);
  });
});

describe('frames', () => {
  it('split at every byte come out whole', () => {
    const frames = [
      encodeFrame({ id: 1, name: 'status', body: {} }),
      encodeFrame({ id: 2, text: 'نام \u0000' }, Buffer.from([0, 1, 2, 255])),
      encodeFrame(null, Buffer.alloc(9, 7)),
    ];
    const stream = Buffer.concat(frames);
    const expected = read(stream).map(plain);
    assert.equal(expected.length, 3);
    for (let at = 0; at <= stream.length; at++) {
      assert.deepEqual(read(stream.subarray(0, at), stream.subarray(at)).map(plain), expected);
    }
    const bytes = Array.from(stream, (_, at) => stream.subarray(at, at + 1));
    assert.deepEqual(read(...bytes).map(plain), expected);
  });

  it('whatever is encoded comes back, wherever the stream is cut', () => {
    const frame = fc.tuple(fc.jsonValue(), fc.uint8Array({ maxLength: 40 }));
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 4 }), fc.array(fc.nat(60)), (given, cuts) => {
        let rest = Buffer.concat(given.map(([json, bytes]) => encodeFrame(json, bytes)));
        const chunks: Buffer[] = [];
        for (const cut of cuts) {
          chunks.push(rest.subarray(0, cut));
          rest = rest.subarray(cut);
        }
        assert.deepEqual(
          read(...chunks, rest).map(plain),
          given.map(([json, bytes]) => ({
            json: JSON.parse(JSON.stringify(json)) as unknown,
            attachment: Buffer.from(bytes).toString('hex'),
          })),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('any bytes are read, waited for, or refused as no frames', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(20), fc.nat(20), (bytes, one, two) => {
        try {
          read(Buffer.concat([lengths(one, two), bytes]), Buffer.from(bytes));
        } catch (error) {
          assert.ok(error instanceof FrameError, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('leaves', () => {
  it('too few, too many, cut short or followed by bytes are refused', () => {
    const packed = packLeaves([Buffer.from('one'), Buffer.alloc(0), Buffer.from('three')]);
    for (const count of [0, 1, 2, 4]) assert.throws(() => unpackLeaves(packed, count), FrameError);
    for (let end = 0; end < packed.length; end++) {
      assert.throws(() => unpackLeaves(packed.subarray(0, end), 3), FrameError);
    }
    assert.throws(() => unpackLeaves(Buffer.concat([packed, Buffer.alloc(1)]), 3), FrameError);
  });

  it('come back as they were packed, up to the longest', () => {
    assert.equal(unpackLeaves(packLeaves([Buffer.alloc(65_535)]), 1)[0]?.length, 65_535);
    assert.throws(() => packLeaves([Buffer.alloc(65_536)]), RangeError);
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 }), (leaves) => {
        const unpacked = unpackLeaves(packLeaves(leaves), leaves.length);
        assert.deepEqual(
          unpacked.map((leaf) => new Uint8Array(leaf)),
          leaves,
        );
      }),
    );
  });
});
