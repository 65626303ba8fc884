import { existsSync, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ConfigError, readConfig } from '../../config/config.ts';
import { InstanceLock } from '../../config/lock.ts';
import { instancePaths } from '../../config/paths.ts';
import { createSqliteLogStore } from '../../log/store-sqlite.ts';
import { openDatabase } from '../../storage/sqlite.ts';
import { asCliError } from '../backup-copy.ts';
import { checkBackup, isPartThere, putBack } from '../backup-set.ts';
import { isServed } from '../client.ts';
import type { Call, Command, Outcome } from '../command.ts';
import type { Drill } from '../drill.ts';
import { drill } from '../drill.ts';
import { CliError, wrongUsage } from '../errors.ts';
import { configPath } from '../instance.ts';
import { PROCESSES_OPTION, processesOf } from '../log-place.ts';
import { format } from '../progress.ts';
import { readPart, readParts } from './backup.ts';

/** `amanat restore`: a backup of the store, the keeper or the log, put back; or a drill of any of them. */
export const restore: Command = {
  usage:
    '--keeper FOLDER | --log FOLDER | --store FOLDER [--force] [--accept-forgotten]\n' +
    '       amanat restore --drill [--keeper FOLDER] [--log FOLDER] [--store FOLDER] [--passphrase-file FILE] [--in FOLDER]',
  about:
    'Puts back what amanat backup made, after checking it. It refuses while a gateway or keeper runs, and does not ' +
    'overwrite what is there without --force. Of a store and a keeper that do not belong together the gateway refuses ' +
    'to serve. A keeper older than the store has forgotten the entries about people since: only with ' +
    '--accept-forgotten does it serve without them, and those people must be told. With --drill nothing is put back: ' +
    'the backups are restored into a folder of their own, verified whole and together, reported on and deleted. Then ' +
    'it exits with 1 where anything is wrong.',
  example:
    'amanat restore --store /safe-b/store --dir ./amanat-data\n' +
    'amanat restore --drill --keeper /safe-a/keeper --log /safe-c/log --store /safe-b/store',
  options: {
    keeper: { value: 'FOLDER', help: 'a backup of the keeper' },
    log: { value: 'FOLDER', help: 'a backup of the log' },
    store: { value: 'FOLDER', help: 'a backup of the store' },
    force: { help: 'overwrite what is there' },
    'accept-forgotten': { help: 'serve although the keeper has forgotten entries' },
    drill: { help: 'restore elsewhere, verify, report, delete' },
    'passphrase-file': { value: 'FILE', help: 'for a drill of the keeper (the instance’s own)' },
    in: { value: 'FOLDER', help: 'where a drill restores to (beside the instance)' },
    ...PROCESSES_OPTION,
  },
  words: [0, 0],
  async run(call) {
    if (call.arguments.flag('drill')) return runDrill(call);
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
      const { origin } = manifest;
      if (existsSync(configPath(call.dir)) && readConfig(call.dir).origin !== origin) {
        throw new CliError('refused', 'the backup is of another instance', {
          reason: 'another-instance',
          remedy: 'restore it into a folder of its own with --dir',
        });
      }
      if (isPartThere(call.dir, part) && !call.arguments.flag('force')) {
        throw new CliError('refused', `a ${part} is there already`, {
          reason: 'not-empty',
          remedy: 'move it away, or overwrite it with --force',
        });
      }
      await putBack(folder, { dir: call.dir, manifest, signal: call.signal });
      const stored = instancePaths(call.dir).database;
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

async function runDrill(call: Call): Promise<Outcome> {
  const given = call.arguments;
  const parts = readParts(given);
  if (parts.length === 0) throw wrongUsage('name what to drill: --store, --keeper, --log');
  if (given.flag('force') || given.flag('accept-forgotten')) {
    throw wrongUsage('--drill puts nothing back: it takes neither --force nor --accept-forgotten');
  }
  const own = instancePaths(call.dir).passphrase;
  const passphraseFile = given.text('passphrase-file') ?? (existsSync(own) ? own : null);
  const found = await drill({
    folders: Object.fromEntries(parts.map(({ part, folder }) => [part, folder])),
    passphraseFile: passphraseFile === null ? null : resolve(passphraseFile),
    parent: resolve(given.text('in') ?? dirname(resolve(call.dir))),
    processes: processesOf(given),
    now: call.now(),
    progress: (label, unit) => call.progress(label, unit),
    signal: call.signal,
  });
  return { ok: found.isWell, json: { ...found }, lines: describe(found) };
}

function describe({ isWell, copies, size, keeperSize, forgotten, findings, unchecked }: Drill) {
  const hours = (ms: number) => `${format(Math.round(ms / 3_600_000))} h old`;
  return [
    ...copies.map(
      ({ part, time, ageMs }) =>
        `The ${part} of ${time === null ? 'no known time' : `${new Date(time).toISOString()}, ${hours(ageMs ?? 0)}`}.`,
    ),
    ...(size === null ? [] : [`Leaves: ${format(size)}.`]),
    ...(keeperSize === null ? [] : [`The keeper stands at ${format(keeperSize)} leaves.`]),
    ...(forgotten === null || forgotten === 0
      ? []
      : [
          `The keeper is older than the store, and would forget ${format(forgotten)} entries about people: restore it ` +
            'with --accept-forgotten, and tell them. A standby would have had them.',
        ]),
    ...findings.map(
      ({ part, finding, at }) => `  WRONG ${part}: ${finding}${at === null ? '' : ` at ${at}`}`,
    ),
    ...unchecked.map((what) => `Not checked: ${what}.`),
    isWell
      ? 'Restored, verified and deleted: all well.'
      : 'NOT WELL. What was restored is deleted.',
  ];
}

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
    if (!(cause instanceof ConfigError)) throw asCliError(cause, 'the instance cannot be held');
    throw new CliError('refused', 'a gateway runs on this instance', {
      cause,
      reason: 'already-served',
      remedy: 'stop it first',
    });
  }
}
