import { SEAL_EXTENSIONS_MAX } from '../statement.ts';
import type { Seal, SealRules } from './documents.ts';

const DAY_MS = 86_400_000;
/** How long past its date a seal may stay closed before the agency is refused everything. */
const GRACE_MS = DAY_MS;

/** Why a look-up may not be withheld from its subject. */
export type SealRefusal =
  | 'seal-undeclared-agency'
  | 'seal-undeclared-ground'
  | 'seal-not-ahead'
  | 'seal-too-long'
  | 'seal-ceiling'
  | 'seal-over';

/** A seal as it is asked for, and what bounds it. */
export interface SealTerms {
  readonly agency: string;
  readonly ground: string;
  /** `YYYY-MM-DD`, in UTC. */
  readonly until: string;
  /** The rules in force; null where there are none: then nothing can be sealed. */
  readonly rules: SealRules | null;
  /** When the look-up was made, from which the ground's days are counted; milliseconds since 1970. */
  readonly from: number;
  /** The agency's seals would be so many. */
  readonly open: number;
}

/** Checks a seal's ground, date and ceiling by the signed rules alone. Null where it may be made. */
export function checkSeal(terms: SealTerms, now: number): SealRefusal | null {
  const { agency, ground, until, rules, from, open } = terms;
  const ceiling = rules?.agencies.find((each) => each.agency === agency);
  if (ceiling === undefined) return 'seal-undeclared-agency';
  const rule = rules?.grounds.find((each) => each.ground === ground);
  if (rule === undefined) return 'seal-undeclared-ground';
  const end = sealEnd(until);
  if (end <= now) return 'seal-not-ahead';
  if (end > from + rule.daysMax * DAY_MS) return 'seal-too-long';
  return open > ceiling.openMax ? 'seal-ceiling' : null;
}

/** A seal that is there. */
export interface SealMade {
  readonly agency: string;
  readonly until: string;
  /** When its look-up was made, milliseconds since 1970. */
  readonly from: number;
  /** How often it has been extended. */
  readonly extensions: number;
}

/** Checks a seal's extension: before its date, to a later one, and never past the days that are counted from the look-up. */
export function checkExtension(
  made: SealMade,
  { ground, until, rules }: Seal & Pick<SealTerms, 'rules'>,
  now: number,
): SealRefusal | null {
  if (now >= sealEnd(made.until)) return 'seal-over';
  if (sealEnd(until) <= sealEnd(made.until)) return 'seal-not-ahead';
  if (made.extensions >= SEAL_EXTENSIONS_MAX) return 'seal-too-long';
  const { agency, from } = made;
  // It is among the agency's open ones already.
  return checkSeal({ agency, from, ground, until, rules, open: 0 }, now);
}

/** When a seal's date begins; milliseconds since 1970. From then on it is not extended. */
export function sealEnd(until: string): number {
  return Date.parse(until);
}

/** When it is opened: a day after its date begins, so that no clock set forward for a moment opens it early. */
export function sealDue(until: string): number {
  return sealEnd(until) + DAY_MS;
}

/** From when on its agency is refused everything. */
export function sealOverdue(until: string): number {
  return sealDue(until) + GRACE_MS;
}

/**
 * From when on anyone may call a seal overdue of which only the month is known, `YYYY-MM`: its date may be the month's
 * last.
 */
export function sealMonthOverdue(month: string): number {
  const [year = 0, number = 0] = month.split('-').map(Number);
  const next = Date.UTC(year, number, 1);
  return next + GRACE_MS + DAY_MS;
}
