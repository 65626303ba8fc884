import { DatabaseSync } from 'node:sqlite';

/** How long to wait for a keeper that is on its way out. */
const WAIT_MS = 10_000;
const SQLITE_BUSY = 5;

/** Holds a folder for this process alone, for as long as it lives: the system lets go when it dies. */
export class FolderLock {
  readonly #db: DatabaseSync;

  /** Throws where another process holds it and does not let go in time. */
  constructor(path: string) {
    this.#db = new DatabaseSync(path, { limits: { attach: 0 } });
    try {
      this.#db.exec(
        `PRAGMA busy_timeout = ${WAIT_MS}; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE`,
      );
    } catch (cause) {
      this.#db.close();
      if ((cause as { errcode?: number }).errcode !== SQLITE_BUSY) throw cause;
      throw new Error('the folder cannot be locked: another keeper serves it', { cause });
    }
  }

  release(): void {
    this.#db.close();
  }
}
