import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CeremonyProcess } from './_ceremony.ts';
import type { Drawn } from './_drawn.ts';
import { draw, requireRead } from './_drawn.ts';
import { PASSPHRASE, Trial } from './_trial.ts';
import { KeeperUnavailable } from './client.ts';
import { KEEPER_FILES } from './create.ts';
import { KeyRing } from './key-ring.ts';
import { passphraseProvider } from './providers/passphrase.ts';
import { Roots } from './roots.ts';
import { DESTROYED, Slots } from './slots.ts';
import { KeeperStore } from './store.ts';

const PEOPLE = 12;
/** More subjects than one step wraps anew. */
const MANY = 700;

async function enter(trial: Trial, version: number, signers = 2): Promise<void> {
  const document = { type: 'generation-rotation', version, reason: 'a trial', time: trial.now };
  const signed = trial.byAdministrators(document);
  await trial.appendPublic({ ...signed, signatures: signed.signatures.slice(0, signers) });
}

/** What stands under which generation, by the file alone. */
function generationsOnDisk(trial: Trial): Readonly<Record<string, readonly number[]>> {
  const db = new DatabaseSync(join(trial.dir, KEEPER_FILES.database), { readOnly: true });
  const of = (sql: string) =>
    db
      .prepare(sql)
      .all()
      .map((row) => Number(row.generation));
  const found = {
    generations: of('SELECT generation FROM generations'),
    slots: of('SELECT DISTINCT generation FROM slots ORDER BY generation'),
    secrets: of('SELECT DISTINCT generation FROM secrets'),
  };
  db.close();
  return found;
}

describe('generations are rotated', () => {
  let trial: Trial;
  let rows: Drawn[];
  beforeEach(async () => {
    trial = await Trial.ready({ subjectsPerDay: 1_000_000, rows: 100_000 });
    rows = [];
    for (let row = 1; row <= PEOPLE; row++) rows.push(await draw(trial, row));
    await requireRead(trial, rows[0] as Drawn);
  });
  afterEach(() => trial.end());

  async function rotate(): Promise<number> {
    let steps = 0;
    while (await trial.keeper.step()) steps += 1;
    return steps;
  }

  it('for nothing but an entry of two administrators, each version once and in order', async () => {
    await enter(trial, 1, 1);
    await enter(trial, 2);
    assert.equal(await rotate(), 0);
    assert.equal((await trial.ask('status', {})).answer.generation, 2);
    await enter(trial, 1);
    await enter(trial, 1);
    await rotate();
    assert.equal((await trial.ask('status', {})).answer.generation, 3);
  });

  it('whole: nothing is left under the past one, which is destroyed, and all is read as before', async () => {
    await enter(trial, 1);
    assert.ok((await rotate()) > 4);
    assert.deepEqual(generationsOnDisk(trial), {
      generations: [3],
      slots: [DESTROYED.generation, 3],
      secrets: [3],
    });
    assert.deepEqual(trial.keeper.generations, { present: 3, isRotating: false });
    for (const row of rows) await requireRead(trial, row);
    await trial.reopen();
    for (const row of rows) await requireRead(trial, row);
    await enter(trial, 2);
    await rotate();
    await trial.reopen();
    assert.deepEqual(trial.keeper.generations, { present: 4, isRotating: false });
    for (const row of rows) await requireRead(trial, row);
  });

  it('in steps, between which everything is answered, and what is new is under the new one', async () => {
    for (let row = PEOPLE + 1; row <= MANY; row++) rows.push(await draw(trial, row));
    await enter(trial, 1);
    let at = MANY;
    let steps = 0;
    while (await trial.keeper.step()) {
      steps += 1;
      const { carriedOut } = (await trial.ask('status', {})).answer;
      assert.equal(carriedOut === null, trial.keeper.generations.isRotating);
      if (steps === 1) assert.deepEqual(trial.keeper.generations, { present: 3, isRotating: true });
      rows.push(await draw(trial, ++at));
      await requireRead(trial, rows[(steps * 97) % rows.length] as Drawn);
    }
    assert.ok(steps > 8, `${steps} steps`);
    assert.deepEqual(generationsOnDisk(trial).generations, [3]);
    for (const row of [rows[0], rows[MANY - 1], rows.at(-1)])
      await requireRead(trial, row as Drawn);
  });

  it('never to an end in silence: a key that is no row’s is not lost with the past one', async () => {
    trial.keeper.close();
    const store = KeeperStore.open(join(trial.dir, KEEPER_FILES.database));
    const provider = passphraseProvider(() => Buffer.from(PASSPHRASE));
    const ring = await KeyRing.unlock(store, await provider.unlock(new Roots(store).present));
    store.authenticate(ring.rowSumKeys());
    const nobodys = { generation: 2, wrapped: new Uint8Array(60) };
    store.transaction(() => new Slots(store).append(nobodys));
    store.close();
    await trial.reopenClosed();
    await enter(trial, 1);
    await assert.rejects(rotate(), /under a generation that no row names/);
    await assert.rejects(rotate(), /under a generation that no row names/);
    assert.deepEqual(generationsOnDisk(trial).generations, [2, 3]);
  });

  it('and go on after a start, at whichever step it ended', async () => {
    await enter(trial, 1);
    for (let steps = 1; await trial.keeper.step(); steps++) {
      await trial.reopen();
      await requireRead(trial, rows[steps % PEOPLE] as Drawn);
      for (let again = 0; again < steps; again++) await trial.keeper.step();
      assert.ok(steps < 20);
    }
    assert.deepEqual(generationsOnDisk(trial).generations, [3]);
    await trial.reopen();
    for (const row of rows) await requireRead(trial, row);
  });
});

describe('a keeper’s process rotates while it serves', () => {
  async function remote(): Promise<Trial> {
    const trial = await Trial.ready({ now: Date.now(), subjectsPerDay: 1_000_000, rows: 100_000 });
    trial.keeper.close();
    return trial;
  }

  it('and, killed again and again, comes to the end of it with nothing lost', async (t) => {
    const trial = await remote();
    let at = await CeremonyProcess.start(trial);
    const shares = await at.changeToShares();
    const rows: Drawn[] = [];
    for (let row = 1; row <= MANY; row++) rows.push(await draw(trial, row));
    await at.enterGeneration(1);
    t.after(() => at.kill());
    let kills = 0;
    for (;;) {
      const read = (async () => {
        for (const row of rows.slice(10 * kills, 10 * kills + 10)) await requireRead(trial, row);
      })().catch((error: unknown) => assert.ok(error instanceof KeeperUnavailable));
      await sleep(30 * kills);
      const { generations } = (await at.status()).answer;
      await at.kill();
      await read;
      at = await CeremonyProcess.start(trial);
      for (const share of shares.slice(0, 2)) await at.give(share);
      while (at.keeper.isLocked) await sleep(5);
      await trial.takeBackLost();
      for (const row of rows.slice(kills, kills + 5)) await requireRead(trial, row);
      if (generations?.present === 3 && !generations.isRotating) break;
      assert.ok(++kills < 40);
    }
    assert.deepEqual(generationsOnDisk(trial).generations, [3]);
    assert.equal(at.keeper.errors, '');
    await at.stop();
    rmSync(trial.dir, { recursive: true });
  });

  it('ends where the disk is full, and goes on once there is room', async (t) => {
    if (process.platform === 'win32') return t.skip('there is no ulimit');
    const trial = await remote();
    let at = await CeremonyProcess.start(trial);
    const rows: Drawn[] = [];
    for (let row = 1; row <= MANY; row++) rows.push(await draw(trial, row));
    await at.enterGeneration(1);
    await at.stop();
    await using limited = await CeremonyProcess.start(trial, { limit: 40 });
    assert.equal(await limited.keeper.ended, 1);
    assert.match(limited.keeper.errors, /^keeper: [^\n]*(full|disk|I\/O)[^\n]*\n$/);
    assert.ok(generationsOnDisk(trial).generations?.includes(2));
    at = await CeremonyProcess.start(trial);
    while ((await at.status()).answer.generations?.isRotating !== false) await sleep(50);
    assert.equal((await at.status()).answer.generations?.present, 3);
    for (const row of rows.slice(0, 20)) await requireRead(trial, row);
    await at.stop();
    rmSync(trial.dir, { recursive: true });
  });

  it('leaves no wrapped key of the past generation in any of its files', async () => {
    const trial = await remote();
    const at = await CeremonyProcess.start(trial);
    const rows: Drawn[] = [];
    for (let row = 1; row <= MANY; row++) rows.push(await draw(trial, row));
    await at.stop();
    const db = new DatabaseSync(join(trial.dir, KEEPER_FILES.database));
    const wrapped = db.prepare('SELECT wrapped FROM slots').all();
    db.close();
    assert.ok(wrapped.length > MANY);
    const found = () => {
      const names = readdirSync(trial.dir).filter((name) => name.startsWith('keeper.db'));
      const files = names.map((name) => readFileSync(join(trial.dir, name)));
      const isThere = (key: Buffer) => files.some((bytes) => bytes.includes(key));
      return wrapped.filter((row) => isThere(Buffer.from(row.wrapped as Uint8Array))).length;
    };
    // The search finds what is there.
    assert.equal(found(), wrapped.length);
    const again = await CeremonyProcess.start(trial);
    await again.enterGeneration(1);
    while ((await again.status()).answer.generations?.present !== 3) await sleep(50);
    while ((await again.status()).answer.generations?.isRotating !== false) await sleep(50);
    await again.stop();
    assert.equal(found(), 0);
    rmSync(trial.dir, { recursive: true });
  });
});
