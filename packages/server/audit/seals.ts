import { CoreError } from '@amanat/core/errors';
import {
  Register,
  readDocument,
  readDocumentOrNull,
  SEAL_INERT_MAX,
  sealMonthOverdue,
} from '@amanat/core/grants';
import type { PublicKey } from '@amanat/core/keys';
import { parsePublicKey } from '@amanat/core/keys';
import { parseLeafOrNull } from '@amanat/core/log';
import { integer, list, nullable, object, text } from '@amanat/core/shape';
import { decodeSigned } from '../log/log.ts';
import { AuditError } from './errors.ts';
import type { Notice } from './notices.ts';

/** Opened seals past which those are forgotten of which the keeper's later word has said that the opening stands. */
const OPENED_KEPT = 10_000;
/** Seals, and what is said of each later, that a state holds: what no keeper would have let be sealed at a time. */
const SEALS_MAX = 1_100_000;
const CLAIMS_MAX = 1000;
const KEY_MAX = 128;

const month = text(7, /^\d{4}-(?:0[1-9]|1[0-2])$/, 'a month');

/** Reads what {@link SealsSeen.keep} gave. */
export const readSealsSeen = object({
  keeper: nullable(text(KEY_MAX)),
  uncounted: list(object({ index: integer(0), month }), 0, SEALS_MAX),
  seals: list(
    object({
      index: integer(0),
      month,
      claims: list(object({ at: integer(0), month: nullable(month) }), 0, CLAIMS_MAX),
    }),
    0,
    SEALS_MAX,
  ),
});
/** What an audit remembers of seals. */
export type KeptSeals = ReturnType<typeof readSealsSeen>;

/** A later leaf about a seal: the month to which it moves it, or null where it opens it. */
interface Claim {
  readonly at: number;
  readonly month: string | null;
}

interface Seal {
  readonly month: string;
  claims: Claim[];
}

/** Sealed look-ups as anyone can count them. */
export interface SealCounts {
  readonly open: number;
  /** Those of the open ones whose month has been over for two days. */
  readonly overdue: number;
  /** Months, over for two days, in which something was sealed or opened, and of which the keeper's counts are missing. */
  readonly uncounted: readonly string[];
}

/**
 * Counts what is sealed, extended and opened from the log's leaves alone. A leaf that the keeper's signed word calls inert
 * counts for nothing: one that a gateway made up to hide a seal, or that a crash left behind.
 */
export class SealsSeen {
  #keeper: PublicKey | null = null;
  readonly #register = new Register();
  readonly #seals = new Map<number, Seal>();
  /** By each claim's place, the seal that it is about. */
  readonly #claimed = new Map<number, number>();
  /** Opened ones, in the order of their opening, with the place of the first leaf that opened each. */
  readonly #opened = new Map<number, number>();
  /** Leaves that seal or open, and the month of each, that no document of the keeper's counts yet. */
  readonly #uncounted = new Map<number, string>();
  readonly #max: number;

  /** @param max seals that are remembered at a time */
  constructor(max = SEALS_MAX) {
    this.#max = max;
  }

  /** @throws CoreError 'bad-key' for what was not remembered by {@link SealsSeen.keep} */
  static from({ keeper, uncounted, seals }: KeptSeals): SealsSeen {
    const seen = new SealsSeen();
    for (const { index, month: of } of uncounted) seen.#uncounted.set(index, of);
    seen.#keeper = keeper === null ? null : parsePublicKey(keeper);
    for (const { index, month: until, claims } of seals) {
      seen.#seals.set(index, { month: until, claims: [] });
      for (const claim of claims) seen.#claim(index, claim);
    }
    return seen;
  }

  /** What {@link SealsSeen.from} takes. */
  keep(): KeptSeals {
    const seals = [...this.#seals].map(([index, seal]) => ({ index, ...seal }));
    const uncounted = [...this.#uncounted].map(([index, of]) => ({ index, month: of }));
    return { keeper: this.#keeper?.text ?? null, uncounted, seals };
  }

  /**
   * Takes in what was noticed behind what it has, in a log of this origin. None is forgotten that may yet turn out to be
   * open: made-up openings could be entered by the thousand until a real seal is.
   * @throws AuditError 'too-many-seals'
   */
  take(notices: readonly Notice[], origin: string): void {
    for (const notice of notices) {
      if (notice instanceof Uint8Array) this.#takePublic(notice, origin);
      else if (typeof notice !== 'number') this.#takeLeaf(notice.index, notice.leaf);
    }
  }

  /** @param now milliseconds since 1970 */
  count(now: number): SealCounts {
    const open = [...this.#seals].filter(([index]) => !this.#opened.has(index));
    const overdue = open.filter(([, seal]) => sealMonthOverdue(monthOf(seal)) <= now);
    const months = new Set(this.#uncounted.values());
    const uncounted = [...months].filter((each) => sealMonthOverdue(each) <= now).toSorted();
    return { open: open.length, overdue: overdue.length, uncounted };
  }

  #takeLeaf(index: number, bytes: Uint8Array): void {
    const leaf = parseLeafOrNull(bytes);
    if (leaf?.kind === 'sealed' && leaf.extends !== null) {
      // An extension that came too late is not counted as one, and no outsider knows which did.
      this.#claim(leaf.extends, { at: index, month: leaf.month });
    } else if (leaf?.kind === 'sealed') {
      if (this.#seals.size >= this.#max) {
        const message = 'more look-ups are sealed, or not surely opened, than an audit remembers';
        throw new AuditError('too-many-seals', null, message);
      }
      this.#seals.set(index, { month: leaf.month, claims: [] });
      this.#await(index, leaf.hour);
    } else if (leaf?.kind === 'opened') {
      this.#claim(leaf.seal, { at: index, month: null });
      this.#await(index, leaf.hour);
    }
  }

  #await(index: number, hour: string): void {
    if (this.#uncounted.size < SEALS_MAX) this.#uncounted.set(index, hour.slice(0, 7));
  }

  /**
   * What the keeper followed before the month of its word is counted there, or was before: each such document tells all
   * months that are over and that the log does not tell yet.
   */
  #count(size: number, time: number): void {
    const present = new Date(time).toISOString().slice(0, 7);
    for (const [index, of] of this.#uncounted) {
      if (index < size && of < present) this.#uncounted.delete(index);
    }
  }

  /** What is about no seal that is known says nothing. */
  #claim(index: number, claim: Claim): void {
    const seal = this.#seals.get(index);
    if (seal === undefined || seal.claims.length >= CLAIMS_MAX) return;
    seal.claims.push(claim);
    this.#claimed.set(claim.at, index);
    if (claim.month === null && !this.#opened.has(index)) this.#opened.set(index, claim.at);
  }

  #takePublic(bytes: Uint8Array, origin: string): void {
    const signed = decodeSigned(bytes);
    if (signed === null) return;
    try {
      const genesis = readDocumentOrNull(signed.document, 'genesis');
      if (genesis !== null) {
        if (genesis.origin === origin) this.#keeper ??= parsePublicKey(genesis.keeperKey);
      } else if (this.#keeper !== null && this.#register.signedBy(signed, this.#keeper)) {
        const { inert, size, time } = readDocument(signed.document, 'seals-counted');
        for (const index of inert) this.#void(index);
        this.#count(size, time);
        // Of the leaves that it had followed it has then named all that mean nothing.
        if (inert.length < SEAL_INERT_MAX) this.#forgetOpened(size);
      }
    } catch (error) {
      // It is in the log and has no effect.
      if (!(error instanceof CoreError)) throw error;
    }
  }

  /** A leaf means nothing. */
  #void(index: number): void {
    this.#uncounted.delete(index);
    this.#forget(index);
    const about = this.#claimed.get(index);
    const seal = about === undefined ? undefined : this.#seals.get(about);
    if (about === undefined || seal === undefined) return;
    this.#claimed.delete(index);
    seal.claims = seal.claims.filter(({ at }) => at !== index);
    const opening = seal.claims.find((claim) => claim.month === null);
    this.#opened.delete(about);
    if (opening !== undefined) this.#opened.set(about, opening.at);
  }

  /** The oldest of those that a leaf before `size` opened, past what is kept of them. */
  #forgetOpened(size: number): void {
    for (const [index, at] of this.#opened) {
      if (this.#opened.size <= OPENED_KEPT) return;
      if (at < size) this.#forget(index);
    }
  }

  #forget(index: number): void {
    for (const { at } of this.#seals.get(index)?.claims ?? []) this.#claimed.delete(at);
    this.#seals.delete(index);
    this.#opened.delete(index);
  }
}

/** The latest month to which a seal was moved. */
function monthOf({ month: until, claims }: Seal): string {
  const months = [until, ...claims.map((claim) => claim.month ?? '')];
  return months.toSorted().at(-1) as string;
}
