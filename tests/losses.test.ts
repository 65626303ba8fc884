import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { amanat } from './_cli.ts';
import { readHistory } from './_history.ts';
import { cnicOf, Instance, simsCsv } from './_instance.ts';
import { Served } from './_served.ts';

/**
 * Each part of an instance is lost, and each pair of them, and comes back by the steps that docs/operating.md gives, run as
 * they stand there. Since the backups one more look-up was answered and one more person was imported.
 */
const ROOT = join(import.meta.dirname, '..');
const PARTS = { store: 'store', log: 'log', keeper: 'keeper' } as const;
type Part = keyof typeof PARTS;

let instance: Instance;
let served: Served;
/** Where backups, standby and passphrase are. */
let safe: string;
/** The instance as it was when it was lost. */
let whole: string;
let code = '';

before(async () => {
  instance = await Instance.create();
  served = new Served(instance);
  safe = mkdtempSync(join(tmpdir(), 'amanat-safe-'));
  whole = mkdtempSync(join(tmpdir(), 'amanat-whole-'));
  await instance.importCsv('telecom-importer', 'sim-registrations', simsCsv([1, 2]));
  const drawn = instance.code(cnicOf(1));
  code = drawn.code;
  await instance.stopGateway();
  await instance.stopKeeper();
  // As docs/operating.md begins a standby.
  run(blockUnder('### A standby of the keeper'));
  setStandby(join(safe, 'mnt/standby/keeper'));
  await instance.startKeeper();
  {
    await using _ = await instance.serve();
    const { status, text } = await served.post('/v1/codes', drawn.signed);
    assert.ok(status < 300, text);
    assert.equal((await ask(1)).length, 1);
    assert.equal(await disclosures(), 1);
    run(blockUnder('## Backups'));
    const passphrase = join(safe, 'safe-p');
    mkdirSync(passphrase);
    cpSync(instance.paths.passphrase, join(passphrase, 'passphrase'));
    run(blockUnder('### Drills'));
    assert.equal((await ask(1)).length, 1);
  }
  await instance.startGateway();
  await instance.importCsv('telecom-importer', 'sim-registrations', simsCsv([3]));
  await instance.stopGateway();
  await instance.stopKeeper();
  cpSync(instance.dir, join(whole, 'instance'), { recursive: true });
  cpSync(join(safe, 'mnt'), join(whole, 'mnt'), { recursive: true });
});

after(async () => {
  await instance?.[Symbol.asyncDispose]();
  for (const folder of [safe, whole]) if (folder) rmSync(folder, { recursive: true });
});

/** The first lines to be run under a heading of docs/operating.md. */
function blockUnder(heading: string): string {
  const docs = readFileSync(join(ROOT, 'docs/operating.md'), 'utf8');
  const [, section = ''] = docs.split(`\n${heading}\n`);
  const [, block] = /```sh\n(.*?)```/s.exec(section) ?? [];
  assert.ok(block !== undefined, heading);
  return block;
}

/** Runs a document's lines, with its folders elsewhere. */
function run(lines: string): void {
  const moved = lines.replaceAll(/(?<=\s)\/(safe-|mnt\/)/g, `${safe}/$1`);
  const env = { ...process.env, AMANAT_DIR: instance.dir, PATH: `${ROOT}:${process.env.PATH}` };
  const ran = spawnSync('bash', ['-euc', moved], { env, encoding: 'utf8' });
  assert.equal(ran.status, 0, `${moved}\n${ran.stdout}${ran.stderr}`);
}

function setStandby(standby: string | null): void {
  const path = join(instance.dir, 'config.json');
  const config = JSON.parse(readFileSync(path, 'utf8')) as object;
  writeFileSync(path, JSON.stringify({ ...config, standby }));
}

/** What was disclosed of the person with the code, by a history that passes every check. */
async function disclosures(): Promise<number> {
  const history = await readHistory(served, code);
  assert.ok(history.verified, JSON.stringify(history));
  const entries = history.chains.flatMap((chain) => chain.entries);
  return entries.filter(({ statement }) => statement?.kind === 'disclosure').length;
}

/** The records of a person that open. */
async function ask(serial: number): Promise<readonly unknown[]> {
  const request = instance.request('officer', [cnicOf(serial)]);
  const { status, json, text } = await served.post('/v1/requests', { ...request, approval: null });
  assert.equal(status, 200, text);
  return json.results[0].records.filter((record: object) => !('error' in record));
}

/** Puts the instance back as it was when it was lost, but for these parts. */
function lose(...parts: readonly Part[]): void {
  rmSync(instance.dir, { recursive: true });
  cpSync(join(whole, 'instance'), instance.dir, { recursive: true });
  rmSync(join(safe, 'mnt'), { recursive: true });
  cpSync(join(whole, 'mnt'), join(safe, 'mnt'), { recursive: true });
  for (const part of parts) rmSync(join(instance.dir, PARTS[part]), { recursive: true });
}

async function verify(): Promise<void> {
  const ran = await amanat(['verify', '--dir', instance.dir], { cwd: ROOT });
  assert.equal(ran.code, 0, ran.stdout);
}

/** Starts the instance, and says what is left of what was entered and imported since the backups. */
async function recover(): Promise<{ disclosures: number; later: number }> {
  await instance.startKeeper();
  try {
    await using _ = await instance.serve();
    await served.well();
    assert.equal((await ask(2)).length, 1, 'what was in the backups is read');
    const found = { disclosures: await disclosures(), later: (await ask(3)).length };
    await verify();
    return found;
  } finally {
    await instance.stopKeeper();
  }
}

/** Two look-ups, of which one came after the backups; the record of the person who was imported after them. */
const ALL = { disclosures: 2, later: 1 };
const BACKED_UP = { disclosures: 1, later: 0 };

describe('nothing is lost', () => {
  test('with the log', async () => {
    lose('log');
    run(blockUnder('#### The log is lost'));
    assert.deepEqual(await recover(), ALL);
  });

  test('with the keeper, where it has a standby', async () => {
    lose('keeper');
    run(blockUnder('#### The keeper is lost, and has a standby'));
    assert.deepEqual(await recover(), ALL);
  });

  test('with the keeper, where its standby is started in its place', async () => {
    lose('keeper');
    cpSync(join(safe, 'mnt/standby/keeper'), instance.paths.keeper, { recursive: true });
    cpSync(join(safe, 'safe-p/passphrase'), instance.paths.passphrase);
    setStandby(null);
    assert.deepEqual(await recover(), ALL);
  });

  test('with the keeper and the log, where the keeper has a standby', async () => {
    lose('keeper', 'log');
    run(blockUnder('#### The keeper is lost, and has a standby'));
    run(blockUnder('#### The log is lost'));
    assert.deepEqual(await recover(), ALL);
  });
});

describe('only what came since the backups is lost', () => {
  const cases: readonly (readonly [string, readonly Part[]])[] = [
    ['#### The keeper is lost, and has no standby', ['keeper']],
    ['#### The keeper and the log are lost', ['keeper', 'log']],
    ['#### The store and the keeper are lost', ['store', 'keeper']],
  ];
  for (const [heading, parts] of cases) {
    test(`with ${parts.join(' and ')}: her history passes, and is short of what was forgotten`, async () => {
      lose(...parts);
      run(blockUnder(heading));
      setStandby(null);
      assert.deepEqual(await recover(), BACKED_UP);
    });
  }

  test('with all three', async () => {
    lose('store', 'keeper', 'log');
    run(blockUnder('#### The store and the keeper are lost'));
    run(blockUnder('#### The log is lost'));
    setStandby(null);
    assert.deepEqual(await recover(), BACKED_UP);
  });
});

describe('what does not belong together is refused', () => {
  for (const [heading, parts] of [
    ['#### The store is lost', ['store']],
    ['#### The store and the log are lost', ['store', 'log']],
  ] as const) {
    test(`with ${parts.join(' and ')}, beside a keeper that has followed further`, async () => {
      lose(...parts);
      run(blockUnder(heading));
      await instance.startKeeper();
      try {
        await using _ = await instance.serve();
        const { status, json } = await served.get('/v1/health');
        assert.equal(status, 503);
        assert.equal(json.log, 'store-older-than-keeper');
      } finally {
        await instance.stopKeeper();
      }
    });
  }

  test('an old keeper, without a word that its loss is accepted', async () => {
    lose('keeper');
    setStandby(null);
    run(
      blockUnder('#### The keeper is lost, and has no standby').replace(' --accept-forgotten', ''),
    );
    await instance.startKeeper();
    try {
      await using _ = await instance.serve();
      assert.equal((await served.get('/v1/health')).json.log, 'keeper-older-than-log');
    } finally {
      await instance.stopKeeper();
    }
  });

  test('an old keeper, beside its standby', async () => {
    lose('keeper');
    run(blockUnder('#### The keeper is lost, and has no standby'));
    await assert.rejects(instance.startKeeper(), /the keeper ended with 1/);
    await instance.stopKeeper();
  });
});
