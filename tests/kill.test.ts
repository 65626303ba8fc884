import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { hex } from '@amanat/core/bytes';
import { CompactRange, leafHash, parseLeaf } from '@amanat/core/log';
import type { VerifiedEntry } from '@amanat/core/verify';
import { openCheckpoint } from '@amanat/core/verify';
import type { SignedRequest } from '../packages/server/cli/requests.ts';
import { openDatabaseForReading } from '../packages/server/storage/sqlite.ts';
import { chances } from './_chances.ts';
import { amanat } from './_cli.ts';
import { readHistory } from './_history.ts';
import { cnicOf, Instance, simsCsv } from './_instance.ts';
import { Officer } from './_officers.ts';
import { Served, until } from './_served.ts';

/** Kills of each process. */
const KILLS = 50;
/** Rounds in which the keeper is its own administrators' process, and the test starts it again. */
const EXTERNAL_ROUNDS = 15;
const IN_FLIGHT_MIN = 50;
const OFFICERS = 4;
const CONNECTIONS = 8;
const PEOPLE = 24;
/** A kill comes this long, at most, after the load has been answered so often. */
const ANSWERS_BEFORE = 6;
const KILL_AFTER_MS_MAX = 60;
const PRESIGNED = 400;
/** How long an officer who was told to wait does so. */
const PAUSE_MS = 25;
const SEED = 20261123;
/** Serials of those that are imported between kills: one more in each round. */
const LATER = 500;

let instance: Instance;
let served: Served;
let officers: readonly Officer[];

before(async () => {
  instance = await Instance.create();
  const enrolled = [];
  for (let at = 0; at < OFFICERS; at++) enrolled.push(await Officer.enrol(instance, `k-${at}`));
  officers = enrolled;
  const serials = Array.from({ length: PEOPLE }, (_, at) => at + 1);
  await instance.importCsv('telecom-importer', 'sim-registrations', simsCsv(serials));
  await instance.stopGateway();
  served = new Served(instance);
});

after(async () => {
  await served?.[Symbol.asyncDispose]();
  await instance?.[Symbol.asyncDispose]();
});

/** One generator of chances a run (mulberry32), so that a run can be had again. */
/** Whose child the keeper is, as the instance's settings say. */
function setKeeper(dir: string, keeper: 'embedded' | 'external'): void {
  const path = join(dir, 'config.json');
  const config = JSON.parse(readFileSync(path, 'utf8')) as object;
  writeFileSync(path, JSON.stringify({ ...config, keeper }));
}

/** What an officer was told of one person: it must be true for ever. */
interface Acknowledged {
  readonly cnic: string;
  readonly index: number;
  readonly number: number;
  /** Ids of the records that were disclosed. */
  readonly records: readonly string[];
}

/** Every request that was sent, and what was answered. */
class Model {
  readonly acknowledged: Acknowledged[] = [];
  /** Requests about a person, whether or not they were answered. */
  readonly asked = new Map<string, number>();
  unanswered = 0;
  unavailable = 0;

  sent(cnics: readonly string[]): void {
    for (const cnic of cnics) this.asked.set(cnic, (this.asked.get(cnic) ?? 0) + 1);
  }
}

interface Presigned {
  readonly cnics: readonly string[];
  readonly request: SignedRequest;
  /** Whether it was sent before, and the answer was to try later. */
  readonly isAgain: boolean;
}

/** Officers who ask without a pause over several connections, until their connection breaks. */
class Load {
  inFlight = 0;
  answers = 0;
  readonly #model: Model;
  readonly #presigned: Presigned[] = [];
  #done: Promise<unknown> = Promise.resolve();
  #isStopping = false;

  constructor(model: Model) {
    this.#model = model;
  }

  /** Signs what the next run sends. */
  presign(chance: () => number): void {
    while (this.#presigned.length < PRESIGNED) {
      const officer = officers[this.#presigned.length % OFFICERS] as Officer;
      const count = chance() < 0.2 ? 3 : 1;
      const from = Math.floor(chance() * (PEOPLE - count));
      // Now and then one of whom nothing is held.
      const cnics = Array.from({ length: count }, (_, at) => cnicOf(from + at + 1));
      if (chance() < 0.1) cnics.push(cnicOf(900));
      this.#presigned.push({ cnics, request: officer.request(cnics), isAgain: false });
    }
  }

  start(): void {
    this.answers = 0;
    this.#isStopping = false;
    this.#done = Promise.all(Array.from({ length: CONNECTIONS }, () => this.#run()));
  }

  /** Waits until nothing is under way. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      const next = this.#presigned.shift();
      if (next === undefined) return;
      if (!next.isAgain) this.#model.sent(next.cnics);
      this.inFlight += 1;
      try {
        const { status, json } = await served.post('/v1/requests', {
          ...next.request,
          approval: null,
        });
        if (status === 503) {
          this.#model.unavailable += 1;
          this.#presigned.push({ ...next, isAgain: true });
          await sleep(PAUSE_MS);
          continue;
        }
        // What the keeper had taken before it failed is not asked twice.
        if (next.isAgain && json.code === 'replayed') continue;
        assert.equal(status, 200, json?.code);
        this.answers += 1;
        for (const { selector, index, number, records, error } of json.results) {
          const cnic = next.cnics[selector] as string;
          if (error !== undefined) continue;
          const ids = records.map(({ record }: { record: string }) => record);
          assert.equal(ids.length, cnic === cnicOf(900) ? 0 : 1, 'an answer is whole');
          this.#model.acknowledged.push({ cnic, index, number, records: ids });
        }
      } catch (error) {
        // The connection broke: nobody knows what became of it.
        if (error instanceof assert.AssertionError) throw error;
        this.#model.unanswered += 1;
        return;
      } finally {
        this.inFlight -= 1;
      }
    }
  }
}

/** The log and the ledger as they stand in the store, against what was ever acknowledged. */
class Ledger {
  readonly #range = CompactRange.empty();
  readonly #kinds: string[] = [];
  readonly #subjects = new Map<string, string>();

  /** Compares, once all is quiet. */
  async check(model: Model): Promise<void> {
    const { logKey } = (await served.get('/v1/instance')).json;
    // What was left open is given up with entries of its own, soon after all is well.
    const checkpoint = await until(async () => {
      const { text } = await served.get('/checkpoint');
      const { checkpoint: published, signature } = await openCheckpoint(text, logKey);
      assert.equal(signature, 'ok', 'the published checkpoint is signed');
      this.#takeLeaves();
      return published?.size === this.#range.size ? published : null;
    });
    assert.equal(hex(checkpoint.root), hex(this.#range.root()), 'the tree only ever grows');
    const entries = this.#entries();
    const places = new Set<number>();
    for (const { cnic, index, number } of model.acknowledged) {
      assert.equal(this.#kinds[index], 'person', 'the leaf is in the verified tree');
      const entry = entries.get(index);
      assert.equal(entry?.number, number, 'the entry has the number it was told');
      const subject = this.#subjects.get(cnic) ?? entry.subject;
      this.#subjects.set(cnic, subject);
      assert.equal(entry.subject, subject, 'it stands on her chain');
      places.add(index);
    }
    assert.equal(places.size, model.acknowledged.length, 'no two answers share an entry');
  }

  #takeLeaves(): void {
    using store = opened(instance.paths.database);
    const rows = store
      .prepare('SELECT idx, bytes FROM leaves WHERE idx >= ? ORDER BY idx')
      .all(this.#range.size);
    for (const { idx, bytes } of rows as unknown as { idx: number; bytes: Uint8Array }[]) {
      assert.equal(idx, this.#range.size, 'leaves have no gap');
      this.#range.append(leafHash(bytes));
      this.#kinds.push(parseLeaf(bytes).kind);
    }
  }

  /** By place in the log; each chain counted without a gap. */
  #entries(): Map<number, { readonly subject: string; readonly number: number }> {
    using store = opened(instance.paths.database);
    const rows = store
      .prepare('SELECT hex(subject) AS subject, number, idx FROM entries ORDER BY subject, number')
      .all() as unknown as { subject: string; number: number; idx: number }[];
    let last = { subject: '', number: 0 };
    for (const row of rows) {
      const expected = row.subject === last.subject ? last.number + 1 : 1;
      assert.equal(row.number, expected, 'a chain has no gap');
      last = row;
    }
    return new Map(rows.map(({ idx, ...row }) => [idx, row]));
  }
}

function opened(path: string) {
  const database = openDatabaseForReading(path);
  return Object.assign(database, { [Symbol.dispose]: () => database.close() });
}

function importSims(name: string, csv: string) {
  const path = join(instance.dir, name);
  writeFileSync(path, csv);
  return served.import(instance.key('telecom-importer'), 'sim-registrations', [path]);
}

/** Asks once all is well: an officer who is told to wait asks again. */
function disclose(cnics: readonly string[]) {
  return until(async () => {
    const request = officers[0]?.request(cnics);
    const answer = await served.post('/v1/requests', { ...request, approval: null });
    return answer.status === 503 ? null : answer.json.results;
  });
}

/** A code for a person, handed out by the registrar. */
async function handOutCode(cnic: string): Promise<string> {
  const { code, signed } = instance.code(cnic);
  assert.equal((await served.post('/v1/codes', signed)).status, 201);
  return code;
}

/** The whole log, its tiles, and the store against its imports. */
async function verifyAll(): Promise<{ readonly importsChecked: number; readonly size: number }> {
  const { dir } = instance;
  const { code, stdout } = await amanat(['verify', '--dir', dir, '--json'], { cwd: dir });
  const found = JSON.parse(stdout);
  assert.deepEqual(found.differences, []);
  assert.deepEqual(found.imports.problems, []);
  assert.equal(code, 0);
  return { importsChecked: found.imports.checked, size: found.size };
}

test('100 kills under load lose nothing that was acknowledged, and release nothing without an entry', async (t) => {
  const chance = chances(SEED);
  const model = new Model();
  const load = new Load(model);
  const ledger = new Ledger();
  let withInFlight = 0;
  const kills = { keeper: 0, gateway: 0 };

  /** Runs the load until a moment of chance, and kills one process in the middle of it. */
  const killUnderLoad = async (which: 'keeper' | 'gateway', kill: () => Promise<void> | void) => {
    load.presign(chance);
    load.start();
    await until(() => (load.answers >= ANSWERS_BEFORE ? true : null));
    await sleep(chance() * KILL_AFTER_MS_MAX);
    if (load.inFlight > 0) withInFlight += 1;
    kills[which] += 1;
    await kill();
    await load.stop();
  };
  const killKeeper = () => {
    process.kill(served.keeperPid() ?? assert.fail('there is no keeper'), 'SIGKILL');
  };

  setKeeper(instance.dir, 'external');
  await served.start();
  const watched = [cnicOf(2), cnicOf(9), cnicOf(17)];
  const codes = [];
  for (const cnic of watched) codes.push(await handOutCode(cnic));
  for (let round = 0; round < KILLS; round++) {
    const isExternal = round < EXTERNAL_ROUNDS;
    if (round === EXTERNAL_ROUNDS) {
      // From here on the keeper is the gateway's child.
      await served.stop();
      await instance.stopKeeper();
      setKeeper(instance.dir, 'embedded');
      await served.start();
    }
    await killUnderLoad('keeper', () =>
      isExternal ? instance.stopKeeper('SIGKILL') : killKeeper(),
    );
    if (isExternal) await instance.startKeeper();
    await served.well();
    await ledger.check(model);
    const both = !isExternal && chance() < 0.3;
    await killUnderLoad('gateway', async () => {
      // As when the power goes.
      if (both) killKeeper();
      await served.kill();
    });
    await served.start();
    await ledger.check(model);
    if (round % 10 === 0) await importSims('later.csv', simsCsv([LATER + round]));
  }
  t.diagnostic(
    `seed ${SEED}; kills: ${kills.keeper} of the keeper, ${kills.gateway} of the gateway; ` +
      `${withInFlight} with requests in flight; acknowledged: ${model.acknowledged.length}; ` +
      `503: ${model.unavailable}; connections broken: ${model.unanswered}`,
  );
  assert.equal(kills.keeper + kills.gateway, 2 * KILLS);
  assert.ok(withInFlight >= IN_FLIGHT_MIN, `only ${withInFlight} kills had requests in flight`);
  assert.ok(model.unanswered > 0 && model.unavailable > 0);

  for (const [at, cnic] of watched.entries()) await checkHistory(model, cnic, codes[at] ?? '');

  // What was acknowledged of imports is there, once.
  for (let round = 0; round < KILLS; round += 10) {
    const [found] = await disclose([cnicOf(LATER + round)]);
    assert.equal(found.records.length, 1);
  }
  const { importsChecked } = await verifyAll();
  assert.equal(importsChecked, 1 + KILLS / 10);
});

/** Her history as she sees it: complete, and with every answer that an officer had. */
async function checkHistory(model: Model, cnic: string, code: string): Promise<void> {
  const found = await readHistory(served, code);
  assert.deepEqual(
    found.checks.filter(({ state }) => state !== 'ok'),
    [],
  );
  assert.ok(found.verified);
  const chain = found.chains.find(({ controller }) => controller === 'demo-telecom');
  assert.ok(chain);
  const answered = model.acknowledged.filter((each) => each.cnic === cnic);
  assert.ok(answered.length > 0);
  const matched = new Set<number>();
  for (const { index, number, records } of answered) {
    const entry: VerifiedEntry | undefined = chain.entries[number - 1];
    assert.equal(entry?.index, index);
    assert.equal(entry.statement?.kind, 'disclosure');
    assert.ok(entry.delivered, 'what an officer had reads as delivered');
    assert.deepEqual(
      entry.statement.records.map(({ record }) => record),
      records,
    );
    matched.add(number);
  }
  const asked = chain.entries.filter(({ statement }) => statement?.agency === 'demo-police');
  for (const { number, statement, delivered } of asked) {
    assert.ok(statement?.kind === 'disclosure' || statement?.kind === 'undelivered');
    if (statement.kind === 'undelivered') assert.deepEqual(statement.records, []);
    if (statement.kind === 'undelivered') assert.ok(!delivered && !matched.has(number));
  }
  assert.ok(asked.length <= (model.asked.get(cnic) ?? 0), 'no entry without a request');
  const others = chain.entries.filter(({ statement }) => statement?.agency === null);
  assert.deepEqual(
    others.map(({ statement }) => statement?.kind),
    ['code', 'sign-in'],
  );
}

test('an import that is killed again and again goes on, and comes out exact', async (t) => {
  if (!served.isStarted) {
    await instance.stopKeeper();
    await served.start();
  }
  const chance = chances(SEED + 1);
  const rows = 24_000;
  const first = 10_000;
  const csv = simsCsv(Array.from({ length: rows }, (_, at) => first + at)).split('\n');
  // The heading is line 1. Every 100th row is wrong, and every 150th is there a second time.
  const bad: number[] = [];
  for (let line = 100; line <= rows; line += 100) {
    csv[line] = (csv[line] ?? '').replace('2024-03-05', '2024-02-30');
    bad.push(line + 1);
  }
  let twice = 0;
  for (let line = 150; line <= rows; line += 150) {
    if (line % 100 === 0) continue;
    csv.splice(csv.length - 1, 0, csv[line] ?? '');
    twice += 1;
  }
  const text = csv.join('\n');
  const total = rows + twice;
  const interrupted: number[] = [];
  const index = (await verifyAll()).size;
  const rowsDone = async () => {
    const { status, json } = await served.get(`/v1/imports/${index}`);
    return status === 200 ? (json.rows as number) : 0;
  };
  for (const kill of [
    () => served.kill(),
    () => process.kill(served.keeperPid() ?? assert.fail(), 'SIGKILL'),
    () => served.kill(),
    () => process.kill(served.keeperPid() ?? assert.fail(), 'SIGKILL'),
  ]) {
    const before = await rowsDone();
    const upload = assert.rejects(importSims('killed.csv', text), (error: Error) => {
      assert.match(error.message, /keeper|gateway/);
      return true;
    });
    const at = before + Math.ceil(chance() * 0.15 * total);
    await until(async () => ((await rowsDone()) >= at ? true : null));
    await kill();
    await upload;
    if (served.isStarted) await served.well();
    else await served.start();
    interrupted.push(await rowsDone());
    // Nobody sees what is half-done.
    const [half] = await disclose([cnicOf(first)]);
    assert.deepEqual(half.records, []);
  }
  t.diagnostic(`rows when it was killed: ${interrupted.join(', ')} of ${total}`);
  assert.ok(interrupted.some((done) => done > 0 && done < total));
  const ended = await importSims('killed.csv', text);
  assert.ok(ended.resumed);
  assert.equal(ended.import, index);
  const { rows: done, stored, unchanged, rejected } = ended;
  assert.deepEqual(
    { done, stored, unchanged, rejected },
    { done: total, stored: rows - bad.length, unchanged: twice, rejected: bad.length },
  );
  const rejects = readFileSync(join(instance.paths.imports, `${index}.rejects.csv`), 'utf8');
  const lines = rejects.trimEnd().split('\n').slice(1);
  assert.deepEqual(
    lines.map((line) => Number(line.split(',')[0])),
    bad,
  );
  const whole = await disclose([0, 1, 149, 8000].map((offset) => cnicOf(first + offset)));
  const counts = whole.map(({ records }: { records: unknown[] }) => records.length);
  assert.deepEqual(counts, [1, 1, 1, 1]);
  using store = opened(instance.paths.database);
  const found = store
    .prepare('SELECT count(*) AS n FROM custody_ciphertexts WHERE import = ?')
    .get(index);
  assert.equal(found?.n, stored);
  await verifyAll();
});
