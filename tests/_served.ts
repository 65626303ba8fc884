import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SigningKey } from '@amanat/core/keys';
import { Api } from '../packages/server/cli/client.ts';
import type { ImportSummary } from '../packages/server/cli/import-files.ts';
import { importFiles, listFiles } from '../packages/server/cli/import-files.ts';
import type { ShippedHolding } from '../packages/server/holdings/shipped.ts';
import type { Instance } from './_instance.ts';

const CLI = join(import.meta.dirname, '../packages/server/cli/main.ts');
/** How long anything may take to come about. No test waits so long for what goes well. */
const PATIENCE_MS = 60_000;
const POLL_MS = 15;

/** What a gateway answered. */
export interface Answer {
  readonly status: number;
  readonly bytes: Buffer;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: an answer is looked into by tests that know its form.
  readonly json: any;
}

/**
 * An instance served by real processes: `amanat serve`, and the keeper that it starts. Whatever they write is kept.
 * The instance's own gateway and keeper are stopped before.
 */
export class Served {
  readonly instance: Instance;
  /** Everything that the processes wrote, so far. */
  output = '';
  #gateway: ChildProcess | null = null;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });

  constructor(instance: Instance, environment: NodeJS.ProcessEnv = process.env) {
    this.instance = instance;
    this.#environment = environment;
  }

  get isStarted(): boolean {
    return this.#gateway !== null;
  }

  /** The gateway's process. */
  get pid(): number {
    const pid = this.#gateway?.pid;
    if (pid === undefined) throw new Error('the gateway is not started');
    return pid;
  }

  /** The keeper's process, where it is the gateway's child and runs. */
  keeperPid(): number | null {
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
        const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        if (parent === String(this.pid) && state !== 'Z') return Number(name);
      } catch {
        // It has ended meanwhile.
      }
    }
    return null;
  }

  /** Starts the gateway, and waits until all is well, or the keeper locked. Gives where it serves over TCP. */
  async start({ isLocked = false }: { readonly isLocked?: boolean } = {}): Promise<string> {
    const from = this.output.length;
    const argv = [CLI, 'serve', '--dir', this.instance.dir, '--port', '0'];
    const child = spawn(process.execPath, argv, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: this.#environment,
    });
    this.#gateway = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    const url = await until(() => {
      if (child.exitCode !== null) throw new Error(`it ended: ${this.output.slice(from)}`);
      return /Serving (http:\S+)/.exec(this.output.slice(from))?.[1] ?? null;
    });
    if (isLocked)
      await until(async () => (await this.get('/v1/health')).json.log === 'keeper-locked');
    else await this.well();
    return url;
  }

  /** Kills the gateway outright; its keeper ends by itself. */
  async kill(): Promise<void> {
    const child = this.#gateway;
    if (child === null) return;
    this.#gateway = null;
    const ended = once(child, 'close');
    child.kill('SIGKILL');
    await ended;
  }

  /** Asks the gateway to end, and waits until it has. */
  async stop(): Promise<void> {
    const child = this.#gateway;
    if (child === null) return;
    this.#gateway = null;
    const ended = once(child, 'close');
    child.kill('SIGTERM');
    await ended;
  }

  /** Waits until health says that all is well. */
  async well(): Promise<void> {
    await until(async () => {
      const { status } = await this.get('/v1/health').catch(() => ({ status: 0 }));
      return status === 200 ? true : null;
    });
  }

  get(path: string): Promise<Answer> {
    return this.ask('GET', path, null);
  }

  post(path: string, body: object): Promise<Answer> {
    return this.ask('POST', path, JSON.stringify(body));
  }

  /** One exchange over the instance's Unix socket. Rejects where the connection broke. */
  ask(
    method: string,
    path: string,
    body: string | Buffer | null,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const type = body === null ? {} : { 'content-type': 'application/json' };
    const socketPath = this.instance.paths.gatewaySocket;
    const options = { socketPath, path, method, agent: this.#agent };
    return new Promise((resolve, reject) => {
      const sent = request({ ...options, headers: { ...type, ...headers } }, (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const bytes = Buffer.concat(chunks);
          const text = bytes.toString('utf8');
          const isJson = incoming.headers['content-type']?.includes('json') === true;
          const json = isJson && method !== 'HEAD' ? JSON.parse(text) : null;
          resolve({ status: incoming.statusCode ?? 0, bytes, text, json });
        });
      });
      sent.on('error', reject);
      sent.end(body ?? undefined);
    });
  }

  /** Imports files as the command line does. */
  async import(
    key: SigningKey,
    holding: ShippedHolding,
    paths: readonly string[],
    encoding: string | null = null,
    sheet: string | null = null,
  ): Promise<ImportSummary> {
    await using api = new Api({ socketPath: this.instance.paths.gatewaySocket });
    return await importFiles({
      api,
      key,
      holding,
      files: listFiles(paths),
      ofImages: holding === 'identity-card-images',
      mapping: null,
      encoding,
      sheet,
      now: Date.now,
      random: randomBytes,
      signal: new AbortController().signal,
      onProgress: () => {},
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    await this.stop();
  }
}

/** Waits until something is there. */
export async function until<T>(look: () => Promise<T | null> | T | null): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (Date.now() > deadline) throw new Error('it did not come about');
    await sleep(POLL_MS);
  }
}
