import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Signed } from '@amanat/core/grants';
import { combineShares, encodeNames, formatShare, parseShare, secretKey } from '@amanat/core/keys';
import { CeremonyProcess } from './_ceremony.ts';
import type { Drawn } from './_drawn.ts';
import { draw, requireRead } from './_drawn.ts';
import { killAt } from './_kill-at.ts';
import { filesWith } from './_shred.ts';
import { Trial } from './_trial.ts';
import { KeeperRefused, KeeperUnavailable } from './client.ts';
import { KEEPER_FILES } from './create.ts';
import { rootInMemory } from './providers/root.ts';
import { FIRST_GENERATION } from './slots.ts';

const refusedAs = (code: string) => (error: unknown) =>
  error instanceof KeeperRefused && error.code === code;

async function remote(): Promise<Trial> {
  const trial = await Trial.ready({ now: Date.now() });
  trial.keeper.close();
  return trial;
}

function end(trial: Trial): void {
  rmSync(trial.dir, { recursive: true });
}

/** A share of the same ceremony and number with another value, every sum right. */
function forge(share: string): string {
  return formatShare({ ...parseShare(share), value: new Uint8Array(32).fill(7) });
}

describe('a root of shares takes the place of a passphrase', { concurrency: false }, () => {
  let trial: Trial;
  let row: Drawn;
  let at: CeremonyProcess;
  before(async () => {
    trial = await remote();
    at = await CeremonyProcess.start(trial);
    row = await draw(trial, 1);
  });
  after(async () => {
    await at.kill();
    end(trial);
  });

  /** A row that was written before is read: its keys are what they were. */
  async function keysAreTheSame(): Promise<void> {
    trial.now = Date.now();
    await requireRead(trial, row);
  }

  it('not before it is entered by two administrators, nor before every share is given back', async () => {
    const { root, shares } = await at.draw();
    await assert.rejects(at.adopt(root), refusedAs('not-entered'));
    await assert.rejects(at.adopt('00'.repeat(32)), refusedAs('not-drawn'));
    const signedByOne = trial.byAdministrators({
      type: 'root-rotation',
      root,
      provider: 'shares',
      threshold: 2,
      shares: 3,
      reason: 'a trial',
      time: trial.now,
    });
    await trial.appendPublic({ ...signedByOne, signatures: signedByOne.signatures.slice(0, 1) });
    await assert.rejects(at.adopt(root), refusedAs('not-entered'));
    await at.enter(root);
    await assert.rejects(at.adopt(root), refusedAs('shares-missing'));
    for (const [given, share] of shares.slice(0, 2).entries()) {
      assert.deepEqual(await at.give(share), {
        of: 'drawn',
        given: [1, 2].slice(0, given + 1),
        isEnough: false,
      });
    }
    await assert.rejects(at.adopt(root), refusedAs('shares-missing'));
    await assert.rejects(at.give(forge(shares[2] as string)), refusedAs('wrong-share'));
    assert.deepEqual(await at.give(shares[2] as string), {
      of: 'drawn',
      given: [1, 2, 3],
      isEnough: true,
    });
    // Another drawn meanwhile: this one is worth nothing any more.
    await at.draw();
    await assert.rejects(at.adopt(root), refusedAs('not-drawn'));
    assert.equal((await at.status()).answer.present.provider, 'passphrase');
  });

  it('and not where the entry says something else of it than is so', async () => {
    const { root, shares } = await at.draw();
    await at.enter(root, { threshold: 3, shares: 5 });
    for (const share of shares) await at.give(share);
    await assert.rejects(at.adopt(root), refusedAs('not-entered'));
    for (const claimed of [{ threshold: 3, shares: 3 }, { threshold: 2, shares: 4 }, null]) {
      const other = await at.draw();
      await at.enter(other.root, claimed);
      await assert.rejects(at.adopt(other.root), refusedAs('not-entered'));
    }
    const { answer } = await at.client.ask('draw', { provider: 'passphrase' });
    await at.enter(answer.root.root, { threshold: 2, shares: 3 });
    await assert.rejects(at.adopt(answer.root.root), refusedAs('not-entered'));
    assert.equal((await at.status()).answer.present.provider, 'passphrase');
  });

  it('then while the keeper serves, and at the next start it is locked', async () => {
    const shares = await at.changeToShares();
    await keysAreTheSame();
    const { answer } = await at.status();
    assert.equal(answer.isLocked, false);
    assert.equal(answer.present.shares?.threshold, 2);
    assert.equal(answer.drawn, null);
    assert.equal(await at.stop(), 0);

    at = await CeremonyProcess.start(trial);
    assert.equal(at.keeper.isLocked, true);
    await assert.rejects(trial.ask('status', {}), refusedAs('locked'));
    await assert.rejects(trial.draw(1), refusedAs('locked'));
    await assert.rejects(at.draw(), refusedAs('locked'));
    await assert.rejects(at.adopt('00'.repeat(32)), refusedAs('locked'));
    assert.deepEqual((await at.status()).answer.generations, null);

    const [first, second, third] = shares as [string, string, string];
    await assert.rejects(at.give('1 0000'), refusedAs('bad-share'));
    await assert.rejects(at.give('x'.repeat(5_000)), refusedAs('bad-share'));
    const named = at.give(forge(third));
    await assert.rejects(named, (error: Error) => /share 3 /.test(error.message));
    assert.deepEqual(await at.give(third), { of: 'present', given: [3], isEnough: false });
    // The same again is no second one.
    assert.deepEqual(await at.give(third), { of: 'present', given: [3], isEnough: false });
    await assert.rejects(trial.ask('status', {}), refusedAs('locked'));
    assert.deepEqual(await at.give(first), { of: 'present', given: [], isEnough: true });
    while (at.keeper.isLocked) await sleep(5);
    await keysAreTheSame();
    await assert.rejects(at.give(second), refusedAs('not-locked'));
    assert.equal(at.keeper.errors, '');
  });

  it('and new custodians’ shares take theirs: the old ones open nothing', async () => {
    const old = await at.changeToShares();
    const shares = await at.changeToShares({ threshold: 3, count: 5 });
    await at.kill();
    at = await CeremonyProcess.start(trial);
    await assert.rejects(at.give(old[0] as string), refusedAs('another-ceremony'));
    for (const share of [shares[4], shares[1]]) await at.give(share as string);
    assert.equal(at.keeper.isLocked, true);
    assert.equal((await at.give(shares[2] as string)).isEnough, true);
    while (at.keeper.isLocked) await sleep(5);
    await keysAreTheSame();
  });

  it('and a passphrase may take it again', async () => {
    const drawn = () => at.client.ask('draw', { provider: 'passphrase' });
    const { root } = (await drawn()).answer.root;
    await assert.rejects(at.adopt(root), refusedAs('not-entered'));
    await at.enter(root, null);
    const path = join(trial.dir, 'passphrase');
    const file = readFileSync(path);
    rmSync(path);
    await assert.rejects(at.adopt(root), refusedAs('no-passphrase'));
    writeFileSync(path, 'another\n');
    await assert.rejects(at.adopt(root), refusedAs('wrong-passphrase'));
    writeFileSync(path, '');
    await assert.rejects(drawn(), refusedAs('no-passphrase'));
    writeFileSync(path, file);
    assert.equal((await at.adopt(root)).provider, 'passphrase');
    await at.kill();
    at = await CeremonyProcess.start(trial);
    assert.equal(at.keeper.isLocked, false);
    await keysAreTheSame();
  });

  it('a rehearsal goes as in earnest, and changes nothing', async () => {
    const present = (await at.status()).answer.present.root;
    const { root, shares } = await at.draw({ rehearsal: true });
    assert.ok(shares.every((share) => parseShare(share).isRehearsal));
    await assert.rejects(at.adopt(root), refusedAs('not-drawn'));
    assert.deepEqual(await at.give(shares[1] as string), {
      of: 'rehearsal',
      given: [2],
      isEnough: false,
    });
    assert.equal((await at.give(shares[2] as string)).isEnough, true);
    const { answer } = await at.status();
    assert.equal(answer.present.root, present);
    assert.equal(answer.rehearsal, null);
    assert.equal(answer.drawn, null);
  });

  it('what is no message of a ceremony is refused', async () => {
    const ask = at.client.ask.bind(at.client) as unknown as (
      name: string,
      body: object,
    ) => Promise<unknown>;
    for (const [name, body] of [
      ['draw', {}],
      ['draw', { provider: 'pkcs12' }],
      ['draw', { provider: 'shares', threshold: 4, count: 3, rehearsal: false }],
      ['draw', { provider: 'shares', threshold: 1, count: 3, rehearsal: false }],
      ['draw', { provider: 'shares', threshold: 2, count: 17, rehearsal: false }],
      ['adopt', { root: 'x' }],
      ['status', { more: 1 }],
      ['share', { share: 'x' }],
    ] as const) {
      await assert.rejects(ask(name, body), refusedAs('malformed'), name);
    }
    await assert.rejects(ask('resolve', {}), refusedAs('unknown-message'));
  });

  it('after too many wrong shares none is looked at until the next start', async () => {
    const { shares } = await at.draw();
    const wrong = forge(shares[0] as string);
    for (let time = 0; time < 64; time++) {
      await assert.rejects(at.give(wrong), refusedAs('wrong-share'));
    }
    await assert.rejects(at.give(shares[0] as string), refusedAs('too-many-attempts'));
  });
});

it('what was ordered is said to be done once it is, again after a kill, until the log says so', async () => {
  const trial = await remote();
  let at = await CeremonyProcess.start(trial);
  const carriedOut = async () => (await trial.ask('status', {})).answer.carriedOut;
  const orders = async () => (await at.status()).answer.orders;
  const { root, shares } = await at.draw();
  await at.enter(root);
  const index = trial.range.size - 1;
  const order = { type: 'root-rotation', index, isCarriedOut: false, entered: null };
  assert.equal(await carriedOut(), null);
  assert.deepEqual(await orders(), [order]);
  for (const share of shares) await at.give(share);
  assert.equal(await carriedOut(), null);
  await at.adopt(root);
  await at.kill();

  at = await CeremonyProcess.start(trial);
  assert.equal((await at.status()).answer.orders, null);
  for (const share of shares.slice(1)) await at.give(share);
  while (at.keeper.isLocked) await sleep(5);
  const said = await carriedOut();
  assert.ok(said !== null);
  assert.deepEqual(await orders(), [{ ...order, isCarriedOut: true }]);
  // Signed by nobody, or by another, it changes nothing.
  await trial.appendPublic({ ...said, signatures: [] });
  await trial.appendPublic(trial.byAdministrators(JSON.parse(said.document)));
  assert.ok((await carriedOut()) !== null);
  await trial.appendPublic(said);
  assert.equal(await carriedOut(), null);
  const entered = { ...order, isCarriedOut: true, entered: trial.range.size - 1 };
  assert.deepEqual(await orders(), [entered]);

  await at.enterGeneration(1);
  while ((await carriedOut()) === null) await sleep(20);
  assert.deepEqual((await at.status()).answer.generations, { present: 3, isRotating: false });
  await trial.appendPublic((await carriedOut()) as Signed);
  assert.deepEqual(
    (await orders())?.map((each) => each.entered),
    [entered.entered, trial.range.size - 1],
  );
  await at.kill();
  end(trial);
});

describe('a keeper that is killed, or whose disk fills, in a change of its root', () => {
  /** Opens with the passphrase, or with these shares, and with no other; everything is there. */
  async function opens(trial: Trial, shares: readonly string[], record: string): Promise<boolean> {
    await using at = await CeremonyProcess.start(trial);
    const isNew = at.keeper.isLocked;
    if (isNew) {
      for (const share of shares.slice(1)) await at.give(share);
      while (at.keeper.isLocked) await sleep(5);
    }
    assert.equal((await trial.draw(1))?.record, record);
    assert.equal(at.keeper.errors, '');
    // In good order, so that the next has its journal to itself.
    assert.equal(await at.stop(), 0);
    return isNew;
  }

  /** The generation as the present root wraps it, by the file alone. */
  function wrappedGeneration(trial: Trial): Buffer {
    const db = new DatabaseSync(join(trial.dir, KEEPER_FILES.database), { readOnly: true });
    const row = db.prepare('SELECT wrapped FROM generations JOIN slots USING (slot)').get();
    db.close();
    return Buffer.from(row?.wrapped as Uint8Array);
  }

  it('opens with the old root until the new one is adopted, and then with the new one', async () => {
    const trial = await remote();
    let at = await CeremonyProcess.start(trial);
    const record = (await trial.draw(1))?.record as string;
    const again = async () => {
      await at.kill();
      assert.equal(await opens(trial, [], record), false);
      at = await CeremonyProcess.start(trial);
    };
    const { root, shares } = await at.draw();
    await again();
    await at.enter(root);
    await again();
    for (const share of shares.slice(0, 2)) await at.give(share);
    await again();
    // What was given is in memory alone; what was drawn and entered is there.
    await assert.rejects(at.adopt(root), refusedAs('shares-missing'));
    for (const share of shares) await at.give(share);
    await again();
    for (const share of shares) await at.give(share);
    await at.adopt(root);
    await at.kill();
    assert.equal(await opens(trial, shares, record), true);
    end(trial);
  });

  it('opens with the one or the other, at whichever step it is killed while it adopts', async (t) => {
    const trial = await remote();
    let at = await CeremonyProcess.start(trial);
    const record = (await trial.draw(1))?.record as string;
    t.after(() => at.kill());
    let present = await at.changeToShares();
    const steps: string[] = [];
    for (let step = 1; ; step++) {
      const { root, shares } = await at.draw();
      await at.enter(root);
      await at.stop();
      const wrapped = wrappedGeneration(trial);
      const preload = killAt({ step, from: 'DELETE FROM roots' });
      at = await CeremonyProcess.start(trial, { preload });
      for (const share of present.slice(1)) await at.give(share);
      while (at.keeper.isLocked) await sleep(5);
      for (const share of shares) await at.give(share);
      const isAcknowledged = await at.adopt(root).then(
        () => true,
        (error) => {
          assert.ok(error instanceof KeeperUnavailable);
          return false;
        },
      );
      await at.kill();
      if (!isAcknowledged) steps.push(at.keeper.errors);
      at = await CeremonyProcess.start(trial);
      const isNew = (await at.status()).answer.present.root === root;
      // Before its commit it is the old one, and from then on the new one.
      assert.equal(isNew, step > 1, `step ${step}`);
      if (isNew) {
        await assert.rejects(at.give(present[0] as string), refusedAs('another-ceremony'));
        present = shares;
      }
      for (const share of present.slice(1)) await at.give(share);
      while (at.keeper.isLocked) await sleep(5);
      if (isNew) assert.deepEqual(filesWith(trial, wrapped), [], 'what the old root opens is left');
      assert.equal((await trial.draw(1))?.record, record);
      if (isAcknowledged) break;
    }
    t.diagnostic(steps.map((each) => each.trim()).join(', '));
    assert.equal(steps[0], 'killed before COMMIT\n');
    for (const part of ['(RESTART)', 'write', '(TRUNCATE)']) {
      assert.ok(steps.some((each) => each.includes(part)));
    }
    end(trial);
  });

  it('opens with the old root where the disk was full, and goes on with the ceremony', async (t) => {
    if (process.platform === 'win32') return t.skip('there is no ulimit');
    const trial = await remote();
    const at = await CeremonyProcess.start(trial);
    const record = (await trial.draw(1))?.record as string;
    const { root, shares } = await at.draw();
    await at.enter(root);
    await at.stop();
    let adopted = 0;
    let full = 0;
    // The database itself has room: it is the journal that outgrows the disk.
    const limit = Math.ceil(statSync(join(trial.dir, KEEPER_FILES.database)).size / 1024);
    for (let filled = 0; filled <= 12 && adopted === 0; filled++) {
      await using limited = await CeremonyProcess.start(trial, { limit });
      try {
        // Each takes some of what the journal may hold.
        for (let time = 2 * (12 - filled); time > 0; time--) await trial.append([]);
        for (const share of shares) await limited.give(share);
        await limited.adopt(root);
        adopted += 1;
      } catch (error) {
        assert.ok(error instanceof KeeperUnavailable, String(error));
        assert.equal(await limited.keeper.ended, 1);
        assert.match(limited.keeper.errors, /^keeper: [^\n]*(full|disk|I\/O)[^\n]*\n$/);
        full += 1;
        assert.equal(await opens(trial, [], record), false);
      }
    }
    assert.ok(full > 0 && adopted > 0, `${full} full, ${adopted} adopted`);
    assert.equal(await opens(trial, shares, record), true);
    end(trial);
  });
});

it('what a keeper’s folder holds opens nothing: neither share, nor the root’s key, nor a generation', async () => {
  const trial = await remote();
  await using at = await CeremonyProcess.start(trial);
  const shares = await at.changeToShares();
  for (const name of readdirSync(trial.dir).filter((each) => !each.endsWith('.sock'))) {
    const bytes = readFileSync(join(trial.dir, name));
    for (const share of shares) {
      assert.ok(!bytes.includes(Buffer.from(parseShare(share).value)), name);
      for (const line of share.trimEnd().split('\n')) assert.ok(!bytes.includes(line.slice(2, 21)));
    }
  }
  const rootKey = combineShares(shares.slice(1).map(parseShare));
  const root = rootInMemory(secretKey(rootKey), randomBytes);
  const db = new DatabaseSync(join(trial.dir, KEEPER_FILES.database), { readOnly: true });
  const wrapped = db
    .prepare('SELECT wrapped FROM slots JOIN generations USING (slot)')
    .get()?.wrapped;
  db.close();
  // That it opens the generation shows that it is the key.
  const about = encodeNames('generation', String(FIRST_GENERATION));
  const generation = await root.unwrap(wrapped as Uint8Array, about);
  for (const key of [rootKey, generation]) {
    assert.deepEqual(filesWith(trial, key), []);
    // The search finds what is there.
    writeFileSync(join(trial.dir, 'there'), key);
    assert.deepEqual(filesWith(trial, key), ['there']);
    rmSync(join(trial.dir, 'there'));
  }
  end(trial);
});
