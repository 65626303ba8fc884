import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Permutation, RandomSource } from './random.ts';

test('a counter outside the permutation is refused', () => {
  const permutation = new Permutation('seed', 'test', 7, 11);
  for (const counter of [-1, 77, 0.5, Number.NaN])
    assert.throws(() => permutation.at(counter), RangeError);
});

test('picking from nothing is refused', () => {
  assert.throws(() => new RandomSource('seed', 'test').at(0).pick([]), RangeError);
});

test('distinct counters give distinct numbers, and every number has its counter', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      (seed, left, right) => {
        const permutation = new Permutation(seed, 'test', left, right);
        const numbers = Array.from({ length: left * right }, (_, counter) =>
          permutation.at(counter),
        );
        assert.deepEqual(
          numbers.toSorted((a, b) => a - b),
          Array.from({ length: left * right }, (_, counter) => counter),
        );
      },
    ),
    { numRuns: 100 },
  );
});

test('streams of two indexes, labels or seeds differ', () => {
  const first = (seed: string, label: string, index: number) => {
    const random = new RandomSource(seed, label).at(index);
    return [random.next(), random.next(), random.next(), random.next()].join();
  };
  const starts = [first('a', 'x', 0), first('a', 'x', 1), first('a', 'y', 0), first('b', 'x', 0)];
  assert.equal(new Set(starts).size, starts.length);
  assert.equal(first('a', 'x', 0), starts[0]);
});

test('numbers below a limit fall evenly', () => {
  const random = new RandomSource('seed', 'even').at(0);
  const seen = new Array<number>(10).fill(0);
  for (let draw = 0; draw < 20_000; draw += 1) {
    const value = random.below(10);
    seen[value] = (seen[value] ?? 0) + 1;
  }
  assert.ok(Math.min(...seen) > 1_800 && Math.max(...seen) < 2_200, seen.join());
});
