import { setTimeout as sleep } from 'node:timers/promises';
import type { Witnessing } from '@amanat/core/grants';
import { consistencyProof } from '@amanat/core/log';
import type { KeeperStatus } from '@amanat/keeper/client';
import { COSIGNED_MS_MAX } from '@amanat/keeper/client';
import type { TreeHead } from './publisher.ts';
import { Quorum } from './quorum.ts';
import type { LogStore } from './store.ts';
import type { StoredTree } from './stored-tree.ts';
import { storeTiles } from './tree.ts';
import type { CheckpointToCosign } from './witness-client.ts';

/** Longest wait for a keeper that has just started to count cosignatures: a second, by a clock that runs. */
const EARLY_MS_MAX = 2_000;

/** What a checkpoint takes at most to the keeper, whose clock goes on meanwhile. */
const ON_THE_WAY_MS = 10_000;

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
  /** What the keeper said of its time, and when: milliseconds since 1970, and by the process's own clock. */
  #keeper: { readonly time: number; readonly from: number; readonly at: number } | null = null;

  constructor(deps: CosigningDeps) {
    this.#deps = deps;
  }

  /** Follows the clock of the keeper that answers now. */
  follow({ time, cosignaturesFrom }: KeeperStatus): void {
    this.#keeper = { time, from: cosignaturesFrom, at: performance.now() };
  }

  /** The head with the cosignatures that it takes. @throws NotWitnessed */
  cosign(head: TreeHead, witnessing: Witnessing | null): Promise<TreeHead> {
    const turn = this.#turn.then(async () => {
      if (witnessing === null) return head;
      // What is cosigned too early, a keeper that has just started would not count.
      const early = (this.#keeper?.from ?? 0) - this.#keeperNow();
      if (early > 0) await sleep(Math.min(early, EARLY_MS_MAX));
      const checkpoint = await this.#quorum.cosign(this.toCosign(head), witnessing, {
        isBroken: this.#deps.tree.register.brokenUntil(this.#deps.now()) !== null,
        counts: (timeSeconds) => this.#counts(timeSeconds * 1000),
      });
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

  /** A witness whose clock is wrong costs nothing while enough of the others are there: the keeper is not shown it. */
  #counts(timeMs: number): boolean {
    const isNear = Math.abs(timeMs - this.#keeperNow()) <= COSIGNED_MS_MAX - ON_THE_WAY_MS;
    return isNear && timeMs >= (this.#keeper?.from ?? 0);
  }

  #keeperNow(): number {
    if (this.#keeper === null) return this.#deps.now();
    return this.#keeper.time + (performance.now() - this.#keeper.at);
  }

  close(): void {
    this.#quorum.close();
  }
}
