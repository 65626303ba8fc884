import type { LookUp } from './look-ups.ts';

/** Look-ups of one calendar month. */
export interface MonthCount {
  readonly year: number;
  /** 0 to 11. */
  readonly month: number;
  readonly read: number;
  /** Refused, nothing held, not delivered, or waiting for a second person. */
  readonly other: number;
}

/** Counts the look-ups of the `months` months that end with that of `now`, oldest first, by this device's calendar. */
export function countMonths(
  lookUps: readonly LookUp[],
  now: number,
  months: number,
): readonly MonthCount[] {
  const last = new Date(now);
  const counted = Map.groupBy(lookUps, ({ statement }) => monthOf(new Date(statement.time)));
  return Array.from({ length: months }, (_, i) => {
    const first = new Date(last.getFullYear(), last.getMonth() - (months - 1 - i), 1);
    const found = counted.get(monthOf(first)) ?? [];
    const read = found.filter((each) => each.outcome === 'read').length;
    return {
      year: first.getFullYear(),
      month: first.getMonth(),
      read,
      other: found.length - read,
    };
  });
}

function monthOf(date: Date): string {
  return `${date.getFullYear()} ${date.getMonth()}`;
}
