import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { keeperArguments } from '@amanat/keeper/client';
import type { InstancePaths } from './config/paths.ts';

const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 5_000;
/** After so long a life the next restart is prompt again. */
const LONG_LIFE_MS = 30_000;
/** How long the keeper may take to end before it is killed. */
const END_MS_MAX = 10_000;
const LINE_LENGTH_MAX = 300;

/** What becomes of the keeper's process, for the operator's eyes. */
export type KeeperEvent =
  | { readonly event: 'keeper-ready' }
  | { readonly event: 'keeper-says'; readonly line: string }
  | {
      readonly event: 'keeper-ended';
      readonly code: number | null;
      readonly signal: string | null;
    };

/**
 * Keeps a keeper running: starts it, and starts it again whenever it ends, each time a little later. In the embedded
 * mode it is the gateway's child and ends with it, however the gateway ends.
 */
export class KeeperProcess {
  readonly #paths: InstancePaths;
  readonly #tell: (event: KeeperEvent) => void;
  #child: ChildProcess | null = null;
  #timer: NodeJS.Timeout | null = null;
  #backoffMs = BACKOFF_MS_MIN;
  #isStopping = false;

  constructor(paths: InstancePaths, tell: (event: KeeperEvent) => void) {
    this.#paths = paths;
    this.#tell = tell;
    this.#start();
  }

  /** The process's number, while it runs. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Ends the keeper and waits until it has. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const child = this.#child;
    if (child === null) return;
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), END_MS_MAX);
    await ended;
    clearTimeout(timer);
  }

  #start(): void {
    const { keeper, keeperSocket, passphrase } = this.#paths;
    const places = { dir: keeper, socket: keeperSocket, passphraseFile: passphrase };
    const child = spawn(process.execPath, keeperArguments(places, { embedded: true }), {
      stdio: ['pipe', 'pipe', 'pipe'],
      // A group of its own: Ctrl-C is for the gateway, which ends what is under way before the keeper goes.
      detached: true,
      env: {},
    });
    const started = Date.now();
    this.#child = child;
    child.stdout.once('data', () => this.#tell({ event: 'keeper-ready' }));
    // A keeper that has just ended breaks the pipe; what follows is told by its end.
    child.stdin.on('error', () => {});
    createInterface({ input: child.stderr }).on('line', (line) =>
      this.#tell({ event: 'keeper-says', line: line.slice(0, LINE_LENGTH_MAX) }),
    );
    child.once('error', (error) => this.#tell({ event: 'keeper-says', line: error.message }));
    child.once('close', (code, signal) => {
      this.#child = null;
      if (this.#isStopping) return;
      this.#tell({ event: 'keeper-ended', code, signal });
      if (Date.now() - started > LONG_LIFE_MS) this.#backoffMs = BACKOFF_MS_MIN;
      this.#timer = setTimeout(() => this.#start(), this.#backoffMs);
      this.#backoffMs = Math.min(2 * this.#backoffMs, BACKOFF_MS_MAX);
    });
  }
}
