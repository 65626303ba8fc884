import { LogUnavailable, waitsFor } from '../log/log.ts';

/** Why nothing can be asked just now. Closed, so that each has its words on the pages. */
export type UnavailableCode =
  /** More asks wait than the queue holds. */
  | 'busy'
  /** The keeper cannot be reached, or refuses: without it nothing can be read. */
  | 'keeper-unavailable'
  /** The keeper waits for its custodians. */
  | 'keeper-locked'
  /** The log cannot be written: without an entry nothing can be read. */
  | 'log-unavailable'
  /** Too few witnesses cosign the log: without them nothing can be read. */
  | 'not-witnessed'
  /** Custody's store cannot be read. */
  | 'store-unavailable'
  | 'stopping';

/**
 * Thrown where an ask could not be carried through, for no fault of whoever asked. Nothing was released that has no
 * entry; what had been begun gets an entry as undelivered once all is mended.
 */
export class AsksUnavailable extends Error {
  override name = 'AsksUnavailable';
  readonly code: UnavailableCode;

  constructor(code: UnavailableCode, options?: ErrorOptions) {
    super(`nothing can be asked now: ${code}`, options);
    this.code = code;
  }
}

/** What failed, by who threw it: the log, or else the keeper. */
export function asUnavailable(error: unknown): AsksUnavailable {
  if (error instanceof AsksUnavailable) return error;
  const code = error instanceof LogUnavailable ? waitsFor[error.code] : 'keeper-unavailable';
  return new AsksUnavailable(code, { cause: error });
}
