import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { writeDocument } from '@amanat/core/grants';
import type { SigningKey } from '@amanat/core/keys';
import { generateSigningKey } from '@amanat/core/keys';
import type { PersonalLeaf } from '@amanat/core/log';
import { encodePersonalLeaf, formatVerifierKey } from '@amanat/core/log';
import { runHere } from '../cli/_around.ts';
import { auditTerms, TestLog } from './_log.ts';
import type { AuditTerms } from './audit.ts';
import { auditLog } from './audit.ts';
import { SealsSeen } from './seals.ts';

const DAY = 86_400_000;
/** Two days after November: what was to open in it is overdue. */
const OVER = Date.UTC(2026, 11, 3);
const keeper = generateSigningKey('ed25519');
const administrators = [generateSigningKey('ed25519'), generateSigningKey('ed25519')];

describe('an audit of a log in which look-ups are sealed', () => {
  let folder: string;
  let files: string;
  let statePath: string;
  let log: TestLog;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'amanat-seals-'));
    files = join(folder, 'files');
    statePath = join(folder, 'state.json');
    log = new TestLog();
    log.begin(keeper, administrators);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  type About =
    | Pick<Extract<PersonalLeaf, { kind: 'sealed' }>, 'kind' | 'month' | 'extends'>
    | Pick<Extract<PersonalLeaf, { kind: 'opened' }>, 'kind' | 'seal'>;
  /** Gives where the leaf stands. */
  function add(about: About): number {
    const commitment = Buffer.alloc(32, log.leaves.length);
    log.leaves.push(encodePersonalLeaf({ hour: '2026-10-01T09Z', commitment, ...about }));
    return log.leaves.length - 1;
  }
  const seal = (month: string, extended: number | null = null) =>
    add({ kind: 'sealed', month, extends: extended });
  const open = (index: number) => add({ kind: 'opened', seal: index });
  /** The keeper's word, of the month after all that is sealed here unless another time is given. */
  function count(
    inert: readonly number[],
    {
      key = keeper,
      size = log.leaves.length,
      time = OVER,
    }: { readonly key?: SigningKey; readonly size?: number; readonly time?: number } = {},
  ): void {
    const document = writeDocument<'seals-counted'>({
      type: 'seals-counted',
      counts: [],
      inert,
      size,
      time,
    });
    log.enter(document, key);
  }

  async function audit(options: Partial<AuditTerms> = {}) {
    log.publish(files);
    const terms = auditTerms({ directory: files }, log.key, { now: () => OVER, ...options });
    const { findings, seals } = await auditLog(terms);
    // Of what is counted there are tests of their own.
    const codes = findings.map(({ code }) => code).filter((code) => code !== UNCOUNTED);
    return [codes, seals?.open, seals?.overdue];
  }
  const OVERDUE = ['overdue-seals'];
  const UNCOUNTED = 'uncounted-seals';
  /** Two days after the month in which all is sealed here, October. */
  const DUE = Date.UTC(2026, 10, 3);

  /** Months of which counts are missing; there is a finding where there are any. */
  async function missing(options: Partial<AuditTerms> = {}): Promise<readonly string[]> {
    log.publish(files);
    const terms = auditTerms({ directory: files }, log.key, { now: () => DUE, ...options });
    const { findings, seals } = await auditLog(terms);
    const isFound = findings.some(({ code }) => code === UNCOUNTED);
    assert.equal(isFound, seals?.uncounted.length !== 0);
    return seals?.uncounted ?? [];
  }

  it('finds a month that is counted by no document, from two days after it on', async () => {
    log.grow(3);
    assert.deepEqual(await missing(), []);
    seal('2027-11');
    assert.deepEqual(await missing({ now: () => DUE - 1 }), []);
    assert.deepEqual(await missing(), ['2026-10']);
    assert.deepEqual(await missing({ statePath }), ['2026-10']);
    count([], { time: DUE });
    assert.deepEqual(await missing({ statePath }), []);
    assert.deepEqual(await missing(), []);
    // An opening is counted as well.
    open(log.leaves.length - 2);
    assert.deepEqual(await missing({ statePath }), ['2026-10']);
  });

  it('and takes nothing for its counts but the keeper’s later word of a tree with what was sealed', async () => {
    seal('2027-11');
    const size = log.leaves.length;
    count([], { time: DUE, key: generateSigningKey('ed25519') });
    count([], { time: Date.UTC(2026, 10, 1) - 1 });
    count([], { time: DUE, size: size - 1 });
    assert.deepEqual(await missing(), ['2026-10']);
    count([], { time: DUE, size });
    assert.deepEqual(await missing(), []);
  });

  it('and misses no counts of what is inert, nor of an extension, which may have come too late', async () => {
    const moved = seal('2027-10');
    count([], { time: DUE });
    seal('2027-11', moved);
    assert.deepEqual(await missing(), []);
    const left = seal('2027-11');
    assert.deepEqual(await missing(), ['2026-10']);
    // Told within the month: nothing is left to count once it is over.
    count([left], { time: Date.UTC(2026, 9, 20) });
    assert.deepEqual(await missing(), []);
  });

  it('finds what is overdue, from two days after its month on', async () => {
    seal('2026-11');
    seal('2026-12');
    assert.deepEqual(await audit({ now: () => OVER - 1 }), [[], 2, 0]);
    assert.deepEqual(await audit(), [OVERDUE, 2, 1]);
    assert.deepEqual(await audit({ now: () => OVER + 31 * DAY }), [OVERDUE, 2, 2]);
  });

  it('does not find what was opened, or is sealed for longer', async () => {
    const first = seal('2026-11');
    const second = seal('2026-11');
    const extension = seal('2027-02', second);
    assert.deepEqual(await audit(), [OVERDUE, 2, 1]);
    open(first);
    assert.deepEqual(await audit(), [[], 1, 0]);
    // What extends it is no seal of its own, and an earlier month moves nothing.
    open(extension);
    seal('2026-10', second);
    assert.deepEqual(await audit(), [[], 1, 0]);
    assert.deepEqual(await audit({ now: () => Date.UTC(2027, 2, 3) }), [OVERDUE, 1, 1]);
  });

  it('counts nothing that the keeper calls inert, and believes nobody else that it is', async () => {
    const hidden = seal('2026-11');
    const forged = open(hidden);
    const left = seal('2026-11');
    assert.deepEqual(await audit(), [OVERDUE, 1, 1]);
    count([forged, left], { key: generateSigningKey('ed25519') });
    assert.deepEqual(await audit(), [OVERDUE, 1, 1]);
    count([left]);
    assert.deepEqual(await audit(), [[], 0, 0]);
    count([forged]);
    assert.deepEqual(await audit(), [OVERDUE, 1, 1]);
    open(hidden);
    assert.deepEqual(await audit(), [[], 0, 0]);
    const moved = seal('2026-11');
    const extension = seal('2027-11', moved);
    assert.deepEqual(await audit(), [[], 1, 0]);
    count([extension]);
    assert.deepEqual(await audit(), [OVERDUE, 1, 1]);
  });

  it('remembers them, over parts and without reading again', async () => {
    const early = seal('2026-11');
    const other = seal('2026-11');
    log.grow(600);
    assert.deepEqual(await audit({ statePath }), [OVERDUE, 2, 2]);
    const forged = open(early);
    assert.deepEqual(await audit({ statePath }), [OVERDUE, 1, 1]);
    log.grow(300);
    open(other);
    assert.deepEqual(await audit({ statePath }), [[], 0, 0]);
    count([forged]);
    assert.deepEqual(await audit({ statePath }), [OVERDUE, 1, 1]);
  });

  it('forgets no seal for openings that anyone could make up, and none that the keeper’s word has not confirmed', async () => {
    const hidden = seal('2026-11');
    const forged = open(hidden);
    for (let pair = 0; pair < 10_001; pair++) open(seal('2026-11'));
    assert.deepEqual(await audit({ statePath }), [[], 0, 0]);
    count([forged]);
    assert.deepEqual(await audit({ statePath }), [OVERDUE, 1, 1]);
    const { seals } = JSON.parse(readFileSync(statePath, 'utf8'));
    assert.equal(seals.seals.length, 10_001, 'the keeper has confirmed the others');
  });

  it('ends where there are more than it remembers', () => {
    const seen = new SealsSeen(2);
    const take = (index: number) => seen.take([{ index, leaf: at(index) }], log.key.name);
    const at = (index: number) => log.leaves[index] as Uint8Array;
    take(seal('2026-11'));
    take(seal('2026-11'));
    take(open(1));
    assert.throws(() => take(seal('2026-11')), { code: 'too-many-seals' });
  });

  it('reads all anew for a memory from before it counted them', async () => {
    seal('2026-11');
    await audit({ statePath });
    const { seals, ...old } = JSON.parse(readFileSync(statePath, 'utf8'));
    const { uncounted: _uncounted, ...less } = seals;
    for (const [format, earlier] of [
      ['amanat-audit/v2', {}],
      ['amanat-audit/v3', { seals: less }],
    ] as const) {
      writeFileSync(statePath, JSON.stringify({ ...old, ...earlier, format }));
      log.grow(3);
      assert.deepEqual(await audit({ statePath }), [OVERDUE, 1, 1]);
    }
  });

  it('is told by the command, which exits with 1', async () => {
    seal('2020-01');
    log.publish(files);
    const ran = await runHere(['audit', files, '--key', formatVerifierKey(log.key)]);
    assert.equal(ran.code, 1);
    assert.match(ran.stdout, /Sealed: 1 not opened yet, 1 overdue\./);
    assert.match(ran.stdout, /WRONG overdue-seals: /);
    assert.match(ran.stdout, /Of 2026-10 there are no counts\./);
    assert.match(ran.stdout, /WRONG uncounted-seals: /);
  });
});
