import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatVerifierKey } from '@amanat/core/log';
import { createWitnessFolder } from '../packages/server/witness/witness.ts';
import { startAmanat } from './_cli.ts';

/** What stands between the log and its witness does: nothing, or a lie. */
export type Lie =
  | 'another-witness'
  | 'old'
  | 'flipped'
  | 'empty'
  | 'future-size'
  | 'huge'
  | 'redirect';

/** What a witness answered. */
interface Added {
  readonly status: number;
  readonly body: string;
}

const HUGE_BYTES = 10_000_000;

/**
 * A real `amanat witness` in a process of its own, behind a server of the test's that can be slow, or lie. It notes
 * every cosignature that goes through.
 */
export class TestWitness implements AsyncDisposable {
  readonly key: string;
  /** Sizes that it cosigned, as the log was told. */
  readonly cosigned = new Set<number>();
  lie: Lie | null = null;
  delayMs = 0;
  /** Answers that were lies, and those that were not. */
  lies = 0;
  truths = 0;
  /** Gives another's answer to the same checkpoint. */
  other: TestWitness | null = null;
  readonly #dir: string;
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  #child: ChildProcess | null = null;
  #url = '';
  #old = '';

  private constructor(dir: string, key: string) {
    this.#dir = dir;
    this.key = key;
  }

  static async create(folder: string, name: string, logKey: string): Promise<TestWitness> {
    const dir = join(folder, name);
    const [key] = createWitnessFolder(dir, {
      name: `witness.example/${name}`,
      kinds: ['ed25519'],
      logs: [logKey],
    });
    if (key === undefined) throw new Error('a witness has no key');
    const witness = new TestWitness(dir, formatVerifierKey(key.public));
    await once(witness.#server.listen(0, '127.0.0.1'), 'listening');
    await witness.start();
    return witness;
  }

  /** Where the log asks it. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async start(): Promise<void> {
    const { child, output } = await startAmanat(['witness', '--dir', this.#dir, '--port', '0'], {
      cwd: this.#dir,
      ready: /Witnessing .*Ctrl-C/,
    });
    this.#child = child;
    this.#url = /http:\/\/127\.0\.0\.1:\d+/.exec(output())?.[0] ?? '';
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null) return;
    const ended = once(child, 'close');
    child.kill('SIGKILL');
    await ended;
  }

  async add(body: string): Promise<Added> {
    const response = await fetch(`${this.#url}/add-checkpoint`, { method: 'POST', body });
    return { status: response.status, body: await response.text() };
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const asked = Buffer.concat(chunks).toString();
    if (this.delayMs > 0) await sleep(this.delayMs);
    try {
      if (this.lie === null) await this.#tell(asked, response);
      else await this.#lie(this.lie, asked, response);
    } catch {
      // It is gone, or was killed before it answered.
      response.destroy();
    }
  }

  async #tell(asked: string, response: ServerResponse): Promise<void> {
    const { status, body } = await this.add(asked);
    if (status === 200) {
      this.#old ||= body;
      this.truths += 1;
      this.cosigned.add(Number(asked.split('\n\n')[1]?.split('\n')[1]));
    }
    response.writeHead(status, { 'content-type': 'text/plain' }).end(body);
  }

  async #lie(lie: Lie, asked: string, response: ServerResponse): Promise<void> {
    this.lies += 1;
    switch (lie) {
      case 'another-witness': {
        const answer = (await this.other?.add(asked)) ?? { status: 500, body: '' };
        response.writeHead(answer.status).end(answer.body);
        return;
      }
      case 'old':
        response.end(this.#old);
        return;
      case 'flipped': {
        const { body } = await this.add(asked);
        response.end(body.replace(/.(.{20})\n$/, (_, end: string) => `A${end}\n`));
        return;
      }
      case 'empty':
        response.end();
        return;
      case 'future-size':
        response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end('9007199254740991\n');
        return;
      case 'huge':
        response.end(`${'\u2014 x AAAA\n'.repeat(HUGE_BYTES / 12)}`);
        return;
      case 'redirect':
        response.writeHead(307, { location: `${this.other?.url ?? ''}add-checkpoint` }).end();
        return;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal('SIGCONT');
    await this.kill();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
