import type { Database } from '../storage/sqlite.ts';
import type { WitnessStore } from './store.ts';

const TABLES = `
  CREATE TABLE cosigned_heads (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
`;

/** Makes the witness's table, once in its life: state that is gone must never be taken for none. */
export function createWitnessTables(database: Database): void {
  database.exec(TABLES);
}

/** The witness's table in its SQLite file. Throws where it is missing. */
export function createSqliteWitnessStore(database: Database): WitnessStore {
  const read = database.prepare('SELECT size, root, note FROM cosigned_heads WHERE origin = ?');
  // Says once more, and to whatever calls it, that a head never shrinks and that a size has one root.
  const write = database.prepare(`
    INSERT INTO cosigned_heads (origin, size, root, note) VALUES (?, ?, ?, ?)
    ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note
    WHERE excluded.size > size OR (excluded.size = size AND excluded.root = root)
  `);
  return {
    atomically: (step) => database.transaction(step),

    latest: (origin) => {
      const row = read.get(origin);
      if (row === undefined) return null;
      return {
        size: Number(row.size),
        root: row.root as Uint8Array,
        note: row.note as string,
      };
    },

    put: (origin, { size, root, note }) => {
      const { changes } = write.run(origin, size, root, note);
      if (changes !== 1) throw new Error('a cosigned head would shrink or fork');
    },
  };
}
