import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { hex } from '@amanat/core/bytes';
import fc from 'fast-check';
import { decodeSealedGroups, encodeSealedGroups } from './blob.ts';
import { CustodyError } from './errors.ts';
import { storedRowHash } from './leaf.ts';

const group = fc.record({
  nonce: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  ciphertext: fc.uint8Array({ maxLength: 100 }),
});

test('arbitrary bytes are groups or refused as damage, never anything else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat({ max: 6 }), (bytes, count) => {
      try {
        const groups = decodeSealedGroups(bytes, count);
        assert.deepEqual(new Uint8Array(encodeSealedGroups(groups)), bytes);
      } catch (error) {
        assert.ok(error instanceof CustodyError && error.code === 'store-damaged');
      }
    }),
  );
});

test('groups come back as they were, and not as one more or one less', () => {
  fc.assert(
    fc.property(fc.array(group, { maxLength: 6 }), (groups) => {
      const bytes = encodeSealedGroups(groups);
      const found = decodeSealedGroups(bytes, groups.length);
      assert.deepEqual(
        found.map(({ nonce, ciphertext }) => [hex(nonce), hex(ciphertext)]),
        groups.map(({ nonce, ciphertext }) => [hex(nonce), hex(ciphertext)]),
      );
      assert.throws(() => decodeSealedGroups(bytes, groups.length + 1), CustodyError);
      if (groups.length > 0) {
        assert.throws(() => decodeSealedGroups(bytes, groups.length - 1), CustodyError);
      }
    }),
  );
});

test('a stored row’s leaf is record, import, row and the hashes of nonces and ciphertexts, byte by byte', () => {
  const record = Buffer.alloc(16, 0xab);
  const nonce = Buffer.alloc(16, 9);
  const [one, other] = [Buffer.from('first'), Buffer.from('second')];
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
  const leaf = Buffer.concat([
    record,
    Buffer.from('0000000000000007', 'hex'),
    Buffer.from('0000000100000002', 'hex'),
    sha256(Buffer.concat([nonce, one])),
    sha256(Buffer.concat([nonce, other])),
  ]);
  const groups = [one, other].map((ciphertext) => ({ nonce, ciphertext }));
  const expected = sha256(Buffer.concat([Buffer.from([0]), leaf]));
  assert.equal(hex(storedRowHash(record, 7, 2 ** 32 + 2, groups)), hex(expected));
});
