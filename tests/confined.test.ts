import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { KeeperPlaces } from '../packages/keeper/confinement.ts';
import { keeperArguments } from '../packages/keeper/confinement.ts';
import { Instance } from './_instance.ts';
import { Served, until } from './_served.ts';

const CLI = join(import.meta.dirname, '../packages/server/cli/main.ts');
/** What would have Node read a file before the keeper's own, were it to reach one. */
const LOOSENED = {
  ...process.env,
  NODE_OPTIONS: `--require=${join(import.meta.dirname, '_files.ts')}`,
};

describe('the keeper is confined, and inherits no environment', { concurrency: false }, () => {
  let instance: Instance;
  let places: KeeperPlaces;

  before(async () => {
    instance = await Instance.create();
    await instance.stopGateway();
    await instance.stopKeeper();
    const { keeper, keeperSocket, passphrase } = instance.paths;
    places = { dir: keeper, socket: keeperSocket, passphraseFile: passphrase };
  });

  after(() => instance?.[Symbol.asyncDispose]());

  /** What the system says that a process was started with. */
  function startedWith(pid: number | null) {
    const parts = (file: string) => readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0');
    return { argv: parts('cmdline').slice(1, -1), environment: parts('environ').filter(Boolean) };
  }

  test('where the gateway starts it', async () => {
    await using served = new Served(instance, LOOSENED);
    await served.start();
    const { argv, environment } = startedWith(served.keeperPid());
    assert.deepEqual(argv, keeperArguments(places, { embedded: true }));
    assert.deepEqual(environment, []);
  });

  test('where its own command starts it', async () => {
    const child = spawn(process.execPath, [CLI, 'keeper', '--dir', instance.dir], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: LOOSENED,
    });
    try {
      await once(child.stderr, 'data');
      const { pid = 0 } = child;
      const children = () => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
      const found = await until(() => (children() === '' ? null : Number(children())));
      const { argv, environment } = startedWith(found);
      assert.deepEqual(argv, keeperArguments(places));
      assert.deepEqual(environment, []);
    } finally {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    }
  });
});
