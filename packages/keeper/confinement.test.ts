import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Trial } from './_trial.ts';
import { KeeperClient } from './client.ts';
import type { KeeperPlaces } from './confinement.ts';
import { confinement, keeperArguments } from './confinement.ts';
import { KEEPER_FILES } from './create.ts';
import { KeeperStore } from './store.ts';

const ROOT = join(import.meta.dirname, '../..');
/** What the keeper's code may come to. Raise it only with a reason: it is to be readable in an afternoon. */
const FILES_MAX = 92;
const LINES_MAX = 12_700;

/** What Node's model refuses a confined process, and by which code. */
const REFUSED = {
  'write outside': 'ERR_ACCESS_DENIED',
  'read the store': 'ERR_ACCESS_DENIED',
  'list another folder': 'ERR_ACCESS_DENIED',
  'link to outside': 'ERR_ACCESS_DENIED',
  'start a process': 'ERR_ACCESS_DENIED',
  'start a worker': 'ERR_ACCESS_DENIED',
  'load an addon': 'ERR_DLOPEN_DISABLED',
  'start WASI': 'ERR_ACCESS_DENIED',
  'open a debugger': 'ERR_ACCESS_DENIED',
  'make code from text': 'EvalError',
  'have SQLite load an extension': 'ERR_LOAD_SQLITE_EXTENSION',
};

/** What it does not refuse: docs/operating.md says so, and what bars it. */
const NOT_COVERED = {
  'write in its own folder': 'done',
  'have SQLite open the store': 'done',
  'listen to TCP': 'done',
};

describe('a confined keeper', { concurrency: false }, () => {
  let trial: Trial;
  let folder: string;
  let places: KeeperPlaces;
  const started: ChildProcess[] = [];

  before(async () => {
    trial = await Trial.begin();
    trial.keeper.close();
    folder = mkdtempSync(join(tmpdir(), 'amanat-confined-'));
    mkdirSync(join(folder, 'run'));
    places = {
      dir: trial.dir,
      socket: join(folder, 'run', 'keeper.sock'),
      passphraseFile: trial.passphraseFile(),
    };
  });

  after(() => {
    for (const child of started) child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
    rmSync(trial.dir, { recursive: true });
  });

  /** Makes the attempts of `_attempts.ts` under these options of Node, and gives what came of each. */
  function attempt(options: readonly string[]): Record<string, string> {
    const other = mkdtempSync(join(folder, 'other-'));
    const database = join(other, 'amanat.db');
    const store = new DatabaseSync(database);
    store.exec('CREATE TABLE rows (value)');
    store.close();
    const script = join(import.meta.dirname, '_attempts.ts');
    const argv = [...options, script, places.dir, other, database];
    const { stdout, stderr } = spawnSync(process.execPath, argv, { env: {}, encoding: 'utf8' });
    assert.notEqual(stdout, '', stderr);
    rmSync(join(places.dir, 'link'), { force: true });
    return JSON.parse(stdout);
  }

  test('cannot write outside, read the store, or start and load other code', () => {
    const came = attempt(confinement(places));
    assert.deepEqual(came, { ...REFUSED, ...NOT_COVERED });
  });

  test('could do all of it without the options', () => {
    const came = attempt([]);
    const done = Object.keys(came).filter((name) => came[name] === 'done');
    assert.deepEqual(
      Object.keys(came).filter((name) => !done.includes(name)),
      ['load an addon'],
    );
    assert.equal(came['load an addon'], 'ERR_DLOPEN_FAILED');
  });

  test('is refused a path that Node would take for a pattern', () => {
    for (const place of ['dir', 'socket', 'passphraseFile', 'standby'] as const) {
      const changed = { ...places, [place]: join(folder, 'any*') };
      assert.throws(() => keeperArguments(changed), /holds a \*/);
    }
  });

  test('has a database that attaches no other and is written into no other', () => {
    const store = KeeperStore.create(join(folder, 'keeper.db'));
    const other = join(folder, 'other.db');
    for (const sql of [`ATTACH '${other}' AS other`, `VACUUM INTO '${other}'`]) {
      assert.throws(() => store.run(sql), /too many attached databases/);
    }
    store.close();
    assert.ok(!readdirSync(folder).includes('other.db'));
  });

  /** Starts a keeper, and waits until it serves. */
  async function start(at: KeeperPlaces, options: readonly string[] = []) {
    const child = spawn(process.execPath, [...options, ...keeperArguments(at)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {},
    });
    started.push(child);
    const errors = text(child.stderr);
    const ready = once(child.stdout, 'data').then(() => true);
    const ended = once(child, 'exit').then(() => false);
    if (!(await Promise.race([ready, ended]))) throw new Error(await errors);
    return { child, errors };
  }

  async function stop(child: ChildProcess): Promise<void> {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null]);
  }

  async function ask(socket: string): Promise<void> {
    await using client = new KeeperClient(socket);
    const { answer } = await client.ask('status', {});
    assert.equal(answer.size, 0);
  }

  test('starts by way of symlinks, from a folder that was moved, and with a comma in its name', async () => {
    const moved = join(folder, 'moved, and renamed');
    renameSync(places.dir, moved);
    try {
      for (const name of ['to-dir', 'to-run', 'to-passphrase']) {
        rmSync(join(folder, name), { force: true });
      }
      symlinkSync(moved, join(folder, 'to-dir'));
      symlinkSync(join(folder, 'run'), join(folder, 'to-run'));
      writeFileSync(join(folder, 'real-passphrase'), readFileSync(join(moved, 'passphrase')));
      symlinkSync(join(folder, 'real-passphrase'), join(folder, 'to-passphrase'));
      const linked = {
        dir: join(folder, 'to-dir'),
        socket: join(folder, 'to-run', 'keeper.sock'),
        passphraseFile: join(folder, 'to-passphrase'),
      };
      for (const at of [linked, { ...linked, dir: relative(process.cwd(), moved) }]) {
        const { child } = await start(at);
        await ask(at.socket);
        await stop(child);
      }
    } finally {
      renameSync(moved, places.dir);
    }
  });

  test('has no sockets but its own two Unix sockets', async () => {
    const { child } = await start(places);
    await using client = new KeeperClient(places.socket);
    await client.ask('status', {});
    const { unix, other } = socketsOf(child.pid ?? 0);
    assert.deepEqual(other, []);
    assert.deepEqual(
      unix.filter(({ listens }) => listens).map(({ path }) => path),
      [places.socket, join(places.dir, KEEPER_FILES.ceremony)],
    );
    await stop(child);
  });

  test('loads what docs/architecture.md lists and no more, and little enough to be read', async () => {
    const preload = ['--import', join(import.meta.dirname, '_loaded.ts')];
    const { child, errors } = await start(places, preload);
    await ask(places.socket);
    await stop(child);
    const urls = (JSON.parse(await errors) as string[]).toSorted();
    const builtin = urls.filter((url) => url.startsWith('node:'));
    const paths = urls.filter((url) => url.startsWith('file:')).map((url) => fileURLToPath(url));
    assert.equal(builtin.length + paths.length, urls.length, 'nothing is loaded from elsewhere');
    const files = paths.map((path) => relative(ROOT, path));
    assert.deepEqual(
      files.filter((file) => !/^packages\/(keeper|core)\//.test(file)),
      [],
      'no package but core',
    );
    const truth = [...groupByFolder(files), `node: ${builtin.map(nameOf).join(' ')}`];
    const { list, bounds } = readDocs();
    assert.deepEqual(list, truth, `docs/architecture.md should list:\n${truth.join('\n')}`);
    const lines = paths.map((path) => readFileSync(path, 'utf8').split('\n').length - 1);
    const total = lines.reduce((sum, each) => sum + each, 0);
    assert.ok(files.length <= FILES_MAX, `${files.length} files`);
    assert.ok(total <= LINES_MAX, `${total} lines`);
    assert.deepEqual(bounds, [FILES_MAX, LINES_MAX]);
  });
});

/** The sockets of a process: Unix ones, and any others by what they are. */
function socketsOf(pid: number) {
  const inodes = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? [];
    return inode === undefined ? [] : [inode];
  });
  // Num RefCount Protocol Flags Type St Inode Path
  const table = readFileSync(`/proc/${pid}/net/unix`, 'utf8').split('\n').slice(1);
  const known = new Map(
    table.map((line) => [line.trim().split(/\s+/)[6], line.trim().split(/\s+/)]),
  );
  const unix = inodes.flatMap((inode) => {
    const row = known.get(inode);
    return row === undefined ? [] : [{ listens: row[3] === '00010000', path: row[7] ?? '' }];
  });
  return { unix, other: inodes.filter((inode) => !known.has(inode)) };
}

/** A line for each folder, with its files in order. */
function groupByFolder(files: readonly string[]): readonly string[] {
  const folders = Map.groupBy(files, dirname);
  return [...folders].map(
    ([folder, inside]) =>
      `${folder}: ${inside.map((file) => file.slice(folder.length + 1)).join(' ')}`,
  );
}

function nameOf(builtin: string): string {
  return builtin.slice('node:'.length);
}

/** The list in docs/architecture.md, continued lines joined, and the bounds above it. */
function readDocs() {
  const docs = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8');
  const section = docs.split('\n## ').find((each) => each.startsWith('What the keeper loads\n'));
  const [before = '', block = ''] = section?.split(/\n```\n/) ?? [];
  const [, files, lines] = /(\d+) files, ([\d,]+) lines/.exec(before) ?? [];
  return {
    list: block.replaceAll(/\n +/g, ' ').split('\n'),
    bounds: [Number(files), Number(lines?.replaceAll(',', ''))],
  };
}
