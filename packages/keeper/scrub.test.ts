import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { leafHash } from '@amanat/core/log';
import { killAt } from './_kill-at.ts';
import { KeeperProcess } from './_process.ts';
import {
  announcement,
  expiryLeaf,
  filesWith,
  holds,
  preparedErasure,
  recordOf,
  slotsOf,
  wrappedKeys,
} from './_shred.ts';
import { CNIC, Trial } from './_trial.ts';
import { KeeperUnavailable } from './client.ts';
import { packLeaves } from './frame.ts';

const OTHER = '0999912345671';
const DAY = 86_400_000;
/** What the keeper leaves a journal at. */
const SHORT_BYTES = 256 * 1024;

/** What a trial has to lose: the wrapped keys of a person and of a month, and somebody else's record. */
interface Doomed {
  readonly trial: Trial;
  readonly keys: readonly Buffer[];
  readonly other: { readonly key: Buffer; readonly record: ReturnType<typeof recordOf> };
  /** The leaves that destroy them. */
  readonly leaves: readonly Uint8Array[];
}

const running: KeeperProcess[] = [];
// A test that fails leaves its keeper behind.
afterEach(async () => {
  for (const keeper of running.splice(0)) await keeper.kill();
});

/** Starts a keeper's process over a trial's folder. */
async function start(
  trial: Trial,
  ...options: readonly [Parameters<typeof KeeperProcess.start>[1]] | []
) {
  const keeper = await KeeperProcess.start(trial, ...options);
  running.push(keeper);
  trial.port = keeper.client;
  return keeper;
}

async function doomed(): Promise<Doomed> {
  const trial = await Trial.ready({ now: Date.now(), rows: 10_000, subjectsPerDay: 1_000_000 });
  trial.keeper.close();
  trial.keeper = undefined as never;
  let keeper = await start(trial);
  const hers = await trial.draw();
  // Of another month, which stays.
  const { drawn } = await trial.drawRows([
    {
      row: 1,
      primary: { type: 'cnic', value: OTHER },
      secondary: [],
      recordKey: Buffer.alloc(32, 1),
      digest: Buffer.alloc(32, 2),
      eventDate: '2026-02-01',
    },
  ]);
  const [row] = drawn;
  assert.ok(hers !== null && row !== undefined);
  const other = {
    subject: row.subject.toString('hex'),
    record: row.record.toString('hex'),
    expiryMonth: row.expiryMonth,
    nonce: row.nonce.toString('hex'),
    key: Buffer.from(row.keys.subarray(0, 32)),
  };
  await trial.appendPublic(announcement(trial, hers.expiryMonth, trial.now - 8 * DAY));
  // The key was in this journal, which is gone, and is in the next one: its page is written again.
  await keeper.stop();
  keeper = await start(trial);
  for (let at = 0; at < 20; at++)
    await trial.draw(
      1,
      `01234${String(at).padStart(8, '0')}`,
      `+92398${String(at).padStart(7, '0')}`,
    );
  const slots = slotsOf(trial, hers.subject, hers.expiryMonth);
  const keys = wrappedKeys(trial);
  const erased = await preparedErasure(trial);
  await keeper.kill();
  trial.port = null;
  return {
    trial,
    keys: [slots.subject, slots.period].map((slot) => keys.get(slot) as Buffer),
    other: { key: other.key, record: recordOf(other, trial) },
    leaves: [erased, expiryLeaf(trial, hers.expiryMonth)],
  };
}

/** Has the keeper take the leaves that it has not: as the gateway does when it comes back. */
async function follow({ trial, leaves }: Doomed): Promise<void> {
  const { answer } = await trial.ask('status', {});
  if (answer.size === trial.range.size) return;
  await trial.ask(
    'commit',
    { checkpoint: trial.checkpoint(), leaves: leaves.length, wanted: [] },
    packLeaves(leaves),
  );
}

async function assertDestroyed(case_: Doomed): Promise<void> {
  const { trial, keys, other } = case_;
  for (const key of keys) assert.deepEqual(filesWith(trial, key), []);
  const { refused } = await trial.drawRows([
    {
      row: 2,
      primary: { type: 'cnic', value: CNIC },
      secondary: [],
      recordKey: Buffer.alloc(32, 1),
      digest: Buffer.alloc(32, 2),
      eventDate: '2026-02-01',
    },
  ]);
  assert.equal(refused[0]?.refused, 'erased');
  const [resolved] = await trial.resolve(trial.request({}, [trial.selector(OTHER)]));
  assert.ok(resolved?.outcome === 'resolved');
  const id = resolved.lookUps[0]?.id ?? 0;
  const prepared = await trial.prepare(id, [other.record]);
  assert.ok(!('refused' in prepared));
  const { attachment } = await trial.append([prepared.leaf], [id]);
  assert.ok(other.key.equals(attachment), 'what is not destroyed is read as before');
}

describe('what a keeper has destroyed', () => {
  it('is in none of its files: while it runs, once it is killed, started again and ended', async () => {
    const case_ = await doomed();
    const { trial, keys, leaves } = case_;
    // The search finds what is there.
    for (const key of keys) assert.notDeepEqual(filesWith(trial, key), []);
    let keeper = await start(trial);
    await trial.append(leaves);
    await assertDestroyed(case_);
    assert.ok(statSync(join(trial.dir, 'keeper.db-wal')).size > 0, 'its journal is in use again');
    await keeper.kill();
    for (const key of keys) assert.deepEqual(filesWith(trial, key), []);
    keeper = await start(trial);
    await assertDestroyed(case_);
    await keeper.stop();
    for (const key of keys) assert.deepEqual(filesWith(trial, key), []);
    rmSync(trial.dir, { recursive: true });
  });

  it('is so after a kill before each step that reaches the disk, and a start', async (t) => {
    const steps: string[] = [];
    for (let step = 1; ; step++) {
      const case_ = await doomed();
      const { trial, leaves } = case_;
      const preload = killAt({ step, from: 'INSERT INTO shreds' });
      const keeper = await start(trial, { preload });
      for (const leaf of leaves) trial.range.append(leafHash(leaf));
      const answered = await follow(case_).then(
        () => true,
        (error: unknown) => {
          assert.ok(error instanceof KeeperUnavailable, String(error));
          return false;
        },
      );
      await keeper.kill();
      if (!answered) steps.push(/killed before (.*)\n/.exec(keeper.errors)?.[1] ?? 'nothing');
      const again = await start(trial);
      await follow(case_);
      await assertDestroyed(case_);
      const { answer } = await trial.ask('shred', { from: 0 });
      assert.ok(answer.shred !== null);
      await again.stop();
      rmSync(trial.dir, { recursive: true });
      if (answered) break;
    }
    t.diagnostic(steps.join(', '));
    assert.deepEqual(
      [...new Set(steps)],
      ['COMMIT', 'PRAGMA wal_checkpoint(RESTART)', 'write', 'PRAGMA wal_checkpoint(TRUNCATE)'],
    );
  });

  it('has no certificate while its database is being copied, and has one after', async () => {
    const case_ = await doomed();
    const { trial, leaves } = case_;
    const keeper = await start(trial);
    const copying = new DatabaseSync(join(trial.dir, 'keeper.db'), { readOnly: true });
    copying.exec('BEGIN');
    copying.prepare('SELECT count(*) FROM slots').get();
    await trial.append(leaves);
    await assert.rejects(trial.ask('shred', { from: 0 }), { code: 'not-scrubbed' });
    copying.exec('COMMIT');
    copying.close();
    assert.ok((await trial.ask('shred', { from: 0 })).answer.shred !== null);
    await assertDestroyed(case_);
    await keeper.stop();
    rmSync(trial.dir, { recursive: true });
  });

  it('is so after the disk was full at whichever write, once there is room', async (t) => {
    if (process.platform === 'win32') return t.skip('there is no ulimit');
    let failed = 0;
    for (let room = 0; ; room += 8) {
      const case_ = await doomed();
      const { trial, leaves } = case_;
      const sizes = readdirSync(trial.dir).map((name) => statSync(join(trial.dir, name)).size);
      const limit = Math.ceil(Math.max(...sizes) / 1024) + room;
      for (const leaf of leaves) trial.range.append(leafHash(leaf));
      const keeper = await start(trial, { limit });
      const answered = await follow(case_).then(
        () => true,
        (error: unknown) => {
          assert.ok(error instanceof KeeperUnavailable, String(error));
          return false;
        },
      );
      await keeper.kill();
      const again = await start(trial);
      await follow(case_);
      await assertDestroyed(case_);
      await again.stop();
      rmSync(trial.dir, { recursive: true });
      if (answered) break;
      failed += 1;
    }
    assert.ok(failed > 0, 'the disk was full at least once');
  });

  it('is nowhere on the disk, what is free of it included', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'amanat-image-'));
    const [image, mounted] = [join(folder, 'image'), join(folder, 'mounted')];
    mkdirSync(mounted);
    const run = (command: string, ...args: readonly string[]) =>
      spawnSync(command, args, { stdio: 'ignore' }).status === 0;
    const isMounted =
      run('truncate', '-s', '64M', image) &&
      run('mkfs.ext4', '-q', image) &&
      run('mount', '-o', 'loop', image, mounted);
    if (!isMounted) {
      rmSync(folder, { recursive: true });
      return t.skip('an image can be mounted by root alone, where the system has loop devices');
    }
    const before = process.env.TMPDIR;
    try {
      process.env.TMPDIR = mounted;
      const case_ = await doomed();
      const { trial, keys, leaves } = case_;
      assert.ok(trial.dir.startsWith(mounted));
      const raw = () => {
        run('sync', '-f', mounted);
        return readFileSync(image);
      };
      // One that has ended has given its journal back, and leaves nothing of it in the blocks that are free now.
      await (await start(trial)).stop();
      for (const key of keys) assert.equal(count(raw(), key), 1, 'its slot, and nothing else');
      const keeper = await start(trial);
      await trial.append(leaves);
      await assertDestroyed(case_);
      await keeper.stop();
      assert.ok(run('umount', mounted));
      const last = readFileSync(image);
      for (const key of keys) assert.ok(!holds(last, key));
    } finally {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
      run('umount', mounted);
      rmSync(folder, { recursive: true });
    }
  });
});

describe('a long journal', () => {
  let trial: Trial;
  beforeEach(async () => {
    trial = await Trial.ready({ rows: 10_000 });
  });
  afterEach(() => trial.end());

  const journalBytes = () => statSync(join(trial.dir, 'keeper.db-wal')).size;

  /** As an import does that is under way. */
  async function drawMany(): Promise<void> {
    const rows = Array.from({ length: 512 }, (_, at) => ({
      row: at + 1,
      primary: { type: 'cnic' as const, value: `01234${String(at).padStart(8, '0')}` },
      secondary: [],
      recordKey: Buffer.alloc(32, 1),
      digest: Buffer.alloc(32, 2),
      eventDate: '2026-01-01',
    }));
    for (let times = 0; times < 8; times++) await trial.drawRows(rows);
    assert.ok(journalBytes() > SHORT_BYTES);
  }

  it('is not noted any more as holding what is destroyed, once nothing was changed between two steps', async () => {
    const isNoted = () => {
      const db = new DatabaseSync(join(trial.dir, 'keeper.db'), { readOnly: true });
      const row = db.prepare("SELECT 1 FROM meta WHERE name = 'unscrubbed'").get();
      db.close();
      return row !== undefined;
    };
    await trial.append([await preparedErasure(trial)]);
    assert.equal(journalBytes(), 0);
    assert.ok(isNoted());
    await trial.keeper.step();
    await trial.keeper.step();
    assert.ok(!isNoted());
  });

  it('is wiped with the end of the import that made it', async () => {
    await drawMany();
    await trial.endImport();
    assert.equal(journalBytes(), 0);
  });

  it('is wiped once nothing was changed between two steps', async () => {
    await drawMany();
    await trial.keeper.step();
    assert.ok(journalBytes() > SHORT_BYTES, 'an import may be under way');
    await trial.keeper.step();
    assert.equal(journalBytes(), 0);
  });

  it('stays while its database is being copied, and is waited for by nobody', async () => {
    await drawMany();
    const copying = new DatabaseSync(join(trial.dir, 'keeper.db'), { readOnly: true });
    copying.exec('BEGIN');
    copying.prepare('SELECT count(*) FROM slots').get();
    await trial.endImport();
    assert.ok(journalBytes() > SHORT_BYTES);
    copying.close();
    await trial.keeper.step();
    await trial.keeper.step();
    assert.equal(journalBytes(), 0);
  });
});

function count(content: Buffer, key: Uint8Array): number {
  let times = 0;
  for (let at = content.indexOf(key); at >= 0; at = content.indexOf(key, at + 1)) times += 1;
  return times;
}
