/// <reference types="node" />
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Statement, Verification, VerifiedEntry } from '@amanat/core/verify';
import fc from 'fast-check';
import { createDirectory } from '../directory.ts';
import { sharesOf, tellHistory } from './look-ups.ts';
import { countMonths } from './months.ts';
import { readHeld } from './session.ts';

function entry(number: number, kind: Statement['kind'] | null, time: number): VerifiedEntry {
  const statement = { kind, time, records: [], reads: [] } as unknown as Statement;
  return {
    number,
    index: number,
    statement: kind === null ? null : statement,
    sound: true,
    delivered: true,
    body: '',
    commitment: null,
    leafHash: null,
    proof: null,
    withheld: [],
  };
}

function verification(entries: readonly VerifiedEntry[], completeTo = 9): Verification {
  const chain = {
    subject: '',
    alias: false,
    number: entries.length,
    protected: false,
    treeSize: 9,
    consistency: null,
  };
  return {
    verified: true,
    checks: [],
    checkpoint: null,
    witnessed: null,
    chains: [
      { ...chain, controller: 'a', completeTo, entries },
      { ...chain, controller: 'b', completeTo: 5, entries: [] },
    ],
    material: null,
  };
}

test('look-ups stand apart from her own visits, newest first, and what did not open is counted', () => {
  const history = tellHistory(
    verification([
      entry(1, 'disclosure', 1),
      entry(2, 'sign-in', 2),
      entry(3, null, 3),
      entry(4, 'refusal', 4),
      { ...entry(5, 'disclosure', 4), delivered: false },
    ]),
  );
  assert.deepEqual(
    history.lookUps.map((each) => each.outcome),
    ['not-delivered', 'refused', 'read'],
  );
  assert.deepEqual(
    history.visits.map((each) => each.statement.kind),
    ['sign-in'],
  );
  assert.equal(history.unreadable, 1);
  assert.equal(history.completeTo, 5);
});

test('what was withheld stands where it was opened, as what it is, with its last date and its grounds', () => {
  const sealed = (number: number, kind: Statement['kind'], until: string, ground: string) => {
    const read = entry(number, kind, number);
    return { ...read, statement: { ...read.statement, seal: { until, ground } } as Statement };
  };
  const withheld = [
    sealed(3, 'disclosure', '2026-11-01', 'a'),
    sealed(5, 'seal-extended', '2027-02-01', 'b'),
  ];
  const opening = { ...entry(9, 'opened', 90), withheld };
  const unsound = { ...entry(10, 'opened', 91), withheld: [{ ...withheld[0], sound: false }] };
  const history = tellHistory(
    verification([opening, unsound as VerifiedEntry, entry(11, 'opened', 92)]),
  );
  assert.deepEqual(
    history.lookUps.map((each) => [each.outcome, each.entry.number, each.entry.sound]),
    [
      ['read', 3, true],
      ['read', 3, false],
    ],
  );
  assert.deepEqual(history.lookUps[0]?.withheld, { until: '2027-02-01', grounds: ['a', 'b'] });
  assert.equal(history.unreadable, 1);
  assert.deepEqual(history.visits, []);
});

test('an entry of a number’s own chain is told apart from hers of the same controller and number', () => {
  const told = verification([entry(1, 'miss', 1)]);
  const [chain] = told.chains;
  assert.ok(chain !== undefined);
  const byNumber = { ...chain, subject: 'number', alias: true, entries: [entry(1, 'miss', 2)] };
  const { lookUps } = tellHistory({ ...told, chains: [...told.chains, byNumber] });
  assert.deepEqual(
    lookUps.map(({ alias }) => alias),
    [true, false],
  );
  assert.equal(new Set(lookUps.map(({ key }) => key)).size, 2);
});

test('a disclosure tells the groups its records name, anything else what was asked for', () => {
  const group = { nonce: '', sha256: '' };
  const record = { import: 0, row: 1, expiryMonth: '2027-01' };
  const statement = {
    reads: [{ holding: 'h', groups: ['x', 'y'] }],
    records: [
      { ...record, holding: 'h', record: '1', groups: [{ group: 'x', ...group }] },
      { ...record, holding: 'h', record: '2', groups: [{ group: 'x', ...group }] },
    ],
  } as unknown as Statement;
  assert.deepEqual(sharesOf(statement), [{ holding: 'h', groups: ['x'], records: 2 }]);
  assert.deepEqual(sharesOf({ ...statement, records: [] }), [
    { holding: 'h', groups: ['x', 'y'], records: 0 },
  ]);
});

test('months are counted over the turn of the year, and every look-up of the year in exactly one', () => {
  const now = new Date(2026, 1, 15).getTime();
  const times = fc.array(fc.integer({ min: new Date(2025, 2, 1).getTime(), max: now }), {
    maxLength: 20,
  });
  fc.assert(
    fc.property(times, (all) => {
      const { lookUps } = tellHistory(
        verification(all.map((time, i) => entry(i + 1, 'miss', time))),
      );
      const months = countMonths(lookUps, now, 12);
      assert.equal(months.length, 12);
      assert.deepEqual([months[0]?.year, months[0]?.month], [2025, 2]);
      assert.equal(
        months.reduce((sum, month) => sum + month.other, 0),
        all.length,
      );
    }),
    { numRuns: 50 },
  );
});

test('held lists that are malformed are left out, whatever came', () => {
  const held = { holding: 'h', records: 1, firstImport: 2, until: '2027-12' };
  const answer = {
    subjects: [{ controller: 'c', held: [held, { ...held, until: '2027-13' }, null, 4] }, {}, null],
  };
  assert.deepEqual(readHeld(answer), [{ controller: 'c', held: [held] }]);
  fc.assert(
    fc.property(fc.jsonValue(), (value) => Array.isArray(readHeld(value))),
    { numRuns: 100 },
  );
});

test('what is not listed is shown by its id', () => {
  const directory = createDirectory([], { holdings: [], upcoming: [] });
  assert.equal(directory.agencyName('x', 'ur'), 'x');
  assert.deepEqual(directory.fieldTitles('x', ['g'], 'en'), ['g']);
});
