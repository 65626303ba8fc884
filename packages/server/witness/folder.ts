import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Json } from '@amanat/core/canonical';
import { CoreError } from '@amanat/core/errors';
import type { CosigningKey, CosigningKind } from '@amanat/core/keys';
import { exportCosigningKey, generateCosigningKey, importCosigningKey } from '@amanat/core/keys';
import type { PolicyLog } from '@amanat/core/log';
import { MAX_POLICY_BYTES, parsePolicy } from '@amanat/core/log';
import { list, object, oneOf, text } from '@amanat/core/shape';
import { syncFolderNow } from '../storage/files.ts';
import { openDatabase } from '../storage/sqlite.ts';
import { WitnessError } from './errors.ts';
import { createWitnessTables } from './store-sqlite.ts';

const SETTINGS = 'witness.json';
const LOGS = 'logs.policy';
const DATABASE = 'witness.db';
const LOCK = 'witness.lock';
const KEYS = { ed25519: 'ed25519.pem', 'ml-dsa-44': 'ml-dsa-44.pem' } as const;
const KEY_BYTES_MAX = 8_192;
const SETTINGS_BYTES_MAX = 4_096;

/** A policy (C2SP tlog-policy) that names logs and asks for nobody's cosignature. */
const policyOf = (logs: readonly string[]) => `# The logs that are witnessed, one line each:
# log VERIFIER-KEY
${logs.map((key) => `log ${key}\n`).join('')}quorum none
`;

const settings = object({
  name: text(256),
  /** The kinds of its keys: one whose file is gone is missed, and not left out. */
  keys: list(oneOf('ed25519', 'ml-dsa-44'), 1, 2),
});

/** A witness's folder, opened: its keys, the logs it witnesses, and where its state is. */
export interface WitnessFolder {
  readonly keys: readonly CosigningKey[];
  readonly logs: readonly PolicyLog['key'][];
  readonly database: string;
  readonly lock: string;
}

/**
 * Makes a witness: a key of each kind, an empty state, the file of its logs, and the settings, written last. Its state is
 * made here and nowhere else: a witness that started without it would cosign any past again.
 * @throws WitnessError 'folder-taken'; CoreError 'bad-key' for a name that is none
 */
export function createWitnessFolder(
  dir: string,
  terms: {
    readonly name: string;
    readonly kinds: readonly CosigningKind[];
    /** Verifier keys of the logs that it is to witness. */
    readonly logs?: readonly string[];
  },
): readonly CosigningKey[] {
  const { name, kinds, logs = [] } = terms;
  const keys = kinds.map((kind) => [kind, generateCosigningKey(kind, name)] as const);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  if (readdirSync(dir).length > 0)
    throw new WitnessError(
      'folder-taken',
      `${dir} is not empty: a witness has a folder of its own`,
    );
  for (const [kind, key] of keys) writeNew(join(dir, KEYS[kind]), exportCosigningKey(key));
  const database = openDatabase(join(dir, DATABASE));
  createWitnessTables(database);
  database.close();
  writeNew(join(dir, LOGS), policyOf(logs));
  writeNew(join(dir, SETTINGS), `${JSON.stringify({ name, keys: kinds }, null, 2)}\n`);
  syncFolderNow(dir);
  return keys.map(([, key]) => key);
}

/**
 * Opens what {@link createWitnessFolder} made.
 * @throws WitnessError where it is none, its state is gone, or a key is open to other users of the machine
 */
export function openWitnessFolder(dir: string): WitnessFolder {
  if (!existsSync(join(dir, SETTINGS)))
    throw new WitnessError(
      'no-witness',
      `there is no witness in ${dir}: make one with witness init`,
    );
  const { name, keys: kinds } = parseOr('bad-settings', SETTINGS, () => {
    const bytes = readBounded(join(dir, SETTINGS), SETTINGS_BYTES_MAX);
    return settings(JSON.parse(bytes.toString('utf8')) as Json, '');
  });
  const { logs } = parseOr('bad-settings', LOGS, () =>
    parsePolicy(readBounded(join(dir, LOGS), MAX_POLICY_BYTES)),
  );
  const keys = kinds.map((kind) =>
    parseOr('bad-key', KEYS[kind], () => importCosigningKey(readSecret(dir, KEYS[kind]), name)),
  );
  const database = join(dir, DATABASE);
  if (!existsSync(database)) {
    throw new WitnessError(
      'state-lost',
      `${DATABASE} is gone, and what was cosigned with it: retire this witness’s keys, and make another`,
    );
  }
  return { keys, logs: logs.map(({ key }) => key), database, lock: join(dir, LOCK) };
}

function readSecret(dir: string, file: string): string {
  const handle = openSync(join(dir, file), 'r');
  try {
    const { mode, size } = fstatSync(handle);
    if ((mode & 0o077) !== 0)
      throw new WitnessError('key-open', `${file} is open to other users: chmod 600 it`);
    if (size > KEY_BYTES_MAX) throw new WitnessError('bad-key', `${file} is not a key`);
    return readFileSync(handle, 'utf8');
  } finally {
    closeSync(handle);
  }
}

function readBounded(path: string, max: number): Buffer {
  const handle = openSync(path, 'r');
  try {
    if (fstatSync(handle).size > max) throw new SyntaxError('file is too long');
    return readFileSync(handle);
  } finally {
    closeSync(handle);
  }
}

function parseOr<T>(code: 'bad-settings' | 'bad-key', file: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (cause instanceof WitnessError) throw cause;
    // Core's messages hold none of the input; a parser's may.
    const why = cause instanceof CoreError ? cause.message : 'it cannot be read';
    throw new WitnessError(code, `${file}: ${why}`, { cause });
  }
}

function writeNew(path: string, content: string): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    writeSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
