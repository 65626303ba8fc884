import type { EntryRefusal, Register, Signed } from '@amanat/core/grants';
import { readDocumentOrNull } from '@amanat/core/grants';
import type { KeeperPort, KeeperStatus } from '@amanat/keeper/client';
import { KeeperUnavailable } from '@amanat/keeper/client';
import type { PublicWitness } from '../config/config.ts';
import type { Witnessed } from '../http/problem.ts';
import { toStorageError } from '../storage/errors.ts';
import { Cosigning } from './cosigning.ts';
import type { LogFailure, LogReason } from './errors.ts';
import { LogUnavailable } from './errors.ts';
import { Follower } from './follower.ts';
import type { LogKeys } from './keys.ts';
import { Mending } from './mending.ts';
import { PublicWitnesses } from './public-witnesses.ts';
import type { TreeHead } from './publisher.ts';
import { Publisher } from './publisher.ts';
import type { Appended, NewLeaf, Waiting } from './queue.ts';
import { BatchQueue } from './queue.ts';
import { describeWitnessing, NotWitnessed } from './quorum.ts';
import { encodeSigned } from './signed.ts';
import type { LedgerEntry, LogStore } from './store.ts';
import type { Stored } from './stored-tree.ts';
import { StoredTree } from './stored-tree.ts';

/** Batches that the keeper may be busy with while the next is written. */
const IN_FLIGHT_MAX = 2;
/** How soon the store learns how far the keeper has followed, where no batch tells it. */
const NOTE_MS = 1_000;

export type { LogReason } from './errors.ts';
export { LogUnavailable, waitsFor } from './errors.ts';
export { createLogKey, logKeyFile, readLogKey } from './key.ts';
export { isLogKeyFile, LogKeys, readLogKeys } from './keys.ts';
export type { Appended, NewLeaf } from './queue.ts';
export { decodeSigned, encodeSigned } from './signed.ts';
export type { LedgerEntry, LogStore } from './store.ts';
export { rangeAt } from './tree.ts';

export interface LogDeps {
  readonly store: LogStore;
  readonly keeper: KeeperPort;
  readonly keys: LogKeys;
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
  readonly onFailure?: LogFailure;
}

/**
 * The log: gives every entry its place, makes it durable, and has the keeper follow. Batches form by themselves
 * of whatever waits; their order is that of the calls. After any failure it is closed and takes nothing, until
 * `Mending` opens it.
 */
export class Log {
  readonly #deps: LogDeps;
  readonly #tree: StoredTree;
  readonly #publisher: Publisher;
  readonly #publicWitnesses: PublicWitnesses;
  readonly #follower: Follower;
  readonly #cosigning: Cosigning;
  readonly #mending: Mending;
  readonly #queue = new BatchQueue();
  readonly #inFlight = new Set<Promise<void>>();
  readonly #openListeners = new Set<(status: KeeperStatus) => void>();
  /** The last tree that the keeper has followed to. */
  #head: TreeHead | null = null;
  #reason: LogReason | null = 'starting';
  /** Raised when the keeper is lost: answers to what was sent before are not believed. */
  #epoch = 0;
  #isScheduled = false;
  #publicTurn: Promise<unknown> = Promise.resolve();
  #noteTimer: NodeJS.Timeout | null = null;

  constructor(deps: LogDeps) {
    const { store, now } = deps;
    this.#deps = deps;
    this.#tree = new StoredTree(store);
    this.#follower = new Follower(deps.keeper, deps.keys, this.#tree);
    this.#cosigning = new Cosigning({ store, tree: this.#tree, now });
    this.#publisher = new Publisher({
      store,
      directory: deps.publicDirectory,
      keys: deps.keys,
      intervalSeconds: deps.publishSeconds,
      onPublished: (head) => this.#publicWitnesses.offer(this.#cosigning.toCosign(head)),
      onFailure: (error) => deps.onFailure?.('publisher', error),
    });
    this.#publicWitnesses = new PublicWitnesses({
      witnesses: deps.publicWitnesses ?? [],
      add: (text, cosignature) => this.#publisher.cosigned(text, cosignature),
      onFailure: (error) => deps.onFailure?.('public-witnesses', error),
    });
    this.#mending = new Mending({
      store,
      origin: deps.keys.origin,
      tree: this.#tree,
      follower: this.#follower,
      cosigning: this.#cosigning,
      now,
      settle: () => Promise.allSettled(this.#inFlight),
      followed: () => this.size,
      onFollowed: (head) => this.#advance(head),
      onFound: (found) => this.#takeUp(found),
      onFailure: (where, error) => deps.onFailure?.(where, error),
    });
    this.#mending.start();
  }

  /** What the log's public entries say, up to the last one stored. Not to be kept: it may be another one next time. */
  get register(): Register {
    return this.#tree.register;
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
  witnessed(): Witnessed {
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
    this.#mending.loseKeeper();
    if (this.#reason !== null) return;
    this.#deps.onFailure?.('keeper', error);
    this.#stop('keeper-unavailable');
    this.#mending.start();
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

  /** What was sealed about a subject and is opened, by number, at most `max`. */
  openedOf(subject: string, max: number): LedgerEntry[] {
    return this.#deps.store.openedOf(subject, max);
  }

  /** The leaf at an index, as far as the keeper has followed; null beyond. */
  leaf(index: number): Uint8Array | null {
    return index < this.size ? (this.#deps.store.leaves(index, index + 1)[0] ?? null) : null;
  }

  /** The entries about organisations from index `from` on, in order, as far as the keeper has followed. */
  *publicLeaves(from: number): Generator<{ readonly index: number; readonly bytes: Uint8Array }> {
    for (const leaf of this.#deps.store.publicLeaves(from)) {
      if (leaf.index >= this.size) return;
      yield leaf;
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
    if (this.#reason === 'closed') return;
    this.#stop('closed');
    const mended = this.#mending.close();
    await Promise.allSettled(this.#inFlight);
    await mended;
    this.#noteFollowed();
    await this.#publisher
      .flush()
      .catch((error: unknown) => this.#deps.onFailure?.('publisher', error));
    await this.#publisher.close();
    this.#publicWitnesses.close();
    this.#cosigning.close();
  }

  async #appendPublic(signed: Signed) {
    // One witness that lies about what it has seen must not keep the glass whole.
    const isStill = this.#reason === 'not-witnessed' || this.#reason === 'older-than-witnesses';
    const isBreakingGlass = isStill && readDocumentOrNull(signed.document, 'broken-glass') !== null;
    if (this.#reason !== null && !isBreakingGlass) throw new LogUnavailable(this.#reason);
    // The log's keys sign for nobody else.
    const isTheirs = this.register.signedByAdministrators(signed);
    const endorsed = isTheirs ? this.#deps.keys.endorse(signed, this.register.logKeys) : signed;
    const now = this.#deps.now();
    const refused = this.register.check(endorsed, now);
    if (refused !== null) return { refused };
    if (this.register.isSignedLongAgo(signed, now)) return { refused: 'signed-long-ago' as const };
    const bytes = encodeSigned(endorsed);
    if (bytes === null) return { refused: 'malformed' as const };
    if (isBreakingGlass) return { index: this.#store([{ bytes }]).from };
    const [appended] = await this.append([{ bytes }]);
    // Whoever is told of the next key must not be shown a tree that it has not signed.
    if (this.register.logKeys.at(-1)?.index === appended?.index) await this.flush();
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
      stored = this.#store(leaves);
    } catch (cause) {
      const reason = toStorageError(cause) === null ? 'store-inconsistent' : 'store-unavailable';
      this.#deps.onFailure?.('store', cause);
      for (const waiting of batch) waiting.reject(new LogUnavailable(reason, { cause }));
      this.#stop(reason);
      this.#mending.start();
      return;
    }
    const answered = this.#follow(batch, stored).finally(() => {
      this.#inFlight.delete(answered);
      this.#schedule();
    });
    this.#inFlight.add(answered);
  }

  /** The commit point. Whatever it throws, nothing was taken in. */
  #store(leaves: readonly NewLeaf[]): Stored {
    return this.#tree.append(leaves, this.#deps.now(), this.size);
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
      const head = await this.#cosigning.cosign(
        this.#follower.sign(range, this.#deps.now()),
        witnessing,
      );
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
        this.#mending.start();
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

  #advance(head: TreeHead): void {
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

  /** What mending has found: why the log stays closed, or the keeper that it is open with. */
  #takeUp(found: KeeperStatus | LogReason): void {
    if (typeof found === 'string') {
      this.#changeTo(found);
      return;
    }
    this.#changeTo(null);
    for (const listener of this.#openListeners) listener(found);
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
}
