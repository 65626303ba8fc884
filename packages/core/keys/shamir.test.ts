import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { hex } from '../bytes.ts';
import type { ShamirShare } from './shamir.ts';
import { combineShares, makeShares, SHARES_MAX } from './shamir.ts';

/** Products by another way than the code's: logarithms to the base 3, which generates the field. */
const EXP: number[] = [];
for (let power = 1; EXP.length < 255; ) {
  EXP.push(power);
  const doubled = power << 1;
  power = (doubled ^ power ^ (doubled > 255 ? 0x11b : 0)) & 0xff;
}
const times = (a: number, b: number) =>
  a === 0 || b === 0 ? 0 : (EXP[(EXP.indexOf(a) + EXP.indexOf(b)) % 255] as number);

/** Every choice of `size` of the items. */
function* subsets<T>(items: readonly T[], size: number): Generator<T[]> {
  if (size === 0) yield [];
  for (let at = 0; at <= items.length - size && size > 0; at++) {
    for (const rest of subsets(items.slice(at + 1), size - 1)) yield [items[at] as T, ...rest];
  }
}

describe('splitting a secret', () => {
  it('is refused where it would protect nothing, or nobody could put it together', () => {
    const refused = (threshold: number, count: number, secret = new Uint8Array(32)) =>
      assert.throws(() => makeShares(secret, { threshold, count }, randomBytes), {
        code: 'out-of-range',
      });
    for (const [threshold, count] of [
      [1, 3],
      [0, 0],
      [4, 3],
      [2, SHARES_MAX + 1],
      [2.5, 3],
      [2, Number.NaN],
    ] as const) {
      refused(threshold, count);
    }
    refused(2, 3, new Uint8Array());
  });

  it('is as the field says: two of three by hand', () => {
    // f(x) = 0x53 + 0xca·x, whose product is 1 (FIPS 197, 4.2).
    const shares = makeShares(Uint8Array.of(0x53), { threshold: 2, count: 3 }, () =>
      Uint8Array.of(0xca),
    );
    assert.deepEqual(
      shares.map(({ index, value }) => [index, value[0]]),
      [1, 2, 3].map((x) => [x, 0x53 ^ times(0xca, x)]),
    );
  });

  it('gives the secret back from any threshold of the shares, in any order, and from more', () => {
    for (let threshold = 2; threshold <= 5; threshold++) {
      for (let count = threshold; count <= 6; count++) {
        const secret = randomBytes(32);
        const shares = makeShares(secret, { threshold, count }, randomBytes);
        for (let size = threshold; size <= count; size++) {
          for (const some of subsets(shares, size)) {
            assert.equal(hex(combineShares(some)), hex(secret));
            assert.equal(hex(combineShares(some.toReversed())), hex(secret));
          }
        }
      }
    }
    const most = { threshold: SHARES_MAX, count: SHARES_MAX };
    const secret = randomBytes(32);
    assert.equal(hex(combineShares(makeShares(secret, most, randomBytes))), hex(secret));
  });

  it('does not give it from fewer, nor where one is another secret’s', () => {
    const secret = randomBytes(32);
    const shares = makeShares(secret, { threshold: 3, count: 5 }, randomBytes);
    const [foreign] = makeShares(randomBytes(32), { threshold: 3, count: 5 }, randomBytes);
    for (const two of subsets(shares, 2)) assert.notEqual(hex(combineShares(two)), hex(secret));
    const mixed = [foreign as ShamirShare, ...shares.slice(1, 3)];
    assert.notEqual(hex(combineShares(mixed)), hex(secret));
  });

  it('tells nothing by fewer: to every secret there is exactly one polynomial for one share of two', () => {
    for (const index of [1, 2, 3]) {
      const fits = new Map<number, Set<number>>();
      for (let secret = 0; secret < 256; secret++) {
        for (let coefficient = 0; coefficient < 256; coefficient++) {
          const value = secret ^ times(coefficient, index);
          if (value === 0x5a) fits.set(secret, (fits.get(secret) ?? new Set()).add(coefficient));
        }
      }
      assert.equal(fits.size, 256);
      assert.ok([...fits.values()].every((each) => each.size === 1));
    }
  });

  it('leaves no coefficient in memory that it was given', () => {
    const given: Uint8Array[] = [];
    makeShares(randomBytes(32), { threshold: 3, count: 3 }, (bytes) => {
      given.push(randomBytes(bytes));
      return given.at(-1) as Uint8Array;
    });
    assert.equal(given.length, 2);
    assert.ok(given.every((bytes) => bytes.every((byte) => byte === 0)));
  });
});

it('shares that do not go together are refused', () => {
  const share = (index: number, bytes = 2) => ({ index, value: new Uint8Array(bytes) });
  for (const shares of [
    [],
    [share(1), share(1)],
    [share(0), share(1)],
    [share(17), share(1)],
    [share(1.5), share(2)],
    [share(1), share(2, 3)],
    [share(1, 0), share(2, 0)],
  ]) {
    assert.throws(() => combineShares(shares), { code: 'out-of-range' });
  }
});
