import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex, hex } from '../bytes.ts';
import type { RecordName } from './derive.ts';
import { deriveKey, deriveRecordKey, recordAad } from './derive.ts';
import { encodeNames, MacKey } from './mac.ts';

const { valid } = JSON.parse(
  readFileSync(new URL('../../../vectors/keys.json', import.meta.url), 'utf8'),
) as {
  readonly valid: {
    readonly derived: readonly {
      readonly name: string;
      readonly key: string;
      readonly label: string;
      readonly names: readonly ({ readonly text: string } | { readonly hex: string })[];
      readonly derived: string;
    }[];
    readonly records: readonly {
      readonly name: string;
      readonly subjectKey: string;
      readonly periodKey: string;
      readonly record: RecordName;
      readonly nonce: string;
      readonly key: string;
      readonly aad: string;
    }[];
  };
};

const key32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const nonce16 = fc.uint8Array({ minLength: 16, maxLength: 16 });
const hex16 = nonce16.map(hex);
const slug = fc.stringMatching(/^[a-z0-9]{1,12}$/);
const recordName: fc.Arbitrary<RecordName> = fc.record({
  holding: slug,
  expiryMonth: fc.constantFrom('2027-01', '2027-02', '2039-12'),
  subject: hex16,
  record: hex16,
  import: fc.nat(),
  row: fc.integer({ min: 1 }),
  group: slug,
});
/** Names as lists of text or bytes, cut at different places more often than chance would. */
const names = fc.array(
  fc.oneof(
    fc.string({ unit: fc.constantFrom('a', '\0', '\u0001', 'ب'), maxLength: 4 }),
    fc.uint8Array({ maxLength: 4 }),
  ),
  { maxLength: 4 },
);

function asBytes(list: readonly (string | Uint8Array)[]): string {
  return list.map((each) => hex(typeof each === 'string' ? Buffer.from(each) : each)).join(',');
}

describe('derivation', () => {
  it('gives the known answers', () => {
    assert.ok(valid.derived.length >= 3);
    for (const each of valid.derived) {
      const list = each.names.map((name) => ('hex' in name ? fromHex(name.hex) : name.text));
      assert.equal(hex(deriveKey(fromHex(each.key), each.label, ...list)), each.derived, each.name);
    }
    assert.ok(valid.records.length >= 2);
    for (const each of valid.records) {
      const derived = deriveRecordKey(
        fromHex(each.subjectKey),
        fromHex(each.periodKey),
        each.record,
        fromHex(each.nonce),
      );
      assert.equal(hex(derived), each.key, each.name);
      assert.equal(hex(recordAad(each.record)), each.aad, each.name);
    }
  });

  it('two lists of names that differ never make the same message', () => {
    fc.assert(
      fc.property(names, names, (one, two) => {
        const same = asBytes(one) === asBytes(two) && one.length === two.length;
        assert.equal(encodeNames(...one).equals(encodeNames(...two)), same);
      }),
      { numRuns: 2000 },
    );
  });

  it('each name, each key and the nonce change the record key', () => {
    const changes: ((name: RecordName) => RecordName)[] = [
      (name) => ({ ...name, holding: `${name.holding}x` }),
      (name) => ({ ...name, expiryMonth: '2040-01' }),
      (name) => ({ ...name, subject: flip(name.subject) }),
      (name) => ({ ...name, record: flip(name.record) }),
      (name) => ({ ...name, import: name.import + 1 }),
      (name) => ({ ...name, row: name.row + 1 }),
      (name) => ({ ...name, group: `${name.group}x` }),
      // What would be the same were the names only put one after another.
      (name) => ({ ...name, holding: name.holding + name.expiryMonth.slice(0, 1) }),
      (name) => ({ ...name, import: name.row, row: name.import }),
    ];
    fc.assert(
      fc.property(key32, key32, recordName, nonce16, (subjectKey, periodKey, name, nonce) => {
        fc.pre(name.import !== name.row);
        const key = hex(deriveRecordKey(subjectKey, periodKey, name, nonce));
        const seen = new Set([key]);
        const add = (...args: Parameters<typeof deriveRecordKey>) => {
          const { size } = seen;
          seen.add(hex(deriveRecordKey(...args)));
          assert.equal(seen.size, size + 1);
        };
        for (const change of changes) add(subjectKey, periodKey, change(name), nonce);
        add(flipBit(subjectKey), periodKey, name, nonce);
        add(subjectKey, flipBit(periodKey), name, nonce);
        add(subjectKey, periodKey, name, flipBit(nonce));
        assert.equal(hex(deriveRecordKey(subjectKey, periodKey, name, nonce)), key);
      }),
      { numRuns: 100 },
    );
  });

  it('additional data hold the same names and no nonce', () => {
    fc.assert(
      fc.property(recordName, recordName, (one, two) => {
        const same = JSON.stringify(one) === JSON.stringify(two);
        assert.equal(hex(recordAad(one)) === hex(recordAad(two)), same);
        assert.notEqual(hex(recordAad(one)), hex(recordAad({ ...one, group: `${one.group}x` })));
      }),
    );
  });

  it('the label parts keys of one kind from another, and a MacKey derives what its bytes derive', () => {
    fc.assert(
      fc.property(key32, names, (key, list) => {
        const derived = hex(deriveKey(key, 'amanat/v1 record', ...list));
        assert.notEqual(derived, hex(deriveKey(key, 'amanat/v1 body', ...list)));
        assert.equal(derived, hex(deriveKey(new MacKey(key), 'amanat/v1 record', ...list)));
      }),
    );
  });
});

describe('MacKey', () => {
  it('is HMAC-SHA-256, for keys of every length', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 150 }),
        fc.uint8Array({ maxLength: 300 }),
        (key, message) => {
          const expected = createHmac('sha256', key).update(message).digest('hex');
          assert.equal(hex(new MacKey(key).digest(message)), expected);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('keeps no hold of the bytes it was made from', () => {
    const key = new Uint8Array(32).fill(5);
    const mac = new MacKey(key);
    const before = hex(mac.digest(Uint8Array.of(1)));
    key.fill(0);
    assert.equal(hex(mac.digest(Uint8Array.of(1))), before);
  });
});

describe('names', () => {
  it('in other parts never make the same message', () => {
    const parts = fc.array(fc.uint8Array({ maxLength: 4 }), { maxLength: 5 });
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        const same = one.map(hex).join() === other.map(hex).join() && one.length === other.length;
        assert.equal(encodeNames(...one).equals(encodeNames(...other)), same);
      }),
    );
  });

  it('over 65,535 bytes are refused', () => {
    assert.throws(() => encodeNames(new Uint8Array(65_536)), RangeError);
    assert.equal(encodeNames(new Uint8Array(65_535)).length, 65_537);
  });
});

function flip(text: string): string {
  return hex(flipBit(fromHex(text)));
}

function flipBit(bytes: Uint8Array): Uint8Array {
  const flipped = new Uint8Array(bytes);
  flipped[0] = (flipped[0] as number) ^ 1;
  return flipped;
}
