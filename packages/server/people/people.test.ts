import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { base64 } from '@amanat/core/bytes';
import type { DocumentOf, Signed } from '@amanat/core/grants';
import { Register, signingInput, writeDocument } from '@amanat/core/grants';
import type { SigningKey } from '@amanat/core/keys';
import { generateSigningKey, sign } from '@amanat/core/keys';
import { pino } from 'pino';
import { createServer } from '../http/server.ts';
import { createPeople } from './people.ts';
import { peopleRoutes } from './routes.ts';

const HOUR_MS = 3_600_000;

/** Stands in for the log: it takes what its register takes. */
class FakeLog {
  readonly register = new Register();
  time = 0;
  size = 0;

  now(): number {
    return this.time;
  }

  async appendPublic(signed: Signed) {
    const refused = this.register.apply(this.size, signed, this.time);
    return refused === null ? { index: this.size++ } : { refused };
  }
}

const keys = [0, 1, 2].map(() => generateSigningKey('ed25519')) as [
  SigningKey,
  SigningKey,
  SigningKey,
];

function signed(document: string, by: readonly SigningKey[] = keys.slice(0, 2)): Signed {
  const input = signingInput(document);
  return {
    document,
    signatures: by.map((key) => ({ key: key.public.id, signature: base64(sign(key, input)) })),
  };
}

const agency = (version: number): DocumentOf<'agency'> => ({
  type: 'agency',
  agency: 'police',
  version,
  name: { en: 'Police', ur: 'پولیس' },
  contact: { email: 'desk@police.example', phone: null, address: null },
  subjectsPerDay: 10,
  time: 0,
});

async function bench(t: TestContext) {
  const log = new FakeLog();
  const [a, b, registrar] = keys;
  const genesis = writeDocument({
    type: 'genesis',
    origin: 'log.test.example',
    mode: 'trial',
    logKey: 'log.test.example+00000000+AA==',
    keeperKey: a.public.text,
    keeperSealingKey: `${'A'.repeat(87)}=`,
    administrators: [a.public.text, b.public.text],
    registrar: registrar.public.text,
    activationSeconds: 3600,
    time: 0,
  });
  await log.appendPublic({ document: genesis, signatures: [] });
  const people = createPeople({ log });
  const logger = pino({ level: 'silent' });
  const app = await createServer({ logger, mode: 'trial', version: '0.0.0', now: () => log.time });
  await app.register(peopleRoutes, { people });
  t.after(() => app.close());
  const post = async (url: string, payload: unknown) => {
    const answer = await app.inject({ method: 'POST', url, payload: payload as object });
    return { status: answer.statusCode, body: answer.json() };
  };
  const get = async (url: string) => {
    const answer = await app.inject(url);
    return { status: answer.statusCode, body: answer.json() };
  };
  return { log, people, post, get, genesis };
}

test('what two administrators did not sign is refused, with what to do', async (t) => {
  const { post, log } = await bench(t);
  const document = writeDocument(agency(1));
  for (const by of [[], [keys[0]], [keys[0], keys[2]]]) {
    const { status, body } = await post('/v1/documents', signed(document, by));
    assert.equal(status, 422);
    assert.equal(body.code, 'not-two-administrators');
    assert.match(body.remedy, /both administrators/);
    assert.equal(body.witnessing, 'not yet witnessed');
  }
  assert.equal(log.size, 1);
});

test('documents of other kinds are not taken here, and bodies are read strictly', async (t) => {
  const { post, log, genesis } = await bench(t);
  const other = await post('/v1/documents', { document: genesis, signatures: [] });
  assert.equal(other.status, 422);
  assert.equal(other.body.code, 'malformed');
  const good = signed(writeDocument(agency(1)));
  const more = await post('/v1/documents', { ...good, more: 1 });
  assert.equal(more.status, 400);
  assert.match(more.body.detail, /more: expected no such member/);
  for (const bad of [{}, [], { document: good.document }, { ...good, signatures: [{}] }]) {
    assert.equal((await post('/v1/documents', bad)).status, 400);
  }
  const spaced = { ...good, document: ` ${good.document}` };
  assert.equal((await post('/v1/documents', spaced)).body.code, 'malformed');
  assert.equal(log.size, 1);
});

test('an agency is entered once, shows its latest version at once, and itself when in force', async (t) => {
  const { post, get, log } = await bench(t);
  const document = signed(writeDocument(agency(1)));
  const { status, body } = await post('/v1/documents', document);
  assert.equal(status, 201);
  assert.deepEqual([body.index, body.type], [1, 'agency']);
  assert.equal((await post('/v1/documents', document)).body.code, 'version-not-next');
  assert.deepEqual((await get('/v1/agencies')).body.agencies, []);
  const waiting = (await get('/v1/agencies/police')).body;
  assert.deepEqual([waiting.agency, waiting.latestVersion], [null, 1]);
  log.time = HOUR_MS;
  const [found] = (await get('/v1/agencies')).body.agencies;
  assert.equal(found.name.ur, 'پولیس');
  assert.equal((await get('/v1/agencies/police')).body.agency.subjectsPerDay, 10);
  assert.equal((await get('/v1/agencies/nobody')).status, 404);
});

test('a key shows its state and never whose it is', async (t) => {
  const { post, get, log } = await bench(t);
  await post('/v1/documents', signed(writeDocument(agency(1))));
  const officer = generateSigningKey('p256');
  const certificate = writeDocument({
    type: 'certificate',
    key: officer.public.text,
    version: 1,
    person: 'officer-17',
    agency: 'police',
    line: 'north',
    role: 'officer',
    subjectsPerDay: 5,
    notAfter: 10 * HOUR_MS,
    time: 0,
  });
  assert.equal((await post('/v1/documents', signed(certificate))).status, 201);
  const path = `/v1/keys/${officer.public.id}`;
  assert.equal((await get(path)).body.state, 'not-yet-active');
  log.time = HOUR_MS;
  const found = await get(path);
  assert.deepEqual(
    [found.body.state, found.body.version, found.body.latestVersion],
    ['in-force', 1, 1],
  );
  assert.doesNotMatch(JSON.stringify(found.body), /officer-17|north|police/);
  log.time = 10 * HOUR_MS;
  assert.equal((await get(path)).body.state, 'expired-key');
  const revocation = { type: 'revocation', key: officer.public.id, version: 1 } as const;
  const revoked = writeDocument({ ...revocation, reason: 'lost', time: 0 });
  assert.equal((await post('/v1/documents', signed(revoked))).status, 201);
  assert.equal((await get(path)).body.state, 'revoked-key');
  assert.equal((await get('/v1/keys/00')).status, 404);
});

test('the table explains itself: deny by default, before anything is granted', async (t) => {
  const { post, get } = await bench(t);
  const ask = {
    agency: 'police',
    purpose: 'https://w3id.org/dpv#CrimeInvestigation',
    legalBasis: 'https://w3id.org/dpv#LegalObligation',
    holdings: [{ holding: 'sims', groups: ['identity'] }],
    subjects: 1,
    protected: false,
    approved: false,
    time: null,
  };
  const { status, body } = await post('/v1/grants/explain', ask);
  assert.equal(status, 200);
  assert.deepEqual(
    [body.outcome, body.code, body.holding],
    ['refused', 'undeclared-holding', 'sims'],
  );
  assert.equal((await post('/v1/grants/explain', { ...ask, subjects: 0 })).status, 400);
  const { body: grants } = await get('/v1/grants');
  assert.deepEqual([grants.grants, grants.latestVersion], [null, 0]);
});
