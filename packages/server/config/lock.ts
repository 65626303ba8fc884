import { DatabaseSync } from 'node:sqlite';
import { toStorageError } from '../storage/errors.ts';
import { ConfigError } from './config.ts';

/** How long to wait for a process that is on its way out. */
const WAIT_MS = 3_000;

/**
 * Holds an instance's or a witness's folder for this process alone. The hold is the system's lock on an open file, so that it goes
 * with the process however that ends: no stale lock is ever left to be judged.
 */
export class InstanceLock {
  readonly #file: DatabaseSync;

  /** @throws ConfigError 'already-served' where another process holds the folder and does not let go in time */
  constructor(path: string) {
    this.#file = new DatabaseSync(path);
    try {
      this.#file.exec(
        `PRAGMA busy_timeout = ${WAIT_MS}; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE`,
      );
    } catch (cause) {
      this.#file.close();
      if (toStorageError(cause)?.code !== 'store-busy') throw cause;
      throw new ConfigError('already-served', 'another process serves this folder', { cause });
    }
  }

  /** Lets go of the folder. */
  release(): void {
    if (this.#file.isOpen) this.#file.close();
  }
}
