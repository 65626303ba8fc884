import { closeSync, fdatasyncSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DrawRefusal } from '@amanat/keeper/client';
import { syncFolderNow } from '../storage/files.ts';
import type { RejectCode } from './rows/rows.ts';
import { rejectAdvice } from './rows/rows.ts';

/** The file's heading, written with the first rejection. */
export const REJECT_HEADING = 'line,column,reason\n';

/** Why a row was not taken: by its form, or by what only the keeper knows. */
export type RejectReason = RejectCode | DrawRefusal;

/** What each reason says to whoever mends the file. */
export const reasonAdvice: Readonly<Record<RejectReason, string>> = {
  ...rejectAdvice,
  'bound-to-another': 'the number is another person’s already',
  'retention-over': 'what the declaration allows to be kept from this date on is over',
  expired: 'the month in which it would expire has been destroyed already',
  erased: 'the person was erased here: nothing of hers is taken in again',
  'bad-identifier': 'the keeper does not take the identifier in this form',
  'date-ahead': 'the date is later than tomorrow by the keeper’s clock',
};

/** A row that was not taken: where, and why. Never a value of it. */
export interface RejectedRow {
  /** Its line, or its file's place in a set; from the second file of an upload on, `FILE:LINE`. */
  readonly line: string;
  /** A declared field's name; null for the row as a whole. */
  readonly column: string | null;
  readonly reason: RejectReason;
}

/** Where an import's rejected rows are listed. */
export function rejectPath(folder: string, index: number): string {
  return join(folder, `${index}.rejects.csv`);
}

/**
 * The list of an import's rejected rows. What was written behind the length that the store knows belongs to rows
 * that will be dealt with again: opening cuts it off.
 */
export class RejectFile {
  readonly #path: string;
  readonly #fd: number;
  #length: number;

  /** @param length what the store says that the file has in good order. */
  constructor(path: string, length: number) {
    this.#path = path;
    this.#fd = openSync(path, 'a', 0o600);
    this.#length = length;
    ftruncateSync(this.#fd, length);
    syncFolderNow(dirname(path));
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** Adds rows; they are on the disk when this returns. */
  append(rows: readonly RejectedRow[]): void {
    if (rows.length === 0) return;
    const lines = rows.map(({ line, column, reason }) => `${line},${column ?? ''},${reason}\n`);
    const bytes = Buffer.from((this.#length === 0 ? REJECT_HEADING : '') + lines.join(''));
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
    fdatasyncSync(this.#fd);
    this.#length += bytes.length;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
    // A list of nothing would only make whoever finds it look.
    if (this.#length === 0) rmSync(this.#path, { force: true });
  }
}
