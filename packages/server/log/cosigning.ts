import { setTimeout as sleep } from 'node:timers/promises';
import type { Witnessing } from '@amanat/core/grants';
import { consistencyProof } from '@amanat/core/log';
import type { TreeHead } from './publisher.ts';
import { Quorum } from './quorum.ts';
import type { LogStore } from './store.ts';
import type { StoredTree } from './stored-tree.ts';
import { storeTiles } from './tree.ts';
import type { CheckpointToCosign } from './witness-client.ts';

/** Longest wait for a keeper that has just started to count cosignatures: a second, by a clock that runs. */
const EARLY_MS_MAX = 2_000;

export interface CosigningDeps {
  readonly store: LogStore;
  readonly tree: StoredTree;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Has one head after another cosigned, as the keeper is told of them. */
export class Cosigning {
  readonly #deps: CosigningDeps;
  readonly #quorum = new Quorum();
  #turn: Promise<unknown> = Promise.resolve();
  /** When the keeper begins to count cosignatures, by the process's own clock. */
  #countsAt = 0;

  constructor(deps: CosigningDeps) {
    this.#deps = deps;
  }

  /** The keeper that answers now counts cosignatures in so many milliseconds; none, or fewer: at once. */
  countIn(milliseconds: number): void {
    this.#countsAt = performance.now() + milliseconds;
  }

  /** The head with the cosignatures that it takes. @throws NotWitnessed */
  cosign(head: TreeHead, witnessing: Witnessing | null): Promise<TreeHead> {
    const turn = this.#turn.then(async () => {
      if (witnessing === null) return head;
      // What is cosigned too early, a keeper that has just started would not count.
      const early = this.#countsAt - performance.now();
      if (early > 0) await sleep(Math.min(early, EARLY_MS_MAX));
      const isBroken = this.#deps.tree.register.brokenUntil(this.#deps.now()) !== null;
      const checkpoint = await this.#quorum.cosign(this.toCosign(head), witnessing, isBroken);
      return { ...head, checkpoint };
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** A head for witnesses. Each proof is made once, because most of them stand at the same size. */
  toCosign({ size, checkpoint: note }: TreeHead): CheckpointToCosign {
    const made = new Map<number, Promise<Uint8Array[]>>();
    const reader = storeTiles(this.#deps.store, size);
    const proofFrom = (from: number) => {
      const proof = made.get(from) ?? consistencyProof(reader, from, size);
      made.set(from, proof);
      return proof;
    };
    return { size, note, proofFrom };
  }

  close(): void {
    this.#quorum.close();
  }
}
