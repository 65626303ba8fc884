import { mkdir, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { equal, utf8 } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import type { NoteKey, ResourcePosition } from '@amanat/core/log';
import { CompactRange, TILE_WIDTH, tilePath, tilesBetween, tileWidth } from '@amanat/core/log';
import { InstanceLock } from '../config/lock.ts';
import { syncFolder, writeWhole } from '../storage/files.ts';
import type { SignedCheckpoint } from './checkpoint.ts';
import { contradiction, readCheckpoint } from './checkpoint.ts';
import type { Finding } from './errors.ts';
import { AuditError } from './errors.ts';
import { verifyPart } from './part.ts';
import type { LogFiles, LogSource } from './source.ts';
import { CHECKPOINT, folderFiles, readResource, sourceOf, tilesOf } from './source.ts';
import { isFork, rangeFromTiles, verifyTree } from './tree.ts';

export interface MirrorTerms {
  readonly source: LogSource;
  /** The folder of the copy; made where there is none. */
  readonly directory: string;
  readonly key: NoteKey;
  /** Looks at every file of the copy, and fetches those that are missing or wrong. */
  readonly repair: boolean;
  /** Told how many leaves of how many have been verified. */
  readonly onLeaves: (leaves: number, size: number) => void;
  readonly signal: AbortSignal;
}

/** What mirroring came to. */
export interface MirrorReport {
  /** What is wrong; then the copy stays at the tree that it had. */
  readonly findings: readonly Finding[];
  /** What the log offers, where its key signed it. */
  readonly checkpoint: SignedCheckpoint | null;
  /** Leaves that the copy had before. */
  readonly oldSize: number;
  /** Tiles and bundles that were fetched. */
  readonly fetched: number;
}

/**
 * Brings a copy of a log up to date. Every file is verified; the checkpoint is put in place once all of its tree is
 * there and durable, so that the folder can be served at any time, and a copy that was interrupted goes on where it
 * was. A log that contradicts the copy is refused.
 * @throws ConfigError 'already-served' where another process brings the copy up to date; what the file system throws,
 * and the signal
 */
export async function mirrorLog(terms: MirrorTerms): Promise<MirrorReport> {
  await mkdir(terms.directory, { recursive: true });
  const lock = new InstanceLock(`${resolve(terms.directory)}.lock`);
  const run = new Mirror(terms);
  try {
    await run.update();
  } catch (error) {
    if (!(error instanceof AuditError)) throw error;
    run.findings.push({ code: error.code, at: error.at });
  } finally {
    lock.release();
  }
  return run.report();
}

class Mirror {
  readonly findings: Finding[] = [];
  readonly #terms: MirrorTerms;
  /** The folder. */
  readonly #files: LogFiles;
  readonly #copy: LogSource;
  #old: SignedCheckpoint | null = null;
  #offered: SignedCheckpoint | null = null;
  #fetched = 0;
  /** Whether a file was taken from the folder, and so from some time before. */
  #hasReused = false;
  /** Folders with new names that are not synced yet. */
  readonly #touched = new Set<string>();
  readonly #synced = new Set<string>();

  constructor(terms: MirrorTerms) {
    this.#terms = terms;
    this.#files = folderFiles(terms.directory);
    this.#copy = sourceOf(this.#files);
  }

  async update(): Promise<void> {
    const { source, key, repair } = this.#terms;
    const offered = await readCheckpoint(source, key);
    this.#offered = offered;
    this.#old = await this.#readOld();
    const wrong = this.#old === null ? null : contradiction(this.#old, offered);
    if (wrong !== null) {
      this.findings.push(wrong);
      return;
    }
    const had = await this.#rangeOfCopy();
    const from = repair ? CompactRange.empty() : had;
    let findings = await this.#fetch(offered, from, () => true);
    const tried = new Set<string | null>();
    // Each turn fetches files that no turn before it has: there are at most as many as files.
    while (this.#hasReused && findings.some(({ at }) => !tried.has(at))) {
      for (const { at } of findings) tried.add(at);
      findings = await this.#fetch(offered, from, trustedAfter(findings, had.size));
    }
    const forked = await this.#isFork(offered, { had, from, findings });
    if (forked) this.findings.push({ code: 'fork', at: null });
    else if (findings.length > 0) this.findings.push(...findings);
    else await this.#publish(offered, from.size);
  }

  report(): MirrorReport {
    return {
      findings: this.findings,
      checkpoint: this.#offered,
      oldSize: this.#old?.size ?? 0,
      fetched: this.#fetched,
    };
  }

  /** The copy's own checkpoint; a folder with another log's, or a damaged one, is left alone. */
  async #readOld(): Promise<SignedCheckpoint | null> {
    try {
      return await readCheckpoint(this.#copy, this.#terms.key);
    } catch (cause) {
      if (!(cause instanceof AuditError)) throw cause;
      if (cause.code === 'no-checkpoint') return null;
      throw new AuditError('bad-state', CHECKPOINT, 'the folder has another log', { cause });
    }
  }

  /** The copy's tree, from its tiles; the empty one where they do not give it, so that every file is looked at. */
  async #rangeOfCopy(): Promise<CompactRange> {
    const old = this.#old;
    if (old === null) return CompactRange.empty();
    try {
      const range = await rangeFromTiles(tilesOf(this.#copy, old.size), old.size);
      if (equal(range.root(), old.root)) return range;
    } catch (error) {
      if (!(error instanceof AuditError || error instanceof CoreError)) throw error;
    }
    return CompactRange.empty();
  }

  async #fetch(
    checkpoint: SignedCheckpoint,
    from: CompactRange,
    reuses: (position: ResourcePosition) => boolean,
  ): Promise<readonly Finding[]> {
    const { signal, onLeaves } = this.#terms;
    const source: LogSource = {
      readCheckpoint: () => this.#terms.source.readCheckpoint(),
      read: (position) => this.#take(position, reuses(position)),
    };
    const { findings } = await verifyTree({
      source,
      checkpoint,
      from,
      runners: [(task) => verifyPart(source, task)],
      onLeaves: (leaves) => onLeaves(leaves, checkpoint.size),
      signal,
    });
    return findings;
  }

  /** A tile or bundle of the folder, where there is one and it may be taken; or else of the log, and then of the folder. */
  async #take(position: ResourcePosition, mayReuse: boolean): Promise<Uint8Array | null> {
    const { source, directory, signal } = this.#terms;
    signal.throwIfAborted();
    const path = join(directory, tilePath(position));
    const there = mayReuse ? await readResource(this.#files, position) : null;
    if (there !== null) {
      this.#hasReused = true;
      // The name of what a killed run left need not be durable yet.
      this.#touched.add(dirname(path));
      return there;
    }
    const bytes = await source.read(position);
    if (bytes === null) return null;
    this.#fetched += 1;
    await writeWhole(path, bytes);
    this.#touched.add(dirname(path));
    return bytes;
  }

  /**
   * Whether the tree that the copy had is not in the log's. Where something is wrong only the log's own tiles can prove
   * it, and none of the copy's; where nothing is, this is left to do if every file was looked at anew.
   */
  async #isFork(
    offered: SignedCheckpoint,
    {
      had,
      from,
      findings,
    }: { had: CompactRange; from: CompactRange; findings: readonly Finding[] },
  ): Promise<boolean> {
    const old = this.#old;
    if (old === null) return false;
    if (findings.length > 0) return isFork(this.#terms.source, had, offered);
    if (from.size === old.size) return false;
    const range = await rangeFromTiles(tilesOf(this.#copy, offered.size), old.size);
    return !equal(range.root(), old.root);
  }

  async #publish(offered: SignedCheckpoint, oldSize: number): Promise<void> {
    const { directory } = this.#terms;
    for (const folder of this.#touched) await this.#syncUpwards(folder);
    await writeWhole(join(directory, CHECKPOINT), utf8(offered.note));
    await syncFolder(directory);
    // The partial tiles of smaller trees may go now, and no sooner: until here the old checkpoint needed them.
    for (const tile of tilesBetween({ oldSize, newSize: offered.size })) {
      if (tile.width < TILE_WIDTH) continue;
      const levels = tile.level === 0 ? ([0, 'entries'] as const) : [tile.level];
      for (const level of levels) {
        const path = join(directory, tilePath({ ...tile, level }));
        await rm(`${path}.p`, { recursive: true, force: true });
      }
    }
  }

  /** A folder's own name, too, is durable only once the folder above is synced. */
  async #syncUpwards(folder: string): Promise<void> {
    const top = resolve(this.#terms.directory);
    for (let at = resolve(folder); at !== top; at = dirname(at)) {
      if (this.#synced.has(at)) return;
      this.#synced.add(at);
      await syncFolder(at);
    }
  }
}

/**
 * Which files of the folder to take in a further attempt: not those found wrong, which an interrupted run or the disk
 * may have spoilt; and where the files agree with one another and not with the root, none but those of the tree of
 * `size` leaves that the folder had.
 */
function trustedAfter(
  findings: readonly Finding[],
  size: number,
): (position: ResourcePosition) => boolean {
  const wrong = new Set(findings.map(({ at }) => at));
  return (position) => {
    const level = position.level === 'entries' ? 0 : position.level;
    const isOld = position.width <= tileWidth({ level, index: position.index, size });
    return !wrong.has(tilePath(position)) && (isOld || !wrong.has(null));
  };
}
