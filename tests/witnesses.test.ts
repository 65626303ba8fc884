import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readDocument } from '@amanat/core/grants';
import { exportSigningKey, verifyNoteSignature } from '@amanat/core/keys';
import type { Cosignature } from '@amanat/core/log';
import {
  formatNote,
  openCosignatures,
  parseCheckpoint,
  parseCosignerKey,
  parseLeaf,
  parseNote,
} from '@amanat/core/log';
import { packLeaves, splitPrepared } from '@amanat/keeper/client';
import { plainConsistency, plainLeaf, plainRoot } from '../packages/core/log/_tree.ts';
import { readLogKey, signCheckpoint } from '../packages/server/log/key.ts';
import { createSqliteLogStore } from '../packages/server/log/store-sqlite.ts';
import { WitnessClient } from '../packages/server/log/witness-client.ts';
import { openDatabaseForReading } from '../packages/server/storage/sqlite.ts';
import { amanat } from './_cli.ts';
import { cnicOf, Instance, simsCsv } from './_instance.ts';
import { Served, until } from './_served.ts';
import type { Lie } from './_witnesses.ts';
import { TestWitness } from './_witnesses.ts';

const ORIGIN = 'journey.example/log';
const EXAMPLE = join(import.meta.dirname, '../docs/examples/witnesses.yaml');
/** As the example says. */
const QUORUM = 3;
const RELEASES = 3;
const PEOPLE = 8;
/** Kills of gateway and of keeper, by turns. */
const KILLS = 4;
const CONNECTIONS = 4;
/** Restarts of the keeper alone. */
const RESTARTS = 3;
const SLOW_MS = 120;
const PAUSE_MS = 30;

let instance: Instance;
let served: Served;
let witnesses: readonly [TestWitness, TestWitness, TestWitness, TestWitness];
let stack: AsyncDisposableStack;

before(async () => {
  stack = new AsyncDisposableStack();
  instance = stack.use(await Instance.create());
  const serials = Array.from({ length: PEOPLE }, (_, at) => at + 1);
  await instance.importCsv('telecom-importer', 'sim-registrations', simsCsv(serials));
  await instance.stopGateway();
  await instance.stopKeeper();
  for (const name of ['administrator-1', 'administrator-2'] as const) {
    const pem = exportSigningKey(instance.key(name));
    writeFileSync(join(instance.dir, `${name}.pem`), pem, { mode: 0o600 });
  }
  const { verifierKey } = readLogKey(instance.paths.log, ORIGIN);
  const made = [];
  for (const name of ['a', 'b', 'c', 'd']) {
    made.push(stack.use(await TestWitness.create(instance.dir, name, verifierKey)));
  }
  witnesses = made as unknown as typeof witnesses;
  witnesses[3].other = witnesses[0];
  served = stack.use(new Served(instance));
  await served.start();
});

after(() => stack?.disposeAsync());

/** Runs a command in both administrators' names. */
async function byAdministrators(...words: readonly string[]): Promise<void> {
  const signers = ['--as', 'administrator-1.pem', '--as', 'administrator-2.pem'];
  const ran = await amanat([...words, ...signers, '--dir', instance.dir], { cwd: instance.dir });
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
}

async function ask(serial = 1) {
  const request = instance.request('officer', [cnicOf(serial)]);
  return served.post('/v1/requests', { ...request, approval: null });
}

/** One read that must come back with the record. */
async function read(): Promise<void> {
  const answer = await ask();
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.results[0].records.length, 1, answer.text);
}

async function health() {
  return (await served.get('/v1/health')).json;
}

/** Waits until the published checkpoint, which comes after the answers, has so many witnesses' cosignatures. */
async function publishedBy(count: number): Promise<void> {
  await until(async () => ((await published()).cosignatures === count ? true : null));
}

/** How many cosignatures the published checkpoint has; throws where one does not verify. */
async function published(): Promise<{ readonly size: number; readonly cosignatures: number }> {
  const { text } = await served.get('/checkpoint');
  const keys = witnesses.map(({ key }) => parseCosignerKey(key));
  const cosignatures = openCosignatures(text, keys, verifyNoteSignature).length;
  return { size: parseCheckpoint(parseNote(text).text).size, cosignatures };
}

/** How many releases the log's public entries count, entry by entry. */
function counts(): readonly number[] {
  const database = openDatabaseForReading(instance.paths.database);
  try {
    const rows = database.prepare('SELECT bytes FROM leaves ORDER BY idx').all();
    return (rows as unknown as { bytes: Uint8Array }[]).flatMap(({ bytes }) => {
      const leaf = parseLeaf(bytes);
      if (leaf.kind !== 'public' || !leaf.document.includes('broken-glass-counted')) return [];
      return [readDocument(leaf.document, 'broken-glass-counted').releases];
    });
  } finally {
    database.close();
  }
}

test('two administrators appoint witnesses, and from then on a read has the quorum’s cosignatures', async () => {
  assert.equal((await health()).witnessed, false);
  await read();
  const file = join(instance.dir, 'witnesses.yaml');
  const next = witnesses.values();
  const declared = readFileSync(EXAMPLE, 'utf8')
    .replaceAll(/key: .*\n {4}url: .*/g, () => {
      const { key, url } = next.next().value as TestWitness;
      return `key: ${key}\n    url: ${url}`;
    })
    .replace('releases: 10', `releases: ${RELEASES}`);
  writeFileSync(file, declared);
  await byAdministrators('witnesses', 'declare', file);
  await read();
  assert.equal((await health()).witnessing, 'cosigned by 3 of 4 witnesses');
  await publishedBy(QUORUM);
});

test('a witness that hangs costs nothing while a quorum is quicker', async () => {
  witnesses[1].signal('SIGSTOP');
  for (let at = 0; at < 10; at++) await read();
  await publishedBy(QUORUM);
  witnesses[1].signal('SIGCONT');
});

test('a witness that lies costs nothing, and the keeper never sees the lie', async () => {
  const liar = witnesses[3];
  const from = served.output.length;
  const lies: readonly Lie[] = [
    'another-witness',
    'old',
    'flipped',
    'empty',
    'future-size',
    'huge',
    'redirect',
  ];
  for (const lie of lies) {
    const { truths, lies: before } = liar;
    liar.lie = lie;
    // It may still rest after what it did before.
    while (liar.lies === before) await read();
    for (let at = 0; at < 3; at++) await read();
    liar.lie = null;
    while (liar.truths === truths) await read();
    // Throws where a cosignature does not verify.
    await publishedBy(QUORUM);
  }
  assert.doesNotMatch(served.output.slice(from), /log failure|log closed/);
});

test('without the quorum reads stop and say why, and go on by themselves once one is back', async () => {
  const [one, two] = witnesses;
  await one.kill();
  await read();
  await two.kill();
  const refused = await until(async () => {
    const answer = await ask();
    return answer.status === 200 ? null : answer;
  });
  assert.equal(refused.status, 503);
  assert.equal(refused.json.code, 'not-witnessed', refused.text);
  const file = join(instance.dir, 'more.csv');
  writeFileSync(file, simsCsv([PEOPLE + 1]));
  const importMore = () =>
    served.import(instance.key('telecom-importer'), 'sim-registrations', [file]);
  await assert.rejects(importMore(), { reason: 'not-witnessed' });
  const { status, json } = await served.get('/v1/health');
  assert.equal(status, 503);
  assert.equal(json.log, 'not-witnessed');
  assert.equal(json.keeper, 'ok');
  const { size, cosignatures } = await published();
  assert.equal(cosignatures, QUORUM, 'nothing is published that nobody cosigned');
  await one.start();
  await served.well();
  await read();
  assert.equal((await importMore()).stored, 1);
  await until(async () => ((await published()).size > size ? true : null));
});

test('a broken glass releases as many as it says, and the log counts them once, whatever is killed', async () => {
  const [one, two] = witnesses;
  await one.kill();
  await until(async () => ((await ask()).status === 503 ? true : null));
  await byAdministrators('witnesses', 'break-glass', '--reason', 'journey', '--hours', '1');
  await served.well();
  assert.match((await health()).witnessing, /^glass broken until .*: 2 of 4 witnesses do$/);
  for (let at = 0; at < RELEASES; at++) await read();
  await publishedBy(2);
  const spent = await ask();
  assert.equal(spent.json.results[0].error, 'not-released', spent.text);
  assert.deepEqual(counts(), []);
  await one.start();
  await two.start();
  // The full quorum covers them with the first entry after.
  await until(async () => {
    const answer = await ask();
    return answer.json.results?.[0].records.length === 1 ? true : null;
  });
  await served.kill();
  await served.start();
  await until(() => (counts().length > 0 ? true : null));
  assert.deepEqual(counts(), [RELEASES]);
  await read();
});

/** Kills the keeper outright, and waits until another is there. */
async function replaceKeeper(): Promise<void> {
  const killed = served.keeperPid() ?? assert.fail();
  process.kill(killed, 'SIGKILL');
  await until(() => {
    const pid = served.keeperPid();
    return pid !== null && pid !== killed ? true : null;
  });
}

test('a keeper that starts anew counts no cosignature of before, and once all is well the next read is answered', async () => {
  for (let restart = 0; restart < RESTARTS; restart++) {
    await replaceKeeper();
    await served.well();
    await read();
  }
  await served.kill();
  await served.start();
  await read();
});

test('requests made while a keeper starts anew are answered, or refused because of it', async () => {
  let isEnding = false;
  const refusals: string[] = [];
  const load = async (connection: number): Promise<void> => {
    while (!isEnding) {
      const answer = await ask((connection % PEOPLE) + 1);
      if (answer.status !== 200) refusals.push(`${answer.status} ${answer.json.code}`);
    }
  };
  const all = Promise.all(Array.from({ length: CONNECTIONS }, (_, at) => load(at)));
  for (let restart = 0; restart < RESTARTS; restart++) {
    await replaceKeeper();
    await served.well();
    await read();
  }
  isEnding = true;
  await all;
  assert.deepEqual([...new Set(refusals)], ['503 keeper-unavailable']);
  await read();
});

test('killed while witnesses are slow, nothing acknowledged is lost, and nothing released without the quorum', async () => {
  for (const witness of witnesses) witness.delayMs = SLOW_MS;
  const acknowledged = new Map<number, number>();
  let isEnding = false;
  let answers = 0;
  let broken = 0;
  const load = async (connection: number): Promise<void> => {
    while (!isEnding) {
      const answer = await ask((connection % PEOPLE) + 1).catch(() => null);
      if (answer === null) broken += 1;
      if (answer?.status !== 200) {
        await sleep(PAUSE_MS);
        continue;
      }
      const [{ index, number, records, error }] = answer.json.results;
      if (error !== undefined) continue;
      assert.equal(records.length, 1);
      // It was released: at this moment so many witnesses have cosigned a tree that holds its entry.
      const holders = witnesses.filter(({ cosigned }) =>
        [...cosigned].some((size) => size > index),
      );
      assert.ok(holders.length >= QUORUM, `${holders.length} cosigned what holds ${index}`);
      acknowledged.set(index, number);
      answers += 1;
    }
  };
  const all = Promise.all(Array.from({ length: CONNECTIONS }, (_, at) => load(at)));
  for (let kill = 0; kill < KILLS; kill++) {
    const enough = answers + CONNECTIONS;
    await until(() => (answers >= enough ? true : null));
    await sleep((kill * SLOW_MS) / KILLS);
    if (kill % 2 === 0) process.kill(served.keeperPid() ?? assert.fail(), 'SIGKILL');
    else {
      await served.kill();
      await served.start();
    }
    await served.well();
  }
  isEnding = true;
  await all;
  assert.ok(broken > 0, 'kills found requests under way');
  for (const witness of witnesses) witness.delayMs = 0;
  const database = openDatabaseForReading(instance.paths.database);
  const rows = database.prepare('SELECT idx, number FROM entries').all();
  const numbers = new Map(
    (rows as { idx: number; number: number }[]).map((r) => [r.idx, r.number]),
  );
  database.close();
  for (const [index, number] of acknowledged) assert.equal(numbers.get(index), number);
  await read();
  await publishedBy(QUORUM);
  const verified = await amanat(['verify', '--dir', instance.dir], { cwd: instance.dir });
  assert.equal(verified.code, 0, verified.stdout);
});

test('a gateway that takes cosignatures from a private fork gets no key', async () => {
  await served.stop();
  await instance.startKeeper();
  await instance.startGateway();
  const { database, log, keeper } = instance.gateway;
  const key = readLogKey(instance.paths.log, ORIGIN);
  const request = instance.request('officer', [cnicOf(1)]);
  const { document, signatures, selectors } = request;
  const asked = { kind: 'request', signed: { document, signatures }, selectors } as const;
  const { answer } = await keeper.ask('resolve', { asks: [{ ...asked, approval: null }] });
  const [resolved] = answer.asks;
  assert.ok(resolved?.outcome === 'resolved');
  const [lookUp] = resolved.lookUps;
  assert.ok(lookUp);
  const records = instance.gateway.custody
    .recordsOf(lookUp.subject, 'sim-registrations', ['identity', 'number'], 10)
    .map((found) => found.read);
  const prepare = { lookUps: [{ id: lookUp.id, records, abandoned: false }] };
  const asPrepared = await keeper.ask('prepare', prepare);
  const [prepared] = splitPrepared(asPrepared.answer, asPrepared.attachment);
  assert.ok(prepared !== undefined && 'leaf' in prepared);

  // Two trees of one size: with her entry, for the keeper, and without it, for the witnesses and everybody.
  const before = createSqliteLogStore(database).leaves(0, log.size).map(plainLeaf);
  const size = before.length + 1;
  const fork = (leaf: Uint8Array) => {
    const leaves = [...before, plainLeaf(leaf)];
    const note = signCheckpoint(key, { size, root: plainRoot(leaves) });
    const proofFrom = async (from: number) => (from === 0 ? [] : plainConsistency(leaves, from));
    return { size, note, proofFrom };
  };
  const withEntry = fork(prepared.leaf);
  const without = fork(Buffer.from('another leaf'));
  const cosign = async (checkpoint: typeof without) => {
    const asked = witnesses.map(async (witness) => {
      const client = new WitnessClient(parseCosignerKey(witness.key), witness.url);
      return client.cosign(checkpoint).finally(() => client.close());
    });
    const answers = await Promise.allSettled(asked);
    return answers.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  };
  const under = ({ note }: typeof without, cosignatures: readonly Cosignature[]) => {
    const { text, signatures: own } = parseNote(note);
    return formatNote(text, [...own, ...cosignatures]);
  };
  const cosignatures = await cosign(without);
  assert.equal(cosignatures.length, witnesses.length, 'the fork is what the public sees');
  const tries = [
    // What is cosigned, for other leaves than it has.
    under(without, cosignatures),
    // The cosignatures, on the tree that they are not of.
    under(withEntry, cosignatures),
    // And nobody's.
    withEntry.note,
    // Witnesses that have seen the one cosign no other.
    under(withEntry, await cosign(withEntry)),
  ];
  const codes = [];
  for (const checkpoint of tries) {
    const commit = { checkpoint, leaves: 1, wanted: [lookUp.id] };
    codes.push(
      await keeper.ask('commit', commit, packLeaves([prepared.leaf])).then(
        () => 'released',
        (error: { readonly code: string }) => error.code,
      ),
    );
  }
  assert.deepEqual(codes, ['not-an-extension', 'bad-checkpoint', 'not-witnessed', 'not-witnessed']);
});
