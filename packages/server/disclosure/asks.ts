import type {
  AskDecision,
  Asked,
  AskRejection,
  KeeperPort,
  LookUp,
  PrepareItem,
  Resolved,
} from '@amanat/keeper/client';
import { splitPrepared } from '@amanat/keeper/client';
import type { Log } from '../log/log.ts';
import { waitsFor } from '../log/log.ts';
import type { Warn } from '../warn.ts';
import type { Carried } from './carried.ts';
import { carry, chunksOf, giveUp, leafOf, letGo, shuffle } from './carried.ts';
import type { UnavailableCode } from './errors.ts';
import { AsksUnavailable, asUnavailable } from './errors.ts';
import type { Records } from './find.ts';
import { findRecords } from './find.ts';
import type { Entered } from './open.ts';
import { openEntered } from './open.ts';
import type { Waiting } from './queue.ts';
import { AskQueue } from './queue.ts';

/**
 * Most batches that wait for the log at a time: one that it writes, one that the keeper follows. More only makes each
 * smaller.
 */
const APPENDING_MAX = 2;
/** A batch sets out once it is this part of what is under way. */
const WORTH_A_BATCH = 1 / 3;
/** Most bytes of ciphertext that one ask opens. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes of ciphertext kept between finding and opening, over all asks. What does not fit is read twice. */
const HELD_BYTES_MAX = 32 * 1024 * 1024;
const RETRY_MS_MAX = 2_000;

/** What became of an ask. `rejected` has no entry: whoever sent it has not shown any authority. */
export type Answered =
  | { readonly outcome: 'rejected'; readonly code: AskRejection }
  | {
      readonly outcome: 'entered';
      /** The keeper's number of this ask. */
      readonly ask: number;
      readonly decision: AskDecision;
      /** In order of the selectors, then of controllers. */
      readonly entries: readonly Entered[];
    };

/** What the pipeline of asks is made of. */
export interface AsksDeps {
  readonly keeper: KeeperPort;
  readonly log: Pick<Log, 'append' | 'onOpen' | 'reason'>;
  readonly records: Records;
  readonly warn: Warn;
  /** How long to wait before the first new try after a failure; it doubles up to two seconds. */
  readonly retryMs: number;
  readonly randomBytes: (count: number) => Buffer;
}

/** An ask that was resolved, with its look-ups. */
interface Resolving {
  readonly waiting: Waiting<Answered>;
  readonly resolved: Extract<Resolved, { outcome: 'resolved' }>;
  readonly carried: readonly Carried[];
}

/**
 * The one way in which anything is asked about a person: the keeper resolves and decides, custody names the records,
 * the keeper prepares an entry for each subject, the log takes it, and only then do keys come. Batches form by
 * themselves: what is asked while others are under way goes together, and no timer delays a lone ask. Batches are
 * prepared and appended strictly one after another, because the keeper numbers entries in that order; meanwhile the next
 * is already with the keeper to be resolved, so that neither process waits for the other.
 */
export class Asks {
  readonly #deps: AsksDeps;
  readonly #queue = new AskQueue<Answered>();
  #running: Promise<void> | null = null;
  #closed = false;
  /** Whether the keeper may hold look-ups open that nobody carries; after a start it may. */
  #isUncarried = true;
  /** Ends when every batch that has set out is prepared and on its way into the log. Never rejects. */
  #turn: Promise<void> = Promise.resolve();
  readonly #appending = new Set<Promise<void>>();
  /** Asks that have set out and are not answered. */
  #underWay = 0;
  #heldBytes = 0;
  #failure: AsksUnavailable | null = null;
  #retry: NodeJS.Timeout | null = null;
  #retryMs: number;

  constructor(deps: AsksDeps) {
    this.#deps = deps;
    this.#retryMs = deps.retryMs;
    deps.log.onOpen(() => this.#retryNow());
  }

  /** Why asks are refused just now; null while they are taken. */
  get failure(): UnavailableCode | null {
    return this.#failure?.code ?? null;
  }

  /**
   * Enters what a former run left open, and takes asks. Call once the log has started. It does not throw where the
   * keeper or the log is not there: it tries again by itself.
   */
  async start(): Promise<void> {
    this.#wake();
    await this.#running;
  }

  /**
   * Enters what the keeper holds open and nobody carries, such as what it opens by itself. Gives whether that is done: it
   * does not throw, as {@link start}.
   */
  async enterOpen(): Promise<boolean> {
    this.#isUncarried = true;
    this.#wake();
    await this.#running;
    return !this.#isUncarried;
  }

  /** Takes no more asks, and waits for those that were taken. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    await this.#running;
    while (this.#queue.length > 0) {
      this.#wake();
      await this.#running;
    }
    await this.#turn;
    await Promise.all(this.#appending);
  }

  /**
   * Carries one ask through, and gives what came of it once its entries are in the log.
   * @throws AsksUnavailable where that could not be done: nothing was released that has no entry.
   */
  ask(asked: Asked): Promise<Answered> {
    if (this.#closed) return Promise.reject(new AsksUnavailable('stopping'));
    // Whoever asks during a try waits for what comes of it.
    if (this.#failure !== null && this.#retry !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      if (!this.#queue.push({ asked, resolve, reject })) reject(new AsksUnavailable('busy'));
      this.#wake();
    });
  }

  #wake(): void {
    if (this.#running !== null || this.#retry !== null) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
      // What came between the loop's last look and its end.
      if (this.#maySetOut()) this.#wake();
    });
  }

  async #run(): Promise<void> {
    while (this.#isUncarried || this.#maySetOut()) {
      if (this.#isUncarried && !(await this.#enterUncarried())) return;
      const batch = this.#queue.takeBatch();
      if (batch.length > 0) await this.#setOut(batch);
    }
  }

  /**
   * A few asks cost both processes nearly as much as many do: they wait for more, or until what is under way is done.
   * At the end no more come.
   */
  #maySetOut(): boolean {
    return this.#queue.length > (this.#closed ? 0 : this.#underWay * WORTH_A_BATCH);
  }

  /** Sends a batch on its way. Ends as soon as the next one may set out: one is ahead of the batch being prepared. */
  async #setOut(batch: readonly Waiting<Answered>[]): Promise<void> {
    this.#underWay += batch.length;
    const resolving = this.#resolve(batch);
    // Looked at when the batch's turn comes.
    resolving.catch(() => {});
    const before = this.#turn;
    this.#turn = before.then(() => this.#carry(batch, resolving));
    await before;
  }

  /** A batch's whole way, once it is resolved. */
  async #carry(
    batch: readonly Waiting<Answered>[],
    resolving: Promise<readonly Resolved[]>,
  ): Promise<void> {
    const asks: Resolving[] = [];
    const appends: Promise<AsksUnavailable | null>[] = [];
    try {
      const resolved = await resolving;
      for (const [at, waiting] of batch.entries()) {
        const each = resolved[at] as Resolved;
        if (each.outcome === 'rejected') waiting.resolve(each);
        else asks.push({ waiting, resolved: each, carried: this.#find(distinct(each.lookUps)) });
      }
      for (const chunk of chunksOf(asks.flatMap(({ carried }) => carried))) {
        const ordered = await this.#prepare(chunk);
        // Called before anything else is awaited: the log's order is the order of the prepares.
        appends.push(this.#append(ordered));
      }
    } catch (error) {
      appends.push(Promise.resolve(asUnavailable(error)));
    }
    const delivering = this.#deliver(batch, asks, appends).finally(() => {
      this.#appending.delete(delivering);
      this.#underWay -= batch.length;
      this.#wake();
    });
    this.#appending.add(delivering);
    if (this.#appending.size >= APPENDING_MAX) await Promise.race(this.#appending);
  }

  async #resolve(batch: readonly Waiting<Answered>[]): Promise<readonly Resolved[]> {
    const asks = batch.map(({ asked }) => asked);
    const { answer } = await this.#deps.keeper.ask('resolve', { asks });
    if (answer.asks.length !== batch.length) throw new AsksUnavailable('keeper-unavailable');
    return answer.asks;
  }

  #find(lookUps: readonly LookUp[]): readonly Carried[] {
    let leftBytes = ANSWER_BYTES_MAX;
    return lookUps.map((lookUp) => {
      try {
        const found = findRecords(this.#deps.records, lookUp, leftBytes);
        leftBytes -= found.sizeBytes;
        if (this.#heldBytes + found.sizeBytes > HELD_BYTES_MAX) return carry(lookUp, letGo(found));
        this.#heldBytes += found.sizeBytes;
        return carry(lookUp, found, found.sizeBytes);
      } catch (error) {
        const name = error instanceof Error ? error.name : 'unknown';
        this.#deps.warn('records not found', { error: name });
        return carry(lookUp, giveUp('store-unavailable'));
      }
    });
  }

  /**
   * Has the keeper prepare a chunk, in random order. What it will not prepare as found is given up at once, so that it
   * has its entry. Gives the look-ups in the order in which they were prepared.
   */
  async #prepare(chunk: readonly Carried[]): Promise<readonly Carried[]> {
    const shuffled = shuffle(chunk, this.#deps.randomBytes);
    await this.#prepareOnce(shuffled);
    const refused = shuffled.filter(({ prepared }) => prepared === null);
    if (refused.length === 0) return shuffled;
    for (const each of refused) each.found = giveUp('not-prepared');
    const taken = shuffled.filter(({ prepared }) => prepared !== null);
    await this.#prepareOnce(refused);
    if (refused.some(({ prepared }) => prepared === null)) {
      throw new AsksUnavailable('keeper-unavailable');
    }
    return [...taken, ...refused];
  }

  async #prepareOnce(chunk: readonly Carried[]): Promise<void> {
    const lookUps = chunk.map(
      ({ lookUp, found }): PrepareItem => ({
        id: lookUp.id,
        records: found.records.map(({ read }) => read),
        abandoned: found.givenUp !== null,
      }),
    );
    const { answer, attachment } = await this.#deps.keeper.ask('prepare', { lookUps });
    const answered = splitPrepared(answer, attachment);
    for (const [at, each] of chunk.entries()) {
      const prepared = answered[at];
      if (prepared?.id !== each.lookUp.id) throw new AsksUnavailable('keeper-unavailable');
      if ('number' in prepared) each.prepared = prepared;
      else this.#deps.warn('look-up not prepared', { reason: prepared.refused });
    }
  }

  /** Appends a prepared chunk. It never rejects: it gives the failure. */
  async #append(chunk: readonly Carried[]): Promise<AsksUnavailable | null> {
    try {
      const appended = await this.#deps.log.append(chunk.map(leafOf));
      for (const [at, each] of chunk.entries()) each.appended = appended[at] ?? null;
      return null;
    } catch (error) {
      return asUnavailable(error);
    }
  }

  /** Opens what keys came for and answers; every key is wiped, whatever happened. */
  async #deliver(
    batch: readonly Waiting<Answered>[],
    asks: readonly Resolving[],
    appends: readonly Promise<AsksUnavailable | null>[],
  ): Promise<void> {
    const failure = (await Promise.all(appends)).find((each) => each !== null);
    for (const { waiting, resolved, carried } of asks) {
      for (const { heldBytes } of carried) this.#heldBytes -= heldBytes;
      if (carried.every(({ appended }) => appended !== null)) {
        const { ask, decision, lookUps } = resolved;
        const opened = carried.map((each) => openEntered(each, this.#deps));
        const entries = inOrderOf(lookUps, opened);
        waiting.resolve({ outcome: 'entered', ask, decision, entries });
      } else {
        // Some chunks of it came as far as their keys.
        for (const { appended } of carried) appended?.keys?.fill(0);
      }
    }
    if (failure === undefined) return;
    // Whoever has an answer by now keeps it.
    for (const { reject } of batch) reject(failure);
    this.#isUncarried = true;
    this.#wake();
  }

  /**
   * Enters every look-up that the keeper holds open and nobody carries, with nothing to release: what takes effect with
   * its entry does, as openings and codes, and all else reads as given up. Gives whether asks may go on.
   */
  async #enterUncarried(): Promise<boolean> {
    await this.#turn;
    await Promise.all(this.#appending);
    try {
      // While the log mends, the keeper has not seen every stored entry: what seems open to it may be closed.
      if (this.#deps.log.reason !== null) {
        throw new AsksUnavailable(waitsFor[this.#deps.log.reason]);
      }
      const { answer } = await this.#deps.keeper.ask('status', {});
      const open = answer.open.map(({ id, subject }) =>
        carry({ id, subject, controller: '', erased: false, reads: [] }, giveUp('not-released')),
      );
      for (const chunk of chunksOf(open)) {
        const failure = await this.#append(await this.#prepare(chunk));
        if (failure !== null) throw failure;
      }
      this.#isUncarried = false;
      this.#failure = null;
      this.#retryMs = this.#deps.retryMs;
      return true;
    } catch (error) {
      this.#pause(asUnavailable(error));
      return false;
    }
  }

  /** Refuses everything until the next try: one try for all of them, not one for each. */
  #pause(failure: AsksUnavailable): void {
    this.#failure = failure;
    for (const { reject } of this.#queue.takeAll()) reject(failure);
    if (this.#closed) return;
    this.#retry = setTimeout(() => this.#retryNow(), this.#retryMs).unref();
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
  }

  #retryNow(): void {
    if (this.#retry === null) return;
    clearTimeout(this.#retry);
    this.#retry = null;
    if (!this.#closed) this.#wake();
  }
}

/** Each look-up once: several selectors may mean one person. */
function distinct(lookUps: readonly LookUp[]): readonly LookUp[] {
  return [...new Map(lookUps.map((lookUp) => [lookUp.id, lookUp])).values()];
}

/** The entry that each selector has at each controller; what it holds is given once. */
function inOrderOf(lookUps: readonly LookUp[], opened: readonly Entered[]): readonly Entered[] {
  const byId = new Map(opened.map((entry) => [entry.lookUp.id, entry]));
  const given = new Set<number>();
  return lookUps.map(({ id }) => {
    const entry = byId.get(id);
    if (entry === undefined) throw new Error('a look-up was left out');
    if (given.has(id)) return { ...entry, records: [] };
    given.add(id);
    return entry;
  });
}
