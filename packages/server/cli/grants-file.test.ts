import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { PlainValue } from '../holdings/yaml.ts';
import { readYaml } from '../holdings/yaml.ts';
import { CliError } from './errors.ts';
import { describeGrants, parseGrants } from './grants-file.ts';

const ROW = {
  id: 'police-sims',
  effect: 'permit',
  agency: 'demo-police',
  purpose: 'https://w3id.org/dpv#IdentityVerification',
  'legal basis': 'https://w3id.org/dpv#LegalObligation',
  holding: 'sim-registrations',
  groups: ['identity'],
  'subjects at a time': 5,
  'second person over': 2,
  hours: '8 to 20',
  'subjects a day': 50,
} as const;

const table = (...rows: readonly { [member: string]: PlainValue }[]): PlainValue => ({
  clock: '+05:00',
  rows,
});

const refusal = (value: PlainValue): string => {
  try {
    parseGrants(value);
  } catch (error) {
    assert.ok(error instanceof CliError);
    return error.message;
  }
  return assert.fail('it was not refused');
};

describe('a grants table', () => {
  it('is refused by the place that is wrong', () => {
    const wrong: readonly [PlainValue, RegExp][] = [
      [null, /table/],
      [{ rows: [] }, /clock/],
      [{ clock: '5', rows: [] }, /clock/],
      [{ clock: '+05:00' }, /rows/],
      [{ clock: '+05:00', rows: [], extra: 1 }, /no member ‘extra’/],
      [table({ ...ROW, colour: 'red' }), /no member ‘colour’/],
      [table({ ...ROW, '0123412345671': 1 }), /no member ‘\?{13}’/],
      [table({ ...ROW, id: '01234-1234567-1 X', effect: '' }), /^row 1, id: expected a lower-case/],
      [table({ ...ROW, id: 7 }), /row 1, id/],
      [table({ ...ROW, effect: 'perhaps' }), /row police-sims, effect/],
      [table({ ...ROW, purpose: 'Curiosity' }), /purpose/],
      [table({ ...ROW, hours: '8-20' }), /hours/],
      [table({ ...ROW, hours: '8 to 99' }), /hours/],
      [table({ ...ROW, 'subjects at a time': 0 }), /subjectsMax/],
      [table({ ...ROW, 'subjects a day': 'many' }), /subjects a day/],
      [table(ROW, ROW), /two rows have this one/],
    ];
    for (const [value, expected] of wrong) assert.match(refusal(value), expected);
  });

  it('may forbid anything at once, and permit nothing at once', () => {
    for (const member of ['agency', 'purpose', 'legal basis', 'holding', 'groups']) {
      assert.match(refusal(table({ ...ROW, [member]: 'any' })), /what permits everything/);
    }
    const forbid = {
      id: 'no-faces',
      effect: 'forbid',
      agency: 'any',
      purpose: 'any',
      'legal basis': 'any',
      holding: 'identity-card-images',
      groups: ['image'],
    };
    const [row] = parseGrants(table(forbid)).rows;
    assert.deepEqual([row?.agency, row?.purpose, row?.groups], [null, null, ['image']]);
  });

  it('says in words what it says', () => {
    const found = parseGrants(table(ROW));
    assert.equal(found.utcOffsetMinutes, 300);
    const words = describeGrants(found).join('\n');
    for (const part of ['police-sims: may', '8 to 20', 'second person over 2', 'identity']) {
      assert.ok(words.includes(part), part);
    }
  });

  it('as shipped with the demonstration is read', () => {
    const read = readYaml(readFileSync(new URL('../demo/grants.yaml', import.meta.url)));
    assert.ok(read.ok);
    assert.equal(parseGrants(read.value).rows.length, 7);
  });

  it('of any data is read or refused, and nothing else', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        for (const each of [value, { clock: '+00:00', rows: [value] }, table(ROW)]) {
          try {
            parseGrants(each as PlainValue);
          } catch (error) {
            assert.ok(error instanceof CliError);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
