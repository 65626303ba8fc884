import { networkOf } from './network.ts';

/** Addresses that are counted at a time; the longest known is forgotten first. */
const ADDRESSES_MAX = 10_000;
/** Failures that one address may have in a window before it is asked to wait. */
const FAILURES_MAX = 120;
const WINDOW_MS = 60_000;

interface Count {
  failures: number;
  readonly until: number;
}

/**
 * Counts requests that showed no authority, by the address they came from. Counts live in memory for a minute:
 * no address is kept or written anywhere.
 */
export class Failures {
  readonly #counts = new Map<string, Count>();

  /** Whether the address has failed too often, and for how many seconds it is to wait; 0 where it need not. */
  waitSeconds(address: string, now: number): number {
    const count = this.#counts.get(networkOf(address));
    if (count === undefined || count.until <= now || count.failures < FAILURES_MAX) return 0;
    return Math.ceil((count.until - now) / 1000);
  }

  /** Counts one failure. */
  add(address: string, now: number): void {
    const network = networkOf(address);
    const count = this.#counts.get(network);
    if (count !== undefined && count.until > now) {
      count.failures += 1;
      return;
    }
    this.#counts.delete(network);
    const [oldest] = this.#counts.keys();
    if (this.#counts.size >= ADDRESSES_MAX && oldest !== undefined) this.#counts.delete(oldest);
    this.#counts.set(network, { failures: 1, until: now + WINDOW_MS });
  }
}
