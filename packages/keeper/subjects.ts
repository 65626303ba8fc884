import type { KeyRing } from './key-ring.ts';
import { keyedId } from './key-ring.ts';
import type { People } from './people.ts';
import type { Identifier } from './protocol.ts';
import { DESTROYED } from './slots.ts';
import type { KeeperStore } from './store.ts';

/** A subject's place in her chain. `chain` is null before the first entry. */
export interface ChainState {
  readonly number: number;
  readonly chain: Buffer | null;
}

/** Numbers of one subject whose own chains her view shows: far more than the law gives anybody. */
const ALIASES_MAX = 32;

/** Bits of `subjects.protected`, so that the end of a protection by number ends none by identity number. */
const PROTECTED_BY: Readonly<Record<Identifier['type'], number>> = { cnic: 1, msisdn: 2 };

const FORMS = { cnic: /^\d{13}$/, msisdn: /^\+\d{8,15}$/ } as const;

/** Whether an identifier is in its normalised form. */
export function isNormalised(identifier: Identifier): boolean {
  return FORMS[identifier.type].test(identifier.value);
}

/** Who is meant: identifiers to subject ids, by each controller's own keys (I13), and their slots. */
export class Subjects {
  readonly #store: KeeperStore;
  readonly #ring: KeyRing;
  readonly #people: People;

  constructor(store: KeeperStore, ring: KeyRing, people: People) {
    this.#store = store;
    this.#ring = ring;
    this.#people = people;
  }

  /** The subject of a primary identifier: HMAC(controller's index key, identifier). */
  ofPrimary(controller: string, identifier: Identifier): Buffer {
    return keyedId(this.#ring.secret(`index/${controller}/${identifier.type}`), identifier.value);
  }

  /**
   * The subject that an identifier of either kind means. A number bound to nobody is a subject of its
   * own, so that a miss has a chain to stand on.
   */
  resolve(controller: string, identifier: Identifier): Buffer {
    const id = this.ofPrimary(controller, identifier);
    if (identifier.type === 'cnic') return id;
    const row = this.#store.get('SELECT subject FROM bindings WHERE lookup = ?', id);
    return row === undefined ? id : Buffer.from(row.subject as Uint8Array);
  }

  /** Binds a secondary identifier. Gives false where it is another subject's. */
  bind(controller: string, identifier: Identifier, subject: Buffer): boolean {
    const lookup = this.ofPrimary(controller, identifier);
    const added = this.#store.run('INSERT OR IGNORE INTO bindings VALUES (?, ?)', lookup, subject);
    if (added === 1) this.#bringAlong(identifier, lookup, subject);
    return added === 1 || this.#boundTo(lookup, subject);
  }

  /** Whether {@link bind} would succeed. */
  isFree(controller: string, identifier: Identifier, subject: Buffer): boolean {
    const lookup = this.ofPrimary(controller, identifier);
    const row = this.#store.get('SELECT subject FROM bindings WHERE lookup = ?', lookup);
    return row === undefined || subject.equals(row.subject as Uint8Array);
  }

  /** S: what her records' keys are derived from; null where nothing is known of her yet. */
  subjectKey(subject: Buffer): Buffer | 'destroyed' | null {
    return this.#ring.findSubjectKey(subject, 'subject');
  }

  /** S, for a record of hers: drawn, where nothing is known of her yet. */
  mention(subject: Buffer): Buffer | 'destroyed' {
    return this.subjectKey(subject) ?? this.#ring.drawSubjectKey(subject, 'subject');
  }

  /** V: what her chain is sealed under. It outlives S: she sees what was asked about her, and that she was erased. */
  viewKey(subject: Buffer): Buffer {
    const key = this.#ring.findSubjectKey(subject, 'view');
    if (key === 'destroyed') throw new Error('the key of a chain is destroyed');
    return key ?? this.#ring.drawSubjectKey(subject, 'view');
  }

  /** Whether her records' key is destroyed: nothing is held of her that anybody can read, and nothing ever will be. */
  isErased(subject: Buffer): boolean {
    const row = this.#store.get(
      'SELECT 1 FROM subjects JOIN slots ON slot = subject_slot WHERE subject = ? AND generation = ?',
      subject,
      DESTROYED.generation,
    );
    return row !== undefined;
  }

  /** W: what is sealed about her is sealed under. */
  sealKey(subject: Buffer): Buffer {
    const key = this.#ring.findSubjectKey(subject, 'seal');
    if (key === 'destroyed') throw new Error('the key of what is sealed is destroyed');
    return key ?? this.#ring.drawSubjectKey(subject, 'seal');
  }

  isProtected(subject: Buffer): boolean {
    return this.#protections(subject) !== 0;
  }

  /** @param by what she was protected by: what another kind of identifier says of her stays as it is. */
  protect(subject: Buffer, by: Identifier): void {
    const before = this.#protections(subject);
    const after = before | PROTECTED_BY[by.type];
    if (after === before) return;
    // Her row is there from her first mention on.
    this.mention(subject);
    this.#setProtections(subject, after);
  }

  unprotect(subject: Buffer, by: Identifier): void {
    const before = this.#protections(subject);
    const after = before & ~PROTECTED_BY[by.type];
    if (after !== before) this.#setProtections(subject, after);
  }

  #protections(subject: Buffer): number {
    const row = this.#store.get('SELECT protected FROM subjects WHERE subject = ?', subject);
    return Number(row?.protected ?? 0);
  }

  #setProtections(subject: Buffer, value: number): void {
    this.#store.run('UPDATE subjects SET protected = ? WHERE subject = ?', value, subject);
  }

  /**
   * The subjects of numbers that were asked about while they were nobody's, and then were bound to her. One about which
   * nothing is known but what is sealed is none of them until that opens: its chain alone would tell.
   */
  aliases(subject: Buffer): readonly Buffer[] {
    const rows = this.#store.all(
      `SELECT alias FROM aliases JOIN subjects ON subjects.subject = aliases.alias
        WHERE aliases.subject = ? AND view_slot IS NOT NULL`,
      subject,
    );
    return rows.map(({ alias }) => Buffer.from(alias as Uint8Array));
  }

  /** A number's own subject is somebody's: its chain is no longer shown to whom the number was bound to. */
  endAlias(alias: Buffer): void {
    const bound = this.#store.get('SELECT subject FROM bindings WHERE lookup = ?', alias);
    if (bound === undefined) return;
    const subject = bound.subject as Uint8Array;
    this.#store.run('DELETE FROM aliases WHERE subject = ? AND alias = ?', subject, alias);
  }

  chain(subject: Buffer): ChainState {
    const row = this.#store.get('SELECT number, chain FROM subjects WHERE subject = ?', subject);
    const chain = row?.chain ?? null;
    return {
      number: Number(row?.number ?? 0),
      chain: chain === null ? null : Buffer.from(chain as Uint8Array),
    };
  }

  setChain(subject: Buffer, number: number, chain: Uint8Array): void {
    this.#store.run(
      'UPDATE subjects SET number = ?, chain = ? WHERE subject = ?',
      number,
      chain,
      subject,
    );
  }

  /** How many look-ups and extensions are sealed about her, or were. */
  sealedNumber(subject: Buffer): number {
    const row = this.#store.get('SELECT sealed FROM subjects WHERE subject = ?', subject);
    return Number(row?.sealed ?? 0);
  }

  setSealedNumber(subject: Buffer, number: number): void {
    this.#store.run('UPDATE subjects SET sealed = ? WHERE subject = ?', number, subject);
  }

  /** What a number brings along that was nobody's until it was bound: its protection, and what was asked by it. */
  #bringAlong(identifier: Identifier, lookup: Buffer, subject: Buffer): void {
    if (this.#people.isProtected(identifier)) this.protect(subject, identifier);
    const askedAbout = this.#store.get(
      'SELECT 1 FROM subjects WHERE subject = ? AND (view_slot IS NOT NULL OR seal_slot IS NOT NULL)',
      lookup,
    );
    // A number by which a code was handed out was somebody's, whose chain stays with that code.
    if (askedAbout === undefined || this.#people.hasHadCode(identifier)) return;
    const row = this.#store.get('SELECT count(*) AS count FROM aliases WHERE subject = ?', subject);
    if (Number(row?.count) < ALIASES_MAX)
      this.#store.run('INSERT INTO aliases VALUES (?, ?)', subject, lookup);
  }

  #boundTo(lookup: Buffer, subject: Buffer): boolean {
    const row = this.#store.get('SELECT subject FROM bindings WHERE lookup = ?', lookup);
    return row !== undefined && subject.equals(row.subject as Uint8Array);
  }
}
