import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { KeeperPort } from '@amanat/keeper/client';
import { KeeperUnavailable } from '@amanat/keeper/client';
import type { SealsDeps } from './seals.ts';
import { createSeals } from './seals.ts';

const COUNTED = { document: '{"type":"seals-counted"}', signatures: [] };

let hasRules: boolean;
let keeperIsThere: boolean;
let refuses: boolean;
/** What was entered: openings that the keeper holds, and its counts. */
let entered: string[];
let warnings: string[];

beforeEach(() => {
  hasRules = true;
  keeperIsThere = true;
  refuses = false;
  entered = [];
  warnings = [];
});

function make() {
  const keeper = {
    async ask() {
      if (!keeperIsThere) throw new KeeperUnavailable('gone');
      return { answer: { due: 1, counted: COUNTED }, attachment: Buffer.alloc(0) };
    },
  } as unknown as KeeperPort;
  const disclosure: SealsDeps['disclosure'] = {
    ask: () => assert.fail('nothing is asked'),
    enterOpen: async () => {
      entered.push('openings');
      return false;
    },
  };
  const log: SealsDeps['log'] = {
    now: () => 0,
    register: {
      sealRules: () => null,
      sealCounts: [],
      latestVersion: () => (hasRules ? 1 : 0),
    },
    appendPublic: async ({ document }) => {
      if (refuses) return { refused: 'not-the-keeper' };
      entered.push(document);
      return { index: 0 };
    },
  };
  const warn: SealsDeps['warn'] = (event, facts) =>
    void warnings.push(`${event}: ${Object.values(facts).join(' ')}`);
  return createSeals({ disclosure, keeper, log, warn });
}

describe('what is due', () => {
  it('is told of, and tried again, where the keeper is not there', async () => {
    using seals = make();
    keeperIsThere = false;
    await seals.look();
    assert.deepEqual(warnings, ['seals: KeeperUnavailable']);
    assert.deepEqual(entered, []);
    keeperIsThere = true;
    await seals.look();
    assert.deepEqual(entered, ['openings', COUNTED.document]);
    assert.equal(warnings.length, 1);
  });

  it('is opened where the log refuses the counts, and that is told', async () => {
    using seals = make();
    refuses = true;
    await seals.look();
    assert.deepEqual(entered, ['openings']);
    assert.deepEqual(warnings, ['seals not counted: not-the-keeper']);
  });

  it('is not asked for where there never were rules', async () => {
    using seals = make();
    hasRules = false;
    keeperIsThere = false;
    await seals.look();
    assert.deepEqual(warnings, []);
  });
});
