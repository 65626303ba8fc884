import { hex } from '@amanat/core/bytes';
import type { Seal, SealCount, SealsCounted } from '@amanat/core/grants';
import {
  SEAL_COUNTS_MAX,
  SEAL_INERT_MAX,
  sealDue,
  sealEnd,
  sealOverdue,
} from '@amanat/core/grants';
import type { SealedPlace, StatementKind } from '@amanat/core/statement';
import { SEAL_EXTENSIONS_MAX } from '@amanat/core/statement';
import { monthOf } from './clock.ts';
import type { DraftSeal } from './draft-seal.ts';
import type { LookUps, PendingLookUp } from './look-ups.ts';
import { OPEN_MS } from './look-ups.ts';
import type { KeeperStore } from './store.ts';

/** Inert leaves that are remembered until the log tells them. Further ones are left out: whoever enters so many can be seen. */
const INERT_KEPT = 1_000_000;

/** A look-up that is withheld from whom it is about, and not opened yet. */
export interface OpenSeal {
  /** Where its leaf stands in the log. */
  readonly index: number;
  readonly subject: Buffer;
  readonly controller: string;
  readonly agency: string;
  readonly until: string;
  /** When it was looked up, milliseconds since 1970. */
  readonly from: number;
  /** Whether the keys of what it names were given out. */
  readonly delivered: boolean;
  /** The sealed entries: the look-up, then its extensions. */
  readonly places: readonly SealedPlace[];
}

/** What is counted of sealed look-ups. */
export type SealEvent = 'sealed' | 'extended' | 'opened' | 'refused' | 'awaited';

/** Where an entry has come to stand. */
export interface EntryPlace {
  readonly index: number;
  readonly number: number;
  readonly leafHash: Uint8Array;
}

/**
 * What is withheld, until when, and what the public is told of it. Whose an open seal is and when it ends stands in the
 * database only sealed. Callers stand in a transaction; where one fails the process ends, so that memory never outlives
 * what is durable.
 */
export class Seals {
  readonly #store: KeeperStore;
  readonly #boxes: DraftSeal;
  readonly #lookUps: LookUps;
  readonly #open = new Map<number, OpenSeal>();
  /** By agency and date: who asks waits for dates to be looked at, and not for seals. */
  readonly #byAgency = new Map<string, Map<string, Set<number>>>();
  /** Inert leaves that the log has yet to tell. */
  #inert: number;

  constructor(store: KeeperStore, boxes: DraftSeal, lookUps: LookUps) {
    this.#store = store;
    this.#boxes = boxes;
    this.#lookUps = lookUps;
    this.#inert = Number(store.get('SELECT count(*) AS count FROM inert_seals')?.count);
    for (const row of store.all('SELECT idx, subject, seal FROM seals ORDER BY idx')) {
      const subject = Buffer.from(row.subject as Uint8Array);
      const index = Number(row.idx);
      const sealed = boxes.open(index, row.seal as Uint8Array, subject) as Omit<
        OpenSeal,
        'index' | 'subject'
      >;
      this.#hold({ index, subject, ...sealed });
    }
  }

  find(index: number): OpenSeal | null {
    return this.#open.get(index) ?? null;
  }

  /** How many of an agency's look-ups are sealed, those on their way to their entries included. */
  countOf(agency: string): number {
    let count = 0;
    for (const [, ofDate] of this.#byAgency.get(agency) ?? []) count += ofDate.size;
    for (const { draft } of this.#lookUps.all()) {
      if (draft.agency === agency && draft.seal !== null && draft.kind !== 'seal-extended') count++;
    }
    return count;
  }

  /** What a statement cites: of an opening all that it opens by now, extensions that came after it was begun included. */
  citedBy(draft: PendingLookUp['draft']): readonly SealedPlace[] {
    if (draft.kind !== 'opened') return draft.seals;
    return this.#open.get(openedBy(draft))?.places ?? draft.seals;
  }

  /** How often one was extended, what is on its way to its entry included: an opening can cite only so many. */
  extensionsOf({ index, places }: OpenSeal): number {
    let count = places.length - 1;
    for (const { draft } of this.#lookUps.all()) {
      if (draft.kind === 'seal-extended' && openedBy(draft) === index) count++;
    }
    return count;
  }

  /** Whether one of an agency's should have opened a day ago. */
  isOverdue(agency: string, now: number): boolean {
    const dates = this.#byAgency.get(agency)?.keys() ?? [];
    return [...dates].some((until) => sealOverdue(until) <= now);
  }

  /** Those that are due and that no opening waits for, so many at most. */
  due(now: number, max: number): readonly OpenSeal[] {
    const waiting = new Set<number>();
    for (const { draft } of this.#lookUps.all()) {
      if (draft.kind === 'opened') waiting.add(openedBy(draft));
    }
    const due: OpenSeal[] = [];
    for (const dates of this.#byAgency.values()) {
      for (const [until, ofDate] of dates) {
        if (sealDue(until) > now) continue;
        for (const index of ofDate) {
          if (due.length >= max) return due;
          if (!waiting.has(index)) due.push(this.#open.get(index) as OpenSeal);
        }
      }
    }
    return due;
  }

  /** The entry of a sealed look-up, of an extension or of an opening is in the log; any other is left alone. */
  takeEffect(
    { subject, draft }: PendingLookUp,
    kind: StatementKind,
    { index, number, leafHash }: EntryPlace,
    { delivered, now }: { readonly delivered: boolean; readonly now: number },
  ): void {
    const place = { index, number, leafHash: hex(leafHash) };
    const agency = draft.agency as string;
    if (draft.kind === 'opened') this.#unseal(subject, draft, number, now);
    else if (draft.kind === 'seal-extended') {
      // Held back, it would prolong what should have opened.
      const isInTime = now <= draft.opened + OPEN_MS;
      this.#extend(openedBy(draft), place, isInTime ? draft.seal : null, now);
    } else if (draft.seal !== null) {
      const { controller, opened } = draft;
      const isDelivered = delivered && kind !== 'undelivered';
      this.#keep({
        index,
        subject,
        controller,
        agency,
        until: draft.seal.until,
        from: opened,
        delivered: isDelivered,
        places: [place],
      });
      this.count(agency, 'sealed', now);
      // Only now: while it has no other entry, what stands there may be the one that an earlier life took in.
      for (const leaf of draft.leaves ?? []) if (leaf.index !== null) this.noteInert(leaf.index);
    }
  }

  /** By the number of each opening on a subject's chain, what it opened, from number `first` on. */
  openedOf(
    subject: Buffer,
    first: number,
  ): readonly {
    readonly number: number;
    readonly delivered: boolean;
    readonly sealed: readonly number[];
  }[] {
    const rows = this.#store.all(
      'SELECT number, delivered, sealed FROM opened WHERE subject = ? AND number >= ? ORDER BY number',
      subject,
      first,
    );
    return rows.map(({ number, delivered, sealed }) => ({
      number: Number(number),
      delivered: delivered === 1,
      sealed: JSON.parse(String(sealed)) as number[],
    }));
  }

  /** Counts an event of an agency's in the month of `now`. */
  count(agency: string, event: SealEvent, now: number): void {
    const month = monthOf(now);
    this.#store.run(
      'INSERT OR IGNORE INTO seal_counts VALUES (?, ?, 0, 0, 0, 0, 0)',
      month,
      agency,
    );
    this.#store.run(
      `UPDATE seal_counts SET ${event} = ${event} + 1 WHERE month = ? AND agency = ?`,
      month,
      agency,
    );
  }

  /** A leaf that says it seals, extends or opens, and that no look-up stands for. */
  noteInert(index: number): void {
    if (this.#inert >= INERT_KEPT) return;
    this.#inert += this.#store.run('INSERT OR IGNORE INTO inert_seals VALUES (?)', index);
  }

  /** What the log has yet to tell: counts of the months that are over, and inert leaves. Null where there is nothing. */
  untold(now: number): Pick<SealsCounted, 'counts' | 'inert'> | null {
    const counts = this.#store
      .all(
        `SELECT agency, month, sealed, extended, opened, refused, awaited FROM seal_counts
          WHERE month < ? ORDER BY month, agency LIMIT ${SEAL_COUNTS_MAX}`,
        monthOf(now),
      )
      .map((row) => ({ ...row }) as unknown as SealCount);
    const inert = this.#store
      .all(`SELECT idx FROM inert_seals ORDER BY idx LIMIT ${SEAL_INERT_MAX}`)
      .map(({ idx }) => Number(idx));
    return counts.length + inert.length === 0 ? null : { counts, inert };
  }

  /** The log tells it: it was the keeper's own word, and is not told again. */
  told({ counts, inert }: SealsCounted): void {
    for (const { month, agency } of counts) {
      this.#store.run('DELETE FROM seal_counts WHERE month = ? AND agency = ?', month, agency);
    }
    for (const index of inert) {
      this.#inert -= this.#store.run('DELETE FROM inert_seals WHERE idx = ?', index);
    }
  }

  #unseal(subject: Buffer, draft: PendingLookUp['draft'], number: number, now: number): void {
    const seal = this.#open.get(openedBy(draft));
    if (seal === undefined) throw new Error('a seal opened twice');
    const sealed = JSON.stringify(seal.places.map((place) => place.number));
    this.#store.run(
      'INSERT INTO opened VALUES (?, ?, ?, ?)',
      subject,
      number,
      seal.delivered ? 1 : 0,
      sealed,
    );
    this.#store.run('DELETE FROM seals WHERE idx = ?', seal.index);
    this.#drop(seal);
    this.count(seal.agency, 'opened', now);
  }

  /** @param wish null where it comes too late to move the date; she is shown that it was tried all the same. */
  #extend(index: number, place: SealedPlace, wish: Seal | null, now: number): void {
    const seal = this.#open.get(index);
    // Opened meanwhile; or more than an opening could cite, and her view could show.
    if (seal === undefined || seal.places.length > SEAL_EXTENSIONS_MAX) {
      this.noteInert(place.index);
      return;
    }
    // An opening that was prepared before does not cite this: it is prepared anew.
    for (const lookUp of this.#lookUps.all()) {
      const { draft } = lookUp;
      if (draft.kind === 'opened' && openedBy(draft) === index) this.#lookUps.void(lookUp);
    }
    const isLater = wish !== null && now < sealEnd(seal.until) && wish.until > seal.until;
    this.#drop(seal);
    const until = isLater ? wish.until : seal.until;
    this.#keep({ ...seal, until, places: [...seal.places, place] });
    if (isLater) this.count(seal.agency, 'extended', now);
  }

  #keep(seal: OpenSeal): void {
    const { index, subject, ...box } = seal;
    this.#store.run(
      'INSERT OR REPLACE INTO seals VALUES (?, ?, ?)',
      index,
      subject,
      this.#boxes.seal(index, box, subject),
    );
    this.#hold(seal);
  }

  #hold(seal: OpenSeal): void {
    const { index, agency, until } = seal;
    this.#open.set(index, seal);
    const dates = this.#byAgency.get(agency) ?? new Map<string, Set<number>>();
    this.#byAgency.set(agency, dates);
    dates.set(until, (dates.get(until) ?? new Set()).add(index));
  }

  #drop({ index, agency, until }: OpenSeal): void {
    this.#open.delete(index);
    const dates = this.#byAgency.get(agency);
    const ofDate = dates?.get(until);
    ofDate?.delete(index);
    if (ofDate?.size === 0) dates?.delete(until);
  }
}

/** The leaf that an opening, or an extension, is about. */
function openedBy({ seals }: PendingLookUp['draft']): number {
  const [first] = seals;
  if (first === undefined) throw new Error('keeper database holds an opening of nothing');
  return first.index;
}
