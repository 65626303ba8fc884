import type { Asked } from '@amanat/keeper/client';
import type { AsksUnavailable } from './errors.ts';

/** Most asks, and weight of them, that wait. */
const QUEUE_ASKS_MAX = 4096;
const QUEUE_WEIGHT_MAX = 64 * 1024 * 1024;
/** Most asks, and weight of them, that go to the keeper together. */
const BATCH_ASKS_MAX = 512;
const BATCH_WEIGHT_MAX = 8 * 1024 * 1024;
/** A selector weighs more than its text, for the look-ups that come of it. */
const SELECTOR_WEIGHT = 1024;

/** An ask that waits, and whom to tell what came of it. */
export interface Waiting<T> {
  readonly asked: Asked;
  readonly resolve: (value: T) => void;
  readonly reject: (error: AsksUnavailable) => void;
}

/** Asks in order of arrival, bounded by number and by weight, which is about their bytes. */
export class AskQueue<T> {
  #waiting: { readonly each: Waiting<T>; readonly weight: number }[] = [];
  #weight = 0;

  get length(): number {
    return this.#waiting.length;
  }

  /** Takes an ask in; false where the queue is full. */
  push(each: Waiting<T>): boolean {
    const weight = weigh(each.asked);
    if (this.#waiting.length >= QUEUE_ASKS_MAX || this.#weight + weight > QUEUE_WEIGHT_MAX) {
      return false;
    }
    this.#waiting.push({ each, weight });
    this.#weight += weight;
    return true;
  }

  /** Gives out the next batch: all that wait, within its bounds. */
  takeBatch(): readonly Waiting<T>[] {
    let count = 0;
    let batchWeight = 0;
    for (const { weight } of this.#waiting) {
      const isFull = count >= BATCH_ASKS_MAX || batchWeight + weight > BATCH_WEIGHT_MAX;
      if (count > 0 && isFull) break;
      count += 1;
      batchWeight += weight;
    }
    this.#weight -= batchWeight;
    return this.#waiting.splice(0, count).map(({ each }) => each);
  }

  /** Gives out everything. */
  takeAll(): readonly Waiting<T>[] {
    this.#weight = 0;
    return this.#waiting.splice(0).map(({ each }) => each);
  }
}

function weigh(asked: Asked): number {
  if (asked.kind === 'view') return asked.ciphertext.length;
  const selectors = asked.kind === 'request' ? asked.selectors.length : 1;
  return asked.signed.document.length + selectors * SELECTOR_WEIGHT;
}
