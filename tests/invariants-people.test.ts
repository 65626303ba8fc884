import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { writeDocument } from '@amanat/core/grants';
import type { Gateway } from '../packages/server/gateway.ts';
import { readHistory } from './_history.ts';
import type { Name, Terms } from './_instance.ts';
import { cnicOf, Instance, LEGAL_BASIS, PURPOSE, simsCsv, travelCsv } from './_instance.ts';
import { Officer } from './_officers.ts';
import { Served } from './_served.ts';

const PEOPLE = [1, 2, 3];

describe('one person and three controllers', { concurrency: false }, () => {
  let instance: Instance;
  let gateway: Gateway;
  let served: Pick<Served, 'get' | 'post'>;

  before(async () => {
    instance = await Instance.create();
    await instance.declare('identity-card-images');
    await instance.importCsv('telecom-importer', 'sim-registrations', simsCsv(PEOPLE));
    await instance.importCsv('border-importer', 'travel-history', travelCsv(PEOPLE));
    await instance.stopGateway();
    const processes = new Served(instance);
    served = processes;
    gateway = await instance.serve();
    await processes.well();
  });

  after(async () => {
    await gateway?.close();
    await instance?.[Symbol.asyncDispose]();
  });

  function ask(name: Name, cnics: readonly string[], terms: Terms = {}) {
    return served.post('/v1/requests', { ...instance.request(name, cnics, terms), approval: null });
  }

  test('one code opens each of her subjects to her, and they share nothing', async () => {
    const { code, signed } = instance.code(cnicOf(1));
    assert.equal((await served.post('/v1/codes', signed)).status, 201);
    const found = await readHistory(served, code);
    assert.ok(found.verified);
    const controllers = found.chains.map(({ controller }) => controller).sort();
    assert.deepEqual(controllers, ['demo-border', 'demo-registry', 'demo-telecom']);
    const subjects = found.chains.map(({ subject }) => subject);
    assert.equal(new Set(subjects).size, 3);
    // Nothing of 8 bytes is in more than one controller's rows about her, in the store or at the keeper.
    const rows = subjects.map((subject) => runsAbout(subject));
    for (const [at, mine] of rows.entries()) {
      assert.ok(mine.size > 0);
      for (const others of rows.slice(at + 1)) {
        assert.deepEqual(
          [...mine].filter((run) => others.has(run)),
          [],
        );
      }
    }
    assert.ok((rows[controllers.indexOf('demo-telecom')]?.size ?? 0) > 0);
  });

  /** Every 8 bytes of what stands in a row with a subject: ids, index values, digests, keys, ciphertexts. */
  function runsAbout(subject: string): Set<string> {
    const runs = new Set<string>();
    const id = Buffer.from(subject, 'hex');
    const queries: [string, string][] = [
      [instance.paths.database, 'SELECT * FROM custody_records WHERE subject = ?'],
      [
        instance.paths.database,
        'SELECT subject, body, evidence FROM entries JOIN bodies USING (idx) WHERE subject = ?',
      ],
      [join(instance.paths.keeper, 'keeper.db'), 'SELECT * FROM subjects WHERE subject = ?'],
      [join(instance.paths.keeper, 'keeper.db'), 'SELECT * FROM bindings WHERE subject = ?'],
      [join(instance.paths.keeper, 'keeper.db'), 'SELECT * FROM codes WHERE subject = ?'],
      [join(instance.paths.keeper, 'keeper.db'), 'SELECT * FROM aliases WHERE subject = ?'],
    ];
    for (const [path, sql] of queries) {
      const database = new DatabaseSync(path, { readOnly: true });
      for (const row of database.prepare(sql).all(id)) {
        for (const value of Object.values(row)) {
          if (!(value instanceof Uint8Array)) continue;
          for (let at = 0; at + 8 <= value.length; at++) {
            runs.add(Buffer.from(value.subarray(at, at + 8)).toString('hex'));
          }
        }
      }
      database.close();
    }
    return runs;
  }

  test('holdings of two controllers are not read together by one person, nor by halves', async () => {
    const holdings = [
      { holding: 'sim-registrations', groups: ['identity'] },
      { holding: 'travel-history', groups: ['identity'] },
    ];
    const { status, json } = await ask('officer', [cnicOf(1)], { holdings });
    assert.equal(status, 202);
    assert.ok(json.reasons.includes('holdings-together'));
    assert.equal(json.results, undefined);
  });

  describe('what was not declared is refused by name', { concurrency: false }, () => {
    test('a column', async () => {
      const csv = simsCsv([9]).replace('biometric_status', 'biometric_status,religion');
      const row = csv.replace(/verified\n$/, 'verified,none\n');
      const imported = (await openedInstance()).importCsv(
        'telecom-importer',
        'sim-registrations',
        row,
      );
      await assert.rejects(imported, /religion/);
      await closeInstance();
    });

    for (const [what, code, terms] of [
      [
        'a holding',
        'undeclared-holding',
        { holdings: [{ holding: 'school-marks', groups: ['identity'] }] },
      ],
      [
        'a group',
        'undeclared-group',
        { holdings: [{ holding: 'sim-registrations', groups: ['religion'] }] },
      ],
      ['a purpose', 'undeclared-purpose', { purpose: 'https://w3id.org/dpv#Marketing' }],
      ['a legal basis', 'undeclared-legal-basis', { legalBasis: 'https://w3id.org/dpv#Consent' }],
    ] as const) {
      test(what, async () => {
        const { status, json } = await ask('officer', [cnicOf(1)], terms);
        assert.equal(status, 403);
        assert.equal(json.code, code);
        const [asked] = 'holdings' in terms ? terms.holdings : [{ holding: 'sim-registrations' }];
        assert.equal(json.holding, asked.holding);
        assert.ok(json.remedy.length > 0);
        assert.equal(json.results, undefined);
      });
    }

    test('a recipient, whatever the grants give it', async () => {
      await openedInstance();
      const agency = 'demo-revenue';
      await instance.enter<'agency'>({
        type: 'agency',
        agency,
        version: 1,
        name: { en: agency, ur: agency },
        contact: { email: 'privacy@agency.example', phone: null, address: null },
        subjectsPerDay: 100,
        time: Date.now(),
      });
      const officer = await Officer.enrol(instance, 'v-1', agency);
      await instance.grant([
        {
          id: 'revenue-sims',
          effect: 'permit',
          agency,
          purpose: PURPOSE,
          legalBasis: LEGAL_BASIS,
          holding: 'sim-registrations',
          groups: ['identity'],
          subjectsMax: 100,
          secondPersonOver: 10,
          hours: null,
          subjectsPerDay: 100,
        },
      ]);
      await closeInstance();
      const holdings = [{ holding: 'sim-registrations', groups: ['identity'] }];
      const request = officer.request([cnicOf(1)], { holdings });
      const { status, json } = await served.post('/v1/requests', { ...request, approval: null });
      assert.equal(status, 403);
      assert.equal(json.code, 'undeclared-recipient');
      assert.equal(json.holding, 'sim-registrations');
    });
  });

  /** Puts the instance's own parts in the place of the gateway, for what they alone can do. */
  async function openedInstance(): Promise<Instance> {
    await gateway.close();
    await instance.startGateway();
    return instance;
  }

  async function closeInstance(): Promise<void> {
    gateway = await instance.serve();
  }

  describe('one alone cannot change who may', { concurrency: false }, () => {
    const contact = { email: 'x@agency.example', phone: null, address: null };
    const time = () => Date.now();
    const documents = (): [string, string][] => [
      [
        '/v1/documents',
        writeDocument<'agency'>({
          type: 'agency',
          agency: 'one-alone',
          version: 1,
          name: { en: 'x', ur: 'x' },
          contact,
          subjectsPerDay: 1_000_000,
          time: time(),
        }),
      ],
      [
        '/v1/documents',
        writeDocument<'certificate'>({
          type: 'certificate',
          key: instance.key('administrator-1').public.text,
          version: 1,
          person: 'own',
          agency: 'demo-police',
          line: 'one',
          role: 'officer',
          subjectsPerDay: 1_000,
          notAfter: time() + 86_400_000,
          time: time(),
        }),
      ],
      [
        '/v1/documents',
        writeDocument<'revocation'>({
          type: 'revocation',
          key: instance.key('officer').public.id,
          version: 1,
          reason: 'alone',
          time: time(),
        }),
      ],
      [
        '/v1/documents',
        writeDocument<'grants'>({
          type: 'grants',
          version: 3,
          utcOffsetMinutes: 0,
          rows: [],
          time: time(),
        }),
      ],
      ['/v1/protections', instance.protection(cnicOf(1), false).document],
    ];
    const signers: readonly (readonly Name[])[] = [
      [],
      ['administrator-1'],
      ['administrator-2', 'administrator-2'],
      ['administrator-1', 'officer'],
      ['administrator-1', 'registrar'],
      ['registrar', 'approver'],
      ['officer', 'approver'],
    ];
    const leaves = () => {
      const database = new DatabaseSync(instance.paths.database, { readOnly: true });
      const found = database.prepare('SELECT count(*) AS n FROM leaves').get();
      database.close();
      return found?.n;
    };
    for (const names of signers) {
      test(`signed by ${names.length === 0 ? 'nobody' : names.join(' and ')}`, async () => {
        const size = leaves();
        for (const [path, document] of documents()) {
          const { status, json } = await served.post(path, instance.sign(document, ...names));
          assert.ok(status >= 400 && status < 500, `${path} answers ${status}`);
          assert.notEqual(json.code, 'internal');
        }
        assert.equal(leaves(), size);
      });
    }

    test('who may read is as before', async () => {
      const { json } = await served.get(`/v1/keys/${instance.key('officer').public.id}`);
      assert.equal(json.state, 'in-force', JSON.stringify(json));
    });
  });
});
