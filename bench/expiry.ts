import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { utf8 } from '@amanat/core/bytes';
import { leafHash } from '@amanat/core/log';
import { monthNumber, monthText } from '@amanat/core/shape';
import { KeeperProcess } from '../packages/keeper/_process.ts';
import { announcement, expiryLeaf, preparedErasure } from '../packages/keeper/_shred.ts';
import { declaration, Trial } from '../packages/keeper/_trial.ts';
import { KEEPER_FILES } from '../packages/keeper/create.ts';
import { packLeaves } from '../packages/keeper/frame.ts';
import { KeyRing } from '../packages/keeper/key-ring.ts';
import { Roots } from '../packages/keeper/roots.ts';
import { FIRST_GENERATION } from '../packages/keeper/slots.ts';
import { KeeperStore } from '../packages/keeper/store.ts';
import { quantile, rounded } from './figures.ts';

const FEW = 10_000;
const ROUNDS = 5;
const ROWS_A_BATCH = 512;
/** What is imported before each: some 40 MB of pages. */
const BATCHES = 20;
const DAY_MS = 86_400_000;
/** Rows of one transaction while a database is filled, and times that it is gone through, so that pages are not full. */
const FILL_ROWS = 100_000;
const FILL_PASSES = 3;
const FLOOR_WRITES = 50;
const PAGE_BYTES = 4096;

export interface ExpiryOptions {
  /** Records of the larger holding. */
  readonly records: number;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/** What was measured of one holding, the median and the most of all rounds, in milliseconds. */
interface Measured {
  readonly expiry: readonly number[];
  readonly duringImport: readonly number[];
  readonly erasure: readonly number[];
  readonly certificate: readonly number[];
  readonly durableWrite: readonly number[];
}

/**
 * What it takes the keeper to expire a month and to erase a person, from asking it to take their entry in until it
 * answers, when the key is in neither database nor journal: in a process of its own, right after an import, and in one,
 * on a few records and on many; and one durable write of a page on the same disk, to compare it with.
 *
 * keeper.db has the rows that so many records of as many people leave there: slots, subjects, numbers bound. The
 * gateway's store has no part in it: what is destroyed there is nothing, and no row of it is read.
 */
export async function measureExpiry({
  records,
  signal,
  say,
}: ExpiryOptions): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  const medians: Measured[] = [];
  for (const size of [FEW, records]) {
    signal.throwIfAborted();
    say(`expiry on ${size} records…`);
    const found = await measureOn(size, signal);
    medians.push(found);
    for (const [name, values] of Object.entries(found) as [keyof Measured, readonly number[]][]) {
      const label = `${NAMES[name]}_${size}`;
      figures[`${label}_p50_ms`] = quantile(values, 0.5);
      figures[`${label}_most_ms`] = rounded(Math.max(...values));
    }
  }
  const [few, many] = medians;
  for (const name of ['expiry', 'erasure'] as const) {
    const ratio = quantile(many?.[name] ?? [], 0.5) / quantile(few?.[name] ?? [], 0.5);
    figures[`${name}_ratio_of_many_to_few`] = rounded(ratio);
  }
  return figures;
}

const NAMES: Readonly<Record<keyof Measured, string>> = {
  expiry: 'expiry',
  duringImport: 'expiry_in_an_import',
  erasure: 'erasure',
  certificate: 'expiry_certificate',
  durableWrite: 'floor_durable_write',
};

async function measureOn(size: number, signal: AbortSignal): Promise<Measured> {
  const trial = await Trial.ready({ now: Date.now(), subjectsPerDay: 1_000_000 });
  try {
    await trial.draw();
    trial.keeper.close();
    await fill(trial, size, signal);
    const keeper = await KeeperProcess.start(trial);
    try {
      trial.port = keeper.client;
      return await measure(trial, signal);
    } finally {
      await keeper.kill();
    }
  } finally {
    rmSync(trial.dir, { recursive: true });
  }
}

async function measure(trial: Trial, signal: AbortSignal): Promise<Measured> {
  const found = {
    expiry: [] as number[],
    duringImport: [] as number[],
    erasure: [] as number[],
    certificate: [] as number[],
    durableWrite: durableWrites(trial.dir),
  };
  const people = newPeople();
  for (let round = 0; round < ROUNDS; round++) {
    signal.throwIfAborted();
    const [after, during] = [monthBefore(trial, 2 * round + 2), monthBefore(trial, 2 * round + 3)];
    await trial.appendPublic(announced(trial, after));
    await trial.appendPublic(announced(trial, during));
    await beginImport(trial);
    await drawMany(trial, during, people);
    found.duringImport.push(await timed(() => take(trial, expiryLeaf(trial, expiring(during)))));
    await drawMany(trial, after, people);
    await trial.endImport();
    const index = trial.range.size;
    found.expiry.push(await timed(() => take(trial, expiryLeaf(trial, expiring(after)))));
    found.certificate.push(await timed(() => trial.ask('shred', { from: index })));
    await beginImport(trial);
    await drawMany(trial, monthBefore(trial, 1), people);
    await trial.endImport();
    const leaf = await preparedErasure(trial);
    found.erasure.push(await timed(() => take(trial, leaf)));
  }
  return found;
}

/** The nth month before the trial's own. */
function monthBefore(trial: Trial, nth: number): string {
  return monthText(monthNumber(new Date(trial.now).toISOString().slice(0, 7)) - nth);
}

/** When the records of a month expire. */
function expiring(month: string): string {
  return monthText(monthNumber(month) + declaration().retentionMonths);
}

function announced(trial: Trial, month: string) {
  return announcement(trial, expiring(month), trial.now - 8 * DAY_MS);
}

/** Has the keeper take one leaf in; the log is made before. */
async function take(trial: Trial, leaf: Uint8Array): Promise<void> {
  trial.range.append(leafHash(leaf));
  const ask = { checkpoint: trial.checkpoint(), leaves: 1, wanted: [] };
  await trial.ask('commit', ask, packLeaves([leaf]));
}

async function beginImport(trial: Trial): Promise<void> {
  trial.importIndex = trial.range.size;
  const begun = trial.importBegun(2 * BATCHES * ROWS_A_BATCH);
  await trial.appendPublic(trial.signed(trial.importer, begun));
}

/** Draws for so many batches of new people, each with a number. */
async function drawMany(trial: Trial, month: string, people: Iterator<string>): Promise<void> {
  for (let batch = 0; batch < BATCHES; batch++) {
    const ids = Array.from({ length: ROWS_A_BATCH }, () => String(people.next().value));
    const rows = ids.map((id, row) => ({
      row: row + 1,
      primary: { type: 'cnic' as const, value: `0999${id}` },
      secondary: [{ type: 'msisdn' as const, value: `+999${id}` }],
      recordKey: Buffer.alloc(32, 1),
      digest: Buffer.alloc(32, 2),
      eventDate: `${month}-01`,
    }));
    const { refused } = await trial.drawRows(rows);
    if (refused.length > 0) throw new Error('rows of the measurement are refused');
  }
}

/** Nine digits, others each time. */
function* newPeople(): Generator<string> {
  for (let nth = 0; ; nth++) yield String(nth).padStart(9, '0');
}

/** Gives a keeper's database the rows of so many people, in SQL, as drawing lays them, and has their sum made anew. */
async function fill(trial: Trial, people: number, signal: AbortSignal): Promise<void> {
  const store = KeeperStore.open(join(trial.dir, KEEPER_FILES.database));
  try {
    const root = await trial.root().unlock(new Roots(store).present);
    const ring = await KeyRing.unlock(store, root);
    const part = Math.ceil(people / FILL_PASSES);
    for (let pass = 0; pass < FILL_PASSES; pass++) {
      for (let from = 0; from < part; from += FILL_ROWS) {
        await yieldToOthers();
        signal.throwIfAborted();
        const to = Math.min(part, from + FILL_ROWS);
        store.transaction(() => fillSome(store, { pass, from, to, part }));
      }
    }
    store.transaction(() => store.beginSum(ring.rowSumKeys()));
  } finally {
    store.close();
  }
}

function fillSome(
  store: KeeperStore,
  { pass, from, to, part }: { pass: number; from: number; to: number; part: number },
): void {
  const last = Number(store.get('SELECT max(slot) AS slot FROM slots')?.slot);
  // In the order of the table: between them there is room for those of the next pass.
  const step = Math.floor(2 ** 32 / (part * FILL_PASSES));
  const id = `unhex(printf('%08x', (n * ${FILL_PASSES} + ${pass}) * ${step}) || hex(randomblob(12)))`;
  const each = `WITH RECURSIVE each(n) AS (VALUES (${from}) UNION ALL SELECT n + 1 FROM each WHERE n + 1 < ${to})`;
  store.run(
    `${each} INSERT INTO slots (generation, wrapped) SELECT ${FIRST_GENERATION}, randomblob(60) FROM each`,
  );
  store.run(
    `${each} INSERT INTO subjects (subject, subject_slot, number, protected)
      SELECT ${id}, ${last + 1 - from} + n, 0, 0 FROM each`,
  );
  store.run(`${each} INSERT INTO bindings SELECT ${id}, randomblob(16) FROM each`);
}

/** Milliseconds of writing a page in place so that it is on the disk, time after time. */
function durableWrites(dir: string): readonly number[] {
  const path = join(dir, 'floor');
  const page = utf8('0'.repeat(PAGE_BYTES));
  const file = openSync(path, 'as');
  closeSync(file);
  const place = openSync(path, 'rs+');
  try {
    return Array.from({ length: FLOOR_WRITES }, () => {
      const started = performance.now();
      writeSync(place, page, 0, PAGE_BYTES, 0);
      return performance.now() - started;
    });
  } finally {
    closeSync(place);
    rmSync(path);
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}
