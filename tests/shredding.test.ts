import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { verifyShredProof } from '../packages/core/verify/index.ts';
import { amanat, startAmanat } from './_cli.ts';

const CNIC = '09999-0000001-2';
const OTHER = '09999-0000002-4';
const HEADING = 'cnic,name,msisdn,operator,activation_date,biometric_status';
const row = (cnic: string, number: string, name = 'Amna Planted') =>
  `${cnic},${name},${number},Alif Mobile,2021-03-04,verified`;
const GRANTS = `clock: "+05:00"
rows:
  - id: police-sims
    effect: permit
    agency: demo-police
    purpose: https://w3id.org/dpv/sector/law#CrimeInvestigation
    legal basis: https://w3id.org/dpv#LegalObligation
    holding: sim-registrations
    groups: [identity, number]
    subjects at a time: 20
    second person over: 5
    hours: any
    subjects a day: 100
`;
const REQUEST =
  'request --as officer.pem --purpose CrimeInvestigation --legal-basis LegalObligation --authority s-94 --case FIR-1 --holding sim-registrations:identity';
const BOTH = '--as admin-a.pem --as admin-b.pem';

type Json = Readonly<Record<string, unknown>>;

/** Erasing somebody, by the command line alone, and what a backup brings back: nothing. */
describe('what was erased', { concurrency: false }, () => {
  const cwd = mkdtempSync(join(tmpdir(), 'amanat-shredding-'));
  const dir = join(cwd, 'data');
  let server: Awaited<ReturnType<typeof startAmanat>> | null = null;
  let erasedAt = 0;
  let code = '';

  const run = (line: string, input = '') =>
    amanat(['--dir', dir, ...line.split(' ').filter((word) => word !== '')], { cwd, input });
  const ok = async (line: string, input = ''): Promise<Json> => {
    const ran = await run(`${line} --json`, input);
    assert.equal(ran.code, 0, `${line}: ${ran.stdout}${ran.stderr}`);
    return JSON.parse(ran.stdout) as Json;
  };
  const refused = async (line: string, input = ''): Promise<string | null> => {
    const ran = await run(`${line} --json`, input);
    assert.notEqual(ran.code, 0, ran.stdout);
    return (JSON.parse(ran.stdout) as { error: { reason: string | null } }).error.reason;
  };
  const write = (name: string, text: string) => writeFileSync(join(cwd, name), text);
  const shared = (name: string) =>
    readFileSync(join(import.meta.dirname, '../packages/server', name), 'utf8');
  const serve = async () => {
    server = await startAmanat(['serve', '--dir', dir, '--port', '0'], {
      cwd,
      ready: /Serving http/,
    });
  };
  /** How many records an officer is given. */
  const recordsOf = async (cnic: string): Promise<number> => {
    const { outcome, results } = await ok(REQUEST, `cnic:${cnic}\n`);
    assert.equal(outcome, 'disclosed');
    return (results as { records: unknown[] }[])[0]?.records.length ?? 0;
  };

  before(async () => {
    for (const name of ['admin-a', 'admin-b'])
      await ok(`keygen --role administrator --out ${name}.pem`);
    await ok('keygen --role registrar --out registrar.pem');
    await ok(
      'keygen --out officer.pem --role officer --person p-1 --agency demo-police --line city',
    );
    await ok(
      'keygen --out importer.pem --role importer --person t-1 --agency demo-telecom --line records',
    );
    write('holding.yaml', shared('holdings/shipped/sim-registrations.yaml'));
    write('agency.yaml', shared('demo/agencies/demo-police.yaml'));
    write('grants.yaml', GRANTS);
    write('sims.csv', `${HEADING}\n${row(CNIC, '03981230001')}\n${row(OTHER, '03981230002')}\n`);
    const made = await ok(
      'init --mode demo --origin cli.example/log --administrator admin-a.pem.request.json --administrator admin-b.pem.request.json --registrar registrar.pem.request.json',
    );
    write('keys.json', JSON.stringify(made));
    await serve();
    await ok(`holding declare holding.yaml ${BOTH}`);
    await ok(`agency add agency.yaml ${BOTH}`);
    for (const name of ['officer', 'importer']) await ok(`enrol ${name}.pem.request.json ${BOTH}`);
    await ok(`grants declare grants.yaml ${BOTH}`);
    await ok('import sim-registrations sims.csv --as importer.pem');
    code = String((await ok('person code --as registrar.pem', `cnic:${CNIC}\n`)).code);
    await ok('backup --keeper safe-keeper --keep-until 2090-01-31');
    await ok('backup --store safe-before');
  });

  after(async () => {
    await server?.stop();
    rmSync(cwd, { recursive: true, force: true });
  });

  it('was not erased by one administrator, at nobody’s controller, or under an argument', async () => {
    const reason = '--reason asked';
    assert.equal(
      await refused(`subject erase --controller nobody ${reason} ${BOTH}`, `cnic:${CNIC}\n`),
      'unknown-controller',
    );
    assert.equal(
      await refused(
        `subject erase --controller demo-telecom ${reason} --as admin-a.pem --as admin-a.pem`,
        `cnic:${CNIC}\n`,
      ),
      'not-two-administrators',
    );
    const argument = await run(`subject erase --controller demo-telecom ${reason} --from ${CNIC}`);
    assert.equal(argument.code, 2);
    assert.deepEqual((await ok('shredded')).certificates, []);
    assert.equal(await recordsOf(CNIC), 1);
  });

  it('cannot be read, written or found again, and everybody else is as before', async () => {
    await ok(
      'subject erase --controller demo-telecom --reason asked --as admin-a.pem --out half.json',
      `cnic:${CNIC}\n`,
    );
    const erased = await ok('subject erase half.json --as admin-b.pem --save erased.json');
    assert.equal(erased.type, 'erasure');
    erasedAt = Number(erased.index);
    assert.equal(await recordsOf(CNIC), 0);
    assert.equal(await recordsOf(OTHER), 1);
    write('again.csv', `${HEADING}\n${row(CNIC, '03981230001', 'Amna Again')}\n`);
    const again = await ok('import sim-registrations again.csv --as importer.pem');
    assert.deepEqual([again.stored, again.rejected], [0, 1]);
    const rejects = readFileSync(join(dir, 'imports', `${again.import}.rejects.csv`), 'utf8');
    assert.match(rejects, /2,cnic,erased/);
    assert.equal((await ok('verify --keys keys.json')).verified, true);
  });

  it('is shown to her, with every proof', async () => {
    const history = await ok('history --keys keys.json', code);
    assert.equal(history.verified, true);
    const [chain] = history.chains as { entries: { statement: { kind: string } }[] }[];
    const kinds = chain?.entries.map(({ statement }) => statement.kind);
    assert.deepEqual(kinds, ['code', 'disclosure', 'erased', 'miss', 'sign-in']);
  });

  it('has a certificate that names the backup, and that anybody can check offline', async () => {
    const { certificates } = await ok('shredded');
    const [certificate, another] = certificates as {
      kind: string;
      index: number;
      time: number;
      backups: Json[];
    }[];
    assert.equal(another, undefined);
    assert.deepEqual([certificate?.kind, certificate?.index], ['person', erasedAt]);
    assert.deepEqual(
      certificate?.backups.map(({ keepUntil }) => new Date(Number(keepUntil)).toISOString()),
      ['2090-02-01T00:00:00.000Z'],
    );
    const checked = await ok('verify-proof erased.json --keys keys.json');
    assert.equal(checked.verified, true);
    await ok(`shredded ${erasedAt} --save other.json`);
    assert.equal(await refused(`shredded ${erasedAt + 1} --save no.json`), 'not-found');
    const proof = readFileSync(join(cwd, 'erased.json'), 'utf8');
    const day = 86_400_000;
    const { time } = certificate ?? { time: 0 };
    for (const [now, state] of [
      [time - day, 'ok'],
      [time - day - 1, 'failed'],
    ] as const) {
      const { checks } = await verifyShredProof(proof, null, now);
      assert.equal(checks.find(({ id }) => id === 'time')?.state, state, 'a keeper’s clock ahead');
    }
    for (const [what, from, to] of [
      ['the certificate', '\\"kind\\":\\"person\\"', '\\"kind\\":\\"period\\"'],
      ['its index', `\\"index\\":${erasedAt}`, `\\"index\\":${erasedAt - 1}`],
      ['a backup', '\\"keepUntil\\":', '\\"keepUntil\\":1'],
      ['the proof', '"proof":["', '"proof":["00'],
    ] as const) {
      const changed = proof.replace(from, to);
      assert.notEqual(changed, proof, what);
      write('changed.json', changed);
      assert.equal((await run('verify-proof changed.json --keys keys.json')).code, 1, what);
    }
  });

  it('is not read from a store of before it, beside the keeper that destroyed it: nothing is', async () => {
    await server?.stop();
    await ok('backup --store safe-after');
    await ok('restore --store safe-before --force');
    server = await startAmanat(['serve', '--dir', dir, '--port', '0'], {
      cwd,
      ready: /Serving http/,
    });
    for (const cnic of [CNIC, OTHER]) {
      assert.match(String(await refused(REQUEST, `cnic:${cnic}\n`)), /unavailable|store/);
    }
    await server.stop();
  });

  it('nor from one of after it: her page and certificates stand, and import goes on', async () => {
    await ok('restore --store safe-after --force');
    await serve();
    assert.equal(await recordsOf(CNIC), 0);
    assert.equal(await recordsOf(OTHER), 1);
    const history = await ok('history --keys keys.json', code);
    assert.equal(history.verified, true);
    assert.match(JSON.stringify(history), /"kind":"erased"/);
    assert.equal(((await ok('shredded')).certificates as Json[]).length, 1);
    write('third.csv', `${HEADING}\n${row('09999-0000003-6', '03981230003')}\n`);
    const third = await ok('import sim-registrations third.csv --as importer.pem');
    assert.deepEqual([third.stored, third.rejected], [1, 0]);
    assert.equal((await ok('verify --keys keys.json')).verified, true);
  });

  it('is not revived by a keeper that is put back from before it', async () => {
    await server?.stop();
    await ok('restore --keeper safe-keeper --force --accept-forgotten');
    await serve();
    assert.equal(await recordsOf(CNIC), 0);
    assert.equal(await recordsOf(OTHER), 1);
    const { certificates } = await ok('shredded');
    assert.equal((certificates as Json[]).length, 1);
    assert.equal((await ok('verify --keys keys.json')).verified, true);
  });

  it('expires early only after seven public days, and a month that is none is refused', async () => {
    const bad = await run(`expire sim-registrations 2031-13 --reason none ${BOTH}`);
    assert.equal(bad.code, 2);
    assert.equal(
      await refused(`expire nothing 2031-01 --reason none ${BOTH}`),
      'undeclared-holding',
    );
    const announced = await ok(`expire sim-registrations 2031-01 --reason unneeded ${BOTH}`);
    assert.equal(announced.activeInSeconds, 7 * 86_400);
    assert.equal(
      await refused(`expire sim-registrations 2031-01 --reason unneeded ${BOTH}`),
      'replayed',
    );
  });
});
