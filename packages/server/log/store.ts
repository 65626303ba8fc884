/** A leaf as the store takes it. */
export interface LeafToStore {
  readonly bytes: Uint8Array;
  /** What goes into the ledger with an entry about a person. */
  readonly entry: {
    readonly subject: string;
    readonly number: number;
    readonly body: Uint8Array;
    readonly evidence: Uint8Array | null;
  } | null;
  /** When an entry about organisations was taken, in milliseconds; null for one about a person. */
  readonly publicTime: number | null;
}

/** The root of a complete subtree of 256^level leaves, level 1 and up: what tiles above the lowest are made of. */
export interface StoredNode {
  readonly level: number;
  readonly index: number;
  readonly hash: Uint8Array;
}

/** An entry of a subject's ledger: its number, where its leaf stands, and the sealed body. */
export interface LedgerEntry {
  readonly number: number;
  readonly index: number;
  readonly body: Uint8Array;
}

/** Leaves side by side as a bundle (C2SP tlog-tiles), and what the store says of them besides. */
export interface StoredBundle {
  /** Without those that are too long for any bundle. */
  readonly bytes: Uint8Array;
  /** Leaves in the bundle. */
  readonly count: number;
  /** Where entries stand that were taken for public ones. */
  readonly publicAt: readonly number[];
}

/** What the log needs of a store. Every method throws StorageError where the store is at fault. */
export interface LogStore {
  /** Leaves stored. */
  size(): number;
  /**
   * Stores leaves from `from` on, the nodes they complete, and how far the keeper has followed, in one transaction:
   * all of it durable, or none.
   */
  append(
    from: number,
    leaves: readonly LeafToStore[],
    nodes: readonly StoredNode[],
    followed: number,
  ): void;
  /** The size to which the keeper was last known to have followed. */
  followed(): number;
  /** Makes that size durable by itself; a store that takes this write takes others. */
  noteFollowed(size: number): void;
  /** The bytes of leaves `from` up to but without `to`, in order. */
  leaves(from: number, to: number): Uint8Array[];
  /** Leaves `from` up to but without `to`, at most a bundle's, as far as they are there. */
  bundle(from: number, to: number): StoredBundle;
  /** The hashes of the level's nodes `from` up to but without `to`, in order. */
  nodes(level: number, from: number, to: number): Uint8Array[];
  /** The entries about organisations from index `from` on, in order, with the time each was taken. */
  publicLeaves(
    from: number,
  ): Iterable<{ readonly index: number; readonly bytes: Uint8Array; readonly time: number }>;
  /** Says that the entries about organisations from index `from` on were taken at `time`. */
  retakePublic(from: number, time: number): void;
  /** Where, of the first `size`, leaves stand that are not public, are no subject's, and have no sealed body. In order. */
  unprepared(size: number): Iterable<number>;
  /** A subject's entries from her number `first` on, at most `max`. */
  entriesOf(subject: string, first: number, max: number): LedgerEntry[];
  /** What was sealed about a subject and is opened, at most `max`; numbers are among what was sealed. */
  openedOf(subject: string, max: number): LedgerEntry[];
}
