import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { hex } from '@amanat/core/bytes';
import { documentHash, writeDocument } from '@amanat/core/grants';
import type { SigningKey } from '@amanat/core/keys';
import { generateSigningKey } from '@amanat/core/keys';
import { formatVerifierKey } from '@amanat/core/log';
import { runHere } from '../cli/_around.ts';
import { auditTerms, TestLog } from './_log.ts';
import type { AuditTerms } from './audit.ts';
import { auditLog } from './audit.ts';

const DAY = 86_400_000;
const ORDERED = Date.UTC(2026, 10, 1);
const OVER = ORDERED + 7 * DAY;
const keeper = generateSigningKey('ed25519');
const administrators = [generateSigningKey('ed25519'), generateSigningKey('ed25519')] as const;
const [one] = administrators;

describe('an audit of a log in which the keeper’s keys are ordered to be changed', () => {
  let folder: string;
  let files: string;
  let statePath: string;
  let log: TestLog;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'amanat-orders-'));
    files = join(folder, 'files');
    statePath = join(folder, 'state.json');
    log = new TestLog();
    log.begin(keeper, administrators);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function add(document: string, ...signers: readonly SigningKey[]): string {
    log.enter(document, ...signers);
    return hex(documentHash(document));
  }

  const root = (byte: string, signers: readonly SigningKey[] = administrators) =>
    add(
      writeDocument<'root-rotation'>({
        type: 'root-rotation',
        root: byte.repeat(32),
        provider: 'passphrase',
        threshold: null,
        shares: null,
        reason: 'a trial',
        time: ORDERED,
      }),
      ...signers,
    );
  const generation = (version: number, time = ORDERED) =>
    add(
      writeDocument<'generation-rotation'>({
        type: 'generation-rotation',
        version,
        reason: 'a trial',
        time,
      }),
      ...administrators,
    );
  const carryOut = (order: string, key: SigningKey = keeper) =>
    add(writeDocument<'carried-out'>({ type: 'carried-out', order, time: ORDERED }), key);

  async function audit(options: Partial<AuditTerms> = {}) {
    log.publish(files);
    const terms = auditTerms({ directory: files }, log.key, { now: () => OVER + 1, ...options });
    const { findings, orders } = await auditLog(terms);
    return [findings.map(({ code }) => code), orders?.open, orders?.overdue];
  }
  const OVERDUE = ['overdue-orders'];

  it('finds an order that the keeper does not call carried out, from seven days after it on', async () => {
    const first = root('ab');
    generation(1, ORDERED + DAY);
    assert.deepEqual(await audit({ now: () => OVER }), [[], 2, 0]);
    assert.deepEqual(await audit(), [OVERDUE, 2, 1]);
    carryOut(first, one);
    carryOut(first, generateSigningKey('ed25519'));
    assert.deepEqual(await audit(), [OVERDUE, 2, 1]);
    carryOut(first);
    assert.deepEqual(await audit(), [[], 1, 0]);
    assert.deepEqual(await audit({ now: () => OVER + 2 * DAY }), [OVERDUE, 1, 1]);
  });

  it('finds none that a later one has settled, that one alone signed, or that is entered again', async () => {
    root('ab');
    root('aa', [one]);
    const later = root('cd');
    generation(2);
    assert.deepEqual(await audit(), [OVERDUE, 2, 2]);
    carryOut(later);
    assert.deepEqual(await audit(), [[], 0, 0]);
    root('ab');
    assert.deepEqual(await audit(), [[], 0, 0]);
  });

  it('remembers them, over parts and without reading again', async () => {
    const first = root('ab');
    log.grow(600);
    assert.deepEqual(await audit({ statePath }), [OVERDUE, 1, 1]);
    log.grow(300);
    carryOut(first);
    const last = generation(1);
    assert.deepEqual(await audit({ statePath }), [OVERDUE, 1, 1]);
    root('ab');
    carryOut(last);
    assert.deepEqual(await audit({ statePath }), [[], 0, 0]);
  });

  it('reads all anew for a memory from before it knew of them', async () => {
    root('ab');
    await audit({ statePath });
    const { orders: _orders, ...old } = JSON.parse(readFileSync(statePath, 'utf8'));
    writeFileSync(statePath, JSON.stringify({ ...old, format: 'amanat-audit/v4' }));
    log.grow(3);
    assert.deepEqual(await audit({ statePath }), [OVERDUE, 1, 1]);
  });

  it('is told by the command, which exits with 1', async () => {
    root('ab');
    log.publish(files);
    const ran = await runHere(['audit', files, '--key', formatVerifierKey(log.key)]);
    assert.equal(ran.code, 1);
    assert.match(ran.stdout, /Ordered of the keeper’s keys: 1 not carried out yet, 1 overdue\./);
    assert.match(ran.stdout, /WRONG overdue-orders: /);
  });
});
