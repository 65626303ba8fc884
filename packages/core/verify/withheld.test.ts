import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SealedPlace } from '../statement.ts';
import type { View } from '../view.ts';
import type { SimulatedAnswer } from './_simulation.ts';
import { flipBase64, Simulation } from './_simulation.ts';
import type { CheckId, Verification } from './index.ts';
import { askForView, makeBundle, verifyBundle, verifyHistory } from './index.ts';

const NOW = Date.UTC(2026, 10, 23, 9, 30);
const DAY = 86_400_000;
const WHERE = 'demo-telecom';
const UNTIL = '2026-11-20';

/** A log in which a look-up was sealed, its seal extended, and opened; and another that is still sealed. */
async function makeSimulation(
  alter: (places: readonly SealedPlace[]) => readonly SealedPlace[] = (places) => places,
): Promise<Simulation> {
  const simulation = await Simulation.create();
  simulation.addNoise(300, NOW - 60 * DAY);
  simulation.addEntry(WHERE, { kind: 'disclosure', time: NOW - 50 * DAY });
  const looked = { kind: 'disclosure' as const, agency: 'demo-police', time: NOW - 40 * DAY };
  const sealed = simulation.addSealed(WHERE, looked, '2026-11-01');
  simulation.addSealed(WHERE, { ...looked, time: NOW - 30 * DAY }, '2027-01-01');
  const longer = { ...looked, kind: 'seal-extended' as const, time: NOW - 25 * DAY };
  const extended = simulation.addSealed(WHERE, longer, UNTIL, sealed);
  simulation.addNoise(3, NOW - 3 * DAY);
  simulation.addOpening(WHERE, alter([sealed, extended]), { kind: 'opened', time: NOW - 2 * DAY });
  return simulation;
}

async function judge(
  simulation: Simulation,
  {
    alterView = (view) => view,
    alterAnswer = (answer) => answer,
  }: {
    readonly alterView?: (view: View) => View;
    readonly alterAnswer?: (answer: SimulatedAnswer) => SimulatedAnswer;
  } = {},
): Promise<Verification> {
  const session = await askForView(simulation.code, simulation.keeperSealingKey, NOW);
  const answer = await simulation.answer(session, { now: NOW, alterView });
  assert.ok(typeof answer === 'object');
  const tiles = { readTile: async (position: never) => simulation.tile(position) };
  const keys = simulation.keys;
  return verifyHistory({ answer: alterAnswer(answer), session, keys, tiles, now: NOW });
}

function failed({ checks }: Verification): readonly CheckId[] {
  return checks.filter(({ state }) => state === 'failed').map(({ id }) => id);
}

type Opened = View['subjects'][number]['opened'];
type Sealed = SimulatedAnswer['subjects'][number]['sealed'];

function withOpened(change: (opened: Opened) => Opened) {
  return (view: View): View => ({
    ...view,
    subjects: view.subjects.map((each) => ({ ...each, opened: change(each.opened) })),
  });
}

function withSealed(change: (sealed: Sealed) => Sealed) {
  return (answer: SimulatedAnswer): SimulatedAnswer => ({
    ...answer,
    subjects: answer.subjects.map((each) => ({ ...each, sealed: change(each.sealed) })),
  });
}

describe('what was withheld and is opened', () => {
  it('without its body, its key, or its opening is a failed check', async () => {
    const simulation = await makeSimulation();
    const none = await judge(simulation, { alterAnswer: withSealed(() => []) });
    assert.deepEqual(failed(none), ['bodies-open']);
    const withoutLast = withSealed((sealed) => sealed.slice(0, -1));
    assert.ok(
      failed(await judge(simulation, { alterAnswer: withoutLast })).includes('bodies-open'),
    );
    const keyless = await judge(simulation, { alterView: withOpened(() => []) });
    assert.deepEqual(failed(keyless), ['bodies-open']);
    const short = withOpened((opened) =>
      opened.map((each) => ({ ...each, bodyKeys: each.bodyKeys.slice(0, 44) })),
    );
    assert.ok(failed(await judge(simulation, { alterView: short })).includes('bodies-open'));
  });

  it('with a body that was altered, or is another’s, is a failed check', async () => {
    const simulation = await makeSimulation();
    const flipped = withSealed((sealed) =>
      sealed.map((each) => ({ ...each, body: flipBase64(each.body, 200) })),
    );
    assert.deepEqual(failed(await judge(simulation, { alterAnswer: flipped })), ['bodies-open']);
    const swapped = withSealed((sealed) => {
      const [first, second, ...more] = sealed as [Sealed[number], Sealed[number]];
      return [{ ...first, body: second.body }, { ...second, body: first.body }, ...more];
    });
    assert.deepEqual(failed(await judge(simulation, { alterAnswer: swapped })), ['bodies-open']);
  });

  it('in another order, or with a leaf that is not the one cited, is a failed check', async () => {
    const reversed = await makeSimulation((places) => places.toReversed());
    assert.ok(failed(await judge(reversed)).includes('bodies-open'));
    const other = await makeSimulation(([first, ...more]) => [
      { ...(first as SealedPlace), leafHash: '00'.repeat(32) },
      ...more,
    ]);
    assert.deepEqual(failed(await judge(other)), ['commitments']);
  });

  it('on her chain itself, under a number of its own, is a failed check', async () => {
    const simulation = await makeSimulation();
    const seal = { ground: 'https://w3id.org/dpv#LegalObligation', until: '2027-01-01' };
    simulation.addEntry(WHERE, { kind: 'disclosure', time: NOW - DAY, seal });
    assert.ok(failed(await judge(simulation)).includes('bodies-open'));
  });

  it('passes, is told with its extension, and nothing of what is still sealed is', async () => {
    const verification = await judge(await makeSimulation());
    assert.deepEqual(failed(verification), []);
    assert.equal(verification.verified, true);
    const [chain] = verification.chains;
    assert.deepEqual(
      chain?.entries.map(({ statement, withheld }) => [
        statement?.kind,
        ...withheld.map((each) => [each.statement?.kind, each.statement?.seal?.until, each.sound]),
      ]),
      [
        ['disclosure'],
        ['opened', ['disclosure', '2026-11-01', true], ['seal-extended', UNTIL, true]],
        ['sign-in'],
      ],
    );
    assert.ok(!JSON.stringify(verification.chains).includes('2027-01-01'));
  });

  it('is checked again from a saved proof, and a change of it is found', async () => {
    const simulation = await makeSimulation();
    const verification = await judge(simulation);
    const { material } = verification;
    assert.ok(material !== null);
    const file = makeBundle({ ...verification, material }, NOW);
    const again = await verifyBundle(file, simulation.keys, NOW);
    assert.deepEqual([failed(again), again.verified], [[], true]);
    const told = (from: Verification) =>
      from.chains.flatMap(({ entries }) => entries.flatMap(({ withheld }) => withheld));
    assert.deepEqual(told(again), told(verification));
    const bundle = JSON.parse(file);
    bundle.subjects[0].sealed[0].leafHash = 'ab'.repeat(32);
    const spoiled = await verifyBundle(JSON.stringify(bundle), simulation.keys, NOW);
    assert.deepEqual(failed(spoiled), ['commitments', 'inclusion']);
    bundle.subjects[0].sealed = [];
    const cut = await verifyBundle(JSON.stringify(bundle), simulation.keys, NOW);
    assert.ok(!cut.verified);
  });
});
