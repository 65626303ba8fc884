import type { KeeperStore } from './store.ts';

/**
 * The first generation's number. SQLite writes 0 and 1 in no byte and 2 to 127 in one: a key that is wrapped anew has to
 * fit its slot to the byte, or full pages are split and their rows copied.
 */
export const FIRST_GENERATION = 2;
/** Of a nonce, a wrapped key and a tag. */
const SLOT_BYTES = 60;

/** A key as it stands in its slot. */
export interface Wrapped {
  readonly generation: number;
  readonly wrapped: Uint8Array;
}

/** What stands in the slot of a key that is destroyed. */
export const DESTROYED: Wrapped = { generation: 0, wrapped: new Uint8Array(SLOT_BYTES) };

/**
 * Where wrapped keys stand: each in one fixed slot, appended once and from then on overwritten in place, so that a key is
 * in one place of the file and nowhere else. A table in the order of random names, whose rows grow, does not do for that:
 * where SQLite splits its pages it may leave copies of rows behind, which no later deletion reaches. Callers stand in a
 * transaction.
 */
export class Slots {
  readonly #store: KeeperStore;

  constructor(store: KeeperStore) {
    this.#store = store;
  }

  /** Gives the new slot's number. */
  append({ generation, wrapped }: Wrapped): number {
    requireFits(wrapped);
    return this.#store.insert(
      'INSERT INTO slots (generation, wrapped) VALUES (?, ?)',
      generation,
      wrapped,
    );
  }

  /** What a slot holds that is there. */
  read(slot: number): Wrapped {
    const row = this.#store.get('SELECT generation, wrapped FROM slots WHERE slot = ?', slot);
    if (row === undefined) throw new Error('keeper lacks a slot of its own');
    return { generation: Number(row.generation), wrapped: row.wrapped as Uint8Array };
  }

  /** Puts another wrapped key in a slot's place. */
  overwrite(slot: number, { generation, wrapped }: Wrapped): void {
    requireFits(wrapped);
    const sql = 'UPDATE slots SET generation = ?, wrapped = ? WHERE slot = ?';
    if (this.#store.run(sql, generation, wrapped, slot) !== 1) {
      throw new Error('keeper lacks a slot of its own');
    }
  }
}

function requireFits(wrapped: Uint8Array): void {
  if (wrapped.length !== SLOT_BYTES) throw new Error('wrapped key does not fit a slot');
}
