import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { it } from 'node:test';
import fc from 'fast-check';
import { sha256 as nobleSha256 } from './noble.ts';
import { sha256 as nodeSha256 } from './node.ts';

it('Node and browser hash alike', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const expected = new Uint8Array(createHash('sha256').update(bytes).digest());
      assert.deepEqual(nodeSha256(bytes), expected);
      assert.deepEqual(nobleSha256(bytes), expected);
    }),
  );
});

it('a part of a larger buffer is hashed alone', () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => i).subarray(10, 20);
  assert.deepEqual(nodeSha256(bytes), nobleSha256(bytes));
});
