import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Bench, SIM_HEADING, simLine } from './_bench.ts';
import { encodeFrames } from './rows/frames.ts';

/** 200 MB where slow tests run, else as much as a few seconds take. */
const BYTES = process.env.SLOW === '1' ? 200_000_000 : 1_500_000;
/** What an import may add to the process's memory, whatever the file's size. */
const GROWTH_BYTES_MAX = 250_000_000;
const SALT = '11'.repeat(32);
const LINES_AT_ONCE = 500;
const LINES = Math.floor(BYTES / simLine(1).length);

let bench: Bench;
before(async () => {
  bench = await Bench.open();
});
after(() => bench.close());

function* csv(): Generator<Buffer> {
  yield Buffer.from(SIM_HEADING);
  let text = '';
  for (let sim = 1; sim <= LINES; sim++) {
    text += simLine(sim);
    if (sim % LINES_AT_ONCE !== 0 && sim !== LINES) continue;
    yield Buffer.from(text);
    text = '';
  }
}

function upload(size: number) {
  return encodeFrames([{ name: 'sims.csv', size, content: csv() }]);
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
  const before = process.memoryUsage.rss();
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  const started = performance.now();
  const ended = await bench.custody.imports.upload(begun.import, begun.upload, upload(size));
  clearInterval(watch);
  const seconds = (performance.now() - started) / 1000;
  t.diagnostic(
    `${size} bytes, ${ended.rows} rows, ${Math.round(ended.rows / seconds)} rows/s, ` +
      `memory ${Math.round(before / 1e6)} MB before and ${Math.round(peak / 1e6)} MB at most`,
  );
  assert.deepEqual([ended.rows, ended.stored], [LINES, LINES]);
  assert.ok(peak - before < GROWTH_BYTES_MAX, `memory grew by ${peak - before} bytes`);
});
