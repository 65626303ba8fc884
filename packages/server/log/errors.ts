/** Why the log takes no entries. Closed; health and the pages show it. */
export type LogReason =
  | 'starting'
  | 'closed'
  | 'too-many-waiting'
  | 'store-unavailable'
  | 'store-inconsistent'
  | 'store-older-than-keeper'
  | 'keeper-unavailable'
  | 'keeper-locked'
  | 'keeper-older-than-log'
  | 'keeper-refuses'
  | 'keeper-of-another-log'
  | 'not-witnessed'
  | 'older-than-witnesses';

/** Told of a failure, and where it was. */
export type LogFailure = (
  where: 'store' | 'keeper' | 'witnesses' | 'public-witnesses' | 'publisher',
  error: unknown,
) => void;

/** Whom or what the log waits for, as far as whoever asked needs to know. */
export type LogWaitsFor =
  | 'busy'
  | 'keeper-unavailable'
  | 'keeper-locked'
  | 'log-unavailable'
  | 'not-witnessed';

export const waitsFor: Readonly<Record<LogReason, LogWaitsFor>> = {
  starting: 'log-unavailable',
  closed: 'log-unavailable',
  'too-many-waiting': 'busy',
  'store-unavailable': 'log-unavailable',
  'store-inconsistent': 'log-unavailable',
  'store-older-than-keeper': 'log-unavailable',
  'keeper-unavailable': 'keeper-unavailable',
  'keeper-locked': 'keeper-locked',
  'keeper-older-than-log': 'log-unavailable',
  'keeper-refuses': 'keeper-unavailable',
  'keeper-of-another-log': 'log-unavailable',
  'not-witnessed': 'not-witnessed',
  'older-than-witnesses': 'not-witnessed',
};

/**
 * The log takes no entry, or will release nothing for the one it took (of a commit in doubt, or not witnessed). Where
 * the keeper failed after the entry was stored, the log throws the keeper client's `KeeperUnavailable` instead.
 */
export class LogUnavailable extends Error {
  override name = 'LogUnavailable';
  readonly code: LogReason;

  constructor(code: LogReason, options?: ErrorOptions) {
    super(`the log takes no entries: ${code}`, options);
    this.code = code;
  }
}
