import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fastify } from 'fastify';
import type { FloorClock } from './floor.ts';
import { FLOOR_MS, reachFloor } from './floor.ts';
import { answerAsks } from './replies.ts';

/** A clock that stands still but for what is worked and waited by it. */
function stopped(wakesEarlyMs = 0) {
  const clock = {
    time: 1000,
    waits: [] as number[],
    now: () => clock.time,
    wait: async (milliseconds: number) => {
      clock.waits.push(milliseconds);
      clock.time += milliseconds - (clock.waits.length === 1 ? wakesEarlyMs : 0);
    },
  };
  return clock satisfies FloorClock;
}

test('an answer that is ready at once waits for the floor, also where a timer wakes early', async () => {
  for (const early of [0, 0.4]) {
    const clock = stopped(early);
    await reachFloor(clock.time, clock);
    assert.ok(clock.time >= 1000 + FLOOR_MS);
  }
});

test('an answer that took as long as the floor sets no timer', async () => {
  for (const tookMs of [FLOOR_MS, FLOOR_MS + 0.1, 500]) {
    const clock = stopped();
    clock.time += tookMs;
    await reachFloor(1000, clock);
    assert.deepEqual(clock.waits, []);
  }
});

test('a hit, a miss, a refusal and a failure all wait, from when the question was read whole', async (t) => {
  const clock = stopped();
  const app = fastify();
  t.after(() => app.close());
  answerAsks(app, clock);
  // A body that takes its time to arrive uses up nothing of the floor.
  app.addHook('preParsing', async () => {
    clock.time += 100;
  });
  app.post<{ Body: { status: number; tookMs: number } }>('/ask', async ({ body }, reply) => {
    clock.time += body.tookMs;
    if (body.status === 500) throw new Error('broken');
    return reply.code(body.status).send({});
  });
  for (const status of [200, 202, 401, 403, 500]) {
    for (const tookMs of [0, 1, 5]) {
      clock.waits = [];
      const before = clock.time;
      const answer = await app.inject({
        method: 'POST',
        url: '/ask',
        payload: { status, tookMs },
      });
      assert.equal(answer.statusCode, status);
      assert.equal(clock.time - before - 100, Math.max(FLOOR_MS, tookMs));
      assert.equal(clock.waits.length, tookMs < FLOOR_MS ? 1 : 0);
    }
  }
});
