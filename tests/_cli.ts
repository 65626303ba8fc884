import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const AMANAT = join(import.meta.dirname, '../amanat');

/** What a command line did. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the real ./amanat to its end. */
export async function amanat(
  args: readonly string[],
  { cwd, input = '', env = {} }: { cwd: string; input?: string; env?: NodeJS.ProcessEnv },
): Promise<Ran> {
  const child = spawn(AMANAT, args, {
    cwd,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...environment(), ...env },
  });
  // A command that refuses before it reads breaks the pipe.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...output };
}

/** Starts a command that goes on until it is told to stop, and waits until its output holds `ready`. */
export async function startAmanat(
  args: readonly string[],
  { cwd, ready }: { cwd: string; ready: RegExp },
): Promise<{ child: ChildProcess; output: () => string; stop: () => Promise<void> }> {
  const child = spawn(AMANAT, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], env: environment() });
  let output = '';
  const seen = new Promise<void>((resolve, reject) => {
    const take = (text: string) => {
      output += text;
      if (ready.test(output)) resolve();
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.once('close', () => reject(new Error(`ended before it was ready: ${output}`)));
  });
  await seen;
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGINT');
    await once(child, 'close');
  };
  return { child, output: () => output, stop };
}

function environment(): NodeJS.ProcessEnv {
  const { AMANAT_DIR: _, ...env } = process.env;
  return env;
}
