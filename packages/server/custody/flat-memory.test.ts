import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Bench, SIM_HEADING, simLine } from './_bench.ts';
import { encodeFrames } from './rows/frames.ts';

const BYTES = 200_000_000;
/** Texts as long as a field takes them: so large a file then has few rows, and is imported in seconds. */
const LONG = '€'.repeat(500);
const longLine = (sim: number) => simLine(sim, { name: LONG }).replace(/"House[^"]*"/, LONG);
/** By then caches are full; whatever is more afterwards grows with the file. */
const WARM_BYTES = 80_000_000;
/** Of what is held; and of what the system has lent, which allocators give back late. The rest of the file is more. */
const HELD_GROWTH_MAX = 60_000_000;
const LENT_GROWTH_MAX = 100_000_000;
const SALT = '11'.repeat(32);
const LINES_AT_ONCE = 100;
const LINES = Math.ceil(BYTES / Buffer.byteLength(longLine(1)));

let bench: Bench;
before(async () => {
  bench = await Bench.open();
});
after(() => bench.close());

function* csv(onBytes: (bytes: number) => void = () => {}): Generator<Buffer> {
  let bytes = 0;
  yield Buffer.from(SIM_HEADING);
  let text = '';
  for (let sim = 1; sim <= LINES; sim++) {
    text += longLine(sim);
    if (sim % LINES_AT_ONCE !== 0 && sim !== LINES) continue;
    const chunk = Buffer.from(text);
    yield chunk;
    bytes += chunk.length;
    onBytes(bytes);
    text = '';
  }
}

function upload(size: number, onBytes?: (bytes: number) => void) {
  return encodeFrames([{ name: 'sims.csv', size, content: csv(onBytes) }]);
}

test('an import takes no more memory for a large file', async (t) => {
  let size = 0;
  for (const chunk of csv()) size += chunk.length;
  const hash = createHash('sha256').update(Buffer.from(SALT, 'hex'));
  for await (const chunk of upload(size)) hash.update(chunk);
  const begun = await bench.begin('sim-registrations', Buffer.alloc(0), {
    salt: SALT,
    commitment: hash.digest('hex'),
    rowLimit: LINES,
  });
  const most = { warm: { held: 0, lent: 0 }, after: { held: 0, lent: 0 } };
  const measure = (bytes: number) => {
    const { heapUsed, external, rss } = process.memoryUsage();
    const phase = bytes < WARM_BYTES ? most.warm : most.after;
    phase.held = Math.max(phase.held, heapUsed + external);
    phase.lent = Math.max(phase.lent, rss);
  };
  const started = performance.now();
  const whole = upload(size, measure);
  const ended = await bench.custody.imports.upload(begun.import, begun.upload, whole);
  const seconds = (performance.now() - started) / 1000;
  const { warm, after } = most;
  const megabytes = [warm.held, after.held, warm.lent, after.lent].map((n) => Math.round(n / 1e6));
  t.diagnostic(
    `${size} bytes, ${ended.rows} rows in ${Math.round(seconds)} s; MB held at most and later, lent at most and later: ${megabytes}`,
  );
  assert.deepEqual([ended.rows, ended.stored], [LINES, LINES]);
  assert.ok(after.held - warm.held < HELD_GROWTH_MAX, `${after.held - warm.held} bytes more held`);
  assert.ok(after.lent - warm.lent < LENT_GROWTH_MAX, `${after.lent - warm.lent} bytes more lent`);
});
