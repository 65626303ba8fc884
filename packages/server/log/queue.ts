import { MAX_ENTRY_BYTES } from '@amanat/core/log';
import type { LogReason } from './errors.ts';
import { LogUnavailable } from './errors.ts';

/** Leaves that one batch holds at most, and so one `append`. */
export const BATCH_LEAVES_MAX = 4_096;
/** Bytes of leaves that one batch holds at most, so that a batch fits a frame to the keeper. */
export const BATCH_BYTES_MAX = 8 * 1024 * 1024;
/** Leaves that may wait for a batch; beyond it an append is refused at once. */
const QUEUED_LEAVES_MAX = 65_536;

/** A leaf to append. One about a person has an `entry`; one without is about organisations. */
export interface NewLeaf {
  readonly bytes: Uint8Array;
  readonly entry?: {
    /** The keeper's id of the look-up. */
    readonly lookUp: number;
    readonly subject: string;
    readonly number: number;
    readonly body: Uint8Array;
    readonly evidence: Uint8Array | null;
  };
  /** Whether the keys that its statement names are asked for. */
  readonly wanted?: boolean;
}

/** Where a leaf stands. `keys`: the record keys released for it, 32 bytes each, one after another. */
export interface Appended {
  readonly index: number;
  readonly keys: Buffer | null;
}

/** The leaves of one call, and who waits for them. */
export interface Waiting {
  readonly leaves: readonly NewLeaf[];
  readonly bytes: number;
  readonly resolve: (appended: readonly Appended[]) => void;
  readonly reject: (error: Error) => void;
}

/** Calls that wait for a batch, in their order. */
export class BatchQueue {
  readonly #waiting: Waiting[] = [];
  #leaves = 0;

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /**
   * Has the leaves wait; the promise is settled by whoever takes them. Throws, as our own mistake, for a leaf or a
   * call that no batch holds. @throws LogUnavailable 'too-many-waiting'
   */
  push(leaves: readonly NewLeaf[]): Promise<readonly Appended[]> {
    const bytes = sizeOf(leaves);
    if (this.#leaves + leaves.length > QUEUED_LEAVES_MAX) {
      return Promise.reject(new LogUnavailable('too-many-waiting'));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ leaves, bytes, resolve, reject });
      this.#leaves += leaves.length;
    });
  }

  /** Takes as many calls as a batch holds. A call's leaves stay together: the keeper voids what a tree has passed. */
  takeBatch(): readonly Waiting[] {
    let leaves = 0;
    let bytes = 0;
    let calls = 0;
    for (const waiting of this.#waiting) {
      leaves += waiting.leaves.length;
      bytes += waiting.bytes;
      if (calls > 0 && (leaves > BATCH_LEAVES_MAX || bytes > BATCH_BYTES_MAX)) break;
      calls += 1;
    }
    const batch = this.#waiting.splice(0, calls);
    for (const waiting of batch) this.#leaves -= waiting.leaves.length;
    return batch;
  }

  /** Refuses everything that waits: nothing of it is stored, and its numbers at the keeper become void. */
  refuseAll(reason: LogReason): void {
    for (const waiting of this.#waiting.splice(0)) waiting.reject(new LogUnavailable(reason));
    this.#leaves = 0;
  }
}

function sizeOf(leaves: readonly NewLeaf[]): number {
  let bytes = 0;
  for (const leaf of leaves) {
    if (leaf.bytes.length > MAX_ENTRY_BYTES) throw new Error('leaf is too long');
    bytes += leaf.bytes.length;
  }
  if (leaves.length > BATCH_LEAVES_MAX || bytes > BATCH_BYTES_MAX) {
    throw new Error('more leaves than a batch holds');
  }
  return bytes;
}
