import { networkOf } from '../http/network.ts';

/** A window in which failed attempts are counted. */
const WINDOW_MS = 60_000;
/** Failed attempts within a window: of one remote, and of all. A code has 128 bits: this spares the keeper. */
const REMOTE_MAX = 30;
const ALL_MAX = 600;
/** Most remotes that are remembered; beyond it all strangers share one count. */
const REMOTES_MAX = 10_000;
const STRANGERS = 'strangers';

/** Counts attempts that failed, in memory and for a minute, so that codes cannot be tried at will. */
export class Attempts {
  #windowFrom = 0;
  #all = 0;
  readonly #byRemote = new Map<string, number>();

  /**
   * Counts an attempt as failed until {@link forgive} takes it back, so that attempts at one time are counted too.
   * False where there were too many: it is not to be made.
   * @param remote the address it came from.
   * @param now milliseconds.
   */
  take(remote: string, now: number): boolean {
    if (now < this.#windowFrom || now >= this.#windowFrom + WINDOW_MS) {
      this.#windowFrom = now;
      this.#all = 0;
      this.#byRemote.clear();
    }
    const name = this.#nameOf(remote);
    const count = this.#byRemote.get(name) ?? 0;
    if (count >= REMOTE_MAX || this.#all >= ALL_MAX) return false;
    this.#byRemote.set(name, count + 1);
    this.#all += 1;
    return true;
  }

  /** Takes back an attempt that did not fail. */
  forgive(remote: string): void {
    const name = this.#nameOf(remote);
    this.#byRemote.set(name, Math.max(0, (this.#byRemote.get(name) ?? 0) - 1));
    this.#all = Math.max(0, this.#all - 1);
  }

  #nameOf(remote: string): string {
    const name = networkOf(remote);
    return this.#byRemote.has(name) || this.#byRemote.size < REMOTES_MAX ? name : STRANGERS;
  }
}
