import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Json } from '@amanat/core/canonical';
import { CoreError } from '@amanat/core/errors';
import { origin as originShape } from '@amanat/core/grants';
import { hexText, object, oneOf, time as timeShape } from '@amanat/core/shape';
import { instancePaths } from '../config/paths.ts';
import { isLogKeyFile } from '../log/log.ts';
import { overwriteLater, syncFolderNow, wipe } from '../storage/files.ts';
import {
  asCliError,
  copyDatabase,
  copyPrivate,
  copyPublished,
  digestOf,
  requireSound,
  settle,
  sync,
} from './backup-copy.ts';
import { BACKUPS, dropBackup, joinLists, noteBackup } from './backup-list.ts';
import { CliError } from './errors.ts';
import { readText, writePrivate } from './files.ts';
import { configPath } from './instance.ts';

/** The three parts of an instance, which are backed up apart: none is worth anything to a thief without another. */
export const BACKUP_PARTS = ['store', 'keeper', 'log'] as const;
export type BackupPart = (typeof BACKUP_PARTS)[number];

/** Where a part is in an instance. The keeper's passphrase is in no backup. */
interface PartPlaces {
  readonly database: string | null;
  /** What it cannot do without. */
  readonly files: readonly string[];
  /** The folder of the log's keys, of which there may be two. */
  readonly keys: string | null;
  /** The folder of the log's static files. */
  readonly published: string | null;
}

function placesOf(dir: string, part: BackupPart): PartPlaces {
  const { database, keeper, log, public: published } = instancePaths(dir);
  switch (part) {
    case 'store':
      return { database, files: [configPath(dir)], keys: null, published: null };
    case 'keeper':
      return {
        database: join(keeper, 'keeper.db'),
        files: [join(keeper, BACKUPS)],
        keys: null,
        published: null,
      };
    case 'log':
      return { database: null, files: [], keys: log, published };
  }
}

/** Whether an instance has a part that a backup of it would overwrite. */
export function isPartThere(dir: string, part: BackupPart): boolean {
  const { database, keys } = placesOf(dir, part);
  return (database !== null && existsSync(database)) || keyFilesIn(keys).length > 0;
}

/** The files of a part that are copied byte by byte: these keys of the log's among them, the database last. */
function filesOf({ database, files, keys }: PartPlaces, keyFiles: readonly string[]): string[] {
  const named = keyFiles.map((name) => join(keys ?? '', name));
  return [...files, ...named, ...(database === null ? [] : [database])];
}

function keyFilesIn(folder: string | null): string[] {
  return folder === null || !existsSync(folder) ? [] : readdirSync(folder).filter(isLogKeyFile);
}

const MANIFEST = 'backup.json';
/** What stands in a backup's folder beside the files. */
export interface BackupManifest {
  readonly type: 'amanat-backup';
  /** Drawn, in hexadecimal: by it certificates name a backup of the keeper. */
  readonly id: string;
  readonly part: BackupPart;
  readonly origin: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** SHA-256 of each file, in hexadecimal. */
  readonly files: Readonly<Record<string, string>>;
}

/** What writing a backup takes. */
export interface BackupTerms {
  readonly dir: string;
  /** Drawn: 32 bytes, in hexadecimal. */
  readonly id: string;
  readonly part: BackupPart;
  readonly origin: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Of the keeper's: when the copy will be destroyed; null: nobody has said. */
  readonly keepUntil: number | null;
  readonly signal: AbortSignal;
}

/**
 * Copies a part into a folder of its own while it is in use, checks the copy, and writes the manifest last: a folder
 * without one is no backup, and what was one before goes without its manifest first.
 * @throws CliError 'failed'
 */
export async function writeBackup(folder: string, terms: BackupTerms): Promise<BackupManifest> {
  const { dir, id, part, origin, time, signal } = terms;
  const places = placesOf(dir, part);
  const { database, keys, published } = places;
  const files = filesOf(places, keyFilesIn(keys));
  let isBegun = false;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // Before there is a copy: what the keeper destroys meanwhile may be in it.
    if (part === 'keeper') noteBackup(dir, { id, time, keepUntil: terms.keepUntil });
    rmSync(join(folder, MANIFEST), { force: true });
    syncFolderNow(folder);
    isBegun = true;
    const digests: Record<string, string> = {};
    for (const file of files) {
      const copy = join(folder, basename(file));
      await (file === database ? copyDatabase(file, copy) : copyPrivate(file, copy));
      digests[basename(file)] = await digestOf(copy);
      await sync(copy);
    }
    if (published !== null) {
      await copyPublished(published, join(folder, basename(published)), {
        keys: folder,
        origin,
        signal,
      });
    }
    const manifest: BackupManifest = {
      type: 'amanat-backup',
      id,
      part,
      origin,
      time,
      files: digests,
    };
    const text = `${JSON.stringify(manifest, null, 2)}\n`;
    writePrivate(join(folder, MANIFEST), text, { replace: true });
    return manifest;
  } catch (cause) {
    if (isBegun && part === 'keeper' && database !== null) {
      dropBackup(dir, { id, copy: join(folder, basename(database)) });
    }
    throw asCliError(cause, 'the backup cannot be written');
  }
}

/**
 * Reads a backup and checks that it is whole. The log's static files are checked when they are put back.
 * @throws CliError 'failed'
 */
export async function checkBackup(folder: string, part: BackupPart): Promise<BackupManifest> {
  const manifest = await readManifest(folder);
  if (manifest.part !== part) {
    throw new CliError('failed', `${folder} is no backup of the ${part}`, {
      reason: 'not-a-backup',
    });
  }
  const places = placesOf('', part);
  const files = filesOf(places, keyFilesOf(manifest));
  for (const name of files.map((file) => basename(file))) {
    const copy = join(folder, name);
    if (!existsSync(copy) || (await digestOf(copy)) !== manifest.files[name]) {
      throw new CliError('failed', `the backup’s ${name} is not what was written`, {
        reason: 'backup-damaged',
        remedy: 'use another backup',
      });
    }
  }
  const { database } = places;
  if (database !== null) requireSound(join(folder, basename(database)));
  return manifest;
}

/**
 * Puts a checked backup in place of what is there. Nothing may use the part meanwhile. What cannot be copied whole changes
 * nothing; each file then appears whole, the database last. Whatever of it is interrupted leaves what was there, or what
 * does not serve: then it is to be done again.
 * @throws CliError 'failed'
 */
export async function putBack(
  folder: string,
  { dir, manifest, signal }: { dir: string; manifest: BackupManifest; signal: AbortSignal },
): Promise<void> {
  const { part, origin } = manifest;
  const places = placesOf(dir, part);
  const { database, keys, published } = places;
  const targets = filesOf(places, keyFilesOf(manifest));
  try {
    for (const target of targets) {
      mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
      const copied = join(folder, basename(target));
      if (basename(target) === BACKUPS) {
        writeFileSync(`${target}.new`, joinLists(dir, copied), { mode: 0o600, flush: true });
      } else {
        await copyPrivate(copied, `${target}.new`);
        await sync(`${target}.new`);
      }
    }
    if (database !== null) settle(database);
  } catch (cause) {
    // The keeper's keys are wrapped, until somebody has the passphrase.
    const drop = part === 'keeper' ? wipe : (path: string) => rmSync(path, { force: true });
    for (const target of targets) drop(`${target}.new`);
    throw asCliError(cause, `the ${part} cannot be put back; what was there is as it was`);
  }
  try {
    // Of the keeper's old database too no key may stay behind that is destroyed in the new one.
    const overwrite = part === 'keeper' && database !== null ? overwriteLater(database) : () => {};
    for (const target of targets) {
      await rename(`${target}.new`, target);
      syncFolderNow(dirname(target));
    }
    overwrite();
    if (published !== null && keys !== null) {
      await copyPublished(join(folder, basename(published)), published, { keys, origin, signal });
    }
  } catch (cause) {
    throw asCliError(cause, `the ${part} is not all put back: do it again`);
  }
}

/** Whether a folder has nothing in it, or is not there. */
export function isEmpty(folder: string): boolean {
  return !existsSync(folder) || readdirSync(folder).length === 0;
}

const manifestShape = object({
  type: oneOf('amanat-backup'),
  id: hexText(32),
  part: oneOf(...BACKUP_PARTS),
  origin: originShape,
  time: timeShape,
  files: (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new CoreError('bad-document', `${path}: expected an object`);
    }
    const digest = hexText(32);
    return Object.fromEntries(
      Object.entries(value).map(([name, text]) => [name, digest(text, `${path}.${name}`)]),
    );
  },
});

/** Reads a backup's manifest. @throws CliError 'failed' where there is none */
export async function readManifest(folder: string): Promise<BackupManifest> {
  const path = join(folder, MANIFEST);
  try {
    if (existsSync(path)) return manifestShape(JSON.parse(await readText(path)) as Json, '');
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof CoreError)) throw cause;
  }
  throw new CliError('failed', `${folder} is no backup`, { reason: 'not-a-backup' });
}

/** The log's keys that a backup has. */
function keyFilesOf(manifest: BackupManifest): string[] {
  return Object.keys(manifest.files).filter(isLogKeyFile);
}
