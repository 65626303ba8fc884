import type { TextValue, ValueCode } from './codes.ts';
import { toAsciiDigits } from './identifiers.ts';

/** The years in which a date is believed. */
const YEAR_MIN = 1850;
const YEAR_MAX = 2199;
/** The longest text that is looked at as a date or time, in characters. */
const DATE_CHARS_MAX = 40;

const isoDate = /^(\d{4})-(\d{2})-(\d{2})$/;
const localDate = /^(\d{1,2})([-/])(\d{1,2})\2(\d{4})$/;
const clock = /^(\d{2}):(\d{2})(?::(\d{2})(?:[.,]\d{1,9})?)?\s?(Z|z|[+-]\d{2}(?::?\d{2})?)?$/;
const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * A date as `YYYY-MM-DD`, `DD-MM-YYYY` or `DD/MM/YYYY` (days first, always), normalised to the
 * first. Urdu digits are read. A date that the calendar does not have is refused.
 */
export function parseDate(raw: string): TextValue | ValueCode {
  if (raw.length > DATE_CHARS_MAX) return 'bad-date';
  const text = toAsciiDigits(raw.trim());
  const day = readDay(text);
  if (typeof day === 'string') return day;
  const normalised = writeDay(day);
  return { recorded: raw, normalised };
}

/**
 * A date and a time of day, normalised to `YYYY-MM-DDTHH:MM:SSZ`. Minutes are required; seconds
 * may follow, and fractions of them are read but not kept in the normalised form. Without an
 * offset the time is one of Pakistan.
 */
export function parseDateTime(raw: string): TextValue | ValueCode {
  if (raw.length > DATE_CHARS_MAX) return 'bad-time';
  const text = toAsciiDigits(raw.trim());
  const split = text.search(/[T\s]/);
  if (split === -1) return 'bad-time';
  const day = readDay(text.slice(0, split));
  if (typeof day === 'string') return day;
  const parts = clock.exec(text.slice(split + 1).trimStart());
  if (parts === null) return 'bad-time';
  const [hours, minutes, seconds] = [Number(parts[1]), Number(parts[2]), Number(parts[3] ?? 0)];
  if (hours > 23 || minutes > 59 || seconds > 59) return 'no-such-time';
  const wallMs = Date.UTC(day.year, day.month - 1, day.day, hours, minutes, seconds);
  const offsetMinutes = readOffset(parts[4], wallMs);
  if (offsetMinutes === null) return 'no-such-time';
  const instant = new Date(wallMs - offsetMinutes * 60_000);
  return { recorded: raw, normalised: `${instant.toISOString().slice(0, 19)}Z` };
}

interface Day {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

function readDay(text: string): Day | ValueCode {
  let parts = isoDate.exec(text);
  let day: Day;
  if (parts !== null) {
    day = { year: Number(parts[1]), month: Number(parts[2]), day: Number(parts[3]) };
  } else {
    parts = localDate.exec(text);
    if (parts === null) return 'bad-date';
    day = { year: Number(parts[4]), month: Number(parts[3]), day: Number(parts[1]) };
  }
  if (day.year < YEAR_MIN || day.year > YEAR_MAX) return 'no-such-date';
  let last = monthDays[day.month - 1];
  if (last === undefined) return 'no-such-date';
  if (day.month === 2 && isLeap(day.year)) last = 29;
  if (day.day < 1 || day.day > last) return 'no-such-date';
  return day;
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function writeDay({ year, month, day }: Day): string {
  return `${year}-${month < 10 ? '0' : ''}${month}-${day < 10 ? '0' : ''}${day}`;
}

/** Minutes east of UTC; null where the offset is none that a zone can have. */
function readOffset(text: string | undefined, wallMs: number): number | null {
  if (text === undefined) return pakistanOffset(wallMs);
  if (text === 'Z' || text === 'z') return 0;
  const hours = Number(text.slice(1, 3));
  const minutes = text.length > 3 ? Number(text.slice(-2)) : 0;
  const total = hours * 60 + minutes;
  if (minutes > 59 || total > 14 * 60) return null;
  return text.startsWith('-') ? -total : total;
}

// Asia/Karachi has been five hours east since 1951, and six in three summers (IANA time zone
// database). Bounds are wall times, end excluded; the hour that occurs twice is read as standard
// time and the one that does not occur as summer time.
const summers: readonly (readonly [number, number])[] = [
  [Date.UTC(2002, 3, 7, 0), Date.UTC(2002, 9, 5, 23)],
  [Date.UTC(2008, 5, 1, 0), Date.UTC(2008, 9, 31, 23)],
  [Date.UTC(2009, 3, 15, 0), Date.UTC(2009, 9, 31, 23)],
];

function pakistanOffset(wallMs: number): number {
  for (const [from, until] of summers) if (wallMs >= from && wallMs < until) return 360;
  return 300;
}
