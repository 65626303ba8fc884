import { createHash } from 'node:crypto';
import {
  copyFileSync,
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { chmod, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import type { Json } from '@amanat/core/canonical';
import { BACKUPS_MAX, readKeeperBackup } from '@amanat/core/shred-certificate';
import { instancePaths } from '../config/paths.ts';
import { CliError } from './errors.ts';
import { readText, syncFolder, writePrivate } from './files.ts';
import { configPath } from './instance.ts';

/** The two parts of an instance, which are backed up apart: neither is worth anything without the other. */
export type BackupPart = 'store' | 'keeper';

/** What a part consists of: its database, and the files that it cannot do without. */
export interface PartFiles {
  readonly database: string;
  readonly files: readonly string[];
}

/** Where a part's files are in an instance. The keeper's passphrase is in no backup. */
export function partFiles(dir: string, part: BackupPart): PartFiles {
  const paths = instancePaths(dir);
  return part === 'store'
    ? { database: paths.database, files: [configPath(dir), join(paths.log, 'log-key.pem')] }
    : { database: join(paths.keeper, 'keeper.db'), files: [] };
}

const MANIFEST = 'backup.json';
/** In the keeper's folder: its backups, a line each. */
const BACKUPS = 'backups.jsonl';
/** Everything in one step, and so of one moment: a writer beside us would make a step-wise copy begin anew. */
const ONE_STEP = 2 ** 31 - 1;

/** What stands in a backup's folder beside the files. */
export interface BackupManifest {
  readonly type: 'amanat-backup';
  readonly part: BackupPart;
  readonly origin: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** SHA-256 of each file, in hexadecimal. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * Copies a part into a folder of its own while it is in use, checks the copy, and writes the manifest last: a folder
 * without one is no backup.
 * @throws CliError
 */
export async function writeBackup(
  folder: string,
  {
    dir,
    part,
    origin,
    time,
    keepUntil,
  }: {
    dir: string;
    part: BackupPart;
    origin: string;
    time: number;
    /** Of the keeper's: when the copy will be destroyed; null: nobody has said. */
    keepUntil: number | null;
  },
): Promise<BackupManifest> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { database, files } = partFiles(dir, part);
  const copy = join(folder, nameOf(database));
  await copyDatabase(database, copy);
  for (const file of files) {
    copyFileSync(file, join(folder, nameOf(file)));
    await chmod(join(folder, nameOf(file)), 0o600);
  }
  requireSound(copy);
  const digests: Record<string, string> = {};
  for (const file of [database, ...files]) {
    digests[nameOf(file)] = await digestOf(join(folder, nameOf(file)));
    await sync(join(folder, nameOf(file)));
  }
  const manifest: BackupManifest = { type: 'amanat-backup', part, origin, time, files: digests };
  // Before it is a backup: one that nobody has noted must not exist.
  if (part === 'keeper') noteKeeperBackup(dir, manifest, keepUntil);
  writePrivate(join(folder, MANIFEST), manifestText(manifest), { replace: true });
  return manifest;
}

/**
 * Reads a backup and checks that it is whole.
 * @throws CliError 'failed'
 */
export async function checkBackup(folder: string, part: BackupPart): Promise<BackupManifest> {
  const manifest = parseManifest(await readText(join(folder, MANIFEST)));
  if (manifest?.part !== part) {
    throw new CliError('failed', `${folder} is no backup of the ${part}`, {
      reason: 'not-a-backup',
    });
  }
  const { database, files } = partFiles('', part);
  for (const name of [database, ...files].map(nameOf)) {
    const path = join(folder, name);
    if (!existsSync(path) || (await digestOf(path)) !== manifest.files[name]) {
      throw new CliError('failed', `the backup’s ${name} is not what was written`, {
        reason: 'backup-damaged',
        remedy: 'use another backup',
      });
    }
  }
  requireSound(join(folder, nameOf(database)));
  return manifest;
}

/**
 * Puts a checked backup in place of what is there. Nothing may use the part meanwhile. Each file appears whole; the
 * database comes last, and what the old one had left to write (its WAL) goes first.
 */
export async function putBack(folder: string, dir: string, part: BackupPart): Promise<void> {
  const { database, files } = partFiles(dir, part);
  for (const target of [...files, database]) {
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    copyFileSync(join(folder, nameOf(target)), `${target}.new`);
    await chmod(`${target}.new`, 0o600);
    await sync(`${target}.new`);
  }
  for (const suffix of ['-wal', '-shm', '-journal']) rmSync(database + suffix, { force: true });
  for (const target of [...files, database]) {
    await rename(`${target}.new`, target);
    syncFolder(dirname(target));
  }
}

/** Whether a folder has nothing in it, or is not there. */
export function isEmpty(folder: string): boolean {
  return !existsSync(folder) || readdirSync(folder).length === 0;
}

/**
 * Notes a backup of the keeper beside its database, where the keeper reads which exist when it certifies what it has
 * destroyed. Known by the SHA-256 of its manifest. Those that are past are left out.
 * @throws CliError 'refused' where there are more than a certificate names
 */
function noteKeeperBackup(dir: string, manifest: BackupManifest, keepUntil: number | null): void {
  const path = join(instancePaths(dir).keeper, BACKUPS);
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
  const known = lines.flatMap((line) =>
    line === '' ? [] : [readKeeperBackup(JSON.parse(line) as Json, '')],
  );
  const kept = known.filter((each) => each.keepUntil === null || each.keepUntil > manifest.time);
  if (kept.length >= BACKUPS_MAX) {
    throw new CliError('refused', `${BACKUPS_MAX} backups of the keeper are kept already`, {
      reason: 'too-many-backups',
      remedy: `take those that are destroyed out of ${path}, and say --keep-until`,
    });
  }
  const id = createHash('sha256').update(manifestText(manifest)).digest('hex');
  const all = [...kept, { id, time: manifest.time, keepUntil }];
  writePrivate(path, all.map((each) => `${JSON.stringify(each)}\n`).join(''), { replace: true });
}

function manifestText(manifest: BackupManifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

async function copyDatabase(from: string, to: string): Promise<void> {
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
}

/** @throws CliError 'failed' where SQLite finds the file damaged */
function requireSound(path: string): void {
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

async function digestOf(path: string): Promise<string> {
  const digest = createHash('sha256');
  for await (const chunk of createReadStream(path)) digest.update(chunk as Buffer);
  return digest.digest('hex');
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function parseManifest(text: string): BackupManifest | null {
  try {
    const source = JSON.parse(text) as BackupManifest;
    return source.type === 'amanat-backup' ? source : null;
  } catch {
    return null;
  }
}
