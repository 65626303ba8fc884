import { createHash } from 'node:crypto';
import { copyFileSync, createReadStream, existsSync, rmSync } from 'node:fs';
import { chmod, open } from 'node:fs/promises';
import { backup, DatabaseSync } from 'node:sqlite';
import type { NoteKey } from '@amanat/core/log';
import { AuditError, mirrorLog, readCheckpoint, sourceAt } from '../audit/audit.ts';
import { readLogKeys } from '../log/log.ts';
import { overwriteLater } from '../storage/files.ts';
import { CliError } from './errors.ts';
import { codeOf } from './files.ts';
import { describeFindings } from './log-place.ts';

/** Everything in one step, and so of one moment: a writer beside us would make a step-wise copy begin anew. */
const ONE_STEP = 2 ** 31 - 1;
/** SQLite's codes. */
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

/** Copies a database while it is in use, for its owner alone. @throws CliError where the copy is damaged */
export async function copyDatabase(from: string, to: string): Promise<void> {
  // Made first, so that it is never anybody else's to read.
  const target = await open(to, 'w', 0o600);
  await target.close();
  await chmod(to, 0o600);
  const source = new DatabaseSync(from, { readOnly: true });
  try {
    await backup(source, to, { rate: ONE_STEP });
  } finally {
    source.close();
  }
  requireSound(to);
}

/** Copies a file that is its owner's alone. */
export async function copyPrivate(from: string, to: string): Promise<void> {
  copyFileSync(from, to);
  await chmod(to, 0o600);
}

/** What the log's static files are checked by: the keys in a folder. */
interface PublishedTerms {
  readonly keys: string;
  readonly origin: string;
  readonly signal: AbortSignal;
}

/**
 * Brings a copy of the log's static files up to date, and verifies every one of them. Where nothing is published yet,
 * there is nothing to copy; a newer copy is left as it is.
 */
export async function copyPublished(
  from: string,
  to: string,
  { keys, origin, signal }: PublishedTerms,
): Promise<void> {
  const source = sourceAt({ directory: from }, signal);
  if ((await source.readCheckpoint()) === null) return;
  const key = await keyOf(from, { keys, origin, signal });
  const mirror = () =>
    mirrorLog({ source, directory: to, key, repair: true, onLeaves: () => {}, signal });
  let { findings } = await mirror();
  if (findings.some(({ code }) => code === 'bad-state')) {
    rmSync(to, { recursive: true });
    ({ findings } = await mirror());
  }
  rmSync(`${to}.lock`, { force: true });
  const wrong = findings.filter(({ code }) => code !== 'shrunk');
  if (wrong.length === 0) return;
  throw new CliError(
    'failed',
    `the log’s files are not whole:\n${describeFindings(wrong).join('\n')}`,
    { reason: 'log-damaged' },
  );
}

/** The newest of the log's keys that signed what is published in a folder. @throws CliError where none did */
export async function keyOf(
  published: string,
  { keys, origin, signal }: PublishedTerms,
): Promise<NoteKey> {
  const source = sourceAt({ directory: published }, signal);
  for (const { note } of [...readLogKeys(keys, origin).values()].toReversed()) {
    try {
      await readCheckpoint(source, note);
      return note;
    } catch (error) {
      if (!(error instanceof AuditError)) throw error;
    }
  }
  throw new CliError('failed', 'the log’s checkpoint is signed by none of its keys', {
    reason: 'log-damaged',
  });
}

/**
 * What a database's journal holds goes into the database: without its journal it would be an older state, which nothing
 * tells from a true one. A file that SQLite cannot read has no state to lose.
 */
export function settle(database: string): void {
  const overwriteJournal = overwriteLater(`${database}-wal`);
  if (existsSync(database)) {
    try {
      const old = new DatabaseSync(database);
      try {
        old.exec('PRAGMA journal_mode = DELETE');
      } finally {
        old.close();
      }
    } catch (error) {
      const { errcode } = error as { errcode?: number };
      if (errcode !== SQLITE_CORRUPT && errcode !== SQLITE_NOTADB) throw error;
    }
  }
  for (const suffix of ['-wal', '-shm', '-journal']) rmSync(database + suffix, { force: true });
  overwriteJournal();
}

/** What a failure comes to for whoever ran the command: a full disk is said to be one. */
export function asCliError(cause: unknown, message: string): CliError {
  if (cause instanceof CliError) return cause;
  const { errcode } = cause as { errcode?: number };
  const isFull = codeOf(cause) === 'ENOSPC' || errcode === SQLITE_FULL;
  return new CliError('failed', message, {
    cause,
    reason: isFull ? 'disk-full' : codeOf(cause),
    ...(isFull ? { remedy: 'make room, and try again' } : {}),
  });
}

/** @throws CliError 'failed' where SQLite finds the file damaged */
export function requireSound(path: string): void {
  const database = new DatabaseSync(path);
  try {
    // A copy of a database in WAL mode is one itself; this leaves no file beside it.
    database.exec('PRAGMA journal_mode = DELETE');
    const [row] = database.prepare('PRAGMA integrity_check(1)').all();
    if (row?.integrity_check !== 'ok') {
      throw new CliError('failed', 'the copy of the database is damaged', {
        reason: 'backup-damaged',
      });
    }
  } finally {
    database.close();
  }
}

/** SHA-256 of a file, in hexadecimal. */
export async function digestOf(path: string): Promise<string> {
  const digest = createHash('sha256');
  for await (const chunk of createReadStream(path)) digest.update(chunk as Buffer);
  return digest.digest('hex');
}

/** Makes a file’s bytes durable. */
export async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
