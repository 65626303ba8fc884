import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { silentLogger } from '../packages/server/disclosure/_served.ts';
import type { Gateway } from '../packages/server/gateway.ts';
import { startGateway } from '../packages/server/gateway.ts';
import { readHistory } from './_history.ts';
import { cnicOf, Instance, simsCsv } from './_instance.ts';
import type { Answer } from './_served.ts';
import { Served, until } from './_served.ts';

/**
 * What is broken is said, nothing is half-done meanwhile, and all goes on by itself once it is mended. The keeper is a
 * process of its own, under its own administrators.
 */
const HOUR_MS = 3_600_000;

let instance: Instance;
let gateway: Gateway;
let served: Served;
/** Added to the gateway's clock. */
let offMs = 0;
let serials = 100;

before(async () => {
  instance = await Instance.create();
  await instance.importCsv('telecom-importer', 'sim-registrations', simsCsv([1, 2, 3]));
  await instance.stopGateway();
  served = new Served(instance);
  await serve();
});

after(async () => {
  await gateway?.close();
  await instance?.[Symbol.asyncDispose]();
});

async function serve(): Promise<void> {
  gateway = await startGateway({
    dir: instance.dir,
    port: null,
    keeper: 'external',
    logger: silentLogger(),
    now: () => Date.now() + offMs,
  });
}

function ask(serial = 1, time?: number): Promise<Answer> {
  const terms = time === undefined ? {} : { time };
  const request = instance.request('officer', [cnicOf(serial)], terms);
  return served.post('/v1/requests', { ...request, approval: null });
}

/** Waits until requests are answered again, by themselves. */
async function mended(): Promise<void> {
  await served.well();
  await until(async () => ((await ask()).status === 200 ? true : null));
}

function requireUnwitnessed({ status, json, text }: Answer): void {
  assert.equal(json?.witnessed, false, `${status} ${text.slice(0, 200)}`);
  assert.equal(json.witnessing, 'not yet witnessed');
}

/** A file of new people. */
function newPeople(count: number): { readonly path: string; readonly first: number } {
  const path = join(instance.dir, `new-${serials}.csv`);
  const first = serials;
  writeFileSync(path, simsCsv(Array.from({ length: count }, (_, at) => first + at)));
  serials += count;
  return { path, first };
}

function importFile(path: string) {
  return served.import(instance.key('telecom-importer'), 'sim-registrations', [path]);
}

/** What is so while the keeper is away, however it is. */
async function requireKeeperMissed(): Promise<void> {
  const health = await until(async () => {
    const found = await served.get('/v1/health');
    return found.status === 503 ? found : null;
  });
  assert.equal(health.json.status, 'degraded');
  assert.equal(health.json.keeper, 'unavailable');
  requireUnwitnessed(health);
  const refused = await ask();
  assert.equal(refused.status, 503);
  assert.equal(refused.json.code, 'keeper-unavailable');
  assert.ok(refused.json.remedy.length > 0);
  requireUnwitnessed(refused);
  const { code } = instance.code(cnicOf(1));
  const { response } = await readHistory(served, code);
  assert.equal(response.status, 503);
  assert.equal(response.json.code, 'keeper-unavailable');
  // What needs no entry is still to be seen.
  for (const path of ['/v1/instance', '/v1/holdings', '/v1/grants']) {
    assert.equal((await served.get(path)).status, 200, path);
  }
  assert.equal((await served.get('/checkpoint')).status, 200);
}

describe('a keeper that is away', { concurrency: false }, () => {
  test('killed: reads stop and say why, imports too, and all goes on once it is back', async () => {
    assert.equal((await ask()).status, 200);
    await instance.stopKeeper('SIGKILL');
    await requireKeeperMissed();
    const { path, first } = newPeople(20);
    await assert.rejects(importFile(path), (error: Error & { reason?: string }) => {
      assert.match(error.reason ?? '', /keeper-unavailable/);
      return true;
    });
    await instance.startKeeper();
    await mended();
    const ended = await importFile(path);
    assert.deepEqual([ended.rows, ended.stored, ended.rejected], [20, 20, 0]);
    assert.equal((await ask(first)).json.results[0].records.length, 1);
  });

  test('killed in the middle of an import: what was taken is kept, and the same file goes on', async () => {
    const { path, first } = newPeople(12_000);
    const upload = assert.rejects(importFile(path), (error: Error & { reason?: string }) => {
      assert.match(error.reason ?? '', /keeper-unavailable/);
      return true;
    });
    const index = await until(async () => {
      const size = Number((await served.get('/checkpoint')).text.split('\n')[1]);
      const { json } = await served.get(`/v1/imports/${size - 1}`);
      return json.rows > 500 ? size - 1 : null;
    });
    await instance.stopKeeper('SIGKILL');
    await upload;
    const { json: paused } = await served.get(`/v1/imports/${index}`);
    assert.equal(paused.state, 'open');
    assert.ok(paused.rows > 0 && paused.rows < 12_000);
    await instance.startKeeper();
    await mended();
    assert.deepEqual((await ask(first)).json.results[0].records, [], 'nobody sees half an import');
    const ended = await importFile(path);
    assert.ok(ended.resumed);
    assert.deepEqual([ended.import, ended.rows, ended.stored], [index, 12_000, 12_000]);
  });

  test('hanging: reads stop and say why, and go on once it answers', async () => {
    assert.equal((await ask()).status, 200);
    const stopped = instance.keeperPid;
    process.kill(stopped, 'SIGSTOP');
    try {
      await requireKeeperMissed();
    } finally {
      process.kill(stopped, 'SIGCONT');
    }
    await mended();
  });
});

describe('a store that cannot be written', { concurrency: false }, () => {
  test('while another process holds it: entries stop and say why, and go on', async () => {
    const other = new DatabaseSync(instance.paths.database);
    other.exec('BEGIN IMMEDIATE');
    try {
      const refused = await ask();
      assert.equal(refused.status, 503);
      assert.equal(refused.json.code, 'log-unavailable');
      requireUnwitnessed(refused);
      const health = await served.get('/v1/health');
      assert.equal(health.status, 503);
      assert.equal(health.json.keeper, 'ok');
      assert.equal(health.json.log, 'store-unavailable');
      requireUnwitnessed(health);
    } finally {
      other.exec('ROLLBACK');
      other.close();
    }
    await mended();
    const { path } = newPeople(5);
    assert.equal((await importFile(path)).stored, 5);
  });
});

describe('a clock that is an hour off', { concurrency: false }, () => {
  for (const [what, off, code] of [
    ['behind', -HOUR_MS, 'stale'],
    ['ahead', HOUR_MS, 'clock-ahead'],
  ] as const) {
    test(`an officer’s, ${what}: refused, with what to do, and without an entry`, async () => {
      const size = (await ask()).json.results[0].index;
      const { status, json } = await ask(1, Date.now() + off);
      assert.equal(status, 401);
      assert.equal(json.code, code);
      assert.match(json.remedy, /clock|time|again/);
      assert.equal((await ask()).json.results[0].index, size + 1);
    });

    test(`the gateway’s, ${what}: the keeper’s decides, and imports say what is wrong`, async () => {
      offMs = off;
      try {
        // Who may read, and what the entry says of when, is by the keeper's clock alone.
        assert.equal((await ask()).status, 200);
        const { path } = newPeople(3);
        await assert.rejects(importFile(path), (error: Error & { remedy?: string | null }) => {
          assert.match(`${error.message} ${error.remedy}`, /clock/);
          return true;
        });
      } finally {
        offMs = 0;
      }
      assert.equal((await ask()).status, 200);
      const { path } = newPeople(3);
      assert.equal((await importFile(path)).stored, 3);
    });
  }
});

test('until witnesses are configured every answer says so, the good and the bad', async () => {
  const { code, signed } = instance.code(cnicOf(2));
  const shown = await served.post('/v1/codes', signed);
  const { response } = await readHistory(served, code);
  const { path } = newPeople(2);
  const { import: index } = await importFile(path);
  const protection = await served.post('/v1/protections', instance.protection(cnicOf(3), true));
  const second = await ask(3);
  assert.equal(second.status, 202);
  const answers = [
    await ask(),
    second,
    shown,
    response,
    protection,
    await served.get('/v1/instance'),
    await served.get('/v1/health'),
    await served.get('/v1/holdings'),
    await served.get('/v1/holdings/sim-registrations'),
    await served.get('/v1/holdings/none-such'),
    await served.get('/v1/agencies'),
    await served.get('/v1/agencies/demo-police'),
    await served.get('/v1/grants'),
    await served.get(`/v1/keys/${instance.key('officer').public.id}`),
    await served.get(`/v1/imports/${index}`),
    await served.get('/v1/imports/1'),
    await served.get('/v1/nothing'),
    await served.get('/nothing.json'),
    await served.post('/v1/requests', {}),
    await served.post('/v1/documents', {}),
    await served.post('/v1/imports', {}),
    await served.post('/v1/history', {}),
    await served.post('/v1/grants/explain', {}),
    await served.ask('POST', '/v1/requests', '{'),
    await served.ask('PUT', `/v1/imports/${index}/upload`, 'x'),
    await served.ask('DELETE', '/v1/requests', null),
  ];
  for (const answer of answers) requireUnwitnessed(answer);
});
