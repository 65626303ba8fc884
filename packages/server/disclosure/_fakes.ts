import { base64, hex, utf8 } from '@amanat/core/bytes';
import type { RecordRead } from '@amanat/core/statement';
import type {
  Asked,
  KeeperPort,
  KeeperStatus,
  LookUp,
  MessageName,
  Messages,
  Prepared,
  Resolved,
} from '@amanat/keeper/client';
import type { FoundRecord, OpenedGroup } from '../custody/custody.ts';
import type { LogReason } from '../log/errors.ts';
import type { Appended, NewLeaf } from '../log/log.ts';
import type { AsksDeps } from './asks.ts';
import type { Records } from './find.ts';

const NO_STATUS: KeeperStatus = {
  origin: 'fake',
  size: 0,
  root: '',
  time: 0,
  generation: 2,
  due: [],
  carriedOut: null,
  witnessed: false,
  cosignaturesFrom: 0,
  releasedUncovered: 0,
  releasedUncounted: 0,
  open: [],
};

type PrepareAnswer = Messages['prepare']['answer'];
const NONE = Buffer.alloc(0);

/** Stands in for the keeper in unit tests: it keeps the order and the numbering, and decides as it is told. */
class FakeKeeper implements KeeperPort {
  /** Every message, in order. */
  readonly asked: string[] = [];
  /** What each resolve carried. */
  readonly batches: number[] = [];
  readonly prepared: number[] = [];
  readonly given: { readonly id: number; readonly records: number; readonly abandoned: boolean }[] =
    [];
  readonly open = new Map<number, string>();
  /** Set to fail a message by its name. */
  failing: MessageName | null = null;
  /** Set to refuse a look-up's records once. */
  refusing: number | null = null;
  /** How an ask is resolved: what each subject's look-up may read, or a whole answer. */
  decide: (asked: Asked, keeper: FakeKeeper) => Resolved = (asked, keeper) =>
    keeper.resolved('allowed', asked.kind === 'request' ? asked.selectors.length : 1);
  readonly #numbers = new Map<string, number>();
  #next = 1;

  resolved(outcome: 'allowed' | 'refused' | 'second-person', subjects: number): Resolved {
    const reads = [{ holding: 'sims', groups: ['identity'] }];
    const lookUps = Array.from({ length: subjects }, (): LookUp => {
      const id = this.#next++;
      const subject = hex(utf8(`subject ${String(id).padStart(8, '0')}`));
      this.open.set(id, subject);
      const found = outcome === 'allowed' ? reads : [];
      return { id, subject, controller: 'telecom', erased: false, reads: found };
    });
    const decision =
      outcome === 'allowed'
        ? { outcome, rules: ['row'] }
        : outcome === 'refused'
          ? { outcome, code: 'no-grant' as const, rule: null, holding: 'sims' }
          : { outcome, rules: ['row'], reasons: ['bulk' as const] };
    return { outcome: 'resolved', ask: this.#next++, decision, lookUps };
  }

  async ask<N extends MessageName>(name: N, body: Messages[N]['ask']) {
    await new Promise((resolve) => setImmediate(resolve));
    this.asked.push(name);
    if (this.failing === name) throw new Error('the fake keeper is away');
    const answer = this.#answer(name, body) as Messages[N]['answer'];
    const attachment = name === 'prepare' ? this.#attachment(answer as PrepareAnswer) : NONE;
    return { answer, attachment };
  }

  #answer(name: MessageName, body: unknown): unknown {
    if (name === 'resolve') {
      const { asks } = body as Messages['resolve']['ask'];
      this.batches.push(asks.length);
      return { asks: asks.map((asked) => this.decide(asked, this)) };
    }
    if (name === 'prepare') {
      const { lookUps } = body as Messages['prepare']['ask'];
      return { lookUps: lookUps.map((each) => this.#prepare(each)) };
    }
    if (name === 'view') return { sealed: base64(utf8('sealed')) };
    const open = [...this.open].map(([id, subject]) => ({ id, subject }));
    return { ...NO_STATUS, open };
  }

  #prepare({ id, records, abandoned }: Messages['prepare']['ask']['lookUps'][number]): Prepared {
    if (this.refusing === id) {
      this.refusing = null;
      return { id, refused: 'not-asked-for' };
    }
    this.prepared.push(id);
    this.given.push({ id, records: records.length, abandoned });
    const subject = this.open.get(id) ?? '';
    const number = (this.#numbers.get(subject) ?? 0) + 1;
    this.#numbers.set(subject, number);
    const kind = abandoned ? 'undelivered' : records.length > 0 ? 'disclosure' : 'miss';
    const { length } = leafOf(id);
    return { id, kind, subject, number, bytes: [length, length, null] };
  }

  /** A leaf and a body for each that was prepared. */
  #attachment({ lookUps }: PrepareAnswer): Buffer {
    const parts = lookUps.flatMap((each) =>
      'refused' in each ? [] : [leafOf(each.id), leafOf(each.id)],
    );
    return Buffer.concat(parts);
  }
}

function leafOf(id: number): Uint8Array {
  return utf8(`leaf ${id}`);
}

/** Stands in for the log in unit tests. */
class FakeLog {
  /** Look-ups in the order in which they were appended. */
  readonly order: number[] = [];
  /** Every buffer of keys that was given out. */
  readonly keys: Buffer[] = [];
  readonly keeper: FakeKeeper;
  reason: LogReason | null = null;
  /** Set to fail appends. */
  failure: Error | null = null;
  /** How many keys each wanted look-up gets. */
  keysEach = 1;
  /** While it is set, appends wait for it. */
  held: Promise<void> = Promise.resolve();
  readonly #listeners: ((status: KeeperStatus) => void)[] = [];

  constructor(keeper: FakeKeeper) {
    this.keeper = keeper;
  }

  onOpen(listener: (status: KeeperStatus) => void): void {
    this.#listeners.push(listener);
  }

  /** The log takes entries again. */
  mend(): void {
    this.reason = null;
    this.failure = null;
    for (const listener of this.#listeners) listener(NO_STATUS);
  }

  async append(leaves: readonly NewLeaf[]): Promise<readonly Appended[]> {
    if (this.failure !== null) throw this.failure;
    const from = this.order.length;
    for (const { entry } of leaves) this.order.push(entry?.lookUp ?? 0);
    await this.held;
    return leaves.map(({ entry, wanted }, at) => {
      this.keeper.open.delete(entry?.lookUp ?? 0);
      if (wanted !== true) return { index: from + at, keys: null };
      const keys = Buffer.alloc(32 * this.keysEach, 7);
      this.keys.push(keys);
      return { index: from + at, keys };
    });
  }
}

/** Stands in for custody in unit tests: one record a subject, unless told otherwise. */
class FakeRecords implements Records {
  /** Records of each subject. */
  count = 1;
  sizeBytes = 100;
  broken = false;
  damaged = false;
  /** The keys that were used, as they were at that moment. */
  readonly used: string[] = [];
  /** Of each record that was opened, whether its ciphertexts had been held since it was found. */
  readonly held: boolean[] = [];

  recordsOf(
    _subject: string,
    holding: string,
    groups: readonly string[],
    max: number,
  ): readonly FoundRecord[] {
    if (this.broken) throw new Error('the fake store is broken');
    return Array.from({ length: Math.min(this.count, max) }, (_, at) => ({
      read: {
        holding,
        record: String(at).padStart(32, '0'),
        import: 5,
        row: at + 1,
        expiryMonth: '2029-11',
        groups: groups.map((group) => ({
          group,
          nonce: '00'.repeat(16),
          sha256: '00'.repeat(32),
        })),
      },
      sizeBytes: this.sizeBytes,
      ciphertexts: [],
    }));
  }

  open(
    subject: string,
    record: RecordRead,
    keys: readonly Uint8Array[],
    held: readonly Uint8Array[] | null = null,
  ): readonly OpenedGroup[] | null {
    this.held.push(held !== null);
    this.used.push(...keys.map(hex));
    if (this.damaged) return null;
    return record.groups.map(({ group }) => ({
      group,
      fields: [{ name: 'whose', recorded: subject, normalised: subject }],
    }));
  }
}

/** The parts of a pipeline under test, and what it warned of. */
export function fakeParts() {
  const keeper = new FakeKeeper();
  const log = new FakeLog(keeper);
  const records = new FakeRecords();
  const warnings: string[] = [];
  const warn: AsksDeps['warn'] = (event) => warnings.push(event);
  // Equal draws leave the order as it is.
  const randomBytes: AsksDeps['randomBytes'] = (count) => Buffer.alloc(count);
  return { keeper, log, records, warnings, warn, retryMs: 1, randomBytes };
}
