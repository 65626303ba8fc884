import { MAX_ENTRY_BYTES, parseLeafOrNull } from '@amanat/core/log';
import type { Database } from '../storage/sqlite.ts';
import type { LogStore } from './store.ts';

const SUBJECT_BYTES = 16;
/** Bytes of a leaf about a person that neither seals nor opens. */
const PERSONAL_BYTES = 77;
const PAGE_LEAVES = 65_536;

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
  -- seal: the leaf of the look-up that is sealed, its own or the one that this withholds for longer.
  CREATE TABLE IF NOT EXISTS sealed_entries (
    idx INTEGER PRIMARY KEY, subject BLOB NOT NULL, number INTEGER NOT NULL, seal INTEGER NOT NULL,
    opened INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS sealed_by_seal ON sealed_entries (seal);
  CREATE INDEX IF NOT EXISTS sealed_by_subject ON sealed_entries (subject) WHERE opened = 1;
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
  const addSealed = database.prepare(
    'INSERT INTO sealed_entries (idx, subject, number, seal, opened) VALUES (?, ?, ?, ?, 0)',
  );
  const openSealed = database.prepare('UPDATE sealed_entries SET opened = 1 WHERE seal = ?');
  // Apart from the entries, which are in nobody's order: bodies are long, and written side by side.
  const addBody = database.prepare('INSERT INTO bodies (idx, body, evidence) VALUES (?, ?, ?)');
  const readLeaves = database.prepare(
    'SELECT bytes FROM leaves WHERE idx >= ? AND idx < ? ORDER BY idx',
  );
  // Put together by SQLite, which reads a range in order: that takes a quarter of the time of a row for each leaf.
  const readBundle = database.prepare(`
    SELECT count(*) AS count, CAST(group_concat(
      CASE length(bytes) WHEN 77 THEN X'004D' ELSE unhex(format('%04x', length(bytes))) END || bytes, ''
    ) AS BLOB) AS bytes
    FROM leaves WHERE idx >= ? AND idx < ? AND length(bytes) <= ${MAX_ENTRY_BYTES}`);
  const readPublicAt = database.prepare(
    'SELECT idx FROM public_leaves WHERE idx >= ? AND idx < ? ORDER BY idx',
  );
  const readEntryPlaces = database.prepare(
    'SELECT group_concat(idx) AS places FROM entries WHERE subject BETWEEN ? AND ? AND idx >= 0 AND idx < ?',
  );
  const readBody = database.prepare('SELECT 1 FROM bodies WHERE idx = ?');
  const readNodes = database.prepare(
    'SELECT hash FROM nodes WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx',
  );
  const readPublic = database.prepare(
    'SELECT idx, bytes, time FROM public_leaves JOIN leaves USING (idx) WHERE idx >= ? ORDER BY idx',
  );
  const retakePublic = database.prepare('UPDATE public_leaves SET time = ? WHERE idx >= ?');
  const readEntries = database.prepare(
    'SELECT number, idx, body FROM entries JOIN bodies USING (idx) WHERE subject = ? AND number >= ? ORDER BY number LIMIT ?',
  );
  const readOpened = database.prepare(
    `SELECT number, idx, body FROM sealed_entries JOIN bodies USING (idx)
      WHERE subject = ? AND opened = 1 ORDER BY idx LIMIT ?`,
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
            const sealed = sealingOf(leaf.bytes);
            if (sealed?.kind === 'sealed') {
              const seal = sealed.extends ?? index;
              addSealed.run(index, Buffer.from(subject, 'hex'), number, seal);
            } else addEntry.run(Buffer.from(subject, 'hex'), number, index);
            if (sealed?.kind === 'opened') openSealed.run(sealed.seal);
            addBody.run(index, body, evidence);
          }
        }
        for (const node of nodes) addNode.run(node.level, node.index, node.hash);
        writeState.run('followed', followed);
      }),

    leaves: (from, to) => readLeaves.all(from, to).map((row) => row.bytes as Uint8Array),

    bundle(from, to) {
      const { count, bytes } = readBundle.get(from, to) ?? {};
      return {
        bytes: (bytes as Uint8Array | null) ?? new Uint8Array(0),
        count: Number(count),
        publicAt: readPublicAt.all(from, to).map(({ idx }) => Number(idx)),
      };
    },

    nodes: (level, from, to) => readNodes.all(level, from, to).map((row) => row.hash as Uint8Array),

    *publicLeaves(from) {
      for (const row of readPublic.iterate(from)) {
        const bytes = row.bytes as Uint8Array;
        yield { index: Number(row.idx), bytes, time: Number(row.time) };
      }
    },

    retakePublic: (from, time) => database.transaction(() => retakePublic.run(time, from)),

    *unprepared(size) {
      // A bit for each leaf. To look for each one's body would be to read most of the store: only that of a leaf that no
      // entry names is looked for, as where its number was given again.
      const known = new Uint8Array(Math.ceil(size / 8));
      const mark = (index: number) => {
        const at = Math.floor(index / 8);
        known[at] = (known[at] as number) | (1 << (index % 8));
      };
      for (let first = 0; first < 256; first++) {
        const to = new Uint8Array(1 + SUBJECT_BYTES).fill(255).fill(first, 0, 1);
        const { places } = readEntryPlaces.get(Uint8Array.of(first), to, size) ?? {};
        if (typeof places === 'string') for (const place of places.split(',')) mark(Number(place));
      }
      for (let from = 0; from < size; from += PAGE_LEAVES) {
        for (const { idx } of readPublicAt.all(from, Math.min(size, from + PAGE_LEAVES)))
          mark(Number(idx));
      }
      for (const [at, bits] of known.entries()) {
        if (bits === 255) continue;
        for (let index = at * 8; index < Math.min(size, at * 8 + 8); index++) {
          const isKnown = (bits & (1 << (index % 8))) !== 0;
          if (!isKnown && readBody.get(index) === undefined) yield index;
        }
      }
    },

    entriesOf: (subject, first, max) =>
      readEntries.all(Buffer.from(subject, 'hex'), first, max).map((row) => ({
        number: Number(row.number),
        index: Number(row.idx),
        body: row.body as Uint8Array,
      })),

    openedOf: (subject, max) =>
      readOpened.all(Buffer.from(subject, 'hex'), max).map((row) => ({
        number: Number(row.number),
        index: Number(row.idx),
        body: row.body as Uint8Array,
      })),

    followed: () => Number(readState.get('followed')?.value ?? 0),

    noteFollowed: (size) => database.transaction(() => writeState.run('followed', size)),
  };
}

/** What a leaf says of a seal; null for the most of them, which are told by their length. */
function sealingOf(bytes: Uint8Array) {
  if (bytes.length === PERSONAL_BYTES) return null;
  const leaf = parseLeafOrNull(bytes);
  return leaf?.kind === 'sealed' || leaf?.kind === 'opened' ? leaf : null;
}
