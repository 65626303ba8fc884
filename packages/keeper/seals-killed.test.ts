import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { hex } from '@amanat/core/bytes';
import { documentHash } from '@amanat/core/grants';
import { leafHash, parseLeaf } from '@amanat/core/log';
import { KeeperProcess } from './_process.ts';
import { CNIC, Trial } from './_trial.ts';
import { KeeperUnavailable } from './client.ts';
import { packLeaves } from './frame.ts';
import type { PreparedEntry } from './prepared.ts';

const GROUND = 'https://w3id.org/dpv#LegalObligation';
const DAY = 86_400_000;

/** A trial that was made so many days ago, with rules by which seals are made; its keeper is closed. */
async function remote(daysAgo: number): Promise<Trial> {
  const trial = await Trial.ready({ now: Date.now() - daysAgo * DAY });
  await trial.appendPublic(
    trial.byAdministrators({
      type: 'seal-rules',
      version: 1,
      jurisdiction: 'Example land',
      grounds: [{ ground: GROUND, title: { en: 'a', ur: 'a' }, daysMax: 90, source: 'an act' }],
      agencies: [{ agency: 'demo-police', openMax: 10_000 }],
      time: trial.now,
    }),
  );
  return trial;
}

/** The look-up of a request sealed for so many days from the trial's time. */
async function ask(trial: Trial, days: number, value = CNIC): Promise<number> {
  const until = new Date(trial.now + days * DAY).toISOString().slice(0, 10);
  const request = trial.request({ seal: { ground: GROUND, until } }, [trial.selector(value)]);
  const approval = trial.signed(trial.approver, {
    type: 'approval',
    request: hex(documentHash(request.signed.document)),
    nonce: hex(randomBytes(16)),
    time: trial.now,
  });
  const [resolved] = await trial.resolve({ ...request, approval });
  assert.ok(resolved?.outcome === 'resolved', JSON.stringify(resolved));
  return resolved.lookUps[0]?.id ?? 0;
}

/** A trial's log, whose leaves outlive the keeper's processes. */
class Leaves {
  readonly #trial: Trial;
  readonly #leaves: Uint8Array[] = [];
  readonly #base: number;

  constructor(trial: Trial) {
    this.#trial = trial;
    this.#base = trial.range.size;
  }

  store({ leaf }: PreparedEntry): void {
    this.#trial.range.append(leafHash(leaf));
    this.#leaves.push(leaf);
  }

  /** Has the keeper follow to the end, as a gateway does after a start. */
  async follow(): Promise<void> {
    const { size } = (await this.#trial.ask('status', {})).answer;
    const missing = this.#leaves.slice(size - this.#base);
    const question = { checkpoint: this.#trial.checkpoint(), leaves: missing.length, wanted: [] };
    await this.#trial.ask('commit', question, packLeaves(missing));
  }

  kinds(): readonly string[] {
    return this.#leaves.map((leaf) => parseLeaf(leaf).kind);
  }
}

async function prepare(trial: Trial, id: number): Promise<PreparedEntry> {
  const entry = await trial.prepare(id, [], true);
  assert.ok('leaf' in entry, JSON.stringify(entry));
  return entry;
}

const started: KeeperProcess[] = [];
after(() => {
  // A test that failed has left its own.
  for (const { child } of started) child.kill('SIGKILL');
});

async function start(trial: Trial, limit?: number): Promise<KeeperProcess> {
  const keeper = await KeeperProcess.start(trial, limit === undefined ? {} : { limit });
  started.push(keeper);
  trial.port = keeper.client;
  return keeper;
}

/** What a gateway does after a start: follows, and enters whatever is open. */
async function mend(trial: Trial, leaves: Leaves): Promise<readonly PreparedEntry[]> {
  await leaves.follow();
  const { answer } = await trial.ask('status', {});
  const entered: PreparedEntry[] = [];
  for (const { id } of answer.open) {
    const entry = await prepare(trial, id);
    entered.push(entry);
    leaves.store(entry);
  }
  await leaves.follow();
  return entered;
}

describe('a keeper that is killed', () => {
  const STEPS = ['resolved', 'prepared', 'stored', 'followed'] as const;

  it('at any step of sealing has sealed it once, or not acknowledged it', async () => {
    for (const step of STEPS) {
      const trial = await remote(0);
      trial.keeper.close();
      const leaves = new Leaves(trial);
      const first = await start(trial);
      const id = await ask(trial, 30);
      if (step !== 'resolved') {
        const entry = await prepare(trial, id);
        if (step !== 'prepared') leaves.store(entry);
        if (step === 'followed') await leaves.follow();
      }
      await first.kill();
      const second = await start(trial);
      const entered = await mend(trial, leaves);
      assert.deepEqual(
        entered.map(({ kind, number }) => [kind, number]),
        step === 'followed' ? [] : [['undelivered', 1]],
        step,
      );
      const { counted } = (await trial.ask('seals', {})).answer;
      const inert = counted === null ? [] : (JSON.parse(counted.document).inert as number[]);
      // The leaf that nobody waited for any more is told in public: nobody counts it as overdue.
      assert.equal(inert.length, step === 'stored' ? 1 : 0, step);
      assert.equal(await second.stop(), 0);
      // Months later, by a keeper that has this clock: one opening, whatever happened.
      trial.port = null;
      trial.now += 40 * DAY;
      await trial.reopenClosed();
      await trial.ask('seals', {});
      assert.equal((await trial.ask('status', {})).answer.open.length, 1, step);
      trial.end();
    }
  });

  it('at any step of an opening opens it once', async () => {
    for (const step of STEPS) {
      const trial = await remote(40);
      const leaves = new Leaves(trial);
      const id = await ask(trial, 10);
      leaves.store(await prepare(trial, id));
      await leaves.follow();
      trial.keeper.close();
      const first = await start(trial);
      assert.equal((await trial.ask('seals', {})).answer.due, 1, step);
      if (step !== 'resolved') {
        const [open] = (await trial.ask('status', {})).answer.open;
        const entry = await prepare(trial, open?.id ?? 0);
        if (step !== 'prepared') leaves.store(entry);
        if (step === 'followed') await leaves.follow();
      }
      await first.kill();
      const second = await start(trial);
      const entered = await mend(trial, leaves);
      assert.deepEqual(
        entered.map(({ kind, number }) => [kind, number]),
        step === 'followed' ? [] : [['opened', 1]],
        step,
      );
      assert.equal((await trial.ask('seals', {})).answer.due, 0, step);
      assert.deepEqual((await trial.ask('status', {})).answer.open, [], step);
      assert.equal(await second.stop(), 0);
      rmSync(trial.dir, { recursive: true });
    }
  });
});

describe('a keeper whose disk is full', () => {
  it('while it seals has, after a start, every seal that it acknowledged, and opens each once', async (t) => {
    if (process.platform === 'win32') return t.skip('there is no ulimit');
    const trial = await remote(0);
    trial.keeper.close();
    const leaves = new Leaves(trial);
    const limited = await start(trial, 640);
    let acknowledged = 0;
    await assert.rejects(async () => {
      for (let row = 1; row < 5_000; row++) {
        const entry = await prepare(
          trial,
          await ask(trial, 30, `01234${String(row).padStart(8, '0')}`),
        );
        leaves.store(entry);
        await leaves.follow();
        acknowledged++;
      }
    }, KeeperUnavailable);
    assert.equal(await limited.ended, 1);
    assert.ok(acknowledged > 3, String(acknowledged));
    const keeper = await start(trial);
    const entered = await mend(trial, leaves);
    assert.equal(await keeper.stop(), 0);
    const sealed = acknowledged + entered.filter(({ kind }) => kind !== 'opened').length;
    trial.port = null;
    trial.now = Date.now() + 40 * DAY;
    await trial.reopenClosed();
    await trial.ask('seals', {});
    const { open } = (await trial.ask('status', {})).answer;
    // One whose entry was stored, and followed without an answer, may stand between.
    assert.ok(open.length === sealed || open.length === sealed + 1, `${open.length} of ${sealed}`);
    const opened = await mend(trial, leaves);
    assert.ok(opened.every(({ kind }) => kind === 'opened'));
    await trial.ask('seals', {});
    assert.deepEqual((await trial.ask('status', {})).answer.open, []);
    assert.equal(
      leaves.kinds().filter((kind) => kind === 'opened').length,
      new Set(opened.map(({ subject }) => subject)).size,
    );
    trial.end();
  });
});
