import { existsSync, mkdirSync } from 'node:fs';
import { readConfig } from '../../config/config.ts';
import { InstanceLock } from '../../config/lock.ts';
import { instancePaths } from '../../config/paths.ts';
import { createSqliteLogStore } from '../../log/store-sqlite.ts';
import { openDatabase } from '../../storage/sqlite.ts';
import { checkBackup, partFiles, putBack } from '../backup-set.ts';
import { isServed } from '../client.ts';
import type { Command } from '../command.ts';
import { CliError } from '../errors.ts';
import { configPath } from '../instance.ts';
import { readPart } from './backup.ts';

/** `amanat restore`: a backup of the store, or of the keeper, put back. */
export const restore: Command = {
  usage: '--store FOLDER | --keeper FOLDER [--force] [--accept-forgotten]',
  about:
    'Puts back what amanat backup made, after checking it. It refuses while a gateway or keeper runs, and does not ' +
    'overwrite what is there without --force. Of a store and a keeper that do not belong together the gateway refuses ' +
    'to serve. A keeper older than the store has forgotten the entries about people since: only with ' +
    '--accept-forgotten does it serve without them, and those people must be told.',
  example: 'amanat restore --store /safe-b/store --dir ./amanat-data',
  options: {
    store: { value: 'FOLDER', help: 'a backup of the store' },
    keeper: { value: 'FOLDER', help: 'a backup of the keeper' },
    force: { help: 'overwrite what is there' },
    'accept-forgotten': { help: 'serve although the keeper has forgotten entries' },
  },
  words: [0, 0],
  async run(call) {
    const { part, folder } = readPart(call.arguments);
    const { run, lock, keeperSocket, passphrase } = instancePaths(call.dir);
    // Before anything is made: a folder that gets no backup stays as it was.
    const manifest = await checkBackup(folder, part);
    mkdirSync(run, { recursive: true, mode: 0o700 });
    const held = holdInstance(lock);
    try {
      if (await isServed(keeperSocket)) {
        throw new CliError('refused', 'a keeper runs on this instance', {
          remedy: 'stop it first',
        });
      }
      if (existsSync(configPath(call.dir)) && readConfig(call.dir).origin !== manifest.origin) {
        throw new CliError('refused', 'the backup is of another instance', {
          reason: 'another-instance',
          remedy: 'restore it into a folder of its own with --dir',
        });
      }
      const { database } = partFiles(call.dir, part);
      if (existsSync(database) && !call.arguments.flag('force')) {
        throw new CliError('refused', `a ${part} is there already`, {
          reason: 'not-empty',
          remedy: 'move it away, or overwrite it with --force',
        });
      }
      await putBack(folder, call.dir, part);
      const stored = partFiles(call.dir, 'store').database;
      if (call.arguments.flag('accept-forgotten') && existsSync(stored)) acceptForgotten(stored);
      const needsPassphrase = part === 'keeper' && !existsSync(passphrase);
      return {
        json: { part, dir: call.dir, time: manifest.time, needsPassphrase },
        lines: [
          `Put the ${part} of ${new Date(manifest.time).toISOString()} back into ${call.dir}.`,
          ...(needsPassphrase ? [`Its passphrase is still to be put into ${passphrase}.`] : []),
        ],
      };
    } finally {
      held.release();
    }
  },
};

/** Has the store forget how far its keeper once followed, so that an older one may follow from where it stands. */
function acceptForgotten(path: string): void {
  const database = openDatabase(path);
  try {
    createSqliteLogStore(database).noteFollowed(0);
  } finally {
    database.close();
  }
}

function holdInstance(path: string): InstanceLock {
  try {
    return new InstanceLock(path);
  } catch (cause) {
    throw new CliError('refused', 'a gateway runs on this instance', {
      cause,
      reason: 'already-served',
      remedy: 'stop it first',
    });
  }
}
