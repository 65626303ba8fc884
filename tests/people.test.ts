import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Gateway } from '../packages/server/gateway.ts';
import { readHistory } from './_history.ts';
import { cnicOf, Instance, simsCsv } from './_instance.ts';
import { Served } from './_served.ts';

const NUMBER = '+923980000001';

describe('a number that was asked about early, and a controller that came late', {
  concurrency: false,
}, () => {
  let instance: Instance;
  let gateway: Gateway | null = null;
  let served: Served;
  let code: string;
  let otherCode: string;

  before(async () => {
    instance = await Instance.create();
    await serve();
    assert.equal((await ask({ type: 'msisdn', value: NUMBER })).status, 200);
    const drawn = [cnicOf(1), cnicOf(2)].map((cnic) => instance.code(cnic));
    for (const { signed } of drawn) {
      assert.equal((await served.post('/v1/codes', signed)).status, 201);
    }
    [code = '', otherCode = ''] = drawn.map((each) => each.code);
    const protection = instance.protection(cnicOf(1), true);
    assert.equal((await served.post('/v1/protections', protection)).status, 201);

    await gateway?.close();
    gateway = null;
    await instance.stopKeeper();
    await instance.startKeeper();
    await instance.startGateway();
    await instance.declare('identity-card-images');
    await instance.importCsv('telecom-importer', 'sim-registrations', simsCsv([1, 2]));
    await serve();
  });

  after(async () => {
    await gateway?.close();
    await instance?.[Symbol.asyncDispose]();
  });

  async function serve(): Promise<void> {
    await instance.stopGateway();
    const processes = new Served(instance);
    gateway = await instance.serve();
    await processes.well();
    served = processes;
  }

  function ask(identifier: { readonly type: 'cnic' | 'msisdn'; readonly value: string }) {
    const request = instance.request('officer', [], { identifiers: [identifier] });
    return served.post('/v1/requests', { ...request, approval: null });
  }

  test('she is protected by the number that an import binds to her, and nobody else is', async () => {
    const byNumber = await ask({ type: 'msisdn', value: NUMBER });
    assert.equal(byNumber.status, 202, JSON.stringify(byNumber.json));
    assert.deepEqual(byNumber.json.reasons, ['protected']);
    assert.equal((await ask({ type: 'cnic', value: cnicOf(2) })).status, 200);
  });

  test('her old code opens all of it, the number’s chain and the late controller’s, and every check passes', async () => {
    const found = await readHistory(served, code);
    assert.ok(found.verified, JSON.stringify(found.checks));
    const chains = found.chains.map(({ controller, alias, entries }) => ({
      name: `${controller}${alias ? ', by a number' : ''}`,
      kinds: entries.map(({ statement }) => statement?.kind),
    }));
    assert.deepEqual(
      chains.toSorted((a, b) => a.name.localeCompare(b.name)),
      [
        { name: 'demo-border', kinds: ['code', 'protected', 'sign-in'] },
        { name: 'demo-registry', kinds: ['sign-in'] },
        { name: 'demo-telecom', kinds: ['code', 'protected', 'second-person', 'sign-in'] },
        { name: 'demo-telecom, by a number', kinds: ['miss', 'sign-in'] },
      ],
    );
  });

  test('another person’s code opens nothing of it', async () => {
    const hers = await readHistory(served, code);
    const others = await readHistory(served, otherCode);
    assert.ok(others.verified && others.chains.every(({ alias }) => !alias));
    const known = new Set(hers.chains.map(({ subject }) => subject));
    assert.ok(others.chains.every(({ subject }) => !known.has(subject)));
  });
});
