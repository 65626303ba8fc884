import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fromHex, hex, utf8 } from '../bytes.ts';
import { CoreError } from '../errors.ts';
import { verifyNoteSignature } from '../keys/cosign.ts';
import { verifyChain } from './chain.ts';
import { formatCheckpoint, parseCheckpoint } from './checkpoint.ts';
import { cosignatureMessage, openCosignatures, openCosignaturesAsync } from './cosignature.ts';
import type { PersonalLeaf } from './entry.ts';
import { coarseHour, encodePersonalLeaf, encodePublicLeaf, parseLeaf } from './entry.ts';
import { leafHash } from './merkle.ts';
import type { NoteKey } from './note.ts';
import {
  formatVerifierKey,
  openNote,
  openNoteAsync,
  parseCosignerKey,
  parseVerifierKey,
} from './note.ts';
import { formatPolicy, isSatisfied, parsePolicy } from './policy.ts';
import { parseTilePath, tilePath } from './tile.ts';
import { formatTlogProof, parseTlogProof, verifyTlogProof } from './tlog-proof.ts';

function readVectors<T>(name: string): T {
  const file = new URL(`../../../vectors/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as T;
}

interface Cases<Valid, Invalid> {
  readonly valid: readonly Valid[];
  readonly invalid: readonly Invalid[];
}

describe('leaf vectors', () => {
  interface Common {
    readonly name: string;
    readonly leaf: string;
    readonly leafHash: string;
  }
  type Valid =
    | (Common & { readonly hour: string; readonly commitment: string } & (
          | { readonly kind: 'person' }
          | { readonly kind: 'sealed'; readonly month: string; readonly extends: number | null }
          | { readonly kind: 'opened'; readonly seal: number }
        ))
    | (Common & {
        readonly kind: 'erased';
        readonly hour: string;
        readonly commitment: string;
        readonly token: string;
      })
    | (Common & {
        readonly kind: 'public';
        readonly document: string;
        readonly signatures: readonly { readonly key: string; readonly signature: string }[];
      });
  const { valid, invalid, hours } = readVectors<
    Cases<Valid, { readonly name: string; readonly leaf: string }> & {
      readonly hours: readonly { readonly timeMs: number; readonly hour: string }[];
    }
  >('leaves');

  it('that are invalid are refused', () => {
    assert.ok(invalid.length > 30);
    for (const { name, leaf } of invalid) {
      assert.throws(() => parseLeaf(fromHex(leaf)), { code: 'bad-entry' }, name);
    }
  });

  it('that are valid come out and go back byte for byte', () => {
    for (const vector of valid) {
      const bytes = fromHex(vector.leaf);
      assert.equal(hex(leafHash(bytes)), vector.leafHash, vector.name);
      if (vector.kind !== 'public') {
        const { name: _name, leaf: _leaf, leafHash: _hash, ...members } = vector;
        const common = { ...members, commitment: fromHex(vector.commitment) };
        const leaf = (
          vector.kind === 'erased' ? { ...common, token: fromHex(vector.token) } : common
        ) as PersonalLeaf;
        assert.deepEqual(parseLeaf(bytes), leaf, vector.name);
        assert.deepEqual(encodePersonalLeaf(leaf), bytes, vector.name);
      } else {
        const signatures = vector.signatures.map(({ key, signature }) => ({
          key,
          signature: fromHex(signature),
        }));
        const body = { document: vector.document, signatures };
        assert.deepEqual(parseLeaf(bytes), { kind: 'public', ...body }, vector.name);
        assert.deepEqual(encodePublicLeaf(body), bytes, vector.name);
      }
    }
  });

  it('give each time its hour', () => {
    for (const { timeMs, hour } of hours) assert.equal(coarseHour(timeMs), hour);
  });
});

describe('chain vectors', () => {
  interface Chain {
    readonly name: string;
    readonly subject: string;
    readonly links: readonly { readonly index: number; readonly leafHash: string }[];
    readonly count: number;
    readonly head: string;
  }
  const { valid, invalid } = readVectors<Cases<Chain, Chain>>('chains');
  const holds = ({ subject, links, count, head }: Chain): boolean =>
    verifyChain({
      subject: fromHex(subject),
      links: links.map((link) => ({ index: link.index, leafHash: fromHex(link.leafHash) })),
      count,
      head: fromHex(head),
    });

  it('that are invalid are refused', () => {
    assert.ok(invalid.length > 10);
    for (const chain of invalid) assert.equal(holds(chain), false, chain.name);
  });

  it('that are valid are accepted', () => {
    for (const chain of valid) assert.equal(holds(chain), true, chain.name);
  });
});

describe('tile path vectors', () => {
  interface Valid {
    readonly path: string;
    readonly level: number | 'entries';
    readonly index: number;
    readonly width: number;
  }
  const { valid, invalid } = readVectors<Cases<Valid, string>>('tile-paths');

  it('that are invalid are refused', () => {
    assert.ok(invalid.length > 30);
    for (const path of invalid)
      assert.throws(() => parseTilePath(path), { code: 'bad-tile' }, path);
  });

  it('that are valid come out and go back', () => {
    for (const { path, ...position } of valid) {
      assert.deepEqual(parseTilePath(path), position);
      assert.equal(tilePath(position), path);
    }
  });
});

describe('note vectors', () => {
  interface Note {
    readonly name: string;
    readonly note: string;
    readonly keys: readonly string[];
  }
  interface Key {
    readonly vkey: string;
    readonly name: string;
    readonly keyId: number;
    readonly publicKey: string;
  }
  const { valid, invalid, keys } = readVectors<
    Cases<Note & { readonly text: string; readonly signers: readonly string[] }, Note> & {
      readonly keys: Cases<Key, string>;
    }
  >('notes');

  function isSigned(key: NoteKey, message: Uint8Array, signature: Uint8Array): boolean {
    const x = Buffer.from(key.publicKey).toString('base64url');
    const object = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    return verify(null, message, object, signature);
  }

  async function isSignedByWebCrypto(
    key: NoteKey,
    message: Uint8Array,
    signature: Uint8Array,
  ): Promise<boolean> {
    const own = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => Uint8Array.from(bytes);
    const raw = own(key.publicKey);
    const object = await crypto.subtle.importKey('raw', raw, 'Ed25519', false, ['verify']);
    return crypto.subtle.verify('Ed25519', object, own(signature), own(message));
  }

  it('that are invalid are refused, at once and with WebCrypto', async () => {
    assert.ok(invalid.length > 25);
    for (const { name, note, keys: known } of invalid) {
      const parsed = known.map(parseVerifierKey);
      assert.throws(() => openNote(note, parsed, isSigned), { code: 'bad-note' }, name);
      const opening = openNoteAsync(note, parsed, isSignedByWebCrypto);
      await assert.rejects(opening, { code: 'bad-note' }, name);
    }
  });

  it('that are valid open to their text and signers, at once and with WebCrypto', async () => {
    for (const { name, note, keys: known, text, signers } of valid) {
      const parsed = known.map(parseVerifierKey);
      for (const opened of [
        openNote(note, parsed, isSigned),
        await openNoteAsync(note, parsed, isSignedByWebCrypto),
      ]) {
        assert.equal(opened.text, text, name);
        assert.deepEqual(opened.signers.map(formatVerifierKey), signers, name);
      }
    }
  });

  it('of keys that are invalid are refused', () => {
    for (const key of keys.invalid) {
      assert.throws(() => parseVerifierKey(key), { code: 'bad-key' }, key.slice(0, 200));
    }
  });

  it('of keys that are valid come out and go back', () => {
    for (const { vkey, name, keyId, publicKey } of keys.valid) {
      const key = parseVerifierKey(vkey);
      assert.deepEqual(
        { ...key, publicKey: hex(key.publicKey) },
        { name, keyId, type: 1, publicKey },
      );
      assert.equal(formatVerifierKey(key), vkey);
    }
  });
});

describe('verifier key vectors', () => {
  const { invalid } = readVectors<{
    readonly invalid: {
      readonly verifierKeys: readonly { readonly name: string; readonly text: string }[];
    };
  }>('keys');

  it('that are invalid are refused, as a log’s and as a cosigner’s', () => {
    assert.ok(invalid.verifierKeys.length > 40);
    for (const { name, text } of invalid.verifierKeys) {
      assert.throws(() => parseVerifierKey(text), { code: 'bad-key' }, name);
      assert.throws(() => parseCosignerKey(text), { code: 'bad-key' }, name);
    }
  });
});

describe('checkpoint vectors', () => {
  interface Valid {
    readonly name: string;
    readonly text: string;
    readonly origin: string;
    readonly size: number;
    readonly root: string;
    readonly extensions: readonly string[];
  }
  const { valid, invalid } =
    readVectors<Cases<Valid, { readonly name: string; readonly text: string }>>('checkpoints');

  it('that are invalid are refused', () => {
    assert.ok(invalid.length > 20);
    for (const { name, text } of invalid) {
      assert.throws(() => parseCheckpoint(text), { code: 'bad-checkpoint' }, name);
    }
  });

  it('that are valid come out, and go back where they have no extensions', () => {
    for (const { name, text, ...head } of valid) {
      const parsed = parseCheckpoint(text);
      assert.deepEqual({ ...parsed, root: hex(parsed.root) }, head, name);
      if (parsed.extensions.length === 0) assert.equal(formatCheckpoint(parsed), text, name);
    }
  });
});

describe('cosignature vectors', () => {
  interface Cosigned {
    readonly name: string;
    readonly note: string;
    readonly witnesses: readonly string[];
  }
  interface Key {
    readonly vkey: string;
    readonly name: string;
    readonly keyId: number;
    readonly type: number;
    readonly publicKey: string;
  }
  const { valid, invalid, messages, keys } = readVectors<
    Cases<
      Cosigned & { readonly cosigners: readonly { vkey: string; timeSeconds: number }[] },
      Cosigned
    > & {
      readonly messages: readonly {
        readonly vkey: string;
        readonly checkpoint: string;
        readonly timeSeconds: number;
        readonly message: string;
      }[];
      readonly keys: Cases<Key, string>;
    }
  >('cosignatures');
  const refusal = (error: unknown) =>
    error instanceof CoreError && (error.code === 'bad-note' || error.code === 'bad-checkpoint');

  it('that are invalid are refused, at once and in time', async () => {
    assert.ok(invalid.length > 30);
    for (const { name, note, witnesses } of invalid) {
      const known = witnesses.map(parseCosignerKey);
      assert.throws(() => openCosignatures(note, known, verifyNoteSignature), refusal, name);
      const opening = openCosignaturesAsync(note, known, async (...signed) =>
        verifyNoteSignature(...signed),
      );
      await assert.rejects(opening, refusal, name);
    }
  });

  it('that are valid give each witness’s time, at once and in time', async () => {
    for (const { name, note, witnesses, cosigners } of valid) {
      const known = witnesses.map(parseCosignerKey);
      for (const opened of [
        openCosignatures(note, known, verifyNoteSignature),
        await openCosignaturesAsync(note, known, async (...signed) =>
          verifyNoteSignature(...signed),
        ),
      ]) {
        const found = opened.map(({ key, timeSeconds }) => ({
          vkey: formatVerifierKey(key),
          timeSeconds,
        }));
        assert.deepEqual(found, cosigners, name);
      }
    }
  });

  it('of messages are what a cosigner signs', () => {
    for (const { vkey, checkpoint, timeSeconds, message } of messages) {
      const found = cosignatureMessage(parseCosignerKey(vkey), checkpoint, timeSeconds);
      assert.equal(hex(found), message);
    }
  });

  it('of keys that are invalid are refused', () => {
    assert.ok(keys.invalid.length > 20);
    for (const key of keys.invalid) {
      assert.throws(() => parseCosignerKey(key), { code: 'bad-key' }, key.slice(0, 200));
    }
  });

  it('of keys that are valid come out and go back, and are no log’s', () => {
    for (const { vkey, ...parts } of keys.valid) {
      const key = parseCosignerKey(vkey);
      assert.deepEqual({ ...key, publicKey: hex(key.publicKey) }, parts);
      assert.equal(formatVerifierKey(key), vkey);
      assert.throws(() => parseVerifierKey(vkey), { code: 'bad-key' });
    }
  });
});

describe('policy vectors', () => {
  interface File {
    readonly name: string;
    readonly text?: string;
    readonly hex?: string;
  }
  interface Valid extends File {
    readonly logs: readonly { readonly vkey: string; readonly url: string | null }[];
    readonly witnesses: readonly {
      readonly name: string;
      readonly vkey: string;
      readonly url: string | null;
    }[];
    readonly groups: readonly {
      readonly name: string;
      readonly threshold: number;
      readonly members: readonly string[];
    }[];
    readonly quorum: string | null;
    readonly satisfied: readonly (readonly string[])[];
    readonly unsatisfied: readonly (readonly string[])[];
  }
  const { valid, invalid } = readVectors<Cases<Valid, File>>('policies');
  const bytesOf = ({ text, hex: octets }: File): Uint8Array =>
    text === undefined ? fromHex(octets as string) : utf8(text);

  it('that are invalid are refused', () => {
    assert.ok(invalid.length > 50);
    for (const file of invalid) {
      assert.throws(() => parsePolicy(bytesOf(file)), { code: 'bad-policy' }, file.name);
    }
  });

  it('that are valid come out, and are written as a file that says the same', () => {
    for (const { name, logs, witnesses, groups, quorum, ...file } of valid) {
      const policy = parsePolicy(bytesOf({ name, ...file }));
      for (const read of [policy, parsePolicy(formatPolicy(policy))]) {
        const found = {
          logs: read.logs.map(({ key, url }) => ({ vkey: formatVerifierKey(key), url })),
          witnesses: read.witnesses.map(({ key, ...witness }) => ({
            ...witness,
            vkey: formatVerifierKey(key),
          })),
          groups: read.groups,
          quorum: read.quorum,
        };
        assert.deepEqual(found, { logs, witnesses, groups, quorum }, name);
      }
    }
  });

  it('are satisfied by those who make up the quorum, and by no others', () => {
    for (const { name, satisfied, unsatisfied, ...file } of valid) {
      const policy = parsePolicy(bytesOf({ name, ...file }));
      for (const ids of unsatisfied) assert.equal(isSatisfied(policy, new Set(ids)), false, name);
      for (const ids of satisfied) assert.equal(isSatisfied(policy, new Set(ids)), true, name);
    }
  });
});

describe('tlog-proof vectors', () => {
  interface Proof {
    readonly name: string;
    readonly proof: string;
    readonly leafHash: string;
    readonly policy: string;
  }
  interface Valid extends Proof {
    readonly index: number;
    readonly extra: string | null;
    readonly size: number;
    readonly cosigners: readonly { readonly vkey: string; readonly timeSeconds: number }[];
  }
  const { valid, invalid } = readVectors<Cases<Valid, Proof>>('tlog-proofs');
  const check = ({ proof, leafHash, policy }: Proof) =>
    verifyTlogProof(parseTlogProof(proof), {
      leafHash: fromHex(leafHash),
      policy: parsePolicy(utf8(policy)),
      verify: verifyNoteSignature,
    });

  it('that are invalid are refused', async () => {
    assert.ok(invalid.length > 40);
    for (const vector of invalid) {
      const refusal = (error: unknown) =>
        error instanceof CoreError &&
        ['bad-proof', 'bad-note', 'bad-checkpoint'].includes(error.code);
      await assert.rejects(async () => check(vector), refusal, vector.name);
    }
  });

  it('that are valid hold, and go back byte for byte', async () => {
    for (const vector of valid) {
      const proof = parseTlogProof(vector.proof);
      assert.equal(proof.index, vector.index, vector.name);
      assert.equal(proof.extra === null ? null : hex(proof.extra), vector.extra, vector.name);
      assert.equal(formatTlogProof(proof), vector.proof, vector.name);
      const { checkpoint, cosignatures } = await check(vector);
      assert.equal(checkpoint.size, vector.size, vector.name);
      const found = cosignatures.map(({ key, timeSeconds }) => ({
        vkey: formatVerifierKey(key),
        timeSeconds,
      }));
      assert.deepEqual(found, vector.cosigners, vector.name);
    }
  });
});
