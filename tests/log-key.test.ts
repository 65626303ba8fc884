import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatVerifierKey, noteKey } from '@amanat/core/log';
import { openCheckpoint } from '@amanat/core/verify';
import { amanat } from './_cli.ts';
import type { Instance } from './_instance.ts';
import type { Served } from './_served.ts';
import { until } from './_served.ts';
import { BOTH, Commanded } from './_signed-commands.ts';
import { TestWitness } from './_witnesses.ts';

// The log changes the key that signs it while it is served: whoever reads it can follow, and nobody changes it alone.

const READERS = 4;
const KILLS = 3;

let at: Commanded;
let instance: Instance;
let served: Served;
/** A key that the log has left. */
let destroyed: string;

before(async () => {
  at = await Commanded.start();
  ({ instance, served } = at);
});

after(() => at?.[Symbol.asyncDispose]());

const run = (...words: readonly string[]) => at.run(words);
const ok = (...words: readonly string[]) => at.ok(words);
const read = (serial?: number) => at.read(serial);

const rotate = (days: number, ...more: readonly string[]) =>
  ok('log-key', 'rotate', '--both-days', String(days), ...BOTH, ...more);

async function present(): Promise<{ readonly logKey: string; readonly logKeyVersion: number }> {
  return (await served.get('/v1/instance')).json;
}

const audit = (key: string, state: string, expected = 0) =>
  amanat(['audit', instance.paths.public, '--key', key, '--state', state, '--json'], {
    cwd: instance.dir,
  }).then((ran) => {
    assert.equal(ran.code, expected, ran.stdout + ran.stderr);
    return JSON.parse(ran.stdout);
  });

/** Which of these keys signed the checkpoint that is published. */
async function signedBy(...keys: readonly string[]): Promise<readonly boolean[]> {
  const { text } = await served.get('/checkpoint');
  return Promise.all(keys.map(async (key) => (await openCheckpoint(text, key)).signature === 'ok'));
}

const keyFiles = () => readdirSync(instance.paths.log).filter((name) => name.includes('.pem'));

test('one administrator names no key, nor do both a key that the gateway has not', async () => {
  const { logKey } = await present();
  const half = await ok('log-key', 'rotate', '--as', 'administrator-1.pem');
  assert.equal(half.submitted, false);
  const alone = await run('log-key', 'rotate', 'log-key.half.json', '--as', 'administrator-1.pem');
  assert.equal(alone.code, 1, alone.stdout);
  const drawn = join(instance.paths.log, 'log-key-1.pem');
  rmSync(drawn);
  const lost = await run('log-key', 'rotate', 'log-key.half.json', '--as', 'administrator-2.pem');
  assert.equal(lost.code, 1, lost.stdout);
  assert.match(lost.stdout + lost.stderr, /have not both signed this document/);
  assert.equal((await present()).logKey, logKey);
  await read();
  assert.deepEqual(await signedBy(logKey), [true]);
});

test('while people are read about, both keys sign, and who audits by the first is told of the second', async () => {
  const { logKey: first } = await present();
  assert.equal((await audit(first, 'state.json')).nextKey, null);
  let isDone = false;
  const reading = Array.from({ length: READERS }, async (_, nth) => {
    while (!isDone) await read(nth + 1);
  });
  const entered = await rotate(30);
  await sleep(200);
  isDone = true;
  await Promise.all(reading);
  const { logKey: second, logKeyVersion } = await present();
  assert.notEqual(second, first);
  assert.equal(logKeyVersion, 1);
  await read();
  assert.deepEqual(await signedBy(first, second), [true, true]);
  assert.deepEqual(keyFiles(), ['log-key-1.pem', 'log-key.pem']);

  const told = await audit(first, 'state.json');
  assert.equal(told.nextKey.key, second);
  const known = await audit(second, 'state.json');
  assert.ok(known.rememberedSize > entered.index, 'its memory goes on under the second key');
  assert.equal(known.nextKey, null);
  await audit(first, 'other.json');
  const stranger = formatVerifierKey(noteKey('journey.example/log', Buffer.alloc(32, 7)));
  await audit(stranger, 'state.json', 1);

  assert.equal((await ok('verify')).logKey, second);
  await served.stop();
  await served.start();
  await read();
  assert.deepEqual(await signedBy(first, second), [true, true]);
});

test('killed as it changes, the gateway comes back with the key that its log names', async () => {
  for (let turn = 0; turn < KILLS; turn++) {
    const { logKeyVersion } = await present();
    const rotating = run('log-key', 'rotate', '--both-days', '30', ...BOTH);
    await sleep(150 + 120 * turn);
    await served.kill();
    await rotating;
    await served.start();
    const now = await present();
    assert.ok([logKeyVersion, logKeyVersion + 1].includes(now.logKeyVersion));
    await read();
    assert.deepEqual(await signedBy(now.logKey), [true]);
    assert.equal((await run('verify')).code, 0);
  }
});

test('once its days are over the key before is destroyed, and an older keeper follows all the same', async () => {
  await served.stop();
  const before = join(instance.dir, 'keeper-before');
  cpSync(instance.paths.keeper, before, { recursive: true });
  await served.start();
  const { logKey: old } = await present();
  await rotate(0);
  await rotate(0);
  destroyed = old;
  const { logKey, logKeyVersion } = await present();
  await read();
  const bytes = readFileSync(join(instance.paths.log, `log-key-${logKeyVersion}.pem`));
  assert.ok(bytes.length > 0);
  assert.ok(!keyFiles().includes(`log-key-${logKeyVersion - 1}.pem`), String(keyFiles()));
  assert.deepEqual(await signedBy(old, logKey), [false, true]);
  const refused = await audit(old, 'late.json', 1);
  assert.deepEqual(refused.findings[0].code, 'bad-checkpoint');
  await audit(logKey, 'fresh.json');
  assert.equal((await run('verify')).code, 0);

  await served.stop();
  rmSync(instance.paths.keeper, { recursive: true });
  cpSync(before, instance.paths.keeper, { recursive: true });
  const store = await run('backup', '--store', join(instance.dir, 'store-copy'));
  assert.equal(store.code, 0, store.stderr);
  const restored = await run(
    'restore',
    '--store',
    join(instance.dir, 'store-copy'),
    '--force',
    '--accept-forgotten',
  );
  assert.equal(restored.code, 0, restored.stdout + restored.stderr);
  await served.start();
  await read();
  assert.deepEqual(await signedBy(logKey), [true]);
});

test('a witness that knows only a key that signs no more cosigns nothing', async () => {
  await using witness = await TestWitness.create(instance.dir, 'a', destroyed);
  writeFileSync(
    join(instance.dir, 'witnesses.yaml'),
    `witnesses:\n  - key: ${witness.key}\n    url: ${witness.url}\nquorum: 1\nfaulty: 0\n`,
  );
  await ok('witnesses', 'declare', 'witnesses.yaml', ...BOTH);
  const answer = await until(async () => {
    const { status, json } = await at.ask();
    return status === 503 ? json : null;
  });
  assert.equal(answer.code, 'not-witnessed');
  assert.equal((await served.get('/v1/health')).json.log, 'not-witnessed');
});
