import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { secretKey } from '@amanat/core/keys';
import type { RecordRead } from '@amanat/core/statement';
import fc from 'fast-check';
import { DraftSeal } from './draft-seal.ts';
import type { Draft, PendingLookUp } from './look-ups.ts';
import { LookUps } from './look-ups.ts';
import type { PreparingDeps } from './preparing.ts';
import { Preparing } from './preparing.ts';
import { KeeperStore } from './store.ts';

const DRAFT: Draft = {
  kind: 'disclosure',
  controller: 'telecom',
  agency: 'police',
  officer: null,
  approved: null,
  purpose: null,
  legalBasis: null,
  refusal: null,
  reads: [{ holding: 'sims', groups: ['identity'] }],
  seal: null,
  seals: [],
  evidence: null,
  opened: 0,
  signed: null,
};
const RECORD: RecordRead = {
  holding: 'sims',
  record: '00'.repeat(16),
  import: 1,
  row: 1,
  expiryMonth: '2031-01',
  groups: [{ group: 'identity', nonce: '00'.repeat(16), sha256: '00'.repeat(32) }],
};
const SUBJECTS = [Buffer.alloc(16, 1), Buffer.alloc(16, 2), Buffer.alloc(16, 3)] as const;

let dir: string;
let store: KeeperStore;
const drafts = new DraftSeal(secretKey(randomBytes(32)), randomBytes);
let lookUps: LookUps;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'amanat-look-ups-'));
  store = KeeperStore.create(join(dir, 'keeper.db'));
  lookUps = new LookUps(store, drafts);
});
afterEach(() => {
  store.close();
  rmSync(dir, { recursive: true });
});

/** What is in memory. */
function state(of: LookUps) {
  return {
    groupsNamed: of.groupsNamed,
    counts: SUBJECTS.map((subject) => of.preparedCount({ subject, draft: DRAFT })),
    all: [...of.all()]
      .map(({ id, subject, prepare }) => ({ id, subject: subject.toString('hex'), prepare }))
      .sort((one, two) => one.id - two.id),
  };
}

describe('look-ups', () => {
  it('beside other evidence than they were opened with, or another’s draft, are not taken up again', () => {
    const evidence = randomBytes(40);
    lookUps.open(SUBJECTS[0], DRAFT, evidence);
    lookUps.open(SUBJECTS[1], DRAFT, null);
    const kept = store.all('SELECT * FROM look_ups ORDER BY id');
    const put = 'UPDATE look_ups SET draft = ?, evidence = ? WHERE id = ?';
    const [one, two] = kept.map(({ draft }) => draft as Uint8Array);
    assert.ok(one !== undefined && two !== undefined);
    for (const [draft, beside, id] of [
      [one, null, 1],
      [one, new Uint8Array(0), 1],
      [one, randomBytes(40), 1],
      [two, evidence, 1],
      [two, new Uint8Array(0), 2],
      [one, evidence, 2],
    ] as const) {
      store.run(put, draft, beside, id);
      assert.throws(() => new LookUps(store, drafts), { code: 'bad-ciphertext' });
      store.run(put, one, evidence, 1);
      store.run(put, two, null, 2);
    }
    assert.equal(new LookUps(store, drafts).size, 2);
  });

  it('whatever is opened, prepared, voided and entered, a restart finds the same look-ups, all of them open', () => {
    const step = fc.record({
      what: fc.constantFrom('open', 'prepare', 'prepare', 'void', 'pass', 'enter'),
      pick: fc.nat(),
      groups: fc.nat(3),
    });
    let leaf = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        for (const { what, pick, groups } of steps) {
          const all = [...lookUps.all()];
          const lookUp: PendingLookUp | undefined = all[pick % Math.max(1, all.length)];
          if (what === 'open' || lookUp === undefined) {
            lookUps.open(SUBJECTS[pick % 3] as Buffer, DRAFT, null);
          } else if (what === 'prepare') {
            if (lookUp.prepare !== null) lookUps.void(lookUp);
            const leafHash = Buffer.alloc(32);
            leafHash.writeUInt32BE(++leaf);
            const number = lookUps.preparedCount(lookUp) + 1;
            const records = Array.from({ length: groups }, () => RECORD);
            lookUps.prepare(lookUp, { number, leafHash, kind: 'disclosure', records });
          } else if (lookUp.prepare !== null) {
            if (what === 'void') lookUps.void(lookUp);
            else lookUps.voidBefore(lookUp.prepare.position);
            if (what === 'enter' && lookUp.prepare !== null) lookUps.enter(lookUp);
          }
        }
        lookUps.persistNextId();
        const restarted = new LookUps(store, drafts);
        const open = state(lookUps).all.map((each) => ({ ...each, prepare: null }));
        assert.deepEqual(state(restarted), { groupsNamed: 0, counts: [0, 0, 0], all: open });
        // And what is in memory is of a piece.
        const prepared = [...lookUps.all()].filter(({ prepare }) => prepare !== null);
        const named = prepared.map(({ prepare }) => prepare?.records.length ?? 0);
        assert.equal(
          lookUps.groupsNamed,
          named.reduce((sum, each) => sum + each, 0),
        );
        for (const each of prepared) {
          assert.equal(lookUps.findLeaf(each.prepare?.leafHash as Buffer), each);
        }
        for (const lookUp of [...lookUps.all()]) lookUps.enter(lookUp);
        assert.equal(lookUps.groupsNamed, 0);
      }),
      { numRuns: 40 },
    );
  });

  it('an id is never given twice, whatever was entered before a restart', () => {
    const first = lookUps.open(SUBJECTS[0], DRAFT, null);
    lookUps.persistNextId();
    lookUps.enter(first);
    assert.equal(new LookUps(store, drafts).open(SUBJECTS[0], DRAFT, null).id, first.id + 1);
  });

  it('record groups are bounded over all that is prepared, so that no commit’s answer is too long', () => {
    const lookUp = lookUps.open(SUBJECTS[0], DRAFT, null);
    const full = Object.create(lookUps, {
      groupsNamed: { value: 524_288 },
      find: { value: () => lookUp },
    }) as LookUps;
    const register = {
      declaration: () => ({ controller: { id: 'telecom' } }),
      expiredBy: () => null,
    };
    const subjects = { isErased: () => false };
    const deps = { lookUps: full, register, subjects } as unknown as PreparingDeps;
    const preparing = new Preparing(deps);
    const { answer } = preparing.prepare(
      { lookUps: [{ id: lookUp.id, records: [RECORD], abandoned: false }] },
      0,
    );
    assert.deepEqual(answer.lookUps, [{ id: lookUp.id, refused: 'too-many-records' }]);
  });
});
