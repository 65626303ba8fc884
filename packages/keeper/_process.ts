import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Trial } from './_trial.ts';
import { KeeperClient } from './client.ts';
import { keeperArguments } from './confinement.ts';

/** A keeper in a process of its own, over a trial's folder. */
export class KeeperProcess {
  readonly child: ChildProcess;
  readonly client: KeeperClient;
  readonly ended: Promise<number | null>;
  errors = '';
  /** Whether it waits for its custodians. */
  get isLocked(): boolean {
    return this.#said === 'locked\n';
  }
  #said = '';

  /** @param limit in KiB, what no file of it may outgrow. */
  constructor(
    trial: Trial,
    options: {
      readonly embedded?: boolean;
      readonly limit?: number;
      readonly socket?: string;
      /** The URL of a module that it loads before its own. */
      readonly preload?: string;
      readonly standby?: string;
    } = {},
  ) {
    const socket = options.socket ?? join(trial.dir, 'keeper.sock');
    const places = {
      dir: trial.dir,
      socket,
      passphraseFile: trial.passphraseFile(),
      standby: options.standby ?? null,
    };
    const preload = options.preload === undefined ? [] : ['--import', options.preload];
    const args = [...preload, ...keeperArguments(places, { embedded: options.embedded ?? false })];
    const limited = ['-c', 'trap "" XFSZ; ulimit -f "$0"; exec "$@"', String(options.limit)];
    this.child =
      options.limit === undefined
        ? spawn(process.execPath, args, { stdio: 'pipe' })
        : spawn('bash', [...limited, process.execPath, ...args], { stdio: 'pipe' });
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.#said += chunk.toString();
    });
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.errors += chunk.toString();
    });
    this.child.stdin?.on('error', () => {});
    this.ended = once(this.child, 'close').then(([code]) => code as number | null);
    this.client = new KeeperClient(socket);
  }

  /** Gives this process once it serves, or waits for its custodians. Throws with what it said where it ended instead. */
  static async start(...args: ConstructorParameters<typeof KeeperProcess>): Promise<KeeperProcess> {
    const keeper = new KeeperProcess(...args);
    const ready = new Promise<true>((resolve) => {
      keeper.child.stdout?.on('data', () => {
        if (/^(ready|locked)\n/.test(keeper.#said)) resolve(true);
      });
    });
    if ((await Promise.race([ready, keeper.ended])) !== true) throw new Error(keeper.errors);
    return keeper;
  }

  /** Kills it as a power cut would, and waits until it is gone. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
    await this.client[Symbol.asyncDispose]();
  }

  /** Asks it to end, and gives its exit status. */
  async stop(): Promise<number | null> {
    await this.client[Symbol.asyncDispose]();
    this.child.kill('SIGTERM');
    return this.ended;
  }
}
