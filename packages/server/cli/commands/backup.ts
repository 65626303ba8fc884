import { resolve } from 'node:path';
import { readConfig } from '../../config/config.ts';
import type { BackupPart } from '../backup-set.ts';
import { isEmpty, writeBackup } from '../backup-set.ts';
import type { Command } from '../command.ts';
import { CliError, wrongUsage } from '../errors.ts';
import { requireInstance } from '../instance.ts';
import type { Arguments } from '../options.ts';

/** `amanat backup`: the store, or the keeper, each to a place of its own. */
export const backup: Command = {
  usage: '--store FOLDER | --keeper FOLDER [--keep-until DATE] [--force]',
  about:
    'Backs up the store or the keeper while they run, and checks the copy. They are backed up apart and kept apart: ' +
    'the store alone decrypts nothing. Back up the keeper first and the store after it: a keeper that is ahead of its ' +
    'store refuses to serve. The keeper’s passphrase is in no backup; keep it elsewhere, or the backup is worth nothing.',
  example: 'amanat backup --keeper /safe-a/keeper\namanat backup --store /safe-b/store',
  options: {
    store: { value: 'FOLDER', help: 'back up the store there' },
    keeper: { value: 'FOLDER', help: 'back up the keeper there' },
    'keep-until': {
      value: 'DATE',
      help: 'of the keeper: when the copy will be destroyed, for certificates to say (YYYY-MM-DD)',
    },
    force: { help: 'overwrite a backup that is there' },
  },
  words: [0, 0],
  async run(call) {
    const { part, folder } = readPart(call.arguments);
    const keepUntil = readKeepUntil(call.arguments, part);
    requireInstance(call.dir);
    if (!isEmpty(folder) && !call.arguments.flag('force')) {
      throw new CliError('refused', `${folder} is not empty`, {
        reason: 'not-empty',
        remedy: 'name a new folder, or overwrite with --force',
      });
    }
    const { origin } = readConfig(call.dir);
    call.say(`Copying the ${part}, and checking the copy.`);
    const manifest = await writeBackup(folder, {
      dir: call.dir,
      part,
      origin,
      time: call.now(),
      keepUntil,
    });
    return {
      json: { folder, ...manifest },
      lines: [`Backed up the ${part} in ${folder}, and checked the copy.`],
    };
  },
};

/** Which part, and the folder named for it. @throws CliError 'wrong-usage' unless exactly one is named */
export function readPart(given: Arguments): { part: BackupPart; folder: string } {
  const store = given.text('store');
  const keeper = given.text('keeper');
  if ((store === null) === (keeper === null)) {
    throw wrongUsage('give either --store or --keeper: they are kept apart');
  }
  return store === null
    ? { part: 'keeper', folder: resolve(keeper ?? '') }
    : { part: 'store', folder: resolve(store) };
}

/**
 * The end of a date, in milliseconds since 1970; null where none is given.
 * @throws CliError 'wrong-usage'
 */
function readKeepUntil(given: Arguments, part: BackupPart): number | null {
  const date = given.text('keep-until');
  if (date === null) return null;
  if (part !== 'keeper') throw wrongUsage('--keep-until is of the keeper’s backups alone');
  const start = /^\d{4}-\d{2}-\d{2}$/.test(date) ? Date.parse(date) : Number.NaN;
  if (Number.isNaN(start)) throw wrongUsage('--keep-until is a date, YYYY-MM-DD');
  return start + 86_400_000;
}
