import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeclaredField } from '@amanat/core/grants';
import fc from 'fast-check';
import type { FieldType } from '../../holdings/declaration.ts';
import { fieldTypes } from '../../holdings/declaration.ts';
import { rejectAdvice } from './codes.ts';
import { parseField, TEXT_CHARS_MAX } from './fields.ts';
import type { IdentifierRule } from './identifiers.ts';

function fieldOf(type: FieldType, required = false): DeclaredField {
  return {
    name: 'sample',
    title: { en: 'Sample', ur: 'نمونہ' },
    type,
    category: 'https://w3id.org/dpv/pd#Name',
    group: 'sample',
    identifier: null,
    required,
    values: type === 'enum' ? ['Entry', 'Exit', 'Über Land'] : null,
  };
}

/** The normalised form, the code, or null. */
function read(type: FieldType, raw: string, rule: IdentifierRule = 'synthetic'): string | null {
  const value = parseField(fieldOf(type), raw, rule);
  return value === null || typeof value === 'string' ? value : value.normalised;
}

const refused: readonly (readonly [FieldType, readonly string[], string])[] = [
  [
    'cnic',
    ['0', '00001-0000001', '000010000000001x', '0000100000000011', '3.52E+12', '٠٠', '0.0001'],
    'bad-cnic',
  ],
  ['cnic', ['35202-1234567-1', '1000000000000'], 'real-identifier'],
  [
    'msisdn',
    [
      '12345',
      '398 0000001',
      '+1 398 0000001',
      '0298-0000001',
      '04980000001',
      '+92 398 000000',
      '0398-00000011',
      '++923980000001',
      '923980000001a',
    ],
    'bad-msisdn',
  ],
  ['msisdn', ['0300-1234567', '+923211234567'], 'real-identifier'],
  ['imsi', ['00101', '0010100000000011', 'x'], 'bad-imsi'],
  ['imsi', ['410011234567890'], 'real-identifier'],
  ['imei', ['1', '0010000000000000'], 'bad-imei'],
  ['imei', ['001000000000001', '001000000000008'], 'imei-check-digit'],
  [
    'date',
    [
      '2020',
      '2020-1-1',
      '20200101',
      '01.02.2020',
      '1/2/20',
      'yesterday',
      '2020-01-01T00:00',
      '1-2/2020',
    ],
    'bad-date',
  ],
  [
    'date',
    [
      '2021-02-29',
      '2020-13-01',
      '2020-00-10',
      '31-04-2020',
      '12/31/2020',
      '1900-02-29',
      '0000-01-01',
      '9999-01-01',
      '2020-01-00',
    ],
    'no-such-date',
  ],
  [
    'datetime',
    [
      '2020-01-01',
      '2020-01-01T10',
      '2020-01-01 9:05',
      '2020-01-01T10:00:00 PM',
      '2020-01-01T10:00+5',
    ],
    'bad-time',
  ],
  [
    'datetime',
    [
      '2020-01-01T24:00',
      '2020-01-01 10:60',
      '2020-01-01 10:00:60',
      '2020-01-01T10:00+15:00',
      '2020-01-01T10:00+05:99',
    ],
    'no-such-time',
  ],
  ['datetime', ['2021-02-29 10:00'], 'no-such-date'],
  ['enum', ['in', 'entry exit', '1'], 'not-in-enum'],
  ['integer', ['1.5', '1,000', '1e3', '0x10', '--1', '1234567890123456'], 'bad-integer'],
  ['text', ['a\u0000b', 'a\u001bb', 'a\u0085b', '\u007f.'], 'control-character'],
  ['text', ['x'.repeat(TEXT_CHARS_MAX + 1)], 'too-long'],
  ['jpeg', ['anything'], 'not-text'],
];

for (const [type, values, code] of refused) {
  test(`${code} is the answer to a wrong ${type}`, () => {
    for (const raw of values) assert.equal(read(type, raw), code);
  });
}

test('a store for real records refuses synthetic identifiers', () => {
  assert.equal(read('cnic', '00001-0000001-1', 'real'), 'synthetic-identifier');
  assert.equal(read('msisdn', '0398-0000001', 'real'), 'synthetic-identifier');
  assert.equal(read('imsi', '001010000000001', 'real'), 'synthetic-identifier');
  assert.equal(read('imei', '001000000000009', 'real'), 'synthetic-identifier');
});

test('a blank is absent, or missing where it is required', () => {
  for (const type of fieldTypes) {
    for (const raw of ['', ' ', '\t', '\u00a0 \n']) {
      assert.equal(parseField(fieldOf(type), raw, 'synthetic'), null);
      assert.equal(parseField(fieldOf(type, true), raw, 'synthetic'), 'missing-value');
    }
  }
});

test('a national identity number is read with dashes, spaces, Urdu and Arabic-Indic digits', () => {
  const forms = [
    '0000100000011',
    '00001-0000001-1',
    ' 00001 0000001 1 ',
    '00001‑0000001–1',
    '۰۰۰۰۱-۰۰۰۰۰۰۱-۱',
    '٠٠٠٠١٠٠٠٠٠٠١١',
    '\u200f۰۰۰۰۱-0000001-1\u200e',
  ];
  for (const raw of forms) {
    assert.equal(read('cnic', raw), '0000100000011');
  }
});

test('a mobile number is read in every form it is written in', () => {
  for (const raw of [
    '0398-0000001',
    '03980000001',
    '+92 398 0000001',
    '+923980000001',
    '923980000001',
    '92-398-0000001',
    '00923980000001',
    '0092 398 000 0001',
    '۰۳۹۸-۰۰۰۰۰۰۱',
    '+۹۲ ۳۹۸ ۰۰۰۰۰۰۱',
  ]) {
    assert.equal(read('msisdn', raw), '+923980000001');
  }
  assert.equal(read('msisdn', '0399 1234567'), '+923991234567');
  assert.equal(read('msisdn', '0300-1234567', 'real'), '+923001234567');
});

test('the number of a SIM and of a device are read', () => {
  assert.equal(read('imsi', '001-01-0000000001'), '001010000000001');
  assert.equal(read('imei', '00 100000 000000 9'), '001000000000009');
  assert.equal(read('imei', '490154203237518', 'real'), '490154203237518');
});

test('dates are read days first or as ISO, in any digits', () => {
  for (const raw of ['2024-02-29', '29-02-2024', '29/02/2024', '29/2/2024', '۲۹/۰۲/۲۰۲۴']) {
    assert.equal(read('date', raw), '2024-02-29');
  }
  assert.equal(read('date', '05/04/2020'), '2020-04-05');
});

test("times without an offset are Pakistan's, summers included", () => {
  assert.equal(read('datetime', '2026-11-23 10:30'), '2026-11-23T05:30:00Z');
  assert.equal(read('datetime', '2026-11-23T10:30:15Z'), '2026-11-23T10:30:15Z');
  assert.equal(read('datetime', '23/11/2026 02:30:00.5 +05:30'), '2026-11-22T21:00:00Z');
  assert.equal(read('datetime', '2026-11-23T10:30-0400'), '2026-11-23T14:30:00Z');
  const karachi = new Intl.DateTimeFormat('en-CA', {
    timeZone: 'Asia/Karachi',
    dateStyle: 'short',
    timeStyle: 'medium',
    hourCycle: 'h23',
  });
  for (const day of [
    '2002-04-06',
    '2002-04-08',
    '2002-10-05',
    '2002-10-07',
    '2008-05-31',
    '2008-06-02',
    '2008-10-31',
    '2008-11-02',
    '2009-04-14',
    '2009-04-16',
    '2009-10-31',
    '2009-11-01',
    '2015-07-01',
  ]) {
    const instant = read('datetime', `${day} 12:15`);
    const wall = karachi.format(new Date(instant as string));
    assert.equal(wall.replace(', ', ' '), `${day} 12:15:00`);
  }
});

test('an enum is read whatever its case and kept in the spelling declared', () => {
  assert.equal(read('enum', 'EXIT'), 'Exit');
  assert.equal(read('enum', ' entry '), 'Entry');
  assert.equal(read('enum', 'U\u0308BER  land'), 'Über Land');
});

test('a whole number loses its plus and its zeros', () => {
  assert.equal(read('integer', '+007'), '7');
  assert.equal(read('integer', '-0'), '0');
  assert.equal(read('integer', '-۴۲'), '-42');
});

test('a text keeps what was recorded beside the form for matching', () => {
  const value = parseField(fieldOf('text'), ' Café\u0301  \tHouse\r\n5 ', 'synthetic');
  assert.deepEqual(value, {
    recorded: ' Café\u0301  \tHouse\r\n5 ',
    normalised: 'Café\u0301 House 5'.normalize('NFC'),
  });
  assert.equal(read('text', 'گھر نمبر ۵'), 'گھر نمبر ۵');
});

test('any text in any type is a value or a known code, and normalising again changes nothing', () => {
  const digits = fc.constantFrom(...'0123456789۰۱۹٠٩+-/: TZ.,'.split(''));
  const likely = fc.array(digits, { maxLength: 24, size: 'max' }).map((parts) => parts.join(''));
  const raw = fc.oneof(likely, fc.string({ unit: 'binary', maxLength: 30 }), fc.string());
  fc.assert(
    fc.property(fc.constantFrom(...fieldTypes), raw, (type, text) => {
      for (const rule of ['synthetic', 'real'] satisfies IdentifierRule[]) {
        const value = parseField(fieldOf(type), text, rule);
        if (value === null) continue;
        if (typeof value === 'string') assert.ok(value in rejectAdvice);
        else {
          assert.equal(value.recorded, text);
          assert.equal(read(type, value.normalised, rule), value.normalised);
        }
      }
    }),
    { numRuns: 3000 },
  );
});
