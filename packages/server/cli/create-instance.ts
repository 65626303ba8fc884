import { mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { base64 } from '@amanat/core/bytes';
import type { Genesis } from '@amanat/core/grants';
import { readDocument, writeDocument } from '@amanat/core/grants';
import type { DrawnRoot } from '@amanat/keeper/client';
import { createKeeper, drawUnderPassphrase } from '@amanat/keeper/client';
import type { DeviceSettings } from '../config/config.ts';
import type { InstancePaths } from '../config/paths.ts';
import { instancePaths } from '../config/paths.ts';
import { SqliteCustodyStore } from '../custody/store-sqlite.ts';
import type { LogStore } from '../log/log.ts';
import { createLogKey, encodeSigned } from '../log/log.ts';
import { createSqliteLogStore } from '../log/store-sqlite.ts';
import { createSqliteCertificateStore } from '../shredding/store-sqlite.ts';
import type { Database } from '../storage/sqlite.ts';
import { openDatabase } from '../storage/sqlite.ts';
import { CliError } from './errors.ts';
import { codeOf, writePrivate } from './files.ts';
import { configPath } from './instance.ts';
import type { Random } from './requests.ts';

const PASSPHRASE_BYTES = 32;

/** What an instance is from its beginning. */
export interface NewInstance {
  readonly dir: string;
  readonly mode: 'demo' | 'trial';
  readonly origin: string;
  /** Public keys, in their text form. */
  readonly administrators: readonly [string, string];
  readonly registrar: string;
  readonly activationSeconds: number;
  readonly port: number;
  readonly publishSeconds: number;
  readonly device?: DeviceSettings | null;
}

/** What an instance is made by. */
interface Makers {
  readonly now: number;
  readonly random: Random;
  /** Draws the keeper's root, once its folder is there. Otherwise under a passphrase, which is drawn into its file. */
  readonly drawRoot?: (paths: InstancePaths) => Promise<DrawnRoot>;
}

/**
 * Makes an instance: its keeper, the log's key, the first entry (the genesis, which the keeper pins), and the settings,
 * written last, so that a folder with settings is a whole instance. Where it fails, nothing is left of it.
 * @throws CliError 'failed' where the folder is not empty
 */
export async function createInstance(settings: NewInstance, by: Makers): Promise<Genesis> {
  const { dir } = settings;
  const paths = instancePaths(dir);
  requireEmpty(dir);
  const outermost = mkdirSync(dir, { recursive: true, mode: 0o700 });
  const made: string[] = [];
  try {
    const store = dirname(paths.database);
    for (const folder of [store, paths.log, paths.public, paths.keeper, paths.run, paths.imports]) {
      // Not there yet, or somebody else makes an instance here: what is theirs is not ours to remove.
      mkdirSync(folder, { mode: 0o700 });
      made.push(folder);
    }
    return await fillInstance(settings, by);
  } catch (error) {
    if (made.length > 0) made.push(configPath(dir));
    for (const path of made) rmSync(path, { recursive: true, force: true });
    if (outermost !== undefined) removeEmpty(dir, outermost);
    throw error;
  }
}

/** Removes folders that were made, from the innermost to the outermost, as far as nobody has put anything there. */
function removeEmpty(innermost: string, outermost: string): void {
  try {
    for (let folder = innermost; folder.length >= outermost.length; folder = dirname(folder)) {
      rmdirSync(folder);
    }
  } catch {
    // Why the instance was not made matters more than a folder that stays.
  }
}

async function fillInstance(
  settings: NewInstance,
  { now, random, drawRoot }: Makers,
): Promise<Genesis> {
  const { dir, mode, origin } = settings;
  const paths = instancePaths(dir);
  const root = drawRoot ? await drawRoot(paths) : drawPassphrase(paths.passphrase, random);
  const logKey = createLogKey(paths.log, origin);
  const document = await createKeeper({
    dir: paths.keeper,
    root,
    genesis: (keys) =>
      writeDocument<'genesis'>({
        type: 'genesis',
        origin,
        mode,
        logKey: logKey.verifierKey,
        ...keys,
        administrators: settings.administrators,
        registrar: settings.registrar,
        activationSeconds: settings.activationSeconds,
        time: now,
      }),
  });
  enterGenesis(paths.database, document, now);
  const config = {
    mode,
    origin,
    keeper: 'embedded',
    ...(settings.device ? { device: settings.device } : {}),
    port: settings.port,
    publishSeconds: settings.publishSeconds,
    allowSynthetic: mode === 'demo',
  };
  writePrivate(configPath(dir), `${JSON.stringify(config, null, 2)}\n`, { replace: false });
  return readDocument(document, 'genesis');
}

function drawPassphrase(path: string, random: Random): DrawnRoot {
  const passphrase = base64(random(PASSPHRASE_BYTES));
  writePrivate(path, `${passphrase}\n`, { replace: false });
  return drawUnderPassphrase(Buffer.from(passphrase));
}

/** The log's first leaf. The keeper takes it in when it first follows the log. */
function enterGenesis(path: string, document: string, now: number): void {
  const bytes = encodeSigned({ document, signatures: [] });
  if (bytes === null) throw new Error('genesis is no leaf');
  const database = openDatabase(path);
  try {
    createStore(database).append(0, [{ bytes, entry: null, publicTime: now }], [], 0);
  } finally {
    database.close();
  }
}

/** Makes the tables of every part of the store. */
export function createStore(database: Database): LogStore {
  new SqliteCustodyStore(database);
  createSqliteCertificateStore(database);
  return createSqliteLogStore(database);
}

function requireEmpty(dir: string): void {
  try {
    if (readdirSync(dir).length === 0) return;
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return;
    throw new CliError('failed', `${dir} cannot be read`, { cause });
  }
  throw new CliError('failed', `${dir} is not empty`, {
    reason: 'not-empty',
    remedy: 'name a new folder with --dir; nothing is ever overwritten',
  });
}
