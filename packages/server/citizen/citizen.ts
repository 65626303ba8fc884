import { base64 } from '@amanat/core/bytes';
import type { Register, Signed } from '@amanat/core/grants';
import { VIEW_ENTRIES_MAX } from '@amanat/core/view';
import type { AskRejection, KeeperPort } from '@amanat/keeper/client';
import type { Held } from '../custody/custody.ts';
import type { Answered, Disclosure, Entered } from '../disclosure/disclosure.ts';
import { AsksUnavailable } from '../disclosure/disclosure.ts';
import type { LedgerEntry, Log } from '../log/log.ts';
import { Attempts } from './attempts.ts';

/** Entries sent beyond those of a view: looks that came between the sign-in and the view. */
const ENTRIES_BEYOND_MAX = 256;

/** Where an entry about a person stands. */
export interface EntryPlace {
  readonly controller: string;
  readonly index: number;
  readonly number: number;
}

/** How an ask that releases nothing ended: with its entries, or without any. */
export type Placed =
  | { readonly outcome: 'entered'; readonly entries: readonly EntryPlace[] }
  | { readonly outcome: 'rejected'; readonly code: AskRejection };

/** What her browser needs to check her history by itself. It holds no verdict. */
export interface History {
  readonly outcome: 'shown';
  /** The keeper's answer, sealed to her browser; base64. */
  readonly view: string;
  /** The log's signed checkpoint, of a tree at least as large as the view's. */
  readonly checkpoint: string;
  readonly subjects: readonly {
    readonly subject: string;
    readonly controller: string;
    /** Sealed bodies in base64; those past the view's head are not hers to read yet. */
    readonly entries: readonly {
      readonly number: number;
      readonly index: number;
      readonly body: string;
    }[];
    /** The same of what was withheld and is opened; numbers are among what was sealed. */
    readonly sealed: readonly {
      readonly number: number;
      readonly index: number;
      readonly body: string;
    }[];
    readonly held: readonly Held[];
  }[];
  /** Whether the law lets look-ups be withheld until a date: the same for everyone, whatever is withheld of whom. */
  readonly withheld: { readonly possible: boolean };
}

/** How an attempt to see a history ended. */
export type HistoryAnswer =
  | History
  | { readonly outcome: 'rejected'; readonly code: AskRejection }
  | { readonly outcome: 'too-many-attempts' };

/** What the citizen's part needs. */
export interface CitizenDeps {
  readonly disclosure: Pick<Disclosure, 'ask'>;
  readonly keeper: KeeperPort;
  readonly log: Pick<Log, 'entriesOf' | 'openedOf' | 'flush' | 'now'> & {
    readonly register: Pick<Register, 'latestVersion'>;
  };
  readonly custody: { heldAbout(subject: string): readonly Held[] };
  /** Has the keeper certify what it has just destroyed. Never rejects. */
  readonly certify: () => Promise<void>;
}

/** The person's own part: her code, her protection, her history. */
export interface Citizen {
  /** Hands out an access code, signed by the registrar. @throws AsksUnavailable */
  handOutCode(signed: Signed): Promise<Placed>;
  /** Puts a subject under protection or ends it, signed by two administrators. @throws AsksUnavailable */
  protect(signed: Signed): Promise<Placed>;
  /** Erases a person at one controller, signed by two administrators. @throws AsksUnavailable */
  erase(signed: Signed): Promise<Placed>;
  /**
   * Shows a history to whoever has its code.
   * @param remote the address that the attempt came from; it is counted and never kept.
   * @throws AsksUnavailable; CoreError 'bad-document'
   */
  history(sealed: SealedAsk, remote: string): Promise<HistoryAnswer>;
}

/** A view ask, sealed to the keeper (base64). */
export interface SealedAsk {
  readonly enc: string;
  readonly ciphertext: string;
}

/** Makes the part. */
export function createCitizen(deps: CitizenDeps): Citizen {
  const attempts = new Attempts();
  return {
    handOutCode: async (signed) => placesOf(await deps.disclosure.ask({ kind: 'code', signed })),
    protect: async (signed) => placesOf(await deps.disclosure.ask({ kind: 'protection', signed })),
    erase: async (signed) => {
      const placed = placesOf(await deps.disclosure.ask({ kind: 'erasure', signed }));
      if (placed.outcome === 'entered') await deps.certify();
      return placed;
    },
    history: (sealed, remote) => showHistory(deps, attempts, sealed, remote),
  };
}

async function showHistory(
  { disclosure, keeper, log, custody }: CitizenDeps,
  attempts: Attempts,
  { enc, ciphertext }: SealedAsk,
  remote: string,
): Promise<HistoryAnswer> {
  if (!attempts.take(remote, log.now())) return { outcome: 'too-many-attempts' };
  // Her sign-in is entered before she is shown anything: looks at oneself are looks.
  const answered = await disclosure
    .ask({ kind: 'view', enc, ciphertext })
    .catch((error: unknown) => {
      attempts.forgive(remote);
      throw error;
    });
  if (answered.outcome === 'rejected') return answered;
  attempts.forgive(remote);
  const view = await sealedView(keeper, answered.ask);
  // What her browser checks against must be of files that are there for it.
  const checkpoint = await log.flush();
  return {
    outcome: 'shown',
    view,
    checkpoint,
    subjects: answered.entries.map(({ lookUp: { subject, controller, erased }, number }) => ({
      subject,
      controller,
      entries: entriesOf(log, subject, number),
      sealed: log.openedOf(subject, VIEW_ENTRIES_MAX).map(toAnswer),
      held: erased ? [] : custody.heldAbout(subject),
    })),
    withheld: { possible: log.register.latestVersion('seal-rules', '') > 0 },
  };
}

async function sealedView(keeper: KeeperPort, ask: number): Promise<string> {
  try {
    const { answer } = await keeper.ask('view', { ask });
    return answer.sealed;
  } catch (cause) {
    throw new AsksUnavailable('keeper-unavailable', { cause });
  }
}

/** @param signIn the number of her sign-in's entry, to which the view reaches at least. */
function entriesOf(log: CitizenDeps['log'], subject: string, signIn: number) {
  const first = Math.max(1, signIn - VIEW_ENTRIES_MAX + 1);
  return log.entriesOf(subject, first, VIEW_ENTRIES_MAX + ENTRIES_BEYOND_MAX).map(toAnswer);
}

function toAnswer({ number, index, body }: LedgerEntry) {
  return { number, index, body: base64(body) };
}

function placesOf(answered: Answered): Placed {
  if (answered.outcome === 'rejected') return answered;
  return { outcome: 'entered', entries: answered.entries.map(placeOf) };
}

function placeOf({ lookUp: { controller }, index, number }: Entered): EntryPlace {
  return { controller, index, number };
}
