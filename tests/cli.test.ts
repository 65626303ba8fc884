import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { keyId } from '@amanat/core/keys';
import { InstanceLock } from '../packages/server/config/lock.ts';
import { instancePaths } from '../packages/server/config/paths.ts';
import { amanat, startAmanat } from './_cli.ts';

const CNIC = '09999-0000001-2';
const OTHER_CNIC = '09999-0000002-4';
const NOBODY = '09999-0000003-6';
const PHONE = '+92 398 1230001';

const REQUEST =
  'request --as officer.pem --purpose CrimeInvestigation --legal-basis LegalObligation --authority s-94 --case FIR-1';

const SIMS = `Identity No;Name;Number;Company;Since;Biometric;Remarks
${CNIC};Amna Planted;${PHONE};Alif Mobile;2021-03-04;verified;x
${CNIC};Amna Planted;+92 398 1230002;Bay Telecom;2022-03-04;verified;x
${OTHER_CNIC};Bilal Planted;0399-1230003;Alif Mobile;04/03/2021;pending;x
${OTHER_CNIC};Bilal Planted;0399-1230004;Alif Mobile;2021-02-30;pending;x
`;

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

type Json = Readonly<Record<string, unknown>>;

interface Refusal {
  readonly message: string;
  readonly reason: string | null;
  readonly remedy: string | null;
}

interface Result {
  readonly records: readonly {
    readonly groups: readonly {
      readonly fields: readonly { readonly name: string; readonly recorded: string }[];
    }[];
  }[];
}

/** So many SIMs of as many people, under the declaration's own headings. */
function manySims(rows: number): string {
  const lines = Array.from({ length: rows }, (_, at) => {
    const number = String(at).padStart(7, '0');
    return `09998-${number}-1,A Name,0398${number},Bay Telecom,2020-01-02,verified`;
  });
  const heading = 'cnic,name,msisdn,operator,activation_date,biometric_status';
  return [heading, ...lines, ''].join('\n');
}

const words = (line: string) => line.split(' ').filter((word) => word !== '');
const readShared = (name: string) =>
  readFileSync(join(import.meta.dirname, '../packages/server', name), 'utf8');

/** Changes one byte of one ciphertext, as somebody with the disk in hand could. */
function damage(path: string): void {
  const database = new DatabaseSync(path);
  const row = database.prepare('SELECT id, bytes FROM custody_ciphertexts LIMIT 1').get();
  const bytes = Buffer.from(row?.bytes as Uint8Array);
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  database
    .prepare('UPDATE custody_ciphertexts SET bytes = ? WHERE id = ?')
    .run(bytes, Number(row?.id));
  database.close();
}

/** A record's whole life by the command line alone, each person with a key file of their own. */
describe('amanat, by its command line', () => {
  const cwd = mkdtempSync(join(tmpdir(), 'amanat-cli-'));
  const dir = join(cwd, 'data');
  let server: Awaited<ReturnType<typeof startAmanat>> | null = null;
  let code = '';

  const run = (line: string, input = '') => amanat(['--dir', dir, ...words(line)], { cwd, input });
  const ok = async (line: string, input = ''): Promise<Json> => {
    const ran = await run(`${line} --json`, input);
    assert.equal(ran.code, 0, `${line}: ${ran.stdout}${ran.stderr}`);
    return JSON.parse(ran.stdout) as Json;
  };
  const refused = async (line: string, input = ''): Promise<Refusal> => {
    const ran = await run(`${line} --json`, input);
    assert.equal(ran.code, 1, `${line}: ${ran.stdout}${ran.stderr}`);
    return (JSON.parse(ran.stdout) as { error: Refusal }).error;
  };
  const write = (name: string, text: string) => writeFileSync(join(cwd, name), text);

  before(async () => {
    for (const [name, role] of [
      ['admin-a', 'administrator'],
      ['admin-b', 'administrator'],
      ['registrar', 'registrar'],
    ]) {
      await ok(`keygen --role ${role} --out ${name}.pem`);
    }
    for (const [name, rest] of [
      ['officer', 'officer --person p-1 --agency demo-police --line city --kind p256'],
      ['approver', 'approver --person p-2 --agency demo-police --line legal'],
      ['importer', 'importer --person t-1 --agency demo-telecom --line records'],
      ['stranger', 'officer --person p-3 --agency demo-police --line city'],
    ]) {
      await ok(`keygen --out ${name}.pem --role ${rest}`);
    }
    write('holding.yaml', readShared('holdings/shipped/sim-registrations.yaml'));
    write('agency.yaml', readShared('demo/agencies/demo-police.yaml'));
    write('grants.yaml', GRANTS);
    write(
      'map.yaml',
      'Identity No: cnic\nNumber: msisdn\nCompany: operator\nSince: activation_date\nBiometric: biometric_status\nRemarks: null\n',
    );
    write('sims.csv', SIMS);
  });

  after(async () => {
    await server?.stop();
    rmSync(cwd, { recursive: true, force: true });
  });

  it('keeps a private key to its owner, out of the request that goes to others', () => {
    assert.equal(statSync(join(cwd, 'officer.pem')).mode & 0o777, 0o600);
    assert.doesNotMatch(readFileSync(join(cwd, 'officer.pem.request.json'), 'utf8'), /PRIVATE/);
  });

  it('makes no instance with one administrator twice, and none over another', async () => {
    const same = await refused(
      'init --mode demo --administrator admin-a.pem.request.json --administrator admin-a.pem.request.json --registrar registrar.pem.request.json',
    );
    assert.equal(same.reason, 'not-two-administrators');
    const made = await ok(
      'init --mode demo --origin cli.example/log --administrator admin-a.pem.request.json --administrator admin-b.pem.request.json --registrar registrar.pem.request.json',
    );
    write('keys.json', JSON.stringify(made));
    const again = await refused(
      'init --mode demo --administrator admin-a.pem.request.json --administrator admin-b.pem.request.json --registrar registrar.pem.request.json',
    );
    assert.equal(again.reason, 'not-empty');
  });

  it('makes nothing under a name that is none, and says how a name is written', async () => {
    const rest =
      '--administrator admin-a.pem.request.json --administrator admin-b.pem.request.json --registrar registrar.pem.request.json';
    const other = join(cwd, 'other');
    for (const name of ['bad+name', 'https://log.example', 'Log', 'x'.repeat(121)]) {
      const ran = await amanat(['init', '--dir', other, '--origin', name, ...words(rest)], { cwd });
      assert.equal(ran.code, 2, name);
      assert.match(ran.stderr, /--origin is a name such as/);
    }
    assert.ok(!existsSync(other));
  });

  it('says of an instance that was never served that nothing is published', async () => {
    const ran = await run('verify');
    assert.equal(ran.code, 1);
    assert.match(ran.stdout, /Nothing is published yet: start amanat serve once/);
    const found = JSON.parse((await run('verify --json')).stdout) as Json;
    assert.equal(found.reason, 'nothing-published');
  });

  it('serves without a gateway of its own, in the command’s process', async () => {
    assert.deepEqual((await ok('holding list')).holdings, []);
  });

  it('says what to do where the port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const taken = await refused(`serve --port ${port}`);
    assert.equal(taken.reason, 'port-taken');
    assert.match(taken.remedy ?? '', /--port/);
    other.close();
  });

  it('waits for a gateway that starts, which holds the folder before it answers', async () => {
    const held = new InstanceLock(instancePaths(dir).lock);
    const listed = ok('holding list');
    // Longer than a command waits for the folder itself.
    await sleep(9_000);
    held.release();
    server = await startAmanat(['serve', '--dir', dir, '--port', '0'], {
      cwd,
      ready: /Serving http/,
    });
    assert.deepEqual((await listed).holdings, []);
  });

  it('refuses a document that one administrator signed twice, or somebody else', async () => {
    const twice = await refused('holding declare holding.yaml --as admin-a.pem --as admin-a.pem');
    assert.equal(twice.reason, 'not-two-administrators');
    await ok('holding declare holding.yaml --as admin-a.pem --out half.json');
    const again = await refused('holding declare half.json --as admin-a.pem');
    assert.equal(again.reason, 'not-two-administrators');
    const stranger = await refused('holding declare half.json --as officer.pem');
    assert.equal(stranger.reason, 'not-two-administrators');
    assert.match(stranger.message, /no administrator’s of this instance/);
    const begun = await refused('agency add agency.yaml --as officer.pem --out stranger.json');
    assert.equal(begun.reason, 'not-two-administrators');
    assert.ok(!existsSync(join(cwd, 'stranger.json')));
    const other = await refused('agency add half.json --as admin-b.pem');
    assert.match(other.message, /another kind/);
  });

  it('enters what the other administrator completes, and all that follows', async () => {
    const entered = await ok('holding declare half.json --as admin-b.pem');
    assert.equal(entered.submitted, true);
    await ok('agency add agency.yaml --as admin-a.pem --as admin-b.pem');
    for (const name of ['officer', 'approver', 'importer', 'stranger']) {
      await ok(`enrol ${name}.pem.request.json --as admin-a.pem --as admin-b.pem`);
    }
    await ok('grants declare grants.yaml --as admin-a.pem --as admin-b.pem');
    const shown = await run('holding show sim-registrations');
    assert.match(shown.stdout, /36 months/);
    const explained = await ok(
      'grants explain --agency demo-police --purpose CrimeInvestigation --legal-basis LegalObligation --holding sim-registrations:identity',
    );
    assert.equal(explained.outcome, 'allowed');
    const denied = await ok(
      'grants explain --agency demo-police --purpose CrimeInvestigation --legal-basis LegalObligation --holding sim-registrations:address',
    );
    assert.equal(denied.code, 'no-grant');
  });

  it('judges files without storing them, imports them once, and lists what it rejects', async () => {
    const judged = await ok('import sim-registrations sims.csv --map map.yaml --dry-run');
    assert.deepEqual([judged.rows, judged.accepted, judged.rejected], [4, 3, 1]);
    const list = readFileSync(join(cwd, 'sim-registrations.rejects.csv'), 'utf8');
    assert.equal(list, 'line,column,reason\n5,activation_date,no-such-date\n');
    const undeclared = await refused('import sim-registrations sims.csv --as importer.pem');
    assert.match(undeclared.message, /file 1, sims\.csv: .*Remarks/);
    write('good.csv', manySims(1));
    for (const how of ['--as importer.pem', '--dry-run']) {
      const second = await refused(`import sim-registrations good.csv sims.csv ${how}`);
      assert.match(second.message, /file 2, sims\.csv: .*Remarks/);
    }
    const wrong = await refused(
      'import sim-registrations sims.csv --as officer.pem --map map.yaml',
    );
    assert.equal(wrong.reason, 'not-the-importer');
    const first = await ok('import sim-registrations sims.csv --as importer.pem --map map.yaml');
    assert.deepEqual([first.rows, first.stored, first.rejected], [4, 3, 1]);
    assert.equal(readFileSync(String(first.rejects), 'utf8'), list);
    assert.deepEqual(
      [judged.reasons, first.reasons],
      [{ 'no-such-date': 1 }, { 'no-such-date': 1 }],
    );
    const second = await ok('import sim-registrations sims.csv --as importer.pem --map map.yaml');
    assert.deepEqual([second.stored, second.unchanged], [0, 3]);
  });

  it('discloses what was asked for and granted, and nothing else', async () => {
    const answer = await ok(
      `${REQUEST} --holding sim-registrations:identity,number`,
      `cnic:${CNIC}\n`,
    );
    const [result] = answer.results as Result[];
    assert.equal(result?.records.length, 2);
    const fields = result.records.flatMap(({ groups }) => groups.flatMap((group) => group.fields));
    assert.deepEqual([...new Set(fields.map(({ name }) => name))].sort(), [
      'cnic',
      'msisdn',
      'name',
    ]);
    assert.ok(fields.some(({ recorded }) => recorded === 'Amna Planted'));
    const byPhone = await ok(
      `${REQUEST} --holding sim-registrations:identity`,
      `msisdn:${PHONE}\n`,
    );
    assert.ok((byPhone.results as Result[])[0]?.records.length);
    const miss = await ok(`${REQUEST} --holding sim-registrations:identity`, `cnic:${NOBODY}\n`);
    assert.deepEqual((miss.results as Result[])[0]?.records, []);
  });

  it('refuses by the rule, by the key and by the identifier, and says what to do', async () => {
    const address = await refused(
      `${REQUEST} --holding sim-registrations:address`,
      `cnic:${CNIC}\n`,
    );
    assert.equal(address.reason, 'no-grant');
    assert.ok(address.remedy);
    const approver = await refused(
      `${REQUEST.replace('officer.pem', 'approver.pem')} --holding sim-registrations:identity`,
      `cnic:${CNIC}\n`,
    );
    assert.equal(approver.reason, 'wrong-role');
    const real = await refused(
      `${REQUEST} --holding sim-registrations:identity`,
      'cnic:12345-1234567-1\n',
    );
    assert.equal(real.reason, 'real-identifier');
    const twice = await refused(
      `${REQUEST} --holding sim-registrations:identity`,
      `cnic:${CNIC}\ncnic:${CNIC.replaceAll('-', '')}\n`,
    );
    assert.match(twice.message, /^lines 1 and 2 /);
    const argument = await run(`${REQUEST} --holding sim-registrations:identity --from ${CNIC}`);
    assert.equal(argument.code, 2);
    assert.match(argument.stderr, /never given as an argument/);
    assert.doesNotMatch(argument.stderr + argument.stdout, /0000001/);
  });

  it('asks for a second person where the subject is protected, who must be another', async () => {
    await ok(
      'subject protect --reason witness --as admin-a.pem --as admin-b.pem',
      `cnic:${OTHER_CNIC}\n`,
    );
    const asked = await ok(
      `${REQUEST} --holding sim-registrations:identity`,
      `cnic:${OTHER_CNIC}\n`,
    );
    assert.equal(asked.outcome, 'second-person');
    const file = String(asked.file);
    assert.equal(statSync(join(cwd, file)).mode & 0o777, 0o600);
    const self = await refused(`approve ${file} --as officer.pem`);
    assert.equal(self.reason, 'approver-unknown');
    const approved = await ok(`approve ${file} --as approver.pem`);
    assert.equal(approved.outcome, 'disclosed');
    assert.equal((approved.results as Result[])[0]?.records.length, 1);
  });

  it('gives a person her code once, and shows her history with every check passed', async () => {
    const wrong = await refused('person code --as officer.pem', `cnic:${CNIC}\n`);
    assert.equal(wrong.reason, 'bad-signature');
    assert.match(wrong.message, /only the registrar’s key may sign it/);
    code = String((await ok('person code --as registrar.pem', `cnic:${CNIC}\n`)).code);
    const history = await ok('history --keys keys.json --save proof.json', code);
    assert.equal(history.verified, true);
    const [chain] = history.chains as { entries: { statement: { kind: string } }[] }[];
    const kinds = chain?.entries.map(({ statement }) => statement.kind);
    assert.deepEqual(kinds, ['disclosure', 'disclosure', 'refusal', 'code', 'sign-in']);
    assert.equal((await refused('history', '0'.repeat(32))).reason, 'unknown-code');
  });

  it('checks a saved proof offline, and finds one changed byte', async () => {
    const proof = readFileSync(join(cwd, 'proof.json'), 'utf8');
    assert.equal((await ok('verify-proof proof.json --keys keys.json')).verified, true);
    const at = proof.indexOf('"proof":["') + 12;
    const flipped = proof[at] === '0' ? '1' : '0';
    write('changed.json', proof.slice(0, at) + flipped + proof.slice(at + 1));
    const changed = await run('verify-proof changed.json --keys keys.json --json');
    assert.equal(changed.code, 1);
    assert.equal((JSON.parse(changed.stdout) as Json).verified, false);
    const keys = JSON.parse(readFileSync(join(cwd, 'keys.json'), 'utf8')) as Record<string, string>;
    const keeperKey = `ed25519:${Buffer.alloc(32, 7).toString('base64')}`;
    write('other-keys.json', JSON.stringify({ ...keys, keeperKey }));
    assert.equal((await run('verify-proof proof.json --keys other-keys.json')).code, 1);
  });

  it('verifies the log and the store beside the gateway', async () => {
    const found = await ok('verify --keys keys.json');
    assert.equal(found.verified, true);
    assert.deepEqual((found.imports as { checked: number }).checked, 2);
  });

  it('stops an import at Ctrl-C, and goes on where it stopped', async () => {
    const rows = 50_000;
    write('many.csv', manySims(rows));
    const line = 'import sim-registrations many.csv --as importer.pem';
    const begun = await startAmanat(['--dir', dir, ...words(line)], {
      cwd,
      ready: /importing: [0-9.]+/,
    });
    await begun.stop();
    assert.match(begun.output(), /goes on where this one stopped/);
    const ended = await ok(line);
    assert.equal(ended.resumed, true);
    assert.deepEqual([ended.rows, ended.stored, ended.rejected], [rows, rows, 0]);
    assert.equal((await ok('verify --keys keys.json')).verified, true);
  });

  it('refuses a revoked key at once', async () => {
    const { id } = JSON.parse(
      (await run('keygen --json --role officer --person x --agency y --line z --out x.pem')).stdout,
    ) as { id: string };
    assert.equal(
      (await refused(`revoke ${id} --reason lost --as admin-a.pem --as admin-b.pem`)).reason,
      'unknown-key',
    );
    const request = JSON.parse(readFileSync(join(cwd, 'officer.pem.request.json'), 'utf8')) as {
      key: string;
    };
    await ok(`revoke ${keyId(request.key)} --reason lost --as admin-a.pem --as admin-b.pem`);
    const gone = await refused(`${REQUEST} --holding sim-registrations:identity`, `cnic:${CNIC}\n`);
    assert.equal(gone.reason, 'revoked-key');
    await ok('enrol officer.pem.request.json --as admin-a.pem --as admin-b.pem');
    await ok(`${REQUEST} --holding sim-registrations:identity`, `cnic:${CNIC}\n`);
  });

  it('withholds a look-up until a date where rules allow it and two people sign, and counts it in public', async () => {
    const sealed = (until: string) =>
      `${REQUEST} --holding sim-registrations:identity --seal-ground CrimeInvestigation --seal-until ${until}`;
    const dateIn = (days: number) =>
      new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
    const early = await refused(sealed(dateIn(9)), `cnic:${CNIC}\n`);
    assert.equal(early.reason, 'seal-undeclared-agency');
    assert.match((await run('seals show')).stdout, /nothing can be sealed/);
    const half = await run(
      `${REQUEST} --holding sim-registrations --seal-until ${dateIn(9)}`,
      `cnic:${CNIC}\n`,
    );
    assert.equal(half.code, 2);
    const rules = readFileSync(
      join(import.meta.dirname, '../docs/examples/seal-rules.yaml'),
      'utf8',
    );
    write('seal-rules.yaml', rules);
    write('bad-rules.yaml', rules.replace('days at most: 365', 'days at most: 0'));
    const bad = await refused('seals declare bad-rules.yaml --as admin-a.pem --as admin-b.pem');
    assert.equal(bad.reason, 'bad-value');
    await ok('seals declare seal-rules.yaml --as admin-a.pem --as admin-b.pem');
    const shown = await run('seals show');
    assert.match(shown.stdout, /Investigation of a crime/);
    const before = await ok('history --keys keys.json', code);

    const asked = await ok(sealed(dateIn(30)), `cnic:${CNIC}\n`);
    assert.deepEqual([asked.outcome, asked.reasons], ['second-person', ['sealed']]);
    const answer = await ok(`approve ${asked.file} --as approver.pem`);
    const [result] = answer.results as (Result & { readonly index: number })[];
    assert.ok(result?.records.length);
    const extend = `seals extend ${result.index} --as officer.pem --ground CrimeInvestigation`;
    const written = await ok(`${extend} --until ${dateIn(60)}`);
    assert.equal(written.outcome, 'written');
    await ok(`approve ${written.file} --as approver.pem`);
    await ok(`${extend} --until ${dateIn(380)} --out long.json`);
    const long = await refused('approve long.json --as approver.pem');
    assert.equal(long.reason, 'seal-too-long');
    const nothing = result.index + 1000;
    await ok(`${extend.replace(String(result.index), String(nothing))} --until ${dateIn(60)}`);
    const unknown = await refused(`approve extension-${nothing}.json --as approver.pem`);
    assert.equal(unknown.reason, 'unknown-seal');

    // Two looks of hers, and nothing else, came onto her chains.
    const after = await ok('history --keys keys.json', code);
    const numbers = ({ chains }: Json) =>
      (chains as { readonly number: number }[]).map(({ number }) => number);
    assert.deepEqual(
      numbers(after),
      numbers(before).map((number) => number + 1),
    );
    assert.doesNotMatch(JSON.stringify(after), /seal-extended|"withheld":\[\{/);
    const audited = await run(`audit ${join(dir, 'log', 'public')} --keys keys.json`);
    assert.match(audited.stdout, /Sealed: 1 not opened yet, 0 overdue/);
    assert.equal((await ok('verify --keys keys.json')).verified, true);
  });

  it('backs up keeper and store while they serve, and restores neither over them', async () => {
    await ok('backup --keeper safe-keeper');
    await ok('backup --log safe-log');
    await ok('backup --store safe-store');
    assert.equal((await refused('backup --store safe-store')).reason, 'not-empty');
    assert.equal((await refused('restore --store safe-store --force')).reason, 'already-served');
    await server?.stop();
    assert.equal((await refused('restore --store safe-store')).reason, 'not-empty');
    assert.equal((await refused('restore --keeper safe-store --force')).reason, 'not-a-backup');
    cpSync(join(cwd, 'safe-store'), join(cwd, 'damaged-store'), { recursive: true });
    damage(join(cwd, 'damaged-store', 'amanat.db'));
    const damaged = await refused('restore --store damaged-store --force');
    assert.equal(damaged.reason, 'backup-damaged');
  });

  it('finds a ciphertext that was changed, and is whole again from its backups', async () => {
    damage(join(dir, 'store', 'amanat.db'));
    const found = await run('verify --json');
    assert.equal(found.code, 1);
    assert.match(found.stdout, /root-differs/);
    await ok('restore --store safe-store --force');
    await ok('restore --keeper safe-keeper --force');
    assert.equal((await ok('verify')).verified, true);
    const history = await ok('history --keys keys.json', code);
    assert.equal(history.verified, true);
    const moved = join(cwd, 'moved');
    mkdirSync(join(moved, 'keeper'), { recursive: true });
    writeFileSync(
      join(moved, 'keeper', 'passphrase'),
      readFileSync(join(dir, 'keeper', 'passphrase')),
    );
    for (const part of ['store', 'keeper', 'log']) {
      const ran = await amanat(['restore', `--${part}`, `safe-${part}`, '--dir', moved], { cwd });
      assert.equal(ran.code, 0, ran.stderr);
    }
    const there = await amanat(['verify', '--dir', moved], { cwd });
    assert.equal(there.code, 0, there.stdout);
    const shown = await amanat(['history', '--dir', moved, '--json'], { cwd, input: code });
    assert.equal((JSON.parse(shown.stdout) as Json).verified, true, shown.stdout);
  });

  it('refuses wrong usage with 2, without saying what was typed', async () => {
    const wrongs: readonly string[] = [
      'nonsense',
      'init',
      'enrol',
      'backup',
      'serve --port x',
      'history --code 1',
    ];
    for (const line of wrongs) {
      const ran = await run(line);
      assert.equal(ran.code, 2, line);
      assert.equal(ran.stdout, '');
    }
    assert.equal((await run('import --help')).code, 0);
  });
});
