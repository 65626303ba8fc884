import { Refusal } from './refusal.ts';
import type { KeeperStore } from './store.ts';

/** How far behind its own past the machine's clock may stand before the keeper stops answering. */
const BEHIND_MS_MAX = 60_000;

/**
 * The keeper's time: never behind what it has been, whatever the machine's clock does. A clock
 * ahead is believed; but once witnesses are appointed, nothing is released a minute or more from their time.
 */
export class KeeperClock {
  readonly #store: KeeperStore;
  readonly #wall: () => number;
  #latest: number;

  /** @param wall milliseconds since 1970, by the machine. */
  constructor(store: KeeperStore, wall: () => number) {
    this.#store = store;
    this.#wall = wall;
    const row = store.get("SELECT value FROM meta WHERE name = 'time'");
    this.#latest = Number(row?.value ?? 0);
  }

  /** The latest that it has been. */
  get latest(): number {
    return this.#latest;
  }

  /** Milliseconds since 1970. @throws Refusal 'clock-behind' */
  now(): number {
    const wall = this.#wall();
    if (wall < this.#latest - BEHIND_MS_MAX) {
      throw new Refusal(
        'clock-behind',
        'the machine’s clock is behind the keeper’s past: set it right',
      );
    }
    this.#latest = Math.max(this.#latest, wall);
    return this.#latest;
  }

  /** Makes the present time durable, in the caller's transaction. */
  persist(): void {
    this.#store.run("INSERT OR REPLACE INTO meta VALUES ('time', ?)", this.#latest);
  }
}

/** `YYYY-MM-DD` of a time, in UTC. */
export function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

/** `YYYY-MM` of a time, in UTC. */
export function monthOf(time: number): string {
  return dayOf(time).slice(0, 7);
}
