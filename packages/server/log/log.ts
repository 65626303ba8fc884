import { setTimeout as sleep } from 'node:timers/promises';
import { equal, fromHex } from '@amanat/core/bytes';
import type { EntryRefusal, Signed, Witnessing } from '@amanat/core/grants';
import { Register } from '@amanat/core/grants';
import { CompactRange, consistencyProof, leafHash, TILE_HEIGHT } from '@amanat/core/log';
import type { KeeperPort, KeeperStatus } from '@amanat/keeper/client';
import { KeeperUnavailable } from '@amanat/keeper/client';
import type { PublicWitness } from '../config/config.ts';
import { toStorageError } from '../storage/errors.ts';
import type { LogReason } from './errors.ts';
import { LogUnavailable } from './errors.ts';
import { Follower } from './follower.ts';
import type { LogKey } from './key.ts';
import { PublicWitnesses } from './public-witnesses.ts';
import type { Head } from './publisher.ts';
import { Publisher } from './publisher.ts';
import type { Appended, NewLeaf, Waiting } from './queue.ts';
import { BatchQueue } from './queue.ts';
import { breaksGlass, describeWitnessing, NotWitnessed, Quorum } from './quorum.ts';
import { decodeSigned, encodeSigned } from './signed.ts';
import type { LedgerEntry, LogStore, StoredNode } from './store.ts';
import { rangeAt, storeTiles } from './tree.ts';
import type { CheckpointToCosign } from './witness-client.ts';

/** Batches that the keeper may be busy with while the next is written. */
const IN_FLIGHT_MAX = 2;
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 2_000;
/** How soon the store learns how far the keeper has followed, where no batch tells it. */
const NOTE_MS = 1_000;
/** Longest that a batch waits for a keeper that has just started to count cosignatures: a second, by a clock that runs. */
const EARLY_MS_MAX = 2_000;
const PAGE_LEAVES = 1_024;

export type { LogReason } from './errors.ts';
export { LogUnavailable, waitsFor } from './errors.ts';
export { createLogKey, readLogKey } from './key.ts';
export type { Appended, NewLeaf } from './queue.ts';
export { decodeSigned, encodeSigned } from './signed.ts';
export type { LogStore } from './store.ts';

export interface LogDeps {
  readonly store: LogStore;
  readonly keeper: KeeperPort;
  readonly key: LogKey;
  /** Folder of the static files. */
  readonly publicDirectory: string;
  readonly publishSeconds: number;
  /** Who cosigns what is published, beside the witnesses that a read waits for. */
  readonly publicWitnesses?: readonly PublicWitness[];
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Told whenever the log stops taking entries (why), and takes them again (null). */
  readonly onChange?: (reason: LogReason | null) => void;
  /** Told of each failure, for the operator's eyes. */
  readonly onFailure?: (
    where: 'store' | 'keeper' | 'witnesses' | 'public-witnesses' | 'publisher',
    error: unknown,
  ) => void;
}

/** Leaves that are stored, and the tree that ends with them. */
interface Stored {
  readonly leaves: readonly NewLeaf[];
  readonly from: number;
  readonly range: CompactRange;
  readonly witnessing: Witnessing | null;
}

/**
 * The log: gives every entry its place, makes it durable, and has the keeper follow. Batches form by themselves
 * of whatever waits; their order is that of the calls. After any failure it takes nothing until it has mended:
 * the store writes again, and the keeper has followed to the store's size with nothing released.
 */
export class Log {
  /** What the log's public entries say, up to the last one stored. */
  readonly register = new Register();
  readonly #deps: LogDeps;
  readonly #publisher: Publisher;
  readonly #publicWitnesses: PublicWitnesses;
  readonly #follower: Follower;
  readonly #queue = new BatchQueue();
  readonly #inFlight = new Set<Promise<void>>();
  readonly #openListeners = new Set<(status: KeeperStatus) => void>();
  /** The tree of everything stored; replaced only once a batch is durable. */
  #range = CompactRange.empty();
  /** Leaves that the register has seen. */
  #registered = 0;
  /** The last tree that the keeper has followed to. */
  #head: Head | null = null;
  #reason: LogReason | null = 'starting';
  /** Raised when the keeper is lost: answers to what was sent before are not believed. */
  #epoch = 0;
  #isScheduled = false;
  #mending: Promise<void> | null = null;
  #publicTurn: Promise<unknown> = Promise.resolve();
  readonly #quorum = new Quorum();
  #cosigning: Promise<unknown> = Promise.resolve();
  /** When the keeper begins to count cosignatures, by the process's own clock. */
  #countsAt = 0;
  #wake: (() => void) | null = null;
  #noteTimer: NodeJS.Timeout | null = null;

  constructor(deps: LogDeps) {
    this.#deps = deps;
    this.#follower = new Follower(deps.keeper, deps.key);
    this.#publisher = new Publisher({
      store: deps.store,
      directory: deps.publicDirectory,
      key: deps.key,
      intervalSeconds: deps.publishSeconds,
      onPublished: (head) => this.#publicWitnesses.offer(this.#toCosign(head)),
      onFailure: (error) => deps.onFailure?.('publisher', error),
    });
    this.#publicWitnesses = new PublicWitnesses({
      witnesses: deps.publicWitnesses ?? [],
      add: (text, cosignature) => this.#publisher.cosigned(text, cosignature),
      onFailure: (error) => deps.onFailure?.('public-witnesses', error),
    });
    this.#readRegister();
    this.#startMending();
  }

  /** Why the log takes no entries; null where it does. */
  get reason(): LogReason | null {
    return this.#reason;
  }

  /** Leaves that the keeper has followed to. */
  get size(): number {
    return this.#head?.size ?? 0;
  }

  /** The signed checkpoint of the tree that the keeper has followed to. @throws LogUnavailable before there is one */
  get checkpoint(): string {
    if (this.#head === null) throw new LogUnavailable(this.#reason ?? 'starting');
    return this.#head.checkpoint;
  }

  /** Whether witnesses cosign the log, and in words which of them have to. */
  witnessed(): { readonly witnessed: boolean; readonly witnessing: string } {
    return describeWitnessing(this.register, this.now());
  }

  /** Milliseconds since 1970, by the gateway's clock. */
  now(): number {
    return this.#deps.now();
  }

  /** Calls back each time the log takes entries (again), with what the keeper then said of itself. */
  onOpen(listener: (status: KeeperStatus) => void): void {
    this.#openListeners.add(listener);
  }

  /** Waits until the log takes entries. Never ends where the log is closed first. */
  ready(): Promise<void> {
    return this.#reason === null ? Promise.resolve() : this.#nextOpen();
  }

  /**
   * Told that the connection to the keeper is lost: it may be another that answers next, to which nothing that was
   * prepared means anything. Nothing of it is committed there.
   */
  loseKeeper(error: Error): void {
    this.#epoch += 1;
    if (this.#reason !== null) return;
    this.#deps.onFailure?.('keeper', error);
    this.#stop('keeper-unavailable');
    this.#startMending();
  }

  /**
   * Appends leaves, side by side and in this order, behind those of every earlier call. Once this resolves they are
   * durable and the keeper has followed; `keys` are what it released.
   * @throws LogUnavailable: nothing was stored (or, of a commit in doubt or not witnessed, nothing will be released
   * for it); KeeperUnavailable: stored, and nothing released
   */
  append(leaves: readonly NewLeaf[]): Promise<readonly Appended[]> {
    if (this.#reason !== null) return Promise.reject(new LogUnavailable(this.#reason));
    if (leaves.length === 0) return Promise.resolve([]);
    const appended = this.#queue.push(leaves);
    this.#schedule();
    return appended;
  }

  /**
   * Appends an entry about organisations if the register would take it. One that breaks the glass is taken also while
   * too few witnesses cosign; it takes effect once the smaller quorum has.
   * @throws LogUnavailable, KeeperUnavailable as {@link append}; StorageError where breaking the glass is not written
   */
  appendPublic(
    signed: Signed,
  ): Promise<{ readonly index: number } | { readonly refused: EntryRefusal }> {
    // One after another: what the check allows must still hold when the entry is in.
    const turn = this.#publicTurn.then(() => this.#appendPublic(signed));
    this.#publicTurn = turn.catch(() => {});
    return turn;
  }

  /** A subject's entries from her number `first` on, at most `max`. */
  entriesOf(subject: string, first: number, max: number): LedgerEntry[] {
    return this.#deps.store.entriesOf(subject, first, max);
  }

  /** The bytes of leaves `from` up to but without `to`, read page by page. */
  *leaves(from: number, to: number): Generator<Uint8Array> {
    for (let at = from; at < to; at += PAGE_LEAVES) {
      yield* this.#deps.store.leaves(at, Math.min(to, at + PAGE_LEAVES));
    }
  }

  /**
   * Publishes tiles and checkpoint up to the present size, or beyond, and gives the checkpoint whose files are there.
   * @throws LogUnavailable where the files cannot be written, or before there is a tree
   */
  async flush(): Promise<string> {
    const published = await this.#publisher.flush().catch((cause: unknown) => {
      throw new LogUnavailable('store-unavailable', { cause });
    });
    if (published === null) throw new LogUnavailable(this.reason ?? 'starting');
    return published.checkpoint;
  }

  /** Takes no more entries; ends when those under way are answered and what was entered is published. */
  async close(): Promise<void> {
    if (this.#isClosed()) return;
    this.#stop('closed');
    this.#wake?.();
    await Promise.allSettled(this.#inFlight);
    await this.#mending;
    this.#noteFollowed();
    await this.#publisher
      .flush()
      .catch((error: unknown) => this.#deps.onFailure?.('publisher', error));
    await this.#publisher.close();
    this.#publicWitnesses.close();
    this.#quorum.close();
  }

  async #appendPublic(signed: Signed) {
    // One witness that lies about what it has seen must not keep the glass whole.
    const isStill = this.#reason === 'not-witnessed' || this.#reason === 'older-than-witnesses';
    const isBreakingGlass = isStill && breaksGlass(signed);
    if (this.#reason !== null && !isBreakingGlass) throw new LogUnavailable(this.#reason);
    const refused = this.register.check(signed, this.#deps.now());
    if (refused !== null) return { refused };
    const bytes = encodeSigned(signed);
    if (bytes === null) return { refused: 'malformed' as const };
    if (isBreakingGlass) return { index: this.#store([{ bytes }], this.#deps.now()).from };
    const [appended] = await this.append([{ bytes }]);
    return { index: (appended as Appended).index };
  }

  #schedule(): void {
    if (this.#isScheduled || this.#queue.isEmpty || this.#inFlight.size >= IN_FLIGHT_MAX) return;
    this.#isScheduled = true;
    // After the events that are ready now, so that they share a batch. No timer: a lone entry waits for nothing.
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#reason !== null) return;
      this.#writeBatch(this.#queue.takeBatch());
      this.#schedule();
    });
  }

  /** A batch's way: the store, and then witnesses and keeper, while the next is written. */
  #writeBatch(batch: readonly Waiting[]): void {
    const leaves = batch.flatMap((waiting) => waiting.leaves);
    let stored: Stored;
    try {
      stored = this.#store(leaves, this.#deps.now());
    } catch (cause) {
      const reason = toStorageError(cause) === null ? 'store-inconsistent' : 'store-unavailable';
      this.#deps.onFailure?.('store', cause);
      for (const waiting of batch) waiting.reject(new LogUnavailable(reason, { cause }));
      this.#stop(reason);
      this.#startMending();
      return;
    }
    const answered = this.#follow(batch, stored).finally(() => {
      this.#inFlight.delete(answered);
      this.#schedule();
    });
    this.#inFlight.add(answered);
  }

  /** The commit point: one transaction of the store. Whatever it throws, nothing is taken in here. */
  #store(leaves: readonly NewLeaf[], time: number): Stored {
    const from = this.#range.size;
    const range = CompactRange.from(from, this.#range.hashes());
    const nodes: StoredNode[] = [];
    for (const leaf of leaves) {
      range.append(leafHash(leaf.bytes), (level, index, hash) => {
        if (level === 0 || level % TILE_HEIGHT !== 0) return;
        nodes.push({ level: level / TILE_HEIGHT, index, hash });
      });
    }
    const toStore = leaves.map(({ bytes, entry }) => ({
      bytes,
      entry: entry ?? null,
      publicTime: entry === undefined ? time : null,
    }));
    this.#deps.store.append(from, toStore, nodes, this.size);
    this.#range = range;
    // Who must cosign it is said by what stands before it.
    const witnessing = this.register.witnessing(time);
    for (const [offset, leaf] of leaves.entries()) {
      if (leaf.entry === undefined) this.#applyPublic(from + offset, leaf.bytes, time);
    }
    return { leaves, from, range, witnessing };
  }

  async #follow(
    batch: readonly Waiting[],
    { leaves, from, range, witnessing }: Stored,
  ): Promise<void> {
    const epoch = this.#epoch;
    const wanted = leaves.flatMap((leaf) =>
      leaf.wanted === true && leaf.entry !== undefined ? leaf.entry.lookUp : [],
    );
    try {
      const head = await this.#cosign(range, witnessing);
      if (epoch !== this.#epoch) throw new Error('the keeper was lost meanwhile');
      const released = await this.#follower.commit(
        head,
        leaves.map((leaf) => leaf.bytes),
        wanted,
      );
      if (epoch !== this.#epoch) throw new Error('the keeper was lost meanwhile');
      this.#advance(head);
      let index = from;
      for (const waiting of batch) {
        waiting.resolve(
          waiting.leaves.map(({ entry, wanted }) => {
            const keys = wanted === true && entry !== undefined ? released.get(entry.lookUp) : null;
            return { index: index++, keys: keys ?? null };
          }),
        );
      }
    } catch (cause) {
      if (epoch === this.#epoch) {
        this.#epoch += 1;
        const isWitnessed = !(cause instanceof NotWitnessed);
        this.#deps.onFailure?.(isWitnessed ? 'keeper' : 'witnesses', cause);
        this.#stop(isWitnessed ? 'keeper-unavailable' : cause.reason);
        this.#startMending();
      }
      for (const waiting of batch) {
        waiting.reject(
          cause instanceof NotWitnessed
            ? new LogUnavailable(cause.reason, { cause })
            : new KeeperUnavailable('the keeper released nothing', { cause }),
        );
      }
    }
  }

  /** The tree's head, signed, and cosigned by whom it takes. One after another, as the keeper is told of them. */
  #cosign(range: CompactRange, witnessing: Witnessing | null): Promise<Head> {
    const head = this.#follower.sign(range);
    const turn = this.#cosigning.then(async () => {
      if (witnessing === null) return head;
      // What is cosigned too early, a keeper that has just started would not count.
      const early = this.#countsAt - performance.now();
      if (early > 0) await sleep(Math.min(early, EARLY_MS_MAX));
      const isBroken = this.register.brokenUntil(this.#deps.now()) !== null;
      const checkpoint = await this.#quorum.cosign(this.#toCosign(head), witnessing, isBroken);
      return { ...head, checkpoint };
    });
    this.#cosigning = turn.catch(() => {});
    return turn;
  }

  /** A head for witnesses. Each proof is made once, because most of them stand at the same size. */
  #toCosign({ size, checkpoint: note }: Head): CheckpointToCosign {
    const made = new Map<number, Promise<Uint8Array[]>>();
    const reader = storeTiles(this.#deps.store, size);
    const proofFrom = (from: number) => {
      const proof = made.get(from) ?? consistencyProof(reader, from, size);
      made.set(from, proof);
      return proof;
    };
    return { size, note, proofFrom };
  }

  #advance(head: Head): void {
    this.#head = head;
    this.#publisher.offer(head);
    // The next batch carries it to the store; where none comes soon, it goes by itself.
    this.#noteTimer ??= setTimeout(() => this.#noteFollowed(), NOTE_MS).unref();
  }

  #noteFollowed(): void {
    if (this.#noteTimer !== null) clearTimeout(this.#noteTimer);
    this.#noteTimer = null;
    try {
      if (this.#deps.store.followed() < this.size) this.#deps.store.noteFollowed(this.size);
    } catch (error) {
      this.#deps.onFailure?.('store', error);
    }
  }

  /** Whatever waits is refused: nothing of it is stored, and its numbers at the keeper become void. */
  #stop(reason: LogReason): void {
    if (this.#reason !== 'closed') this.#changeTo(reason);
    this.#queue.refuseAll(reason);
  }

  #changeTo(reason: LogReason | null): void {
    if (this.#reason === reason) return;
    this.#reason = reason;
    this.#deps.onChange?.(reason);
  }

  #startMending(): void {
    this.#mending ??= this.#mend().finally(() => {
      this.#mending = null;
    });
  }

  async #mend(): Promise<void> {
    await Promise.allSettled(this.#inFlight);
    for (
      let wait = BACKOFF_MS_MIN;
      this.#reason !== 'closed';
      wait = Math.min(2 * wait, BACKOFF_MS_MAX)
    ) {
      const epoch = this.#epoch;
      const found = await this.#tryToOpen();
      // `close` may have come in between.
      if (this.#isClosed()) return;
      if (typeof found !== 'string' && epoch === this.#epoch) {
        this.#changeTo(null);
        for (const listener of this.#openListeners) listener(found);
        return;
      }
      // Whoever answered may be gone by now.
      this.#changeTo(typeof found === 'string' ? found : 'keeper-unavailable');
      await this.#sleep(wait);
    }
  }

  /** The store must write, the keeper must stand in this very tree, and then follows to its end. */
  async #tryToOpen(): Promise<KeeperStatus | LogReason> {
    const { store, key } = this.#deps;
    try {
      store.noteFollowed(Math.max(store.followed(), this.size));
      // After a commit in doubt only the store knows how it ended.
      this.#range = rangeAt(store, store.size());
      this.#readRegister();
    } catch (error) {
      this.#deps.onFailure?.('store', error);
      return toStorageError(error) === null ? 'store-inconsistent' : 'store-unavailable';
    }
    let status: KeeperStatus;
    try {
      status = await this.#follower.status();
    } catch {
      return 'keeper-unavailable';
    }
    if (status.origin !== key.note.name) return 'keeper-of-another-log';
    if (status.size > this.#range.size) return 'store-older-than-keeper';
    try {
      if (!equal(rangeAt(store, status.size).root(), fromHex(status.root)))
        return 'keeper-of-another-log';
      // Put back from an old copy it has forgotten people's entries: their histories would be short of them.
      if (status.size < store.followed()) return 'keeper-older-than-log';
      this.#countsAt = performance.now() + status.cosignaturesFrom - status.time;
      const range = this.#range;
      const witnessing = this.register.witnessing(this.#deps.now());
      const head = await this.#cosign(range, witnessing);
      await this.#follower.catchUp(store, status.size, head);
      // Also where there is nothing to follow: by the keeper's clock, witnesses' cosignatures may be too old.
      if (witnessing !== null && status.size === head.size) {
        await this.#follower.commit(head, [], []);
      }
      this.#advance(head);
      // The glass was broken meanwhile: the keeper is to learn of it.
      if (this.#range !== range) return 'not-witnessed';
    } catch (error) {
      if (error instanceof NotWitnessed) {
        this.#deps.onFailure?.('witnesses', error);
        return error.reason;
      }
      this.#deps.onFailure?.('keeper', error);
      if (toStorageError(error) !== null) return 'store-unavailable';
      return this.#isClosed() ? 'closed' : 'keeper-refuses';
    }
    return status;
  }

  /** Takes in the public entries that are stored and not yet in the register. */
  #readRegister(): void {
    for (const { index, bytes, time } of this.#deps.store.publicLeaves(this.#registered)) {
      this.#applyPublic(index, bytes, time);
    }
  }

  #applyPublic(index: number, bytes: Uint8Array, time: number): void {
    if (index < this.#registered) return;
    this.#registered = index + 1;
    const signed = decodeSigned(bytes);
    // A refusal changes nothing: the entry is in the tree, and inert.
    if (signed !== null) this.register.apply(index, signed, time);
  }

  #nextOpen(): Promise<void> {
    return new Promise((resolve) => {
      const listener = () => {
        this.#openListeners.delete(listener);
        resolve();
      };
      this.#openListeners.add(listener);
    });
  }

  #isClosed(): boolean {
    return this.#reason === 'closed';
  }

  #sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
