import { closeSync, existsSync, fstatSync, openSync, statSync, writeSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';

/** Of a WAL: by it alone SQLite knows that the frames behind it are any. */
const HEADER_BYTES = 32;
const CHUNK_BYTES = 1024 * 1024;
/** How long a scrub waits for whoever reads: nobody is answered meanwhile. */
const WAIT_MS = 200;
/** A journal that is scrubbed within milliseconds. */
const SHORT_BYTES = 256 * 1024;

/**
 * Brings a database's pages up to date and overwrites its WAL with zeros, so that what rows held before stands nowhere
 * on the disk, freed blocks included; then gives the file's blocks back. Gives false, and overwrites nothing, while
 * another connection reads: a copy that is being made, say.
 *
 * Sound at every step. The checkpoint has all frames in the database, durably, before it says so; readers that come then
 * read the database alone, and the next writer begins the WAL anew with a header of its own. Killed in between, SQLite
 * finds a WAL whose frames repeat the database, or one without a header, which is none: the header goes first, because
 * the first frames without the last ones would be an older database.
 * @param path the database's.
 * @throws what SQLite or the file system throws: the journal holds what it held, or less
 */
export function scrubJournal(db: DatabaseSync, path: string, waitMs = WAIT_MS): boolean {
  const { timeout } = db.prepare('PRAGMA busy_timeout').get() ?? {};
  db.exec(`PRAGMA busy_timeout = ${waitMs}`);
  try {
    const { busy } = db.prepare('PRAGMA wal_checkpoint(RESTART)').get() ?? {};
    if (busy !== 0) return false;
    const journal = journalOf(path);
    if (existsSync(journal)) overwrite(journal);
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    return true;
  } finally {
    db.exec(`PRAGMA busy_timeout = ${timeout}`);
  }
}

/**
 * Scrubs a journal that is long, in time that nobody waits for: the scrub that is waited for then finds a short one.
 * Waits for nobody, and leaves it long while another connection reads.
 */
export function shortenJournal(db: DatabaseSync, path: string): void {
  const { size } = statSync(journalOf(path), { throwIfNoEntry: false }) ?? { size: 0 };
  if (size > SHORT_BYTES) scrubJournal(db, path, 0);
}

function journalOf(path: string): string {
  return `${path}-wal`;
}

function overwrite(path: string): void {
  // Each write is on the disk when it returns: a confined process has no fsync.
  const file = openSync(path, 'rs+');
  try {
    const { size } = fstatSync(file);
    const zeros = new Uint8Array(Math.min(CHUNK_BYTES, size));
    for (let at = 0; at < size; ) {
      const length = at === 0 ? HEADER_BYTES : zeros.length;
      at += writeSync(file, zeros, 0, Math.min(length, size - at), at);
    }
  } finally {
    closeSync(file);
  }
}
