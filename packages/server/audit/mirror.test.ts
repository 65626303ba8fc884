import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { formatVerifierKey } from '@amanat/core/log';
import { runHere } from '../cli/_around.ts';
import { InstanceLock } from '../config/lock.ts';
import { TestLog } from './_log.ts';
import type { Served } from './_served.ts';
import { serveFolder } from './_served.ts';
import { auditLog, mirrorLog, sourceAt } from './audit.ts';

const MAIN = join(import.meta.dirname, '../cli/main.ts');

describe('a mirror of a log', () => {
  let folder: string;
  let files: string;
  let copy: string;
  let served: Served;
  let log: TestLog;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'amanat-mirror-'));
    files = join(folder, 'files');
    copy = join(folder, 'copy');
    log = new TestLog().grow(600);
    log.publish(files);
    served = await serveFolder(files);
  });
  afterEach(async () => {
    await served.close();
    rmSync(folder, { recursive: true });
  });

  const mirror = ({ repair = false, key = log.key } = {}) => {
    const { signal } = new AbortController();
    served.requests.length = 0;
    const source = sourceAt({ prefix: served.prefix }, signal);
    return mirrorLog({ source, directory: copy, key, repair, onLeaves: () => {}, signal });
  };
  /** What an audit of the copy finds wrong, from its first leaf on. */
  const audit = async () => {
    const report = await auditLog({
      place: { directory: copy },
      key: log.key,
      statePath: null,
      policy: null,
      maxAgeSeconds: null,
      processes: 1,
      now: Date.now,
      onLeaves: () => {},
      signal: new AbortController().signal,
    });
    return report.findings;
  };
  const sizeOfCopy = () => Number(readFileSync(join(copy, 'checkpoint'), 'utf8').split('\n')[1]);
  const flip = (path: string) => {
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(40) ^ 1, 40);
    writeFileSync(path, bytes);
  };

  it('of a log with a wrong or missing file publishes nothing, and is whole once that is mended', async () => {
    for (const path of ['tile/0/001', 'tile/entries/002.p/88', 'tile/1/000.p/2']) {
      flip(join(files, path));
      const code = path.startsWith('tile/entries/') ? 'bundle-differs' : 'tile-differs';
      assert.deepEqual((await mirror()).findings, [{ code, at: path }]);
      assert.equal(existsSync(join(copy, 'checkpoint')), false);
      const bytes = readFileSync(join(files, path));
      rmSync(join(files, path));
      rmSync(copy, { recursive: true });
      assert.deepEqual((await mirror()).findings, [{ code: 'hole', at: path }]);
      assert.equal(existsSync(join(copy, 'checkpoint')), false);
      writeFileSync(join(files, path), bytes);
      // The wrong file first, so that it is there when the right one comes.
      await mirror();
      flip(join(files, path));
      const { findings, fetched } = await mirror();
      assert.deepEqual([findings, fetched], [[], 1], path);
      assert.deepEqual(await audit(), []);
      rmSync(copy, { recursive: true });
    }
  });

  it('refuses a log that forked or shrunk, and stays as it is', async () => {
    await mirror();
    const honest = log.leaves;
    log.leaves = honest.with(300, Buffer.from('another'));
    log.publish(files, { alone: true });
    assert.deepEqual((await mirror()).findings, [{ code: 'fork', at: null }]);
    for (const repair of [false, true]) {
      log.grow(1 + Number(repair)).publish(files, { alone: true });
      assert.deepEqual((await mirror({ repair })).findings, [{ code: 'fork', at: null }]);
      assert.deepEqual([sizeOfCopy(), await audit()], [600, []]);
    }
    log.leaves = honest;
    log.publish(files, { size: 300, alone: true });
    assert.deepEqual((await mirror()).findings, [{ code: 'shrunk', at: null }]);
    assert.deepEqual([sizeOfCopy(), await audit()], [600, []]);
    // What the forked log left behind does not keep the honest one out.
    log.grow(400).publish(files, { alone: true });
    assert.deepEqual((await mirror()).findings, []);
    assert.deepEqual([sizeOfCopy(), await audit()], [1_000, []]);
  });

  it('whose tiles are gone is not made whole from a log that has forked', async () => {
    await mirror();
    const honest = log.leaves;
    for (const repair of [false, true]) {
      rmSync(join(copy, 'tile'), { recursive: true });
      log.leaves = honest.with(5, Buffer.from('another'));
      log.grow(100).publish(files, { alone: true });
      assert.deepEqual((await mirror({ repair })).findings, [{ code: 'fork', at: null }]);
      assert.equal(sizeOfCopy(), 600);
    }
    log.leaves = honest;
    log.grow(100).publish(files, { alone: true });
    assert.deepEqual((await mirror()).findings, []);
    assert.deepEqual([sizeOfCopy(), await audit()], [log.leaves.length, []]);
  });

  it('gets over files that agreed with one another and not with the root', async () => {
    for (const more of [0, 500]) {
      log.grow(more);
      const other = new TestLog([...log.leaves.slice(0, -1), Buffer.from('another')]);
      other.publish(files, { alone: true });
      writeFileSync(join(files, 'checkpoint'), log.checkpoint());
      assert.deepEqual((await mirror()).findings, [{ code: 'root-differs', at: null }]);
      log.publish(files);
      assert.deepEqual((await mirror()).findings, []);
      assert.deepEqual([sizeOfCopy(), await audit()], [log.leaves.length, []]);
    }
  });

  it('of another log, or where another process is at it, is left alone', async () => {
    await mirror();
    const before = readFileSync(join(copy, 'checkpoint'), 'utf8');
    const other = new TestLog().grow(700);
    other.publish(files, { alone: true });
    assert.deepEqual((await mirror({ key: other.key })).findings, [
      { code: 'bad-state', at: 'checkpoint' },
    ]);
    assert.deepEqual((await mirror()).findings, [{ code: 'bad-checkpoint', at: 'checkpoint' }]);
    assert.equal(readFileSync(join(copy, 'checkpoint'), 'utf8'), before);
    const lock = new InstanceLock(`${copy}.lock`);
    await assert.rejects(mirror(), { code: 'already-served' });
    const key = formatVerifierKey(log.key);
    const ran = await runHere(['mirror', served.prefix.href, copy, '--key', key]);
    assert.deepEqual([ran.code, /another process/.test(ran.stderr)], [1, true]);
    lock.release();
  });

  it('is repaired from the log, and from a log that lies is not', async () => {
    await mirror();
    for (const path of ['tile/0/000', 'tile/entries/001', 'tile/0/002.p/88', 'tile/1/000.p/2']) {
      for (const damage of [flip, rmSync]) {
        damage(join(copy, path));
        assert.equal((await audit()).length, 1, path);
        const bytes = readFileSync(join(files, path));
        flip(join(files, path));
        assert.equal((await mirror({ repair: true })).findings.length, 1);
        for (const other of filesIn(files).filter((each) => each !== path)) {
          assert.deepEqual(readFileSync(join(copy, other)), readFileSync(join(files, other)));
        }
        writeFileSync(join(files, path), bytes);
        const { findings, fetched } = await mirror({ repair: true });
        assert.deepEqual([findings, fetched], [[], 1], path);
        assert.deepEqual(await audit(), []);
      }
    }
  });

  it('that is killed at any time is a whole log, and goes on where it was', async () => {
    const argv = [MAIN, 'mirror', served.prefix.href, copy, '--key', formatVerifierKey(log.key)];
    let published = 0;
    for (const [nth, more] of [3, 40, 25, 1, 60].entries()) {
      log.grow(nth * 1_500).publish(files);
      served.requests.length = 0;
      const child = spawn(process.execPath, argv, { stdio: 'ignore' });
      const ended = once(child, 'exit');
      served.instead = () => {
        if (served.requests.length === more) child.kill('SIGKILL');
        return false;
      };
      await ended;
      served.instead = null;
      if (!existsSync(join(copy, 'checkpoint'))) continue;
      assert.ok(sizeOfCopy() >= published);
      published = sizeOfCopy();
      assert.deepEqual(await audit(), []);
    }
    const before = filesIn(copy).length;
    const { findings, fetched } = await mirror();
    assert.deepEqual(findings, []);
    assert.ok(
      before > 60 && fetched < log.files().size - 60,
      `${before} there, ${fetched} fetched`,
    );
    assert.equal(sizeOfCopy(), log.leaves.length);
    assert.deepEqual(await audit(), []);
  });

  it('has the log’s files, byte for byte, and fetches what is new and nothing else', async () => {
    for (const more of [0, 0, 168, 1, 1_000]) {
      const before = new Set(existsSync(copy) ? filesIn(copy) : []);
      log.grow(more).publish(files, { alone: true });
      const { findings, fetched } = await mirror();
      assert.deepEqual(findings, []);
      const expected = log.files();
      const kept = filesIn(copy).filter((path) => !expected.has(path));
      // Partial tiles of smaller trees stay until the full one is there.
      for (const path of kept) {
        const [full] = path.split('.p/') as [string];
        assert.ok(before.has(path) && path !== full && !expected.has(full), path);
      }
      for (const [path, bytes] of expected) {
        assert.deepEqual(readFileSync(join(copy, path)), Buffer.from(bytes), path);
      }
      const fresh = [...expected.keys()].filter(
        (path) => !before.has(path) && path !== 'checkpoint',
      );
      assert.equal(fetched, fresh.length);
      assert.equal(served.requests.length, 1 + fresh.length);
    }
  });

  it('by the command exits with 1 where it is refused, and serves for another mirror', async () => {
    const key = formatVerifierKey(log.key);
    const first = await runHere(['mirror', served.prefix.href, copy, '--key', key, '--json']);
    assert.equal(first.code, 0);
    const json = JSON.parse(first.stdout) as { mirrored: boolean; size: number };
    assert.deepEqual([json.mirrored, json.size], [true, 600]);
    const second = join(folder, 'second');
    assert.equal((await runHere(['mirror', copy, second, '--key', key])).code, 0);
    assert.deepEqual(filesIn(second), filesIn(copy));
    log.publish(files, { size: 300 });
    const refused = await runHere(['mirror', served.prefix.href, copy, '--key', key]);
    assert.equal(refused.code, 1);
    assert.match(refused.stdout, /WRONG shrunk.*\nNOT MIRRORED: the copy stays at 600 leaves/);
    assert.equal((await runHere(['mirror', served.prefix.href, '--key', key])).code, 2);
  });
});

function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(directory, path)).isFile())
    .toSorted();
}
