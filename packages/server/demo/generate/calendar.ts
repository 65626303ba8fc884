const DAY_MS = 86_400_000;
const DAY_FORM = /^\d{4}-\d{2}-\d{2}$/;

/** Days since 1970-01-01 of a date written YYYY-MM-DD; throws a RangeError unless that day exists. */
export function parseDay(text: string): number {
  const milliseconds = DAY_FORM.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  const day = milliseconds / DAY_MS;
  if (!Number.isInteger(day) || formatDay(day) !== text)
    throw new RangeError('not a date written yyyy-mm-dd');
  return day;
}

/** YYYY-MM-DD of a number of days since 1970-01-01. */
export function formatDay(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}
