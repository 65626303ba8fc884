import type { Seal } from '@amanat/core/grants';
import type { RecordRead, SealedPlace, StatementKind } from '@amanat/core/statement';
import type { DraftSeal } from './draft-seal.ts';
import type { KeeperStore } from './store.ts';

/** How long after it was resolved a look-up may name records, and have their keys; then it can only be given up. */
export const OPEN_MS = 10 * 60_000;

/** What is known of a look-up when it is resolved: its statement, but for records, number and time. */
export interface Draft {
  /** A disclosure becomes a miss where no record is named. */
  readonly kind: StatementKind;
  readonly controller: string;
  readonly agency: string | null;
  readonly officer: string | null;
  readonly approved: 'approved' | null;
  readonly purpose: string | null;
  readonly legalBasis: string | null;
  readonly refusal: string | null;
  readonly reads: readonly { readonly holding: string; readonly groups: readonly string[] }[];
  /** Until when it is withheld from her: it stands among what is sealed about her, and not on her chain. */
  readonly seal: Seal | null;
  /** The sealed entries that an opening or an extension is about. */
  readonly seals: readonly SealedPlace[];
  readonly evidence: string | null;
  /** When it was resolved, milliseconds since 1970. */
  readonly opened: number;
  /** When its document was signed, of a code, a protection or an erasure; milliseconds since 1970. */
  readonly signed: number | null;
  /** Of one that is sealed: the leaves that were prepared of it, and the place of each that the log has all the same. */
  readonly leaves?: readonly { readonly hash: string; readonly index: number | null }[];
}

/** Leaves of one sealed look-up that are known again after a restart, the latest. */
const LEAVES_KEPT = 8;

/** What is the same in most drafts. */
export const EMPTY_DRAFT = {
  agency: null,
  officer: null,
  approved: null,
  purpose: null,
  legalBasis: null,
  refusal: null,
  reads: [],
  seal: null,
  seals: [],
  evidence: null,
  signed: null,
} as const;

/** What the keeper waits to see in the log. */
export interface Prepare {
  /** Orders all prepares: leaves must stand in the log in this order, or are void. */
  readonly position: number;
  readonly number: number;
  readonly leafHash: Buffer;
  readonly kind: StatementKind;
  readonly records: readonly RecordRead[];
}

/** A look-up without an entry: open, or prepared. */
export interface PendingLookUp {
  readonly id: number;
  readonly subject: Buffer;
  draft: Draft;
  readonly evidence: Buffer | null;
  /** The subject's V, or W where it is sealed, from its opening to its entry: unwrapped once. Null after a restart. */
  readonly chainKey: Buffer | null;
  prepare: Prepare | null;
}

/**
 * Look-ups that have no entry yet. That one is open is durable before anything is answered about it; what is prepared
 * of it is not, because nothing hangs on it before its leaf is in the tree: a keeper that restarts finds the look-up
 * open, the leaf inert, and has it prepared anew, as given up, under the same number. Only of what seals the leaf's hash
 * is durable: that such a leaf is inert is told in public, and must be known. Callers stand in a transaction; where one
 * fails the process ends, so that memory never outlives what is durable.
 */
export class LookUps {
  readonly #store: KeeperStore;
  readonly #drafts: DraftSeal;
  readonly #byId = new Map<number, PendingLookUp>();
  readonly #byLeaf = new Map<string, PendingLookUp>();
  /** Prepared ones by position, which is the order of insertion. */
  readonly #prepared = new Map<number, PendingLookUp>();
  /** By each leaf that was ever prepared of them, those that are sealed. */
  readonly #byEarlierLeaf = new Map<string, PendingLookUp>();
  readonly #byChain = new Map<string, PendingLookUp[]>();
  #nextId = 1;
  #nextPosition = 1;
  #groupsNamed = 0;

  constructor(store: KeeperStore, drafts: DraftSeal) {
    this.#store = store;
    this.#drafts = drafts;
    const next = store.get("SELECT value FROM meta WHERE name = 'next-look-up'");
    this.#nextId = Number(next?.value ?? 1);
    for (const row of store.all('SELECT * FROM look_ups ORDER BY id')) {
      const id = Number(row.id);
      const evidence = row.evidence === null ? null : Buffer.from(row.evidence as Uint8Array);
      const lookUp: PendingLookUp = {
        id,
        subject: Buffer.from(row.subject as Uint8Array),
        draft: drafts.open(id, row.draft as Uint8Array, evidence) as Draft,
        evidence,
        chainKey: null,
        prepare: null,
      };
      this.#byId.set(lookUp.id, lookUp);
      for (const { hash } of lookUp.draft.leaves ?? []) this.#byEarlierLeaf.set(hash, lookUp);
    }
  }

  get size(): number {
    return this.#byId.size;
  }

  all(): Iterable<PendingLookUp> {
    return this.#byId.values();
  }

  /** Whether an erasure of this subject is among them. */
  isErasing(subject: Uint8Array): boolean {
    return [...this.#byId.values()].some(
      (each) => each.draft.kind === 'erased' && each.subject.equals(subject),
    );
  }

  find(id: number): PendingLookUp | null {
    return this.#byId.get(id) ?? null;
  }

  /** The prepared look-up whose leaf this is. */
  findLeaf(leafHash: Buffer): PendingLookUp | null {
    return this.#byLeaf.get(leafHash.toString('latin1')) ?? null;
  }

  /** How many record groups the prepared ones name: as many keys as one commit could release. */
  get groupsNamed(): number {
    return this.#groupsNamed;
  }

  /** How many are prepared that are numbered with this one: it takes the number after theirs. */
  preparedCount(lookUp: Pick<PendingLookUp, 'subject' | 'draft'>): number {
    return this.#byChain.get(chainOf(lookUp))?.length ?? 0;
  }

  open(
    subject: Buffer,
    draft: Draft,
    evidence: Buffer | null,
    chainKey: Buffer | null = null,
  ): PendingLookUp {
    const id = this.#nextId++;
    const lookUp: PendingLookUp = { id, subject, draft, evidence, chainKey, prepare: null };
    this.#store.run(
      'INSERT INTO look_ups (id, subject, draft, evidence) VALUES (?, ?, ?, ?)',
      lookUp.id,
      subject,
      this.#drafts.seal(id, draft, evidence),
      evidence,
    );
    this.#byId.set(lookUp.id, lookUp);
    return lookUp;
  }

  /** Makes the next id durable, so that none is given twice. Once a transaction. */
  persistNextId(): void {
    this.#store.run("INSERT OR REPLACE INTO meta VALUES ('next-look-up', ?)", this.#nextId);
  }

  prepare(lookUp: PendingLookUp, prepare: Omit<Prepare, 'position'>): void {
    this.#index(lookUp, { ...prepare, position: this.#nextPosition });
    const { draft } = lookUp;
    if (draft.seal === null || draft.kind === 'seal-extended') return;
    const hash = prepare.leafHash.toString('hex');
    const leaves = [...(draft.leaves ?? []), { hash, index: null }].slice(-LEAVES_KEPT);
    this.#redraft(lookUp, { ...draft, leaves });
    this.#byEarlierLeaf.set(hash, lookUp);
  }

  /** The log has a sealed leaf that is prepared no more: where its look-up is open still, that one has another to come. */
  noteLost(leafHash: Buffer, index: number): void {
    const hash = leafHash.toString('hex');
    const lookUp = this.#byEarlierLeaf.get(hash);
    if (lookUp === undefined) return;
    const leaves = (lookUp.draft.leaves ?? []).map((each) =>
      each.hash === hash ? { hash, index } : each,
    );
    this.#redraft(lookUp, { ...lookUp.draft, leaves });
  }

  /** Takes back a prepare, and with it the later ones of the same chain, whose numbers hung on it. */
  void(lookUp: PendingLookUp): void {
    const siblings = this.#byChain.get(chainOf(lookUp)) ?? [];
    for (const each of siblings.slice(siblings.indexOf(lookUp))) {
      this.#unindex(each);
    }
  }

  /** Voids what the log has passed by: every prepare before this position. */
  voidBefore(position: number): void {
    for (const [at, lookUp] of this.#prepared) {
      if (at >= position) return;
      // An earlier turn may have voided it with a sibling.
      if (lookUp.prepare?.position === at) this.void(lookUp);
    }
  }

  /** This one, and those that wait for an entry of the same document, at other controllers. */
  ofOneDocument(lookUp: PendingLookUp): readonly PendingLookUp[] {
    const others = [...this.#byId.values()].filter(
      (each) => each !== lookUp && isOfOne(each, lookUp),
    );
    return [lookUp, ...others];
  }

  /**
   * What was signed before it about one of these subjects, and is of one of these kinds, comes too late: it can only
   * be given up. A gateway that holds an older entry back must not undo the newer one with it.
   */
  supersede(
    lookUp: PendingLookUp,
    subjects: readonly Buffer[],
    kinds: readonly StatementKind[],
  ): void {
    const concerned = new Set(subjects.map((subject) => subject.toString('latin1')));
    for (const each of this.#byId.values()) {
      if (!kinds.includes(each.draft.kind) || !isBefore(each, lookUp)) continue;
      if (!concerned.has(each.subject.toString('latin1')) || isOfOne(each, lookUp)) continue;
      if (each.prepare !== null && each.prepare.kind !== 'undelivered') this.void(each);
      this.#redraft(each, { ...each.draft, kind: 'undelivered' });
    }
  }

  /** The look-up has its entry. */
  enter(lookUp: PendingLookUp): void {
    this.#unindex(lookUp);
    this.#byId.delete(lookUp.id);
    for (const { hash } of lookUp.draft.leaves ?? []) this.#byEarlierLeaf.delete(hash);
    lookUp.chainKey?.fill(0);
    this.#store.run('DELETE FROM look_ups WHERE id = ?', lookUp.id);
  }

  #redraft(lookUp: PendingLookUp, draft: Draft): void {
    lookUp.draft = draft;
    const sealed = this.#drafts.seal(lookUp.id, draft, lookUp.evidence);
    this.#store.run('UPDATE look_ups SET draft = ? WHERE id = ?', sealed, lookUp.id);
  }

  #index(lookUp: PendingLookUp, prepare: Prepare): void {
    lookUp.prepare = prepare;
    this.#nextPosition = prepare.position + 1;
    this.#groupsNamed += countGroups(prepare.records);
    this.#prepared.set(prepare.position, lookUp);
    this.#byLeaf.set(prepare.leafHash.toString('latin1'), lookUp);
    const chain = chainOf(lookUp);
    const siblings = this.#byChain.get(chain);
    if (siblings === undefined) this.#byChain.set(chain, [lookUp]);
    else siblings.push(lookUp);
  }

  #unindex(lookUp: PendingLookUp): void {
    const { prepare } = lookUp;
    if (prepare === null) return;
    lookUp.prepare = null;
    this.#groupsNamed -= countGroups(prepare.records);
    this.#prepared.delete(prepare.position);
    this.#byLeaf.delete(prepare.leafHash.toString('latin1'));
    const chain = chainOf(lookUp);
    const siblings = (this.#byChain.get(chain) ?? []).filter((each) => each !== lookUp);
    if (siblings.length === 0) this.#byChain.delete(chain);
    else this.#byChain.set(chain, siblings);
  }
}

/** What it is numbered with: the subject's chain, or what is sealed about her. */
function chainOf({ subject, draft }: Pick<PendingLookUp, 'subject' | 'draft'>): string {
  return `${draft.seal === null ? '' : 'sealed '}${subject.toString('latin1')}`;
}

function isOfOne({ draft: one }: PendingLookUp, { draft: other }: PendingLookUp): boolean {
  return one.kind === other.kind && one.evidence !== null && one.evidence === other.evidence;
}

/** Whether its document was signed before the other's; of the same moment, whether it came before it. */
function isBefore(one: PendingLookUp, other: PendingLookUp): boolean {
  const [first, second] = [one.draft.signed ?? 0, other.draft.signed ?? 0];
  return first < second || (first === second && one.id < other.id);
}

/** The record groups that a statement names. */
export function countGroups(records: readonly RecordRead[]): number {
  return records.reduce((count, { groups }) => count + groups.length, 0);
}
