import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Ask, Decision } from './decide.ts';
import { chargedDay, decide } from './decide.ts';
import type { Declaration, GrantRow, Grants, SealRules } from './documents.ts';
import { checkExtension, sealDue, sealMonthOverdue, sealOverdue } from './seals.ts';

const PURPOSE = 'https://w3id.org/dpv#EnforceSecurity';
const LEGAL_BASIS = 'https://w3id.org/dpv#LegalObligation';
const NOON = Date.UTC(2026, 10, 23, 12);

function declaration(holding = 'sims', changes: Partial<Declaration> = {}): Declaration {
  const fields = ['identity', 'number', 'status'].map((group) => ({ name: group, group }));
  return {
    holding,
    controller: { id: 'telecom' },
    purposes: [PURPOSE],
    legalBases: [LEGAL_BASIS],
    recipients: ['police'],
    fields,
    ...changes,
  } as unknown as Declaration;
}

function row(changes: Partial<GrantRow> = {}): GrantRow {
  return {
    id: 'row-1',
    effect: 'permit',
    agency: 'police',
    purpose: PURPOSE,
    legalBasis: LEGAL_BASIS,
    holding: 'sims',
    groups: ['identity', 'number'],
    subjectsMax: 10,
    secondPersonOver: 5,
    hours: null,
    subjectsPerDay: 50,
    ...changes,
  };
}

function forbid(changes: Partial<GrantRow> = {}): GrantRow {
  return row({
    id: 'never',
    effect: 'forbid',
    agency: null,
    purpose: null,
    legalBasis: null,
    holding: null,
    groups: null,
    ...changes,
  });
}

function table(rows: readonly GrantRow[], utcOffsetMinutes = 0): Grants {
  return { type: 'grants', version: 1, utcOffsetMinutes, rows, time: 0 };
}

function ask(changes: Partial<Ask> = {}): Ask {
  return {
    agency: 'police',
    purpose: PURPOSE,
    legalBasis: LEGAL_BASIS,
    holdings: [{ holding: 'sims', groups: ['identity'] }],
    subjects: 1,
    time: NOON,
    protected: false,
    seal: null,
    seals: { open: 0, overdue: false },
    approved: false,
    usedToday: { officer: 0, agency: 0, row: () => 0 },
    limits: { officer: 100, agency: 1000 },
    ...changes,
  };
}

function decides(
  rows: readonly GrantRow[],
  changes: Partial<Ask> = {},
  declared: readonly Declaration[] = [declaration(), declaration('travels')],
  utcOffsetMinutes = 0,
): Decision {
  const declarations = new Map(declared.map((each) => [each.holding, each]));
  return decide(table(rows, utcOffsetMinutes), declarations, ask(changes));
}

function refuses(decision: Decision, code: string, rule: string | null, holding: string | null) {
  assert.deepEqual(decision, { outcome: 'refused', code, rule, holding });
}

describe('deny by default', () => {
  it('no table, an empty table, and a row of somebody else’s grant nothing', () => {
    const declarations = new Map([['sims', declaration()]]);
    refuses(decide(null, declarations, ask()), 'no-grant', null, 'sims');
    refuses(decides([]), 'no-grant', null, 'sims');
    for (const other of [
      { agency: 'border' },
      { purpose: 'https://w3id.org/dpv#Marketing' },
      { legalBasis: 'https://w3id.org/dpv#Consent' },
      { holding: 'travels' },
      { groups: ['number'] },
    ]) {
      refuses(decides([row(other)]), 'no-grant', null, 'sims');
    }
  });

  it('null in a permit row stands for nobody, not for anybody', () => {
    for (const member of ['agency', 'purpose', 'legalBasis', 'holding', 'groups'] as const) {
      refuses(decides([row({ [member]: null })]), 'no-grant', null, 'sims');
    }
  });

  it('a row must hold all of the groups: two rows do not add up', () => {
    const rows = [row({ id: 'a', groups: ['identity'] }), row({ id: 'b', groups: ['number'] })];
    const both = { holdings: [{ holding: 'sims', groups: ['identity', 'number'] }] };
    refuses(decides(rows, both), 'no-grant', null, 'sims');
    assert.equal(decides([row()], both).outcome, 'allowed');
  });

  it('each holding needs a row of its own', () => {
    const holdings = ['sims', 'travels'].map((holding) => ({ holding, groups: ['identity'] }));
    refuses(decides([row()], { holdings, approved: true }), 'no-grant', null, 'travels');
  });
});

describe('what was not declared is refused before the table is looked at', () => {
  const rows = [row(), forbid()];
  it('an undeclared holding', () => {
    refuses(decides(rows, {}, []), 'undeclared-holding', null, 'sims');
  });
  it('an undeclared group', () => {
    const holdings = [{ holding: 'sims', groups: ['identity', 'secret'] }];
    refuses(decides(rows, { holdings }), 'undeclared-group', null, 'sims');
  });
  it('an undeclared purpose', () => {
    const declared = [declaration('sims', { purposes: ['https://w3id.org/dpv#Other'] })];
    refuses(decides(rows, {}, declared), 'undeclared-purpose', null, 'sims');
  });
  it('an undeclared legal basis', () => {
    const declared = [declaration('sims', { legalBases: ['https://w3id.org/dpv#Other'] })];
    refuses(decides(rows, {}, declared), 'undeclared-legal-basis', null, 'sims');
  });
  it('an undeclared recipient', () => {
    const declared = [declaration('sims', { recipients: ['border'] })];
    refuses(decides(rows, {}, declared), 'undeclared-recipient', null, 'sims');
  });
  it('names that every object has are not declared', () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      const holdings = [{ holding: name, groups: ['identity'] }];
      refuses(decides(rows, { holdings }), 'undeclared-holding', null, name);
    }
  });
});

describe('a forbid row wins', () => {
  it('over any permit, before or after it, at any hour, whoever approved', () => {
    for (const rows of [
      [row(), forbid()],
      [forbid(), row()],
      [row(), forbid({ hours: { from: 0, to: 1 } })],
    ]) {
      refuses(decides(rows, { approved: true }), 'forbidden', 'never', 'sims');
    }
  });

  it('by each member that it names, and by any one of the groups', () => {
    for (const named of [
      { agency: 'police' },
      { purpose: PURPOSE },
      { legalBasis: LEGAL_BASIS },
      { holding: 'sims' },
      { groups: ['status', 'identity'] },
    ]) {
      refuses(decides([row(), forbid(named)]), 'forbidden', 'never', 'sims');
    }
  });

  it('but not where a member is another’s', () => {
    for (const named of [
      { agency: 'border' },
      { purpose: 'https://w3id.org/dpv#Marketing' },
      { legalBasis: 'https://w3id.org/dpv#Consent' },
      { holding: 'travels' },
      { groups: ['number'] },
      { agency: 'police', groups: ['number'] },
    ]) {
      assert.deepEqual(decides([row(), forbid(named)]), { outcome: 'allowed', rules: ['row-1'] });
    }
  });
});

describe('hours', () => {
  const at = (hours: { from: number; to: number }, hour: number, offset = 0) =>
    decides([row({ hours })], { time: Date.UTC(2026, 10, 23, hour, 59) }, undefined, offset)
      .outcome === 'allowed';
  const open = (hours: { from: number; to: number }, offset = 0) =>
    Array.from({ length: 24 }, (_, hour) => hour).filter((hour) => at(hours, hour, offset));

  it('outside them the row that would have granted is named', () => {
    const rows = [row({ hours: { from: 8, to: 12 } })];
    refuses(decides(rows), 'outside-hours', 'row-1', 'sims');
  });

  it('run from inclusive to exclusive, over midnight where they end before they begin', () => {
    assert.deepEqual(open({ from: 8, to: 11 }), [8, 9, 10]);
    assert.deepEqual(open({ from: 22, to: 2 }), [0, 1, 22, 23]);
    assert.equal(open({ from: 0, to: 24 }).length, 24);
    assert.deepEqual(open({ from: 23, to: 24 }), [23]);
  });

  it('are told by the table’s clock', () => {
    assert.deepEqual(open({ from: 8, to: 10 }, 300), [3, 4]);
    assert.deepEqual(open({ from: 22, to: 1 }, 300), [17, 18, 19]);
    assert.deepEqual(open({ from: 8, to: 10 }, -600), [18, 19]);
  });

  it('another row that is open grants', () => {
    const rows = [row({ hours: { from: 1, to: 2 } }), row({ id: 'row-2' })];
    assert.deepEqual(decides(rows), { outcome: 'allowed', rules: ['row-2'] });
  });
});

describe('budgets', () => {
  const used = (officer: number, agency: number, ofRow = 0) => ({
    usedToday: { officer, agency, row: (id: string) => (id === 'row-1' ? ofRow : 0) },
  });

  it('more subjects than a row allows at a time are refused, exactly as many are not', () => {
    refuses(decides([row()], { subjects: 11 }), 'too-many-subjects', 'row-1', 'sims');
    assert.equal(decides([row()], { subjects: 10, approved: true }).outcome, 'allowed');
  });

  it('a row’s, an officer’s, an agency’s: the last subject is allowed and the next refused', () => {
    assert.equal(decides([row()], used(99, 999, 49)).outcome, 'allowed');
    refuses(decides([row()], used(0, 0, 50)), 'budget-spent', 'row-1', 'sims');
    refuses(decides([row()], used(100, 0)), 'budget-spent', null, null);
    refuses(decides([row()], used(0, 1000)), 'agency-budget-spent', null, null);
    const three = { subjects: 3, ...used(98, 0) };
    refuses(decides([row()], three), 'budget-spent', null, null);
    assert.equal(decides([row()], { subjects: 2, ...used(98, 0) }).outcome, 'allowed');
  });

  it('of nought grant nothing, and an approval does not widen any', () => {
    refuses(decides([row({ subjectsPerDay: 0 })]), 'budget-spent', 'row-1', 'sims');
    refuses(decides([row()], { limits: { officer: 0, agency: 9 } }), 'budget-spent', null, null);
    refuses(
      decides([row()], { limits: { officer: 9, agency: 0 } }),
      'agency-budget-spent',
      null,
      null,
    );
    refuses(decides([row()], { approved: true, ...used(100, 0) }), 'budget-spent', null, null);
  });

  it('another row’s use does not count', () => {
    const ofRow = (id: string) => (id === 'row-2' ? 50 : 0);
    const decision = decides([row()], { usedToday: { officer: 0, agency: 0, row: ofRow } });
    assert.equal(decision.outcome, 'allowed');
  });

  it('are charged to the day of the table’s clock', () => {
    const time = Date.UTC(2026, 10, 23, 20);
    assert.equal(chargedDay(time, null), '2026-11-23');
    assert.equal(chargedDay(time, table([], 300)), '2026-11-24');
    assert.equal(chargedDay(time, table([], -840)), '2026-11-23');
    assert.equal(chargedDay(Date.UTC(2026, 0, 1), table([], -1)), '2025-12-31');
  });
});

describe('a second person', () => {
  const reasons = (decision: Decision) =>
    decision.outcome === 'second-person' ? decision.reasons : decision.outcome;

  it('is asked for by the row, for many, for the protected, for holdings together', () => {
    assert.deepEqual(reasons(decides([row({ secondPersonOver: 0 })])), ['grant']);
    assert.deepEqual(reasons(decides([row()], { subjects: 6 })), ['bulk']);
    assert.deepEqual(reasons(decides([row()], { subjects: 5 })), 'allowed');
    assert.deepEqual(reasons(decides([row()], { protected: true })), ['protected']);
    const holdings = ['sims', 'travels'].map((holding) => ({ holding, groups: ['identity'] }));
    const both = [row(), row({ id: 'row-2', holding: 'travels', secondPersonOver: 0 })];
    assert.deepEqual(reasons(decides(both, { holdings })), ['grant', 'holdings-together']);
    assert.deepEqual(reasons(decides(both, { holdings, protected: true })), [
      'grant',
      'protected',
      'holdings-together',
    ]);
  });

  it('of one holding named twice, as if there were two', () => {
    const holdings = ['identity', 'number'].map((group) => ({ holding: 'sims', groups: [group] }));
    assert.deepEqual(reasons(decides([row()], { holdings })), ['holdings-together']);
  });

  it('who has signed opens what was asked, and names the rows', () => {
    const decision = decides([row({ secondPersonOver: 0 })], { protected: true, approved: true });
    assert.deepEqual(decision, { outcome: 'allowed', rules: ['row-1'] });
  });

  it('is not asked where the request is refused anyway', () => {
    refuses(
      decides([row()], { protected: true, subjects: 11 }),
      'too-many-subjects',
      'row-1',
      'sims',
    );
  });
});

describe('for any table and ask', () => {
  const some = <T>(...values: readonly T[]) => fc.constantFrom(...values);
  const anyRow = fc.record(
    {
      id: some('a', 'b', 'c'),
      effect: some('permit' as const, 'forbid' as const),
      agency: some('police', 'border', null),
      purpose: some(PURPOSE, null),
      legalBasis: some(LEGAL_BASIS, null),
      holding: some('sims', 'travels', null),
      groups: some(['identity'], ['identity', 'number'], ['status'], null),
      subjectsMax: fc.integer({ min: 1, max: 4 }),
      secondPersonOver: fc.nat({ max: 4 }),
      hours: some(null, { from: 8, to: 18 }, { from: 18, to: 8 }),
      subjectsPerDay: fc.nat({ max: 8 }),
    },
    { noNullPrototype: true },
  );
  const anyAsk = fc
    .record({
      subjects: fc.integer({ min: 1, max: 4 }),
      groups: some(['identity'], ['number', 'identity'], ['status']),
      approved: fc.boolean(),
      protected: fc.boolean(),
      officer: fc.nat({ max: 8 }),
    })
    .map(({ groups, officer, ...rest }) =>
      ask({
        ...rest,
        holdings: [{ holding: 'sims', groups }],
        usedToday: { officer, agency: 0, row: (id) => (id === 'a' ? officer : 0) },
        limits: { officer: 8, agency: 100 },
      }),
    );
  const declarations = new Map([['sims', declaration()]]);

  it('one more forbid row never allows more, and one permit less never does', () => {
    fc.assert(
      fc.property(fc.array(anyRow, { maxLength: 6 }), anyAsk, anyRow, (rows, question, more) => {
        const before = decide(table(rows), declarations, question).outcome;
        const forbidden = [...rows, { ...more, effect: 'forbid' as const }];
        if (before === 'refused') {
          assert.equal(decide(table(forbidden), declarations, question).outcome, 'refused');
        }
        const none = rows.filter(({ effect }) => effect !== 'permit');
        assert.equal(decide(table(none), declarations, question).outcome, 'refused');
      }),
      { numRuns: 1000 },
    );
  });

  it('what is allowed has an open row that names all of it, and every budget holds it', () => {
    fc.assert(
      fc.property(fc.array(anyRow, { maxLength: 6 }), anyAsk, (rows, question) => {
        const decision = decide(table(rows), declarations, question);
        if (decision.outcome === 'refused') return;
        assert.ok(question.usedToday.officer + question.subjects <= question.limits.officer);
        for (const id of decision.rules) {
          assert.ok(
            rows.some(
              (each) =>
                each.id === id &&
                each.effect === 'permit' &&
                each.agency === 'police' &&
                each.holding === 'sims' &&
                question.holdings[0]?.groups.every((group) => each.groups?.includes(group)) &&
                question.subjects <= each.subjectsMax,
            ),
          );
        }
        assert.equal(decision.outcome === 'second-person' && question.approved, false);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('a seal', () => {
  const GROUND = 'https://w3id.org/dpv#LegalObligation';
  const rules: SealRules = {
    type: 'seal-rules',
    version: 1,
    jurisdiction: 'example',
    grounds: [{ ground: GROUND, title: { en: 'a', ur: 'a' }, daysMax: 30, source: 'an act' }],
    agencies: [{ agency: 'police', openMax: 3 }],
    time: 0,
  };
  const asks = (seal: Partial<NonNullable<Ask['seal']>>, changes: Partial<Ask> = {}) =>
    decides([row()], {
      seal: { ground: GROUND, until: '2026-12-23', rules, ...seal },
      approved: true,
      ...changes,
    });

  it('is refused without rules, to an agency that they do not name, and on another ground', () => {
    refuses(asks({ rules: null }), 'seal-undeclared-agency', null, null);
    const nobody = { ...rules, agencies: [{ agency: 'border', openMax: 3 }] };
    refuses(asks({ rules: nobody }), 'seal-undeclared-agency', null, null);
    const other = 'https://w3id.org/dpv#Consent';
    refuses(asks({ ground: other }), 'seal-undeclared-ground', null, null);
  });

  it('is refused past the maximum, to the day, and for a date that has come', () => {
    assert.equal(asks({}).outcome, 'allowed');
    // 30 days on are noon of the 23rd, after its beginning and before that of the 24th.
    refuses(asks({ until: '2026-12-24' }), 'seal-too-long', null, null);
    refuses(asks({ until: '2026-11-23' }), 'seal-not-ahead', null, null);
    refuses(asks({ until: '2025-11-24' }), 'seal-not-ahead', null, null);
    assert.equal(asks({ until: '2026-11-24' }).outcome, 'allowed');
  });

  it('is refused past the agency’s ceiling, each person counted at each controller', () => {
    const open = (count: number) => ({ seals: { open: count, overdue: false } });
    assert.equal(asks({}, open(2)).outcome, 'allowed');
    refuses(asks({}, open(3)), 'seal-ceiling', null, null);
    refuses(asks({}, { ...open(0), subjects: 4 }), 'seal-ceiling', null, null);
    assert.equal(asks({}, { ...open(0), subjects: 3 }).outcome, 'allowed');
  });

  it('always takes a second person, whatever the grants say', () => {
    const answer = asks({}, { approved: false });
    assert.ok(answer.outcome === 'second-person');
    assert.deepEqual(answer.reasons, ['sealed']);
  });

  it('that should have opened a day ago has its agency refused everything', () => {
    const seals = { open: 1, overdue: true };
    refuses(asks({}, { seals }), 'seal-overdue', null, null);
    refuses(decides([row()], { seals }), 'seal-overdue', null, null);
  });

  it('is extended before its date alone, to a later one, within the days of the look-up', () => {
    const made = { agency: 'police', until: '2026-12-01', from: NOON, extensions: 0 };
    const extend = (until: string, changes: object = {}, now = NOON) =>
      checkExtension({ ...made, ...changes }, { ground: GROUND, until, rules }, now);
    assert.equal(extend('2026-12-23'), null);
    assert.equal(extend('2026-12-24'), 'seal-too-long');
    // Twenty days later the maximum is still counted from the look-up.
    const later = NOON + 7 * 86_400_000;
    assert.equal(extend('2026-12-24', {}, later), 'seal-too-long');
    assert.equal(extend('2026-12-23', {}, later), null);
    assert.equal(extend('2026-12-01'), 'seal-not-ahead');
    assert.equal(extend('2026-11-30'), 'seal-not-ahead');
    assert.equal(extend('2026-12-23', {}, Date.UTC(2026, 11, 1)), 'seal-over');
    assert.equal(extend('2026-12-23', {}, Date.UTC(2026, 11, 1) - 1), null);
    assert.equal(extend('2026-12-23', { extensions: 16 }), 'seal-too-long');
    assert.equal(extend('2026-12-23', { agency: 'border' }), 'seal-undeclared-agency');
  });

  it('is due a day after its date begins and overdue a day later, by its month two days after that', () => {
    const day = 86_400_000;
    assert.equal(sealDue('2026-12-23'), Date.UTC(2026, 11, 23) + day);
    assert.equal(sealOverdue('2026-12-23'), Date.UTC(2026, 11, 23) + 2 * day);
    assert.equal(sealMonthOverdue('2026-12'), Date.UTC(2027, 0, 1) + 2 * day);
    assert.ok(sealMonthOverdue('2026-12') > sealOverdue('2026-12-31'));
  });
});
