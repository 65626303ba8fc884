import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CeremonyClient, KEEPER_FILES } from '@amanat/keeper/client';
import type { Instance } from './_instance.ts';
import type { Served } from './_served.ts';
import { BOTH, Commanded } from './_signed-commands.ts';

// The root's key goes to custodians and to others after them, by the commands, while people are read about.

const WHY = ['--reason', 'a trial'];

let at: Commanded;
let instance: Instance;
let served: Served;

before(async () => {
  at = await Commanded.start();
  ({ instance, served } = at);
});

after(() => at?.[Symbol.asyncDispose]());

const run = (words: readonly string[], input = '') =>
  at.run(['ceremony', ...words, '--json'], input);
const ok = (words: readonly string[], input = '') => at.ok(['ceremony', ...words], input);
const read = () => at.read();

async function refused(words: readonly string[], reason: string, input = '') {
  const ran = await run(words, input);
  assert.equal(ran.code, 1, ran.stdout + ran.stderr);
  assert.equal(JSON.parse(ran.stdout).error.reason, reason, ran.stdout);
  return ran;
}

const sheet = (folder: string, index: number, count = 3) =>
  join(instance.dir, folder, `share-${index}-of-${count}.txt`);
const typed = (path: string) => readFileSync(path, 'utf8');

test('a rehearsal makes sheets that say so, puts them together, and changes nothing', async () => {
  const before_ = (await ok(['status'])).present.root;
  const rehearsed = await ok(['init', '--rehearse', '--sheets', 'rehearsal']);
  assert.equal(rehearsed.isTogether, true);
  for (const name of readdirSync(join(instance.dir, 'rehearsal'))) {
    const path = join(instance.dir, 'rehearsal', name);
    assert.match(typed(path), /REHEARSAL/);
    assert.equal(statSync(path).mode & 0o077, 0, name);
  }
  assert.equal((await ok(['status'])).present.root, before_);
  await read();
});

test('one administrator moves no root, and a folder with sheets is not written over', async () => {
  const half = await ok(['init', '--sheets', 'half', ...WHY, ...BOTH.slice(0, 2)]);
  assert.equal(half.adopted, false);
  const sheets = [1, 2, 3].map((index) => sheet('half', index));
  await refused(['adopt', ...sheets.slice(1)], 'not-entered');
  const again = await run(['init', '--sheets', 'half', ...WHY, ...BOTH]);
  assert.equal(again.code, 1);
  assert.equal((await ok(['status'])).present.provider, 'passphrase');
  // The second completes it, and every sheet has to come back.
  await ok(['init', half.half, ...BOTH.slice(2)]);
  await refused(['adopt', ...sheets.slice(1)], 'shares-missing');
  await refused(['adopt', sheet('rehearsal', 1)], 'not-locked');
  assert.equal((await ok(['status'])).present.provider, 'passphrase');
});

test('two do, with every sheet read back; each is checked without giving it to anybody', async () => {
  const made = await ok(['rotate', '--root', '--sheets', 'first', ...WHY, ...BOTH]);
  assert.equal(made.adopted, true);
  // That it is done is an entry too, and settles what was ordered and never done.
  assert.equal(typeof made.entry, 'number');
  const { orders } = await ok(['status']);
  assert.deepEqual(orders, [
    { type: 'root-rotation', index: made.index, isCarriedOut: true, entered: made.entry },
  ]);
  await read();
  for (const index of [1, 2, 3]) {
    const checked = await ok(['check', sheet('first', index)]);
    assert.deepEqual([checked.of, checked.index, checked.isRight], ['present', index, true]);
    assert.equal((await ok(['check'], typed(sheet('first', index)))).isRight, true);
  }
  await refused(['check', sheet('half', 1)], 'another-ceremony');
  const slip = typed(sheet('first', 1)).replace(/^3 ./m, '3 U');
  assert.match((await refused(['check'], 'bad-share', slip)).stdout, /line 3/);
  await refused(['init', '--sheets', 'more', ...WHY, ...BOTH], 'not-first');
  assert.equal(existsSync(join(instance.dir, 'more')), false);
});

test('from the next start on nothing is read until enough custodians have come', async () => {
  await served.kill();
  await served.start({ isLocked: true });
  const answer = await at.ask();
  assert.equal(answer.status, 503);
  assert.equal(answer.json.code, 'keeper-locked', answer.text);
  await refused(['unseal'], 'another-ceremony', typed(sheet('half', 1)));
  assert.deepEqual((await ok(['unseal'], typed(sheet('first', 3)))).given, [3]);
  assert.equal((await at.ask()).status, 503);
  assert.equal((await ok(['unseal', sheet('first', 2)])).isLocked, false);
  await served.well();
  await read();
});

test('a generation is rotated while people are read about', async () => {
  let isDone = false;
  const reading = (async () => {
    while (!isDone) await read();
  })();
  try {
    const { generation, entry } = await ok(['rotate', '--generation', ...WHY, ...BOTH]);
    assert.equal(generation, 3);
    assert.equal(typeof entry, 'number');
  } finally {
    isDone = true;
    await reading;
  }
  assert.deepEqual((await ok(['status'])).generations, { present: 3, isRotating: false });
  assert.equal((await ok(['rotate', '--generation', ...WHY, ...BOTH])).generation, 4);
  await read();
});

test('from two sheets of three come five others, of which the old are none', async () => {
  await served.kill();
  await served.start({ isLocked: true });
  const terms = ['--sheets', 'second', '--threshold', '3', '--shares', '5', ...WHY, ...BOTH];
  await refused(['recover', sheet('first', 1), ...terms], 'shares-missing');
  const made = await ok(['recover', sheet('first', 3), ...terms]);
  assert.equal(made.sheets.length, 5);
  await read();
  await served.kill();
  await served.start({ isLocked: true });
  await refused(['unseal', sheet('first', 1)], 'another-ceremony');
  const three = [1, 4, 5].map((index) => sheet('second', index, 5));
  // All at one terminal, one under another.
  assert.equal((await ok(['unseal'], three.map(typed).join('\n'))).isLocked, false);
  await served.well();
  await read();
});

test('back under a passphrase, which changes again', async () => {
  for (const _ of [1, 2]) {
    const before_ = typed(instance.paths.passphrase);
    await ok(['rotate', '--root', '--passphrase', ...WHY, ...BOTH]);
    const lines = typed(instance.paths.passphrase).trimEnd().split('\n');
    assert.equal(lines.length, 1);
    assert.ok(!before_.includes(lines[0] as string));
    await served.kill();
    await served.start();
    await served.well();
    await read();
  }
});

test('a change is entered by the next start where gateway and keeper were killed before it was', async () => {
  const one = [...WHY, '--out', 'last.half.json', ...BOTH.slice(0, 2)];
  const { half } = await ok(['rotate', '--root', '--sheets', 'last', ...one]);
  await ok(['rotate', '--root', half, ...BOTH.slice(2)]);
  const client = new CeremonyClient(join(instance.paths.keeper, KEEPER_FILES.ceremony));
  for (const index of [1, 2, 3]) {
    await client.ask('share', {}, readFileSync(sheet('last', index)));
  }
  const { drawn } = (await client.ask('status', {})).answer;
  await client.ask('adopt', { root: drawn?.root ?? '' });
  // Behind the answer to the very change: it is looked for orders each second.
  await served.kill();
  await client[Symbol.asyncDispose]();
  await served.start({ isLocked: true });
  await ok(['unseal', sheet('last', 1), sheet('last', 2)]);
  await served.well();
  const isEntered = ({ orders }: { orders: readonly { entered: unknown }[] }) =>
    orders.every(({ entered }) => entered !== null);
  while (!isEntered((await ok(['status'])) as never)) await sleep(100);
  await read();
});
