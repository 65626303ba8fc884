import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import * as noble from './noble.ts';
import * as node from './node.ts';

const bytes = fc.uint8Array({ maxLength: 100 });

it('more than 255 blocks are refused, in Node and in a browser', () => {
  const key = new Uint8Array(32);
  for (const { hkdfExpand } of [node, noble]) {
    assert.equal(hkdfExpand(key, key, 8160).length, 8160);
    assert.throws(() => hkdfExpand(key, key, 8161));
  }
});

it('Node and browser derive alike, whatever the lengths', () => {
  fc.assert(
    fc.property(bytes, bytes, bytes, fc.nat(200), (input, salt, info, length) => {
      const key = node.hkdfExtract(input, salt);
      assert.deepEqual(key, noble.hkdfExtract(input, salt));
      assert.deepEqual(node.hkdfExpand(key, info, length), noble.hkdfExpand(key, info, length));
    }),
  );
});
