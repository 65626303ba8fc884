import { readFileSync, statSync } from 'node:fs';
import type { Json } from '@amanat/core/canonical';
import { CoreError } from '@amanat/core/errors';
import type { KeeperBackup } from '@amanat/core/shred-certificate';
import { BACKUPS_MAX, readKeeperBackup } from '@amanat/core/shred-certificate';
import { Refusal } from './refusal.ts';

const BYTES_MAX = 1024 * 1024;

/**
 * The keeper's own backups, as whoever makes them has noted them: a line of JSON each, in a file beside keeper.db, which
 * is made with it.
 * @throws Refusal 'backups-unreadable', also where there is no such file: a certificate must not leave one out
 */
export function readBackups(path: string): readonly KeeperBackup[] {
  try {
    if (statSync(path).size > BYTES_MAX) throw new CoreError('bad-document', 'list is too long');
    return parseBackups(readFileSync(path, 'utf8'));
  } catch (cause) {
    // Whatever is in its place, and whoever may not read it: who made it so must not be able to end the keeper.
    throw new Refusal('backups-unreadable', 'the list of backups cannot be read', { cause });
  }
}

/** Reads the list's text. @throws CoreError 'bad-document' */
export function parseBackups(text: string): readonly KeeperBackup[] {
  const lines = text.split('\n').filter((line) => line !== '');
  if (lines.length > BACKUPS_MAX) throw new CoreError('bad-document', 'list is too long');
  return lines.map((line) => readKeeperBackup(parseJson(line), ''));
}

function parseJson(line: string): Json {
  try {
    return JSON.parse(line) as Json;
  } catch (cause) {
    throw new CoreError('bad-document', 'a line is not json', { cause });
  }
}
