import { createHash, hash } from 'node:crypto';
import { CompactRange } from '@amanat/core/log';
import type { Answered, DrawRow, KeeperPort } from '@amanat/keeper/client';
import { KeeperRefused, KeeperUnavailable, packDrawRows } from '@amanat/keeper/client';
import { CustodyError } from './errors.ts';
import type { ImportPlan } from './plan.ts';
import { columnOf, toDrawRow } from './plan.ts';
import type { RejectedRow, RejectFile } from './reject-file.ts';
import type { Rejection, RowBatch } from './rows/rows.ts';
import { encodeRow } from './rows/rows.ts';
import type { KeyedRow } from './seal.ts';
import { readDrawn, sealRows } from './seal.ts';
import type { CustodyStore, ImportProgress, IsExpired, StoredImport } from './store.ts';

/** Batches that the keeper is asked about beside the one that is written next: neither of us then waits for the other. */
const AHEAD_MAX = 3;
/** What all of them may hold, in bytes; of larger ones, images say, one is ahead. */
const AHEAD_BYTES_MAX = 8 * 1024 * 1024;
const CHAIN_DOMAIN = 'amanat/import-chain/v1\0';

/** What one run of an upload works with. */
export interface UploadDeps {
  readonly store: CustodyStore;
  readonly keeper: KeeperPort;
  readonly plan: ImportPlan;
  readonly rejects: RejectFile;
  /** The salt of the announcement, in hexadecimal. */
  readonly salt: string;
  /** Throws where the import may no longer go on. */
  readonly requireCurrent: () => void;
  readonly isExpired: IsExpired;
}

/** A row that the keeper was asked about. */
interface AskedRow {
  readonly row: number;
  readonly line: string;
  /** The plaintext of each group. */
  readonly groups: readonly Uint8Array[];
}

/** Some rows of an upload, of which none was dealt with before. */
interface Batch {
  readonly rows: readonly AskedRow[];
  readonly rejected: readonly (RejectedRow & { readonly row: number })[];
  /** Of the plaintext. */
  readonly bytes: number;
  /** Row and chain after the last of them. */
  readonly lastRow: number;
  readonly chain: string;
  readonly drawn: Promise<Answered<'draw'>>;
}

/**
 * Takes an upload's rows to where they are durable. While one batch is sealed and written, the keeper draws keys
 * for the next few. Rows that an earlier run of the same import dealt with are passed over, once it is clear that
 * they are the same.
 */
export class Upload {
  readonly #deps: UploadDeps;
  readonly #import: StoredImport;
  #progress: ImportProgress;
  /** Row and chain of the last row read. */
  #row = 0;
  #chain: string;
  /** Asked about and not yet written, in order. */
  readonly #waiting: Batch[] = [];

  constructor(deps: UploadDeps, found: StoredImport) {
    this.#deps = deps;
    this.#import = found;
    this.#progress = found.progress;
    this.#chain = startChain(deps.salt);
  }

  /** How far the import is, as it is stored. */
  get progress(): ImportProgress {
    return this.#progress;
  }

  /**
   * Takes the rows of one file of the upload; the files come one after another.
   * @param file the file's place in the upload, from 1; 0 for a set of images as a whole.
   * @throws CustodyError; what was written before stays written
   */
  async take(batches: AsyncIterable<RowBatch>, file: number): Promise<void> {
    const first = this.#row;
    for await (const read of batches) {
      const next = this.#next(read, first, file > 1 ? `${file}:` : '');
      if (next === null) continue;
      this.#waiting.push(next);
      while (this.#isFarAhead()) await this.#writeFirst();
    }
  }

  /** Writes what is under way, so that no key is drawn in vain. @throws CustodyError */
  async flush(): Promise<void> {
    while (this.#waiting.length > 0) await this.#writeFirst();
  }

  /** Ends an upload that was read to its end. @throws CustodyError */
  async finish(): Promise<void> {
    await this.flush();
    if (this.#row < this.#progress.rowsDone) throw new CustodyError('different-file');
  }

  /** The rows of a batch that are new, with the keeper asked for their keys; null where there is none. */
  #next(read: RowBatch, first: number, linePrefix: string): Batch | null {
    const { plan, keeper } = this.#deps;
    const rows: AskedRow[] = [];
    const draws: DrawRow[] = [];
    const rejected: (RejectedRow & { readonly row: number })[] = [];
    let bytes = 0;
    // Rows and rejections each come in order: merged, they count without a gap.
    let at = 0;
    const rejectBefore = (row: number) => {
      for (; at < read.rejections.length; at++) {
        const next = read.rejections[at] as Rejection;
        if (next.row > row) return;
        const { line, column, code: reason } = next;
        const number = this.#advance(`${reason} ${column ?? ''}`);
        if (number !== null)
          rejected.push({ row: number, line: linePrefix + line, column, reason });
      }
    };
    for (const { row, line, values } of read.rows) {
      rejectBefore(row);
      const encoded = encodeRow(plan.groups, values);
      const draw = toDrawRow(plan, first + row, values, encoded);
      const number = this.#advance(encoded.digest.toString('hex'));
      if (this.#row !== first + row) throw new Error('rows are not numbered without gaps');
      if (number === null) continue;
      rows.push({ row: number, line: linePrefix + line, groups: encoded.groups });
      draws.push(draw);
      for (const group of encoded.groups) bytes += group.length;
    }
    rejectBefore(Number.POSITIVE_INFINITY);
    if (rows.length + rejected.length === 0) return null;
    const drawn =
      draws.length === 0
        ? Promise.resolve(NOTHING_DRAWN)
        : keeper.ask(
            'draw',
            { import: this.#import.index, rows: draws.length },
            packDrawRows(draws),
          );
    // Another batch may fail before this one is looked at.
    drawn.catch(() => {});
    return { rows, rejected, bytes, lastRow: this.#row, chain: this.#chain, drawn };
  }

  /** Counts a row. Gives its number, or null where an earlier run dealt with it. */
  #advance(row: string): number | null {
    this.#row += 1;
    this.#chain = nextChain(this.#chain, row);
    const { rowsDone, chain } = this.#import.progress;
    if (this.#row > this.#import.rowLimit) throw new CustodyError('row-limit');
    if (this.#row === rowsDone && this.#chain !== chain) throw new CustodyError('different-file');
    return this.#row > rowsDone ? this.#row : null;
  }

  #isFarAhead(): boolean {
    const { length } = this.#waiting;
    const bytes = this.#waiting.reduce((sum, batch) => sum + batch.bytes, 0);
    return length > AHEAD_MAX || (length > 1 && bytes > AHEAD_BYTES_MAX);
  }

  async #writeFirst(): Promise<void> {
    const [first] = this.#waiting;
    if (first === undefined) return;
    try {
      await this.#write(first);
      this.#waiting.shift();
    } catch (error) {
      // It is not to be written twice, nor any other without it.
      this.#waiting.length = 0;
      throw error;
    }
  }

  /** One batch: compared, sealed, and written in one transaction with how far the import then is. */
  async #write(batch: Batch): Promise<void> {
    const { store, plan, rejects, isExpired } = this.#deps;
    const { index, holding } = this.#import;
    const { answer, attachment } = await batch.drawn.catch((cause: unknown) => {
      throw explainKeeper(cause);
    });
    // Keys drawn under another declaration than the plan's would seal what nobody could open again.
    this.#deps.requireCurrent();
    const { refused } = answer;
    const keyed = readDrawn(batch.rows, refused, attachment, plan.groups.length);
    const { changed, created } = compare(store, holding, index, keyed, isExpired);
    const sealed = await sealRows(plan, index, changed);
    for (const { drawn } of keyed) drawn.keys.fill(0);

    const lines = new Map(
      refused.length === 0 ? [] : batch.rows.map(({ row, line }) => [row, line]),
    );
    const rejected = [
      ...batch.rejected,
      ...refused.map(({ row, refused: reason }) => ({
        row,
        line: lines.get(row) ?? '',
        column: columnOf(plan, reason),
        reason,
      })),
    ].sort((a, b) => a.row - b.row);
    rejects.append(rejected);

    const before = this.#progress;
    const range = CompactRange.from(before.range.size, before.range.hashes());
    for (const { leafHash } of sealed) range.append(leafHash);
    const progress: ImportProgress = {
      rowsDone: batch.lastRow,
      stored: before.stored + sealed.length,
      unchanged: before.unchanged + keyed.length - sealed.length,
      rejected: before.rejected + rejected.length,
      created: before.created + created,
      rejectBytes: rejects.length,
      chain: batch.chain,
      range,
    };
    assertCounted(progress);
    store.writeBatch(
      index,
      sealed.map(({ record }) => record),
      progress,
    );
    this.#progress = progress;
  }
}

const NOTHING_DRAWN: Answered<'draw'> = { answer: { refused: [] }, attachment: Buffer.alloc(0) };

/** Every row is stored, unchanged or rejected, and stands in the tree exactly if it is stored. */
function assertCounted(progress: ImportProgress): void {
  const { rowsDone, stored, unchanged, rejected, range } = progress;
  if (stored + unchanged + rejected !== rowsDone || range.size !== stored) {
    throw new Error('rows of an import are not all accounted for');
  }
}

/** The rows that differ from the latest version of their record, the one in this batch included. */
function compare(
  store: CustodyStore,
  holding: string,
  index: number,
  rows: readonly KeyedRow[],
  isExpired: IsExpired,
) {
  // Of who is mentioned for the first time nothing can be stored.
  const mentioned = rows.filter(({ drawn }) => !drawn.isFirst);
  const known = store.latestDigests(
    holding,
    index,
    mentioned.map(({ drawn }) => drawn),
    isExpired,
  );
  let at = 0;
  const inBatch = new Map<string, Uint8Array>();
  const changed: KeyedRow[] = [];
  let created = 0;
  for (const row of rows) {
    const { subject, record, isFirst } = row.drawn;
    const stored = isFirst ? null : (known[at++] ?? null);
    const name = subject.toString('latin1') + record.toString('latin1');
    const latest = inBatch.get(name) ?? stored;
    if (latest !== null && row.digest.equals(latest)) continue;
    if (latest === null) created += 1;
    inBatch.set(name, row.digest);
    changed.push(row);
  }
  return { changed, created };
}

/** What a failure of the keeper means to whoever imports. */
function explainKeeper(cause: unknown): unknown {
  if (cause instanceof KeeperUnavailable) {
    return new CustodyError('keeper-unavailable', undefined, { cause });
  }
  if (cause instanceof KeeperRefused) {
    return cause.code === 'row-limit'
      ? new CustodyError('row-limit', undefined, { cause })
      : new CustodyError('keeper-refused', `the keeper refused to draw keys: ${cause.code}`, {
          cause,
        });
  }
  return cause;
}

/**
 * The chain before the first row of an upload. It hangs on the announcement's salt, which is never stored: a thief
 * of the store cannot try guesses of rows against a chain.
 */
function startChain(salt: string): string {
  return hash('sha256', CHAIN_DOMAIN + salt, 'hex');
}

/**
 * The chain after one more row: SHA-256 of the chain before it and of what stands for the row, its digest or the
 * code of its rejection. Kept beside how far an import is, so that an upload which goes on is known to have begun
 * with the very same rows.
 */
function nextChain(chain: string, row: string): string {
  return hash('sha256', chain + row, 'hex');
}

/** Passes an upload's bytes on and hashes them behind the salt: what the importer committed to. */
export class Committed implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #hash = createHash('sha256');

  constructor(source: AsyncIterable<Uint8Array>, salt: Uint8Array) {
    this.#source = source;
    this.#hash.update(salt);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of this.#source) {
      this.#hash.update(chunk);
      yield chunk;
    }
  }

  /** Once everything was read. In hexadecimal. */
  digest(): string {
    return this.#hash.digest('hex');
  }
}
