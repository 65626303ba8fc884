import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { hex } from '@amanat/core/bytes';
import type { Signed } from '@amanat/core/grants';
import { signingInput, writeDocument } from '@amanat/core/grants';
import { generateSigningKey, sign, verify } from '@amanat/core/keys';
import type { TileReader } from '@amanat/core/log';
import {
  CompactRange,
  decodeEntryBundle,
  inclusionProof,
  leafHash,
  openNote,
  parseCheckpoint,
  rootFromTiles,
  tilePath,
  tilesForSize,
  verifyInclusion,
} from '@amanat/core/log';
import { KeeperUnavailable } from '@amanat/keeper/client';
import { openDatabase } from '../storage/sqlite.ts';
import { FakeKeeper, personalLeaf } from './_fake-keeper.ts';
import { LogUnavailable } from './errors.ts';
import { createLogKey } from './key.ts';
import { LogKeys } from './keys.ts';
import type { LogDeps, NewLeaf } from './log.ts';
import { Log } from './log.ts';
import type { LogStore } from './store.ts';
import { createSqliteLogStore } from './store-sqlite.ts';

const ORIGIN = 'log.test.example';

interface Bench {
  readonly log: Log;
  readonly keeper: FakeKeeper;
  readonly store: LogStore;
  /** As the genesis would name it. */
  readonly logKey: string;
  readonly directory: string;
  /** The published checkpoint's text, its signature verified. */
  readonly published: () => string;
  readonly exec: (sql: string) => void;
  /** Closes the log and opens another of the same files, without waiting for it. */
  restart(): Promise<Log>;
  /** {@link restart}, once it takes entries. */
  reopen(): Promise<Log>;
}

async function openLog(
  t: TestContext,
  options: Partial<LogDeps> & { wrap?: (store: LogStore) => LogStore; keeper?: FakeKeeper } = {},
): Promise<Bench> {
  const directory = mkdtempSync(join(tmpdir(), 'amanat-log-'));
  const database = openDatabase(join(directory, 'store.db'));
  const keeper = options.keeper ?? new FakeKeeper();
  const sqlite = createSqliteLogStore(database);
  const store = options.wrap?.(sqlite) ?? sqlite;
  const key = createLogKey(directory, ORIGIN);
  const publicDirectory = join(directory, 'public');
  const deps = { publishSeconds: 600, now: () => 1_763_884_800_000, ...options };
  const create = () => {
    const keys = new LogKeys(directory, ORIGIN);
    return new Log({ ...deps, keeper, store, keys, publicDirectory });
  };
  const logs = [create()];
  t.after(async () => {
    for (const each of logs) await each.close();
    database.close();
    rmSync(directory, { recursive: true });
  });
  const log = logs[0] as Log;
  const exec = (sql: string) => database.exec(sql);
  const published = () => {
    const note = readFileSync(join(publicDirectory, 'checkpoint'), 'utf8');
    const check = (_: unknown, message: Uint8Array, signature: Uint8Array) =>
      verify(key.signing.public, message, signature);
    return openNote(note, [key.note], check).text;
  };
  const restart = async () => {
    await logs.at(-1)?.close();
    const next = create();
    logs.push(next);
    return next;
  };
  const reopen = async () => {
    const next = await restart();
    await next.ready();
    return next;
  };
  const logKey = key.verifierKey;
  return {
    log,
    keeper,
    store,
    logKey,
    directory: publicDirectory,
    published,
    exec,
    restart,
    reopen,
  };
}

function leaf(seed: number, options: { wanted?: boolean } = {}): NewLeaf {
  const subject = (seed % 7).toString(16).padStart(32, '0');
  const entry = {
    lookUp: seed,
    subject,
    number: Math.floor(seed / 7) + 1,
    body: Buffer.from(`body ${seed}`),
    evidence: null,
  };
  return { bytes: personalLeaf(seed), entry, wanted: options.wanted ?? false };
}

const leavesFrom = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => leaf(from + i));

const files = (directory: string): TileReader => ({
  readTile: async (position) => readFileSync(join(directory, tilePath(position))),
});

test('with a keeper that is down, an entry is refused and nothing is stored', async (t) => {
  const keeper = new FakeKeeper();
  keeper.failure = new KeeperUnavailable('no socket');
  const { log, store } = await openLog(t, { keeper });
  await assert.rejects(log.append([leaf(1)]), LogUnavailable);
  await assert.rejects(log.append([leaf(2)]), LogUnavailable);
  assert.equal(store.size(), 0);
  assert.throws(() => log.checkpoint, LogUnavailable);
});

test('a store that is behind the keeper stays closed and says so', async (t) => {
  const keeper = new FakeKeeper();
  keeper.range.append(leafHash(personalLeaf(1)));
  const { log, store } = await openLog(t, { keeper });
  while (log.reason === 'starting') await new Promise(setImmediate);
  assert.equal(log.reason, 'store-older-than-keeper');
  await assert.rejects(log.append([leaf(1)]), { code: 'store-older-than-keeper' });
  assert.equal(store.size(), 0);
});

test('a keeper put back from an old copy is not believed: it has forgotten entries', async (t) => {
  const { log, keeper, restart } = await openLog(t);
  await log.ready();
  await log.append(leavesFrom(0, 3));
  const old = CompactRange.from(keeper.range.size, keeper.range.hashes());
  await log.append(leavesFrom(3, 3));
  keeper.range = old;
  const next = await restart();
  while (next.reason === 'starting') await new Promise(setImmediate);
  assert.equal(next.reason, 'keeper-older-than-log');
  await assert.rejects(next.append(leavesFrom(6, 1)), { code: 'keeper-older-than-log' });
});

test('a keeper whose root differs, or that serves another log, is not believed', async (t) => {
  const { log, keeper, restart } = await openLog(t);
  await log.ready();
  await log.append(leavesFrom(0, 3));
  const { range } = keeper;
  const closedWith = async (wrong: () => void) => {
    wrong();
    const next = await restart();
    while (next.reason === 'starting') await new Promise(setImmediate);
    assert.equal(next.reason, 'keeper-of-another-log');
    await assert.rejects(next.append([leaf(3)]), LogUnavailable);
    return next;
  };
  await closedWith(() => {
    keeper.range = CompactRange.empty();
    keeper.range.append(leafHash(personalLeaf(99)));
  });
  const last = await closedWith(() => {
    keeper.range = range;
    keeper.origin = 'log.other.example';
  });
  assert.deepEqual(keeper.sizes, [3], 'it was shown nothing');
  keeper.origin = ORIGIN;
  await last.ready();
  assert.equal(last.size, 3);
});

test('a keeper lost after the store committed releases nothing, and the log mends by itself', async (t) => {
  const { log, keeper, store } = await openLog(t);
  await log.ready();
  await log.append([leaf(1, { wanted: true })]);
  keeper.failure = new KeeperUnavailable('gone');
  await assert.rejects(log.append([leaf(2, { wanted: true })]), KeeperUnavailable);
  assert.equal(log.reason, 'keeper-unavailable');
  await assert.rejects(log.append([leaf(3)]), LogUnavailable);
  assert.equal(store.size(), 2, 'the entry of an unanswered request stays');
  keeper.failure = null;
  await log.ready();
  assert.equal(log.size, 2);
  assert.deepEqual(keeper.wanted, [1], 'catching up wants no keys');
  const [appended] = await log.append([leaf(4, { wanted: true })]);
  assert.equal(appended?.index, 2);
});

test('an answer of the keeper that is lost leaves the tree as the keeper has it', async (t) => {
  const { log, keeper } = await openLog(t);
  await log.ready();
  keeper.losesNextAnswer = true;
  await assert.rejects(log.append([leaf(1, { wanted: true })]), KeeperUnavailable);
  await log.ready();
  assert.equal(log.size, 1);
  assert.deepEqual(keeper.sizes, [1]);
});

test('keys that come after an answer was lost are given to nobody', async (t) => {
  const { log, keeper } = await openLog(t, { keeper: new FakeKeeper(5) });
  await log.ready();
  keeper.losesNextAnswer = true;
  const first = log.append([leaf(1, { wanted: true })]);
  await new Promise(setImmediate);
  const second = log.append([leaf(2, { wanted: true })]);
  const settled = await Promise.allSettled([first, second]);
  assert.deepEqual(
    settled.map((each) => each.status),
    ['rejected', 'rejected'],
  );
  assert.deepEqual(keeper.wanted, [1, 2]);
  await log.ready();
  assert.equal(log.size, 2);
});

test('everything in flight when the keeper goes is refused, in whatever batch', async (t) => {
  const { log, keeper } = await openLog(t);
  await log.ready();
  const { promise, resolve } = Promise.withResolvers<void>();
  keeper.held = promise;
  const first = log.append([leaf(1, { wanted: true })]);
  await new Promise(setImmediate);
  const second = log.append([leaf(2, { wanted: true })]);
  await new Promise(setImmediate);
  const third = log.append([leaf(3, { wanted: true })]);
  keeper.failure = new KeeperUnavailable('gone');
  resolve();
  const settled = await Promise.allSettled([first, second, third]);
  assert.deepEqual(
    settled.map((each) => each.status),
    ['rejected', 'rejected', 'rejected'],
  );
  assert.deepEqual(keeper.wanted, []);
});

test('a batch whose transaction fails leaves nothing, and the next one is whole', async (t) => {
  let fails = true;
  const wrap = (store: LogStore): LogStore => ({
    ...store,
    append: (from, leaves, nodes, followed) => {
      const broken = nodes.concat({ level: 1, index: 0, hash: Buffer.alloc(32) });
      // The same node twice breaks the primary key at the transaction's very end.
      store.append(from, leaves, fails ? broken.concat(broken) : nodes, followed);
    },
  });
  const { log, store, keeper } = await openLog(t, { wrap });
  await log.ready();
  await assert.rejects(log.append(leavesFrom(0, 5)), { code: 'store-inconsistent' });
  assert.equal(store.size(), 0);
  assert.deepEqual(store.entriesOf('0'.repeat(32), 1, 10), []);
  fails = false;
  await log.ready();
  const appended = await log.append(leavesFrom(0, 5));
  assert.deepEqual(
    appended.map((each) => each.index),
    [0, 1, 2, 3, 4],
  );
  assert.deepEqual(keeper.sizes, [5]);
});

test('a full disk stops entries, and they go on by themselves once there is room', async (t) => {
  const { log, store, exec } = await openLog(t);
  await log.ready();
  await log.append(leavesFrom(0, 10));
  exec('PRAGMA max_page_count = 30');
  let acknowledged = 10;
  const fill = async () => {
    for (;;) {
      await log.append(leavesFrom(acknowledged, 100));
      acknowledged += 100;
    }
  };
  await assert.rejects(fill(), { code: 'store-unavailable' });
  assert.equal(store.size(), acknowledged);
  exec('PRAGMA max_page_count = 100000');
  await log.ready();
  await log.append(leavesFrom(acknowledged, 100));
  assert.equal(store.size(), acknowledged + 100);
});

test('more leaves than a batch holds are our own mistake, and throw', async (t) => {
  const { log } = await openLog(t);
  await log.ready();
  assert.throws(() => log.append(leavesFrom(0, 4097)));
  assert.throws(() => log.append([{ bytes: new Uint8Array(65_536) }]));
});

test('entries that arrive together keep their order, and each gets the keys released for it', async (t) => {
  const { log, keeper, store } = await openLog(t, { keeper: new FakeKeeper(1) });
  await log.ready();
  const answers = await Promise.all(
    Array.from({ length: 300 }, (_, i) => log.append([leaf(i, { wanted: i % 3 === 0 })])),
  );
  for (const [i, [appended]] of answers.entries()) {
    assert.equal(appended?.index, i);
    const keys = i % 3 === 0 ? Buffer.alloc(64, i % 251) : null;
    assert.deepEqual(appended?.keys, keys);
  }
  assert.ok(keeper.sizes.length < 100, 'batches form by themselves');
  assert.deepEqual(
    store.leaves(0, 300).map(hex),
    leavesFrom(0, 300).map((l) => hex(l.bytes)),
  );
});

test('a subject’s entries come by her numbers, and a number given again counts once', async (t) => {
  const { log } = await openLog(t);
  await log.ready();
  await log.append(leavesFrom(0, 21));
  const again = { ...leaf(7), bytes: personalLeaf(700) };
  await log.append([again]);
  const found = log.entriesOf('0'.repeat(32), 1, 10);
  assert.deepEqual(
    found.map(({ number, index }) => [number, index]),
    [
      [1, 0],
      [2, 21],
      [3, 14],
    ],
  );
  assert.equal(log.entriesOf('0'.repeat(32), 2, 1).length, 1);
});

test('published files are the tree: root, proofs and entries verify with core', async (t) => {
  const { log, store, directory, published } = await openLog(t);
  await log.ready();
  for (const size of [1, 254, 2, 300, 7]) {
    await log.append(leavesFrom(log.size, size));
    await log.flush();
  }
  const checkpoint = parseCheckpoint(published());
  assert.equal(checkpoint.size, log.size);
  assert.deepEqual(await rootFromTiles(files(directory), log.size), checkpoint.root);
  for (const index of [0, 255, 256, log.size - 1]) {
    const proof = await inclusionProof(files(directory), index, log.size);
    const hash = leafHash(personalLeaf(index));
    const { size, root } = checkpoint;
    assert.ok(verifyInclusion({ index, size, leafHash: hash, proof, root }));
  }
  const entries = [...tilesForSize(log.size)].filter((tile) => tile.level === 0);
  const bundles = entries.flatMap((tile) =>
    decodeEntryBundle(
      readFileSync(join(directory, tilePath({ ...tile, level: 'entries' }))),
      tile.width,
    ),
  );
  assert.deepEqual(bundles.map(hex), store.leaves(0, log.size).map(hex));
  assert.equal(existsSync(join(directory, 'tile/0/000.p')), false, 'partials go once full');
});

test('deleted and cut files are written again at the next start', async (t) => {
  const { log, directory, published, reopen } = await openLog(t);
  await log.ready();
  await log.append(leavesFrom(0, 600));
  await log.flush();
  rmSync(join(directory, 'tile/0/001'));
  rmSync(join(directory, 'tile/entries/000'));
  const again = await reopen();
  await again.flush();
  assert.deepEqual(await rootFromTiles(files(directory), 600), parseCheckpoint(published()).root);
  rmSync(directory, { recursive: true });
  await (await reopen()).flush();
  assert.deepEqual(readdirSync(join(directory, 'tile')).sort(), ['0', '1', 'entries']);
});

test('files of another tree are replaced, not kept', async (t) => {
  const { log, keeper, directory, published, reopen, exec } = await openLog(t);
  await log.ready();
  await log.append(leavesFrom(0, 200));
  await log.flush();
  const before = parseCheckpoint(published()).root;
  await log.close();
  // As after restoring another store: the files on the disk have the same names and lengths.
  exec("UPDATE leaves SET bytes = CAST(bytes || x'00' AS BLOB); DELETE FROM log_state");
  keeper.range = CompactRange.empty();
  await (await reopen()).flush();
  const { root } = parseCheckpoint(published());
  assert.notDeepEqual(root, before);
  assert.equal(hex(await rootFromTiles(files(directory), 200)), hex(root));
});

test('a reopened log goes on where it was', async (t) => {
  const { log, reopen } = await openLog(t);
  await log.ready();
  await log.append(leavesFrom(0, 1027));
  const { checkpoint } = log;
  const again = await reopen();
  assert.equal(again.checkpoint, checkpoint);
  const [appended] = await again.append([leaf(1027)]);
  assert.equal(appended?.index, 1027);
});

test('of two entries that each would be the next version, one is taken', async (t) => {
  const { log, reopen, logKey } = await openLog(t);
  await log.ready();
  const { genesis, agency } = administrators(logKey);
  assert.deepEqual(await log.appendPublic(agency(1)), { refused: 'no-genesis' });
  assert.deepEqual(await log.appendPublic(genesis), { index: 0 });
  const answers = await Promise.all([log.appendPublic(agency(1)), log.appendPublic(agency(1))]);
  assert.deepEqual(answers, [{ index: 1 }, { refused: 'version-not-next' }]);
  const forged = agency(2);
  const unsigned = { ...forged, signatures: forged.signatures.slice(0, 1) };
  assert.deepEqual(await log.appendPublic(unsigned), { refused: 'not-two-administrators' });
  const again = await reopen();
  assert.equal(again.register.agency('police', log.now())?.version, 1);
  assert.equal(again.size, 2);
});

function administrators(logKey: string) {
  const [a, b, registrar] = [1, 2, 3].map(() => generateSigningKey('ed25519')) as [
    ReturnType<typeof generateSigningKey>,
    ReturnType<typeof generateSigningKey>,
    ReturnType<typeof generateSigningKey>,
  ];
  const signed = (document: string): Signed => ({
    document,
    signatures: [a, b].map((key) => ({
      key: key.public.id,
      signature: Buffer.from(sign(key, signingInput(document))).toString('base64'),
    })),
  });
  const genesis: Signed = {
    document: writeDocument({
      type: 'genesis',
      origin: ORIGIN,
      mode: 'demo',
      logKey,
      keeperKey: a.public.text,
      keeperSealingKey: `${'A'.repeat(87)}=`,
      administrators: [a.public.text, b.public.text],
      registrar: registrar.public.text,
      activationSeconds: 0,
      time: 0,
    }),
    signatures: [],
  };
  const agency = (version: number): Signed =>
    signed(
      writeDocument({
        type: 'agency',
        agency: 'police',
        version,
        name: { en: 'Police', ur: 'پولیس' },
        contact: { email: 'desk@police.example', phone: null, address: null },
        subjectsPerDay: 10,
        time: 0,
      }),
    );
  return { genesis, agency };
}
