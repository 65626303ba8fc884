import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { hex } from '@amanat/core/bytes';
import { parseCheckpoint, parseNote, rootFromTiles, tilePath } from '@amanat/core/log';
import { openDatabase } from '../storage/sqlite.ts';
import { FakeKeeper, personalLeaf } from './_fake-keeper.ts';
import { createLogKey } from './key.ts';
import { LogKeys } from './keys.ts';
import { Log } from './log.ts';
import { createSqliteLogStore } from './store-sqlite.ts';

const KILLS = 6;
const ORIGIN = 'log.test.example';
const CHILD = join(import.meta.dirname, '_append-until-killed.ts');

test('whatever was acknowledged before a kill -9 is there afterwards, and the tree is whole', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'amanat-crash-'));
  t.after(() => rmSync(directory, { recursive: true }));
  createLogKey(directory, ORIGIN);
  const acknowledged = new Map<number, number>();
  for (let kill = 0; kill < KILLS; kill++) {
    await appendAndKill(directory, 40 + 37 * kill, acknowledged);
    await checkLog(directory, acknowledged);
  }
  assert.ok(acknowledged.size > 40 * KILLS);
});

async function appendAndKill(directory: string, after: number, acknowledged: Map<number, number>) {
  const child = spawn(process.execPath, [CHILD, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
  let lines = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [, index, seed] = /^(\d+) (\d+)$/.exec(line) ?? [];
    // The kill may cut the last line.
    if (index !== undefined && seed !== undefined) acknowledged.set(Number(index), Number(seed));
    lines += 1;
    if (lines === after) child.kill('SIGKILL');
  }
  assert.equal(await ended, 'SIGKILL');
}

async function checkLog(directory: string, acknowledged: ReadonlyMap<number, number>) {
  const database = openDatabase(join(directory, 'store.db'));
  const store = createSqliteLogStore(database);
  const publicDirectory = join(directory, 'public');
  const log = new Log({
    store,
    keeper: FakeKeeper.behind(store),
    keys: new LogKeys(directory, ORIGIN),
    publicDirectory,
    publishSeconds: 600,
    now: Date.now,
  });
  await log.ready();
  assert.deepEqual(database.integrity(), []);
  const leaves = store.leaves(0, log.size).map(hex);
  assert.equal(leaves.length, log.size, 'no index is missing');
  for (const [index, seed] of acknowledged) {
    assert.equal(leaves[index], hex(personalLeaf(seed)));
    const [entry] = log.entriesOf(seed.toString(16).padStart(32, '0'), 1, 1);
    assert.equal(entry?.index, index);
  }
  await log.flush();
  const readTile = async (position: Parameters<typeof tilePath>[0]) =>
    readFileSync(join(publicDirectory, tilePath(position)));
  const { root } = parseCheckpoint(parseNote(log.checkpoint).text);
  assert.equal(hex(await rootFromTiles({ readTile }, log.size)), hex(root));
  await log.close();
  database.close();
}
