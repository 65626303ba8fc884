import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { shippedHoldings } from '../../holdings/holdings.ts';
import type { Access, DisclosurePlanOptions, PlannedLookUp } from './disclosure-plan.ts';
import {
  generateDisclosurePlan,
  LOOK_UP_KINDS,
  LOOK_UPS_MAX,
  QUIET_INDEX,
} from './disclosure-plan.ts';
import { generatePeople, PROTAGONIST_INDEX } from './people.ts';

const people = generatePeople('seed', 300, '2026-11-23');
const options: DisclosurePlanOptions = {
  access: [
    { agencyIndex: 0, holding: 'sim-registrations', groups: ['subscriber', 'number'] },
    { agencyIndex: 0, holding: 'identity-card-images', groups: ['front'] },
    { agencyIndex: 1, holding: 'travel-history', groups: ['crossing'] },
    { agencyIndex: 1, holding: 'identity-card-images', groups: ['front'] },
    { agencyIndex: 2, holding: 'sim-registrations', groups: ['number'] },
    { agencyIndex: 2, holding: 'travel-history', groups: ['crossing', 'document'] },
  ],
  groups: {
    'sim-registrations': ['subscriber', 'address', 'number'],
    'travel-history': ['person', 'crossing', 'document'],
    'identity-card-images': ['front'],
  },
  cardCount: 200,
};

test('a count out of range and a plan without granted access are refused', () => {
  for (const count of [-1, 0.5, LOOK_UPS_MAX + 1]) {
    assert.throws(() => generateDisclosurePlan('seed', people, count, options), RangeError);
  }
  assert.throws(
    () => generateDisclosurePlan('seed', people, 1, { ...options, access: [] }),
    RangeError,
  );
});

test('each kind of refusal is really outside what is granted, and all else inside it', () => {
  for (const lookUp of generateDisclosurePlan('seed', people, 600, options)) {
    const pair = options.access.find(
      (row) => row.agencyIndex === lookUp.agencyIndex && row.holding === lookUp.holding,
    );
    assert.ok(lookUp.groups.length > 0);
    assert.ok(lookUp.groups.every((group) => options.groups[lookUp.holding].includes(group)));
    if (lookUp.kind === 'undeclared-recipient') assert.equal(pair, undefined);
    else assert.equal(isWithin(lookUp, pair), lookUp.kind !== 'group-not-granted');
  }
});

test('every kind occurs, and most look-ups are ordinary', () => {
  const plan = generateDisclosurePlan('seed', people, 300, options);
  assert.equal(plan.length, 300);
  const shares = new Map(
    LOOK_UP_KINDS.map((kind) => [kind, plan.filter((lookUp) => lookUp.kind === kind).length]),
  );
  for (const [kind, share] of shares) assert.ok(share > 0, kind);
  assert.ok((shares.get('ordinary') ?? 0) > 200);
});

test('fourteen look-ups concern the protagonist: all holdings, all agencies, three refused', () => {
  for (const count of [14, 40, 300]) {
    const hers = generateDisclosurePlan('seed', people, count, options).filter(isProtagonist);
    assert.equal(hers.length, 14);
    const answered = hers.filter((lookUp) => lookUp.kind === 'ordinary');
    assert.equal(answered.length, 11);
    assert.deepEqual(new Set(answered.map((lookUp) => lookUp.holding)), new Set(shippedHoldings));
    assert.deepEqual(new Set(answered.map((lookUp) => lookUp.agencyIndex)), new Set([0, 1, 2]));
  }
});

test('an answer exists for every ordinary look-up, and for no miss', () => {
  const known = new Set(Array.from(people, (person) => person.cnic));
  for (const lookUp of generateDisclosurePlan('seed', people, 600, options)) {
    assert.equal(lookUp.personIndex === null, lookUp.kind === 'miss');
    assert.equal(known.has(lookUp.cnic), lookUp.kind !== 'miss');
    if (lookUp.personIndex === null) continue;
    const person = people.at(lookUp.personIndex);
    assert.equal(person.cnic, lookUp.cnic);
    if (lookUp.holding === 'travel-history') assert.ok(person.crossings.length > 0);
    if (lookUp.holding === 'identity-card-images') assert.ok(person.index < options.cardCount);
  }
});

test('nobody looks at the quiet person', () => {
  const plan = generateDisclosurePlan('seed', people, 3_000, options);
  assert.ok(plan.every((lookUp) => lookUp.personIndex !== QUIET_INDEX));
});

test('one person alone, and access to everything, still make a plan', () => {
  const alone = generatePeople('seed', 1, '2026-11-23');
  const access = shippedHoldings.flatMap((holding) =>
    [0, 1, 2].map((agencyIndex) => ({ agencyIndex, holding, groups: options.groups[holding] })),
  );
  const plan = generateDisclosurePlan('seed', alone, 100, { ...options, access });
  const kinds = new Set(plan.map((lookUp) => lookUp.kind));
  assert.deepEqual(kinds, new Set(['ordinary', 'miss', 'wrong-purpose']));
});

test('the same arguments give the same plan', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 0, max: 60 }), (seed, count) => {
      const plan = generateDisclosurePlan(seed, people, count, options);
      assert.equal(plan.length, count);
      assert.deepEqual(generateDisclosurePlan(seed, people, count, options), plan);
    }),
    { numRuns: 50 },
  );
});

function isProtagonist(lookUp: PlannedLookUp): boolean {
  return lookUp.personIndex === PROTAGONIST_INDEX;
}

function isWithin(lookUp: PlannedLookUp, access: Access | undefined): boolean {
  return access !== undefined && lookUp.groups.every((group) => access.groups.includes(group));
}
