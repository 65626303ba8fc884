import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { concat, fromHex } from '../bytes.ts';
import {
  cosignatureMessage,
  cosignerKey,
  formatCheckpoint,
  formatNote,
  noteKey,
  openCosignatures,
} from '../log/index.ts';
import type { CosigningKind } from './cosign.ts';
import {
  cosign,
  exportCosigningKey,
  generateCosigningKey,
  importCosigningKey,
  verifyNoteSignature,
} from './cosign.ts';
import { exportSigningKey, generateSigningKey } from './sign.ts';

const KINDS: readonly CosigningKind[] = ['ed25519', 'ml-dsa-44'];
const badKey = { name: 'CoreError', code: 'bad-key' };
const head = { origin: 'log.example', size: 7, root: new Uint8Array(32).fill(5) };
const text = formatCheckpoint(head);

describe('a key that cosigns', () => {
  it('is refused where it is of another kind, or no key, or under no name', () => {
    const p256 = exportSigningKey(generateSigningKey('p256'));
    for (const pem of [p256, '', 'x', p256.slice(0, 60)]) {
      assert.throws(() => importCosigningKey(pem, 'w.example'), badKey);
    }
    for (const kind of KINDS) {
      assert.throws(() => generateCosigningKey(kind, 'a b'), badKey);
      const pem = exportCosigningKey(generateCosigningKey(kind, 'w.example'));
      assert.throws(() => importCosigningKey(pem, 'a+b'), badKey);
    }
  });

  it('comes back from its file', () => {
    for (const kind of KINDS) {
      const key = generateCosigningKey(kind, 'w.example');
      const again = importCosigningKey(exportCosigningKey(key), 'w.example');
      assert.deepEqual(again.public, key.public);
      assert.equal(key.public.type, kind === 'ed25519' ? 4 : 6);
      assert.notDeepEqual(
        importCosigningKey(exportCosigningKey(key), 'v.example').public,
        key.public,
      );
    }
  });

  it('that is no sound point of its curve has signed nothing, and nothing is thrown', () => {
    const identity = fromHex(`01${'00'.repeat(31)}`);
    // R = identity, S = 0: by the bare equation it would be this key's over every message.
    const forged = concat(identity, new Uint8Array(32));
    for (const key of [noteKey('a', identity), cosignerKey(4, 'a', identity)]) {
      assert.equal(verifyNoteSignature(key, Uint8Array.of(1), forged), false);
    }
  });
});

describe('a cosignature of either kind', () => {
  for (const kind of KINDS) {
    const key = generateCosigningKey(kind, 'w.example');
    const open = (note: string) => openCosignatures(note, [key.public], verifyNoteSignature);

    it(`does not pass for another text, time, name or key: ${kind}`, () => {
      const { signature } = cosign(key, text, 9);
      const line = { key: key.public, signature };
      const others = [
        formatNote(formatCheckpoint({ ...head, size: 8 }), [line]),
        formatNote(formatCheckpoint({ ...head, origin: 'log.exampla' }), [line]),
        formatNote(text, [
          { ...line, signature: Uint8Array.from(signature, (b, i) => (i === 7 ? b + 1 : b)) },
        ]),
        formatNote(text, [
          { ...line, signature: Uint8Array.from(signature, (b, i) => (i === 30 ? b ^ 1 : b)) },
        ]),
      ];
      for (const note of others) assert.throws(() => open(note), { code: 'bad-note' });
      const bare = signature.subarray(8);
      const stranger = generateCosigningKey(kind, 'w.example');
      const message = cosignatureMessage(key.public, text, 9);
      assert.equal(verifyNoteSignature(stranger.public, message, bare), false);
      assert.equal(verifyNoteSignature(key.public, message, bare), true);
    });

    it(`opens to its time: ${kind}`, () => {
      const made = cosign(key, text, 1_764_000_000);
      assert.deepEqual(open(formatNote(text, [made])), [made]);
    });
  }

  it('commits to the cosigner’s name under ML-DSA-44, and under Ed25519 does not', () => {
    for (const [kind, passes] of [
      ['ml-dsa-44', false],
      ['ed25519', true],
    ] as const) {
      const key = generateCosigningKey(kind, 'w.example');
      const renamed = importCosigningKey(exportCosigningKey(key), 'v.example');
      const bare = cosign(key, text, 3).signature.subarray(8);
      const message = cosignatureMessage(renamed.public, text, 3);
      assert.equal(verifyNoteSignature(renamed.public, message, bare), passes);
    }
  });

  it('is of no time that it cannot say', () => {
    const key = generateCosigningKey('ed25519', 'w.example');
    for (const time of [-1, 1.5, 2 ** 53]) {
      assert.throws(() => cosign(key, text, time), { code: 'out-of-range' });
    }
  });
});
