import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CliError } from './errors.ts';
import { readIdentifiers, refuseIdentifiers } from './identifiers.ts';

const digits = (length: number) =>
  fc
    .array(fc.integer({ min: 0, max: 9 }), { minLength: length, maxLength: length })
    .map((found) => found.join(''));

const isRefused = (argv: readonly string[]): boolean => {
  try {
    refuseIdentifiers(argv);
    return false;
  } catch (error) {
    return error instanceof CliError && error.code === 'wrong-usage';
  }
};

describe('an argument', () => {
  it('that is anybody’s identity number is refused, in every written form and script', () => {
    fc.assert(
      fc.property(digits(13), fc.constantFrom('', '--case=', 'cnic:', 'x/y/'), (number, before) => {
        const written = `${number.slice(0, 5)}-${number.slice(5, 12)}-${number.slice(12)}`;
        const urdu = [...written]
          .map((each) => (each === '-' ? each : String.fromCharCode(0x06f0 + Number(each))))
          .join('');
        assert.ok(isRefused(['request', `${before}${written}.front.jpg`]));
        assert.ok(isRefused([`${before}${urdu}`]));
        if (!before.includes('/')) assert.ok(isRefused([`${before}${number}`]));
      }),
      { numRuns: 100 },
    );
  });

  it('that is a mobile number or an access code is refused', () => {
    for (const word of [
      '03981230001',
      '0398-1230001',
      '+923981230001',
      '+92 398 1230001',
      'msisdn:+923981230001',
      '00923981230001',
      '0f3a 11b2 c3d4 0000 ffff 1234 5678 9abc',
    ]) {
      assert.ok(isRefused([word]), word);
    }
  });

  it('that is a key’s id, a hash, a time or a path is not', () => {
    for (const word of [
      '5f0c7a94b1de2f6688d3a0c9e4b17f22',
      'request-4f1a09c2.json',
      '/tmp/run-1763888400000/x.csv',
      '2026-11-23',
      'FIR-204',
      '12345-1234567',
      'b3e4d012345-1234567-1aa0',
    ]) {
      assert.ok(!isRefused([word]), word);
    }
  });
});

describe('identifiers on standard input', () => {
  const refusal = (text: string, rule: 'synthetic' | 'real' = 'synthetic') => {
    try {
      readIdentifiers(text, rule);
      return null;
    } catch (error) {
      assert.ok(error instanceof CliError);
      return error;
    }
  };

  it('are refused by their line, and never repeated', () => {
    const found = refusal('cnic:09999-0000001-2\n\nname:Somebody Else\n');
    assert.match(found?.message ?? '', /^line 3 /);
    assert.doesNotMatch(found?.message ?? '', /Somebody/);
    assert.equal(refusal('cnic:123')?.reason, 'bad-cnic');
    assert.equal(refusal('cnic:12345-1234567-1')?.reason, 'real-identifier');
    assert.equal(refusal('cnic:09999-0000001-2', 'real')?.reason, 'synthetic-identifier');
    assert.equal(refusal('msisdn:12')?.reason, 'bad-msisdn');
    const twice = refusal('cnic:09999-0000001-2\n\nmsisdn:03981230001\ncnic: ۰۹۹۹۹۰۰۰۰۰۰۱۲\n');
    assert.match(twice?.message ?? '', /^lines 1 and 4 /);
    assert.equal(twice?.reason, 'given-twice');
    assert.doesNotMatch(twice?.message ?? '', /9999/);
    const phones = refusal('msisdn:0398-1230001\nmsisdn:+92 398 1230001');
    assert.match(phones?.message ?? '', /^lines 1 and 2 /);
    assert.match(refusal('\n \n')?.message ?? '', /no identifier/);
    assert.match(refusal('cnic:0999900000012\n'.repeat(1001))?.message ?? '', /more than 1000/);
  });

  it('of any bytes are read or refused, and nothing else', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        for (const prefix of ['', 'cnic:', 'msisdn:']) refusal(prefix + text);
      }),
      { numRuns: 200 },
    );
  });

  it('come out normalised, in order', () => {
    assert.deepEqual(
      readIdentifiers(' cnic: ۰۹۹۹۹-۰۰۰۰۰۰۱-۲ \r\nmsisdn:0398-1230001\n', 'synthetic'),
      [
        { type: 'cnic', value: '0999900000012' },
        { type: 'msisdn', value: '+923981230001' },
      ],
    );
  });
});
