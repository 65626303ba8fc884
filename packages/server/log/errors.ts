/** Why the log takes no entries. Closed; health and the pages show it. */
export type LogReason =
  | 'starting'
  | 'closed'
  | 'too-many-waiting'
  | 'store-unavailable'
  | 'store-inconsistent'
  | 'store-older-than-keeper'
  | 'keeper-unavailable'
  | 'keeper-older-than-log'
  | 'keeper-refuses'
  | 'keeper-of-another-log'
  | 'not-witnessed'
  | 'older-than-witnesses';

/**
 * The log cannot be written, and the entry has not been: nothing was stored, nothing released. Where the keeper
 * failed after the entry was stored, the log throws the keeper client's `KeeperUnavailable` instead.
 */
export class LogUnavailable extends Error {
  override name = 'LogUnavailable';
  readonly code: LogReason;

  constructor(code: LogReason, options?: ErrorOptions) {
    super(`the log takes no entries: ${code}`, options);
    this.code = code;
  }
}
