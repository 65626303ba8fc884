import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { hex } from '@amanat/core/bytes';
import fc from 'fast-check';
import { decodeSealed, encodeSealed } from './blob.ts';
import { CustodyError } from './errors.ts';
import { storedRowHash } from './leaf.ts';

const nonce = fc.uint8Array({ minLength: 16, maxLength: 16 });
const ciphertexts = fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 6 });

test('arbitrary bytes are a version or refused as damage, never anything else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat({ max: 6 }), (bytes, count) => {
      try {
        assert.deepEqual(new Uint8Array(encodeSealed(decodeSealed(bytes, count))), bytes);
      } catch (error) {
        assert.ok(error instanceof CustodyError && error.code === 'store-damaged');
      }
    }),
  );
});

test('a version comes back as it was, and not with one group more or less', () => {
  fc.assert(
    fc.property(nonce, ciphertexts, (nonce, ciphertexts) => {
      const bytes = encodeSealed({ nonce, ciphertexts });
      const found = decodeSealed(bytes, ciphertexts.length);
      assert.equal(hex(found.nonce), hex(nonce));
      assert.deepEqual(found.ciphertexts.map(hex), ciphertexts.map(hex));
      assert.throws(() => decodeSealed(bytes, ciphertexts.length + 1), CustodyError);
      if (ciphertexts.length > 0) {
        assert.throws(() => decodeSealed(bytes, ciphertexts.length - 1), CustodyError);
      }
    }),
  );
});

test('a stored row’s leaf is all that is stored of it, byte by byte', () => {
  const stored = {
    subject: Buffer.alloc(16, 0xab),
    record: Buffer.alloc(16, 0xcd),
    row: 2 ** 32 + 2,
    expiryMonth: '2029-11',
    digest: Buffer.alloc(16, 0xef),
    ciphertexts: Buffer.from('sealed'),
  };
  const leaf = [
    ['00', 'ab'.repeat(16), 'cd'.repeat(16), '0000000000000007', '0000000100000002'],
    [Buffer.from('2029-11').toString('hex'), 'ef'.repeat(16)],
    [Buffer.from('sealed').toString('hex')],
  ];
  const expected = createHash('sha256')
    .update(Buffer.from(leaf.flat().join(''), 'hex'))
    .digest();
  assert.equal(hex(storedRowHash(7, stored)), hex(expected));
});
