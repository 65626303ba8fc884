import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { writeShredCertificate } from '@amanat/core/shred-certificate';
import type { KeeperPort } from '@amanat/keeper/client';
import { KeeperUnavailable } from '@amanat/keeper/client';
import { databaseInMemory } from '../storage/sqlite.ts';
import type { ShreddingDeps } from './shredding.ts';
import { createShredding } from './shredding.ts';
import { createSqliteCertificateStore } from './store-sqlite.ts';

type Month = { readonly holding: string; readonly month: string };

const NOW = Date.UTC(2031, 1, 3);

/** Months that the keeper says are due, some at a time, until their expiry is entered. */
let due: Month[];
/** The log: what was entered, and what it refuses. */
let entered: Month[];
let refuses: Set<string>;
let keeperIsThere: boolean;
let warnings: string[];
let onOpen: (() => void)[];

beforeEach(() => {
  due = [];
  entered = [];
  refuses = new Set();
  keeperIsThere = true;
  warnings = [];
  onOpen = [];
});

function certified(index: number) {
  const { holding, month } = entered[index] as Month;
  const certificate = writeShredCertificate({
    type: 'shred-certificate',
    kind: 'period',
    holding,
    month,
    index,
    leaf: '00'.repeat(32),
    generation: 2,
    destroyed: NOW,
    time: NOW,
    backups: [],
  });
  return { certificate, signature: 'AAAA' };
}

const keeper = {
  async ask(name: string, body: { readonly from?: number }) {
    if (!keeperIsThere) throw new KeeperUnavailable('gone');
    const attachment = Buffer.alloc(0);
    if (name === 'status') return { answer: { due: due.slice(0, 2) }, attachment };
    const { from = 0 } = body;
    return { answer: { shred: from < entered.length ? certified(from) : null }, attachment };
  },
} as unknown as KeeperPort;

function make() {
  const store = createSqliteCertificateStore(databaseInMemory());
  const log: ShreddingDeps['log'] = {
    now: () => NOW,
    register: {
      expired: () => entered.map((each, index) => ({ ...each, index })),
    } as unknown as ShreddingDeps['log']['register'],
    leaf: (index) => (index < entered.length ? Buffer.from([index]) : null),
    onOpen: (listener) => void onOpen.push(listener as () => void),
    appendPublic: async ({ document }) => {
      const found = JSON.parse(document) as Month;
      if (refuses.has(found.month)) return { refused: 'not-due' };
      due = due.filter(({ month }) => month !== found.month);
      entered.push(found);
      return { index: entered.length - 1 };
    },
  };
  const warn: ShreddingDeps['warn'] = (event, facts) =>
    void warnings.push(`${event}: ${facts.error}`);
  return createShredding({ keeper, log, store, warn });
}

const months = (...all: readonly string[]) => all.map((month) => ({ holding: 'sims', month }));

describe('months that are due', () => {
  it('are left for the next run where the gateway’s own clock is behind, and none is asked for forever', async () => {
    using shredding = make();
    due = months('2030-11', '2030-12');
    refuses.add('2030-11').add('2030-12');
    await shredding.run();
    assert.deepEqual(entered, []);
    refuses.clear();
    await shredding.run();
    assert.equal(entered.length, 2);
    assert.deepEqual(warnings, []);
  });

  it('are told of, and tried again, where the keeper is not there', async () => {
    using shredding = make();
    due = months('2030-12');
    keeperIsThere = false;
    await shredding.run();
    assert.deepEqual(warnings, ['shredding: KeeperUnavailable']);
    keeperIsThere = true;
    await shredding.run();
    assert.equal(entered.length, 1);
  });

  it('are all entered in one run, however few the keeper tells of at a time, whenever the log opens', async () => {
    using shredding = make();
    due = months('2030-08', '2030-09', '2030-10', '2030-11', '2030-12');
    for (const listener of onOpen) listener();
    await shredding.run();
    assert.deepEqual(
      entered.map(({ month }) => month),
      ['2030-08', '2030-09', '2030-10', '2030-11', '2030-12'],
    );
  });
});

describe('certificates', () => {
  it('are none of an entry that destroyed nothing', async () => {
    using shredding = make();
    await shredding.run();
    assert.equal(shredding.certificate(0), null);
    assert.deepEqual(shredding.certificates(0, 10), []);
  });

  it('are fetched once each, kept, and given with their leaf', async () => {
    using shredding = make();
    due = months('2030-11', '2030-12');
    await shredding.run();
    await shredding.run();
    assert.deepEqual(
      shredding.certificates(0, 10).map(({ index }) => index),
      [0, 1],
    );
    assert.deepEqual(
      shredding.certificates(1, 10).map(({ index }) => index),
      [1],
    );
    assert.equal(shredding.certificate(1)?.leaf, Buffer.from([1]).toString('base64'));
    assert.equal(shredding.certificate(2), null);
    // One whose certificate is not here yet is told without a date.
    entered.push({ holding: 'sims', month: '2031-01' });
    assert.deepEqual(
      shredding.months().map(({ month, index, destroyed }) => [month, index, destroyed]),
      [
        ['2030-11', 0, NOW],
        ['2030-12', 1, NOW],
        ['2031-01', 2, null],
      ],
    );
  });
});
