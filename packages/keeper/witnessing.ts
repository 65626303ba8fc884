import { CoreError } from '@amanat/core/errors';
import type { Register } from '@amanat/core/grants';
import { verifyNoteSignature } from '@amanat/core/keys';
import type { Cosignature, CosignerKey } from '@amanat/core/log';
import { openCosignatures } from '@amanat/core/log';
import { COSIGNED_MS_MAX } from './protocol.ts';
import { Refusal } from './refusal.ts';
import type { KeeperStore } from './store.ts';

/**
 * Who has cosigned a checkpoint: nobody is asked to yet, the quorum has, or as few as the broken glass asks for, and
 * then so many may be released in all until the quorum has covered them.
 */
export type Cosigned =
  | { readonly by: 'nobody' | 'quorum' }
  | { readonly by: 'broken-glass'; readonly releasesMax: number };

/** Holds checkpoints against the witnesses that the log names (I1), and counts what was released without the quorum. */
export class Witnessing {
  readonly #store: KeeperStore;
  readonly #register: Register;
  /** From when on cosignatures count, milliseconds since 1970: the second after the keeper's start. */
  readonly cosignaturesFrom: number;
  #released: number;
  #uncounted: number;

  /** @param startedMs the keeper's start: a cosignature that is older may have been put by, and counts for nobody. */
  constructor(store: KeeperStore, register: Register, startedMs: number) {
    this.#store = store;
    this.#register = register;
    // Witnesses sign whole seconds: one of the second of the start may be older than it.
    this.cosignaturesFrom = (Math.floor(startedMs / 1000) + 1) * 1000;
    this.#released = readCount(store, 'broken-glass');
    this.#uncounted = readCount(store, 'broken-glass-uncounted');
  }

  /** What was released under a smaller quorum and no full one has covered yet. */
  get released(): number {
    return this.#released;
  }

  /** What was so released and covered since, and is not counted in the log. */
  get uncounted(): number {
    return this.#uncounted;
  }

  /**
   * Whether enough of the witnesses in force at `now` have cosigned, each at about this time.
   * @param brokenUntil until when the glass is broken, what this very checkpoint brings included; 0 where it is whole
   * @throws Refusal 'not-witnessed', or 'bad-checkpoint' where a known witness's cosignature does not verify
   */
  check(note: string, now: number, brokenUntil: number): Cosigned {
    const witnessing = this.#register.witnessing(now);
    if (witnessing === null) return { by: 'nobody' };
    const { quorum, breakGlass } = witnessing.document;
    const fresh = open(note, witnessing.keys).filter(
      ({ timeSeconds }) =>
        timeSeconds * 1000 >= this.cosignaturesFrom &&
        Math.abs(timeSeconds * 1000 - now) <= COSIGNED_MS_MAX,
    );
    if (fresh.length >= quorum) return { by: 'quorum' };
    if (breakGlass !== null && brokenUntil > now && fresh.length >= breakGlass.quorum) {
      return { by: 'broken-glass', releasesMax: breakGlass.releases };
    }
    throw new Refusal(
      'not-witnessed',
      `${fresh.length} of ${quorum} cosignatures are there in time`,
    );
  }

  /**
   * Takes one release for a checkpoint so cosigned; false where none is left: what was covered and the log does not
   * count yet is among them, so that whoever keeps the count back has no more. In the caller's transaction.
   */
  takeRelease(cosigned: Cosigned): boolean {
    if (cosigned.by !== 'broken-glass') return true;
    if (this.#released + this.#uncounted >= cosigned.releasesMax) return false;
    this.#count(this.#released + 1, this.#uncounted);
    return true;
  }

  /** The full quorum has covered what was released without it. In the caller's transaction. */
  cover(cosigned: Cosigned): void {
    if (cosigned.by !== 'quorum' || this.#released === 0) return;
    this.#count(0, this.#uncounted + this.#released);
  }

  /**
   * The log counts so many of what was covered. Nobody signs the count: one of more than there is to count means
   * nothing. In the caller's transaction.
   */
  counted(releases: number): void {
    if (releases > this.#uncounted) return;
    this.#count(this.#released, this.#uncounted - releases);
  }

  #count(released: number, uncounted: number): void {
    this.#released = released;
    this.#uncounted = uncounted;
    this.#store.run("INSERT OR REPLACE INTO meta VALUES ('broken-glass', ?)", released);
    this.#store.run("INSERT OR REPLACE INTO meta VALUES ('broken-glass-uncounted', ?)", uncounted);
  }
}

function readCount(store: KeeperStore, name: 'broken-glass' | 'broken-glass-uncounted'): number {
  return Number(store.get('SELECT value FROM meta WHERE name = ?', name)?.value ?? 0);
}

function open(note: string, keys: readonly CosignerKey[]): readonly Cosignature[] {
  try {
    return openCosignatures(note, keys, verifyNoteSignature);
  } catch (cause) {
    if (!(cause instanceof CoreError)) throw cause;
    throw new Refusal('bad-checkpoint', 'a cosignature does not verify', { cause });
  }
}
