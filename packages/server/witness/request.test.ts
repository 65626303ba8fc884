import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, utf8 } from '@amanat/core/bytes';
import { formatNote } from '@amanat/core/log';
import fc from 'fast-check';
import { requestOf, SimulatedLog } from './_log.ts';
import { REQUEST_BYTES_MAX, readAddCheckpoint } from './request.ts';

const log = new SimulatedLog('log.example/amanat');

test('a body over its bound is none, and the same with a shorter proof is one', () => {
  const text = log.head(5);
  const key = { name: 'stranger.example', keyId: 1 };
  const note = formatNote(text, [{ key, signature: new Uint8Array(96_500) }]);
  const body = (lines: number) => utf8(requestOf(0, Array(lines).fill(log.root(1)), note));
  assert.ok(body(63).length > REQUEST_BYTES_MAX);
  assert.equal(readAddCheckpoint(body(63)), null);
  assert.ok(body(40).length <= REQUEST_BYTES_MAX);
  assert.equal(readAddCheckpoint(body(40))?.proof.length, 40);
});

test('a body comes back as it was meant', () => {
  fc.assert(
    fc.property(fc.nat(40), fc.nat(40), (from, more) => {
      const to = from + more;
      const read = readAddCheckpoint(utf8(log.request(from, to)));
      assert.deepEqual(read, {
        oldSize: from,
        proof: log.proof(from, to),
        note: log.checkpoint(to),
        checkpoint: { origin: log.origin, size: to, root: log.root(to), extensions: [] },
      });
    }),
  );
});

test('whatever comes is read or is none, and what is read is what was sent', () => {
  const valid = utf8(log.request(5, 13));
  const mutated = fc
    .tuple(fc.nat(), fc.uint8Array({ maxLength: 3 }), fc.nat(3))
    .map(([pick, put, drop]) => {
      const at = pick % valid.length;
      return concat(valid.subarray(0, at), put, valid.subarray(at + drop));
    });
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array()), (bytes) => {
      const read = readAddCheckpoint(bytes);
      if (read === null) return;
      assert.deepEqual(utf8(requestOf(read.oldSize, read.proof, read.note)), bytes);
    }),
    { numRuns: 2_000 },
  );
});
