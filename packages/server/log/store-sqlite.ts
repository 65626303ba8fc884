import type { Database } from '../storage/sqlite.ts';
import type { LogStore } from './store.ts';

const TABLES = `
  CREATE TABLE IF NOT EXISTS leaves (
    idx INTEGER PRIMARY KEY, bytes BLOB NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS nodes (
    level INTEGER NOT NULL, idx INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (level, idx)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS public_leaves (
    idx INTEGER PRIMARY KEY, time INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS entries (
    subject BLOB NOT NULL, number INTEGER NOT NULL, idx INTEGER NOT NULL,
    PRIMARY KEY (subject, number)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS bodies (
    idx INTEGER PRIMARY KEY, body BLOB NOT NULL, evidence BLOB
  ) STRICT;
  CREATE TABLE IF NOT EXISTS log_state (
    name TEXT PRIMARY KEY, value INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
`;

/** The log's tables in the gateway's SQLite file. Makes them where they are missing. */
export function createSqliteLogStore(database: Database): LogStore {
  database.exec(TABLES);
  const size = database.prepare('SELECT coalesce(max(idx) + 1, 0) AS size FROM leaves');
  const addLeaf = database.prepare('INSERT INTO leaves (idx, bytes) VALUES (?, ?)');
  const addPublic = database.prepare('INSERT INTO public_leaves (idx, time) VALUES (?, ?)');
  const addNode = database.prepare('INSERT INTO nodes (level, idx, hash) VALUES (?, ?, ?)');
  // The keeper gives a number again only when whatever had it is void: the later row is the one that counts.
  const addEntry = database.prepare(
    'INSERT OR REPLACE INTO entries (subject, number, idx) VALUES (?, ?, ?)',
  );
  // Apart from the entries, which are in nobody's order: bodies are long, and written side by side.
  const addBody = database.prepare('INSERT INTO bodies (idx, body, evidence) VALUES (?, ?, ?)');
  const readLeaves = database.prepare(
    'SELECT bytes FROM leaves WHERE idx >= ? AND idx < ? ORDER BY idx',
  );
  const readNodes = database.prepare(
    'SELECT hash FROM nodes WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx',
  );
  const readPublic = database.prepare(
    'SELECT idx, bytes, time FROM public_leaves JOIN leaves USING (idx) WHERE idx >= ? ORDER BY idx',
  );
  const readEntries = database.prepare(
    'SELECT number, idx, body FROM entries JOIN bodies USING (idx) WHERE subject = ? AND number >= ? ORDER BY number LIMIT ?',
  );
  const readState = database.prepare('SELECT value FROM log_state WHERE name = ?');
  const writeState = database.prepare(
    'INSERT OR REPLACE INTO log_state (name, value) VALUES (?, ?)',
  );

  return {
    size: () => Number(size.get()?.size),

    append: (from, leaves, nodes, followed) =>
      database.transaction(() => {
        for (const [offset, leaf] of leaves.entries()) {
          const index = from + offset;
          // The primary key refuses a second leaf at one index, whoever would write it.
          addLeaf.run(index, leaf.bytes);
          if (leaf.publicTime !== null) addPublic.run(index, leaf.publicTime);
          if (leaf.entry !== null) {
            const { subject, number, body, evidence } = leaf.entry;
            addEntry.run(Buffer.from(subject, 'hex'), number, index);
            addBody.run(index, body, evidence);
          }
        }
        for (const node of nodes) addNode.run(node.level, node.index, node.hash);
        writeState.run('followed', followed);
      }),

    leaves: (from, to) => readLeaves.all(from, to).map((row) => row.bytes as Uint8Array),

    nodes: (level, from, to) => readNodes.all(level, from, to).map((row) => row.hash as Uint8Array),

    *publicLeaves(from) {
      for (const row of readPublic.iterate(from)) {
        const bytes = row.bytes as Uint8Array;
        yield { index: Number(row.idx), bytes, time: Number(row.time) };
      }
    },

    entriesOf: (subject, first, max) =>
      readEntries.all(Buffer.from(subject, 'hex'), first, max).map((row) => ({
        number: Number(row.number),
        index: Number(row.idx),
        body: row.body as Uint8Array,
      })),

    followed: () => Number(readState.get('followed')?.value ?? 0),

    noteFollowed: (size) => database.transaction(() => writeState.run('followed', size)),
  };
}
