import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { CoreError } from '@amanat/core/errors';
import type { NoteKey, Policy } from '@amanat/core/log';
import {
  formatVerifierKey,
  MAX_POLICY_BYTES,
  parsePolicy,
  parseVerifierKey,
} from '@amanat/core/log';
import type { Finding, LogPlace } from '../audit/audit.ts';
import { parsePrefix } from '../audit/audit.ts';
import { CliError, wrongUsage } from './errors.ts';
import { readBytes } from './files.ts';
import { readKeys } from './history-words.ts';
import type { Arguments, OptionSet } from './options.ts';

const PROCESSES_MAX = 64;

/** Options of the commands that look at a log from outside. */
export const LOG_OPTIONS: OptionSet = {
  key: { value: 'VKEY', help: 'the log’s verifier key, known from elsewhere' },
  keys: { value: 'FILE', help: 'JSON with logKey, in place of --key' },
};

/** An option of the commands that verify whole logs. */
export const PROCESSES_OPTION: OptionSet = {
  processes: { value: 'N', help: 'processes that hash the log (one a core)' },
};

/** How many processes are to hash. @throws CliError 'wrong-usage' */
export function processesOf(given: Arguments): number {
  const otherwise = Math.min(availableParallelism(), PROCESSES_MAX);
  return given.integer('processes', { min: 1, max: PROCESSES_MAX, otherwise });
}

/** Where the log is that is named: an HTTP address or a folder. @throws CliError 'wrong-usage', 'failed' */
export function readPlace(word: string): LogPlace {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(word)) {
    try {
      return { prefix: parsePrefix(word) };
    } catch {
      throw wrongUsage('a log’s address begins with https:// or http:// and has no query');
    }
  }
  const directory = resolve(word);
  if (!isFolder(directory)) throw new CliError('failed', 'the log is neither address nor folder');
  return { directory };
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    // Also a name that is too long, or a folder that is closed to us.
    return false;
  }
}

/** The log's key from `--key` or `--keys`. @throws CliError 'wrong-usage' unless exactly one is given; 'failed' */
export async function readLogKey(given: Arguments): Promise<NoteKey> {
  const key = given.text('key');
  const path = given.text('keys');
  if ((key === null) === (path === null)) throw wrongUsage('give either --key or --keys');
  const text = path === null ? (key ?? '') : (await readKeys(path)).logKey;
  try {
    return parseVerifierKey(text);
  } catch (cause) {
    if (!(cause instanceof CoreError)) throw cause;
    if (key !== null) throw wrongUsage('--key is no verifier key (NAME+HASH+BASE64)');
    throw new CliError('failed', 'the log’s key is none', { cause, reason: cause.code });
  }
}

/** A policy (C2SP tlog-policy) for the log with this key. @throws CliError 'failed', also where it is for other logs */
export async function readPolicy(path: string, key: NoteKey): Promise<Policy> {
  const bytes = await readBytes(path, MAX_POLICY_BYTES);
  try {
    const policy = parsePolicy(bytes);
    const own = formatVerifierKey(key);
    const isOurs = policy.logs.some((log) => formatVerifierKey(log.key) === own);
    if (isOurs || policy.logs.length === 0) return policy;
  } catch (cause) {
    if (!(cause instanceof CoreError)) throw cause;
    throw new CliError('failed', `${path}: ${cause.message}`, { cause, reason: cause.code });
  }
  throw new CliError('failed', `${path} is a policy for other logs`);
}

const MEANINGS: Readonly<Record<Finding['code'], string>> = {
  'bad-checkpoint': 'the checkpoint is not one that the log’s key signed',
  'bad-response': 'the log sends elsewhere, or more than there can be',
  'bad-state': 'what was remembered is damaged, or another log’s',
  'bundle-differs': 'entries are not those of the tree',
  fork: 'the log has signed two trees, and one does not begin with the other',
  hole: 'a tile or bundle is missing',
  'missing-cosignatures': 'too few witnesses have cosigned the checkpoint',
  'no-checkpoint': 'there is no checkpoint',
  'overdue-orders': 'the keeper’s keys were to be changed more than seven days ago, and are not',
  'overdue-seals': 'look-ups are withheld past the month in which they were to open',
  'root-differs': 'what is served is not the tree that was signed',
  shrunk: 'the log has fewer leaves than it had',
  stale: 'the checkpoint is too old',
  'tile-differs': 'hashes are not those of the tree',
  'too-many-seals': 'more look-ups are sealed, or not surely opened, than an audit remembers',
  'uncounted-seals':
    'the keeper’s counts are missing of a month in which look-ups were sealed or opened',
  unreachable: 'the log cannot be read',
};

/** Findings in words, a line each. */
export function describeFindings(findings: readonly Finding[]): string[] {
  return findings.map(
    ({ code, at }) => `  WRONG ${code}${at === null ? '' : ` at ${at}`}: ${MEANINGS[code]}`,
  );
}
