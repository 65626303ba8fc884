import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { equal } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import type { EntryRefusal } from '@amanat/core/grants';
import { Register, readDocument } from '@amanat/core/grants';
import { verifyNoteSignature } from '@amanat/core/keys';
import type { Checkpoint, CosignerKey, NoteKey } from '@amanat/core/log';
import {
  CompactRange,
  encodeEntryBundle,
  encodeTile,
  leafHash,
  openCosignatures,
  parseCosignerKey,
  parseLeaf,
  parseVerifierKey,
  TILE_HEIGHT,
  TILE_WIDTH,
  tilePath,
  tileWidth,
} from '@amanat/core/log';
import type { WitnessKeys } from '@amanat/core/verify';
import { openCheckpoint } from '../audit/audit.ts';
import type { LogStore } from '../log/log.ts';
import { decodeSigned } from '../log/log.ts';
import { codeOf } from './files.ts';

/** Differences that are told at most; the first few say enough. */
const DIFFERENCES_MAX = 100;

/** What does not agree. */
export type LogDifference =
  | 'no-genesis'
  | 'no-checkpoint'
  | 'checkpoint-signature'
  | 'checkpoint-ahead-of-store'
  | 'checkpoint-root'
  | 'too-few-cosignatures'
  | 'tile-missing'
  | 'tile-differs'
  | 'bundle-missing'
  | 'bundle-differs'
  | 'leaf-malformed'
  | 'leaf-out-of-place';

/** A difference, and where it is: a leaf's index, or a tile's path. */
export interface FoundDifference {
  readonly difference: LogDifference;
  readonly at: string | number | null;
}

/** Who has cosigned the published checkpoint, of those who have to. */
export interface PublishedWitnesses {
  /** By the names of their keys. */
  readonly cosigners: readonly string[];
  readonly count: number;
  /** How many of them it takes: fewer while the glass is broken. */
  readonly quorum: number;
}

/** What checking the log gave. */
export interface LogVerification {
  readonly size: number;
  readonly published: Checkpoint | null;
  /** null where nobody has to cosign what is published, or nothing is. */
  readonly witnesses: PublishedWitnesses | null;
  readonly logKey: string | null;
  /** What the public entries say, replayed in order. */
  readonly register: Register;
  readonly publicEntries: number;
  readonly personalEntries: number;
  /** Public entries that took no effect, by why. They are in the tree and change nothing. */
  readonly inert: Readonly<Partial<Record<EntryRefusal, number>>>;
  readonly differences: readonly FoundDifference[];
}

export interface LogVerificationTerms {
  readonly store: LogStore;
  /** Folder of the static files. */
  readonly publicDirectory: string;
  /** The log's verifier key where it is known from elsewhere; null takes the genesis's own. */
  readonly logKey: string | null;
  /** Witnesses known from elsewhere, who must have cosigned besides those that the log names. */
  readonly pinned: WitnessKeys | null;
  readonly onLeaves: (leaves: number) => void;
}

/**
 * Checks a whole log from what the store has: every leaf hashed into the tree, whose root must be that of the published
 * and signed checkpoint; every published tile and bundle, byte by byte; every public entry replayed; the cosignatures of
 * those who by these entries had to cosign. Nothing is believed but the leaves.
 */
export async function verifyLog(terms: LogVerificationTerms): Promise<LogVerification> {
  const check = new LogCheck(terms);
  await check.run();
  return check.result();
}

class LogCheck {
  readonly #terms: LogVerificationTerms;
  readonly #differences: FoundDifference[] = [];
  readonly #register = new Register();
  readonly #inert: Partial<Record<EntryRefusal, number>> = {};
  #logKey: NoteKey | null = null;
  #logKeyText: string | null = null;
  #published: Checkpoint | null = null;
  #note = '';
  #witnesses: PublishedWitnesses | null = null;
  /** The latest time that a leaf so far is known to be no earlier than. Of those about people only the hour is. */
  #notBefore = 0;
  #range = CompactRange.empty();
  #publicEntries = 0;
  #personalEntries = 0;
  /** The tile of each level that is being filled. */
  readonly #filling: { readonly index: number; readonly hashes: Uint8Array[] }[] = [];

  constructor(terms: LogVerificationTerms) {
    this.#terms = terms;
  }

  async run(): Promise<void> {
    const { store, onLeaves } = this.#terms;
    const size = store.size();
    await this.#readTrustRoot();
    const times = this.#publicTimes();
    for (let from = 0; from < size; from += TILE_WIDTH) {
      const leaves = store.leaves(from, Math.min(size, from + TILE_WIDTH));
      for (const [offset, bytes] of leaves.entries()) {
        this.#takeLeaf(from + offset, bytes, times);
        if (this.#range.size === this.#published?.size) {
          this.#compareRoot(this.#published);
          this.#judgeWitnesses();
          await this.#compareTiles(true);
        }
      }
      await this.#compareTiles(false);
      await this.#compareBundle(from / TILE_WIDTH, leaves);
      onLeaves(this.#range.size);
      await yieldToOthers();
    }
    if (this.#range.size !== size) this.#report('leaf-out-of-place', this.#range.size);
    if (times.size > 0) this.#report('leaf-out-of-place', [...times.keys()][0] ?? null);
    if (this.#published !== null && this.#published.size > size) {
      this.#report('checkpoint-ahead-of-store', this.#published.size);
    }
  }

  result(): LogVerification {
    return {
      size: this.#range.size,
      published: this.#published,
      witnesses: this.#witnesses,
      logKey: this.#logKeyText,
      register: this.#register,
      publicEntries: this.#publicEntries,
      personalEntries: this.#personalEntries,
      inert: this.#inert,
      differences: this.#differences,
    };
  }

  /** The key from the first leaf, or from elsewhere; then the checkpoint that it must have signed. */
  async #readTrustRoot(): Promise<void> {
    const [first] = this.#terms.store.leaves(0, 1);
    try {
      const document = first === undefined ? null : (decodeSigned(first)?.document ?? null);
      const named = document === null ? null : readDocument(document, 'genesis').logKey;
      this.#logKeyText = this.#terms.logKey ?? named;
      if (this.#logKeyText !== null) this.#logKey = parseVerifierKey(this.#logKeyText);
    } catch (error) {
      if (!(error instanceof CoreError)) throw error;
    }
    if (this.#logKey === null) this.#report('no-genesis', 0);
    const note = await readOrNull(join(this.#terms.publicDirectory, 'checkpoint'));
    if (note === null) {
      this.#report('no-checkpoint', null);
      return;
    }
    this.#note = note.toString('utf8');
    this.#published = openOrNull(this.#note, this.#logKey);
    if (this.#published === null) this.#report('checkpoint-signature', null);
  }

  /** When each public entry was taken: what is in force when depends on it. */
  #publicTimes(): Map<number, number> {
    const times = new Map<number, number>();
    for (const { index, time } of this.#terms.store.publicLeaves(0)) times.set(index, time);
    return times;
  }

  #takeLeaf(index: number, bytes: Uint8Array, times: Map<number, number>): void {
    this.#range.append(leafHash(bytes), (level, _index, hash) => {
      // Behind the published end there are no tiles to compare with.
      if (level % TILE_HEIGHT !== 0 || index >= (this.#published?.size ?? 0)) return;
      const tileLevel = level / TILE_HEIGHT;
      this.#filling[tileLevel] ??= { index: 0, hashes: [] };
      this.#filling[tileLevel]?.hashes.push(hash);
    });
    const time = times.get(index);
    times.delete(index);
    const signed = decodeSigned(bytes);
    if (signed === null) {
      const hour = hourOf(bytes);
      if (hour === null) this.#report('leaf-malformed', index);
      else {
        this.#personalEntries += 1;
        this.#notBefore = Math.max(this.#notBefore, hour);
      }
      // What is said of a person must not have been taken for a public entry, nor the other way round.
      if (time !== undefined) this.#report('leaf-out-of-place', index);
      return;
    }
    this.#publicEntries += 1;
    if (time === undefined) {
      this.#report('leaf-out-of-place', index);
      return;
    }
    this.#notBefore = Math.max(this.#notBefore, time);
    const refused = this.#register.apply(index, signed, time);
    if (refused !== null) this.#inert[refused] = (this.#inert[refused] ?? 0) + 1;
  }

  /** Full tiles as they fill, so that no more than one a level is held; at the published end the partial ones too. */
  async #compareTiles(atEnd: boolean): Promise<void> {
    for (const [level, { index, hashes }] of this.#filling.entries()) {
      const isFull = hashes.length === TILE_WIDTH;
      if (hashes.length === 0 || !(isFull || atEnd)) continue;
      const path = tilePath({ level, index, width: hashes.length });
      await this.#compareFile(path, encodeTile(hashes), 'tile');
      this.#filling[level] = { index: index + 1, hashes: [] };
    }
  }

  #compareRoot({ size, root }: Checkpoint): void {
    if (!equal(this.#range.root(), root)) this.#report('checkpoint-root', size);
  }

  /**
   * That what is published has the cosignatures that it needs, judged at the leaf that ends it. Who was appointed at the
   * time of that leaf's batch, which cosigned nothing by itself, had to; whoever follows them later also may. The time
   * of a leaf about a person is known to the hour, so that witnesses are missed from the next hour on at the latest.
   */
  #judgeWitnesses(): void {
    const { pinned } = this.#terms;
    const isBroken = this.#register.brokenUntil(this.#notBefore) !== null;
    const due = this.#register.witnessingsSince(this.#notBefore - 1);
    const latest = this.#register.witnessingsSince(Number.MAX_SAFE_INTEGER);
    const appointed = (due.length > 0 ? due : latest).map(({ document, keys }) => {
      const { quorum, breakGlass } = document;
      return this.#witnessedBy(keys, isBroken ? (breakGlass?.quorum ?? quorum) : quorum);
    });
    const known = pinned && this.#witnessedBy(pinned.keys.map(parseCosignerKey), pinned.quorum);
    const isEnough = (each: PublishedWitnesses) => each.cosigners.length >= each.quorum;
    // Who need not have cosigned yet may have: that is told, and their absence is not.
    const best = appointed.find(isEnough) ?? (due.length > 0 ? appointed[0] : null) ?? null;
    this.#witnesses = known ?? best;
    if ([known, best].some((each) => each !== null && !isEnough(each))) {
      this.#report('too-few-cosignatures', this.#published?.size ?? null);
    }
  }

  /** One false cosignature of a known witness leaves none. */
  #witnessedBy(keys: readonly CosignerKey[], quorum: number): PublishedWitnesses {
    const count = keys.length;
    try {
      const cosigners = openCosignatures(this.#note, keys, verifyNoteSignature);
      return { cosigners: cosigners.map(({ key }) => key.name), count, quorum };
    } catch (error) {
      if (!(error instanceof CoreError)) throw error;
      return { cosigners: [], count, quorum };
    }
  }

  async #compareBundle(index: number, leaves: readonly Uint8Array[]): Promise<void> {
    const width = tileWidth({ level: 0, index, size: this.#published?.size ?? 0 });
    if (width === 0) return;
    const path = tilePath({ level: 'entries', index, width });
    await this.#compareFile(path, encodeEntryBundle(leaves.slice(0, width)), 'bundle');
  }

  async #compareFile(path: string, expected: Uint8Array, kind: 'tile' | 'bundle'): Promise<void> {
    const found = await readOrNull(join(this.#terms.publicDirectory, path));
    if (found === null) this.#report(`${kind}-missing`, path);
    else if (!equal(found, expected)) this.#report(`${kind}-differs`, path);
  }

  #report(difference: LogDifference, at: string | number | null): void {
    if (this.#differences.length < DIFFERENCES_MAX) this.#differences.push({ difference, at });
  }
}

function openOrNull(note: string, key: NoteKey | null): Checkpoint | null {
  if (key === null) return null;
  try {
    return openCheckpoint(note, key);
  } catch (error) {
    if (error instanceof CoreError) return null;
    throw error;
  }
}

/** When the hour of a leaf about a person begins, in milliseconds; null of what is no such leaf. */
function hourOf(bytes: Uint8Array): number | null {
  try {
    const leaf = parseLeaf(bytes);
    return leaf.kind === 'person' ? Date.parse(leaf.hour.replace('Z', ':00:00Z')) : null;
  } catch (error) {
    if (error instanceof CoreError) return null;
    throw error;
  }
}

async function readOrNull(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}
