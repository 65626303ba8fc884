import type { Register } from '@amanat/core/grants';
import type { KeyRing, SubjectSlot } from './key-ring.ts';
import { SUBJECT_SLOTS } from './key-ring.ts';
import { DeviceError } from './providers/pkcs11.ts';
import type { Shredding } from './shredding.ts';
import { FIRST_GENERATION } from './slots.ts';
import type { KeeperStore } from './store.ts';

/** Keys that one step wraps anew, between two messages; and slots that one step looks at. */
const KEYS_A_STEP = 256;
const SLOTS_A_STEP = 8_192;

/** What is to be wrapped anew next. Kept in memory: a start begins again, and passes by what is done. */
type Next =
  | { readonly of: 'secrets' }
  | { readonly of: 'periods'; readonly after: readonly [string, string] }
  | { readonly of: 'subjects'; readonly kind: SubjectSlot; readonly after: Uint8Array }
  | { readonly of: 'slots'; readonly after: number };

const BEGINNING: Next = { of: 'secrets' };
const NOBODY = new Uint8Array();

/**
 * Rotates generations while the keeper serves, as the log's `generation-rotation` entries say: draws the next, wraps every
 * key anew under it, some at a time, and destroys the past one once nothing is under it.
 */
export class Rotation {
  readonly #store: KeeperStore;
  readonly #ring: KeyRing;
  readonly #register: Register;
  readonly #shredding: Pick<Shredding, 'leaveUnscrubbed'>;
  #next: Next = BEGINNING;

  constructor(deps: {
    readonly store: KeeperStore;
    readonly ring: KeyRing;
    readonly register: Register;
    readonly shredding: Pick<Shredding, 'leaveUnscrubbed'>;
  }) {
    this.#store = deps.store;
    this.#ring = deps.ring;
    this.#register = deps.register;
    this.#shredding = deps.shredding;
  }

  /**
   * Does one bounded step, in a transaction of its own. False where there is nothing to do, or no device to do it.
   * @throws Error where a key is left under the past generation that is no row's: it is not destroyed then
   */
  async step(): Promise<boolean> {
    const past = this.#ring.pastGeneration;
    if (past === null) return this.#begin();
    this.#next = this.#store.transaction(() => this.#rewrap(this.#next, past));
    return true;
  }

  async #begin(): Promise<boolean> {
    const latest = FIRST_GENERATION + this.#register.latestVersion('generation-rotation', '');
    if (this.#ring.generation >= latest) return false;
    const drawn = await this.#ring.drawNextGeneration().catch(nullWithoutDevice);
    if (drawn === null) return false;
    this.#store.transaction(() => this.#ring.addGeneration(drawn));
    this.#next = BEGINNING;
    return true;
  }

  #rewrap(next: Next, past: number): Next {
    const ring = this.#ring;
    switch (next.of) {
      case 'secrets':
        if (ring.rewrapSecrets(KEYS_A_STEP) > 0) return next;
        return { of: 'periods', after: ['', ''] };
      case 'periods': {
        const after = ring.rewrapPeriods(next.after, KEYS_A_STEP);
        return after === null ? subjectsFrom(0) : { of: 'periods', after };
      }
      case 'subjects': {
        const after = ring.rewrapSubjects(next.kind, next.after, KEYS_A_STEP);
        if (after !== null) return { ...next, after };
        return subjectsFrom(SUBJECT_SLOTS.indexOf(next.kind) + 1);
      }
      case 'slots': {
        const { isFound, last } = ring.findUnder(past, next.after, SLOTS_A_STEP);
        if (isFound) throw new Error('a key is under a generation that no row names');
        if (last !== null) return { of: 'slots', after: last };
        ring.destroyGeneration(past);
        this.#shredding.leaveUnscrubbed();
        return BEGINNING;
      }
    }
  }
}

/** Without its device the keeper serves on, and rotates once that is back. */
function nullWithoutDevice(error: unknown): null {
  if (error instanceof DeviceError) return null;
  throw error;
}

/** Subjects' keys of the nth kind; after the last kind it is looked whether anything is left. */
function subjectsFrom(nth: number): Next {
  const kind = SUBJECT_SLOTS[nth];
  return kind === undefined ? { of: 'slots', after: 0 } : { of: 'subjects', kind, after: NOBODY };
}
