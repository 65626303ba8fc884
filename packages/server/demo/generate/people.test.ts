import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDay, parseDay } from './calendar.ts';
import { BIOMETRIC_STATUSES, FAMILY_NAMES, GIVEN_NAMES, OPERATORS } from './names.ts';
import type { Person } from './people.ts';
import { generatePeople, PEOPLE_MAX, PROTAGONIST_INDEX } from './people.ts';

const TODAY = '2026-11-23';
const CNIC = /^0\d{4}-\d{7}-\d$/;
const CROSSED_AT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\+05:00$/;

test('a count out of range, a day that does not exist and a stranger are refused', () => {
  for (const count of [0, -1, 1.5, PEOPLE_MAX + 1]) {
    assert.throws(() => generatePeople('seed', count, TODAY), RangeError);
  }
  for (const today of ['2026-02-30', '2026-2-3', 'today', '']) {
    assert.throws(() => generatePeople('seed', 1, today), RangeError);
  }
  const people = generatePeople('seed', 3, TODAY);
  for (const index of [-1, 3, 0.5]) assert.throws(() => people.at(index), RangeError);
  assert.throws(() => people.cnicOfNobody(-1), RangeError);
});

test('the same seed gives the same people, and a larger count only adds to them', () => {
  const few = generatePeople('seed', 50, TODAY).slice(0, 50);
  assert.deepEqual([...generatePeople('seed', 50, TODAY)], few);
  assert.deepEqual(generatePeople('seed', 5_000, TODAY).slice(0, 50), few);
  assert.notDeepEqual(generatePeople('other', 50, TODAY).slice(0, 50), few);
});

test('every identifier lies in its synthetic range, whatever the seed and wherever the person', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 0, max: PEOPLE_MAX - 1 }), (seed, index) => {
      assertSynthetic(generatePeople(seed, PEOPLE_MAX, TODAY).at(index));
    }),
    { numRuns: 500 },
  );
});

test('no identifier occurs twice', () => {
  const seen = new Set<string>();
  let expected = 0;
  for (const person of generatePeople('seed', 20_000, TODAY)) {
    // Without the last digit, which says the gender only.
    const identifiers = [person.cnic.slice(0, -1), person.document];
    for (const sim of person.sims) identifiers.push(sim.msisdn, sim.imsi);
    for (const identifier of identifiers) seen.add(identifier);
    expected += identifiers.length;
  }
  assert.equal(seen.size, expected);
});

test('the last person of the largest count is distinct from the first and from nobody', () => {
  const people = generatePeople('seed', PEOPLE_MAX, TODAY);
  const cnics = [
    people.at(0).cnic,
    people.at(PEOPLE_MAX - 1).cnic,
    people.cnicOfNobody(0),
    people.cnicOfNobody(1),
  ];
  assert.equal(new Set(cnics).size, cnics.length);
  for (const cnic of cnics) assert.match(cnic, CNIC);
});

test('shares are about as told: half women, a third travellers, a sixth of registrations in Urdu', () => {
  const people = generatePeople('seed', 3_000, TODAY).slice(0, 3_000);
  const sims = people.flatMap((person) => person.sims);
  near(people.filter((person) => person.gender === 'woman').length / people.length, 0.5);
  near(people.filter((person) => person.crossings.length > 0).length / people.length, 1 / 3);
  near(
    sims.filter((sim) => /\p{Script=Arabic}/u.test(sim.nameWritten)).length / sims.length,
    1 / 6,
  );
  const forms = new Set(
    sims.map((sim) =>
      sim.msisdnWritten.replace(/\d/g, 'd').replace(/d+/g, (run) => `${run.length}`),
    ),
  );
  assert.equal(forms.size, 6);
});

test('the protagonist is a woman under forty with three SIMs and four crossings', () => {
  for (const seed of ['a', 'b', 'c', 'd']) {
    const person = generatePeople(seed, 1, TODAY).at(PROTAGONIST_INDEX);
    assert.equal(person.gender, 'woman');
    assert.equal(person.sims.length, 3);
    assert.equal(person.crossings.length, 4);
    assert.ok(person.dateOfBirth > '1986-01-01');
  }
});

test('names are in both scripts, composed, and free of commas', () => {
  for (const name of [...GIVEN_NAMES.man, ...GIVEN_NAMES.woman, ...FAMILY_NAMES]) {
    assert.match(name.english, /^[A-Z][a-z]+$/);
    assert.match(name.urdu, /^\p{Script_Extensions=Arabic}+$/u);
    assert.equal(name.urdu.normalize('NFC'), name.urdu);
  }
});

test('days survive a round trip', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -20_000, max: 60_000 }),
      (day) => parseDay(formatDay(day)) === day,
    ),
  );
});

function assertSynthetic(person: Person): void {
  assert.match(person.cnic, CNIC);
  assert.equal(Number(person.cnic.at(-1)) % 2 === 1 ? 'man' : 'woman', person.gender);
  assert.match(person.document, /^UTO-X\d{7}$/);
  assert.ok(formatDay(parseDay(person.dateOfBirth)) < '2008-11-23');
  assert.ok(person.sims.length >= 1 && person.sims.length <= 3);
  for (const sim of person.sims) {
    assert.match(sim.msisdn, /^\+9239[89]\d{7}$/);
    assert.equal(
      `+92${sim.msisdnWritten.replace(/\D/g, '').replace(/^(0092|92|0)/, '')}`,
      sim.msisdn,
    );
    assert.match(sim.imsi, /^00101\d{10}$/);
    assert.ok(OPERATORS.includes(sim.operator));
    assert.ok(BIOMETRIC_STATUSES.includes(sim.biometricStatus));
    const age = parseDay(sim.activatedOn) - parseDay(person.dateOfBirth);
    assert.ok(age >= 18 * 365 && sim.activatedOn < TODAY);
  }
  assert.ok(person.crossings.length <= 6);
  for (const [nth, crossing] of person.crossings.entries()) {
    const before = person.crossings[nth - 1];
    assert.match(crossing.crossedAt, CROSSED_AT);
    assert.ok(crossing.crossedAt < TODAY && Number.isFinite(Date.parse(crossing.crossedAt)));
    assert.ok(before === undefined || before.crossedAt < crossing.crossedAt);
    assert.ok(before === undefined || before.direction !== crossing.direction);
  }
}

function near(share: number, expected: number): void {
  assert.ok(Math.abs(share - expected) < 0.04, `${share} is far from ${expected}`);
}
