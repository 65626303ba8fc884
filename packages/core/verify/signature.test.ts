import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { base64, fromBase64, utf8 } from '../bytes.ts';
import { generateSigningKey, sign } from '../keys/index.ts';
import { verifyByWebCrypto } from './signature.ts';

const MESSAGE = utf8('what is signed');

for (const kind of ['ed25519', 'p256'] as const) {
  describe(`a signature of ${kind} in the browser`, () => {
    const key = generateSigningKey(kind);
    const signature = sign(key, MESSAGE);
    const raw = fromBase64(key.public.text.slice(kind.length + 1));
    const verdict = (bytes: Uint8Array) =>
      verifyByWebCrypto(`${kind}:${base64(bytes)}`, MESSAGE, signature);

    it('is its key’s over this message, and nobody else’s over no other', async () => {
      assert.equal(await verdict(raw), 'ok');
      const { text } = generateSigningKey(kind).public;
      assert.equal(await verifyByWebCrypto(text, MESSAGE, signature), 'wrong');
      assert.equal(await verifyByWebCrypto(key.public.text, utf8('other'), signature), 'wrong');
    });

    it('is wrong under a key of another length, of another kind, or of none', async () => {
      assert.equal(await verdict(raw.subarray(1)), 'wrong');
      assert.equal(await verdict(Uint8Array.of(...raw, 0)), 'wrong');
      for (const text of ['', 'x', `rsa:${base64(raw)}`, `${kind}:*`]) {
        assert.equal(await verifyByWebCrypto(text, MESSAGE, signature), 'wrong');
      }
    });

    it('is wrong where it is cut short', async () => {
      const cut = signature.subarray(0, 63);
      assert.equal(await verifyByWebCrypto(key.public.text, MESSAGE, cut), 'wrong');
    });
  });
}

it('a point of P-256 in its hybrid form is no key', async () => {
  const key = generateSigningKey('p256');
  const raw = fromBase64(key.public.text.slice('p256:'.length));
  const isOdd = ((raw.at(-1) as number) & 1) === 1;
  const hybrid = Uint8Array.of(isOdd ? 7 : 6, ...raw.subarray(1));
  const text = `p256:${base64(hybrid)}`;
  assert.equal(await verifyByWebCrypto(text, MESSAGE, sign(key, MESSAGE)), 'wrong');
});
