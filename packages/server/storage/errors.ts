/** Every way in which the store fails its parts. Closed, so that a `switch` on `code` is complete. */
export type StorageErrorCode =
  | 'store-full'
  | 'store-busy'
  | 'store-damaged'
  | 'store-newer'
  | 'store-older'
  | 'store-not-ours'
  | 'store-unavailable';

/** What the store throws. The message is lower-case and never holds what was to be stored. */
export class StorageError extends Error {
  override name = 'StorageError';
  readonly code: StorageErrorCode;

  constructor(code: StorageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

// SQLite's primary result codes (sqlite.org/rescode.html).
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IO_ERROR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANNOT_OPEN = 14;
const NOT_A_DATABASE = 26;

/**
 * The storage error that an exception of node:sqlite stands for, or null where it is none: a broken
 * constraint or a wrong statement is our own mistake, and is to surface as such.
 */
export function toStorageError(error: unknown): StorageError | null {
  if (error instanceof StorageError) return error;
  const code = (error as { errcode?: unknown } | null)?.errcode;
  if (typeof code !== 'number') return null;
  // SQLite's own message may name a path and never a value; it is kept out all the same.
  switch (code & 0xff) {
    case FULL:
      return new StorageError('store-full', 'the disk or the store is full');
    case BUSY:
    case LOCKED:
      return new StorageError('store-busy', 'another process holds the store');
    case CORRUPT:
      return new StorageError('store-damaged', 'the store is damaged');
    case NOT_A_DATABASE:
      return new StorageError('store-not-ours', 'the file is not a store');
    case READONLY:
    case IO_ERROR:
    case CANNOT_OPEN:
      return new StorageError('store-unavailable', 'the store cannot be read or written');
    default:
      return null;
  }
}
