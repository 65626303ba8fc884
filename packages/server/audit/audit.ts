import type { AppointedLogKey } from '@amanat/core/grants';
import type { Checkpoint, NoteKey, Policy } from '@amanat/core/log';
import { CompactRange, formatVerifierKey } from '@amanat/core/log';
import { Appointed } from './appointed.ts';
import type { SignedCheckpoint, Witnessing } from './checkpoint.ts';
import { contradiction, readCheckpoint, readWitnessing } from './checkpoint.ts';
import type { Finding } from './errors.ts';
import { AuditError } from './errors.ts';
import type { LeafCounts } from './hashing.ts';
import { addLeaves, noLeaves } from './hashing.ts';
import { httpFiles } from './http.ts';
import type { OrderCounts } from './orders.ts';
import { OrdersSeen } from './orders.ts';
import type { PartTask } from './part.ts';
import { verifyPart } from './part.ts';
import { verifyFolder } from './processes.ts';
import type { SealCounts } from './seals.ts';
import { SealsSeen } from './seals.ts';
import type { LogSource } from './source.ts';
import { CHECKPOINT, folderFiles, sourceOf } from './source.ts';
import type { AuditState } from './state.ts';
import { keepEvidence, loadState, saveState } from './state.ts';
import type { TreeVerification } from './tree.ts';
import { isExtension, isFork, verifyTree } from './tree.ts';

export type { SignedCheckpoint } from './checkpoint.ts';
export { cosignersOf, readCheckpoint } from './checkpoint.ts';
export type { Finding } from './errors.ts';
export { AuditError } from './errors.ts';
export type { LeafCounts } from './hashing.ts';
export { parsePrefix } from './http.ts';
export { mirrorLog } from './mirror.ts';
export { answerTasks, verifyFolder, verifyStored } from './processes.ts';
export type { LeavesSeen, StoredCode } from './stored.ts';
export { StoredLog, verifyStoredPart } from './stored.ts';

/** Where a log is: behind an HTTP address, or in a folder. */
export type LogPlace = { readonly prefix: URL } | { readonly directory: string };

export interface AuditTerms {
  readonly place: LogPlace;
  /** The log's key. Nothing else is believed. */
  readonly key: NoteKey;
  /** The file in which the audit remembers; null: everything is verified, and nothing remembered. */
  readonly statePath: string | null;
  /** Who has to have cosigned the checkpoint; null: those that the log's own public entries appoint, where they do. */
  readonly policy: Policy | null;
  /** How old the checkpoint may be; null: of any age. */
  readonly maxAgeSeconds: number | null;
  /** Processes that hash, for a log in a folder. */
  readonly processes: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Told how many leaves of how many have been verified. */
  readonly onLeaves: (leaves: number, size: number) => void;
  readonly signal: AbortSignal;
}

/** What an audit came to. */
export interface AuditReport {
  /** What is wrong; nothing where the log is as it should be. */
  readonly findings: readonly Finding[];
  /** What the log offers, where its key signed it. */
  readonly checkpoint: Checkpoint | null;
  /** Since when the policy's quorum has cosigned it, in milliseconds since 1970; null where that is not known. */
  readonly cosigned: number | null;
  /** Leaves that had been verified before. */
  readonly rememberedSize: number;
  /** All leaves of the verified tree by kind; null where it is not verified. */
  readonly counts: LeafCounts | null;
  /** What is sealed and not opened, by the leaves alone; null where the tree is not verified. */
  readonly seals: SealCounts | null;
  /** What was ordered of the keeper's keys and is not carried out, by the log alone; null where the tree is not verified. */
  readonly orders: OrderCounts | null;
  /** Files with checkpoints that cannot both be right. */
  readonly evidence: readonly string[];
  /** The key that signs the log by its own entries, where that is another than the one it was audited by. */
  readonly nextKey: NextKey | null;
}

/** The key that the log has changed to. */
export interface NextKey {
  /** As C2SP signed-note writes it. */
  readonly key: string;
  /** Until when the one before it signs too, in milliseconds since 1970. */
  readonly bothUntil: number;
}

/**
 * Audits a log from outside: its checkpoint must be signed by its key and extend the remembered one; every new leaf is
 * hashed, and every new tile compared, up to the signed root. What is found wrong is a result.
 * @throws what the file system throws where state or evidence cannot be written, and what the signal throws
 */
export async function auditLog(terms: AuditTerms): Promise<AuditReport> {
  const run = new Audit(terms);
  try {
    await run.audit();
  } catch (error) {
    if (!(error instanceof AuditError)) throw error;
    run.findings.push({ code: error.code, at: error.at });
  }
  return run.report();
}

class Audit {
  readonly findings: Finding[] = [];
  readonly #terms: AuditTerms;
  #state: AuditState | null = null;
  #offered: SignedCheckpoint | null = null;
  #witnessing: Witnessing | null = null;
  #counts: LeafCounts | null = null;
  #seals: SealCounts | null = null;
  #orders: OrderCounts | null = null;
  #evidence: readonly string[] = [];
  #nextKey: NextKey | null = null;

  constructor(terms: AuditTerms) {
    this.#terms = terms;
  }

  async audit(): Promise<void> {
    const { statePath, key, place, policy, signal } = this.#terms;
    if (statePath !== null) this.#state = await loadState(statePath, key);
    const source = sourceAt(place, signal);
    const offered = await readCheckpoint(source, key);
    this.#offered = offered;
    if (policy !== null) this.#witnessing = readWitnessing(offered, policy);
    if (this.#witnessing?.isSatisfied === false) {
      this.findings.push({ code: 'missing-cosignatures', at: CHECKPOINT });
    }
    const wrong = this.#state === null ? null : contradiction(this.#state.checkpoint, offered);
    if (wrong !== null) {
      this.findings.push(wrong);
      return this.#keepEvidence(offered);
    }
    const found = await this.#verify(source, offered);
    this.findings.push(...found.findings);
    const isOld =
      found.range === null || !this.#readsAnew || (await this.#extendsOld(source, offered));
    if (found.range === null || !isOld) return this.#keepEvidence(offered);
    const appointed = this.#readAppointed(found.notices);
    this.#nextKey = nextOf(appointed.logKeys, key);
    if (policy === null && !appointed.isCosigned(offered.note, this.#terms.now())) {
      this.findings.push({ code: 'missing-cosignatures', at: CHECKPOINT });
    }
    const seals = this.#readSeals(found.notices);
    this.#seals = seals.count(this.#terms.now());
    if (this.#seals.overdue > 0) this.findings.push({ code: 'overdue-seals', at: null });
    if (this.#seals.uncounted.length > 0) this.findings.push({ code: 'uncounted-seals', at: null });
    const orders = this.#readOrders(found.notices);
    this.#orders = orders.count(this.#terms.now());
    if (this.#orders.overdue > 0) this.findings.push({ code: 'overdue-orders', at: null });
    await this.#remember(offered, found.range, { fresh: found.counts, appointed, seals, orders });
  }

  report(): AuditReport {
    return {
      findings: this.findings,
      checkpoint: this.#offered,
      cosigned: this.#witnessing?.time ?? null,
      rememberedSize: this.#state?.checkpoint.size ?? 0,
      counts: this.#counts,
      seals: this.#seals,
      orders: this.#orders,
      evidence: this.#evidence,
      nextKey: this.#nextKey,
    };
  }

  #verify(source: LogSource, checkpoint: Checkpoint): Promise<TreeVerification> {
    const { place, processes, signal, onLeaves } = this.#terms;
    const known = this.#readsAnew ? null : this.#state;
    const from = known?.range ?? CompactRange.empty();
    const tell = (leaves: number) => onLeaves(leaves, checkpoint.size);
    // Under a policy too: the next run may be without one.
    const terms = { from, signal, wantsNotices: true, onLeaves: tell };
    if ('directory' in place) {
      return verifyFolder(place.directory, checkpoint, { ...terms, processes });
    }
    const runners = [(task: PartTask) => verifyPart(source, task)];
    return verifyTree({ ...terms, source, checkpoint, runners });
  }

  /**
   * Whether the remembered leaves are read once more: the state is from before it was remembered whom they appoint, or
   * what they seal or what they order, and some of them are public.
   */
  get #readsAnew(): boolean {
    if (this.#state === null || this.#state.counts.public === 0) return false;
    const { appointed, seals, orders } = this.#state;
    return appointed === null || seals === null || orders === null;
  }

  /** Where all was read anew, the tree must still begin with the remembered one. */
  async #extendsOld(source: LogSource, offered: SignedCheckpoint): Promise<boolean> {
    const old = this.#state?.range ?? CompactRange.empty();
    if (await isExtension(source, old, offered)) return true;
    const isForked = await isFork(source, old, offered);
    this.findings.push({ code: isForked ? 'fork' : 'root-differs', at: null });
    return false;
  }

  #readAppointed(notices: TreeVerification['notices']): Appointed {
    const { key, now } = this.#terms;
    const kept = (this.#readsAnew ? null : this.#state?.appointed) ?? null;
    const appointed = kept === null ? new Appointed() : Appointed.from(kept);
    appointed.take(notices, { origin: key.name, now: now() });
    return appointed;
  }

  #readSeals(notices: TreeVerification['notices']): SealsSeen {
    const kept = (this.#readsAnew ? null : this.#state?.seals) ?? null;
    const seals = kept === null ? new SealsSeen() : SealsSeen.from(kept);
    seals.take(notices, this.#terms.key.name);
    return seals;
  }

  #readOrders(notices: TreeVerification['notices']): OrdersSeen {
    const kept = (this.#readsAnew ? null : this.#state?.orders) ?? null;
    const orders = kept === null ? new OrdersSeen() : OrdersSeen.from(kept);
    orders.take(notices, this.#terms.key.name);
    return orders;
  }

  async #remember(
    checkpoint: SignedCheckpoint,
    range: CompactRange,
    {
      fresh,
      appointed,
      seals,
      orders,
    }: {
      readonly fresh: LeafCounts;
      readonly appointed: Appointed;
      readonly seals: SealsSeen;
      readonly orders: OrdersSeen;
    },
  ): Promise<void> {
    const { statePath, key, now, maxAgeSeconds } = this.#terms;
    const old = this.#state;
    const counts = noLeaves();
    if (old !== null && !this.#readsAnew) addLeaves(counts, old.counts);
    addLeaves(counts, fresh);
    this.#counts = counts;
    const isChanged = old === null || old.checkpoint.size !== checkpoint.size;
    const changed = isChanged ? now() : old.changed;
    const time = this.#witnessing?.time ?? changed;
    if (maxAgeSeconds !== null && now() - time > maxAgeSeconds * 1000) {
      this.findings.push({ code: 'stale', at: CHECKPOINT });
    }
    const state = {
      checkpoint,
      range,
      counts,
      changed,
      appointed: appointed.keep(),
      seals: seals.keep(),
      orders: orders.keep(),
    };
    if (statePath !== null) await saveState(statePath, key, state);
  }

  async #keepEvidence(offered: SignedCheckpoint): Promise<void> {
    const { statePath } = this.#terms;
    const isOfTrees = this.findings.some(({ code }) => EVIDENT.has(code));
    if (statePath === null || this.#state === null || !isOfTrees) return;
    this.#evidence = await keepEvidence(statePath, [this.#state.checkpoint, offered]);
  }
}

/** The last of a log's keys, where this one is among them and is another. */
function nextOf(keys: readonly AppointedLogKey[], given: NoteKey): NextKey | null {
  const text = formatVerifierKey(given);
  const last = keys.at(-1);
  const isKnown = keys.some(({ key }) => key === text);
  if (last === undefined || last.key === text || !isKnown) return null;
  return { key: last.key, bothUntil: last.bothUntil };
}

/** What two signed checkpoints may be the evidence of. */
const EVIDENT: ReadonlySet<string> = new Set(['fork', 'shrunk', 'root-differs']);

/** The log at a place. */
export function sourceAt(place: LogPlace, signal: AbortSignal): LogSource {
  return sourceOf(
    'directory' in place ? folderFiles(place.directory) : httpFiles(place.prefix, { signal }),
  );
}
