import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { base64, equal, fromHex, hex } from '../bytes.ts';
import { CoreError } from '../errors.ts';
import * as noble from '../hkdf/noble.ts';
import * as node from '../hkdf/node.ts';
import type { Case } from './_wycheproof.ts';
import { readGroups, skip } from './_wycheproof.ts';
import { MacKey } from './mac.ts';
import { open, seal, secretKey } from './seal.ts';
import { parsePublicKey, verify } from './sign.ts';

// Not used here: ecdsa_secp256r1_sha256 (DER signatures, which this code never reads), and x25519 (the
// HPKE of this code is over P-256).

interface SignatureGroup {
  readonly publicKey: { readonly pk?: string; readonly uncompressed?: string };
  readonly tests: readonly (Case & { readonly msg: string; readonly sig: string })[];
}

describe('wycheproof', { skip }, () => {
  for (const [name, kind, tests] of [
    ['ed25519', 'ed25519', 151],
    ['ecdsa_secp256r1_sha256_p1363', 'p256', 262],
  ] as const) {
    it(`${name}: invalid signatures are refused and valid ones accepted`, () => {
      let seen = 0;
      for (const group of readGroups<SignatureGroup>(name)) {
        const raw = fromHex(group.publicKey.pk ?? group.publicKey.uncompressed ?? '');
        const key = parsePublicKey(`${kind}:${base64(raw)}`);
        for (const { tcId, comment, msg, sig, result } of group.tests) {
          const verified = verify(key, fromHex(msg), fromHex(sig));
          assert.equal(verified, result === 'valid', `case ${tcId}: ${comment}`);
          seen += 1;
        }
      }
      assert.equal(seen, tests);
    });
  }

  it('aes_gcm: with 256-bit keys and 96-bit nonces, altered ciphertexts do not open and true ones do', () => {
    interface Group {
      readonly ivSize: number;
      readonly keySize: number;
      readonly tagSize: number;
      readonly tests: readonly (Case &
        Record<'key' | 'iv' | 'aad' | 'msg' | 'ct' | 'tag', string>)[];
    }
    let seen = 0;
    for (const { ivSize, keySize, tagSize, tests } of readGroups<Group>('aes_gcm')) {
      if (ivSize !== 96 || keySize !== 256 || tagSize !== 128) continue;
      for (const each of tests) {
        seen += 1;
        const key = secretKey(fromHex(each.key));
        const aad = fromHex(each.aad);
        const sealed = fromHex(each.iv + each.ct + each.tag);
        if (each.result === 'valid') {
          assert.equal(hex(open(key, sealed, aad)), each.msg, `case ${each.tcId}`);
          assert.equal(
            hex(seal(key, fromHex(each.msg), aad, fromHex(each.iv))),
            hex(sealed),
            `case ${each.tcId}`,
          );
        } else {
          assert.throws(
            () => open(key, sealed, aad),
            (error) => error instanceof CoreError && error.code === 'bad-ciphertext',
            `case ${each.tcId}: ${each.comment}`,
          );
        }
      }
    }
    assert.equal(seen, 66);
  });

  it('hmac_sha256: full tags are those that the key gives, and altered ones are not', () => {
    interface Group {
      readonly tagSize: number;
      readonly tests: readonly (Case & Record<'key' | 'msg' | 'tag', string>)[];
    }
    let seen = 0;
    for (const { tagSize, tests } of readGroups<Group>('hmac_sha256')) {
      for (const { tcId, comment, key, msg, tag, result } of tests) {
        // Nothing here truncates a tag; a truncated one is compared with as many bytes.
        const digest = new MacKey(fromHex(key)).digest(fromHex(msg)).subarray(0, tagSize / 8);
        assert.equal(equal(digest, fromHex(tag)), result === 'valid', `case ${tcId}: ${comment}`);
        seen += 1;
      }
    }
    assert.equal(seen, 174);
  });

  it('hkdf_sha256: what is under hpke.ts derives what the vectors say, in Node and in a browser', () => {
    interface Group {
      readonly tests: readonly (Case & {
        readonly ikm: string;
        readonly salt: string;
        readonly info: string;
        readonly size: number;
        readonly okm: string;
      })[];
    }
    let seen = 0;
    for (const { tests } of readGroups<Group>('hkdf_sha256')) {
      for (const { tcId, ikm, salt, info, size, okm, result } of tests) {
        seen += 1;
        for (const { hkdfExtract, hkdfExpand } of [node, noble]) {
          const derive = () =>
            hkdfExpand(hkdfExtract(fromHex(ikm), fromHex(salt)), fromHex(info), size);
          if (result === 'valid') assert.equal(hex(derive()), okm, `case ${tcId}`);
          else assert.throws(derive, `case ${tcId}`);
        }
      }
    }
    assert.equal(seen, 86);
  });
});
