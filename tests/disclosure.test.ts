import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { hex } from '@amanat/core/bytes';
import type { Signed } from '@amanat/core/grants';
import { documentHash } from '@amanat/core/grants';
import { serveParts } from '../packages/server/disclosure/_served.ts';
import type { Name, Terms } from './_instance.ts';
import { cnicOf, Instance, simsCsv } from './_instance.ts';

const SUBJECTS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
const NOBODY = cnicOf(999);

let instance: Instance;
let app: Awaited<ReturnType<typeof serveParts>>;

before(async () => {
  instance = await Instance.create();
  await instance.importCsv('telecom-importer', 'sim-registrations', simsCsv(SUBJECTS));
  app = await serveParts(instance.gateway);
});

after(async () => {
  await app?.close();
  await instance?.[Symbol.asyncDispose]();
});

async function post(url: string, body: object) {
  const response = await app.inject({ method: 'POST', url, payload: body });
  return { status: response.statusCode, text: response.body, json: response.json() };
}

/** Asks as a person of the journey. */
function ask(
  name: Name,
  cnics: readonly string[],
  terms: Terms = {},
  approval: Signed | null = null,
) {
  return post('/v1/requests', { ...instance.request(name, cnics, terms), approval });
}

/** Size of the log: how many entries there are. */
function entries(): number {
  return instance.gateway.log.size;
}

describe('what is not in its form', () => {
  const refused = async (change: (body: Record<string, unknown>) => object, detail: RegExp) => {
    const size = entries();
    const body = { ...instance.request('officer', [cnicOf(1)]), approval: null };
    const { status, json } = await post('/v1/requests', change({ ...body }));
    assert.equal(status, 400);
    assert.equal(json.code, 'malformed');
    assert.match(json.detail, detail);
    assert.equal(json.witnessed, false);
    assert.equal(entries(), size);
  };

  test('an unknown member is refused', async () => {
    await refused((body) => ({ ...body, urgent: true }), /no such member/);
  });
  test('a missing member is refused', async () => {
    await refused(({ approval: _, ...body }) => body, /approval/);
  });
  test('an unknown member of a selector is refused', async () => {
    await refused(
      (body) => ({ ...body, selectors: [{ ...(body.selectors as object[])[0], name: 'x' }] }),
      /selectors\[0\]/,
    );
  });
  test('more selectors than were counted are refused', async () => {
    await refused(
      (body) => ({ ...body, selectors: [...(body.selectors as []), ...(body.selectors as [])] }),
      /selectors/,
    );
  });
  test('another document is refused', async () => {
    const { document } = instance.code(cnicOf(1)).signed;
    await refused((body) => ({ ...body, document }), /type/);
  });
  test('a document that is not canonical is refused', async () => {
    await refused((body) => ({ ...body, document: `${body.document} ` }), /canonical/);
  });
  test('a body that is not JSON is a problem too', async () => {
    const headers = { 'content-type': 'application/json' };
    const response = await app.inject({
      method: 'POST',
      url: '/v1/requests',
      headers,
      payload: '{',
    });
    assert.equal(response.statusCode, 400);
  });
});

describe('who shows no authority gets no entry', () => {
  const rejected = async (
    code: string,
    name: Name,
    terms: Terms = {},
    change: (body: ReturnType<Instance['request']>) => object = (body) => body,
  ) => {
    const size = entries();
    const body = { approval: null, ...change(instance.request(name, [cnicOf(1)], terms)) };
    const { status, json } = await post('/v1/requests', body);
    assert.equal(json.code, code);
    assert.equal(status, 401);
    assert.ok(json.remedy.length > 0);
    assert.equal(entries(), size);
  };

  test('a key that nobody certified', async () => {
    await rejected('unknown-key', 'registrar');
  });
  test('a key of another role', async () => {
    await rejected('wrong-role', 'approver');
  });
  test('another key’s signature', async () => {
    await rejected('bad-signature', 'officer', {}, (body) => ({
      ...body,
      signatures: [
        {
          key: instance.key('officer').public.id,
          signature: instance.request('officer-with-little', [cnicOf(1)]).signatures[0]?.signature,
        },
      ],
    }));
  });
  test('an altered document', async () => {
    await rejected('bad-signature', 'officer', {}, (body) => ({
      ...body,
      document: body.document.replace('case-7', 'case-8'),
    }));
  });
  test('altered selectors', async () => {
    await rejected('selectors-differ', 'officer', {}, (body) => ({
      ...body,
      selectors: [{ type: 'cnic', value: cnicOf(2), salt: '00'.repeat(16) }],
    }));
  });
  test('a clock an hour behind', async () => {
    await rejected('stale', 'officer', { time: Date.now() - 3_600_000 });
  });
  test('a clock an hour ahead', async () => {
    await rejected('clock-ahead', 'officer', { time: Date.now() + 3_600_000 });
  });
  test('a request sent a second time', async () => {
    const request = instance.request('officer', [cnicOf(1)]);
    const first = await post('/v1/requests', { ...request, approval: null });
    assert.equal(first.status, 200);
    await rejected('replayed', 'officer', {}, () => ({ ...request, approval: null }));
  });
  test('a request in flight twice is answered once', async () => {
    const request = { ...instance.request('officer', [cnicOf(1)]), approval: null };
    const answers = await Promise.all([
      post('/v1/requests', request),
      post('/v1/requests', request),
    ]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 401]);
  });
});

describe('what the table refuses has an entry on the subject’s chain', () => {
  const refused = async (code: string, name: Name, terms: Terms) => {
    const size = entries();
    const { status, json } = await ask(name, [cnicOf(2)], terms);
    assert.equal(status, 403);
    assert.equal(json.code, code);
    assert.ok(json.remedy.length > 0);
    assert.equal(entries(), size + 1);
    return json;
  };

  test('an undeclared purpose', async () => {
    const purpose = 'https://w3id.org/dpv#Marketing';
    const { holding } = await refused('undeclared-purpose', 'officer', { purpose });
    assert.equal(holding, 'sim-registrations');
  });
  test('an undeclared group', async () => {
    const holdings = [{ holding: 'sim-registrations', groups: ['fingerprint'] }];
    await refused('undeclared-group', 'officer', { holdings });
  });
  test('a group that no grant gives', async () => {
    const holdings = [{ holding: 'sim-registrations', groups: ['address'] }];
    await refused('no-grant', 'officer', { holdings });
  });
  test('an agency without a grant', async () => {
    await refused('no-grant', 'officer-without-grant', {});
  });
  test('an undeclared holding has nobody’s chain to stand on', async () => {
    const holdings = [{ holding: 'school-marks', groups: ['identity'] }];
    const { status, json } = await ask('officer', [cnicOf(2)], { holdings });
    assert.equal(status, 403);
    assert.equal(json.code, 'undeclared-holding');
  });
  test('a spent budget', async () => {
    const within = await ask('officer-with-little', [1, 2, 3, 4].map(cnicOf));
    assert.equal(within.status, 200);
    const past = await ask('officer-with-little', [5, 6].map(cnicOf));
    assert.equal(past.status, 403);
    assert.equal(past.json.code, 'budget-spent');
  });
});

describe('a second person', () => {
  const bulk = SUBJECTS.slice(0, 11).map(cnicOf);

  test('is asked for, with the hash to sign and an entry for each subject', async () => {
    const size = entries();
    const request = instance.request('officer', bulk);
    const { status, json } = await post('/v1/requests', { ...request, approval: null });
    assert.equal(status, 202);
    assert.deepEqual(json.reasons, ['bulk']);
    assert.equal(json.request, hex(documentHash(request.document)));
    assert.equal(entries(), size + bulk.length);
  });

  for (const [name, code] of [
    ['approver-same-line', 'approver-same-line'],
    ['approver-same-person', 'approver-same-person'],
    ['officer', 'approver-unknown'],
    ['registrar', 'approver-unknown'],
  ] as const) {
    test(`who is ${name} is refused`, async () => {
      const request = instance.request('officer', bulk);
      const approval = instance.approve(name, request);
      const { status, json } = await post('/v1/requests', { ...request, approval });
      assert.equal(status, 401);
      assert.equal(json.code, code);
    });
  }

  test('who signed another request is refused', async () => {
    const request = instance.request('officer', bulk);
    const approval = instance.approve('approver', instance.request('officer', bulk));
    const { json } = await post('/v1/requests', { ...request, approval });
    assert.equal(json.code, 'bad-approval');
  });

  test('of another line opens it, once', async () => {
    const request = instance.request('officer', bulk);
    assert.equal((await post('/v1/requests', { ...request, approval: null })).status, 202);
    const approval = instance.approve('approver', request);
    const { status, json } = await post('/v1/requests', { ...request, approval });
    assert.equal(status, 200);
    assert.equal(json.results.length, bulk.length);
    const again = await post('/v1/requests', { ...request, approval });
    assert.equal(again.json.code, 'replayed');
  });

  test('is asked for where holdings are read together', async () => {
    const holdings = [
      { holding: 'sim-registrations', groups: ['identity'] },
      { holding: 'travel-history', groups: ['identity'] },
    ];
    const size = entries();
    const { status, json } = await ask('officer', [cnicOf(3)], { holdings });
    assert.equal(status, 202);
    assert.deepEqual(json.reasons, ['grant', 'holdings-together']);
    // Each controller knows her as another subject.
    assert.equal(entries(), size + 2);
  });

  test('is asked for while a subject is protected', async () => {
    const cnic = cnicOf(12);
    assert.equal((await ask('officer', [cnic])).status, 200);
    const alone = instance.sign(instance.protection(cnic, true).document, 'administrator-1');
    assert.equal((await post('/v1/protections', alone)).status, 400);
    const twice = { ...alone, signatures: [...alone.signatures, ...alone.signatures] };
    assert.equal((await post('/v1/protections', twice)).json.code, 'bad-signature');
    assert.equal((await post('/v1/protections', instance.protection(cnic, true))).status, 201);
    const { status, json } = await ask('officer', [cnic]);
    assert.equal(status, 202);
    assert.deepEqual(json.reasons, ['protected']);
    assert.equal((await post('/v1/protections', instance.protection(cnic, false))).status, 201);
    assert.equal((await ask('officer', [cnic])).status, 200);
  });
});

describe('what is allowed', () => {
  test('is answered with exactly the groups asked for, and an entry for each subject', async () => {
    const size = entries();
    const { status, json } = await ask('officer', [cnicOf(5), NOBODY]);
    assert.equal(status, 200);
    assert.equal(json.outcome, 'disclosed');
    assert.equal(json.witnessed, false);
    assert.equal(json.witnessing, 'not yet witnessed');
    assert.equal(entries(), size + 2);
    const [hit, miss] = json.results;
    assert.equal(hit.selector, 0);
    assert.deepEqual(
      hit.records[0].groups.map(({ group }: { group: string }) => group),
      ['identity', 'number'],
    );
    assert.deepEqual(hit.records[0].groups[0].fields, [
      { name: 'cnic', recorded: cnicOf(5), normalised: cnicOf(5) },
      { name: 'name', recorded: 'Person 5', normalised: 'Person 5' },
    ]);
    assert.deepEqual(miss.records, []);
  });

  test('hit, miss and refusal come in one size class', async () => {
    const hit = await ask('officer', [cnicOf(5)]);
    const miss = await ask('officer', [NOBODY]);
    const denied = await ask('officer-without-grant', [cnicOf(5)]);
    const sizes = [hit, miss, denied].map(({ text }) => Buffer.byteLength(text));
    assert.deepEqual(sizes, [2048, 2048, 2048]);
  });

  test('many at one time are each answered with their own subject’s records', async () => {
    const serials = Array.from(
      { length: 300 },
      (_, at) => SUBJECTS[at % SUBJECTS.length] as number,
    );
    const answers = await Promise.all(serials.map((serial) => ask('officer', [cnicOf(serial)])));
    for (const [at, { status, json }] of answers.entries()) {
      assert.equal(status, 200);
      const [{ fields }] = json.results[0].records[0].groups;
      assert.equal(fields[0].normalised, cnicOf(serials[at] as number));
    }
    const indexes = answers.map(({ json }) => json.results[0].index);
    assert.equal(new Set(indexes).size, serials.length);
  });

  test('a telephone number leads to its holder’s chain', async () => {
    const identifiers = [{ type: 'msisdn', value: '+923980000006' } as const];
    const { status, json } = await ask('officer', [], { identifiers });
    assert.equal(status, 200);
    assert.equal(json.results[0].records[0].groups[0].fields[0].normalised, cnicOf(6));
  });
});

describe('a ciphertext that is not what was stored', () => {
  test('is an error of its record, with the entry made and no other record’s data', async () => {
    const database = instance.gateway.database;
    const rows = database.prepare('SELECT id, bytes FROM custody_ciphertexts WHERE row = ?').all(7);
    const [{ id, bytes }] = rows as unknown as [{ id: number; bytes: Uint8Array }];
    const changed = Buffer.from(bytes);
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    const put = database.prepare('UPDATE custody_ciphertexts SET bytes = ? WHERE id = ?');
    put.run(changed, id);
    // The name is made of what is stored, so that only opening shows it; the last group is asked for.
    const holdings = [{ holding: 'sim-registrations', groups: ['identity', 'number', 'status'] }];
    const { status, json } = await ask('officer', [cnicOf(7)], { holdings });
    put.run(bytes, id);
    assert.equal(status, 200);
    const [record] = json.results[0].records;
    assert.equal(record.error, 'integrity');
    assert.equal(record.groups, undefined);
    assert.ok(instance.warnings.includes('record does not open'));
  });
});

describe('her own history', () => {
  test('is shown for her code alone, with her sign-in in it and no verdict', async () => {
    const { code, signed } = instance.code(cnicOf(8));
    const byOfficer = instance.sign(signed.document, 'officer');
    assert.equal((await post('/v1/codes', byOfficer)).json.code, 'bad-signature');
    const handed = await post('/v1/codes', signed);
    assert.equal(handed.status, 201);
    assert.deepEqual(
      handed.json.entries.map(({ controller }: { controller: string }) => controller).sort(),
      ['demo-border', 'demo-telecom'],
    );
    assert.equal((await post('/v1/codes', signed)).json.code, 'replayed');
    const { sealed } = await instance.viewAsk(code);
    const { status, json } = await post('/v1/history', sealed);
    assert.equal(status, 200);
    assert.deepEqual(json.withheld, { possible: false });
    assert.ok(!JSON.stringify(json).includes('verified'));
    const telecom = json.subjects.find(
      ({ controller }: { controller: string }) => controller === 'demo-telecom',
    );
    const numbers = telecom.entries.map(({ number }: { number: number }) => number);
    assert.deepEqual(
      numbers,
      numbers.map((_: number, at: number) => at + 1),
    );
    assert.equal(telecom.held[0].holding, 'sim-registrations');
    // The published checkpoint reaches the sign-in.
    const size = Number(json.checkpoint.split('\n')[1]);
    assert.ok(telecom.entries.every(({ index }: { index: number }) => index < size));
    const again = await post('/v1/history', sealed);
    assert.equal(again.json.code, 'replayed');
  });

  test('is not shown for a code that nobody was given, and trying is bounded', async () => {
    const statuses: number[] = [];
    for (let at = 0; at < 32; at++) {
      const { sealed } = await instance.viewAsk(hex(randomBytes(16)));
      statuses.push((await post('/v1/history', sealed)).status);
    }
    assert.ok(statuses.includes(401));
    assert.equal(statuses.at(-1), 429);
  });
});

describe('a key that comes to be revoked or seen in two places', () => {
  test('two requests under one number suspend the key', async () => {
    const name = 'officer-without-grant';
    const sequence = 50;
    assert.equal((await ask(name, [cnicOf(1)], { sequence })).status, 403);
    assert.equal((await ask(name, [cnicOf(2)], { sequence })).json.code, 'sequence-reused');
    assert.equal((await ask(name, [cnicOf(1)])).json.code, 'suspended-key');
  });

  test('a revoked key asks nothing more', async () => {
    await instance.revoke('officer-with-little');
    assert.equal((await ask('officer-with-little', [cnicOf(1)])).json.code, 'revoked-key');
  });
});

describe('while the keeper is down', () => {
  test('nothing is read, the answer says why, and all goes on by itself once it is back', async () => {
    const size = entries();
    await instance.stopKeeper('SIGKILL');
    for (let at = 0; at < 3; at++) {
      const { status, json } = await ask('officer', [cnicOf(1)]);
      assert.equal(status, 503);
      assert.equal(json.code, 'keeper-unavailable');
    }
    assert.equal(instance.gateway.disclosure.failure, 'keeper-unavailable');
    assert.equal(entries(), size);
    await instance.startKeeper();
    const deadline = Date.now() + 10_000;
    while (instance.gateway.disclosure.failure !== null && Date.now() < deadline) await sleep(20);
    assert.equal((await ask('officer', [cnicOf(1)])).status, 200);
  });
});

describe('while the log cannot be written', () => {
  test('nothing is read, the keeper is left alone, and what was begun is entered as undelivered', async () => {
    const { database, disclosure, log } = instance.gateway;
    const openAtKeeper = async () => {
      const { answer } = await instance.gateway.keeper.ask('status', {});
      return answer.open.length;
    };
    // The store is full from here on: it may not grow by a page.
    database.prepare('PRAGMA max_page_count = 1').get();
    let last = await ask('officer', [cnicOf(10)]);
    for (let at = 0; at < 300 && last.status === 200; at++)
      last = await ask('officer', [cnicOf(10)]);
    assert.equal(last.status, 503);
    assert.equal(last.json.code, 'log-unavailable');
    const size = log.size;
    assert.equal((await ask('officer', [cnicOf(10)])).status, 503);
    assert.ok((await openAtKeeper()) >= 1);
    database.prepare('PRAGMA max_page_count = 1000000').get();
    const deadline = Date.now() + 10_000;
    while (disclosure.failure !== null && Date.now() < deadline) await sleep(20);
    assert.equal(disclosure.failure, null);
    assert.equal(await openAtKeeper(), 0);
    assert.ok(log.size > size);
    assert.equal((await ask('officer', [cnicOf(10)])).status, 200);
  });
});

describe('over the real gateway', () => {
  test('a request is answered on its port as on its socket, and health says so', async () => {
    await app.close();
    await using gateway = await instance.serve();
    const body = { ...instance.request('officer', [cnicOf(9)]), approval: null };
    const headers = { 'content-type': 'application/json' };
    const send = () =>
      fetch(`${gateway.url}/v1/requests`, { method: 'POST', headers, body: JSON.stringify(body) });
    const answer = await send();
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-length'), '2048');
    assert.equal(answer.headers.get('amanat-mode'), 'demo');
    const { results } = (await answer.json()) as { results: { records: { groups: object[] }[] }[] };
    assert.equal(results[0]?.records[0]?.groups.length, 2);
    const again = await send();
    assert.equal(again.status, 401);
    assert.equal(again.headers.get('content-type'), 'application/problem+json; charset=utf-8');
    const described = await (await fetch(`${gateway.url}/v1/openapi.json`)).text();
    for (const path of ['/v1/requests', '/v1/codes', '/v1/protections', '/v1/history']) {
      assert.ok(described.includes(`"${path}"`));
    }
  });
});

test('gateway and keeper never decided differently', () => {
  assert.ok(!instance.warnings.includes('decisions differ'));
});
