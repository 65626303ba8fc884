import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { equal, fromHex } from '@amanat/core/bytes';
import { parseLeafOrNull } from '@amanat/core/log';
import type { KeeperStatus } from '@amanat/keeper/client';
import { KeeperClient, keeperArguments } from '@amanat/keeper/client';
import { auditLog } from '../audit/audit.ts';
import { ConfigError } from '../config/config.ts';
import { InstanceLock } from '../config/lock.ts';
import { instancePaths } from '../config/paths.ts';
import type { LogStore } from '../log/log.ts';
import { rangeAt, readLogKeys } from '../log/log.ts';
import { createSqliteLogStore } from '../log/store-sqlite.ts';
import { StorageError } from '../storage/errors.ts';
import { wipe } from '../storage/files.ts';
import { openDatabaseForReading } from '../storage/sqlite.ts';
import { keyOf } from './backup-copy.ts';
import type { BackupManifest, BackupPart } from './backup-set.ts';
import { BACKUP_PARTS, checkBackup, putBack } from './backup-set.ts';
import type { Call } from './command.ts';
import { verifyInstance } from './commands/verify.ts';
import { CliError } from './errors.ts';
import type { LogDifference } from './verify-log.ts';

/** How a drill's folder is named, by which one that was left behind is known. */
const FOLDER = 'amanat-drill-';
const LOCK = 'drill.lock';
/** Leaves that are read at a time to count those about people. */
const PAGE_LEAVES = 65_536;
const LINE_LENGTH_MAX = 300;
/** Differences of the log's files from the store, either of which may be the wrong one. */
const OF_BOTH: ReadonlySet<LogDifference> = new Set([
  'no-checkpoint',
  'checkpoint-signature',
  'checkpoint-ahead-of-store',
  'checkpoint-root',
  'tile-missing',
  'tile-differs',
]);

/** What a drill takes. */
export interface DrillTerms {
  readonly folders: Readonly<Partial<Record<BackupPart, string>>>;
  /** The keeper's passphrase; null: it is not opened. */
  readonly passphraseFile: string | null;
  /** The folder in which the drill makes its own. */
  readonly parent: string;
  /** Processes that hash. */
  readonly processes: number;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly progress: Call['progress'];
  readonly signal: AbortSignal;
}

/** What is wrong: with one part, or with two that were restored together. */
export interface DrillFinding {
  readonly part: BackupPart | 'together';
  readonly finding: string;
  /** A leaf's index, a file, an import, or what the keeper said. */
  readonly at: string | number | null;
}

/** What a drill came to. */
export interface Drill {
  readonly isWell: boolean;
  /** When each copy was made; null where it is no backup. */
  readonly copies: readonly {
    readonly part: BackupPart;
    readonly time: number | null;
    readonly ageMs: number | null;
  }[];
  /** The store's leaves. */
  readonly size: number | null;
  /** Leaves that the keeper has followed. */
  readonly keeperSize: number | null;
  /** Entries about people that the keeper, restored beside this store, would have forgotten. */
  readonly forgotten: number | null;
  readonly findings: readonly DrillFinding[];
  /** What there was nothing to check with, in words. */
  readonly unchecked: readonly string[];
}

/**
 * Restores backups into a folder of their own, and verifies each and what they are together, as for a real loss: the files'
 * digests, the databases, the whole log, the imports' roots, and that the keeper opens and stands in the store's tree. The
 * folder is deleted whatever happens; one that a killed drill left is deleted by the next.
 * @throws CliError where there is no room or right to restore; what the signal throws
 */
export async function drill(terms: DrillTerms): Promise<Drill> {
  clearLeft(terms.parent);
  mkdirSync(terms.parent, { recursive: true });
  const dir = mkdtempSync(join(terms.parent, FOLDER));
  const lock = new InstanceLock(join(dir, LOCK));
  try {
    const run = new DrillRun(dir, terms);
    await run.run();
    return run.result();
  } finally {
    lock.release();
    removeWiped(dir);
  }
}

class DrillRun {
  readonly #dir: string;
  readonly #terms: DrillTerms;
  readonly #copies: Drill['copies'][number][] = [];
  readonly #restored = new Map<BackupPart, BackupManifest>();
  readonly #findings: DrillFinding[] = [];
  readonly #unchecked: string[] = [];
  #size: number | null = null;
  /** The one that the store's leaves name last. */
  #logKey: string | null = null;
  #keeper: KeeperStatus | null = null;
  #forgotten: number | null = null;

  constructor(dir: string, terms: DrillTerms) {
    this.#dir = dir;
    this.#terms = terms;
  }

  async run(): Promise<void> {
    for (const part of BACKUP_PARTS) await this.#restore(part);
    const origins = new Set([...this.#restored.values()].map(({ origin }) => origin));
    if (origins.size > 1) this.#find('together', 'another-instance');
    if (this.#restored.has('store')) await this.#verifyStore();
    if (this.#restored.has('log')) await this.#verifyLog();
    if (this.#restored.has('keeper')) await this.#openKeeper();
    if (this.#restored.has('store') && this.#keeper !== null) this.#compare(this.#keeper);
  }

  result(): Drill {
    return {
      isWell: this.#findings.length === 0,
      copies: this.#copies,
      size: this.#size,
      keeperSize: this.#keeper?.size ?? null,
      forgotten: this.#forgotten,
      findings: this.#findings,
      unchecked: this.#unchecked,
    };
  }

  async #restore(part: BackupPart): Promise<void> {
    const { folders, now, signal } = this.#terms;
    const folder = folders[part];
    if (folder === undefined) {
      this.#unchecked.push(`the ${part}, of which no backup was named`);
      return;
    }
    signal.throwIfAborted();
    let time: number | null = null;
    try {
      const manifest = await checkBackup(folder, part);
      ({ time } = manifest);
      await putBack(folder, { dir: this.#dir, manifest, signal });
      this.#restored.set(part, manifest);
    } catch (error) {
      // Where there is no room, nothing is known of the backup.
      if (!(error instanceof CliError) || error.reason === 'disk-full') throw error;
      this.#find(part, error.reason ?? 'not-restored', error.message);
    }
    this.#copies.push({ part, time, ageMs: time === null ? null : now - time });
  }

  /** The store by itself, and the log's files against it. */
  async #verifyStore(): Promise<void> {
    const { processes, progress, signal } = this.#terms;
    const hasLog = this.#restored.has('log');
    try {
      const { log, structure, imports } = await verifyInstance(
        { dir: this.#dir, progress, signal },
        { pinned: null, processes },
      );
      this.#size = log.size;
      this.#logKey = log.register.logKeys.at(-1)?.key ?? null;
      for (const { difference, at } of log.differences) {
        if (difference === 'no-checkpoint' && !hasLog) continue;
        this.#find(OF_BOTH.has(difference) ? 'together' : 'store', difference, at);
      }
      for (const problem of structure) this.#find('store', 'damaged', problem);
      for (const { import: index, problem } of imports) this.#find('store', problem, index);
      if (!hasLog)
        this.#unchecked.push('the store’s tree against a checkpoint that the log signed');
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#find('store', error.code, error.message);
    }
  }

  /** The log's key, and its files where no store was there to hold them against. */
  async #verifyLog(): Promise<void> {
    const { processes, now, progress, signal } = this.#terms;
    const paths = instancePaths(this.#dir);
    const origin = this.#restored.get('log')?.origin ?? '';
    if (this.#size !== null) {
      const held = [...readLogKeys(paths.log, origin).values()];
      const isHeld = held.some(({ verifierKey }) => verifierKey === this.#logKey);
      if (!isHeld) this.#find('together', 'key-of-another-log');
      return;
    }
    if (!existsSync(paths.public)) {
      this.#unchecked.push('the log’s static files, of which none were published');
      return;
    }
    const key = await keyOf(paths.public, { keys: paths.log, origin, signal });
    const counted = progress('auditing the log', 'leaves');
    const { findings, checkpoint } = await auditLog({
      place: { directory: paths.public },
      key,
      statePath: null,
      policy: null,
      maxAgeSeconds: null,
      processes,
      now: () => now,
      onLeaves: (leaves, size) => counted.at(leaves, size),
      signal,
    });
    counted.end(checkpoint?.size ?? 0);
    for (const { code, at } of findings) this.#find('log', code, at);
  }

  /** A real keeper, over the restored folder. */
  async #openKeeper(): Promise<void> {
    const { passphraseFile, signal } = this.#terms;
    if (passphraseFile === null || !existsSync(passphraseFile)) {
      this.#unchecked.push('whether the keeper opens, for want of its passphrase');
      return;
    }
    const { keeper: dir, run } = instancePaths(this.#dir);
    mkdirSync(run, { recursive: true, mode: 0o700 });
    const socket = join(run, 'keeper.sock');
    const child = spawn(process.execPath, keeperArguments({ dir, socket, passphraseFile }), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {},
      signal,
      killSignal: 'SIGKILL',
    });
    const { state, said } = await whatItSays(child);
    if (state === 'ended') {
      signal.throwIfAborted();
      this.#find('keeper', 'does-not-open', said);
      return;
    }
    if (state === 'locked') {
      this.#unchecked.push('whether the keeper opens, which takes its custodians or its device');
    }
    try {
      if (state === 'locked') return;
      await using client = new KeeperClient(socket);
      this.#keeper = (await client.ask('status', {})).answer;
    } finally {
      const ended = once(child, 'close');
      child.kill('SIGTERM');
      await ended;
    }
  }

  /** Whether the keeper stands in the store's tree, and what it would have forgotten of it. */
  #compare(keeper: KeeperStatus): void {
    const database = openDatabaseForReading(instancePaths(this.#dir).database);
    try {
      const store = createSqliteLogStore(database);
      const size = store.size();
      if (keeper.size > size) {
        this.#find('together', 'store-older-than-keeper', keeper.size - size);
      } else if (!equal(rangeAt(store, keeper.size).root(), fromHex(keeper.root))) {
        this.#find('together', 'keeper-of-another-log');
      } else {
        this.#forgotten = countPersonal(store, keeper.size, store.followed());
      }
    } finally {
      database.close();
    }
  }

  #find(part: DrillFinding['part'], finding: string, at: string | number | null = null): void {
    this.#findings.push({ part, finding, at });
  }
}

/** Leaves about people from `from` up to but without `to`. */
function countPersonal(store: LogStore, from: number, to: number): number {
  let count = 0;
  for (let at = from; at < to; at += PAGE_LEAVES) {
    const leaves = store.leaves(at, Math.min(at + PAGE_LEAVES, to));
    count += leaves.filter((leaf) => isPersonal(leaf)).length;
  }
  return count;
}

/** Whatever kind it is of: sealed, opened and erased too. */
function isPersonal(leaf: Uint8Array): boolean {
  const kind = parseLeafOrNull(leaf)?.kind ?? 'public';
  return kind !== 'public';
}

/** Whether a keeper's process serves, waits for its custodians, or has ended, and what it said of that. */
async function whatItSays(
  child: ChildProcess,
): Promise<{ state: 'ready' | 'locked' | 'ended'; said: string }> {
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(0, LINE_LENGTH_MAX);
  });
  const told = new Promise<'ready' | 'locked'>((resolve) => {
    child.stdout?.setEncoding('utf8').once('data', (text: string) => {
      resolve(text.startsWith('locked') ? 'locked' : 'ready');
    });
  });
  const ended = new Promise<'ended'>((resolve) => {
    child.once('error', (error) => {
      said ||= error.message;
      resolve('ended');
    });
    child.once('close', () => resolve('ended'));
  });
  const state = await Promise.race([told, ended]);
  return { state, said: said.trim() };
}

/** Deletes what killed drills have left: a folder that nobody holds. */
function clearLeft(parent: string): void {
  if (!existsSync(parent)) return;
  for (const name of readdirSync(parent).filter((each) => each.startsWith(FOLDER))) {
    const folder = join(parent, name);
    try {
      new InstanceLock(join(folder, LOCK)).release();
    } catch (error) {
      if (error instanceof ConfigError) continue;
      throw error;
    }
    removeWiped(folder);
  }
}

/** Deletes a drill's folder, of which the keeper's database may have keys that are destroyed since. */
function removeWiped(folder: string): void {
  const { keeper } = instancePaths(folder);
  const names = existsSync(keeper) ? readdirSync(keeper) : [];
  for (const name of names.filter((each) => each.startsWith('keeper.db'))) wipe(join(keeper, name));
  rmSync(folder, { recursive: true, force: true });
}
