import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { groupNames } from '../../holdings/declaration.ts';
import { declarationOf } from './_sample.ts';
import type { RowValue } from './codes.ts';
import { encodeRow, planRow } from './digest.ts';
import type { GroupField } from './group.ts';
import { decodeGroup, encodeGroup } from './group.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 100 }).filter((t) => t.isWellFormed());
const value: fc.Arbitrary<RowValue> = fc.oneof(
  fc.constant(null),
  text.map((t) => ({ recorded: t, normalised: t })),
  fc.record({ recorded: text, normalised: text }),
  fc.uint8Array({ maxLength: 100 }).map((bytes) => ({ bytes })),
);
const group: fc.Arbitrary<GroupField[]> = fc.uniqueArray(
  fc.record({
    name: fc.string({ minLength: 1, maxLength: 12 }).filter((t) => t.isWellFormed()),
    value,
  }),
  { maxLength: 8, selector: ({ name }) => name },
);

const sample: readonly GroupField[] = [
  { name: 'a', value: { recorded: 'x', normalised: 'x' } },
  { name: 'b', value: { recorded: 'X', normalised: 'x' } },
  { name: 'c', value: null },
  { name: 'd', value: { bytes: Buffer.from([1, 2]) } },
];

test('every shorter and every longer form of a group is refused', () => {
  const bytes = encodeGroup(sample);
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(decodeGroup(bytes.subarray(0, length)), null);
  }
  assert.equal(decodeGroup(Buffer.concat([bytes, Buffer.from([0])])), null);
});

test('other versions, unknown kinds, bad UTF-8, a name twice and idle forms are refused', () => {
  const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
  assert.equal(decodeGroup(hex('02 0000')), null);
  assert.equal(decodeGroup(hex('01 0001 04 000161 00000000')), null);
  assert.equal(decodeGroup(hex('01 0001 00 0001ff')), null);
  assert.equal(decodeGroup(hex('01 0001 01 000161 00000001ff')), null);
  assert.equal(decodeGroup(hex('01 0002 00 000161 00 000161')), null);
  assert.equal(decodeGroup(hex('01 0001 02 000161 0000000178 0000000178')), null);
  assert.equal(decodeGroup(hex('01 0041')), null);
  assert.deepEqual(decodeGroup(hex('01 0000')), []);
});

test('too many fields are our mistake', () => {
  const many = Array.from({ length: 65 }, (_, at) => ({ name: `f${at}`, value: null }));
  assert.throws(() => encodeGroup(many), RangeError);
});

test('the bytes are those described', () => {
  assert.equal(
    encodeGroup(sample).toString('hex'),
    [
      '010004',
      '01000161' + '0000000178',
      '02000162' + '0000000178' + '0000000158',
      '00000163',
      '03000164' + '000000020102',
    ].join(''),
  );
});

test('what was encoded is decoded', () => {
  fc.assert(
    fc.property(group, (fields) => {
      const decoded = decodeGroup(encodeGroup(fields));
      assert.ok(decoded !== null);
      assert.deepEqual(decoded.map(plain), fields.map(plain));
    }),
    { numRuns: 1000 },
  );
});

test('two groups that differ have two encodings', () => {
  fc.assert(
    fc.property(group, group, (one, other) => {
      const same = JSON.stringify(one.map(plain)) === JSON.stringify(other.map(plain));
      assert.equal(encodeGroup(one).equals(encodeGroup(other)), same);
    }),
    { numRuns: 500 },
  );
});

test('any bytes are a group that encodes to them again, or nothing', () => {
  const noise = fc.uint8Array({ maxLength: 60 });
  const near = fc.tuple(group, fc.nat(), fc.nat(255)).map(([fields, at, byte]) => {
    const bytes = encodeGroup(fields);
    bytes[at % bytes.length] = byte;
    return new Uint8Array(bytes);
  });
  fc.assert(
    fc.property(fc.oneof(noise, near), (bytes) => {
      const decoded = decodeGroup(bytes);
      if (decoded !== null) assert.deepEqual(encodeGroup(decoded), Buffer.from(bytes));
    }),
    { numRuns: 1500 },
  );
});

const sims = declarationOf('sim-registrations');
const plan = planRow(sims);
const rowOf = (...texts: readonly (string | null)[]): readonly RowValue[] =>
  texts.map((t) => (t === null ? null : { recorded: t, normalised: t }));
const base = rowOf(
  '0000100000011',
  'A',
  'B',
  '+923980000001',
  null,
  'Alif',
  '2020-01-01',
  'verified',
);

test('a row differs by its digest when any value, recorded or normalised, or its place differs', () => {
  const digest = (values: readonly RowValue[]) => encodeRow(plan, values).digest.toString('hex');
  const seen = new Set([digest(base)]);
  for (let at = 0; at < base.length; at++) {
    const other = base.with(at, { recorded: 'other', normalised: 'other' });
    const recorded = base.with(at, {
      recorded: 'Z',
      normalised: (base[at] as { normalised: string } | null)?.normalised ?? '',
    });
    for (const values of [other, recorded, base.with(at, null)]) seen.add(digest(values));
  }
  seen.add(digest(base.with(1, base[2]!).with(2, base[1]!)));
  // Fields 0 to 7 changed in two ways each, seven removed (one was absent), one pair swapped.
  assert.equal(seen.size, 1 + 16 + 7 + 1);
  assert.equal(digest([...base]), digest(base));
});

test('a row is encoded group by group, and its digest is over the bytes described', () => {
  const { groups, digest } = encodeRow(plan, base);
  assert.deepEqual(
    plan.map(({ group: name }) => name),
    groupNames(sims),
  );
  const hash = createHash('sha256').update('amanat/row/v1\0');
  for (const [index, { group: name }] of plan.entries()) {
    const fields = sims.fields
      .map((field, at) => ({ field, value: base[at] ?? null }))
      .filter(({ field }) => field.group === name)
      .map(({ field, value }) => ({ name: field.name, value }));
    const bytes = encodeGroup(fields);
    assert.deepEqual(groups[index], bytes);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  }
  assert.equal(digest.toString('hex'), hash.digest('hex'));
});

test('a row encoded before is not changed by the next, be it as large as an image', () => {
  const first = encodeRow(plan, base);
  const kept = first.groups.map((bytes) => bytes.toString('hex'));
  const cards = planRow(declarationOf('identity-card-images'));
  const image = Buffer.alloc(3_000_000, 7);
  const large = encodeRow(cards, [
    base[0]!,
    { recorded: 'front', normalised: 'front' },
    { bytes: image },
  ]);
  assert.equal(large.groups[1]!.indexOf(image), large.groups[1]!.length - image.length);
  encodeRow(plan, base.with(1, { recorded: 'ع'.repeat(500), normalised: 'x'.repeat(70) }));
  assert.deepEqual(
    first.groups.map((bytes) => bytes.toString('hex')),
    kept,
  );
});

function plain({ name, value: v }: GroupField): unknown {
  return [name, v !== null && 'bytes' in v ? [...v.bytes] : v && [v.recorded, v.normalised]];
}
