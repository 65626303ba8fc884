import { setImmediate as yieldToOthers } from 'node:timers/promises';
import type { CustodyStore, RecordCursor } from './store.ts';

/** Rows looked at in one transaction. */
const ROWS_AT_ONCE = 500;

/** Deletes the records of refused imports, bit by bit, beside whatever else the gateway does. */
export class Discarder {
  readonly #store: CustodyStore;
  #work: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(store: CustodyStore) {
    this.#store = store;
  }

  /** Begins to delete a refused import's records. Whatever a crash leaves is taken up at the next start. */
  discard(index: number): void {
    this.#work = this.#work
      .then(() => this.#discard(index))
      .catch(() => {
        // The store is not writable: its own health says so, and the records are seen by nobody.
      });
  }

  /** Waits until nothing is left to delete. */
  settled(): Promise<void> {
    return this.#work;
  }

  /** Leaves the rest for the next start. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#work;
  }

  async #discard(index: number): Promise<void> {
    if (this.#isClosed) return;
    let after: RecordCursor | null = null;
    do {
      after = this.#store.discardSome(index, after, ROWS_AT_ONCE);
      await yieldToOthers();
    } while (after !== null && !this.#isClosed);
  }
}
