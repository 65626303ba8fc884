import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CoreError } from '../errors.ts';
import { formatCheckpoint, parseCheckpoint } from './checkpoint.ts';

const badCheckpoint = { name: 'CoreError', code: 'bad-checkpoint' };
const root = new Uint8Array(32).fill(5);
const head = { origin: 'log.example', size: 7, root };

describe('a checkpoint', () => {
  it('that could not be read back is not written', () => {
    for (const origin of ['', 'a\nb', 'a\tb', '\ud800', 'x'.repeat(20_000)]) {
      assert.throws(() => formatCheckpoint({ ...head, origin }), badCheckpoint);
    }
    for (const size of [-1, 0.5, Number.NaN, 2 ** 53]) {
      assert.throws(() => formatCheckpoint({ ...head, size }), badCheckpoint);
    }
    assert.throws(() => formatCheckpoint({ ...head, root: root.subarray(1) }), badCheckpoint);
  });

  it('comes back', () => {
    const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(fc.maxSafeNat(), bytes, (size, some) => {
        const text = formatCheckpoint({ ...head, size, root: some });
        assert.deepEqual(parseCheckpoint(text), { ...head, size, root: some, extensions: [] });
      }),
    );
  });

  it('is refused, or its text is the only one it has, whatever it was', () => {
    const valid = formatCheckpoint(head);
    const mutated = fc
      .tuple(
        fc.nat(),
        fc.constantFrom('', '\n', '0', '7', 'A', '=', ' ', '-', '\r', '۷'),
        fc.nat(1),
      )
      .map(([pick, put, drop]) => {
        const at = pick % (valid.length + 1);
        return valid.slice(0, at) + put + valid.slice(at + drop);
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.string()), (text) => {
        try {
          const { extensions, ...rest } = parseCheckpoint(text);
          const lines = extensions.map((line) => `${line}\n`).join('');
          assert.equal(formatCheckpoint(rest) + lines, text);
        } catch (error) {
          assert.ok(error instanceof CoreError && error.code === 'bad-checkpoint', String(error));
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
