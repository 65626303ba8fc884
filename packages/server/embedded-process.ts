import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { deviceArguments, keeperArguments } from '@amanat/keeper/client';
import type { DeviceSettings } from './config/config.ts';
import type { InstancePaths } from './config/paths.ts';

const WITNESSES = fileURLToPath(new URL('witness-main.ts', import.meta.url));
const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 5_000;
/** After so long a life the next restart is prompt again. */
const LONG_LIFE_MS = 30_000;
/** How long it may take to end before it is killed. */
const END_MS_MAX = 10_000;
const LINE_LENGTH_MAX = 300;

/** Which process it is. */
type Name = 'keeper' | 'device' | 'witnesses';

/** What becomes of the process, for the operator's eyes. */
export type ProcessEvent =
  | { readonly event: `${Name}-ready` }
  | { readonly event: `${Name}-says`; readonly line: string }
  | {
      readonly event: `${Name}-ended`;
      readonly code: number | null;
      readonly signal: string | null;
    };

type Tell = (event: ProcessEvent) => void;

/** Keeps a keeper running, with its standby where it has one. In the embedded mode it is the gateway's child. */
export function runKeeper(
  { keeper, keeperSocket, passphrase }: InstancePaths,
  standby: string | null,
  tell: Tell,
): EmbeddedProcess {
  const places = { dir: keeper, socket: keeperSocket, passphraseFile: passphrase, standby };
  return new EmbeddedProcess('keeper', keeperArguments(places, { embedded: true }), tell);
}

/** Keeps the process running that alone talks to the device with the root's key. */
export function runDevice(
  { deviceSocket: socket }: Pick<InstancePaths, 'deviceSocket'>,
  device: DeviceSettings,
  tell: Tell,
): EmbeddedProcess {
  const argv = deviceArguments({ ...device, socket }, { embedded: true });
  return new EmbeddedProcess('device', argv, tell, deviceEnvironment());
}

/** Vendors' modules find their settings by variables; Node's own would have it load other code. */
export function deviceEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('NODE_'));
  return Object.fromEntries(kept);
}

/** Keeps a demonstration's witnesses running: all of them in one process, which is what two cores bear. */
export function runWitnesses({ witnesses }: InstancePaths, tell: Tell): EmbeddedProcess {
  return new EmbeddedProcess('witnesses', [WITNESSES, witnesses], tell);
}

/**
 * A process that the gateway keeps running: it starts it, and starts it again whenever it ends, each time a little
 * later. It holds the other end of its standard input, and so ends with the gateway, however that ends.
 */
export class EmbeddedProcess {
  readonly #name: Name;
  readonly #arguments: readonly string[];
  readonly #tell: Tell;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #ready = Promise.withResolvers<void>();
  #child: ChildProcess | null = null;
  #timer: NodeJS.Timeout | null = null;
  #backoffMs = BACKOFF_MS_MIN;
  #isStopping = false;

  constructor(
    name: Name,
    argv: readonly string[],
    tell: Tell,
    environment: NodeJS.ProcessEnv = {},
  ) {
    this.#environment = environment;
    this.#name = name;
    this.#arguments = argv;
    this.#tell = tell;
    this.#start();
  }

  /** The process's number, while it runs. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Once it has said that it is ready, the first time. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Ends it and waits until it has. */
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
    const name = this.#name;
    const child = spawn(process.execPath, this.#arguments, {
      stdio: ['pipe', 'pipe', 'pipe'],
      // A group of its own: Ctrl-C is for the gateway, which ends what is under way before this goes.
      detached: true,
      env: this.#environment,
    });
    const started = Date.now();
    this.#child = child;
    child.stdout.once('data', () => {
      this.#tell({ event: `${name}-ready` });
      this.#ready.resolve();
    });
    // A process that has just ended breaks the pipe; what follows is told by its end.
    child.stdin.on('error', () => {});
    createInterface({ input: child.stderr }).on('line', (line) =>
      this.#tell({ event: `${name}-says`, line: line.slice(0, LINE_LENGTH_MAX) }),
    );
    child.once('error', (error) => this.#tell({ event: `${name}-says`, line: error.message }));
    child.once('close', (code, signal) => {
      this.#child = null;
      if (this.#isStopping) return;
      this.#tell({ event: `${name}-ended`, code, signal });
      if (Date.now() - started > LONG_LIFE_MS) this.#backoffMs = BACKOFF_MS_MIN;
      this.#timer = setTimeout(() => this.#start(), this.#backoffMs);
      this.#backoffMs = Math.min(2 * this.#backoffMs, BACKOFF_MS_MAX);
    });
  }
}
