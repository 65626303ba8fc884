import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { after, before, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { writeDocument } from '@amanat/core/grants';
import { checkBackup, putBack, writeBackup } from '../packages/server/cli/backup-set.ts';
import type { CliError } from '../packages/server/cli/errors.ts';
import { InstanceLock } from '../packages/server/config/lock.ts';
import { cnicOf, Instance, ORIGIN, simsCsv } from './_instance.ts';
import { Served } from './_served.ts';

/** Backups, restores and drills that are killed, that run out of disk, or that find what is wrong. */
const CLI = join(import.meta.dirname, '../packages/server/cli/main.ts');
const KILLER = join(import.meta.dirname, '_killed-at-step.ts');
const PARTS = ['keeper', 'log', 'store'] as const;
/** The first and last steps of a command, and so many in all: between them tile after tile is copied the same way. */
const KILLS_MAX = 8;

let instance: Instance;
let safe: string;
/** A journal of the store's with a commit that stands in no database. */
let unsettled: string;

before(async () => {
  instance = await Instance.create();
  safe = mkdtempSync(join(tmpdir(), 'amanat-safe-'));
  await instance.importCsv('telecom-importer', 'sim-registrations', simsCsv([1, 2]));
  await instance.stopGateway();
  {
    await using _ = await instance.serve();
    const served = new Served(instance);
    await served.post('/v1/requests', {
      ...instance.request('officer', [cnicOf(1)]),
      approval: null,
    });
    for (const part of PARTS) await ok('backup', `--${part}`, join(safe, part));
  }
  await instance.stopKeeper();
  unsettled = join(safe, 'unsettled');
  const written = mkdtempSync(join(safe, 'written-'));
  const path = join(written, 'amanat.db');
  cpSync(instance.paths.database, path);
  const script = `
    const { DatabaseSync } = await import('node:sqlite');
    const db = new DatabaseSync(${JSON.stringify(path)});
    db.exec("PRAGMA journal_mode = WAL; INSERT INTO leaves VALUES (9999, X'00')");
    process.kill(process.pid, 'SIGKILL');`;
  spawnSync(process.execPath, ['--input-type=module', '-e', script]);
  cpSync(`${path}-wal`, unsettled);
  assert.ok(statSync(unsettled).size > 0);
});

after(async () => {
  await instance?.[Symbol.asyncDispose]();
  if (safe) rmSync(safe, { recursive: true });
});

interface Ran {
  readonly code: number | null;
  // biome-ignore lint/suspicious/noExplicitAny: what a command prints is looked into by tests that know its form.
  readonly json: any;
}

function start(
  args: readonly string[],
  {
    node = [] as readonly string[],
    dir = instance.dir,
    stderr = 'ignore' as 'ignore' | 'pipe',
  } = {},
) {
  const place = args.includes('--dir') ? [] : ['--dir', dir];
  const argv = [...node, CLI, ...args, ...place, '--json'];
  return spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', stderr] });
}

async function run(args: readonly string[], options?: Parameters<typeof start>[1]): Promise<Ran> {
  const child = start(args, options);
  let said = '';
  child.stdout?.on('data', (chunk) => {
    said += chunk;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, json: said === '' ? null : JSON.parse(said) };
}

async function ok(...args: readonly string[]): Promise<Ran['json']> {
  const { code, json } = await run(args);
  assert.equal(code, 0, `${args}: ${JSON.stringify(json)}`);
  return json;
}

async function refused(...args: readonly string[]): Promise<string> {
  const { code, json } = await run(args);
  assert.equal(code, 1, `${args}: ${JSON.stringify(json)}`);
  return json.error.reason;
}

const named = (part: string, folder = join(safe, part)) => [`--${part}`, folder];
const drill = (...args: readonly string[]) =>
  run(['restore', '--drill', ...(args.includes('--in') ? [] : ['--in', safe]), ...args]);
const left = (folder: string) =>
  readdirSync(folder).filter((name) => name.startsWith('amanat-drill-'));

/** What a folder says of the keeper's backups. */
function listOf(folder = instance.paths.keeper): { id: string }[] {
  const lines = readFileSync(join(folder, 'backups.jsonl'), 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line));
}

/** Whether certificates name a backup of the keeper. */
function isListed(folder: string): boolean {
  const { id } = JSON.parse(readFileSync(join(folder, 'backup.json'), 'utf8'));
  return listOf().some((each) => each.id === id);
}

/** A copy of a backup that a test spoils. */
function copyOf(part: string): string {
  const copy = mkdtempSync(join(safe, 'copy-'));
  cpSync(join(safe, part), copy, { recursive: true });
  return copy;
}

/**
 * Has a command be killed at its steps, two at a time.
 * @param args the command with all its work before it, by which its steps are counted
 * @param round makes room for a killed command, and looks at what it left
 */
async function killAtEach(
  args: readonly string[],
  round: (kill: (args: readonly string[]) => Promise<void>) => Promise<void>,
): Promise<void> {
  const counted = start(args, { node: ['--import', `${KILLER}?step=0`], stderr: 'pipe' });
  let said = '';
  counted.stderr?.on('data', (chunk) => {
    said += chunk;
  });
  const [code] = await once(counted, 'close');
  assert.equal(code, 0, said);
  const count = /^steps: (.*)$/m.exec(said)?.[1]?.split(' ').length ?? 0;
  assert.ok(count > 4, said);
  const all = Array.from({ length: count }, (_, at) => at + 1);
  const every = Math.ceil(count / KILLS_MAX);
  const steps = all.filter((step) => step <= 2 || step > count - 4 || step % every === 0);
  const next = steps.values();
  const worker = async () => {
    for (const step of next) {
      await round(async (killed) => {
        const { code } = await run(killed, { node: ['--import', `${KILLER}?step=${step}`] });
        assert.equal(code, null, `not killed at step ${step} of ${count}`);
      });
    }
  };
  await Promise.all([worker(), worker()]);
}

/** A copy of the instance, as a killed gateway leaves it: with a commit that stands in the journal alone. */
function instanceWithJournal(): string {
  const dir = mkdtempSync(join(safe, 'instance-'));
  cpSync(instance.dir, dir, { recursive: true });
  const path = join(dir, 'store', 'amanat.db');
  cpSync(unsettled, `${path}-wal`);
  return dir;
}

/** What of a part is there, its journal included: by the whole of it where SQLite reads it. */
function stateOf(dir: string, part: (typeof PARTS)[number], isBackup = false): string {
  const of = (name: string, folder: string) => join(dir, isBackup ? '' : folder, name);
  if (part === 'log') return readFileSync(of('log-key.pem', 'log'), 'utf8');
  const path = part === 'store' ? of('amanat.db', 'store') : of('keeper.db', 'keeper');
  const copy = mkdtempSync(join(safe, 'read-'));
  for (const suffix of ['', '-wal']) {
    if (existsSync(path + suffix)) cpSync(path + suffix, join(copy, `db${suffix}`));
  }
  const db = new DatabaseSync(join(copy, 'db'));
  const table = part === 'store' ? 'leaves' : 'row_sum';
  const rows = JSON.stringify(db.prepare(`SELECT * FROM ${table}`).all());
  db.close();
  rmSync(copy, { recursive: true });
  return createHash('sha256').update(rows).digest('hex');
}

function backupTerms(part: (typeof PARTS)[number]) {
  const { dir } = instance;
  const signal = AbortSignal.timeout(60_000);
  const id = randomBytes(32).toString('hex');
  return { dir, id, part, origin: ORIGIN, time: Date.now(), keepUntil: null, signal };
}

/** A disk of that size; null where this user cannot make one, and the test is skipped. */
function smallDisk(t: TestContext, size: string): string | null {
  const disk = mkdtempSync(join(tmpdir(), 'amanat-disk-'));
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', disk]);
  t.after(() => {
    if (status === 0) spawnSync('umount', [disk]);
    rmSync(disk, { recursive: true });
  });
  if (status === 0) return disk;
  t.skip('only root can mount a small disk');
  return null;
}

describe('a backup', () => {
  for (const part of PARTS) {
    test(`of the ${part}, killed at any step, is none or a whole one, and the next is one`, async () => {
      const others = new Set<string>();
      await killAtEach(['backup', ...named(part, copyOf(part)), '--force'], async (kill) => {
        // Over a whole one, so that what is half of each would be seen.
        const folder = copyOf(part);
        const before = readFileSync(join(folder, 'backup.json'), 'utf8');
        await kill(['backup', ...named(part, folder), '--force']);
        const isWhole = await checkBackup(folder, part).then(
          () => true,
          (error: unknown) => {
            assert.equal((error as CliError).reason, 'not-a-backup');
            return false;
          },
        );
        const isUntouched = isWhole && readFileSync(join(folder, 'backup.json'), 'utf8') === before;
        others.add(isUntouched ? 'the one before' : isWhole ? 'the new one' : 'none');
        if (part === 'keeper' && isWhole) assert.ok(isListed(folder));
        await writeBackup(folder, backupTerms(part));
        await checkBackup(folder, part);
        rmSync(folder, { recursive: true });
      });
      assert.ok(others.has('none') && others.has('the one before'), [...others].join());
      await ok('verify');
    });

    test(`of the ${part} on a full disk is none, and says why`, async (t) => {
      const disk = smallDisk(t, '12K');
      if (disk === null) return;
      const folder = join(disk, part);
      const listed = listOf();
      assert.equal(await refused('backup', ...named(part, folder)), 'disk-full');
      assert.deepEqual(listOf(), listed);
      assert.ok(!existsSync(join(folder, 'keeper.db')));
      assert.equal(await refused('restore', ...named(part, folder), '--force'), 'not-a-backup');
      await ok('verify');
    });
  }

  test('of the keeper is listed before there is a copy, and stays so whatever the clock says', async () => {
    const folder = mkdtempSync(join(safe, 'listed-'));
    const [id, another] = ['01'.repeat(32), '02'.repeat(32)] as const;
    const terms = {
      dir: instance.dir,
      part: 'keeper',
      origin: JSON.parse(readFileSync(join(safe, 'keeper', 'backup.json'), 'utf8')).origin,
      signal: new AbortController().signal,
    } as const;
    const day = 86_400_000;
    const time = Date.now();
    const listed = listOf();
    const writing = writeBackup(folder, { ...terms, id, time, keepUntil: time + day });
    while (!existsSync(join(folder, 'keeper.db'))) await setImmediate();
    const noted = [...listed, { id, time, keepUntil: time + day }];
    assert.deepEqual(listOf(), noted);
    assert.equal((await writing).id, id);
    assert.deepEqual(listOf(folder), noted, 'and so the copy names itself');
    const later = { id: another, time: time + 400 * day, keepUntil: null };
    await writeBackup(mkdtempSync(join(safe, 'listed-')), { ...terms, ...later });
    assert.deepEqual(listOf(), [...noted, later]);
  });

  test('of the keeper is refused where those that exist are not known', async () => {
    const path = join(instance.paths.keeper, 'backups.jsonl');
    const text = readFileSync(path, 'utf8');
    const folder = join(safe, 'unlisted');
    try {
      for (const spoil of [() => writeFileSync(path, '{'), () => rmSync(path)]) {
        spoil();
        assert.equal(await refused('backup', ...named('keeper', folder)), 'backups-unreadable');
        assert.deepEqual(readdirSync(folder), []);
      }
      const line = JSON.stringify({ id: 'ab'.repeat(32), time: 1, keepUntil: 2 });
      writeFileSync(path, `${line}\n`.repeat(1000));
      assert.equal(await refused('backup', ...named('keeper', folder)), 'too-many-backups');
    } finally {
      writeFileSync(path, text);
    }
  });

  test('has no file of another part', () => {
    const names = (part: string) => readdirSync(join(safe, part)).toSorted();
    assert.deepEqual(names('keeper'), ['backup.json', 'backups.jsonl', 'keeper.db']);
    assert.deepEqual(names('log'), ['backup.json', 'log-key.pem', 'public']);
    assert.deepEqual(names('store'), ['amanat.db', 'backup.json', 'config.json']);
    for (const part of PARTS) assert.equal(statSync(join(safe, part)).mode & 0o077, 0);
  });
});

describe('a restore', () => {
  for (const part of PARTS) {
    test(`of the ${part}, killed at any step, leaves what was there or what was to come, and the next is whole`, async () => {
      const found = new Set<string>();
      const restoring = (dir: string) => ['restore', ...named(part), '--force', '--dir', dir];
      await killAtEach(restoring(instanceWithJournal()), async (kill) => {
        const dir = instanceWithJournal();
        const [before, after] = [stateOf(dir, part), stateOf(join(safe, part), part, true)];
        await kill(restoring(dir));
        const state = stateOf(dir, part);
        assert.ok([before, after].includes(state), 'it is half of each');
        found.add(state === before ? 'before' : 'after');
        const manifest = await checkBackup(join(safe, part), part);
        await putBack(join(safe, part), { dir, manifest, signal: AbortSignal.timeout(60_000) });
        assert.equal(stateOf(dir, part), after);
        const names = readdirSync(dir, { recursive: true }) as string[];
        assert.deepEqual(
          names.filter((name) => name.endsWith('.new')),
          [],
        );
        rmSync(dir, { recursive: true });
      });
      assert.ok(found.has('before'), [...found].join());
    });
  }

  test('on a full disk leaves what was there, and no half of what was to come', async (t) => {
    const disk = smallDisk(t, '64M');
    if (disk === null) return;
    const dir = join(disk, 'instance');
    cpSync(instance.dir, dir, { recursive: true });
    spawnSync('mount', ['-o', 'remount,size=1M', disk]);
    writeFileSync(join(disk, 'rest'), '');
    spawnSync('dd', ['if=/dev/zero', `of=${join(disk, 'rest')}`, 'bs=4096']);
    for (const part of ['store', 'keeper'] as const) {
      const { code, json } = await run(['restore', ...named(part), '--force'], { dir });
      assert.equal(code, 1);
      assert.equal(json.error.reason, 'disk-full');
    }
    const names = readdirSync(dir, { recursive: true }) as string[];
    assert.deepEqual(
      names.filter((name) => name.endsWith('.new')),
      [],
    );
    rmSync(join(disk, 'rest'));
    assert.equal((await run(['verify'], { dir })).code, 0);
  });

  test('of the keeper brings along which backups there are, and forgets none that is listed there', async () => {
    const dir = mkdtempSync(join(safe, 'instance-'));
    assert.equal((await run(['restore', ...named('keeper')], { dir })).code, 0);
    const { id } = JSON.parse(readFileSync(join(safe, 'keeper', 'backup.json'), 'utf8'));
    const list = listOf(join(safe, 'keeper'));
    assert.ok(list.some((each) => each.id === id));
    assert.deepEqual(listOf(join(dir, 'keeper')), list);
    const other = { id: 'cd'.repeat(32), time: 1, keepUntil: 2 };
    const path = join(dir, 'keeper', 'backups.jsonl');
    writeFileSync(path, `${JSON.stringify(other)}\n`);
    assert.equal((await run(['restore', ...named('keeper'), '--force'], { dir })).code, 0);
    assert.deepEqual(listOf(join(dir, 'keeper')), [...list, other]);
    writeFileSync(path, '{');
    const { json } = await run(['restore', ...named('keeper'), '--force'], { dir });
    assert.equal(json.error.reason, 'backups-unreadable');
  });

  test('of the keeper leaves nothing of the database that was there, nor of its journal', async () => {
    const dir = mkdtempSync(join(safe, 'instance-'));
    cpSync(instance.dir, dir, { recursive: true });
    const path = join(dir, 'keeper', 'keeper.db');
    const script = `
      const { DatabaseSync } = await import('node:sqlite');
      const db = new DatabaseSync(${JSON.stringify(path)});
      db.exec("PRAGMA journal_mode = WAL; CREATE TABLE more (value)");
      process.kill(process.pid, 'SIGKILL');`;
    spawnSync(process.execPath, ['--input-type=module', '-e', script]);
    const held = ['', '-wal'].map((suffix) => {
      const link = join(dir, `held${suffix}`);
      linkSync(path + suffix, link);
      assert.ok(statSync(link).size > 0);
      return link;
    });
    assert.equal((await run(['restore', ...named('keeper'), '--force'], { dir })).code, 0);
    for (const link of held)
      assert.ok(
        readFileSync(link).every((byte) => byte === 0),
        link,
      );
  });

  test('of the log leaves its key alone where it is there, unless told otherwise', async () => {
    assert.equal(await refused('restore', ...named('log')), 'not-empty');
    await ok('restore', ...named('log'), '--force');
    await ok('verify');
  });
});

describe('a drill', () => {
  const all = () => PARTS.flatMap((part) => named(part));

  test('of all three finds them well together, and leaves nothing', async () => {
    const { code, json } = await drill(...all());
    assert.equal(code, 0, JSON.stringify(json));
    assert.deepEqual([json.isWell, json.findings, json.unchecked], [true, [], []]);
    assert.equal(json.size, json.keeperSize);
    assert.equal(json.forgotten, 0);
    assert.ok(json.copies.every(({ ageMs }: { ageMs: number }) => ageMs > 0));
    assert.deepEqual(left(safe), []);
  });

  test('of one part says what it could not check', async () => {
    const { code, json } = await drill(...named('store'));
    assert.equal(code, 0);
    assert.equal(json.unchecked.length, 3);
  });

  const spoiled: readonly (readonly [
    string,
    (typeof PARTS)[number],
    (folder: string) => void,
    string,
  ])[] = [
    [
      'a ciphertext that was changed, with the manifest made anew',
      'store',
      (folder) => {
        const db = new DatabaseSync(join(folder, 'amanat.db'));
        db.exec('UPDATE custody_ciphertexts SET bytes = zeroblob(length(bytes))');
        db.close();
        redigest(folder, 'amanat.db');
      },
      'store: root-differs',
    ],
    [
      'a count of the keeper’s that was changed',
      'keeper',
      (folder) => {
        const db = new DatabaseSync(join(folder, 'keeper.db'));
        db.exec('UPDATE used SET count = 0');
        db.close();
        redigest(folder, 'keeper.db');
      },
      'keeper: does-not-open',
    ],
    [
      'a byte that is another',
      'keeper',
      (folder) => {
        const path = join(folder, 'keeper.db');
        const bytes = readFileSync(path);
        bytes.writeUInt8(bytes.readUInt8(5000) ^ 1, 5000);
        writeFileSync(path, bytes);
      },
      'keeper: backup-damaged',
    ],
    [
      'a tile that is missing',
      'log',
      (folder) => rmSync(join(folder, 'public', 'tile'), { recursive: true }),
      'log: log-damaged',
    ],
    [
      'a manifest that is none',
      'log',
      (folder) => writeFileSync(join(folder, 'backup.json'), '{"type":"amanat-backup"}'),
      'log: not-a-backup',
    ],
  ];
  for (const [what, part, spoil, expected] of spoiled) {
    test(`finds ${what}`, async () => {
      const folder = copyOf(part);
      spoil(folder);
      const others = PARTS.filter((each) => each !== part).flatMap((each) => named(each));
      const { code, json } = await drill(...others, ...named(part, folder));
      assert.equal(code, 1);
      const found = json.findings.map(
        (each: { part: string; finding: string }) => `${each.part}: ${each.finding}`,
      );
      assert.ok(found.includes(expected), JSON.stringify(json.findings));
      assert.deepEqual(left(safe), []);
    });
  }

  test('finds a passphrase that is not the keeper’s, and says that there is none', async () => {
    const wrong = join(safe, 'wrong');
    writeFileSync(wrong, 'another');
    const { code, json } = await drill(...named('keeper'), '--passphrase-file', wrong);
    assert.equal(code, 1);
    assert.deepEqual([json.findings[0].finding], ['does-not-open']);
    const without = await drill(...named('keeper'), '--passphrase-file', join(safe, 'none'));
    assert.ok(without.json.unchecked.some((each: string) => each.includes('passphrase')));
  });

  test('finds a store that is older than its keeper and its log', async () => {
    await instance.startKeeper();
    const dir = mkdtempSync(join(safe, 'instance-'));
    {
      await using _ = await instance.serve();
      const request = instance.request('officer', [cnicOf(2)]);
      const served = new Served(instance);
      await served.post('/v1/requests', { ...request, approval: null });
      const erasure = writeDocument<'erasure'>({
        type: 'erasure',
        identifier: { type: 'cnic', value: cnicOf(2) },
        controller: 'demo-telecom',
        reason: 'asked for by the person',
        nonce: 'ab'.repeat(16),
        time: Date.now(),
      });
      await served.post(
        '/v1/erasures',
        instance.sign(erasure, 'administrator-1', 'administrator-2'),
      );
      for (const part of ['keeper', 'log']) await ok('backup', `--${part}`, join(dir, part));
    }
    await instance.stopKeeper();
    const newer = ['keeper', 'log'].flatMap((part) => named(part, join(dir, part)));
    const { code, json } = await drill(...named('store'), ...newer);
    assert.equal(code, 1);
    const found = json.findings.map(({ finding }: { finding: string }) => finding);
    assert.ok(found.includes('store-older-than-keeper'), found.join());
    assert.ok(found.includes('checkpoint-ahead-of-store'), found.join());
    // And the other way round: the entries since would be forgotten, of whatever kind.
    await ok('backup', '--store', join(dir, 'store'));
    const older = await drill(...named('store', join(dir, 'store')), ...named('keeper'));
    assert.equal(older.code, 0);
    assert.equal(older.json.forgotten, 2);
  });

  test('finds backups of two instances', async () => {
    await using other = await Instance.create();
    const folder = join(safe, 'other-keeper');
    const made = await run(['backup', '--keeper', folder], { dir: other.dir });
    assert.equal(made.code, 0);
    const args = ['--passphrase-file', other.paths.passphrase];
    const { code, json } = await drill(...named('store'), ...named('keeper', folder), ...args);
    assert.equal(code, 1);
    assert.equal(json.findings[0].finding, 'keeper-of-another-log');
  });

  test('killed at any step leaves a folder that the next one deletes, and none that is under way', async () => {
    const parent = mkdtempSync(join(safe, 'drills-'));
    const drilling = ['restore', '--drill', '--in', parent, ...all()];
    let most = 0;
    await killAtEach(drilling, async (kill) => {
      await kill(drilling);
      most = Math.max(most, left(parent).length);
    });
    assert.ok(most > 0);
    const under = mkdtempSync(join(parent, 'amanat-drill-'));
    const lock = new InstanceLock(join(under, 'drill.lock'));
    assert.equal((await drill('--in', parent, ...named('log'))).code, 0);
    assert.deepEqual(left(parent), [basename(under)]);
    lock.release();
    assert.equal((await drill('--in', parent, ...named('log'))).code, 0);
    assert.deepEqual(left(parent), []);
    await ok('verify');
  });

  test('leaves nothing of the keeper’s database in blocks that are free', async () => {
    const folder = join(safe, 'amanat-drill-killed');
    cpSync(join(safe, 'keeper'), join(folder, 'keeper'), { recursive: true });
    const link = join(safe, 'held');
    linkSync(join(folder, 'keeper', 'keeper.db'), link);
    assert.equal((await drill(...named('log'))).code, 0);
    assert.deepEqual(left(safe), []);
    const bytes = readFileSync(link);
    assert.ok(bytes.length > 0 && bytes.every((byte) => byte === 0));
  });

  test('on a full disk fails, leaves nothing there, and says nothing of the backup', async (t) => {
    const disk = smallDisk(t, '64K');
    if (disk === null) return;
    const args = ['restore', '--drill', '--in', disk, ...named('store')];
    assert.equal(await refused(...args), 'disk-full');
    assert.deepEqual(left(disk), []);
  });
});

/** Makes the manifest say what a changed file is. */
function redigest(folder: string, name: string): void {
  const path = join(folder, 'backup.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8'));
  const bytes = readFileSync(join(folder, name));
  manifest.files[name] = createHash('sha256').update(bytes).digest('hex');
  writeFileSync(path, JSON.stringify(manifest));
}
