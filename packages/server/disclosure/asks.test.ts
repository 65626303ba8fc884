import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Asked } from '@amanat/keeper/client';
import { LogUnavailable } from '../log/errors.ts';
import { fakeParts } from './_fakes.ts';
import type { Answered } from './asks.ts';
import { Asks } from './asks.ts';

const signed = { document: 'a document', signatures: [] };

function request(subjects = 1): Asked {
  const selector = { type: 'cnic', value: '0000000000000', salt: '00'.repeat(16) } as const;
  return { kind: 'request', signed, selectors: Array(subjects).fill(selector), approval: null };
}

async function started(parts: ReturnType<typeof fakeParts>) {
  const asks = new Asks(parts);
  await asks.start();
  return asks;
}

function entriesOf(answered: Answered) {
  assert.equal(answered.outcome, 'entered');
  return answered.entries;
}

test('a rejected ask gets its code and no entry', async () => {
  const parts = fakeParts();
  parts.keeper.decide = () => ({ outcome: 'rejected', code: 'replayed' });
  const asks = await started(parts);
  assert.deepEqual(await asks.ask(request()), { outcome: 'rejected', code: 'replayed' });
  assert.deepEqual(parts.log.order, []);
  assert.ok(!parts.keeper.asked.includes('prepare'));
});

test('a refusal has an entry for every subject, names no record and wants no key', async () => {
  const parts = fakeParts();
  parts.keeper.decide = (_, keeper) => keeper.resolved('refused', 2);
  const asks = await started(parts);
  const entries = entriesOf(await asks.ask(request(2)));
  assert.equal(entries.length, 2);
  assert.deepEqual(
    parts.keeper.given.map(({ records }) => records),
    [0, 0],
  );
  assert.equal(parts.log.keys.length, 0);
});

test('ciphertexts are held until they are opened, as far as memory is given to them, and then given back', async () => {
  const parts = fakeParts();
  parts.records.sizeBytes = 15 * 1024 * 1024;
  const asks = await started(parts);
  for (const round of [0, 1]) {
    await Promise.all([request(), request(), request()].map((each) => asks.ask(each)));
    assert.deepEqual(parts.records.held.slice(3 * round), [true, true, false]);
  }
});

test('without the keeper an ask is refused as unavailable, and nothing is appended', async () => {
  const parts = fakeParts();
  const asks = await started(parts);
  parts.keeper.failing = 'resolve';
  await assert.rejects(asks.ask(request()), { code: 'keeper-unavailable' });
  assert.deepEqual(parts.log.order, []);
});

test('what the keeper has opened by itself is entered, between the asks that are carried', async () => {
  const parts = fakeParts();
  const asks = await started(parts);
  const asked = asks.ask(request());
  parts.keeper.open.set(7, 'aa'.repeat(16));
  await asks.enterOpen();
  await asked;
  assert.deepEqual(
    parts.keeper.given.filter(({ id }) => id === 7),
    [{ id: 7, records: 0, abandoned: true }],
  );
  assert.equal(parts.log.order.filter((id) => id === 7).length, 1);
  assert.equal(asks.failure, null);
});

test('what was resolved and not prepared is given up with an entry once the keeper is back', async () => {
  const parts = fakeParts();
  const asks = await started(parts);
  parts.keeper.failing = 'prepare';
  await assert.rejects(asks.ask(request()), { code: 'keeper-unavailable' });
  await assert.rejects(asks.ask(request()), { code: 'keeper-unavailable' });
  parts.keeper.failing = null;
  await sleep(40);
  assert.deepEqual(parts.keeper.given, [{ id: 1, records: 0, abandoned: true }]);
  assert.deepEqual(parts.log.order, [1]);
  assert.equal(asks.failure, null);
  assert.equal(entriesOf(await asks.ask(request())).length, 1);
});

test('while the log is not writable asks are refused at once, without asking the keeper', async () => {
  const parts = fakeParts();
  const asks = await started(parts);
  parts.log.failure = new LogUnavailable('store-unavailable');
  parts.log.reason = 'store-unavailable';
  await assert.rejects(asks.ask(request()), { code: 'log-unavailable' });
  await sleep(5);
  const before = parts.keeper.asked.length;
  for (let at = 0; at < 50; at++) {
    await assert.rejects(asks.ask(request()), { code: 'log-unavailable' });
  }
  assert.equal(parts.keeper.asked.length, before);
  assert.equal(asks.failure, 'log-unavailable');
  // What is stored may yet close what seems open: nothing is given up before the log has mended.
  assert.ok(parts.keeper.given.every(({ abandoned }) => !abandoned));
  parts.log.mend();
  // From here on an ask waits for what is given up before it.
  assert.equal(entriesOf(await asks.ask(request())).length, 1);
  assert.equal(parts.log.order[0], 1);
  assert.deepEqual(
    parts.keeper.given.map(({ abandoned }) => abandoned),
    [false, true, false],
  );
});

test('look-ups that a former run left open are given up before anything is asked', async () => {
  const parts = fakeParts();
  parts.keeper.open.set(900, 'aa'.repeat(16));
  parts.keeper.open.set(901, 'bb'.repeat(16));
  await started(parts);
  assert.deepEqual(parts.log.order, [900, 901]);
  assert.ok(parts.keeper.given.every(({ abandoned }) => abandoned));
});

test('a record that does not open is an error of its own, with its entry made', async () => {
  const parts = fakeParts();
  parts.records.damaged = true;
  const asks = await started(parts);
  const [entry] = entriesOf(await asks.ask(request()));
  assert.equal(entry?.records[0]?.groups, null);
  assert.equal(parts.log.order.length, 1);
  assert.deepEqual(parts.warnings, ['record does not open']);
});

test('keys that do not number what was named open nothing', async () => {
  const parts = fakeParts();
  parts.log.keysEach = 2;
  const asks = await started(parts);
  const [entry] = entriesOf(await asks.ask(request()));
  assert.equal(entry?.givenUp, 'not-released');
  assert.deepEqual(parts.records.used, []);
});

test('a look-up whose records cannot be found is given up, with its entry', async () => {
  const parts = fakeParts();
  parts.records.broken = true;
  const asks = await started(parts);
  const [entry] = entriesOf(await asks.ask(request()));
  assert.equal(entry?.givenUp, 'store-unavailable');
  assert.deepEqual(parts.keeper.given, [{ id: 1, records: 0, abandoned: true }]);
});

test('a subject with more records than one statement names is given up, never answered in part', async () => {
  const parts = fakeParts();
  parts.records.count = 5000;
  const asks = await started(parts);
  const [entry] = entriesOf(await asks.ask(request()));
  assert.equal(entry?.givenUp, 'too-many-records');
  assert.deepEqual(entry?.records, []);
});

test('an answer has a bound in bytes, past which subjects are given up', async () => {
  const parts = fakeParts();
  parts.records.sizeBytes = 10 * 1024 * 1024;
  const asks = await started(parts);
  const entries = entriesOf(await asks.ask(request(3)));
  assert.deepEqual(
    entries.map(({ givenUp }) => givenUp),
    [null, 'answer-too-large', 'answer-too-large'],
  );
});

test('what the keeper will not prepare is given up in the same batch, in the order of its numbers', async () => {
  const parts = fakeParts();
  parts.keeper.refusing = 1;
  const asks = await started(parts);
  const entries = entriesOf(await asks.ask(request(3)));
  assert.deepEqual(
    entries.map(({ givenUp }) => givenUp),
    ['not-prepared', null, null],
  );
  assert.deepEqual(parts.keeper.prepared, parts.log.order);
  assert.deepEqual(parts.warnings, ['look-up not prepared']);
});

test('keys are used once and wiped', async () => {
  const parts = fakeParts();
  const asks = await started(parts);
  await asks.ask(request(2));
  assert.deepEqual(parts.records.used, ['07'.repeat(32), '07'.repeat(32)]);
  assert.equal(parts.log.keys.length, 2);
  assert.ok(parts.log.keys.every((keys) => keys.every((byte) => byte === 0)));
});

test('what was asked while a batch was under way goes together, and appends keep the order of prepares', async () => {
  const parts = fakeParts();
  const asks = await started(parts);
  const asked = Array.from({ length: 700 }, () => asks.ask(request()));
  const answered = await Promise.all(asked);
  assert.deepEqual(parts.keeper.batches, [1, 512, 187]);
  assert.deepEqual(parts.log.order, parts.keeper.prepared);
  const subjects = answered.map((each) => entriesOf(each)[0]?.lookUp.subject);
  assert.equal(new Set(subjects).size, 700);
});

test('the next batch is resolved while the former waits for the log', async () => {
  const parts = fakeParts();
  const asks = await started(parts);
  let release = () => {};
  parts.log.held = new Promise((resolve) => {
    release = resolve;
  });
  const first = asks.ask(request());
  await sleep(5);
  const second = asks.ask(request());
  await sleep(5);
  assert.deepEqual(parts.keeper.batches, [1, 1]);
  release();
  assert.equal(entriesOf(await first)[0]?.index, 0);
  assert.equal(entriesOf(await second)[0]?.index, 1);
});

test('a few asks wait until they are a third of what is under way, or that is done', async () => {
  const parts = fakeParts();
  const asks = await started(parts);
  const log = Promise.withResolvers<void>();
  parts.log.held = log.promise;
  const asked: Promise<Answered>[] = [];
  for (const [count, batches] of [
    [10, [1, 9]],
    [3, [1, 9]],
    [1, [1, 9, 4]],
    [2, [1, 9, 4]],
  ] as const) {
    asked.push(...Array.from({ length: count }, () => asks.ask(request())));
    await sleep(10);
    assert.deepEqual(parts.keeper.batches, batches);
  }
  log.resolve();
  assert.equal((await Promise.all(asked)).length, 16);
  assert.deepEqual(parts.keeper.batches, [1, 9, 4, 2]);
});

test('past the queue’s bound an ask is refused as busy', async () => {
  const parts = fakeParts();
  const asks = await started(parts);
  const asked = Array.from({ length: 5000 }, () =>
    asks.ask(request()).catch((error) => error.code),
  );
  const answers = await Promise.all(asked);
  assert.ok(answers.includes('busy'));
  assert.ok(answers.filter((each) => each !== 'busy').length >= 4096);
});

test('a large request is prepared and appended in chunks, in order', async () => {
  const parts = fakeParts();
  const asks = await started(parts);
  parts.keeper.decide = (_, keeper) => keeper.resolved('allowed', 3000);
  const entries = entriesOf(await asks.ask(request(1000)));
  assert.equal(entries.length, 3000);
  assert.equal(
    parts.keeper.asked.filter((name) => name === 'prepare').length,
    Math.ceil(3000 / 128),
  );
  assert.deepEqual(parts.log.order, parts.keeper.prepared);
});

for (const count of [1, 7, 700]) {
  test(`closing waits for what was taken, and takes no more: ${count}`, async () => {
    const parts = fakeParts();
    const asks = await started(parts);
    let answered = 0;
    const ask = () => asks.ask(request()).then(() => answered++);
    const asked = Array.from({ length: count }, ask);
    // Too few to set out while the others are under way.
    await sleep(1);
    asked.push(ask());
    await asks.close();
    assert.equal(answered, count + 1);
    await Promise.all(asked);
    await assert.rejects(asks.ask(request()), { code: 'stopping' });
  });
}
