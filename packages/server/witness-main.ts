import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { destination, pino } from 'pino';
import { startWitness } from './witness-server.ts';

/** A folder or port that another still holds is tried again after so long. */
const RETRY_MS = 1_000;
const PORT = /^[1-9][0-9]{0,4}$/;

/**
 * A demonstration's witnesses, all in this one process: `witness-main.ts FOLDER`. Each has a folder of its own there,
 * named for its port. Says `ready` once each serves or could not, and ends with whoever holds the other end of its
 * standard input.
 */
async function main(folder: string | undefined): Promise<void> {
  if (folder === undefined) throw new Error('the folder of the witnesses is needed');
  const ending = new AbortController();
  process.stdin.once('close', () => ending.abort()).resume();
  process.once('SIGTERM', () => ending.abort());
  const ports = readdirSync(folder).filter((name) => PORT.test(name));
  const tried = ports.map(() => Promise.withResolvers<void>());
  const served = ports.map((port, at) =>
    serve({ dir: join(folder, port), port: Number(port) }, ending.signal, () =>
      tried[at]?.resolve(),
    ),
  );
  await Promise.all(tried.map(({ promise }) => promise));
  process.stdout.write('ready\n');
  await Promise.all(served);
  process.stdin.destroy();
}

/** Serves one witness until it is told to end. */
async function serve(
  { dir, port }: { readonly dir: string; readonly port: number },
  signal: AbortSignal,
  tried: () => void,
): Promise<void> {
  const logger = pino({ base: null, level: 'error' }, destination({ fd: 2, sync: true }));
  const ended = new Promise<void>((resolve) =>
    signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    try {
      await using _ = await startWitness({ dir, port, logger });
      tried();
      await ended;
    } catch (error) {
      if (isFirst) process.stderr.write(`witness ${port}: ${whatOf(error)}\n`);
      tried();
      await Promise.race([sleep(RETRY_MS), ended]);
    }
  }
}

function whatOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown failure';
}

main(process.argv[2]).catch((error: unknown) => {
  process.stderr.write(`witnesses: ${whatOf(error)}\n`);
  process.exitCode = 1;
});
