import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { equal, hex } from '@amanat/core/bytes';
import { verifyNoteSignature } from '@amanat/core/keys';
import type { CosignerKey } from '@amanat/core/log';
import {
  formatNote,
  MAX_TREE_SIZE,
  openCosignatures,
  parseCheckpoint,
  parseCosignerKey,
  parseNote,
} from '@amanat/core/log';
import { SimulatedLog } from '../packages/server/witness/_log.ts';
import { chances } from './_chances.ts';
import { amanat, startAmanat } from './_cli.ts';

const NAME = 'witness.example/journey';
const KILLS = 12;
const CLIENTS = 6;
/** A kill comes this long, at most, after the first answer. */
const KILL_AFTER_MS_MAX = 120;
const GROWTH_MAX = 9;

const log = new SimulatedLog('journey.example/log');
const listed = new SimulatedLog('listed.example/log');
let cwd: string;
let keys: readonly CosignerKey[];

before(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'amanat-witness-journey-'));
  const made = await amanat(
    ['witness', 'init', '--dir', 'w', '--name', NAME, '--ml-dsa', '--json'],
    { cwd },
  );
  assert.equal(made.code, 0, made.stderr);
  const { verifierKeys } = JSON.parse(made.stdout) as { verifierKeys: readonly string[] };
  keys = verifierKeys.map(parseCosignerKey);
  writeFileSync(join(cwd, 'w/logs.policy'), `log ${listed.verifierKey}\nquorum none\n`);
});

after(() => rmSync(cwd, { recursive: true, force: true }));

async function start() {
  const served = await startAmanat(
    ['witness', '--dir', 'w', '--log', log.verifierKey, '--port', '0'],
    { cwd, ready: /Witnessing .*Ctrl-C/ },
  );
  const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(served.output()) ?? [];
  assert.ok(url);
  return { ...served, url };
}

async function add(url: string, body: string): Promise<{ status: number; body: string }> {
  const response = await fetch(`${url}/add-checkpoint`, { method: 'POST', body });
  return { status: response.status, body: await response.text() };
}

/** The head that the witness shows monitors, with its cosignatures verified; size 0 where there is none. */
async function latest(url: string): Promise<{ size: number; root: Uint8Array }> {
  const hash = createHash('sha256').update(log.origin).digest('hex');
  const response = await fetch(`${url}/${hash}/checkpoint`);
  if (response.status === 404) return { size: 0, root: log.root(0) };
  const note = await response.text();
  assert.equal(openCosignatures(note, keys, verifyNoteSignature).length, keys.length);
  return parseCheckpoint(parseNote(note).text);
}

test('a witness is not made over another folder, and does not run without its state or with an open key', async () => {
  const refused = async (args: readonly string[], pattern: RegExp, code = 1) => {
    const ran = await amanat(args, { cwd });
    assert.equal(ran.code, code, ran.stderr);
    assert.match(ran.stderr, pattern);
    assert.ok(!ran.stderr.includes('PRIVATE'));
  };
  await refused(['witness', 'init', '--dir', 'w', '--name', NAME], /is not empty/);
  await refused(['witness', 'init', '--dir', 'v'], /--name is missing/, 2);
  await refused(['witness', 'init', '--dir', 'v', '--name', 'two words'], /not a name/);
  await refused(['witness', '--dir', 'v'], /no witness in/);
  await refused(['witness', '--dir', 'w', '--log', 'nonsense'], /--log is not/, 2);
  assert.equal(statSync(join(cwd, 'w/ed25519.pem')).mode & 0o777, 0o600);
  chmodSync(join(cwd, 'w/ed25519.pem'), 0o644);
  await refused(['witness', '--dir', 'w'], /open to other users/);
  chmodSync(join(cwd, 'w/ed25519.pem'), 0o600);
});

test('its help says what it takes', async () => {
  const help = await amanat(['witness', '--help'], { cwd });
  assert.match(help.stdout, /--log KEY[\s\S]*--port N/);
  const init = await amanat(['witness', 'init', '--help'], { cwd });
  assert.match(init.stdout, /--name NAME[\s\S]*--ml-dsa/);
});

test('it witnesses the logs of its file and of its command line, and says its keys', async () => {
  const { url, output, stop } = await start();
  try {
    assert.match(output(), new RegExp(`Verifier key: ${NAME}\\+[0-9a-f]{8}\\+B[\\s\\S]*\\+B`));
    const answer = await add(url, listed.request(0, 4));
    assert.equal(answer.status, 200);
    const text = listed.head(4);
    const cosigned = openCosignatures(`${text}\n${answer.body}`, keys, verifyNoteSignature);
    assert.equal(cosigned.length, 2);
    assert.equal((await add(url, new SimulatedLog('c.example').request(0, 4))).status, 404);
  } finally {
    await stop();
  }
});

/** Whatever a client was told it had been given: it must be true for ever. */
interface Acknowledged {
  readonly size: number;
  readonly text: string;
  readonly lines: string;
}

/** Submits ever larger trees until the witness is gone, and says what it was given. */
async function submit(
  url: string,
  random: () => number,
  given: Acknowledged[],
  fork: SimulatedLog,
): Promise<void> {
  let held = (await latest(url)).size;
  for (;;) {
    const lies = random() < 0.2;
    const source = lies ? fork : log;
    const size = held + Math.floor(random() * GROWTH_MAX);
    const { status, body } = await add(url, source.request(held, size));
    if (status === 200) {
      // A fork that differs from the first leaf on extends nothing but the tree without leaves.
      assert.ok(!lies, `a fork was cosigned at ${size}`);
      given.push({ size, text: log.head(size), lines: body });
      held = size;
    } else if (status === 409) held = Number(body);
    else assert.ok(lies && status === 422, `${status} from ${held} to ${size}`);
  }
}

test('killed in the midst of it, it never signs less than it did, nor another tree', async (t) => {
  const random = chances(20261125);
  const fork = log.fork(0);
  const given: Acknowledged[] = [];
  const first = await start();
  assert.equal((await add(first.url, log.request(0, 3))).status, 200);
  await first.stop();

  let killed = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const { url, child } = await start();
    t.after(() => child.kill('SIGKILL'));
    const { size, root } = await latest(url);
    const largest = given.reduce((max, each) => Math.max(max, each.size), 3);
    assert.ok(size >= largest, `${size} after ${largest} was acknowledged`);
    assert.ok(equal(root, log.root(size)));
    await assertRefusesThePast(url, size, fork);
    const before = given.length;
    let isOver = false;
    const clients = Array.from({ length: CLIENTS }, () => submit(url, random, given, fork));
    const outcomes = Promise.allSettled(clients).finally(() => {
      isOver = true;
    });
    while (given.length === before && !isOver) await sleep(1);
    await sleep(random() * KILL_AFTER_MS_MAX);
    child.kill('SIGKILL');
    for (const outcome of await outcomes) {
      // What ends a client is that the witness is gone, and nothing that it answered.
      assert.equal(outcome.status, 'rejected');
      if (!(outcome.reason instanceof TypeError)) throw outcome.reason;
    }
    killed += child.signalCode === 'SIGKILL' || child.killed ? 1 : 0;
  }
  assert.equal(killed, KILLS);
  assert.ok(given.length > KILLS);

  const { url, stop } = await start();
  try {
    const { size } = await latest(url);
    await assertRefusesThePast(url, size, fork);
    const roots = new Map<number, string>();
    for (const { size: acknowledged, text, lines } of given) {
      assert.ok(acknowledged <= size);
      const cosigned = openCosignatures(`${text}\n${lines}`, keys, verifyNoteSignature);
      assert.equal(cosigned.length, keys.length);
      const root = hex(parseCheckpoint(text).root);
      assert.equal(roots.get(acknowledged) ?? root, root);
      roots.set(acknowledged, root);
    }
    const grown = await add(url, log.request(size, size + 1));
    assert.equal(grown.status, 200);
  } finally {
    await stop();
  }
});

/** What a log that would rewrite its past might try after a crash; none of it is cosigned, and nothing changes. */
async function assertRefusesThePast(url: string, size: number, fork: SimulatedLog): Promise<void> {
  const late = log.fork(size - 1);
  const huge = log.head(MAX_TREE_SIZE, fork.root(size));
  const tries = [
    log.request(size - 1, size),
    log.request(0, size),
    log.request(0, size - 1),
    log.request(size, size - 1),
    fork.request(size, size),
    fork.request(size, size + 5),
    fork.request(0, size + 5),
    late.request(size, size),
    late.request(size, size + 1),
    late.request(size - 1, size + 1),
    log.request(size, size + 1, { proof: [] }),
    log.request(size, MAX_TREE_SIZE, {
      proof: [],
      checkpoint: formatNote(huge, [log.signature(huge)]),
    }),
  ];
  for (const [at, body] of tries.entries()) {
    const answer = await add(url, body);
    assert.ok([400, 409, 422].includes(answer.status), `${at}: ${answer.status}`);
    assert.ok(!answer.body.includes('—'), `${at}`);
  }
  assert.equal((await latest(url)).size, size);
}
