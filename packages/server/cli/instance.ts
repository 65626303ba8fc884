import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError } from '../config/config.ts';
import { instancePaths } from '../config/paths.ts';
import { Api, isServed } from './client.ts';
import type { Call } from './command.ts';
import { CliError } from './errors.ts';

/** How long a gateway that starts may take until it answers, and how often it is looked for. */
const START_MS_MAX = 15_000;
const LOOK_MS = 200;

/** An instance's settings, without which a folder is none. */
export function configPath(dir: string): string {
  return join(dir, 'config.json');
}

/** @throws CliError 'failed' where the folder holds no instance */
export function requireInstance(dir: string): void {
  if (existsSync(configPath(dir))) return;
  throw new CliError('failed', `there is no instance in ${dir}`, {
    reason: 'no-instance',
    remedy: 'make one with amanat init, or name another with --dir',
  });
}

/**
 * The instance's API: of the gateway that serves it, or, where none does, of one that runs in this process for as long
 * as the caller keeps it.
 * @throws CliError 'failed'
 */
export async function openApi(call: Pick<Call, 'dir'>): Promise<Api> {
  requireInstance(call.dir);
  const { gatewaySocket } = instancePaths(call.dir);
  if (await isServed(gatewaySocket)) return new Api({ socketPath: gatewaySocket });
  const { startGateway } = await import('../gateway.ts');
  try {
    const gateway = await startGateway({ dir: call.dir, port: null });
    return new Api({ socketPath: gatewaySocket }, () => gateway.close());
  } catch (cause) {
    if (!(cause instanceof ConfigError && cause.code === 'already-served')) throw cause;
    // A gateway holds the folder before it answers, while it starts.
    if (await isServedSoon(gatewaySocket)) return new Api({ socketPath: gatewaySocket });
    throw new CliError('failed', 'another process holds this folder, and does not answer', {
      reason: cause.code,
      remedy: 'a gateway may be starting or ending, or a restore running: try again in a moment',
      cause,
    });
  }
}

async function isServedSoon(socketPath: string): Promise<boolean> {
  for (let waited = 0; waited < START_MS_MAX; waited += LOOK_MS) {
    if (await isServed(socketPath)) return true;
    await sleep(LOOK_MS);
  }
  return false;
}
