import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { CosigningKey } from '../keys/index.ts';
import { generateCosigningKey } from '../keys/index.ts';
import type { TileReader } from '../log/index.ts';
import { cosignerKey, formatVerifierKey } from '../log/index.ts';
import type { View } from '../view.ts';
import type { SimulatedAnswer } from './_simulation.ts';
import { addCosignature, flipBase64, flipBit, makeWitnesses, Simulation } from './_simulation.ts';
import { CheckList } from './checks.ts';
import type { CheckId, InstanceKeys, Verification, ViewSession } from './index.ts';
import {
  askForView,
  checkWitnesses,
  claimedKeys,
  formatAccessCode,
  HEAD_AGE_MAX_MS,
  makeBundle,
  parseAccessCode,
  readInstanceKeys,
  readLatestEntries,
  readTypedCode,
  verifyBundle,
  verifyHistory,
} from './index.ts';

const NOW = Date.UTC(2026, 10, 23, 9, 30);
const HOUR = 3_600_000;
const EXAMPLE = join(import.meta.dirname, '../../../docs/examples/check-proof.ts');

async function makeSimulation(kind: 'ed25519' | 'p256' = 'ed25519'): Promise<Simulation> {
  const simulation = await Simulation.create(kind);
  simulation.addNoise(300, NOW - 30 * HOUR);
  simulation.addEntry('demo-telecom', { kind: 'disclosure', time: NOW - 20 * HOUR });
  simulation.addNoise(5, NOW - 19 * HOUR);
  simulation.addEntry('demo-telecom', { kind: 'refusal', time: NOW - 10 * HOUR });
  simulation.addEntry('demo-border', { kind: 'miss', time: NOW - 5 * HOUR });
  simulation.addEntry('demo-telecom', { kind: 'disclosure', time: NOW - HOUR });
  return simulation;
}

interface Asked {
  readonly simulation: Simulation;
  readonly session: ViewSession;
  readonly answer: SimulatedAnswer;
}

type AnswerOptions = Partial<Parameters<Simulation['answer']>[1]>;

async function ask(options: AnswerOptions = {}, known?: Simulation): Promise<Asked> {
  const simulation = known ?? (await makeSimulation());
  const session = await askForView(simulation.code, simulation.keeperSealingKey, NOW);
  const answer = await simulation.answer(session, { now: NOW, ...options });
  assert.ok(typeof answer === 'object');
  return { simulation, session, answer };
}

function tilesOf(simulation: Simulation): TileReader {
  return { readTile: async (position) => simulation.tile(position) };
}

async function judge(
  { simulation, session, answer }: Asked,
  changes: Partial<Parameters<typeof verifyHistory>[0]> = {},
): Promise<Verification> {
  const tiles = tilesOf(simulation);
  return verifyHistory({ answer, session, keys: simulation.keys, tiles, now: NOW, ...changes });
}

function failed({ checks }: Verification): readonly CheckId[] {
  return checks.filter((check) => check.state === 'failed').map((check) => check.id);
}

function assertFails(verification: Verification, ...ids: readonly CheckId[]): void {
  assert.equal(verification.verified, false);
  assert.deepEqual(failed(verification), ids);
}

test('an unaltered history passes every check and gives its statements', async () => {
  for (const kind of ['ed25519', 'p256'] as const) {
    const verification = await judge(await ask({}, await makeSimulation(kind)));
    assert.deepEqual(failed(verification), []);
    assert.equal(verification.verified, true);
    assert.deepEqual(
      verification.chains.map(({ controller, entries }) => [
        controller,
        ...entries.map((entry) => entry.statement?.kind),
      ]),
      [
        ['demo-telecom', 'disclosure', 'refusal', 'disclosure', 'sign-in'],
        ['demo-border', 'miss', 'sign-in'],
      ],
    );
  }
});

test('a wrong log key fails the checkpoint, and nothing is verified', async () => {
  const asked = await ask();
  const { logKey } = (await Simulation.create()).keys;
  const verification = await judge(asked, { keys: { ...asked.simulation.keys, logKey } });
  assertFails(verification, 'checkpoint-signature');
});

test('a wrong keeper key fails the heads', async () => {
  const asked = await ask();
  const { keeperKey } = (await Simulation.create()).keys;
  assertFails(
    await judge(asked, { keys: { ...asked.simulation.keys, keeperKey } }),
    'head-signature',
  );
  for (const broken of ['', 'ed25519:', 'p256:AAAA', 'rsa:AAAA', `p256:${'A'.repeat(86)}A=`]) {
    const keys: InstanceKeys = { ...asked.simulation.keys, keeperKey: broken };
    assertFails(await judge(asked, { keys }), 'head-signature');
  }
});

test('a head that hides the last entry fails its signature and the chain', async () => {
  const asked = await ask({ alterHead: (head) => ({ ...head, number: head.number - 1 }) });
  assertFails(await judge(asked), 'head-signature', 'chain');
});

test('an altered head that keeps everything countable still fails its signature', async () => {
  const asked = await ask({ alterHead: (head) => ({ ...head, time: head.time + 1 }) });
  assertFails(await judge(asked), 'head-signature');
});

test('a head of another session is refused although its signature is good', async () => {
  const simulation = await makeSimulation();
  const old: View[] = [];
  const keep = (view: View): View => {
    old.push(view);
    return view;
  };
  await ask({ alterView: keep }, simulation);
  const asked = await ask({ signIn: false, alterView: () => old[0] as View }, simulation);
  assertFails(await judge(asked), 'head-session');
});

test('a head of another time is refused', async () => {
  const asked = await ask();
  assertFails(await judge(asked, { now: NOW + HEAD_AGE_MAX_MS + 1 }), 'head-fresh');
  assertFails(await judge(asked, { now: NOW - HEAD_AGE_MAX_MS - 1 }), 'head-fresh');
});

test('a log that has grown since the head is followed, and what came later is left for later', async () => {
  const simulation = await makeSimulation();
  const afterHead = () => {
    simulation.addNoise(300, NOW);
    simulation.addEntry('demo-telecom', { kind: 'disclosure', time: NOW });
    simulation.addNoise(3, NOW);
  };
  const asked = await ask({ afterHead }, simulation);
  const verification = await judge(asked);
  assert.deepEqual(failed(verification), []);
  assert.equal(verification.verified, true);
  assert.equal(verification.chains[0]?.entries.length, 4);
  assert.equal(asked.answer.subjects[0]?.entries.length, 5);
  assert.ok(verification.material !== null);
  const file = makeBundle({ ...verification, material: verification.material }, NOW);
  assert.equal((await verifyBundle(file, simulation.keys, NOW)).verified, true);
  const without = JSON.stringify({ ...JSON.parse(file), consistency: [] });
  assertFails(await verifyBundle(without, simulation.keys, NOW), 'head-checkpoint');
});

test('a checkpoint from before the head fails', async () => {
  const simulation = await makeSimulation();
  const old = simulation.checkpoint();
  const asked = await ask({}, simulation);
  const answer = { ...asked.answer, checkpoint: old };
  assertFails(await judge({ ...asked, answer }), 'head-checkpoint', 'inclusion', 'chain');
});

test('a head of a tree that the log’s does not begin with fails', async () => {
  const simulation = await makeSimulation();
  const alterHead: NonNullable<AnswerOptions['alterHead']> = (head) => ({
    ...head,
    root: '0'.repeat(64),
  });
  const same = await ask({ alterHead }, simulation);
  assertFails(await judge(same), 'head-signature', 'head-checkpoint');
  const grown = await ask({ alterHead, afterHead: () => simulation.addNoise(5, NOW) }, simulation);
  assertFails(await judge(grown), 'head-signature', 'head-checkpoint');
});

test('what is no checkpoint fails, and leaves nothing to prove against', async () => {
  const asked = await ask();
  const verification = await judge({ ...asked, answer: { ...asked.answer, checkpoint: 'x' } });
  assertFails(verification, 'checkpoint-signature');
  assert.deepEqual(
    verification.checks.filter(({ state }) => state === 'not-checked').map(({ id }) => id),
    ['head-checkpoint', 'commitments', 'inclusion', 'chain'],
  );
});

test('a checkpoint whose signature was altered, or of another origin, is refused', async () => {
  const asked = await ask();
  const judgeNote = (checkpoint: string) =>
    judge({ ...asked, answer: { ...asked.answer, checkpoint } });
  const note = asked.simulation.checkpoint();
  const signature = note.trimEnd().split(' ').at(-1) as string;
  assertFails(
    await judgeNote(note.replace(signature, flipBase64(signature, 20))),
    'checkpoint-signature',
  );
  assertFails(
    await judgeNote(asked.simulation.checkpoint('other.example')),
    'checkpoint-signature',
  );
  const resized = note.replace(`\n${asked.simulation.size}\n`, '\n9\n');
  assertFails(
    await judgeNote(resized),
    'checkpoint-signature',
    'head-checkpoint',
    'inclusion',
    'chain',
  );
});

test('a statement that says it is another entry, or about another, is not hers', async () => {
  for (const lie of [{ number: 9 }, { subject: '0'.repeat(32) }, { controller: 'other' }]) {
    const simulation = await makeSimulation();
    simulation.addEntry('demo-border', { kind: 'miss', time: NOW - 1, ...lie });
    assertFails(await judge(await ask({}, simulation)), 'bodies-open');
  }
});

test('a chain under another controller’s name, or told twice, fails the numbers', async () => {
  const renamed = await ask();
  const [first, second] = renamed.answer.subjects;
  assert.ok(first !== undefined && second !== undefined);
  const subjects = [{ ...first, controller: 'other' }, second];
  assertFails(await judge({ ...renamed, answer: { ...renamed.answer, subjects } }), 'numbers');
  const twice = { ...renamed.answer, subjects: [first, second, second] };
  assertFails(await judge({ ...renamed, answer: twice }), 'numbers');
});

test('a check that was passed once and skipped once has not been passed', () => {
  const checks = new CheckList();
  checks.note('chain', true);
  assert.equal(checks.results().find((each) => each.id === 'chain')?.state, 'ok');
  checks.skip('chain');
  assert.equal(checks.results().find((each) => each.id === 'chain')?.state, 'not-checked');
});

test('an answer sealed to another session does not open', async () => {
  const simulation = await makeSimulation();
  const first = await ask({}, simulation);
  const second = await ask({}, simulation);
  assertFails(await judge({ ...first, answer: second.answer }), 'view-opens');
});

describe('a number’s own chain beside hers at one controller', () => {
  const askWithAlias = async () => {
    const simulation = await makeSimulation();
    const early = { kind: 'miss', time: NOW - 2 * HOUR } as const;
    simulation.addEntry('demo-telecom', early, true);
    const asked = await ask({}, simulation);
    const subject = asked.answer.subjects.at(-1);
    assert.ok(subject !== undefined && subject.controller === 'demo-telecom');
    return { asked, subject };
  };

  test('that lacks an entry fails the numbers, and says on which of the two', async () => {
    const { asked, subject } = await askWithAlias();
    subject.entries.splice(0, 1);
    const verification = await judge(asked);
    assertFails(verification, 'numbers', 'chain');
    const [first] = verification.checks.find((check) => check.id === 'numbers')?.failures ?? [];
    assert.deepEqual(
      [first?.controller, first?.subject, first?.number],
      ['demo-telecom', subject.subject, 1],
    );
  });

  test('whose entry stands on her own chain fails the bodies', async () => {
    const { asked, subject } = await askWithAlias();
    const [own] = asked.answer.subjects;
    const [entry] = own?.entries ?? [];
    assert.ok(entry !== undefined);
    entry.body = subject.entries[0]?.body ?? '';
    assertFails(await judge(asked), 'bodies-open');
  });

  test('that is left out, or for which the keeper signed no head, fails', async () => {
    const left = await askWithAlias();
    left.asked.answer.subjects.pop();
    assertFails(await judge(left.asked), 'numbers', 'chain');
    const simulation = await makeSimulation();
    simulation.addEntry('demo-telecom', { kind: 'miss', time: NOW - HOUR }, true);
    const alterView = (view: View) => ({ ...view, subjects: view.subjects.slice(0, -1) });
    assertFails(await judge(await ask({ alterView }, simulation)), 'head-signature');
  });

  test('verifies, is told apart from hers, and so it is from a bundle', async () => {
    const { asked } = await askWithAlias();
    const verification = await judge(asked);
    assert.ok(verification.material !== null);
    const file = makeBundle({ ...verification, material: verification.material }, NOW);
    for (const each of [verification, await verifyBundle(file, asked.simulation.keys, NOW)]) {
      assert.deepEqual(failed(each), []);
      assert.equal(each.verified, true);
      assert.deepEqual(
        each.chains.map(({ controller, alias, number }) => [controller, alias, number]),
        [
          ['demo-telecom', false, 4],
          ['demo-border', false, 2],
          ['demo-telecom', true, 2],
        ],
      );
    }
  });
});

test('a left-out entry fails the numbers, and says which', async () => {
  const asked = await ask();
  asked.answer.subjects[0]?.entries.splice(1, 1);
  const verification = await judge(asked);
  assertFails(verification, 'numbers', 'chain');
  const [first] = verification.checks.find((check) => check.id === 'numbers')?.failures ?? [];
  const { subject } = asked.answer.subjects[0] ?? {};
  const at = { controller: 'demo-telecom', subject, number: 2 };
  assert.deepEqual(first, { ...at, reason: 'missing' });
});

test('a left-out chain fails the numbers', async () => {
  const asked = await ask();
  asked.answer.subjects.pop();
  assertFails(await judge(asked), 'numbers', 'chain');
});

test('a chain that the keeper does not know of fails the heads', async () => {
  const asked = await ask({ alterView: (view) => ({ ...view, subjects: view.subjects.slice(1) }) });
  assertFails(await judge(asked), 'head-signature');
});

test('a renumbered entry fails: its body opens under its own number only', async () => {
  const asked = await ask();
  const entries = asked.answer.subjects[0]?.entries ?? [];
  const [one, two] = entries;
  assert.ok(one !== undefined && two !== undefined);
  one.number = 2;
  two.number = 1;
  assertFails(await judge(asked), 'bodies-open', 'chain');
});

test('an entry told twice fails the numbers', async () => {
  const asked = await ask();
  const entries = asked.answer.subjects[0]?.entries ?? [];
  entries.push({ ...(entries[0] as { number: number; index: number; body: string }) });
  assertFails(await judge(asked), 'numbers', 'chain');
});

test('a moved leaf index fails commitment and chain; one outside the tree fails inclusion', async () => {
  const moved = await ask();
  const first = moved.answer.subjects[0]?.entries[0];
  assert.ok(first !== undefined);
  first.index -= 1;
  assertFails(await judge(moved), 'commitments', 'chain');
  first.index = moved.simulation.size;
  assertFails(await judge(moved), 'inclusion', 'chain');
});

test('a flipped bit anywhere in a sealed body fails that body, and says which', async () => {
  const asked = await ask();
  const entry = asked.answer.subjects[0]?.entries[1];
  assert.ok(entry !== undefined);
  const { body } = entry;
  for (const at of [0, 40, Buffer.from(body, 'base64').length - 1]) {
    entry.body = flipBase64(body, at);
    const verification = await judge(asked);
    assertFails(verification, 'bodies-open');
    const [failure] =
      verification.checks.find((check) => check.id === 'bodies-open')?.failures ?? [];
    assert.equal(failure?.number, 2);
  }
});

test('a flipped bit in a tile fails inclusion, wherever in it her proofs need it', async () => {
  const asked = await ask({ signIn: false });
  // Her four entries stand at 300, 306, 307 and 308, in the second tile of level 0: all of it is needed.
  for (const at of [0, 31, 32 * 43 + 5, 32 * 44, 32 * 52 + 31]) {
    const readTile: TileReader['readTile'] = async (position) => {
      const bytes = asked.simulation.tile(position);
      return position.level === 0 && position.index === 1 ? flipBit(bytes, at) : bytes;
    };
    const verification = await judge(asked, { tiles: { readTile } });
    assert.equal(verification.verified, false);
    assert.ok(failed(verification).includes('inclusion'));
  }
});

test('tiles that do not come, or come short, fail inclusion and say why', async () => {
  const asked = await ask();
  const reasons = async (readTile: TileReader['readTile']) => {
    const verification = await judge(asked, { tiles: { readTile } });
    assertFails(verification, 'inclusion', 'chain');
    const { failures } = verification.checks.find((check) => check.id === 'inclusion') ?? {};
    return new Set(failures?.map((failure) => failure.reason));
  };
  const gone = () => Promise.reject(new TypeError('failed to fetch'));
  assert.deepEqual(await reasons(gone), new Set(['unavailable']));
  assert.deepEqual(await reasons(async () => new Uint8Array(31)), new Set(['wrong']));
});

test('too few body keys, a truncated view and a view that begins late are failures', async () => {
  const change = (alter: (subject: View['subjects'][number]) => View['subjects'][number]) =>
    ask({ alterView: (view) => ({ ...view, subjects: view.subjects.map(alter) }) });
  const short = await change((subject) => ({
    ...subject,
    bodyKeys: subject.bodyKeys.slice(0, 40),
  }));
  assertFails(await judge(short), 'bodies-open');
  const late = await change((subject) => ({ ...subject, first: 2 }));
  assertFails(await judge(late), 'numbers', 'bodies-open');
});

test('what was never answered is told apart', async () => {
  const verification = await judge(await ask({ undelivered: [3] }));
  assert.equal(verification.verified, true);
  const delivered = verification.chains[0]?.entries.map((entry) => entry.delivered);
  assert.deepEqual(delivered, [true, true, false, true]);
});

test('hostile answers are failed checks, never exceptions', async () => {
  const asked = await ask();
  const json = fc.jsonValue({ maxDepth: 3 });
  const member = fc.constantFrom('view', 'checkpoint', 'subjects');
  await fc.assert(
    fc.asyncProperty(json, member, async (value, name) => {
      assert.equal((await judge(asked, { answer: value })).verified, false);
      const answer = { ...asked.answer, [name]: value };
      assert.equal((await judge(asked, { answer })).verified, false);
      const [first, ...others] = asked.answer.subjects;
      const subjects = [{ ...first, entries: value }, ...others];
      assert.equal((await judge(asked, { answer: { ...asked.answer, subjects } })).verified, false);
    }),
    { numRuns: 60 },
  );
});

test('a bundle passes offline, long after, and tells its keys', async () => {
  const asked = await ask();
  const verification = await judge(asked);
  assert.ok(verification.material !== null);
  const file = makeBundle({ ...verification, material: verification.material }, NOW);
  const again = await verifyBundle(file, asked.simulation.keys, NOW + 365 * 24 * HOUR);
  assert.deepEqual(failed(again), []);
  assert.equal(again.verified, true);
  assert.equal(again.made, NOW);
  assert.deepEqual(again.claimedKeys, asked.simulation.keys);
  assert.deepEqual(
    again.chains.map((chain) => chain.entries.map((entry) => entry.statement)),
    verification.chains.map((chain) => chain.entries.map((entry) => entry.statement)),
  );
  const others = (await Simulation.create()).keys;
  assertFails(await verifyBundle(file, others, NOW), 'head-signature', 'checkpoint-signature');
  assertFails(await verifyBundle(file, asked.simulation.keys, NOW - HOUR), 'head-fresh');
});

test('the example program judges a saved proof by keys from elsewhere, in a process of its own', async (t) => {
  const asked = await ask();
  const verification = await judge(asked);
  assert.ok(verification.material !== null);
  const folder = mkdtempSync(join(tmpdir(), 'amanat-proof-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const proof = join(folder, 'proof');
  const keys = join(folder, 'keys');
  const others = join(folder, 'others');
  writeFileSync(proof, makeBundle({ ...verification, material: verification.material }, NOW));
  writeFileSync(keys, JSON.stringify(asked.simulation.keys));
  writeFileSync(others, JSON.stringify((await Simulation.create()).keys));
  const check = (by: string) => spawnSync(process.execPath, [EXAMPLE, proof, by]);
  assert.equal(check(others).status, 1);
  const { status, stdout } = check(keys);
  assert.match(String(stdout), /^ok +inclusion$/m);
  assert.equal(status, 0);
});

test('every altered part of a bundle fails a check', async () => {
  const asked = await ask();
  const verification = await judge(asked);
  assert.ok(verification.material !== null);
  const file = makeBundle({ ...verification, material: verification.material }, NOW);
  const zero = '0'.repeat(64);
  type Parts = { [name: string]: never } & {
    view: string;
    enc: string;
    checkpoint: string;
    subjects: { entries: { leafHash: string; proof: string[]; index: number; body: string }[] }[];
  };
  const altered = async (alter: (parts: Parts) => void): Promise<Verification> => {
    const parts = JSON.parse(file) as Parts;
    alter(parts);
    return verifyBundle(JSON.stringify(parts), asked.simulation.keys, NOW);
  };
  const entry = (parts: Parts) =>
    parts.subjects[0]?.entries[0] as Parts['subjects'][0]['entries'][0];
  const cases: readonly (readonly [(parts: Parts) => void, ...CheckId[]])[] = [
    [
      (parts) => void Object.assign(entry(parts), { leafHash: zero }),
      'commitments',
      'inclusion',
      'chain',
    ],
    [(parts) => void entry(parts).proof.splice(3, 1, zero), 'inclusion'],
    [(parts) => void entry(parts).proof.pop(), 'inclusion'],
    [
      (parts) => void Object.assign(entry(parts), { body: flipBase64(entry(parts).body, 3) }),
      'bodies-open',
    ],
    [(parts) => void parts.subjects[0]?.entries.pop(), 'numbers', 'chain'],
    [(parts) => void Object.assign(parts, { enc: flipBase64(parts.enc, 3) }), 'head-session'],
    [(parts) => void Object.assign(parts, { view: parts.view.slice(0, -1) }), 'view-opens'],
    [
      (parts) => void Object.assign(parts, { checkpoint: parts.checkpoint.slice(1) }),
      'checkpoint-signature',
    ],
  ];
  for (const [alter, ...ids] of cases) assertFails(await altered(alter), ...ids);
});

describe('the witnesses of a log', () => {
  const witnesses = makeWitnesses();
  const [east, west, north, south] = witnesses as [
    CosigningKey,
    CosigningKey,
    CosigningKey,
    CosigningKey,
  ];
  const keysOf = (keys: readonly CosigningKey[]) =>
    keys.map((each) => formatVerifierKey(each.public));
  const appointed = { keys: keysOf(witnesses), quorum: 3 };

  /** A history at a log of four witnesses, of which three have cosigned its checkpoint. */
  const askWitnessed = async () => {
    const simulation = await makeSimulation();
    simulation.appoint(witnesses, 3);
    return ask({}, simulation);
  };
  const withNote = (asked: Asked, alter: (note: string) => string): Asked => ({
    ...asked,
    answer: { ...asked.answer, checkpoint: alter(asked.answer.checkpoint) },
  });
  const without = (note: string, name: string) =>
    note
      .split('\n')
      .filter((line) => !line.startsWith(`— ${name} `))
      .join('\n');
  const flipLine = (note: string, name: string, at: number) => {
    const [line] = note.split('\n').filter((each) => each.startsWith(`— ${name} `));
    assert.ok(line !== undefined);
    const signature = line.split(' ')[2] as string;
    return note.replace(signature, flipBase64(signature, at));
  };
  const reasonOf = ({ checks }: Verification) =>
    checks.find(({ id }) => id === 'witnessed')?.failures[0]?.reason;

  const assertMissing = (verification: Verification) => {
    assertFails(verification, 'witnessed');
    assert.equal(reasonOf(verification), 'missing');
  };

  test('who are one too few fail the check', async () => {
    const asked = await askWitnessed();
    const short = withNote(asked, (note) => without(note, 'witness.example/west'));
    assertMissing(await judge(short));
    const none = withNote(asked, (note) =>
      ['east', 'west', 'north'].reduce(
        (each, name) => without(each, `witness.example/${name}`),
        note,
      ),
    );
    const verification = await judge(none);
    assertMissing(verification);
    assert.deepEqual(verification.witnessed?.cosigners, []);
  });

  test('of whom one has cosigned twice count it once', async () => {
    const asked = await askWitnessed();
    const twice = withNote(asked, (note) =>
      addCosignature(without(note, 'witness.example/west'), east),
    );
    assertMissing(await judge(twice));
  });

  test('are not made more by somebody who is none, nor by another’s key under a witness’s name', async () => {
    const asked = await askWitnessed();
    for (const name of ['witness.example/other', 'witness.example/west']) {
      const stranger = generateCosigningKey('ed25519', name);
      const padded = withNote(asked, (note) =>
        addCosignature(without(note, 'witness.example/west'), stranger),
      );
      assertMissing(await judge(padded));
    }
  });

  test('who cosigned another checkpoint have not cosigned this one', async () => {
    const simulation = await makeSimulation();
    simulation.appoint(witnesses, 3);
    const old = simulation.checkpoint();
    const asked = await ask({}, simulation);
    const lines = old.split('\n').filter((line) => line.startsWith('— witness.example/'));
    const moved = withNote(asked, (note) => {
      const own = ['east', 'west', 'north'].reduce(
        (each, name) => without(each, `witness.example/${name}`),
        note,
      );
      return `${own}${lines.join('\n')}\n`;
    });
    const verification = await judge(moved);
    assertFails(verification, 'witnessed');
    assert.equal(reasonOf(verification), 'wrong');
  });

  test('fail the check by one flipped bit, in a time or a signature, though there are enough without it', async () => {
    const asked = await askWitnessed();
    // Behind the key's id of four bytes stand the time, of eight, and the signature.
    for (const at of [4, 11, 12, 44, 75]) {
      for (const name of ['witness.example/east', 'witness.example/north']) {
        const flipped = withNote(asked, (note) => flipLine(addCosignature(note, south), name, at));
        const verification = await judge(flipped);
        assertFails(verification, 'witnessed');
        assert.equal(reasonOf(verification), 'wrong');
        assert.deepEqual(verification.witnessed?.cosigners, []);
      }
    }
    assertMissing(
      await judge(withNote(asked, (note) => flipLine(note, 'witness.example/east', 0))),
    );
  });

  test('that a gateway hides pass no check, and nobody is told of any', async () => {
    const asked = await askWitnessed();
    const keys = { ...asked.simulation.keys, witnesses: null };
    const verification = await judge(asked, { keys });
    assert.equal(verification.verified, true);
    assert.equal(verification.witnessed, null);
    assert.ok(verification.checks.every(({ id }) => id !== 'witnessed'));
    assert.ok(verification.material !== null);
    const file = makeBundle({ ...verification, material: verification.material }, NOW);
    const bundle = await verifyBundle(file, null, NOW);
    assert.deepEqual([bundle.witnessed, bundle.claimedKeys.witnesses], [null, null]);
    // By keys from elsewhere the saved checkpoint is judged all the same.
    const pinned = { ...keys, witnesses: appointed };
    assert.equal((await verifyBundle(file, pinned, NOW)).witnessed?.outcome, 'ok');
    const stripped = JSON.parse(file) as { checkpoint: string };
    stripped.checkpoint = without(stripped.checkpoint, 'witness.example/east');
    assertFails(await verifyBundle(JSON.stringify(stripped), pinned, NOW), 'witnessed');
  });

  test('of a smaller quorum than is known from elsewhere do not pass by it', async () => {
    const asked = await askWitnessed();
    const short = withNote(asked, (note) => without(note, 'witness.example/west'));
    const lowered = { ...asked.simulation.keys, witnesses: { ...appointed, quorum: 2 } };
    const verification = await judge(short, { keys: lowered });
    // By its own word it is verified, and tells how many have cosigned and how many there are.
    assert.equal(verification.verified, true);
    assert.deepEqual(
      [verification.witnessed?.cosigners.length, verification.witnessed?.count],
      [2, 4],
    );
    assert.ok(verification.material !== null);
    const file = makeBundle({ ...verification, material: verification.material }, NOW);
    const pinned = { ...lowered, witnesses: appointed };
    assertMissing(await verifyBundle(file, pinned, NOW));
    const mine = { ...lowered, witnesses: null };
    assert.equal((await verifyBundle(file, mine, NOW)).witnessed, null);
  });

  test('who are not to be told apart, or a quorum of nobody, fail the check', async () => {
    const asked = await askWitnessed();
    const [first, second] = appointed.keys as [string, string];
    const renamed = formatVerifierKey(cosignerKey(4, 'other.example', east.public.publicKey));
    for (const wrong of [
      { keys: [first, first, second], quorum: 2 },
      { keys: [first, renamed, second], quorum: 2 },
      { keys: appointed.keys, quorum: 0 },
      { keys: appointed.keys, quorum: 5 },
      { keys: [], quorum: 1 },
      { keys: ['x'], quorum: 1 },
      { keys: null, quorum: 1 },
      {},
    ]) {
      const keys = { ...asked.simulation.keys, witnesses: wrong } as InstanceKeys;
      const verification = await judge(asked, { keys });
      assertFails(verification, 'witnessed');
      assert.equal(reasonOf(verification), 'wrong');
      assert.throws(() => readInstanceKeys(keys), { name: 'CoreError' });
    }
  });

  test('of ML-DSA-44 count for nobody, and where they are needed nothing can be said', async () => {
    const asked = await askWitnessed();
    const lattice = generateCosigningKey('ml-dsa-44', 'witness.example/lattice');
    const judgeBy = (keys: readonly CosigningKey[], quorum: number, note: string) =>
      checkWitnesses(note, { keys: keysOf(keys), quorum });
    const note = asked.answer.checkpoint;
    const both = addCosignature(note, lattice);
    assert.equal((await judgeBy([east, west, north, lattice], 3, both)).outcome, 'ok');
    assert.equal((await judgeBy([east, west, north, lattice], 4, both)).outcome, 'unsupported');
    assert.equal((await judgeBy([east, west, north, lattice], 4, note)).outcome, 'missing');
    assert.equal((await judgeBy([east, south, lattice], 3, both)).outcome, 'missing');
    // Even a false one is not told apart from a true one, and so is never more than unsupported.
    const forged = flipLine(both, 'witness.example/lattice', 600);
    assert.equal((await judgeBy([east, west, north, lattice], 4, forged)).outcome, 'unsupported');
  });

  test('cannot be judged where there is no checkpoint', async () => {
    const asked = await askWitnessed();
    const verification = await judge(withNote(asked, () => 'x'));
    assertFails(verification, 'checkpoint-signature');
    const { state } = verification.checks.find(({ id }) => id === 'witnessed') ?? {};
    assert.equal(state, 'not-checked');
    const unopened = await judge(asked, { answer: null });
    assert.equal(unopened.checks.find(({ id }) => id === 'witnessed')?.state, 'not-checked');
  });

  test('by whom a quorum has cosigned are told by name, and so from a bundle', async () => {
    const asked = await askWitnessed();
    const verification = await judge(asked);
    assert.ok(verification.material !== null);
    const file = makeBundle({ ...verification, material: verification.material }, NOW);
    for (const each of [
      verification,
      await verifyBundle(file, asked.simulation.keys, NOW + 365 * 24 * HOUR),
      await verifyBundle(file, null, NOW),
    ]) {
      assert.deepEqual(failed(each), []);
      assert.equal(each.verified, true);
      assert.equal(each.checks.find(({ id }) => id === 'witnessed')?.state, 'ok');
      const names = each.witnessed?.cosigners.map(({ name }) => name);
      assert.deepEqual(
        names,
        ['east', 'west', 'north'].map((name) => `witness.example/${name}`),
      );
      assert.deepEqual([each.witnessed?.quorum, each.witnessed?.count], [3, 4]);
    }
  });

  test('are not asked for by a bundle from before there were any', async () => {
    const asked = await ask();
    const verification = await judge(asked);
    assert.ok(verification.material !== null);
    const made = JSON.parse(
      makeBundle({ ...verification, material: verification.material }, NOW),
    ) as { keys: { witnesses?: unknown } };
    delete made.keys.witnesses;
    const again = await verifyBundle(JSON.stringify(made), null, NOW);
    assert.deepEqual(
      [again.verified, again.witnessed, again.claimedKeys.witnesses],
      [true, null, null],
    );
  });

  test('are fewer while the glass is broken, and as many as ever once it is whole', () => {
    const instance = {
      logKey: 'log',
      keeperKey: 'keeper',
      witnesses: { ...appointed, breakGlassQuorum: 1 },
      brokenUntil: NOW + HOUR,
    };
    const quorumOf = (...[answer, now]: Parameters<typeof claimedKeys>) =>
      claimedKeys(answer, now).witnesses?.quorum;
    assert.equal(quorumOf(instance, NOW), 1);
    assert.equal(quorumOf(instance, NOW + HOUR), 3);
    assert.equal(quorumOf({ ...instance, brokenUntil: null }, NOW), 3);
    const unbreakable = { ...instance, witnesses: { ...appointed, breakGlassQuorum: null } };
    assert.equal(quorumOf(unbreakable, NOW), 3);
    assert.equal(claimedKeys({ ...instance, witnesses: null }, NOW).witnesses, null);
    // What is pinned goes by the whole quorum, whenever it was read.
    assert.equal(readInstanceKeys(instance).witnesses?.quorum, 3);
    assert.equal(readInstanceKeys({ logKey: 'log', keeperKey: 'keeper' }).witnesses, null);
    assert.throws(() => readInstanceKeys({ logKey: 'log' }), { code: 'bad-document' });
  });
});

test('what is no bundle is refused as a document', async () => {
  const keys = (await Simulation.create()).keys;
  for (const file of ['', '{', '[]', 'null', '{"type":"amanat/v1 history bundle"}']) {
    await assert.rejects(verifyBundle(file, keys, NOW), { code: 'bad-document' });
  }
});

test('a wrong code gets no answer', async () => {
  const simulation = await makeSimulation();
  const session = await askForView('0'.repeat(32), simulation.keeperSealingKey, NOW);
  assert.equal(await simulation.answer(session, { now: NOW }), 'unknown-code');
});

test('an access code is read however it was typed', () => {
  const code = '0123456789abcdef0123456789abcdef';
  assert.equal(formatAccessCode(code), '0123 4567 89ab cdef 0123 4567 89ab cdef');
  const typed = [
    formatAccessCode(code),
    code.toUpperCase(),
    ' 0123-4567–89AB cdef\n0123.4567 89ab\tcdef ',
    '\u202a۰۱۲۳ ۴۵۶۷ ۸۹ab cdef ٠١٢٣ ٤٥٦٧ ٨٩ab cdef\u202c',
    'o123 4567 89ab cdef 0l23 4567 89ab cdef',
  ];
  for (const each of typed) assert.equal(parseAccessCode(each), code);
  for (const each of ['', '0123', `${code}0`, `${code.slice(1)}g`, ' '.repeat(300)]) {
    assert.equal(parseAccessCode(each), null);
  }
  assert.equal(readTypedCode('0123 4'), '01234');
  fc.assert(
    fc.property(fc.string(), (each) => void parseAccessCode(each)),
    { numRuns: 200 },
  );
});

test('the latest entries come newest first, across bundles', async () => {
  const simulation = await makeSimulation();
  simulation.addPublic({ type: 'note', text: 'a' });
  const read = async (position: Parameters<Simulation['resource']>[0]) =>
    simulation.resource(position);
  const { size } = simulation;
  const entries = await readLatestEntries({ read, size, before: size, count: 80 });
  assert.equal(entries.length, 80);
  assert.equal(entries[0]?.leaf?.kind, 'public');
  assert.deepEqual(
    entries.map((entry) => entry.index),
    Array.from({ length: 80 }, (_, i) => size - 1 - i),
  );
  assert.deepEqual(await readLatestEntries({ read, size: 0, before: 0, count: 5 }), []);
});
