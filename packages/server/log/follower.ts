import { RECORD_KEY_BYTES } from '@amanat/core/keys';
import type { CompactRange } from '@amanat/core/log';
import type { KeeperPort, KeeperStatus, Released } from '@amanat/keeper/client';
import { KeeperRefused, KeeperUnavailable, packLeaves } from '@amanat/keeper/client';
import type { LogKeys } from './keys.ts';
import type { TreeHead } from './publisher.ts';
import { BATCH_BYTES_MAX, BATCH_LEAVES_MAX } from './queue.ts';
import { NotWitnessed } from './quorum.ts';
import type { LogStore } from './store.ts';
import type { StoredTree } from './stored-tree.ts';

/** How long the keeper may take to answer before it counts as lost. */
const KEEPER_TIMEOUT_MS = 20_000;

/** Has the keeper follow the log, under checkpoints that it signs for it. */
export class Follower {
  readonly #keeper: KeeperPort;
  readonly #keys: LogKeys;
  readonly #tree: StoredTree;

  constructor(keeper: KeeperPort, keys: LogKeys, tree: StoredTree) {
    this.#keeper = keeper;
    this.#keys = keys;
    this.#tree = tree;
  }

  /** The tree's head, signed at `now`. */
  sign(range: CompactRange, now: number): TreeHead {
    const { size } = range;
    const { logKeys } = this.#tree.register;
    this.#keys.retire(logKeys, now);
    return { size, checkpoint: this.#keys.sign({ size, root: range.root() }, logKeys) };
  }

  /** What the keeper says of itself. @throws what its client throws; KeeperUnavailable where no answer comes in time */
  async status(): Promise<KeeperStatus> {
    const { answer } = await inTime(this.#keeper.ask('status', {}));
    return answer;
  }

  /**
   * Has the keeper take in leaves up to `head`; gives the keys released for the look-ups wanted, by look-up.
   * @throws NotWitnessed where it counts too few cosignatures; what its client throws; KeeperUnavailable where no answer
   *   comes in time
   */
  async commit(
    head: TreeHead,
    leaves: readonly Uint8Array[],
    wanted: readonly number[],
  ): Promise<ReadonlyMap<number, Buffer>> {
    const body = { checkpoint: head.checkpoint, leaves: leaves.length, wanted };
    const asked = this.#keeper.ask('commit', body, packLeaves(leaves));
    const { answer, attachment } = await inTime(asked).catch((cause: unknown) => {
      // The keeper's own count of cosignatures, whatever we counted.
      const isCount = cause instanceof KeeperRefused && cause.code === 'not-witnessed';
      throw isCount ? new NotWitnessed({ keeper: 'refuses' }, { cause }) : cause;
    });
    if (answer.size !== head.size) throw new Error('the keeper stands at another size');
    return readReleased(answer.released, attachment);
  }

  /** Has the keeper follow from `from`, where it stands, to `head`, in parts, with nothing released. */
  async catchUp(store: LogStore, from: number, head: TreeHead): Promise<void> {
    let at = from;
    while (at < head.size) {
      const page = store.leaves(at, Math.min(head.size, at + BATCH_LEAVES_MAX));
      const leaves = takeBytes(page, BATCH_BYTES_MAX);
      if (leaves.length === 0) throw new Error('the store lacks a part of the log');
      at += leaves.length;
      // Witnesses cosign where the tree ends, and nowhere on the way.
      if (at === head.size) await this.commit(head, leaves, []);
      else await this.#stage(leaves);
    }
  }

  async #stage(leaves: readonly Uint8Array[]): Promise<void> {
    const body = { checkpoint: null, leaves: leaves.length, wanted: [] };
    await inTime(this.#keeper.ask('commit', body, packLeaves(leaves)));
  }
}

/** The answer, unless it is late. A late answer is not looked at: the keeper then counts as lost. */
async function inTime<T>(asked: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const lost = () => reject(new KeeperUnavailable('the keeper does not answer'));
    timer = setTimeout(lost, KEEPER_TIMEOUT_MS);
  });
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The keys that the keeper released, by look-up. Throws where the attachment does not hold exactly those. */
function readReleased(
  released: readonly Released[],
  attachment: Uint8Array,
): ReadonlyMap<number, Buffer> {
  const keys = new Map<number, Buffer>();
  let at = 0;
  for (const { id, keys: count } of released) {
    const end = at + count * RECORD_KEY_BYTES;
    if (end > attachment.length || keys.has(id)) throw new Error('released keys are malformed');
    keys.set(id, Buffer.from(attachment.buffer, attachment.byteOffset + at, end - at));
    at = end;
  }
  if (at !== attachment.length) throw new Error('released keys are malformed');
  return keys;
}

/** As many of the leaves, from the first on, as `bytesMax` holds; always one. */
function takeBytes(leaves: readonly Uint8Array[], bytesMax: number): Uint8Array[] {
  let bytes = 0;
  const end = leaves.findIndex((leaf, at) => {
    bytes += leaf.length;
    return at > 0 && bytes > bytesMax;
  });
  return leaves.slice(0, end === -1 ? leaves.length : end);
}
