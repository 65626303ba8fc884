import { base64, fromBase64 } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import type { AppointedLogKey, Signed, Witnesses } from '@amanat/core/grants';
import { quorumOf, Register, readDocument, readPublicDocument } from '@amanat/core/grants';
import type { CosignerKey } from '@amanat/core/log';
import { MAX_ENTRY_BYTES, parseCosignerKey } from '@amanat/core/log';
import { integer, list, nullable, object, text, time } from '@amanat/core/shape';
import { decodeSigned } from '../log/log.ts';
import { cosignersOf } from './checkpoint.ts';
import type { Notice } from './notices.ts';

const HOUR_MS = 3_600_000;
/** How far another's clock may be from ours. */
const CLOCK_MS = HOUR_MS;
/** How long the glass may stay broken. */
const BROKEN_MS_MAX = 24 * HOUR_MS;
/**
 * Entries that are stored and not followed by the keeper yet were opened within minutes of one another: a leaf so much
 * later than one of them is none of them, and the keeper had taken them all by then.
 */
const APART_MS = 2 * HOUR_MS;
/** From the beginning of a leaf's hour until it is surely entered: the hour, and as long as it may be under way. */
const ENTERED_MS = 2 * HOUR_MS;

/** Appointments that are remembered. Of more, the oldest is forgotten, which only demands less. */
const APPOINTMENTS_MAX = 16;

/** Keys that a log names after its first, of which an audit knows. Of more, it follows none. */
const LOG_KEYS_MAX = 64;

/** Reads what {@link Appointed.keep} gave. */
export const readAppointed = object({
  genesis: nullable(text(MAX_ENTRY_BYTES)),
  latestHour: time,
  brokenUntil: time,
  appointments: list(
    object({
      document: text(MAX_ENTRY_BYTES),
      takenAfter: time,
      firstHour: nullable(time),
      takenBy: nullable(integer(0)),
    }),
    0,
    APPOINTMENTS_MAX,
  ),
  /** The leaves that name another key of the log's, in base64. */
  logKeys: list(text(4 * Math.ceil(MAX_ENTRY_BYTES / 3)), 0, LOG_KEYS_MAX),
});
/** What an audit remembers of who has to cosign. */
export type KeptAppointed = ReturnType<typeof readAppointed>;

interface Appointment {
  readonly text: string;
  readonly document: Witnesses;
  readonly keys: readonly CosignerKey[];
  /** The keeper took it no sooner. */
  readonly takenAfter: number;
  /** The first hour behind it that is later than those before it. */
  firstHour: number | null;
  /** The keeper had taken it by then; null while that is not known. */
  takenBy: number | null;
}

/**
 * Who has to cosign, by the public entries of the log that is audited. When an entry was taken stands nowhere in the
 * log: the hours of the leaves around it say between which times it was, and nobody is missed who need not have been in
 * force yet. In a log that does not begin with its own genesis, nobody has to.
 */
export class Appointed {
  #genesis: string | null = null;
  #activationMs = 0;
  readonly #register = new Register();
  #appointments: Appointment[] = [];
  #logKeys: readonly string[] = [];
  #latestHour = 0;
  #brokenUntil = 0;

  /** @throws CoreError 'bad-document', 'bad-key' for what was not remembered by {@link Appointed.keep} */
  static from(kept: KeptAppointed): Appointed {
    const appointed = new Appointed();
    appointed.#latestHour = kept.latestHour;
    appointed.#brokenUntil = kept.brokenUntil;
    if (kept.genesis !== null) appointed.#begin({ document: kept.genesis, signatures: [] });
    if (appointed.#genesis !== kept.genesis) throw new CoreError('bad-document', 'no genesis');
    appointed.#appointments = kept.appointments.map(({ document, ...times }) => ({
      ...appointmentOf(document),
      ...times,
    }));
    for (const leaf of kept.logKeys) appointed.#nameLogKey(fromBase64(leaf));
    return appointed;
  }

  /** What {@link Appointed.from} takes. */
  keep(): KeptAppointed {
    return {
      genesis: this.#genesis,
      latestHour: this.#latestHour,
      brokenUntil: this.#brokenUntil,
      appointments: this.#appointments.map((each) => ({
        document: each.text,
        takenAfter: each.takenAfter,
        firstHour: each.firstHour,
        takenBy: each.takenBy,
      })),
      logKeys: this.#logKeys,
    };
  }

  /** The keys that sign the log, in order, as its own entries name them; none where it does not begin with a genesis. */
  get logKeys(): readonly AppointedLogKey[] {
    return this.#register.logKeys;
  }

  /** Takes in what was noticed behind what it has, in a log of this origin, at about `now`. */
  take(notices: readonly Notice[], { origin, now }: { origin: string; now: number }): void {
    for (const notice of notices) {
      if (typeof notice === 'number') this.#takeHour(notice, now);
      else if (notice instanceof Uint8Array) this.#takeLeaf(notice, origin, now);
    }
    this.#forget();
  }

  /**
   * Whether a checkpoint of all that was taken in has the cosignatures that it needs: of the latest who surely had to by
   * its last leaf, or of any who follow them and may be in force by now; of fewer where the glass may be broken.
   */
  isCosigned(note: string, now: number): boolean {
    const due = this.#dueAt();
    if (due < 0) return true;
    return this.#appointments.slice(due).some(({ document, keys, takenAfter }, at) => {
      if (at > 0 && takenAfter + this.#activationMs > now + CLOCK_MS) return false;
      const isBroken = this.#brokenUntil > this.#latestHour;
      return cosignersOf(note, keys).length >= quorumOf(document, isBroken);
    });
  }

  #takeHour(hour: number, now: number): void {
    // Of a time to come it is not known what will be in force then.
    if (hour <= this.#latestHour || hour > now + CLOCK_MS) return;
    this.#latestHour = hour;
    for (const each of this.#appointments) {
      each.firstHour ??= hour;
      if (hour >= each.firstHour + APART_MS) each.takenBy ??= hour + ENTERED_MS;
    }
  }

  #takeLeaf(bytes: Uint8Array, origin: string, now: number): void {
    const signed = decodeSigned(bytes);
    if (signed === null) return;
    try {
      const document = readPublicDocument(signed.document);
      if (document.type === 'genesis') {
        if (document.origin === origin) this.#begin(signed);
      } else if (document.type === 'log-key') this.#nameLogKey(bytes);
      else if (!this.#register.signedByAdministrators(signed)) return;
      else if (document.type === 'witnesses') this.#appoint(signed.document, document.version);
      else if (document.type === 'broken-glass') {
        // It was taken before now: what would have lasted longer took no effect.
        const isTimely = document.until <= now + BROKEN_MS_MAX + CLOCK_MS;
        if (isTimely) this.#brokenUntil = Math.max(this.#brokenUntil, document.until);
      }
    } catch (error) {
      // It is in the log and has no effect.
      if (!(error instanceof CoreError)) throw error;
    }
  }

  #begin(signed: Signed): void {
    if (this.#register.apply(0, signed, 0) !== null) return;
    this.#genesis = signed.document;
    this.#activationMs = readDocument(signed.document, 'genesis').activationSeconds * 1000;
  }

  #nameLogKey(bytes: Uint8Array): void {
    const signed = decodeSigned(bytes);
    if (signed === null || this.#logKeys.length === LOG_KEYS_MAX) return;
    // Only the genesis needs a time or a place.
    if (this.#register.apply(0, signed, 0) === null) {
      this.#logKeys = [...this.#logKeys, base64(bytes)];
    }
  }

  #appoint(text: string, version: number): void {
    if (version !== (this.#appointments.at(-1)?.document.version ?? 0) + 1) return;
    const times = { takenAfter: this.#latestHour, firstHour: null, takenBy: null };
    this.#appointments.push({ ...appointmentOf(text), ...times });
  }

  /** The latest who surely are in force; -1 where nobody is. */
  #dueAt(): number {
    return this.#appointments.findLastIndex(
      ({ takenBy }) => takenBy !== null && takenBy + this.#activationMs <= this.#latestHour,
    );
  }

  /** Whom others have surely followed, nobody asks again. */
  #forget(): void {
    const from = Math.max(0, this.#dueAt(), this.#appointments.length - APPOINTMENTS_MAX);
    this.#appointments = this.#appointments.slice(from);
  }
}

/** @throws CoreError 'bad-document', 'bad-key' */
function appointmentOf(text: string): Pick<Appointment, 'text' | 'document' | 'keys'> {
  const document = readDocument(text, 'witnesses');
  return { text, document, keys: document.witnesses.map(({ key }) => parseCosignerKey(key)) };
}
