/**
 * What an audit finds wrong. Closed; each makes the command exit with 1. `fork`: two signed checkpoints that no one
 * tree has · `shrunk`: smaller than the one remembered · `hole`: a tile or bundle is not there · `tile-differs`,
 * `bundle-differs`: not of the tree · `root-differs`: what is served is not the tree that was signed · `stale`: older
 * than allowed · `overdue-seals`: sealed look-ups of which the month has been over for two days, and that no leaf
 * opens · `too-many-seals`: more of them than an audit remembers · `uncounted-seals`: a month, over for two days, in
 * which look-ups were sealed or opened, and that the keeper's counts do not tell · `overdue-orders`: what two
 * administrators ordered of the keeper's keys more than seven days ago, and of which the keeper does not say that it is
 * done · `missing-cosignatures`: too few of a policy's witnesses, or of those that the log appoints ·
 * `no-checkpoint`, `bad-checkpoint`: none, or not one that the log's key signed · `bad-response`: too long, or sent
 * elsewhere · `unreachable`: no answer in time · `bad-state`: what was remembered is damaged or another log's.
 */
export type AuditCode =
  | 'bad-checkpoint'
  | 'bad-response'
  | 'bad-state'
  | 'bundle-differs'
  | 'fork'
  | 'hole'
  | 'missing-cosignatures'
  | 'no-checkpoint'
  | 'overdue-orders'
  | 'overdue-seals'
  | 'root-differs'
  | 'shrunk'
  | 'stale'
  | 'tile-differs'
  | 'too-many-seals'
  | 'uncounted-seals'
  | 'unreachable';

/** Something wrong, and the file of the log that it is about, where it is about one. */
export interface Finding {
  readonly code: AuditCode;
  readonly at: string | null;
}

/** What ends an audit before its end. */
export class AuditError extends Error {
  override name = 'AuditError';
  readonly code: AuditCode;
  /** The file of the log that it is about. */
  readonly at: string | null;

  constructor(code: AuditCode, at: string | null, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.at = at;
  }
}
