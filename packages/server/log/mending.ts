import { equal, fromHex } from '@amanat/core/bytes';
import type { KeeperStatus } from '@amanat/keeper/client';
import { KeeperRefused } from '@amanat/keeper/client';
import { toStorageError } from '../storage/errors.ts';
import type { Cosigning } from './cosigning.ts';
import type { LogFailure, LogReason } from './errors.ts';
import type { Follower } from './follower.ts';
import type { TreeHead } from './publisher.ts';
import { NotWitnessed } from './quorum.ts';
import type { LogStore } from './store.ts';
import type { StoredTree } from './stored-tree.ts';
import { rangeAt } from './tree.ts';

const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 2_000;

export interface MendingDeps {
  readonly store: LogStore;
  /** The log's name. */
  readonly origin: string;
  readonly tree: StoredTree;
  readonly follower: Follower;
  readonly cosigning: Cosigning;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Ends once nothing is on its way to the keeper; what has failed there is then refused. */
  readonly settle: () => Promise<unknown>;
  /** Leaves that the keeper was last known to have followed to. */
  readonly followed: () => number;
  /** Told of each tree that the keeper has followed to. */
  readonly onFollowed: (head: TreeHead) => void;
  /** Told what each try finds: why the log stays closed, or at last what the keeper says of itself. */
  readonly onFound: (found: KeeperStatus | LogReason) => void;
  readonly onFailure: LogFailure;
}

/**
 * Opens a closed log: tries, less and less often, until the store writes, the keeper stands in the store's very tree and
 * has followed to its end, with nothing released, and takes the witnesses' cosignatures.
 */
export class Mending {
  readonly #deps: MendingDeps;
  #running: Promise<void> | null = null;
  #isKeeperLost = false;
  #isClosed = false;
  #wake: (() => void) | null = null;

  constructor(deps: MendingDeps) {
    this.#deps = deps;
  }

  /** Mends, unless it does already. */
  start(): void {
    this.#running ??= this.#mend().finally(() => {
      this.#running = null;
    });
  }

  /** Whoever has answered the try under way may be gone: it does not count. */
  loseKeeper(): void {
    this.#isKeeperLost = true;
  }

  /** Ends with the try under way, and tells nothing of it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake?.();
    await this.#running;
  }

  async #mend(): Promise<void> {
    await this.#deps.settle();
    for (let wait = BACKOFF_MS_MIN; !this.#isClosed; wait = Math.min(2 * wait, BACKOFF_MS_MAX)) {
      this.#isKeeperLost = false;
      const tried = await this.#tryToOpen();
      // `close` may have come in between.
      if (this.#isClosed) return;
      const found = this.#isKeeperLost && typeof tried !== 'string' ? 'keeper-unavailable' : tried;
      this.#deps.onFound(found);
      if (typeof found !== 'string') return;
      await this.#sleep(wait);
    }
  }

  async #tryToOpen(): Promise<KeeperStatus | LogReason> {
    const { store, origin, tree, follower, cosigning } = this.#deps;
    try {
      // A store that takes this write takes others.
      store.noteFollowed(Math.max(store.followed(), this.#deps.followed()));
      tree.read();
    } catch (error) {
      this.#deps.onFailure('store', error);
      return toStorageError(error) === null ? 'store-inconsistent' : 'store-unavailable';
    }
    let status: KeeperStatus;
    try {
      status = await follower.status();
    } catch (error) {
      const isLocked = error instanceof KeeperRefused && error.code === 'locked';
      return isLocked ? 'keeper-locked' : 'keeper-unavailable';
    }
    if (status.origin !== origin) return 'keeper-of-another-log';
    if (status.size > tree.range.size) return 'store-older-than-keeper';
    try {
      if (!equal(rangeAt(store, status.size).root(), fromHex(status.root)))
        return 'keeper-of-another-log';
      // Put back from an old copy it has forgotten people's entries: their histories would be short of them.
      if (status.size < store.followed()) return 'keeper-older-than-log';
      cosigning.follow(status);
      const { range } = tree;
      // Before the keeper takes them: of whether it did, a lost answer tells nothing.
      if (status.size < tree.range.size) tree.retake(status.size, this.#deps.now());
      else tree.readRetaken();
      // By what the keeper has followed to: of what is stored beyond it knows nothing yet.
      const witnessing = tree.register.witnessing(this.#deps.now(), status.size);
      const head = await cosigning.cosign(follower.sign(range, this.#deps.now()), witnessing);
      await follower.catchUp(store, status.size, head);
      // Also where there is nothing to follow: by the keeper's clock, witnesses' cosignatures may be too old.
      if (witnessing !== null && status.size === head.size) await follower.commit(head, [], []);
      tree.readRetaken();
      this.#deps.onFollowed(head);
      // The glass was broken meanwhile: the keeper is to learn of it.
      if (tree.range !== range) return 'not-witnessed';
    } catch (error) {
      if (error instanceof NotWitnessed) {
        this.#deps.onFailure('witnesses', error);
        return error.reason;
      }
      this.#deps.onFailure('keeper', error);
      return toStorageError(error) === null ? 'keeper-refuses' : 'store-unavailable';
    }
    return status;
  }

  #sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
