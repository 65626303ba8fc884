/** Every check that is made of a history, in the order in which they are told. Only those that apply are listed. */
export const CHECKS = [
  'view-opens',
  'head-signature',
  'head-session',
  'head-fresh',
  'checkpoint-signature',
  'witnessed',
  'head-checkpoint',
  'numbers',
  'bodies-open',
  'commitments',
  'inclusion',
  'chain',
] as const;

/**
 * view-opens: the keeper's answer opens with this session's key, and reads strictly ·
 * head-signature: the keeper signed each chain's head · head-session: for this session and no other ·
 * head-fresh: just now · checkpoint-signature: the log signed its checkpoint ·
 * witnessed: a quorum of the witnesses cosigned it; applies once there are witnesses ·
 * head-checkpoint: head and checkpoint tell of the same tree · numbers: 1 to the head's number, none missing ·
 * bodies-open: each statement opens with its key, and is about this person · commitments: each statement is the one
 * that the log committed to · inclusion: each leaf stands in the log · chain: they link up to the head.
 */
export type CheckId = (typeof CHECKS)[number];

/**
 * wrong: what came does not fit · missing: something that must be there is not · unavailable: what is needed
 * could not be fetched · unsupported: this browser cannot do it.
 */
export type CheckFailure = 'wrong' | 'missing' | 'unavailable' | 'unsupported';

/** A place where a check failed: a chain, by its controller and subject, and an entry on it, where it was about one. */
export interface FailedAt {
  readonly reason: CheckFailure;
  readonly controller: string | null;
  readonly subject: string | null;
  readonly number: number | null;
}

/** The outcome of one check. 'not-checked': an earlier failure left nothing to check; it counts as not passed. */
export interface Check {
  readonly id: CheckId;
  readonly state: 'ok' | 'failed' | 'not-checked';
  /** The first places, at most 100; empty unless it failed. */
  readonly failures: readonly FailedAt[];
}

const FAILURES_MAX = 100;

/** Outcomes as they come in. A check is 'ok' only once it has been passed and has never failed or been skipped. */
export class CheckList {
  readonly #applying: readonly CheckId[];
  readonly #failures = new Map<CheckId, FailedAt[]>();
  readonly #passed = new Set<CheckId>();
  readonly #skipped = new Set<CheckId>();

  /** @param without checks that do not apply, and so are in no result. */
  constructor(without: readonly CheckId[] = []) {
    this.#applying = CHECKS.filter((id) => !without.includes(id));
  }

  /** Notes one outcome; gives back `ok`, so that a caller can go by it. */
  note(id: CheckId, ok: boolean, at: Partial<FailedAt> = {}): boolean {
    if (ok) {
      this.#passed.add(id);
      return true;
    }
    const failures = this.#failures.get(id) ?? [];
    if (failures.length < FAILURES_MAX) {
      failures.push({ reason: 'wrong', controller: null, subject: null, number: null, ...at });
    }
    this.#failures.set(id, failures);
    return false;
  }

  /** Notes that something could not be checked at all. */
  skip(...ids: readonly CheckId[]): void {
    for (const id of ids) this.#skipped.add(id);
  }

  /** All checks that apply, in order. */
  results(): readonly Check[] {
    return this.#applying.map((id) => {
      const failures = this.#failures.get(id) ?? [];
      const passed = this.#passed.has(id) && !this.#skipped.has(id);
      return {
        id,
        failures,
        state: failures.length > 0 ? 'failed' : passed ? 'ok' : 'not-checked',
      };
    });
  }
}
