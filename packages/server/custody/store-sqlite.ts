import { fromHex, hex } from '@amanat/core/bytes';
import { monthNumber, monthText } from '@amanat/core/shape';
import { StorageError } from '../storage/errors.ts';
import type { Database } from '../storage/sqlite.ts';
import { CustodyError } from './errors.ts';
import type { Cells } from './schema-sqlite.ts';
import { compareCursors, cursorOf, importOf, SCHEMA } from './schema-sqlite.ts';
import type {
  CustodyStore,
  Held,
  HoldingCount,
  ImportProgress,
  ImportState,
  ImportTerms,
  IsExpired,
  NewRecord,
  Reading,
  RecordCursor,
  ScannedCiphertexts,
  ScannedRecords,
  StoredImport,
  StoredVersion,
  Version,
} from './store.ts';

/** Versions of one record that are looked through for one that is seen. */
const VERSIONS_MAX = 10_000;

/** Where a row of records, named `r`, leads. */
const LEADS_TO =
  'id = ciphertexts AND (c.subject, c.record, c.import, c.row) = (r.subject, r.record, r.import, r.row)';
const IS_OWN = 'id = ? AND subject = ? AND record = ? AND import = ? AND row = ?';
/** What of a row of records {@link ownOf} needs. */
const PLACE = 'subject, record, import, row, ciphertexts';

/** Custody's tables in the gateway's SQLite file. */
export class SqliteCustodyStore implements CustodyStore {
  readonly #database: Database;
  readonly #holdings = new Map<string, number>();
  readonly #names = new Map<number, string>();
  /** Imports whose records are seen, with the layout of their ciphertexts and when they were announced. */
  readonly #ended = new Map<number, { layout: readonly string[]; time: number }>();

  constructor(database: Database) {
    this.#database = database;
    database.exec(SCHEMA);
    for (const row of database.prepare('SELECT id, name FROM custody_holdings').all()) {
      this.#name(Number(row.id), String(row.name));
    }
    for (const found of this.importsIn('ended', Number.MAX_SAFE_INTEGER)) {
      this.#ended.set(found.index, { layout: found.layout, time: found.time });
    }
  }

  addImport(terms: ImportTerms, tokenHash: Uint8Array, documentHash: Uint8Array): void {
    const holding = this.#database.transaction(() => {
      const id = this.#holdings.get(terms.holding) ?? this.#addHolding(terms.holding);
      this.#announce(documentHash);
      this.#database
        .prepare(
          `INSERT INTO custody_imports VALUES
           (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', NULL, 0, 0, 0, 0, 0, 0, '', ?)`,
        )
        .run(
          terms.index,
          id,
          terms.importer,
          terms.commitment,
          terms.mapping,
          terms.encoding,
          terms.sheet,
          terms.rowLimit,
          terms.declarationVersion,
          JSON.stringify(terms.layout),
          terms.time,
          tokenHash,
          new Uint8Array(0),
        );
      return id;
    });
    this.#name(holding, terms.holding);
  }

  resumeImport(
    index: number,
    change: Reading & { readonly tokenHash: Uint8Array },
    documentHash: Uint8Array,
  ): void {
    this.#database.transaction(() => {
      this.#announce(documentHash);
      this.#database
        .prepare(
          `UPDATE custody_imports SET token_hash = ?, mapping = ?, encoding = ?, sheet = ?
           WHERE idx = ?`,
        )
        .run(change.tokenHash, change.mapping, change.encoding, change.sheet, index);
    });
  }

  knowsDocument(documentHash: Uint8Array): boolean {
    const found = this.#database
      .prepare('SELECT 1 FROM custody_announcements WHERE hash = ?')
      .get(documentHash);
    return found !== undefined;
  }

  findImport(index: number): StoredImport | null {
    const row = this.#database.prepare('SELECT * FROM custody_imports WHERE idx = ?').get(index);
    return row === undefined ? null : this.#import(row);
  }

  findOpen(importer: string, holding: string, commitment: string): StoredImport | null {
    const row = this.#database
      .prepare(
        `SELECT * FROM custody_imports WHERE importer = ? AND holding = ? AND commitment = ?
         AND state = 'open' ORDER BY idx DESC LIMIT 1`,
      )
      .get(importer, this.#holdings.get(holding) ?? -1, commitment);
    return row === undefined ? null : this.#import(row);
  }

  importsIn(state: ImportState, max: number): readonly StoredImport[] {
    return this.#database
      .prepare('SELECT * FROM custody_imports WHERE state = ? ORDER BY idx LIMIT ?')
      .all(state, max)
      .map((row) => this.#import(row));
  }

  lastEnded(holding: string): number | null {
    const row = this.#database
      .prepare(`SELECT max(idx) AS idx FROM custody_imports WHERE holding = ? AND state = 'ended'`)
      .get(this.#holdings.get(holding) ?? -1);
    return typeof row?.idx === 'number' ? row.idx : null;
  }

  latestDigests(
    holding: string,
    index: number,
    names: readonly { readonly subject: Buffer; readonly record: Buffer }[],
    isExpired: IsExpired,
  ): readonly (Uint8Array | null)[] {
    const id = this.#holdings.get(holding);
    if (id === undefined) return names.map(() => null);
    const latest = this.#database.prepare(
      `SELECT ${PLACE} FROM custody_records
       WHERE subject = ? AND holding = ? AND record = ? ORDER BY import DESC, row DESC LIMIT 1`,
    );
    const seen = (row: Cells) => row.import === index || this.#ended.has(Number(row.import));
    return names.map(({ subject, record }) => {
      let row: Cells | undefined = latest.get(subject, id, record);
      if (row !== undefined && !seen(row)) row = this.#versions(subject, id, record).find(seen);
      const stored = row && this.#stored(row, 'expiry_month, digest');
      if (stored === undefined) return null;
      const month = monthText(Number(stored.expiry_month));
      return isExpired(holding, month) ? null : (stored.digest as Uint8Array);
    });
  }

  writeBatch(index: number, records: readonly NewRecord[], progress: ImportProgress): void {
    this.#database.transaction(() => {
      const holding = this.#database
        .prepare(`SELECT holding FROM custody_imports WHERE idx = ? AND state = 'open'`)
        .get(index)?.holding;
      if (typeof holding !== 'number') throw new CustodyError('import-refused');
      this.#insert(index, holding, records);
      this.#database
        .prepare(
          `UPDATE custody_imports SET rows_done = ?, stored = ?, unchanged = ?, rejected = ?,
           created = ?, reject_bytes = ?, chain = ?, range_hashes = ? WHERE idx = ?`,
        )
        .run(
          progress.rowsDone,
          progress.stored,
          progress.unchanged,
          progress.rejected,
          progress.created,
          progress.rejectBytes,
          progress.chain,
          Buffer.concat(progress.range.hashes()),
          index,
        );
    });
  }

  endImport(index: number, endedIndex: number): void {
    this.#database.transaction(() =>
      this.#database
        .prepare(
          `UPDATE custody_imports SET state = 'ended', ended_idx = ? WHERE idx = ? AND state = 'open'`,
        )
        .run(endedIndex, index),
    );
    const found = this.findImport(index);
    if (found?.state === 'ended') {
      this.#ended.set(index, { layout: found.layout, time: found.time });
    }
  }

  refuseImport(index: number): void {
    this.#database.transaction(() =>
      this.#database
        .prepare(`UPDATE custody_imports SET state = 'refused' WHERE idx = ? AND state = 'open'`)
        .run(index),
    );
  }

  discardSome(index: number, after: RecordCursor | null, max: number): RecordCursor | null {
    if (this.findImport(index)?.state !== 'refused') throw new Error('import is not refused');
    const rows = this.#scan(after, max);
    const last = rows.length < max ? undefined : rows.at(-1);
    this.#database.transaction(() => {
      const deleteRecord = this.#database.prepare(
        `DELETE FROM custody_records WHERE subject = ? AND holding = ? AND record = ?
         AND import = ? AND row = ?`,
      );
      const deleteCiphertexts = this.#database.prepare(
        'DELETE FROM custody_ciphertexts WHERE id = ? AND import = ?',
      );
      for (const row of rows) {
        if (row.import !== index) continue;
        deleteRecord.run(...cursorOf(row));
        deleteCiphertexts.run(Number(row.ciphertexts), index);
      }
      if (last !== undefined) return;
      this.#database
        .prepare(`UPDATE custody_imports SET state = 'discarded' WHERE idx = ?`)
        .run(index);
    });
    return last === undefined ? null : cursorOf(last);
  }

  latestVersions(
    subject: Uint8Array,
    holding: string,
    max: number,
    isExpired: IsExpired,
  ): readonly StoredVersion[] {
    const id = this.#holdings.get(holding);
    if (id === undefined) return [];
    const found: StoredVersion[] = [];
    let last = '';
    const rows = this.#database
      .prepare(
        `SELECT ${PLACE} FROM custody_records
         WHERE subject = ? AND holding = ? ORDER BY record, import DESC, row DESC`,
      )
      .iterate(subject, id);
    for (const row of rows) {
      if (found.length >= max) break;
      const record = hex(row.record as Uint8Array);
      if (record === last || !this.#ended.has(Number(row.import))) continue;
      last = record;
      const stored = this.#stored(row, 'expiry_month, bytes');
      const expiryMonth = monthText(Number(stored?.expiry_month ?? 0));
      if (isExpired(holding, expiryMonth)) continue;
      found.push({
        record,
        import: Number(row.import),
        row: Number(row.row),
        expiryMonth,
        ciphertexts: (stored?.bytes ?? new Uint8Array(0)) as Uint8Array,
      });
    }
    return found;
  }

  ciphertextsOf(subject: Uint8Array, holding: string, version: Version): Uint8Array | null {
    if (!this.#ended.has(version.import)) return null;
    const row = this.#database
      .prepare(
        `SELECT ${PLACE} FROM custody_records
         WHERE subject = ? AND holding = ? AND record = ? AND import = ? AND row = ?`,
      )
      .get(
        subject,
        this.#holdings.get(holding) ?? -1,
        fromHex(version.record),
        version.import,
        version.row,
      );
    const stored = row && this.#stored(row, 'expiry_month, bytes');
    return stored?.expiry_month === monthNumber(version.expiryMonth)
      ? (stored.bytes as Uint8Array)
      : null;
  }

  layoutOf(index: number): readonly string[] | null {
    return this.#ended.get(index)?.layout ?? null;
  }

  heldAbout(subject: Uint8Array, isExpired: IsExpired): readonly Held[] {
    const found = new Map<
      number,
      { records: number; first: number; until: number; last: string }
    >();
    const rows = this.#database
      .prepare(
        `SELECT holding, r.record, r.import, expiry_month FROM custody_records AS r
         JOIN custody_ciphertexts AS c ON ${LEADS_TO} WHERE r.subject = ? ORDER BY holding, r.record`,
      )
      .iterate(subject);
    for (const row of rows) {
      const ended = this.#ended.get(Number(row.import));
      if (ended === undefined) continue;
      const holding = Number(row.holding);
      const record = hex(row.record as Uint8Array);
      const month = Number(row.expiry_month);
      if (isExpired(this.#names.get(holding) ?? '', monthText(month))) continue;
      const held = found.get(holding);
      if (held === undefined) {
        found.set(holding, { records: 1, first: ended.time, until: month, last: record });
        continue;
      }
      if (held.last !== record) held.records += 1;
      held.last = record;
      held.first = Math.min(held.first, ended.time);
      held.until = Math.max(held.until, month);
    }
    return [...found].map(([holding, held]) => ({
      holding: this.#names.get(holding) ?? '',
      records: held.records,
      firstImport: held.first,
      until: monthText(held.until),
    }));
  }

  counts(): readonly HoldingCount[] {
    return this.#database
      .prepare(
        `SELECT holding, sum(created) AS records, sum(stored) AS versions, count(*) AS imports,
         max(time) AS last FROM custody_imports WHERE state = 'ended' GROUP BY holding`,
      )
      .all()
      .map((row) => ({
        holding: this.#names.get(Number(row.holding)) ?? '',
        records: Number(row.records),
        versions: Number(row.versions),
        imports: Number(row.imports),
        lastImport: row.last === null ? null : Number(row.last),
      }));
  }

  scanCiphertexts(after: number, max: number): readonly ScannedCiphertexts[] {
    const found = this.#database
      .prepare(
        `SELECT id, subject, record, import, row, expiry_month, digest, bytes
         FROM custody_ciphertexts WHERE id > ? ORDER BY id LIMIT ?`,
      )
      .all(after, max)
      .map((row) => ({
        id: Number(row.id),
        subject: bufferOf(row.subject),
        record: bufferOf(row.record),
        import: Number(row.import),
        row: Number(row.row),
        expiryMonth: monthText(Number(row.expiry_month)),
        digest: bufferOf(row.digest),
        ciphertexts: bufferOf(row.bytes),
      }));
    requireAhead((found.at(-1)?.id ?? Number.POSITIVE_INFINITY) > after);
    return found;
  }

  scanRecords(after: RecordCursor | null, max: number): ScannedRecords {
    const counts = new Map<number, number>();
    const astray = new Set<number>();
    const rows = this.#scan(after, max);
    // None below 1, where no scan of the ciphertexts comes by.
    const named = this.#database.prepare(
      `SELECT 1 FROM custody_ciphertexts AS c JOIN custody_imports ON idx = c.import
       WHERE id = ? AND id > 0 AND subject = ? AND record = ? AND c.import = ? AND row = ?
       AND holding = ?`,
    );
    for (const row of rows) {
      const [subject, holding, record, index, number] = cursorOf(row);
      counts.set(index, (counts.get(index) ?? 0) + 1);
      const id = Number(row.ciphertexts);
      if (named.get(id, subject, record, index, number, holding) === undefined) {
        astray.add(index);
      }
    }
    const last = rows.at(-1);
    const next = last === undefined || rows.length < max ? null : cursorOf(last);
    return { counts, astray, next };
  }

  #insert(index: number, holding: number, records: readonly NewRecord[]): void {
    if (records.length === 0) return;
    const insertCiphertexts = this.#database.prepare(
      'INSERT INTO custody_ciphertexts VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    );
    const insertRecord = this.#database.prepare(
      'INSERT INTO custody_records VALUES (?, ?, ?, ?, ?, ?)',
    );
    const last = this.#database.prepare('SELECT max(id) AS id FROM custody_ciphertexts').get();
    const first = Number(last?.id ?? 0) + 1;
    for (const [at, each] of records.entries()) {
      const { subject, record, row, digest, ciphertexts } = each;
      const month = monthNumber(each.expiryMonth);
      insertCiphertexts.run(first + at, subject, record, index, row, month, digest, ciphertexts);
    }
    // In the index's own order, so that each of its pages is looked for and changed once.
    const places = records.map((record, at) => ({ record, id: first + at }));
    places.sort((a, b) => a.record.subject.compare(b.record.subject));
    for (const { record, id } of places) {
      insertRecord.run(record.subject, holding, record.record, index, record.row, id);
    }
  }

  /** What a row of records leads to, if that is indeed its own. */
  #stored(row: Cells, columns: 'expiry_month, digest' | 'expiry_month, bytes'): Cells | undefined {
    return this.#database
      .prepare(`SELECT ${columns} FROM custody_ciphertexts WHERE ${IS_OWN}`)
      .get(...ownOf(row));
  }

  #versions(subject: Buffer, holding: number, record: Buffer): readonly Cells[] {
    return this.#database
      .prepare(
        `SELECT ${PLACE} FROM custody_records
         WHERE subject = ? AND holding = ? AND record = ?
         ORDER BY import DESC, row DESC LIMIT ${VERSIONS_MAX}`,
      )
      .all(subject, holding, record);
  }

  #scan(after: RecordCursor | null, max: number): readonly Cells[] {
    const columns = 'subject, holding, record, import, row, ciphertexts';
    const order = 'ORDER BY subject, holding, record, import, row LIMIT ?';
    if (after === null) {
      return this.#database.prepare(`SELECT ${columns} FROM custody_records ${order}`).all(max);
    }
    const found = this.#database
      .prepare(
        `SELECT ${columns} FROM custody_records
         WHERE (subject, holding, record, import, row) > (?, ?, ?, ?, ?) ${order}`,
      )
      .all(...after, max);
    const last = found.at(-1);
    requireAhead(last === undefined || compareCursors(cursorOf(last), after) > 0);
    return found;
  }

  #announce(documentHash: Uint8Array): void {
    this.#database
      .prepare('INSERT OR IGNORE INTO custody_announcements VALUES (?)')
      .run(documentHash);
  }

  /** A number for a holding at its first import. Remembered only once the transaction is durable. */
  #addHolding(name: string): number {
    const row = this.#database
      .prepare('INSERT INTO custody_holdings (name) VALUES (?) RETURNING id')
      .get(name);
    return Number(row?.id);
  }

  #name(id: number, name: string): void {
    this.#holdings.set(name, id);
    this.#names.set(id, name);
  }

  #import(row: Cells): StoredImport {
    return importOf(row, this.#names.get(Number(row.holding)) ?? '');
  }
}

/** Of a damaged table SQLite may give a page again and again: a scan of it would never end. */
function requireAhead(isAhead: boolean): void {
  if (!isAhead) throw new StorageError('store-damaged', 'the store is damaged');
}

function ownOf(row: Cells): [number, Uint8Array, Uint8Array, number, number] {
  const bytes = (name: string) => row[name] as Uint8Array;
  return [
    Number(row.ciphertexts),
    bytes('subject'),
    bytes('record'),
    Number(row.import),
    Number(row.row),
  ];
}

function bufferOf(cell: unknown): Buffer {
  const { buffer, byteOffset, byteLength } = cell as Uint8Array<ArrayBuffer>;
  return Buffer.from(buffer, byteOffset, byteLength);
}
