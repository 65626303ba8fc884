import { CoreError } from '@amanat/core/errors';
import type { RootPlace } from './providers/root.ts';
import { formatRootPlace, RootError, readRootPlace } from './providers/root.ts';
import type { KeeperStore } from './store.ts';

const PRESENT = 1;
const DRAWN = 2;

/** Where the present root's key is to be had, and that of one that is drawn and not adopted. Callers stand in a transaction. */
export class Roots {
  readonly #store: KeeperStore;

  constructor(store: KeeperStore) {
    this.#store = store;
  }

  /** @throws RootError where it does not read: before the database is authenticated it is nobody's word */
  get present(): RootPlace {
    const place = this.#read(PRESENT);
    if (place === null) throw new RootError('keeper database names no root');
    return place;
  }

  get drawn(): RootPlace | null {
    return this.#read(DRAWN);
  }

  /** Writes a new keeper's root. */
  begin(place: RootPlace): void {
    this.#write(PRESENT, place);
  }

  /** Notes one that is drawn; another that was drawn and not adopted is worth nothing then. */
  draw(place: RootPlace): void {
    this.#write(DRAWN, place);
  }

  /** The one that is drawn is the present one. */
  adopt(place: RootPlace): void {
    this.#write(PRESENT, place);
    this.#store.run('DELETE FROM roots WHERE place = ?', DRAWN);
  }

  #read(place: number): RootPlace | null {
    const row = this.#store.get('SELECT root FROM roots WHERE place = ?', place);
    if (row === undefined) return null;
    try {
      return readRootPlace(String(row.root));
    } catch (cause) {
      if (!(cause instanceof CoreError)) throw cause;
      throw new RootError('keeper database names no root that is known', { cause });
    }
  }

  #write(place: number, root: RootPlace): void {
    this.#store.run('INSERT OR REPLACE INTO roots VALUES (?, ?)', place, formatRootPlace(root));
  }
}
