/** The latest head that the witness cosigned for an origin. */
export interface CosignedHead {
  readonly size: number;
  readonly root: Uint8Array;
  /** The checkpoint with the log's signatures and the witness's own, as monitors are given it. */
  readonly note: string;
}

/** What the witness remembers, one head an origin. Every method throws StorageError where the store is at fault. */
export interface WitnessStore {
  /** Runs `step` with no other writer between its reading and its writing: once this returns, it is durable. */
  atomically<T>(step: () => T): T;
  /** The head last cosigned; null where there is none. */
  latest(origin: string): CosignedHead | null;
  /** Puts a head in the place of the last one, within `atomically`. Throws where the tree would shrink or fork. */
  put(origin: string, head: CosignedHead): void;
}
