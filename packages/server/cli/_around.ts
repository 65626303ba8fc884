import type { Surroundings } from './command.ts';
import type { Exit } from './run.ts';
import { runCli } from './run.ts';

/** What a command line did, run in this process. */
export interface RanHere {
  readonly code: Exit;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process, with streams of its own. */
export async function runHere(
  argv: readonly string[],
  { input = '', env = {} }: { input?: string; env?: Surroundings['env'] } = {},
): Promise<RanHere> {
  const written = { stdout: '', stderr: '' };
  const code = await runCli(argv, {
    stdin: once(input),
    stdout: { write: (text) => (written.stdout += text) },
    stderr: { write: (text) => (written.stderr += text) },
    env,
    now: Date.now,
    signal: new AbortController().signal,
  });
  return { code, ...written };
}

async function* once(text: string): AsyncGenerator<string> {
  yield text;
}
