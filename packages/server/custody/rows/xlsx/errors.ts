import type { FileCode } from '../headings.ts';

/** Why a workbook is not read. It does not leave this folder: the file is refused with its code and names. */
export class WorkbookError extends Error {
  override readonly name = 'WorkbookError';
  readonly code: FileCode;
  /** Sheets or parts concerned, as they are in the file. */
  readonly names: readonly string[];

  constructor(code: FileCode, names: readonly string[] = [], options?: ErrorOptions) {
    super(`the workbook is refused: ${code}`, options);
    this.code = code;
    this.names = names;
  }
}

/** What does not hold together. */
export function broken(cause?: unknown): WorkbookError {
  return new WorkbookError('bad-workbook', [], { cause });
}
