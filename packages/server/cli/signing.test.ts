import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fromBase64 } from '@amanat/core/bytes';
import { signingInput, writeDocument } from '@amanat/core/grants';
import { exportSigningKey, generateSigningKey, verify } from '@amanat/core/keys';
import { readEnrolment } from './keys.ts';
import { addSignatures } from './signing.ts';

describe('a document of two administrators', () => {
  const folder = mkdtempSync(join(tmpdir(), 'amanat-signing-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const draw = (name: string) => {
    const key = generateSigningKey('p256');
    const path = join(folder, name);
    writeFileSync(path, exportSigningKey(key), { mode: 0o600 });
    return { key, path };
  };
  const a = draw('a.pem');
  const b = draw('b.pem');
  const document = writeDocument<'revocation'>({
    type: 'revocation',
    key: 'ab'.repeat(16),
    version: 1,
    reason: 'lost',
    time: 0,
  });
  const unsigned = { document, signatures: [] };

  it('is not signed by one of them twice, at once or one after another', async () => {
    await assert.rejects(addSignatures(unsigned, [a.path, a.path], null), /twice/);
    const half = await addSignatures(unsigned, [a.path], null);
    await assert.rejects(addSignatures(half, [a.path], null), /twice/);
  });

  it('is signed by no key that is not an administrator’s, where they are known', async () => {
    const known = [a.key.public.text];
    await assert.rejects(addSignatures(unsigned, [a.path, b.path], known), /no administrator’s/);
    assert.equal((await addSignatures(unsigned, [a.path], known)).signatures.length, 1);
  });

  it('is not signed with a key that others can read, or with what is no key', async () => {
    chmodSync(b.path, 0o640);
    await assert.rejects(addSignatures(unsigned, [b.path], null), /read by others/);
    chmodSync(b.path, 0o600);
    const nothing = join(folder, 'nothing.pem');
    writeFileSync(nothing, 'x', { mode: 0o600 });
    await assert.rejects(addSignatures(unsigned, [nothing], null), /no ed25519 or p256/);
    await assert.rejects(
      addSignatures(unsigned, [join(folder, 'absent')], null),
      /there is no file/,
    );
  });

  it('carries a signature of each over the same text', async () => {
    const { signatures } = await addSignatures(
      await addSignatures(unsigned, [a.path], null),
      [b.path],
      null,
    );
    assert.deepEqual(
      signatures.map(({ key }) => key),
      [a.key.public.id, b.key.public.id],
    );
    for (const [at, { key }] of [a, b].entries()) {
      const signature = fromBase64(signatures[at]?.signature ?? '');
      assert.ok(verify(key.public, signingInput(document), signature));
    }
  });

  it('is not begun with a private key in place of an enrolment request', async () => {
    await assert.rejects(readEnrolment(a.path), /nobody else is ever given/);
    const wrong = join(folder, 'wrong.json');
    writeFileSync(wrong, JSON.stringify({ type: 'enrolment', role: 'officer', key: 'rsa:x' }));
    await assert.rejects(readEnrolment(wrong), /no enrolment request/);
  });
});
