import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json } from '@amanat/core/canonical';
import type { KeeperBackup } from '@amanat/core/shred-certificate';
import { BACKUPS_MAX, readKeeperBackup } from '@amanat/core/shred-certificate';
import { readConfig } from '../config/config.ts';
import { InstanceLock } from '../config/lock.ts';
import { instancePaths } from '../config/paths.ts';
import { wipe } from '../storage/files.ts';
import { CliError } from './errors.ts';
import { writePrivate } from './files.ts';
import { configPath } from './instance.ts';

/** In the keeper's folder, its standby's and its backups': its backups, a line each. */
export const BACKUPS = 'backups.jsonl';
const LOCK = 'backups.lock';

/** Where the keeper's backups are listed: beside its database, where it reads them when it certifies, and its standby's. */
function listsOf(dir: string): readonly [string, ...string[]] {
  const standby = existsSync(configPath(dir)) ? readConfig(dir).standby : null;
  const own = join(instancePaths(dir).keeper, BACKUPS);
  return standby === null ? [own] : [own, join(standby, BACKUPS)];
}

/** @throws CliError 'failed' where it is not there, or not in its form: what is left out of it no certificate names */
function backupsIn(path: string): readonly KeeperBackup[] {
  try {
    const lines = readFileSync(path, 'utf8').split('\n');
    return lines.flatMap((line) =>
      line === '' ? [] : [readKeeperBackup(JSON.parse(line) as Json, '')],
    );
  } catch (cause) {
    throw new CliError('failed', `the list of the keeper’s backups, ${path}, cannot be read`, {
      cause,
      reason: 'backups-unreadable',
      remedy: 'mend it, or make it with a line for each copy of keeper.db that there is',
    });
  }
}

/** @throws CliError 'refused' where there are more than a certificate names */
function listText(backups: readonly KeeperBackup[], path: string): string {
  if (backups.length > BACKUPS_MAX) {
    throw new CliError('refused', `${BACKUPS_MAX} backups of the keeper are listed already`, {
      reason: 'too-many-backups',
      remedy: `take those that are destroyed out of ${path}`,
    });
  }
  return backups.map((each) => `${JSON.stringify(each)}\n`).join('');
}

/** Notes a backup of the keeper. None is left out for its day: by whose clock it is past, it may be there. */
export function noteBackup(dir: string, backup: KeeperBackup): void {
  change(dir, (listed) => [...listed, backup]);
}

/** Of a backup that failed: its copy, and then its line. Where that fails too, the line stays. */
export function dropBackup(dir: string, { id, copy }: { id: string; copy: string }): void {
  try {
    wipe(copy);
    change(dir, (listed) => listed.filter((each) => each.id !== id));
  } catch {
    // Why the backup failed is what has to be said.
  }
}

/** One at a time: of two that write at once, one would lose the other's line. */
function change(
  dir: string,
  to: (listed: readonly KeeperBackup[]) => readonly KeeperBackup[],
): void {
  const lock = new InstanceLock(join(instancePaths(dir).keeper, LOCK));
  try {
    const lists = listsOf(dir);
    const text = listText(to(backupsIn(lists[0])), lists[0]);
    for (const list of lists) writePrivate(list, text, { replace: true });
  } finally {
    lock.release();
  }
}

/** What a backup's list says, and the lists that are there already. */
export function joinLists(dir: string, restored: string): string {
  const known = new Map<string, KeeperBackup>();
  for (const path of [restored, ...listsOf(dir).filter((each) => existsSync(each))]) {
    for (const backup of backupsIn(path)) known.set(backup.id, backup);
  }
  return listText([...known.values()], restored);
}
