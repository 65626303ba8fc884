import type { KeeperStore } from './store.ts';

/** Counters kept in memory at a time; the database has them all. */
const CACHED_MAX = 100_000;

/**
 * Counters by day (or hour) and name: what officers, agencies and grant rows have used. What a transaction
 * charges is written once, by {@link persist}: a batch charges the same few names again and again.
 */
export class Budgets {
  readonly #store: KeeperStore;
  readonly #counts = new Map<string, number>();
  readonly #changed = new Map<string, { readonly day: string; readonly name: string }>();

  constructor(store: KeeperStore) {
    this.#store = store;
  }

  used(day: string, name: string): number {
    const key = `${day} ${name}`;
    const known = this.#counts.get(key);
    if (known !== undefined) return known;
    const row = this.#store.get('SELECT count FROM used WHERE day = ? AND name = ?', day, name);
    const count = Number(row?.count ?? 0);
    if (this.#counts.size >= CACHED_MAX && this.#changed.size === 0) this.#counts.clear();
    this.#counts.set(key, count);
    return count;
  }

  charge(day: string, name: string, count: number): void {
    const key = `${day} ${name}`;
    this.#counts.set(key, this.used(day, name) + count);
    this.#changed.set(key, { day, name });
  }

  /** Writes what was charged, in the transaction that it was charged in. */
  persist(): void {
    for (const [key, { day, name }] of this.#changed) {
      const count = this.#counts.get(key) as number;
      this.#store.run('INSERT OR REPLACE INTO used VALUES (?, ?, ?)', day, name, count);
    }
    this.#changed.clear();
  }

  /** Forgets days before this one. */
  forgetBefore(day: string): void {
    this.#store.run('DELETE FROM used WHERE day < ?', day);
    this.#counts.clear();
  }
}

export function officerName(person: string): string {
  return `officer ${person}`;
}

export function agencyName(agency: string): string {
  return `agency ${agency}`;
}

export function rowName(person: string, row: string): string {
  return `row ${person} ${row}`;
}

export function refusalsName(person: string): string {
  return `refusals ${person}`;
}
