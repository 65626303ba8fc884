import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { padToSizeClass } from './replies.ts';

test('an answer is padded to a power of two from 2 KiB, and is the same JSON', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 6000, unit: 'grapheme' }), (text) => {
      const json = JSON.stringify({ text });
      const padded = padToSizeClass(json);
      const sizeBytes = Buffer.byteLength(padded);
      assert.ok(sizeBytes >= 2048 && Number.isInteger(Math.log2(sizeBytes)));
      assert.ok(sizeBytes === 2048 || sizeBytes / 2 < Buffer.byteLength(json));
      assert.deepEqual(JSON.parse(padded), { text });
    }),
    { numRuns: 100 },
  );
});
