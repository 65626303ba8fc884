import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CoreError } from '@amanat/core/errors';
import type { AppointedLogKey, EntryRefusal } from '@amanat/core/grants';
import { quorumOf, Register } from '@amanat/core/grants';
import type { Checkpoint, CosignerKey } from '@amanat/core/log';
import { parseCosignerKey, parseLeafOrNull, parseVerifierKey, TILE_WIDTH } from '@amanat/core/log';
import type { WitnessKeys } from '@amanat/core/verify';
import type { Finding, LeavesSeen, SignedCheckpoint, StoredCode } from '../audit/audit.ts';
import {
  AuditError,
  cosignersOf,
  readCheckpoint,
  StoredLog,
  verifyStored,
} from '../audit/audit.ts';
import type { LogStore } from '../log/log.ts';
import { decodeSigned } from '../log/log.ts';

/** Differences that are told at most; the first few say enough. */
const DIFFERENCES_MAX = 100;

/** How a bundle's path begins. */
const ENTRIES = 'tile/entries/';
const WORKER = fileURLToPath(new URL('verify-worker.ts', import.meta.url));

/** What does not agree. `leaf-without-entry`: it is about a person, and is on nobody's chain, and has no statement. */
export type LogDifference =
  | StoredCode
  | 'no-genesis'
  | 'no-checkpoint'
  | 'checkpoint-signature'
  | 'checkpoint-ahead-of-store'
  | 'checkpoint-root'
  | 'leaf-without-entry'
  | 'too-few-cosignatures'
  | 'tile-missing'
  | 'tile-differs';

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
  /** The store's file, which every process opens for itself. */
  readonly database: string;
  /** Folder of the static files. */
  readonly publicDirectory: string;
  /** The log's verifier key where it is known from elsewhere; null takes the genesis's own. */
  readonly logKey: string | null;
  /** Witnesses known from elsewhere, who must have cosigned besides those that the log names. */
  readonly pinned: WitnessKeys | null;
  /** How many processes hash beside one another; 1 is this one. */
  readonly processes: number;
  readonly onLeaves: (leaves: number, size: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Checks a whole log from what the store has: every leaf hashed into the tree, whose root must be that of the published
 * and signed checkpoint; every published tile and bundle, byte by byte; every public entry replayed; the cosignatures of
 * those who by these entries had to cosign. Nothing is believed but the leaves. A gateway may write meanwhile.
 * @throws AuditError 'unreachable' for a file that cannot be read; StorageError; what the signal throws
 */
export async function verifyLog(terms: LogVerificationTerms): Promise<LogVerification> {
  const check = new LogCheck(terms);
  await check.run();
  return check.result();
}

/** What a leaf holds that names a key of the log's. */
const NAMES_A_LOG_KEY = Buffer.from('"type":"log-key"');

class LogCheck {
  readonly #terms: LogVerificationTerms;
  readonly #log: StoredLog;
  readonly #differences: FoundDifference[] = [];
  readonly #register = new Register();
  readonly #inert: Partial<Record<EntryRefusal, number>> = {};
  /** The keys that the leaves name, in their order; none where the genesis has no key that is one. */
  #logKeys: readonly AppointedLogKey[] = [];
  #logKey: string | null = null;
  #published: SignedCheckpoint | null = null;
  #size = 0;
  #witnesses: PublishedWitnesses | null = null;
  /** The latest time that a published leaf is known to be no earlier than. Of those about people only the hour is. */
  #notBefore = 0;
  #publicEntries = 0;
  #personalEntries = 0;

  constructor(terms: LogVerificationTerms) {
    this.#terms = terms;
    this.#log = new StoredLog(terms.store, terms.publicDirectory);
  }

  async run(): Promise<void> {
    this.#readLogKeys();
    await this.#readCheckpoint();
    // After the checkpoint: whatever that covers is in the store by now.
    this.#size = this.#terms.store.size();
    if (this.#published !== null) await this.#verifyPublished(this.#published);
    await this.#lookBehind(Math.min(this.#published?.size ?? 0, this.#size));
    this.#findUnprepared();
    this.#replay();
  }

  result(): LogVerification {
    return {
      size: this.#size,
      published: this.#published,
      witnesses: this.#witnesses,
      logKey: this.#logKey,
      register: this.#register,
      publicEntries: this.#publicEntries,
      personalEntries: this.#personalEntries,
      inert: this.#inert,
      differences: this.#differences,
    };
  }

  /** Those that the leaves name, of which one has to be the key that is known from elsewhere, where one is. */
  #readLogKeys(): void {
    const { store, logKey } = this.#terms;
    const register = new Register();
    const [first] = store.leaves(0, 1);
    const genesis = first === undefined ? null : decodeSigned(first);
    if (genesis !== null) register.apply(0, genesis, 0);
    for (const { index, bytes } of store.publicLeaves(1)) {
      const signed = Buffer.from(bytes).includes(NAMES_A_LOG_KEY) ? decodeSigned(bytes) : null;
      if (signed !== null) register.apply(index, signed, 0);
    }
    const named = register.logKeys.filter(({ key }) => isLogKey(key));
    // Of a log that does not name it, the key that is known from elsewhere is the only one.
    const isOurs = logKey === null || named.some(({ key }) => key === logKey);
    this.#logKeys = isOurs ? named : [{ key: logKey, index: 0, bothUntil: 0 }];
    this.#logKey = this.#logKeys.at(-1)?.key ?? null;
    if (this.#logKey === null) this.#report('no-genesis', 0);
  }

  /** The checkpoint that must be signed by the key which its tree names last. */
  async #readCheckpoint(): Promise<void> {
    for (const { key, index } of this.#logKeys.toReversed()) {
      try {
        const published = await readCheckpoint(this.#log, parseVerifierKey(key));
        const next = this.#logKeys[this.#logKeys.findIndex((each) => each.key === key) + 1];
        if (published.size > index && published.size <= (next?.index ?? Number.MAX_SAFE_INTEGER)) {
          this.#published = published;
          this.#logKey = key;
          return;
        }
      } catch (error) {
        if (!(error instanceof AuditError) || error.code === 'unreachable') throw error;
      }
    }
    const isThere = (await this.#log.readCheckpoint()) !== null;
    this.#report(isThere ? 'checkpoint-signature' : 'no-checkpoint', null);
  }

  /** The published tree, from the store's leaves to the signed root. */
  async #verifyPublished(published: SignedCheckpoint): Promise<void> {
    const { database, publicDirectory, processes, onLeaves, signal } = this.#terms;
    const worker = [WORKER, database, publicDirectory] as const;
    const { findings, isRooted, seen } = await verifyStored(this.#log, worker, published, {
      processes,
      signal,
      onLeaves: (leaves) => onLeaves(leaves, this.#size),
    });
    if (published.size > this.#size) this.#report('checkpoint-ahead-of-store', published.size);
    // Where the tiles lead to the root and a bundle of the store's is not theirs, other leaves were signed.
    const isOfTiles = ({ at }: Finding) => at !== null && !at.startsWith(ENTRIES);
    if (isRooted === false || !findings.every(isOfTiles)) {
      this.#report('checkpoint-root', published.size);
    }
    for (const { code, at } of findings.filter(isOfTiles)) {
      this.#report(code === 'hole' ? 'tile-missing' : 'tile-differs', at);
    }
    this.#take(seen);
    this.#notBefore = seen.latestHour;
  }

  /** Leaves that are stored and not published yet: no tile and no root says what they are. */
  async #lookBehind(published: number): Promise<void> {
    const { onLeaves, signal } = this.#terms;
    for (let from = published; from < this.#size && !this.#isFull; from += TILE_WIDTH) {
      signal.throwIfAborted();
      this.#log.look(from, Math.min(this.#size, from + TILE_WIDTH));
      this.#take(this.#log.takeSeen());
      onLeaves(Math.min(this.#size, from + TILE_WIDTH), this.#size);
      await yieldToOthers();
    }
  }

  /** Leaves about a person that nobody prepared. */
  #findUnprepared(): void {
    const { store } = this.#terms;
    // A store that lacks as many leaves may have any size.
    if (this.#isFull) return;
    for (const index of store.unprepared(this.#size)) {
      const [leaf] = store.leaves(index, index + 1);
      const parsed = leaf === undefined ? null : parseLeafOrNull(leaf);
      if (parsed !== null && parsed.kind !== 'public') this.#report('leaf-without-entry', index);
      if (this.#isFull) return;
    }
  }

  get #isFull(): boolean {
    return this.#differences.length === DIFFERENCES_MAX;
  }

  #take({ personal, public: open, findings }: LeavesSeen): void {
    this.#personalEntries += personal;
    this.#publicEntries += open;
    for (const { code, at } of findings) this.#report(code, at);
  }

  /** The public entries, in order; at the published end, who had to have cosigned it. */
  #replay(): void {
    const end = this.#published?.size ?? 0;
    let isJudged = end === 0 || end > this.#size;
    for (const { index, bytes, time } of this.#terms.store.publicLeaves(0)) {
      if (index >= this.#size) break;
      if (index >= end && !isJudged) {
        this.#judgeWitnesses();
        isJudged = true;
      }
      if (index < end) this.#notBefore = Math.max(this.#notBefore, time);
      const signed = decodeSigned(bytes);
      if (signed === null) continue;
      const refused = this.#register.apply(index, signed, time);
      if (refused !== null) this.#inert[refused] = (this.#inert[refused] ?? 0) + 1;
    }
    if (!isJudged) this.#judgeWitnesses();
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
    const appointed = (due.length > 0 ? due : latest).map(({ document, keys }) =>
      this.#witnessedBy(keys, quorumOf(document, isBroken)),
    );
    const known = pinned && this.#witnessedBy(pinned.keys.map(parseCosignerKey), pinned.quorum);
    const isEnough = (each: PublishedWitnesses) => each.cosigners.length >= each.quorum;
    // Who need not have cosigned yet may have: that is told, and their absence is not.
    const best = appointed.find(isEnough) ?? (due.length > 0 ? appointed[0] : null) ?? null;
    this.#witnesses = known ?? best;
    if ([known, best].some((each) => each !== null && !isEnough(each))) {
      this.#report('too-few-cosignatures', this.#published?.size ?? null);
    }
  }

  #witnessedBy(keys: readonly CosignerKey[], quorum: number): PublishedWitnesses {
    const cosigners = cosignersOf(this.#published?.note ?? '', keys);
    return { cosigners: cosigners.map(({ key }) => key.name), count: keys.length, quorum };
  }

  #report(difference: LogDifference, at: string | number | null): void {
    if (!this.#isFull) this.#differences.push({ difference, at });
  }
}

function isLogKey(text: string): boolean {
  try {
    parseVerifierKey(text);
    return true;
  } catch (error) {
    if (error instanceof CoreError) return false;
    throw error;
  }
}
