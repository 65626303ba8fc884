import type { Witnessing } from '@amanat/core/grants';
import { Register } from '@amanat/core/grants';
import { CompactRange, leafHash, TILE_HEIGHT } from '@amanat/core/log';
import type { NewLeaf } from './queue.ts';
import { decodeSigned } from './signed.ts';
import type { LogStore, StoredNode } from './store.ts';
import { rangeAt } from './tree.ts';

/** Leaves that are stored, and the tree that ends with them. */
export interface Stored {
  readonly leaves: readonly NewLeaf[];
  readonly from: number;
  readonly range: CompactRange;
  /** Who has to cosign it. */
  readonly witnessing: Witnessing | null;
}

/** Everything stored: its tree, and what its public entries say. */
export class StoredTree {
  #register = new Register();
  readonly #store: LogStore;
  /** Replaced only once a batch is durable. */
  #range = CompactRange.empty();
  /** Leaves that the register has seen. */
  #registered = 0;
  /** Whether times are stored that the register does not have. */
  #isRetaken = false;

  /** The register is that of the store from here on; the tree is, once it is {@link read}. */
  constructor(store: LogStore) {
    this.#store = store;
    this.#readRegister();
  }

  /** What the public entries say, up to the last one stored. Another one after {@link readRetaken}. */
  get register(): Register {
    return this.#register;
  }

  get range(): CompactRange {
    return this.#range;
  }

  /** Takes tree and register from the store: after a commit in doubt only it knows how that ended. Throws as it does. */
  read(): void {
    this.#range = rangeAt(this.#store, this.#store.size());
    this.#readRegister();
  }

  /**
   * The commit point: one transaction of the store. Whatever it throws, nothing is taken in here.
   * @param followed leaves that the keeper has followed to
   */
  append(leaves: readonly NewLeaf[], time: number, followed: number): Stored {
    const from = this.#range.size;
    const range = CompactRange.from(from, this.#range.hashes());
    const nodes: StoredNode[] = [];
    for (const leaf of leaves) {
      range.append(leafHash(leaf.bytes), (level, index, hash) => {
        if (level === 0 || level % TILE_HEIGHT !== 0) return;
        nodes.push({ level: level / TILE_HEIGHT, index, hash });
      });
    }
    const toStore = leaves.map(({ bytes, entry }) => ({
      bytes,
      entry: entry ?? null,
      publicTime: entry === undefined ? time : null,
    }));
    this.#store.append(from, toStore, nodes, followed);
    this.#range = range;
    // Who must cosign it is said by what stands before it.
    const witnessing = this.#register.witnessing(time);
    for (const [offset, leaf] of leaves.entries()) {
      if (leaf.entry === undefined) this.#applyPublic(from + offset, leaf.bytes, time);
    }
    return { leaves, from, range, witnessing };
  }

  /**
   * The keeper takes the entries from `from` on only now: from now on runs, as with the keeper, what has to wait for its
   * activation. Durable at once; the register follows with {@link readRetaken}.
   */
  retake(from: number, time: number): void {
    const [first] = this.#store.publicLeaves(from);
    if (first === undefined) return;
    this.#store.retakePublic(from, time);
    this.#isRetaken = true;
  }

  /** The keeper has taken what was {@link retake}n: the register is built anew, by the times that are stored. */
  readRetaken(): void {
    if (!this.#isRetaken) return;
    this.#isRetaken = false;
    this.#register = new Register();
    this.#registered = 0;
    this.#readRegister();
  }

  /** Takes in the public entries that are stored and not yet in the register. */
  #readRegister(): void {
    for (const { index, bytes, time } of this.#store.publicLeaves(this.#registered)) {
      this.#applyPublic(index, bytes, time);
    }
  }

  #applyPublic(index: number, bytes: Uint8Array, time: number): void {
    if (index < this.#registered) return;
    this.#registered = index + 1;
    const signed = decodeSigned(bytes);
    // A refusal changes nothing: the entry is in the tree, and inert.
    if (signed !== null) this.#register.apply(index, signed, time);
  }
}
