import { join } from 'node:path';

/** Where things are in an instance's folder. */
export interface InstancePaths {
  readonly database: string;
  readonly log: string;
  readonly public: string;
  readonly keeper: string;
  readonly passphrase: string;
  readonly deviceSocket: string;
  readonly run: string;
  readonly lock: string;
  readonly keeperSocket: string;
  readonly gatewaySocket: string;
  readonly imports: string;
  /** A demonstration's own witnesses, each in a folder named for its port. */
  readonly witnesses: string;
}

/** The paths of an instance's folder. */
export function instancePaths(dir: string): InstancePaths {
  return {
    database: join(dir, 'store', 'amanat.db'),
    log: join(dir, 'log'),
    public: join(dir, 'log', 'public'),
    keeper: join(dir, 'keeper'),
    passphrase: join(dir, 'keeper', 'passphrase'),
    deviceSocket: join(dir, 'keeper', 'device.sock'),
    run: join(dir, 'run'),
    lock: join(dir, 'run', 'gateway.lock'),
    keeperSocket: join(dir, 'run', 'keeper.sock'),
    gatewaySocket: join(dir, 'run', 'gateway.sock'),
    imports: join(dir, 'imports'),
    witnesses: join(dir, 'witnesses'),
  };
}
