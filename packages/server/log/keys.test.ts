import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { writeDocument } from '@amanat/core/grants';
import { formatVerifierKey, noteKey, parseNote } from '@amanat/core/log';
import { createLogKey, logKeyFile, readLogKey } from './key.ts';
import { LogKeys } from './keys.ts';

const ORIGIN = 'log.test.example';
const TREE = { size: 0, root: Buffer.alloc(32, 1) };
const NOW = Date.UTC(2026, 10, 26);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'amanat-log-keys-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const draw = (version: number) => createLogKey(folder, ORIGIN, version).verifierKey;
const appointed = (...keys: readonly string[]) =>
  keys.map((key, index) => ({ key, index, bothUntil: index === 0 ? 0 : NOW }));
/** By whom a note is signed, in their order, as key ids. */
const signers = (note: string) => parseNote(note).signatures.map(({ key }) => key.keyId);
const idOf = (version: number) => readLogKey(folder, ORIGIN, version).note.keyId;
const files = () => readdirSync(folder).toSorted();

describe('the log’s keys', () => {
  it('without one nothing begins, and without the one that the log names nothing is signed', () => {
    assert.throws(() => new LogKeys(folder, ORIGIN), /no key/);
    const [first, second] = [draw(0), draw(1)];
    const keys = new LogKeys(folder, ORIGIN);
    assert.throws(
      () => keys.sign(TREE, appointed(first, 'log.test.example+00000000+AAAA')),
      /not here/,
    );
    unlinkSync(logKeyFile(folder, 1));
    const fewer = new LogKeys(folder, ORIGIN);
    assert.throws(() => fewer.sign(TREE, appointed(first, second)), /not here/);
  });

  it('one that the log does not name signs nothing; named, it signs beside the one before', () => {
    const [first, second] = [draw(0), draw(1)];
    const keys = new LogKeys(folder, ORIGIN);
    assert.deepEqual(signers(keys.sign(TREE, appointed(first))), [idOf(0)]);
    const both = keys.sign(TREE, appointed(first, second));
    assert.deepEqual(signers(both), [idOf(0), idOf(1)]);
    assert.deepEqual(Buffer.from(keys.open(both).root), TREE.root);
    const others = mkdtempSync(join(tmpdir(), 'amanat-log-keys-'));
    createLogKey(others, ORIGIN);
    assert.throws(() => new LogKeys(others, ORIGIN).open(both), { code: 'bad-note' });
    rmSync(others, { recursive: true });
  });

  it('signs the document that names the next, with the present key and the next, and no other document', () => {
    const [first] = [draw(0)];
    const keys = new LogKeys(folder, ORIGIN);
    // Drawn while it is served.
    const second = draw(1);
    const signed = (key: string) => ({
      document: writeDocument({ type: 'log-key', version: 1, key, bothUntil: NOW, time: NOW }),
      signatures: [],
    });
    const { signatures } = keys.endorse(signed(second), appointed(first));
    const ids = [0, 1].map((version) => readLogKey(folder, ORIGIN, version).signing.public.id);
    assert.deepEqual(
      signatures.map(({ key }) => key),
      ids,
    );
    const other = { document: '{"type":"agency"}', signatures: [] };
    assert.equal(keys.endorse(other, appointed(first)), other);
    // Of a key that is not here, only the present one’s signature is added, and the register refuses it.
    const stranger = formatVerifierKey(noteKey(ORIGIN, Buffer.alloc(32, 7)));
    assert.equal(keys.endorse(signed(stranger), appointed(first)).signatures.length, 1);
  });

  it('of a full disk is none, and the one before goes on', (t) => {
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=12K', 'tmpfs', folder]);
    if (status !== 0) return t.skip('only root can mount a small disk');
    try {
      const first = draw(0);
      writeFileSync(join(folder, 'filler'), Buffer.alloc(8 * 1024));
      assert.throws(() => draw(1), { code: 'ENOSPC' });
      assert.deepEqual(files(), ['filler', 'log-key.pem']);
      const keys = new LogKeys(folder, ORIGIN);
      assert.deepEqual(signers(keys.sign(TREE, appointed(first))), [idOf(0)]);
      rmSync(join(folder, 'filler'));
      const second = draw(1);
      const both = new LogKeys(folder, ORIGIN).sign(TREE, appointed(first, second));
      assert.equal(signers(both).length, 2);
      assert.throws(() => draw(1), { code: 'EEXIST' });
    } finally {
      spawnSync('umount', [folder]);
    }
  });

  it('is destroyed once the next has followed it for as long as was said, and not before', () => {
    const [first, second] = [draw(0), draw(1)];
    const pem = readFileSync(logKeyFile(folder, 0));
    const keys = new LogKeys(folder, ORIGIN);
    keys.retire(appointed(first), NOW);
    keys.retire(appointed(first, second), NOW - 1);
    assert.deepEqual(files(), ['log-key-1.pem', 'log-key.pem']);
    keys.retire(appointed(first, second), NOW);
    assert.deepEqual(files(), ['log-key-1.pem']);
    assert.deepEqual(signers(keys.sign(TREE, appointed(first, second))), [idOf(1)]);
    assert.ok(!readFileSync(logKeyFile(folder, 1)).includes(pem.subarray(40, 80)));
    assert.deepEqual(signers(new LogKeys(folder, ORIGIN).sign(TREE, appointed(first, second))), [
      idOf(1),
    ]);
  });

  it('whatever a crash left half destroyed is destroyed at the next start', () => {
    draw(1);
    for (const left of ['', 'not all of a key', '\0'.repeat(119)]) {
      writeFileSync(`${logKeyFile(folder, 0)}.gone`, left);
      new LogKeys(folder, ORIGIN);
      assert.ok(!existsSync(`${logKeyFile(folder, 0)}.gone`));
    }
    assert.deepEqual(files(), ['log-key-1.pem']);
  });
});
