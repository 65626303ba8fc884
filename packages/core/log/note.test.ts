import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CoreError } from '../errors.ts';
import {
  formatNote,
  formatVerifierKey,
  MAX_NOTE_LENGTH,
  MAX_NOTE_SIGNATURES,
  noteKey,
  noteMessage,
  openNote,
  openNoteAsync,
  parseNote,
  parseVerifierKey,
} from './note.ts';

const badNote = { name: 'CoreError', code: 'bad-note' };
const badKey = { name: 'CoreError', code: 'bad-key' };
const key = noteKey('log.example', new Uint8Array(32).fill(1));
const other = noteKey('witness.example', new Uint8Array(32).fill(2));
const signature = new Uint8Array(64).fill(3);
const signedNote = formatNote('text\n', [
  { key, signature },
  { key: other, signature },
]);

/** Random text of the characters that matter to the format. */
const noteText = fc.string({
  unit: fc.constantFrom('\n', '\n', '\u2014', ' ', '+', 'A', 'A', '=', '\t', '\u00a0', '\ud800'),
  maxLength: 40,
});

describe('a note', () => {
  it('whose verifier says anything but true is refused', async () => {
    for (const answer of [false, undefined, 1, 'yes', {}, Promise.resolve(true)]) {
      assert.throws(() => openNote(signedNote, [key], () => answer as boolean), badNote);
    }
    for (const answer of [false, undefined, 1, 'yes', {}]) {
      const opening = openNoteAsync(signedNote, [key], async () => answer as boolean);
      await assert.rejects(opening, badNote);
    }
  });

  it('with one known signature bad among good ones is refused', () => {
    assert.throws(() => openNote(signedNote, [key, other], (which) => which === key), badNote);
    assert.deepEqual(openNote(signedNote, [key], (which) => which === key).signers, [key]);
  });

  it('with a known key’s signature of another length is refused before it is verified', () => {
    for (const length of [1, 63, 65]) {
      const note = formatNote('text\n', [{ key, signature: new Uint8Array(length) }]);
      assert.throws(() => openNote(note, [key], () => true), badNote);
    }
  });

  it('is refused when two known keys cannot be told apart', () => {
    assert.throws(() => openNote(signedNote, [key, { ...key }], () => true), badNote);
  });

  it('passes on what the verifier throws', async () => {
    const broken = () => {
      throw new Error('no such algorithm');
    };
    assert.throws(() => openNote(signedNote, [key], broken), /no such algorithm/);
    await assert.rejects(
      openNoteAsync(signedNote, [key], async () => broken()),
      /no such algorithm/,
    );
  });

  it('hands the verifier the text with its newline and the bare signature', () => {
    openNote(signedNote, [other], (which, message, bare) => {
      assert.equal(which, other);
      assert.deepEqual(message, noteMessage('text\n'));
      assert.equal(new TextDecoder().decode(message), 'text\n');
      assert.deepEqual(bare, signature);
      return true;
    });
  });

  it('over its bounds is neither written nor read', () => {
    const many = Array.from({ length: MAX_NOTE_SIGNATURES + 1 }, () => ({ key, signature }));
    assert.throws(() => formatNote('text\n', many), badNote);
    assert.throws(() => formatNote('text\n', []), badNote);
    assert.equal(
      parseNote(formatNote('text\n', many.slice(1))).signatures.length,
      MAX_NOTE_SIGNATURES,
    );
    const long = `${'x'.repeat(MAX_NOTE_LENGTH - 1)}\n`;
    assert.throws(() => formatNote(long, [{ key, signature }]), badNote);
    assert.throws(() => parseNote(`${long}${signedNote}`), badNote);
    const sixteen = Array.from({ length: 16 }, (_, i) => ({
      key: { name: `w${i}.example`, keyId: i },
      signature: new Uint8Array(5_000),
    }));
    assert.equal(parseNote(formatNote('text\n', sixteen)).signatures.length, 16);
  });

  it('with a text that could not be read back is not written', () => {
    for (const text of ['', 'text', 'a\tb\n', 'a\r\n', '\ud800\n', 'a\u0000\n']) {
      assert.throws(() => formatNote(text, [{ key, signature }]), badNote, JSON.stringify(text));
    }
    for (const name of ['', 'a b', 'a+b', 'a\nb', 'a\u2003b', '\ud800']) {
      const line = { key: { name, keyId: 1 }, signature };
      assert.throws(() => formatNote('text\n', [line]), badNote, JSON.stringify(name));
    }
    assert.throws(() => formatNote('text\n', [{ key, signature: new Uint8Array(0) }]), badNote);
  });

  it('of any text and signatures comes back', () => {
    const line = fc.record(
      {
        key: fc.record(
          { name: fc.constantFrom('a', 'log.example/x', 'نوٹ'), keyId: fc.nat(0xffffffff) },
          { noNullPrototype: true },
        ),
        signature: fc.uint8Array({ minLength: 1, maxLength: 80 }),
      },
      { noNullPrototype: true },
    );
    const lines = fc.array(line, { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(noteText, lines, (start, signatures) => {
        const text = `${start.replaceAll(/[\t\ud800]/g, '')}\n`;
        assert.deepEqual(parseNote(formatNote(text, signatures)), { text, signatures });
      }),
      { numRuns: 300 },
    );
  });

  it('is refused, or its text is the only one it has, whatever it was', () => {
    const mutated = fc.tuple(fc.nat(), noteText, fc.nat(2)).map(([pick, put, drop]) => {
      const at = pick % signedNote.length;
      return signedNote.slice(0, at) + put.slice(0, 2) + signedNote.slice(at + drop);
    });
    fc.assert(
      fc.property(fc.oneof(mutated, noteText, fc.string({ unit: 'binary' })), (note) => {
        try {
          const { text, signatures } = parseNote(note);
          assert.equal(formatNote(text, signatures), note);
        } catch (error) {
          assert.ok(error instanceof CoreError && error.code === 'bad-note', String(error));
        }
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('a note key', () => {
  it('with a wrong name or length is refused', () => {
    for (const name of ['', 'a b', 'a+b', 'a\nb', 'a\u0085b', 'x'.repeat(257)]) {
      assert.throws(() => noteKey(name, new Uint8Array(32)), badKey);
    }
    assert.throws(() => noteKey('a', new Uint8Array(31)), badKey);
  });

  it('is refused, or its text is the only one it has, whatever it was', () => {
    const text = formatVerifierKey(key);
    const mutated = fc
      .tuple(fc.nat(), fc.constantFrom('', '+', 'A', '=', 'a', '0', '\n'), fc.nat(1))
      .map(([pick, put, drop]) => {
        const at = pick % (text.length + 1);
        return text.slice(0, at) + put + text.slice(at + drop);
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.string()), (some) => {
        try {
          assert.equal(formatVerifierKey(parseVerifierKey(some)), some);
        } catch (error) {
          assert.ok(error instanceof CoreError && error.code === 'bad-key', String(error));
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
