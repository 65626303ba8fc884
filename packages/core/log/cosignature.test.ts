import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { concat, uint64 } from '../bytes.ts';
import { CoreError } from '../errors.ts';
import { formatCheckpoint } from './checkpoint.ts';
import {
  cosignatureMessage,
  decodeCosignature,
  encodeCosignature,
  openCosignatures,
  openCosignaturesAsync,
} from './cosignature.ts';
import { cosignerKey, formatNote } from './note.ts';

const badNote = { name: 'CoreError', code: 'bad-note' };
const root = new Uint8Array(32).fill(5);
const text = formatCheckpoint({ origin: 'log.example', size: 7, root });
const ed25519 = cosignerKey(4, 'w.example', new Uint8Array(32).fill(1));
const mlDsa = cosignerKey(6, 'w.example', new Uint8Array(1_312).fill(2));
const LENGTH = { 4: 64, 6: 2_420 } as const;

function lineOf(key: typeof ed25519, timeSeconds: number) {
  return { key, signature: encodeCosignature(timeSeconds, new Uint8Array(LENGTH[key.type])) };
}

describe('cosignatures', () => {
  it('whose verifier says anything but true are refused', async () => {
    const note = formatNote(text, [lineOf(ed25519, 1)]);
    for (const answer of [false, undefined, 1, 'yes', {}, Promise.resolve(true)]) {
      assert.throws(() => openCosignatures(note, [ed25519], () => answer as boolean), badNote);
    }
    for (const answer of [false, undefined, 1, 'yes', {}]) {
      const opening = openCosignaturesAsync(note, [ed25519], async () => answer as boolean);
      await assert.rejects(opening, badNote);
    }
  });

  it('of another length, or of no proper time, are refused before they are verified', () => {
    const never = () => assert.fail('verified');
    for (const key of [ed25519, mlDsa]) {
      for (const length of [1, 8, 7 + LENGTH[key.type], 9 + LENGTH[key.type]]) {
        const note = formatNote(text, [{ key, signature: new Uint8Array(length) }]);
        assert.throws(() => openCosignatures(note, [key], never), badNote);
      }
      const late = new Uint8Array(8 + LENGTH[key.type]);
      late[1] = 0x20;
      const note = formatNote(text, [{ key, signature: late }]);
      assert.throws(() => openCosignatures(note, [key], never), badNote);
    }
  });

  it('of keys that cannot be told apart are refused', () => {
    const note = formatNote(text, [lineOf(ed25519, 1)]);
    assert.throws(() => openCosignatures(note, [ed25519, { ...ed25519 }], () => true), badNote);
  });

  it('pass on what the verifier throws', async () => {
    const note = formatNote(text, [lineOf(ed25519, 1)]);
    const broken = () => {
      throw new Error('no such algorithm');
    };
    assert.throws(() => openCosignatures(note, [ed25519], broken), /no such algorithm/);
    await assert.rejects(
      openCosignaturesAsync(note, [ed25519], async () => broken()),
      /no such algorithm/,
    );
  });

  it('hand the verifier each message and the bare signature, once for every line', () => {
    const lines = [lineOf(mlDsa, 3), lineOf(ed25519, 2), lineOf(ed25519, 9)];
    const asked: unknown[] = [];
    const opened = openCosignatures(
      formatNote(text, lines),
      [ed25519, mlDsa],
      (key, message, bare) => {
        asked.push({ key, message, length: bare.length });
        return true;
      },
    );
    assert.deepEqual(
      asked,
      [
        { key: mlDsa, time: 3 },
        { key: ed25519, time: 2 },
        { key: ed25519, time: 9 },
      ].map(({ key, time }) => ({
        key,
        message: cosignatureMessage(key, text, time),
        length: LENGTH[key.type],
      })),
    );
    assert.deepEqual(
      opened.map(({ key, timeSeconds }) => [key, timeSeconds]),
      [
        [ed25519, 9],
        [mlDsa, 3],
      ],
    );
  });

  it('make the lines of a note again', () => {
    const note = formatNote(text, [lineOf(ed25519, 4), lineOf(mlDsa, 5)]);
    const opened = openCosignatures(note, [ed25519, mlDsa], () => true);
    assert.equal(formatNote(text, opened), note);
  });

  it('of no time, or of what is no checkpoint, have no message', () => {
    for (const time of [-1, 0.5, Number.NaN, 2 ** 53]) {
      assert.throws(() => cosignatureMessage(ed25519, text, time), { code: 'out-of-range' });
      assert.throws(() => encodeCosignature(time, new Uint8Array(64)), { code: 'out-of-range' });
    }
    for (const some of ['', 'text\n', text.slice(0, -1)]) {
      assert.throws(() => cosignatureMessage(mlDsa, some, 1), { code: 'bad-checkpoint' });
    }
  });

  it('of any time and signature come back', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(ed25519, mlDsa),
        fc.maxSafeNat(),
        fc.nat(255),
        (key, timeSeconds, byte) => {
          const signature = new Uint8Array(LENGTH[key.type]).fill(byte);
          const bytes = encodeCosignature(timeSeconds, signature);
          assert.deepEqual(bytes, concat(uint64(timeSeconds), signature));
          assert.deepEqual(decodeCosignature(key, bytes), { timeSeconds, signature });
        },
      ),
    );
  });

  it('are refused with a code or opened, whatever came', () => {
    const note = formatNote(text, [lineOf(ed25519, 4)]);
    const mutated = fc
      .tuple(fc.nat(), fc.string({ maxLength: 2 }), fc.nat(2))
      .map(([pick, put, drop]) => {
        const at = pick % note.length;
        return note.slice(0, at) + put + note.slice(at + drop);
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.string()), fc.boolean(), (some, answer) => {
        try {
          assert.ok(openCosignatures(some, [ed25519, mlDsa], () => answer).length <= 2);
        } catch (error) {
          assert.ok(error instanceof CoreError, String(error));
          assert.ok(error.code === 'bad-note' || error.code === 'bad-checkpoint', error.code);
        }
      }),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ size: 'large' }), (bytes) => {
        try {
          decodeCosignature(ed25519, bytes);
        } catch (error) {
          assert.ok(error instanceof CoreError && error.code === 'bad-note', String(error));
        }
      }),
    );
  });
});
