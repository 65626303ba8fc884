import { constants, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KEEPER_FILES } from './create.ts';
import { FolderLock } from './lock.ts';

/**
 * A standby's folder: another keeper's folder in waiting, with the files that one is started from, held for this process
 * alone, so that no keeper is started from it meanwhile.
 */
export class StandbyFolder {
  readonly database: string;
  readonly #lock: FolderLock;

  /**
   * @param dir the keeper's own folder, whose list of backups goes along
   * @throws Error where the folder has no database, not even an empty file, or is another keeper's
   */
  constructor(folder: string, dir: string) {
    this.database = join(folder, KEEPER_FILES.database);
    // A disk that is not mounted leaves an empty folder, in which nothing is to be begun. Of what is in a folder that is
    // not there, Node's permission model lets nothing be asked.
    if (!existsSync(folder) || !existsSync(this.database)) {
      throw new Error(
        'the standby’s folder has no keeper.db: is its disk there? For a new copy make an empty file of that name',
      );
    }
    this.#lock = new FolderLock(join(folder, KEEPER_FILES.lock));
    bringAlong(KEEPER_FILES.backups, dir, folder);
  }

  release(): void {
    this.#lock.release();
  }
}

/** Copies a file where there is one, and it is another. */
function bringAlong(name: string, from: string, to: string): void {
  if (!existsSync(join(from, name))) return;
  const bytes = readFileSync(join(from, name));
  const target = join(to, name);
  if (existsSync(target) && readFileSync(target).equals(bytes)) return;
  // Node’s permission model has no fsync: each write is made durable as it is made.
  const { O_WRONLY, O_CREAT, O_TRUNC, O_SYNC } = constants;
  writeFileSync(`${target}.new`, bytes, {
    flag: (O_WRONLY | O_CREAT | O_TRUNC | O_SYNC) as unknown as string,
    mode: 0o600,
  });
  renameSync(`${target}.new`, target);
}
