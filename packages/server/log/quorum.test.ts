import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { base64 } from '@amanat/core/bytes';
import type { DocumentOf, Signed } from '@amanat/core/grants';
import { signingInput, writeDocument } from '@amanat/core/grants';
import type { CosigningKey } from '@amanat/core/keys';
import {
  generateCosigningKey,
  generateSigningKey,
  sign,
  verifyNoteSignature,
} from '@amanat/core/keys';
import { formatVerifierKey, openCosignatures } from '@amanat/core/log';
import { KeeperUnavailable } from '@amanat/keeper/client';
import type { Database } from '../storage/sqlite.ts';
import { openDatabase } from '../storage/sqlite.ts';
import { createSqliteWitnessStore, createWitnessTables } from '../witness/store-sqlite.ts';
import { Witness } from '../witness/witness.ts';
import { FakeKeeper, personalLeaf } from './_fake-keeper.ts';
import type { LogKey } from './key.ts';
import { createLogKey } from './key.ts';
import { LogKeys } from './keys.ts';
import { Log, LogUnavailable } from './log.ts';
import { createSqliteLogStore } from './store-sqlite.ts';

const ORIGIN = 'log.test.example';
const administrators = [generateSigningKey('ed25519'), generateSigningKey('ed25519')] as const;

/** A real witness behind a server that the test can take away, slow down, or have lie. */
interface Served {
  readonly key: CosigningKey;
  readonly url: string;
  mode: 'well' | 'away' | 'hangs' | 'lies' | 'upgrades' | 'from-the-future';
  /** How far its clock is ahead. */
  offMs: number;
  asked: number;
}

interface Bench {
  readonly log: Log;
  readonly keeper: FakeKeeper;
  readonly witnesses: readonly Served[];
  readonly reasons: (string | null)[];
  /** Names of those who cosigned the published checkpoint. */
  published(): Promise<readonly string[]>;
  /** A copy of the store as it is, and a log that begins with one in the place of the first. */
  copyStore(): string;
  reopenWith(copy: string): Promise<Log>;
}

async function serveWitness(
  t: TestContext,
  directory: string,
  at: number,
  log: LogKey,
): Promise<Served> {
  const database = openDatabase(join(directory, `witness-${at}.db`));
  createWitnessTables(database);
  const key = generateCosigningKey('ed25519', `witness.example/${at}`);
  const witness = new Witness({
    keys: [key],
    logs: [log.note],
    store: createSqliteWitnessStore(database),
    now: () => Date.now() + served.offMs,
  });
  const server: Server = createServer(async (request, response) => {
    served.asked += 1;
    if (served.mode === 'hangs') return;
    if (served.mode === 'away') {
      request.socket.destroy();
      return;
    }
    if (served.mode === 'upgrades') {
      request.socket.end(
        'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
      );
      return;
    }
    if (served.mode === 'from-the-future') {
      response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end('9000000000000000\n');
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const answer = witness.addCheckpoint(Buffer.concat(chunks));
    if (answer.code === 'other-size') {
      response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end(`${answer.size}\n`);
    } else if (answer.code === 'cosigned') {
      const lie = answer.lines.replace(/.{12}\n$/, 'AAAAAAAAAAA=\n');
      response.end(served.mode === 'lies' ? lie : answer.lines);
    } else response.writeHead(422).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
    database.close();
  });
  const { port } = server.address() as { port: number };
  const served: Served = {
    key,
    url: `http://127.0.0.1:${port}/`,
    mode: 'well',
    offMs: 0,
    asked: 0,
  };
  return served;
}

async function openLog(
  t: TestContext,
  {
    appoint = true,
    inPublic = [] as readonly number[],
    publishSeconds = 600,
    activationSeconds = 0,
    now = Date.now,
  } = {},
): Promise<Bench> {
  const directory = mkdtempSync(join(tmpdir(), 'amanat-quorum-'));
  const key = createLogKey(directory, ORIGIN);
  const publicDirectory = join(directory, 'public');
  const witnesses = await Promise.all(
    [0, 1, 2, 3].map((at) => serveWitness(t, directory, at, key)),
  );
  const database = openDatabase(join(directory, 'store.db'));
  const keeper = new FakeKeeper();
  keeper.origin = ORIGIN;
  const reasons: (string | null)[] = [];
  const openOn = (opened: Database) =>
    new Log({
      store: createSqliteLogStore(opened),
      keeper,
      keys: new LogKeys(directory, ORIGIN),
      publicDirectory,
      publishSeconds,
      publicWitnesses: witnesses
        .filter((_, at) => inPublic.includes(at))
        .map((each) => ({ key: formatVerifierKey(each.key.public), url: each.url })),
      now,
      onChange: (reason) => reasons.push(reason),
    });
  const log = openOn(database);
  t.after(async () => {
    await log.close();
    database.close();
    rmSync(directory, { recursive: true });
  });
  await log.ready();
  await enter(log, {
    type: 'genesis',
    origin: ORIGIN,
    mode: 'trial',
    logKey: key.verifierKey,
    keeperKey: administrators[0].public.text,
    keeperSealingKey: `${'A'.repeat(87)}=`,
    administrators: administrators.map((each) => each.public.text),
    registrar: administrators[0].public.text,
    activationSeconds,
    time: Date.now(),
  });
  if (appoint) await enter(log, appointment(witnesses));
  const published = async () => {
    await log.flush();
    const note = readFileSync(join(publicDirectory, 'checkpoint'), 'utf8');
    const keys = witnesses.map((each) => each.key.public);
    return openCosignatures(note, keys, verifyNoteSignature).map((each) => each.key.name);
  };
  const copyStore = () => {
    const copy = join(directory, 'copy.db');
    database.checkpoint();
    copyFileSync(database.path, copy);
    return copy;
  };
  const reopenWith = async (copy: string) => {
    await log.close();
    const opened = openDatabase(copy);
    const other = openOn(opened);
    t.after(async () => {
      await other.close();
      opened.close();
    });
    return other;
  };
  return { log, keeper, witnesses, reasons, published, copyStore, reopenWith };
}

function appointment(witnesses: readonly Served[]): DocumentOf<'witnesses'> {
  return {
    type: 'witnesses',
    version: 1,
    witnesses: witnesses.map(({ key, url }) => ({ key: formatVerifierKey(key.public), url })),
    quorum: 3,
    faulty: 1,
    breakGlass: { quorum: 1, releases: 2 },
    time: Date.now(),
  };
}

async function enter(log: Log, document: DocumentOf<'genesis' | 'witnesses' | 'broken-glass'>) {
  const text = writeDocument(document);
  const signers = document.type === 'genesis' ? [] : administrators;
  const signed: Signed = {
    document: text,
    signatures: signers.map((key) => ({
      key: key.public.id,
      signature: base64(sign(key, signingInput(text))),
    })),
  };
  const answer = await log.appendPublic(signed);
  assert.ok('index' in answer, JSON.stringify(answer));
}

let seed = 0;
const leaf = () => ({
  bytes: personalLeaf(++seed),
  entry: {
    lookUp: seed,
    subject: '00'.repeat(16),
    number: seed,
    body: Buffer.alloc(8),
    evidence: null,
  },
  wanted: true,
});

/** Waits until these, and nobody else, have cosigned what is published. */
async function cosignedBy({ published }: Bench, names: readonly string[]): Promise<void> {
  while ((await published()).toSorted().join() !== names.join()) await sleep(10);
}

test('public witnesses cosign what is published and nothing else, aside from the reads, and one that fails costs nothing', async (t) => {
  const bench = await openLog(t, { appoint: false, inPublic: [0, 1, 2, 3], publishSeconds: 0 });
  const { log, witnesses } = bench;
  const [one, two, three] = witnesses as [Served, Served, Served];
  one.mode = 'away';
  two.mode = 'lies';
  three.mode = 'hangs';
  // Nobody waits for them.
  for (let at = 0; at < 50; at++) await log.append([leaf()]);
  await cosignedBy(bench, ['witness.example/3']);
  // At most once a second, however much is published.
  assert.ok((witnesses[3] as Served).asked < 20, `${(witnesses[3] as Served).asked}`);
  assert.equal(log.witnessed().witnessed, false);
});

test('a public witness adds to what the quorum cosigned', async (t) => {
  const bench = await openLog(t, { appoint: false, inPublic: [3], publishSeconds: 0 });
  const { log, witnesses } = bench;
  // The fourth is there for the public alone.
  await enter(log, { ...appointment(witnesses.slice(0, 3)), faulty: 0 });
  await log.append([leaf()]);
  const all = witnesses.map(({ key }) => key.public.name);
  await cosignedBy(bench, all);
  const notes = new Set<string>();
  for (let at = 0; at < 20; at++) {
    await log.append([leaf()]);
    notes.add((await bench.published()).length.toString());
  }
  assert.ok([...notes].every((count) => Number(count) >= 3));
  await cosignedBy(bench, all);
});

test('before witnesses are appointed nobody is asked', async (t) => {
  const { log, witnesses } = await openLog(t, { appoint: false });
  await log.append([leaf()]);
  assert.deepEqual(log.witnessed(), { witnessed: false, witnessing: 'not yet witnessed' });
  assert.ok(witnesses.every(({ asked }) => asked === 0));
});

test('without the quorum nothing comes back, and all goes on by itself once it is there', async (t) => {
  const { log, keeper, witnesses, reasons } = await openLog(t);
  await log.append([leaf()]);
  const [one, two] = witnesses as [Served, Served];
  one.mode = 'away';
  await log.append([leaf()]);
  two.mode = 'lies';
  const { size } = keeper.range;
  await assert.rejects(
    log.append([leaf()]),
    (error) => error instanceof LogUnavailable && error.code === 'not-witnessed',
  );
  assert.equal(keeper.range.size, size);
  await assert.rejects(log.append([leaf()]), { code: 'not-witnessed' });
  one.mode = 'well';
  await log.ready();
  assert.deepEqual(reasons.slice(-2), ['not-witnessed', null]);
  // What was stored and not witnessed was followed, and nothing released for it.
  assert.equal(keeper.range.size, size + 1);
  const [appended] = await log.append([leaf()]);
  assert.equal(appended?.keys?.length, 64);
});

test('a witness that hangs costs nothing while a quorum is quicker', async (t) => {
  const { log, witnesses, published } = await openLog(t);
  (witnesses[2] as Served).mode = 'hangs';
  for (let at = 0; at < 5; at++) assert.equal((await log.append([leaf()])).length, 1);
  // It has one checkpoint at a time.
  assert.ok((witnesses[2] as Served).asked <= 2);
  assert.deepEqual((await published()).filter((name) => name !== 'witness.example/2').length, 3);
});

test('a witness whose clock is wrong costs nothing while a quorum has the right time', async (t) => {
  const { log, witnesses, published, reasons } = await openLog(t);
  const last = witnesses[3] as Served;
  for (const offMs of [-3_600_000, -61_000, 61_000]) {
    last.offMs = offMs;
    for (let at = 0; at < 5; at++) assert.equal((await log.append([leaf()])).length, 1);
    assert.ok(!(await published()).includes('witness.example/3'));
  }
  assert.equal(log.reason, null);
  (witnesses[2] as Served).mode = 'away';
  await assert.rejects(log.append([leaf()]), { code: 'not-witnessed' });
  last.offMs = 0;
  await log.ready();
  assert.deepEqual(reasons.slice(-2), ['not-witnessed', null]);
});

test('where the keeper counts too few cosignatures, the log says so, and the glass can be broken', async (t) => {
  const { log, keeper } = await openLog(t);
  keeper.cosignaturesFrom = Number.POSITIVE_INFINITY;
  await assert.rejects(log.append([leaf()]), { code: 'not-witnessed' });
  const time = Date.now();
  const nonce = '11'.repeat(16);
  await enter(log, { type: 'broken-glass', reason: 'need', until: time + 60_000, nonce, time });
  keeper.cosignaturesFrom = 0;
  await log.ready();
});

test('a witness that comes back stands where it stood, and is led on from there', async (t) => {
  const { log, witnesses, published } = await openLog(t);
  const [one, two] = witnesses as [Served, Served];
  await log.append([leaf()]);
  one.mode = 'away';
  for (let at = 0; at < 300; at++) await log.append([leaf()]);
  one.mode = 'well';
  two.mode = 'away';
  // Two of them rest after their failures for a while.
  for (let tries = 0; log.reason !== null || tries === 0; tries++) {
    await log.append([leaf()]).catch(() => log.ready());
    if (tries > 20) break;
  }
  await log.append([leaf()]);
  assert.ok((await published()).includes('witness.example/0'));
});

test('whom a document appoints has to cosign once the keeper has waited for it, however long it was away', async (t) => {
  let ahead = 0;
  const options = { appoint: false, activationSeconds: 60, now: () => Date.now() + ahead };
  const { log, keeper, witnesses } = await openLog(t, options);
  const [one, two] = witnesses as [Served, Served];
  const appointed = (witness: Served, version: number) => ({
    ...appointment([witness]),
    version,
    quorum: 1,
    faulty: 0,
    breakGlass: null,
  });
  const askedFor = async () => {
    const before = [one.asked, two.asked];
    await log.append([leaf()]);
    return [one, two].map(({ asked }, at) => asked - (before[at] as number));
  };
  await enter(log, appointed(one, 1));
  ahead += 60_000;
  assert.deepEqual(await askedFor(), [1, 0]);
  keeper.failure = new KeeperUnavailable('gone');
  await assert.rejects(enter(log, appointed(two, 2)), KeeperUnavailable);
  // It is stored; by when, it would be in force.
  ahead += 3_600_000;
  keeper.failure = null;
  // It takes the entry, and its answer is lost.
  keeper.losesNextAnswer = true;
  const { asked } = two;
  await log.ready();
  assert.equal(two.asked, asked);
  assert.deepEqual(await askedFor(), [1, 0]);
  ahead += 59_000;
  assert.deepEqual(await askedFor(), [1, 0]);
  ahead += 1_000;
  assert.deepEqual(await askedFor(), [0, 1]);
});

test('administrators break the glass while the log stands still, and a smaller quorum does', async (t) => {
  const { log, witnesses, published } = await openLog(t);
  await log.append([leaf()]);
  for (const each of witnesses.slice(1)) each.mode = 'away';
  await assert.rejects(log.append([leaf()]), { code: 'not-witnessed' });
  const time = Date.now();
  const nonce = '00'.repeat(16);
  await enter(log, { type: 'broken-glass', reason: 'need', until: time + 60_000, nonce, time });
  await log.ready();
  await log.append([leaf()]);
  assert.match(log.witnessed().witnessing, /^glass broken until/);
  assert.deepEqual(await published(), ['witness.example/0']);
  (witnesses[0] as Served).mode = 'away';
  await assert.rejects(log.append([leaf()]), { code: 'not-witnessed' });
});

test('store and keeper put back together from an old copy are older than what witnesses have seen', async (t) => {
  const { log, keeper, copyStore, reopenWith } = await openLog(t);
  await log.append([leaf()]);
  const old = { store: copyStore(), range: keeper.range };
  await log.append([leaf(), leaf()]);
  keeper.range = old.range;
  const older = await reopenWith(old.store);
  while (older.reason === 'starting') await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(older.reason, 'older-than-witnesses');
  await assert.rejects(older.append([leaf()]), { code: 'older-than-witnesses' });
});

for (const mode of ['upgrades', 'from-the-future'] as const) {
  test(`a witness that ${mode} is asked again when it is well`, async (t) => {
    const { log, witnesses } = await openLog(t);
    for (const each of witnesses.slice(0, 2)) each.mode = mode;
    await assert.rejects(log.append([leaf()]), LogUnavailable);
    for (const each of witnesses) each.mode = 'well';
    await log.ready();
    assert.equal((await log.append([leaf()])).length, 1);
  });
}

test('a log opens once its keeper takes the cosignatures, also where there is nothing to follow', async (t) => {
  const { log, keeper, copyStore, reopenWith } = await openLog(t);
  await log.append([leaf()]);
  await log.close();
  keeper.refusesCheckpoints = true;
  const again = await reopenWith(copyStore());
  while (again.reason === 'starting') await sleep(10);
  assert.equal(again.reason, 'keeper-refuses');
  keeper.refusesCheckpoints = false;
  await again.ready();
  assert.equal((await again.append([leaf()])).length, 1);
});

/** Has another keeper in the first one's place, which has started just now. */
async function startAnew({ log, keeper }: Pick<Bench, 'log' | 'keeper'>): Promise<void> {
  // Early enough in a second that what comes next is in it too.
  while (Date.now() % 1000 > 500) await sleep(10);
  keeper.cosignaturesFrom = (Math.floor(Date.now() / 1000) + 1) * 1000;
  log.loseKeeper(new KeeperUnavailable('keeper closed the connection'));
}

test('a keeper that counts no cosignature releases nothing, and the log stays closed until one does', async (t) => {
  const { log, keeper } = await openLog(t);
  await log.append([leaf()]);
  const { size } = keeper.range;
  keeper.cosignaturesFrom = Number.POSITIVE_INFINITY;
  const last = leaf();
  await assert.rejects(log.append([last]), { code: 'not-witnessed' });
  assert.equal(log.reason, 'not-witnessed');
  assert.equal(keeper.range.size, size);
  keeper.cosignaturesFrom = 0;
  await log.ready();
  assert.equal(keeper.range.size, size + 1);
  assert.ok(!keeper.wanted.includes(last.entry.lookUp));
  assert.equal((await log.append([leaf()]))[0]?.keys?.length, 64);
});

test('what was entered for a keeper that is gone is never committed to the next as its own', async (t) => {
  const { log, keeper, witnesses } = await openLog(t);
  await log.append([leaf()]);
  const { size } = keeper.range;
  const gone = leaf();
  const appended = log.append([gone]);
  // It is stored, and its cosignatures are on their way.
  while (witnesses.some(({ asked }) => asked < 2)) await new Promise(setImmediate);
  log.loseKeeper(new KeeperUnavailable('keeper closed the connection'));
  await assert.rejects(appended, KeeperUnavailable);
  await assert.rejects(log.append([leaf()]), { code: 'keeper-unavailable' });
  await log.ready();
  assert.equal(keeper.range.size, size + 1);
  assert.ok(!keeper.wanted.includes(gone.entry.lookUp));
});

test('a log whose keeper is another all at once opens when that one counts cosignatures', async (t) => {
  const bench = await openLog(t);
  const { log, keeper, reasons } = bench;
  await log.append([leaf()]);
  const { length } = reasons;
  await startAnew(bench);
  await log.ready();
  assert.equal((await log.append([leaf()]))[0]?.keys?.length, 64);
  assert.deepEqual(reasons.slice(length), ['keeper-unavailable', null]);
  assert.equal(keeper.tooOld, 0);
});

test('witnesses appointed in the second of the keeper’s start are asked once it counts them, and all is answered in its order', async (t) => {
  const bench = await openLog(t, { appoint: false });
  const { log, keeper, reasons, witnesses } = bench;
  await startAnew(bench);
  await log.ready();
  const { length } = reasons;
  await enter(log, appointment(witnesses));
  const { size } = keeper.range;
  const appends = [];
  for (let at = 0; at < 40; at++) {
    appends.push(log.append([leaf()]));
    // In several batches.
    await new Promise(setImmediate);
  }
  const appended = (await Promise.all(appends)).flat();
  assert.deepEqual(
    appended.map(({ index, keys }) => [index, keys?.length]),
    appended.map((_, at) => [size + at, 64]),
  );
  assert.equal(new Set(keeper.wanted).size, keeper.wanted.length, 'nothing is released twice');
  assert.equal(keeper.tooOld, 0);
  assert.equal(reasons.length, length, 'the log stays open');
});

test('a log that starts with its keeper opens once it counts cosignatures, and tells of no failure', async (t) => {
  const bench = await openLog(t);
  const { log, keeper, reasons } = bench;
  await log.append([leaf()]);
  await log.close();
  const { length } = reasons;
  await startAnew(bench);
  const again = await bench.reopenWith(bench.copyStore());
  await again.ready();
  assert.deepEqual(reasons.slice(length), [null]);
  assert.equal(keeper.tooOld, 0);
  assert.equal((await again.append([leaf()])).length, 1);
});
