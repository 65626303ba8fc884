import { CompactRange } from '@amanat/core/log';
import type { ImportState, RecordCursor, StoredImport } from './store.ts';

const HASH_BYTES = 32;

/**
 * Creates custody's tables where they are not there.
 *
 * `custody_records` is an index and nothing more: its rows are small because they arrive in the order of
 * subject ids, which is random. What is stored of a row stands in `custody_ciphertexts`, which only ever grows at its
 * end, in order of import and row, so that a root can be recomputed in one pass.
 */
export const SCHEMA = `
  CREATE TABLE IF NOT EXISTS custody_holdings (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
  ) STRICT;
  CREATE TABLE IF NOT EXISTS custody_imports (
    idx INTEGER PRIMARY KEY,
    holding INTEGER NOT NULL,
    importer TEXT NOT NULL,
    commitment TEXT NOT NULL,
    mapping TEXT,
    encoding TEXT NOT NULL,
    sheet TEXT,
    row_limit INTEGER NOT NULL,
    declaration_version INTEGER NOT NULL,
    layout TEXT NOT NULL,
    time INTEGER NOT NULL,
    token_hash BLOB NOT NULL,
    state TEXT NOT NULL,
    ended_idx INTEGER,
    rows_done INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    unchanged INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    created INTEGER NOT NULL,
    reject_bytes INTEGER NOT NULL,
    chain TEXT NOT NULL,
    range_hashes BLOB NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS custody_announcements (
    hash BLOB PRIMARY KEY
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS custody_records (
    subject BLOB NOT NULL,
    holding INTEGER NOT NULL,
    record BLOB NOT NULL,
    import INTEGER NOT NULL,
    row INTEGER NOT NULL,
    ciphertexts INTEGER NOT NULL,
    PRIMARY KEY (subject, holding, record, import, row)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS custody_ciphertexts (
    id INTEGER PRIMARY KEY,
    subject BLOB NOT NULL,
    record BLOB NOT NULL,
    import INTEGER NOT NULL,
    row INTEGER NOT NULL,
    expiry_month INTEGER NOT NULL,
    digest BLOB NOT NULL,
    bytes BLOB NOT NULL
  ) STRICT;
`;

/** A row as SQLite gives it. */
export interface Cells {
  readonly [column: string]: unknown;
}

/** An import of a row of `custody_imports`. */
export function importOf(row: Cells, holding: string): StoredImport {
  const stored = Number(row.stored);
  return {
    index: Number(row.idx),
    holding,
    importer: String(row.importer),
    commitment: String(row.commitment),
    mapping: row.mapping === null ? null : String(row.mapping),
    encoding: String(row.encoding),
    sheet: row.sheet === null ? null : String(row.sheet),
    rowLimit: Number(row.row_limit),
    declarationVersion: Number(row.declaration_version),
    layout: JSON.parse(String(row.layout)) as string[],
    time: Number(row.time),
    tokenHash: row.token_hash as Uint8Array,
    state: row.state as ImportState,
    endedIndex: row.ended_idx === null ? null : Number(row.ended_idx),
    progress: {
      rowsDone: Number(row.rows_done),
      stored,
      unchanged: Number(row.unchanged),
      rejected: Number(row.rejected),
      created: Number(row.created),
      rejectBytes: Number(row.reject_bytes),
      chain: String(row.chain),
      range: CompactRange.from(stored, cut(row.range_hashes as Uint8Array)),
    },
  };
}

function cut(hashes: Uint8Array): Uint8Array[] {
  return Array.from({ length: hashes.length / HASH_BYTES }, (_, i) =>
    hashes.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
}

/** The place of a row of `custody_records`. */
export function cursorOf(row: Cells): RecordCursor {
  return [
    row.subject as Uint8Array,
    Number(row.holding),
    row.record as Uint8Array,
    Number(row.import),
    Number(row.row),
  ];
}

/** Which of two places comes first in `custody_records`. */
export function compareCursors(one: RecordCursor, other: RecordCursor): number {
  return (
    Buffer.compare(one[0], other[0]) ||
    one[1] - other[1] ||
    Buffer.compare(one[2], other[2]) ||
    one[3] - other[3] ||
    one[4] - other[4]
  );
}
