import { mkdirSync } from 'node:fs';
import { keeperArguments } from '@amanat/keeper/client';
import type { Logger } from 'pino';
import { Api } from '../cli/client.ts';
import { instancePaths } from '../config/paths.ts';
import { EmbeddedProcess } from '../embedded-process.ts';
import { startGateway } from '../gateway.ts';

/**
 * How long ago the demonstration begins: what is sealed then opens, and is counted in a month that is over, before
 * anybody looks.
 */
export const PAST_MS = 45 * 86_400_000;

/**
 * Runs a part of the demonstration as it would have been {@link PAST_MS} ago: gateway and keeper have that clock, the
 * keeper because its machine's is put back under it. No witness takes part, whose clock is right.
 */
export async function runInPast(
  {
    dir,
    now,
    logger,
  }: { readonly dir: string; readonly now: () => number; readonly logger: Logger },
  run: (api: Api, now: () => number) => Promise<void>,
): Promise<void> {
  const paths = instancePaths(dir);
  const past = () => now() - PAST_MS;
  mkdirSync(paths.run, { recursive: true, mode: 0o700 });
  await using stack = new AsyncDisposableStack();
  const { keeper, keeperSocket: socket, passphrase: passphraseFile } = paths;
  const argv = keeperArguments({ dir: keeper, socket, passphraseFile }, { embedded: true });
  const child = new EmbeddedProcess('keeper', [...putBack(), ...argv], (event) =>
    logger.info(event, 'keeper'),
  );
  stack.defer(() => child.stop());
  await child.ready;
  const gateway = stack.use(
    await startGateway({ dir, port: null, keeper: 'external', logger, now: past }),
  );
  await run(stack.use(new Api({ socketPath: gateway.socketPath })), past);
}

/** Node's option by which a process has a clock that is behind. */
function putBack(): readonly string[] {
  const module = `const now = Date.now; Date.now = () => now() - ${PAST_MS};`;
  return ['--import', `data:text/javascript,${encodeURIComponent(module)}`];
}
