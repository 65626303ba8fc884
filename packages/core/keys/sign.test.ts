import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, sign as signRaw } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { base64, fromBase64, fromHex, hex, utf8 } from '../bytes.ts';
import { CoreError } from '../errors.ts';
import type { KeyKind } from './sign.ts';
import {
  exportSigningKey,
  generateSigningKey,
  importSigningKey,
  keyId,
  parsePublicKey,
  SIGNATURE_BYTES,
  sign,
  verify,
} from './sign.ts';

const KINDS: readonly KeyKind[] = ['ed25519', 'p256'];
const badKey = { name: 'CoreError', code: 'bad-key' };
const message = utf8('a message');

function rawOf(text: string): Uint8Array {
  return fromBase64(text.slice(text.indexOf(':') + 1));
}

describe('malformed public keys are refused', () => {
  const p256 = generateSigningKey('p256').public.text;
  const ed25519 = generateSigningKey('ed25519').public.text;

  it('another kind, no kind, another case, white space, other base64', () => {
    const body = ed25519.slice('ed25519:'.length);
    for (const text of [
      '',
      ':',
      body,
      `:${body}`,
      `rsa:${body}`,
      `Ed25519:${body}`,
      ` ${ed25519}`,
      `${ed25519} `,
      `${ed25519}\n`,
      `ed25519:${body.replace('=', '')}`,
      `ed25519:${body.replaceAll('+', '-').replaceAll('/', '_').slice(0, -1)}-`,
      `ed25519:${ed25519}`,
      `__proto__:${body}`,
    ]) {
      assert.throws(() => parsePublicKey(text), badKey, JSON.stringify(text));
    }
  });

  it('wrong lengths, and one kind’s bytes under the other’s name', () => {
    for (const length of [0, 1, 31, 33, 64, 66]) {
      assert.throws(
        () => parsePublicKey(`ed25519:${base64(new Uint8Array(length).fill(9))}`),
        badKey,
      );
      assert.throws(() => parsePublicKey(`p256:${base64(new Uint8Array(length).fill(4))}`), badKey);
    }
    assert.throws(() => parsePublicKey(`p256:${base64(rawOf(ed25519))}`), badKey);
    assert.throws(() => parsePublicKey(`ed25519:${base64(rawOf(p256))}`), badKey);
  });

  it('a point beside the curve, at infinity, or in a hybrid form that would give one key two ids', () => {
    const raw = rawOf(p256);
    const altered = (change: (bytes: Uint8Array) => void) => {
      const bytes = new Uint8Array(raw);
      change(bytes);
      return `p256:${base64(bytes)}`;
    };
    for (const text of [
      altered((bytes) => bytes.set([(bytes[64] as number) ^ 1], 64)),
      altered((bytes) => bytes.fill(0)),
      altered((bytes) => bytes.fill(0xff, 1)),
      altered((bytes) => bytes.set([6 + ((bytes[64] as number) & 1)], 0)),
    ]) {
      assert.throws(() => parsePublicKey(text), badKey);
    }
  });

  it('an ed25519 point of small order, under which signatures could be denied, or a second spelling', () => {
    const points = [
      '00'.repeat(32),
      `01${'00'.repeat(31)}`,
      `ec${'ff'.repeat(30)}7f`,
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
      `ed${'ff'.repeat(30)}7f`,
      `ee${'ff'.repeat(30)}7f`,
      `f3${'ff'.repeat(30)}7f`,
      'ff'.repeat(32),
    ];
    for (const point of points) {
      for (const sign of [0, 0x80]) {
        const raw = fromHex(point);
        raw[31] = (raw[31] as number) | sign;
        assert.throws(() => parsePublicKey(`ed25519:${base64(raw)}`), badKey, point);
      }
    }
  });

  it('whatever text comes, it parses or is refused with a code', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('', 'ed25519:', 'p256:'),
        fc.oneof(fc.string(), fc.base64String(), fc.uint8Array({ maxLength: 66 }).map(base64)),
        (kind, rest) => {
          try {
            assert.equal(parsePublicKey(kind + rest).text, kind + rest);
          } catch (error) {
            assert.ok(error instanceof CoreError && error.code === 'bad-key');
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('public key vectors', () => {
  const { valid, invalid } = JSON.parse(
    readFileSync(new URL('../../../vectors/keys.json', import.meta.url), 'utf8'),
  ) as {
    readonly valid: {
      readonly publicKeys: readonly {
        readonly name: string;
        readonly text: string;
        readonly kind: KeyKind;
        readonly key: string;
        readonly id: string;
      }[];
    };
    readonly invalid: {
      readonly publicKeys: readonly { readonly name: string; readonly text: string }[];
    };
  };

  it('that are invalid are refused', () => {
    assert.ok(invalid.publicKeys.length > 60);
    for (const { name, text } of invalid.publicKeys) {
      assert.throws(() => parsePublicKey(text), badKey, name);
    }
  });

  it('that are valid come out, with their id', () => {
    assert.ok(valid.publicKeys.length >= 5);
    for (const { name, text, kind, key, id } of valid.publicKeys) {
      const { object, ...parsed } = parsePublicKey(text);
      assert.deepEqual(parsed, { kind, text, id }, name);
      const der = object.export({ format: 'der', type: 'spki' });
      assert.equal(hex(der.subarray(-key.length / 2)), key, name);
    }
  });
});

describe('malformed private keys are refused', () => {
  it('other curves, other algorithms, and what is no key', () => {
    const pem = (key: { export(options: object): unknown }) =>
      String(key.export({ format: 'pem', type: 'pkcs8' }));
    const others = [
      generateKeyPairSync('x25519').privateKey,
      generateKeyPairSync('ed448').privateKey,
      generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey,
    ];
    for (const text of [...others.map(pem), '', 'text', '-----BEGIN PRIVATE KEY-----\n']) {
      assert.throws(() => importSigningKey(text), badKey);
    }
  });

  it('no error holds any part of the key', () => {
    const pem = exportSigningKey(generateSigningKey('ed25519'));
    const body = pem.split('\n')[1] as string;
    try {
      importSigningKey(pem.replace(body, `${body.slice(0, 40)}!`));
      assert.fail('a damaged key was read');
    } catch (error) {
      assert.ok(error instanceof CoreError);
      assert.ok(!`${error.message}${String(error.cause)}`.includes(body.slice(20, 40)));
    }
  });
});

for (const kind of KINDS) {
  describe(`${kind} signatures`, () => {
    const key = generateSigningKey(kind);

    it('another message, another key, and any altered byte are refused, whatever their length', () => {
      const signature = sign(key, message);
      assert.equal(signature.length, SIGNATURE_BYTES);
      assert.equal(verify(key.public, utf8('a messagf'), signature), false);
      assert.equal(verify(generateSigningKey(kind).public, message, signature), false);
      for (let at = 0; at < signature.length; at++) {
        const altered = new Uint8Array(signature);
        altered[at] = (altered[at] as number) ^ 1;
        assert.equal(verify(key.public, message, altered), false, `byte ${at}`);
      }
      for (const length of [0, 1, 63, 65, 72]) {
        assert.equal(verify(key.public, message, new Uint8Array(length)), false);
      }
      assert.equal(verify(key.public, message, signature), true);
    });

    it('the text of a key, and its private file, come back as the same key', () => {
      const parsed = parsePublicKey(key.public.text);
      assert.deepEqual(
        [parsed.kind, parsed.text, parsed.id],
        [kind, key.public.text, key.public.id],
      );
      assert.equal(parsed.id, keyId(key.public.text));
      assert.match(parsed.id, /^[0-9a-f]{32}$/);
      const again = importSigningKey(exportSigningKey(key));
      assert.equal(again.public.text, key.public.text);
      assert.equal(verify(parsed, message, sign(again, message)), true);
      const der = createPublicKey(key.object).export({ format: 'der', type: 'spki' });
      assert.equal(
        hex(rawOf(key.public.text)),
        hex(der.subarray(der.length - rawOf(key.public.text).length)),
      );
    });
  });
}

describe('signatures of one kind', () => {
  it('are never the other’s, and DER is no signature', () => {
    const ed25519 = generateSigningKey('ed25519');
    const p256 = generateSigningKey('p256');
    assert.equal(verify(p256.public, message, sign(ed25519, message)), false);
    assert.equal(verify(ed25519.public, message, sign(p256, message)), false);
    const der = signRaw('sha256', message, { key: p256.object, dsaEncoding: 'der' });
    assert.equal(verify(p256.public, message, der), false);
  });
});
