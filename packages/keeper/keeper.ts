import { dirname, join } from 'node:path';
import { fromBase64, fromUtf8, hex } from '@amanat/core/bytes';
import type { JsonObject } from '@amanat/core/canonical';
import { CoreError } from '@amanat/core/errors';
import { Register, readDocument } from '@amanat/core/grants';
import { importSealingKey, importSigningKey } from '@amanat/core/keys';
import type { KeeperBackup } from '@amanat/core/shred-certificate';
import { Asking } from './asking.ts';
import { readBackups } from './backups.ts';
import { Budgets } from './budgets.ts';
import type { OrderSummary } from './ceremony-protocol.ts';
import { dayOf, KeeperClock } from './clock.ts';
import { Codes } from './codes.ts';
import { KEEPER_FILES } from './create.ts';
import { DraftSeal } from './draft-seal.ts';
import { unpackDrawRows } from './draw-rows.ts';
import { Drawing } from './drawing.ts';
import { Following, replayDocuments } from './following.ts';
import { FrameError, unpackLeaves } from './frame.ts';
import { KeyRing } from './key-ring.ts';
import { LookUps } from './look-ups.ts';
import { readers } from './messages.ts';
import { Orders } from './orders.ts';
import { People } from './people.ts';
import { PersonalDocuments } from './personal-documents.ts';
import { Preparing } from './preparing.ts';
import type { KeeperStatus, MessageName, Messages } from './protocol.ts';
import type { Root, RootPlace, RootProvider } from './providers/root.ts';
import { rootId } from './providers/root.ts';
import { Refusal } from './refusal.ts';
import { Roots } from './roots.ts';
import { Rotation } from './rotation.ts';
import { Seals } from './seals.ts';
import { Shredding } from './shredding.ts';
import { Spent } from './spent.ts';
import { KeeperStore } from './store.ts';
import { Subjects } from './subjects.ts';
import { Unsealing } from './unsealing.ts';
import { ViewSessions } from './view-sessions.ts';
import { Viewing } from './viewing.ts';
import { Witnessing } from './witnessing.ts';

/** Spent hashes and counters are tidied away this often. */
const TIDY_MS = 60_000;

/** A message as it came. */
export interface KeeperQuestion {
  readonly name: string;
  readonly body: JsonObject;
  readonly attachment: Buffer;
}

/** A message that was read: what it does. */
interface Work {
  /** Whether that has to be durable before it is answered. */
  readonly isDurable: boolean;
  /** Done once the others' transaction is over: it wipes the journal, which SQLite refuses inside one. */
  readonly isAfter?: boolean;
  readonly run: () => KeeperAnswer;
}

/** What a message is answered with. */
export interface KeeperAnswer {
  readonly answer: Messages[MessageName]['answer'];
  readonly attachment?: Buffer;
}

/**
 * The keeper: it holds the keys, follows the log, and releases a record's key only for an entry that it
 * has itself found there. One message after another. What has to be durable before it is answered is so, in one
 * transaction with what waited beside it; preparing, a view, certificates, the status and a part of a commit are in none.
 */
export class Keeper {
  readonly #store: KeeperStore;
  readonly #clock: KeeperClock;
  readonly #ring: KeyRing;
  readonly #budgets: Budgets;
  readonly #spent: Spent;
  readonly #lookUps: LookUps;
  readonly #drawing: Drawing;
  readonly #asking: Asking;
  readonly #preparing: Preparing;
  readonly #following: Following;
  readonly #viewing: Viewing;
  readonly #unsealing: Unsealing;
  readonly #register: Register;
  readonly #shredding: Shredding;
  readonly #witnessing: Witnessing;
  readonly #rotation: Rotation;
  readonly #roots: Roots;
  readonly #orders: Orders;
  readonly #origin: string;
  #tidied = 0;
  /** Whether nothing was changed since the last step. */
  #isIdle = false;

  private constructor(parts: {
    store: KeeperStore;
    clock: KeeperClock;
    ring: KeyRing;
    register: Register;
    sealing: Awaited<ReturnType<typeof importSealingKey>>;
    genesis: string;
    startedMs: number;
    backups: () => readonly KeeperBackup[];
  }) {
    const { store, ring, register, genesis } = parts;
    const { origin } = readDocument(genesis, 'genesis');
    const people = new People(store, ring);
    const subjects = new Subjects(store, ring, people);
    const budgets = new Budgets(store);
    const spent = new Spent(store);
    const random = (bytes: number) => ring.random(bytes);
    const lookUps = new LookUps(store, new DraftSeal(ring.sealingKey('draft'), random));
    const seals = new Seals(store, new DraftSeal(ring.sealingKey('seal'), random), lookUps);
    const signing = importSigningKey(fromUtf8(ring.secretBytes('signing')));
    const witnessing = new Witnessing(store, register, parts.startedMs);
    const views = new ViewSessions();
    const codes = new Codes({ store, people, subjects });
    const personal = new PersonalDocuments({ register, subjects, people, codes, lookUps });
    const shredding = new Shredding({
      store,
      ring,
      subjects,
      lookUps,
      register,
      signing,
      backups: parts.backups,
    });
    const shared = {
      store,
      ring,
      register,
      people,
      subjects,
      budgets,
      spent,
      lookUps,
      views,
      codes,
      personal,
      seals,
      shredding,
      witnessing,
    };
    this.#store = store;
    this.#clock = parts.clock;
    this.#ring = ring;
    this.#budgets = budgets;
    this.#spent = spent;
    this.#lookUps = lookUps;
    this.#register = register;
    this.#shredding = shredding;
    this.#witnessing = witnessing;
    this.#rotation = new Rotation(shared);
    this.#roots = new Roots(store);
    this.#orders = new Orders({ register, ring, roots: this.#roots, signing });
    this.#origin = origin;
    this.#drawing = new Drawing(shared);
    this.#asking = new Asking({ ...shared, sealing: parts.sealing });
    this.#preparing = new Preparing({
      ...shared,
      giveUpView: (lookUp) => views.giveUp(lookUp),
    });
    this.#following = new Following({ ...shared, genesis });
    this.#viewing = new Viewing({
      ...shared,
      following: this.#following,
      signing,
    });
    this.#unsealing = new Unsealing({ ...shared, following: this.#following, signing });
  }

  /**
   * Opens a keeper: everything else that it does rests on a database of which every row is the keeper's own.
   * @throws RootError where the root does not unlock; Error where the database is not a keeper's, or was changed, or has a
   * standby that is not its own.
   */
  static async open(options: {
    readonly database: string;
    /** Its second copy, where there is to be one. */
    readonly standby?: string | null;
    readonly root: RootProvider;
    readonly wall: () => number;
  }): Promise<Keeper> {
    const store = KeeperStore.open(options.database);
    try {
      const root = await options.root.unlock(new Roots(store).present);
      const ring = await KeyRing.unlock(store, root);
      const keys = ring.rowSumKeys();
      store.authenticate(keys);
      if (options.standby) await store.addStandby(options.standby, keys);
      const genesis = String(store.get("SELECT value FROM meta WHERE name = 'genesis'")?.value);
      const register = new Register();
      replayDocuments(store, register);
      const { keeperSealingKey } = readDocument(genesis, 'genesis');
      const pkcs8 = ring.secretBytes('sealing');
      const sealing = await importSealingKey(fromBase64(keeperSealingKey), pkcs8);
      pkcs8.fill(0);
      const clock = new KeeperClock(store, options.wall);
      // The machine's clock may have been put back: what was cosigned before is older than the start all the same.
      const startedMs = Math.max(options.wall(), clock.latest);
      const list = join(dirname(options.database), KEEPER_FILES.backups);
      const backups = () => readBackups(list);
      const keeper = new Keeper({
        store,
        clock,
        ring,
        register,
        sealing,
        genesis,
        startedMs,
        backups,
      });
      keeper.#shredding.scrub();
      return keeper;
    } catch (error) {
      store.close();
      throw error;
    }
  }

  /**
   * Answers one message. The caller asks one at a time.
   * @throws Refusal where the message is refused and nothing changed. Anything else means that memory
   * and database may differ: the process must end.
   */
  async answer(name: string, body: JsonObject, attachment: Buffer): Promise<KeeperAnswer> {
    const [answer] = await this.answerTogether([{ name, body, attachment }]);
    if (answer instanceof Refusal) throw answer;
    return answer as KeeperAnswer;
  }

  /**
   * Answers messages that wait together, in their order and in one durable transaction (I11): what a disk takes to
   * make one durable, it takes for all of them. Certificates come after it. A refusal comes before the first change of
   * its message, so that it leaves the others' alone.
   * @throws what is no refusal, as {@link answer}
   */
  async answerTogether(
    questions: readonly KeeperQuestion[],
  ): Promise<readonly (KeeperAnswer | Refusal)[]> {
    const works = await Promise.all(questions.map((question) => this.#read(question)));
    const run = (work: Work | Refusal) => (work instanceof Refusal ? work : orRefusal(work.run));
    if (!works.some((work) => !(work instanceof Refusal) && work.isDurable)) return works.map(run);
    this.#isIdle = false;
    const answers = this.#store.transaction(() => {
      const answers = works.map((work) => (isAfter(work) ? work : run(work)));
      this.#clock.persist();
      return answers;
    });
    this.#shredding.scrub();
    return answers.map((answer) => (isAfter(answer) ? run(answer) : answer));
  }

  /** Reads a message and does what takes time; what is left of it runs at one go. */
  async #read({ name, body, attachment }: KeeperQuestion): Promise<Work | Refusal> {
    try {
      const now = this.#clock.now();
      return await this.#work(name, body, attachment, now);
    } catch (error) {
      if (error instanceof Refusal) return error;
      throw error;
    }
  }

  async #work(name: string, body: JsonObject, attachment: Buffer, now: number): Promise<Work> {
    switch (name) {
      case 'draw': {
        const ask = read(readers.draw, body);
        const rows = unpack(() => unpackDrawRows(attachment, ask.rows));
        return { isDurable: true, run: () => this.#drawing.draw(ask.import, rows, now) };
      }
      case 'resolve': {
        const ask = read(readers.resolve, body);
        const asks = await this.#asking.open(ask.asks);
        const run = () => {
          this.#tidy(now);
          return { answer: { asks: this.#asking.resolve(asks, now) } };
        };
        return { isDurable: true, run };
      }
      case 'prepare': {
        const ask = read(readers.prepare, body);
        return { isDurable: false, run: () => this.#preparing.prepare(ask, now) };
      }
      case 'commit': {
        const ask = read(readers.commit, body);
        const leaves = unpack(() => unpackLeaves(attachment, ask.leaves));
        const { checkpoint, wanted } = ask;
        if (checkpoint !== null) {
          const run = () => this.#following.commit(checkpoint, leaves, wanted, now);
          return { isDurable: true, run };
        }
        const run = () => {
          this.#following.stage(leaves);
          return { answer: { size: this.#following.size, released: [] } };
        };
        return { isDurable: false, run };
      }
      case 'view': {
        const ask = read(readers.view, body);
        return { isDurable: false, run: () => ({ answer: this.#viewing.view(ask, now) }) };
      }
      case 'seals':
        read(readers.seals, body);
        return { isDurable: true, run: () => ({ answer: this.#unsealing.look(now) }) };
      case 'shred': {
        const { from } = read(readers.shred, body);
        const run = () => ({ answer: { shred: this.#shredding.certify(from, now) } });
        return { isDurable: false, isAfter: true, run };
      }
      case 'status':
        read(readers.status, body);
        return { isDurable: false, run: () => ({ answer: this.#status(now) }) };
      default:
        throw new Refusal('unknown-message', 'the keeper answers no such message');
    }
  }

  /** A gateway has come, after whatever the last one asked. */
  greet(): void {
    this.#following.forgetStaged();
  }

  /** Does some of what can wait, between messages. False where there is nothing of it. */
  async step(): Promise<boolean> {
    const isMore = await this.#rotation.step();
    this.#shredding.scrub();
    if (this.#isIdle && !isMore) this.#shredding.settle();
    this.#isIdle = !isMore;
    return isMore;
  }

  /** Where the present root's key is to be had, and that of one that is drawn. */
  get roots(): Pick<Roots, 'present' | 'drawn'> {
    return this.#roots;
  }

  /** The present generation, and whether an older one is still about. */
  get generations(): { readonly present: number; readonly isRotating: boolean } {
    return { present: this.#ring.generation, isRotating: this.#ring.pastGeneration !== null };
  }

  /** What was ordered of root and generations, as far as it is of note. */
  get orders(): readonly OrderSummary[] {
    return this.#orders.summary();
  }

  /** Notes a root that is drawn, and nothing of its key. */
  drawRoot(place: RootPlace): void {
    this.#store.transaction(() => this.#roots.draw(place));
  }

  /**
   * What the log tells the public of a root has to be so: how it is kept, and how many of how many shares open.
   * @throws Refusal 'not-entered' where the log does not say that two administrators want this root
   */
  requireRotationEntered(place: RootPlace): void {
    const entered = this.#register.rootRotation(rootId(place));
    const [threshold, shares] =
      place.provider === 'shares' ? [place.threshold, place.commitments.length] : [null, null];
    const isSo =
      entered?.provider === place.provider &&
      entered.threshold === threshold &&
      entered.shares === shares;
    if (isSo) return;
    throw new Refusal('not-entered', 'the log has no entry by which this root is adopted');
  }

  /**
   * Puts all generations under another root, in one step, and forgets the last.
   * @throws Refusal 'not-entered'; 'busy' where a generation came or went meanwhile
   */
  async adoptRoot(place: RootPlace, root: Root): Promise<void> {
    this.requireRotationEntered(place);
    const wrapped = await this.#ring.wrapGenerations(root);
    const isDone = this.#store.transaction(() => {
      if (!this.#ring.useRoot(root, wrapped)) return false;
      this.#roots.adopt(place);
      this.#shredding.leaveUnscrubbed();
      return true;
    });
    this.#shredding.scrub();
    if (!isDone) throw new Refusal('busy', 'generations are being rotated: try again');
  }

  close(): void {
    this.#store.close();
  }

  #status(now: number): KeeperStatus {
    return {
      origin: this.#origin,
      size: this.#following.size,
      root: hex(this.#following.root),
      time: now,
      generation: this.#ring.generation,
      witnessed: this.#register.witnessing(now) !== null,
      cosignaturesFrom: this.#witnessing.cosignaturesFrom,
      releasedUncovered: this.#witnessing.released,
      releasedUncounted: this.#witnessing.uncounted,
      due: this.#shredding.due(now),
      carriedOut: this.#orders.carriedOut(now),
      open: [...this.#lookUps.all()].map(({ id, subject }) => ({ id, subject: hex(subject) })),
    };
  }

  #tidy(now: number): void {
    if (now - this.#tidied < TIDY_MS) return;
    this.#tidied = now;
    this.#spent.forgetBefore(now);
    // Two days back, whatever the offset of the table's clock.
    this.#budgets.forgetBefore(dayOf(now - 2 * 86_400_000));
  }
}

function isAfter(work: Work | KeeperAnswer | Refusal): work is Work {
  return 'isAfter' in work && work.isAfter === true;
}

function orRefusal(run: () => KeeperAnswer): KeeperAnswer | Refusal {
  try {
    return run();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

function read<T>(reader: (value: JsonObject, path: string) => T, body: JsonObject): T {
  return unpack(() => reader(body, ''));
}

function unpack<T>(reader: () => T): T {
  try {
    return reader();
  } catch (error) {
    if (!(error instanceof CoreError || error instanceof FrameError)) throw error;
    throw new Refusal('malformed', error.message, { cause: error });
  }
}
