import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hex } from '../bytes.ts';
import { open, openOnce, seal, sealOnce, secretKey } from './seal.ts';

const bytes = fc.uint8Array({ maxLength: 80 });
const key32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const nonce12 = fc.uint8Array({ minLength: 12, maxLength: 12 });
const badCiphertext = { name: 'CoreError', code: 'bad-ciphertext' };

describe('sealing', () => {
  it('any altered byte, other additional data, another key, or a cut is refused', () => {
    fc.assert(
      fc.property(key32, nonce12, bytes, bytes, fc.nat(), (raw, nonce, plaintext, aad, at) => {
        const key = secretKey(raw);
        const other = secretKey(raw.map((byte) => byte ^ 0x80));
        for (const [sealed, opens] of [
          [seal(key, plaintext, aad, nonce), open],
          [sealOnce(key, plaintext, aad), openOnce],
        ] as const) {
          assert.deepEqual(new Uint8Array(opens(key, sealed, aad)), plaintext);
          const altered = Buffer.from(sealed);
          altered[at % sealed.length] = (altered[at % sealed.length] as number) ^ (1 << (at % 8));
          assert.throws(() => opens(key, altered, aad), badCiphertext);
          assert.throws(() => opens(key, sealed, Uint8Array.of(...aad, 0)), badCiphertext);
          assert.throws(() => opens(other, sealed, aad), badCiphertext);
          assert.throws(
            () => opens(key, sealed.subarray(0, at % sealed.length), aad),
            badCiphertext,
          );
        }
      }),
      { numRuns: 150 },
    );
  });

  it('what is sealed is as long as its plaintext, its nonce and a whole tag', () => {
    const key = secretKey(new Uint8Array(32));
    assert.equal(sealOnce(key, new Uint8Array(5), new Uint8Array(0)).length, 5 + 16);
    const sealed = seal(key, new Uint8Array(5), new Uint8Array(0), new Uint8Array(12).fill(3));
    assert.equal(sealed.length, 12 + 5 + 16);
    assert.equal(hex(sealed.subarray(0, 12)), '03'.repeat(12));
  });
});
