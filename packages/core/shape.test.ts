import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Json } from './canonical.ts';
import { CoreError } from './errors.ts';
import type { Reader } from './shape.ts';
import {
  boolean,
  date,
  hexText,
  integer,
  list,
  monthNumber,
  monthText,
  nullable,
  object,
  oneOf,
  set,
  slug,
  text,
  time,
} from './shape.ts';

const badDocument = { name: 'CoreError', code: 'bad-document' };

function takes(reader: Reader<unknown>, values: readonly Json[]): void {
  for (const value of values) assert.deepEqual(reader(value, 'at'), value, JSON.stringify(value));
}

function refuses(reader: Reader<unknown>, values: readonly (Json | undefined)[]): void {
  for (const value of [undefined, ...values]) {
    assert.throws(() => reader(value, 'at'), badDocument, JSON.stringify(value));
  }
}

describe('readers', () => {
  it('slug refuses upper case, leading, trailing and doubled hyphens, and more than 64', () => {
    refuses(slug, ['', 'A', '-a', 'a-', 'a--b', 'a b', 'a\n', 'ä', 'a'.repeat(65), 1, null, ['a']]);
    takes(slug, ['a', '0', 'a-b_c', 'a'.repeat(64)]);
  });

  it('hexText refuses other lengths and upper case', () => {
    refuses(hexText(2), ['', 'abc', 'abcde', 'ABCD', 'abcg', 'abcd\n', 0xabcd]);
    takes(hexText(2), ['abcd', '0000']);
  });

  it('date refuses days that do not exist and other forms', () => {
    refuses(date, [
      '2026-02-29',
      '2026-13-01',
      '2026-00-10',
      '2026-01-32',
      '2026-1-1',
      '2026-01-01T00:00:00Z',
      '+002026-01-01',
      '2026-01-01\n',
      20260101,
    ]);
    takes(date, ['2028-02-29', '1970-01-01', '9999-12-31']);
  });

  it('integer and time refuse fractions, text, and what is out of range', () => {
    refuses(integer(1, 5), [0, 6, 1.5, '1', true, Number.NaN, Number.POSITIVE_INFINITY]);
    refuses(integer(0), [-1, 2 ** 53]);
    refuses(time, [-1, 253_402_300_800_000]);
    takes(time, [0, 253_402_300_799_999]);
  });

  it('oneOf, boolean and nullable refuse what only looks like it', () => {
    refuses(oneOf('a', 'b'), ['c', 'A', '', 'toString', '__proto__', null, ['a']]);
    refuses(boolean, [0, 1, 'true', null]);
    refuses(nullable(boolean), ['null', 0]);
    takes(nullable(boolean), [null, true]);
  });

  it('list and set refuse too few, too many, repetitions, and objects with a length', () => {
    refuses(list(integer(0), 1, 2), [[], [1, 2, 3], ['1'], { length: 1, 0: 1 }, 'a']);
    refuses(set(slug, 0, 3), [['a', 'a'], [1]]);
    takes(set(slug, 0, 3), [[], ['a', 'b']]);
  });

  it('text counts UTF-16 units and takes no empty text', () => {
    refuses(text(2), ['', 'abc', '\u{1f600}a']);
    takes(text(2), ['ab', '\u{1f600}']);
  });

  it('object refuses members that are missing, unknown or inherited', () => {
    const reader = object({ a: integer(0), b: nullable(slug) });
    refuses(reader, [
      {},
      { a: 1 },
      { a: 1, b: null, c: 1 },
      JSON.parse('{"a":1,"b":null,"__proto__":{}}') as Json,
      { a: 1, b: null, constructor: 1 },
      [],
      null,
      'a',
    ]);
    refuses(reader, [Object.create({ a: 1, b: null }) as Json]);
    takes(reader, [{ a: 1, b: null }]);
    refuses(object({ toString: integer(0) }), [{}]);
  });

  it('a refusal names the path and nothing of the value', () => {
    const reader = object({ outer: list(object({ inner: slug }), 1, 2) });
    assert.throws(
      () => reader({ outer: [{ inner: 'a' }, { inner: '0123412345671 Name' }] }, ''),
      (error) =>
        error instanceof CoreError &&
        error.message.startsWith('outer[1].inner:') &&
        !error.message.includes('0123412345671'),
    );
  });

  it('a refusal names a member that is not known only where the name could be nobody’s', () => {
    const reader = object({ a: object({ b: slug }) });
    const said = (name: string): string => {
      try {
        reader({ a: { b: 'b', [name]: 1 } }, '');
      } catch (error) {
        return (error as Error).message;
      }
      return assert.fail('taken');
    };
    for (const name of [
      '0123412345671',
      '03980000001x',
      'a\u001b[2J',
      'a\u202e',
      '',
      'پولیس',
      'x y',
    ]) {
      assert.equal(said(name), 'a.?: expected no such member');
    }
    assert.equal(said('x'.repeat(65)), 'a.?: expected no such member');
    assert.equal(said('legal-Basis_x'), 'a.legal-Basis_x: expected no such member');
  });

  it('whatever JSON comes, a reader gives it back as it is or refuses it with a code', () => {
    const reader = object({
      a: nullable(list(object({ b: slug, c: boolean }), 0, 3)),
      d: oneOf('x', 'y'),
    });
    const shaped = fc.record({
      a: fc.oneof(
        fc.constant(null),
        fc.array(
          fc.record(
            { b: fc.oneof(fc.constant('b'), fc.string()), c: fc.boolean() },
            { noNullPrototype: true },
          ),
          { maxLength: 4 },
        ),
      ),
      d: fc.constantFrom('x', 'y', 'z'),
    });
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), shaped), (value) => {
        try {
          assert.deepEqual(reader(value as Json, ''), { ...(value as object) });
        } catch (error) {
          assert.ok(error instanceof CoreError && error.code === 'bad-document', String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('months', () => {
  it('are counted on over the end of a year, and read back as they were', () => {
    assert.equal(monthText(monthNumber('2026-11-26') + 2), '2027-01');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 119_999 }), (month) => {
        assert.equal(monthNumber(monthText(month)), month);
      }),
    );
  });
});
