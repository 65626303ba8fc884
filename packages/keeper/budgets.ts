import type { KeeperStore } from './store.ts';

/** Counters by day (or hour) and name: what officers, agencies and grant rows have used. */
export class Budgets {
  readonly #store: KeeperStore;

  constructor(store: KeeperStore) {
    this.#store = store;
  }

  used(day: string, name: string): number {
    const row = this.#store.get('SELECT count FROM used WHERE day = ? AND name = ?', day, name);
    return Number(row?.count ?? 0);
  }

  /** What each grant row has been used for by one person, in a day. */
  usedRows(day: string, person: string): ReadonlyMap<string, number> {
    const prefix = rowName(person, '');
    const rows = this.#store.all(
      'SELECT name, count FROM used WHERE day = ? AND name >= ? AND name < ?',
      day,
      prefix,
      `${prefix}\u{10ffff}`,
    );
    return new Map(rows.map((row) => [String(row.name).slice(prefix.length), Number(row.count)]));
  }

  charge(day: string, name: string, count: number): void {
    this.#store.run(
      `INSERT INTO used VALUES (?, ?, ?)
       ON CONFLICT (day, name) DO UPDATE SET count = count + excluded.count`,
      day,
      name,
      count,
    );
  }

  /** Forgets days before this one. */
  forgetBefore(day: string): void {
    this.#store.run('DELETE FROM used WHERE day < ?', day);
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
