import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { instancePaths } from '../config/paths.ts';
import { Api, isServed } from './client.ts';
import type { Call } from './command.ts';
import { CliError } from './errors.ts';

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
  const gateway = await startGateway({ dir: call.dir, port: null });
  return new Api({ socketPath: gatewaySocket }, () => gateway.close());
}
