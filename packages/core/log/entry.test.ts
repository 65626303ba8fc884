import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CoreError } from '../errors.ts';
import type { Leaf, PersonalLeaf } from './entry.ts';
import { coarseHour, encodePersonalLeaf, encodePublicLeaf, parseLeaf } from './entry.ts';

const badEntry = { name: 'CoreError', code: 'bad-entry' };
const commitment = new Uint8Array(32).fill(7);
const signature = new Uint8Array(64).fill(9);
const key = '0123456789abcdef0123456789abcdef';

function encode(leaf: Leaf): Uint8Array {
  return leaf.kind === 'public' ? encodePublicLeaf(leaf) : encodePersonalLeaf(leaf);
}

const personal = fc
  .tuple(fc.nat(253_402_300_799), fc.uint8Array({ minLength: 32, maxLength: 32 }))
  .map(([seconds, bytes]): Leaf => {
    return { kind: 'person', hour: coarseHour(seconds * 1_000), commitment: bytes };
  });

const common = fc.record(
  {
    hour: fc.nat(253_402_300_799).map((seconds) => coarseHour(seconds * 1_000)),
    commitment: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  },
  { noNullPrototype: true },
);
const index = fc.maxSafeNat();
const withheld = fc.oneof(
  fc
    .tuple(
      common,
      fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }),
      fc.option(index),
    )
    .map(([body, date, extended]): Leaf => {
      const month = date.toISOString().slice(0, 7);
      return { kind: 'sealed', ...body, month, extends: extended };
    }),
  fc.tuple(common, index).map(([body, seal]): Leaf => ({ kind: 'opened', ...body, seal })),
);
const erased = fc
  .tuple(personal, fc.uint8Array({ minLength: 44, maxLength: 44 }))
  .map(([leaf, token]): Leaf => ({ ...(leaf as PersonalLeaf), kind: 'erased', token }));

const hexDigit = fc.constantFrom(...'0123456789abcdef');
const signed = fc.record(
  {
    key: fc.string({ unit: hexDigit, minLength: 32, maxLength: 32 }),
    signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
  },
  { noNullPrototype: true },
);
const published = fc
  .tuple(
    fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()),
    fc.uniqueArray(signed, { maxLength: 4, selector: (line) => line.key }),
  )
  .map(([object, signatures]): Leaf => {
    return { kind: 'public', document: JSON.stringify(object), signatures };
  });
const someLeaf = fc.oneof(personal, erased, withheld, published);

describe('a leaf', () => {
  it('with a wrong hour or commitment is not written', () => {
    for (const hour of [
      '',
      '2026-02-30T08Z',
      '2026-11-23T08',
      '2026-11-23T08Z\n',
      '1969-12-31T23Z',
    ]) {
      assert.throws(() => encodePersonalLeaf({ kind: 'person', hour, commitment }), badEntry, hour);
    }
    const hour = '2026-11-23T08Z';
    for (const length of [0, 31, 33]) {
      const wrong = { kind: 'person', hour, commitment: new Uint8Array(length) } as const;
      assert.throws(() => encodePersonalLeaf(wrong), badEntry);
    }
    for (const length of [0, 43, 45]) {
      const wrong = { kind: 'erased', hour, commitment, token: new Uint8Array(length) } as const;
      assert.throws(() => encodePersonalLeaf(wrong), badEntry);
    }
  });

  it('that seals or opens with a wrong month or place is not written, nor read', () => {
    const common = { hour: '2026-11-23T08Z', commitment };
    for (const month of ['', '2026-13', '2026-00', '2026-1', '26-01', '2026-01-01', '2026-01 ']) {
      const leaf = { kind: 'sealed' as const, ...common, month, extends: null };
      assert.throws(() => encodePersonalLeaf(leaf), badEntry, month);
    }
    for (const place of [-1, 0.5, Number.NaN, Number.MAX_SAFE_INTEGER + 1]) {
      const sealed = { kind: 'sealed' as const, ...common, month: '2027-01', extends: place };
      assert.throws(() => encodePersonalLeaf(sealed), badEntry, String(place));
      const opened = { kind: 'opened' as const, ...common, seal: place };
      assert.throws(() => encodePersonalLeaf(opened), badEntry, String(place));
    }
    const start = `2026-11-23T08Z ${Buffer.from(commitment).toString('base64')}`;
    for (const text of [
      `person ${start} 2027-01`,
      `sealed ${start}`,
      `sealed ${start} `,
      `sealed ${start} 7`,
      `sealed ${start} 2027-01 7 7`,
      `sealed ${start} 2027-01 07`,
      `sealed ${start} 2027-01  7`,
      `opened ${start}`,
      `opened ${start} 2027-01`,
      `opened ${start} +7`,
      `opened ${start} 7 7`,
      `opened ${start} 9007199254740993`,
    ]) {
      const bytes = new TextEncoder().encode(`amanat/v1 ${text}\n`);
      assert.throws(() => parseLeaf(bytes), badEntry, text);
    }
  });

  it('with a wrong document or signature is not written', () => {
    for (const document of [
      '',
      '[]',
      'null',
      '{}\n',
      '{\n}',
      '{\r}',
      '{"a":"\ud800"}',
      '{',
      ' {}',
    ]) {
      assert.throws(() => encodePublicLeaf({ document, signatures: [] }), badEntry, document);
    }
    const line = { key, signature };
    for (const signatures of [
      [{ key: key.toUpperCase(), signature }],
      [{ key: `${key}0`, signature }],
      [{ key, signature: signature.subarray(1) }],
      [line, line],
      ['0', '1', '2', '3', '4'].map((digit) => ({ key: digit.repeat(32), signature })),
    ]) {
      assert.throws(() => encodePublicLeaf({ document: '{}', signatures }), badEntry);
    }
  });

  it('over 65,535 bytes is neither written nor read', () => {
    const documentOf = (length: number) => `{"a":"${'x'.repeat(length - 8)}"}`;
    const most = 65_535 - 'amanat/v1 public\n\n'.length;
    const longest = encodePublicLeaf({ document: documentOf(most), signatures: [] });
    assert.equal(longest.length, 65_535);
    assert.equal(parseLeaf(longest).kind, 'public');
    assert.throws(
      () => encodePublicLeaf({ document: documentOf(most + 1), signatures: [] }),
      badEntry,
    );
    // Few characters may be many bytes.
    const wide = `{"a":"${'ا'.repeat(40_000)}"}`;
    assert.throws(() => encodePublicLeaf({ document: wide, signatures: [] }), badEntry);
    const tooLong = new TextEncoder().encode(`amanat/v1 public\n${documentOf(most + 1)}\n`);
    assert.throws(() => parseLeaf(tooLong), badEntry);
  });

  it('comes back from its bytes', () => {
    fc.assert(
      fc.property(someLeaf, (leaf) => {
        assert.deepEqual(parseLeaf(encode(leaf)), leaf);
      }),
      { numRuns: 300 },
    );
  });

  it('about a person tells nothing by its length', () => {
    fc.assert(fc.property(personal, (leaf) => encode(leaf).length === 77));
  });

  it('is refused, or its bytes are the only ones it has, whatever they were', () => {
    const mutated = fc
      .tuple(someLeaf, fc.nat(), fc.nat(255), fc.constantFrom('put', 'add', 'drop', 'cut'))
      .map(([leaf, pick, byte, how]) => {
        const bytes = [...encode(leaf)];
        const at = pick % bytes.length;
        if (how === 'put') bytes[at] = byte;
        if (how === 'add') bytes.splice(at, 0, byte);
        if (how === 'drop') bytes.splice(at, 1);
        if (how === 'cut') bytes.splice(at);
        return Uint8Array.from(bytes);
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        try {
          assert.deepEqual(encode(parseLeaf(bytes)), bytes);
        } catch (error) {
          assert.ok(error instanceof CoreError && error.code === 'bad-entry', String(error));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('has no hour outside 1970 to 9999', () => {
    for (const timeMs of [-1, 253_402_300_800_000, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => coarseHour(timeMs), { code: 'out-of-range' });
    }
  });
});
