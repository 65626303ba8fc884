import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { hex } from '@amanat/core/bytes';
import { readConfig } from '../../config/config.ts';
import type { BackupPart } from '../backup-set.ts';
import { BACKUP_PARTS, isEmpty, writeBackup } from '../backup-set.ts';
import type { Command } from '../command.ts';
import { CliError, wrongUsage } from '../errors.ts';
import { requireInstance } from '../instance.ts';
import type { Arguments } from '../options.ts';

/** `amanat backup`: the store, the keeper, or the log, each to a place of its own. */
export const backup: Command = {
  usage: '--keeper FOLDER [--keep-until DATE] | --log FOLDER | --store FOLDER [--force]',
  about:
    'Backs up the keeper, the log’s key and files, or the store, while they run, and checks the copy. They are backed up ' +
    'apart and kept apart: the store alone decrypts nothing, and the log’s key alone signs nothing that is believed. ' +
    'The store comes last: a keeper or a log that is ahead of its store is refused. The keeper’s passphrase is in no ' +
    'backup; keep it elsewhere, or the backup is worth nothing.',
  example:
    'amanat backup --keeper /safe-a/keeper\namanat backup --log /safe-c/log\namanat backup --store /safe-b/store',
  options: {
    keeper: { value: 'FOLDER', help: 'back up the keeper there' },
    'keep-until': {
      value: 'DATE',
      help: 'of the keeper: when the copy will be destroyed, for certificates to say (YYYY-MM-DD)',
    },
    log: { value: 'FOLDER', help: 'back up the log’s key and static files there' },
    store: { value: 'FOLDER', help: 'back up the store and the settings there' },
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
    const { dir, signal } = call;
    const manifest = await writeBackup(folder, {
      dir,
      id: hex(randomBytes(32)),
      part,
      origin,
      time: call.now(),
      keepUntil,
      signal,
    });
    return {
      json: { folder, ...manifest },
      lines: [`Backed up the ${part} in ${folder}, and checked the copy.`],
    };
  },
};

/** A part, and the folder named for it. */
export interface NamedPart {
  readonly part: BackupPart;
  readonly folder: string;
}

/** The parts that are named, in their order. */
export function readParts(given: Arguments): readonly NamedPart[] {
  return BACKUP_PARTS.flatMap((part) => {
    const folder = given.text(part);
    return folder === null ? [] : [{ part, folder: resolve(folder) }];
  });
}

/** The one part that is named. @throws CliError 'wrong-usage' unless exactly one is */
export function readPart(given: Arguments): NamedPart {
  const [part, another] = readParts(given);
  if (part === undefined || another !== undefined) {
    throw wrongUsage('give one of --store, --keeper and --log: they are kept apart');
  }
  return part;
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
