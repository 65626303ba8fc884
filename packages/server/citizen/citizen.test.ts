import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CoreError } from '@amanat/core/errors';
import fc from 'fast-check';
import { pino } from 'pino';
import type { Answered } from '../disclosure/disclosure.ts';
import { AsksUnavailable } from '../disclosure/disclosure.ts';
import { createServer } from '../http/server.ts';
import { readSealedAsk } from './body.ts';
import type { CitizenDeps } from './citizen.ts';
import { createCitizen } from './citizen.ts';
import { citizenRoutes } from './routes.ts';

const SEALED = { enc: `${'A'.repeat(87)}=`, ciphertext: 'AAAA' };
const SUBJECT = '00'.repeat(16);

/** A citizen's part over a fake pipeline, keeper and log that note the order of what they are asked. */
function fakeCitizen(answered: () => Promise<Answered>, number = 3) {
  const order: string[] = [];
  const ranges: (readonly [number, number])[] = [];
  const deps: CitizenDeps = {
    disclosure: {
      ask: async ({ kind }) => {
        order.push(`ask ${kind}`);
        return answered();
      },
    },
    keeper: {
      ask: async (name) => {
        order.push(`keeper ${name}`);
        return { answer: { sealed: 'AAAA' } as never, attachment: Buffer.alloc(0) };
      },
    },
    log: {
      now: () => 1,
      flush: async () => {
        order.push('flush');
        return 'a checkpoint';
      },
      register: { latestVersion: () => 0 },
      openedOf: () => [],
      entriesOf: (_subject, first, max) => {
        ranges.push([first, max]);
        return [{ number, index: 7, body: Uint8Array.of(1) }];
      },
    },
    custody: { heldAbout: () => [] },
    certify: async () => {},
  };
  return { citizen: createCitizen(deps), order, ranges };
}

function entered(number: number): Answered {
  const lookUp = { id: 1, subject: SUBJECT, controller: 'telecom', erased: false, reads: [] };
  return {
    outcome: 'entered',
    ask: 9,
    decision: { outcome: 'allowed', rules: [] },
    entries: [{ lookUp, index: 7, number, records: [], givenUp: null }],
  };
}

test('an unknown code is answered with its refusal, and the keeper is asked for no view', async () => {
  const { citizen, order } = fakeCitizen(async () => ({
    outcome: 'rejected',
    code: 'unknown-code',
  }));
  const answer = await citizen.history(SEALED, 'somewhere');
  assert.deepEqual(answer, { outcome: 'rejected', code: 'unknown-code' });
  assert.deepEqual(order, ['ask view']);
});

test('attempts at one time are counted before any has failed', async () => {
  const { citizen, order } = fakeCitizen(async () => ({
    outcome: 'rejected',
    code: 'unknown-code',
  }));
  const tried = Array.from({ length: 40 }, () => citizen.history(SEALED, 'somewhere'));
  const outcomes = (await Promise.all(tried)).map(({ outcome }) => outcome);
  assert.equal(outcomes.filter((outcome) => outcome === 'too-many-attempts').length, 10);
  assert.equal(order.length, 30);
});

test('a history that cannot be asked for throws, shows nothing, and is nobody’s failed attempt', async () => {
  const { citizen, order } = fakeCitizen(async () => {
    throw new AsksUnavailable('keeper-unavailable');
  });
  for (let at = 0; at < 50; at++) {
    await assert.rejects(citizen.history(SEALED, 'somewhere'), { code: 'keeper-unavailable' });
  }
  assert.ok(order.every((each) => each === 'ask view'));
});

test('behind a named proxy the attempts of one client are not another’s', async (t) => {
  const { citizen } = fakeCitizen(async () => ({ outcome: 'rejected', code: 'unknown-code' }));
  const app = await createServer({
    logger: pino({ level: 'silent' }),
    mode: 'demo',
    version: '0.0.0',
    now: Date.now,
    trustedProxy: ['127.0.0.1'],
  });
  t.after(() => app.close());
  await app.register(citizenRoutes, { citizen });
  const attempt = async (client: string) => {
    const headers = { 'x-forwarded-for': `203.0.113.1, ${client}` };
    return (await app.inject({ method: 'POST', url: '/v1/history', headers, payload: SEALED }))
      .statusCode;
  };
  for (let at = 0; at < 30; at++) assert.equal(await attempt('192.0.2.1'), 401);
  assert.equal(await attempt('192.0.2.1'), 429);
  assert.equal(await attempt('192.0.2.2'), 401);
});

test('the sign-in is entered before the view, and the log published before the answer', async () => {
  const { citizen, order } = fakeCitizen(async () => entered(3));
  const answer = await citizen.history(SEALED, 'somewhere');
  assert.deepEqual(order, ['ask view', 'keeper view', 'flush']);
  assert.ok(answer.outcome === 'shown');
  assert.deepEqual(answer.subjects[0]?.entries, [{ number: 3, index: 7, body: 'AQ==' }]);
});

test('a long chain is shown from where the keeper’s view begins', async () => {
  const { citizen, ranges } = fakeCitizen(async () => entered(50_000));
  await citizen.history(SEALED, 'somewhere');
  assert.deepEqual(ranges, [[30_001, 20_256]]);
});

test('anything that is no sealed ask gives a typed error', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      for (const each of [value, { ...SEALED, enc: value }, { ...SEALED, more: value }]) {
        assert.throws(() => readSealedAsk(each), CoreError);
      }
    }),
    { numRuns: 200 },
  );
});
