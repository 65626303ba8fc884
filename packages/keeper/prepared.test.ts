import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FrameError } from './frame.ts';
import type { PreparedLookUp } from './prepared.ts';
import { joinPrepared, splitPrepared } from './prepared.ts';

const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each));
const names = { kind: 'miss', subject: '00'.repeat(16), number: 1 } as const;
const lookUp: fc.Arbitrary<PreparedLookUp> = fc.oneof(
  fc.nat().map((id) => ({ id, refused: 'too-late' as const })),
  fc
    .record({ id: fc.nat(), leaf: bytes, body: bytes, evidence: fc.option(bytes) })
    .map((each) => ({ ...names, ...each })),
);

describe('prepared entries', () => {
  it('that are cut short, or have bytes behind them, are not taken', () => {
    const entry = {
      ...names,
      id: 1,
      leaf: Buffer.alloc(77),
      body: Buffer.alloc(9),
      evidence: null,
    };
    const { answer, attachment } = joinPrepared([entry]);
    assert.throws(() => splitPrepared(answer, attachment.subarray(1)), FrameError);
    assert.throws(() => splitPrepared(answer, Buffer.concat([attachment, attachment])), FrameError);
    for (const length of [-1, 78, 0.5, Number.NaN]) {
      const lookUps = answer.lookUps.map((each) => ({
        ...each,
        bytes: [length, 9, null] as const,
      }));
      assert.throws(() => splitPrepared({ lookUps }, attachment), FrameError);
    }
    // Two halves come to a whole, and to no entry.
    const halves = answer.lookUps.map((each) => ({ ...each, bytes: [0.5, 85.5, null] as const }));
    assert.throws(() => splitPrepared({ lookUps: halves }, attachment), FrameError);
  });

  it('come out of an answer as they went in', () => {
    fc.assert(
      fc.property(fc.array(lookUp, { maxLength: 20 }), (lookUps) => {
        const { answer, attachment } = joinPrepared(lookUps);
        const crossed = JSON.parse(JSON.stringify(answer)) as typeof answer;
        assert.deepEqual(splitPrepared(crossed, attachment), lookUps);
      }),
    );
  });
});
