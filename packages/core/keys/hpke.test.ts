import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from '@hpke/core';
import { hex, utf8 } from '../bytes.ts';
import { generateSealingKey, importSealingKey, openSealed, sealTo } from './hpke.ts';

const suite = new CipherSuite({
  kem: new DhkemP256HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});
const INFO = utf8('amanat/v1 test');
const MESSAGE = utf8('to one reader');

async function recipient() {
  const { publicKey, pkcs8 } = await generateSealingKey();
  return { own: await importSealingKey(publicKey, pkcs8), publicKey, pkcs8 };
}

/** An exact copy on a buffer of its own, as the other implementation takes its bytes. */
function bytes(value: Uint8Array): ArrayBuffer {
  return new Uint8Array(value).buffer;
}

describe('hpke', () => {
  it('another key, another info, and any altered byte are refused', async () => {
    const { own, publicKey } = await recipient();
    const other = await recipient();
    const sealed = await sealTo(publicKey, INFO, MESSAGE);
    const refuses = (open: Promise<unknown>, name: string) =>
      assert.rejects(open, { name: 'CoreError', code: /^bad-(ciphertext|key)$/ }, name);
    await refuses(openSealed(other.own, INFO, sealed), 'another key');
    await refuses(openSealed(own, utf8('amanat/v1 tess'), sealed), 'another info');
    for (const part of ['enc', 'ciphertext'] as const) {
      for (let at = 0; at < sealed[part].length; at++) {
        const altered = new Uint8Array(sealed[part]);
        altered[at] = (altered[at] as number) ^ 1;
        await refuses(openSealed(own, INFO, { ...sealed, [part]: altered }), `${part} ${at}`);
      }
    }
    for (const length of [0, 1, 15, 16]) {
      const ciphertext = sealed.ciphertext.subarray(0, length);
      await refuses(openSealed(own, INFO, { ...sealed, ciphertext }), `${length} bytes`);
    }
  });

  it('a key that is no uncompressed point of the curve is refused on both sides', async () => {
    const { own, publicKey } = await recipient();
    const off = new Uint8Array(publicKey);
    off[64] = (off[64] as number) ^ 1;
    const hybrid = new Uint8Array(publicKey);
    hybrid[0] = 6 + ((publicKey[64] as number) & 1);
    for (const point of [off, hybrid, new Uint8Array(65), new Uint8Array(0), Uint8Array.of(0)]) {
      await assert.rejects(sealTo(point, INFO, MESSAGE), { code: 'bad-key' });
      const sealed = { enc: point, ciphertext: new Uint8Array(32) };
      await assert.rejects(openSealed(own, INFO, sealed), { code: 'bad-key' });
    }
  });

  it('another implementation opens what is sealed here, and exports the same key', async () => {
    const { publicKey, pkcs8 } = await recipient();
    const sealed = await sealTo(publicKey, INFO, MESSAGE);
    const privateKey = await crypto.subtle.importKey(
      'pkcs8',
      bytes(pkcs8),
      { name: 'ECDH', namedCurve: 'P-256' },
      true,
      ['deriveBits'],
    );
    const context = await suite.createRecipientContext({
      recipientKey: privateKey,
      enc: bytes(sealed.enc),
      info: bytes(INFO),
    });
    const opened = await context.open(bytes(sealed.ciphertext));
    assert.deepEqual(new Uint8Array(opened), MESSAGE);
    const exported = await context.export(bytes(utf8('a label')), 32);
    assert.equal(hex(new Uint8Array(exported)), hex(sealed.exporter('a label')));
    assert.notEqual(hex(sealed.exporter('a label')), hex(sealed.exporter('another')));
  });

  it('what another implementation seals is opened here, and exports the same key', async () => {
    const { own, publicKey } = await recipient();
    const recipientPublicKey = await suite.kem.deserializePublicKey(bytes(publicKey));
    const context = await suite.createSenderContext({ recipientPublicKey, info: bytes(INFO) });
    const ciphertext = new Uint8Array(await context.seal(bytes(MESSAGE)));
    const enc = new Uint8Array(context.enc);
    const opened = await openSealed(own, INFO, { enc, ciphertext });
    assert.deepEqual(opened.plaintext, MESSAGE);
    const exported = await context.export(bytes(utf8('a label')), 32);
    assert.equal(hex(new Uint8Array(exported)), hex(opened.exporter('a label')));
  });

  it('two messages to one key share nothing', async () => {
    const { publicKey } = await recipient();
    const [one, two] = [
      await sealTo(publicKey, INFO, MESSAGE),
      await sealTo(publicKey, INFO, MESSAGE),
    ];
    assert.notEqual(hex(one.enc), hex(two.enc));
    assert.notEqual(hex(one.ciphertext), hex(two.ciphertext));
    assert.notEqual(hex(one.exporter('a label')), hex(two.exporter('a label')));
  });
});
