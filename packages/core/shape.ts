import type { Json, JsonObject } from './canonical.ts';
import { CoreError } from './errors.ts';

/**
 * A reader takes a JSON value and gives it back typed, or throws CoreError 'bad-document' naming
 * the member's path. Readers are strict: an unknown or missing member is refused.
 */
export type Reader<T> = (value: Json | undefined, path: string) => T;

/** The type that a reader gives. */
export type Read<R> = R extends Reader<infer T> ? T : never;

function refuse(path: string, expected: string): never {
  throw new CoreError('bad-document', `${path || 'document'}: expected ${expected}`);
}

/** A string of 1 to `max` UTF-16 units, matching `pattern` where one is given. */
export function text(max: number, pattern?: RegExp, expected = 'text'): Reader<string> {
  return (value, path) => {
    if (typeof value !== 'string' || value.length === 0 || value.length > max) {
      return refuse(path, `${expected} of 1 to ${max} characters`);
    }
    if (pattern !== undefined && !pattern.test(value)) return refuse(path, expected);
    return value;
  };
}

/** A lower-case name of letters, digits and hyphens, at most 64 long. */
export const slug: Reader<string> = text(64, /^[a-z0-9]+(?:[-_][a-z0-9]+)*$/, 'a lower-case name');

/** A string of exactly `bytes` bytes in lower-case hexadecimal. */
export function hexText(bytes: number): Reader<string> {
  return text(bytes * 2, new RegExp(`^[0-9a-f]{${bytes * 2}}$`), `${bytes} bytes in hexadecimal`);
}

const dateText = text(10, /^\d{4}-\d{2}-\d{2}$/, 'a date, YYYY-MM-DD');
const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Days of a month of the Gregorian calendar; 0 where there is no such month. */
function daysIn(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && isLeap ? 29 : (MONTH_DAYS[month - 1] ?? 0);
}

/** A calendar date that exists, `YYYY-MM-DD`. */
export const date: Reader<string> = (value, path) => {
  const day = dateText(value, path);
  const number = Number(day.slice(8));
  return number >= 1 && number <= daysIn(Number(day.slice(0, 4)), Number(day.slice(5, 7)))
    ? day
    : refuse(path, 'a date that exists');
};

/** A safe integer from `min` to `max`. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): Reader<number> {
  return (value, path) => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
      return refuse(path, `a whole number from ${min} to ${max}`);
    }
    return value;
  };
}

/** Milliseconds since 1970, until the year 9999. */
export const time: Reader<number> = integer(0, 253_402_300_799_999);

/** true or false. */
export const boolean: Reader<boolean> = (value, path) =>
  typeof value === 'boolean' ? value : refuse(path, 'true or false');

/** One of a closed list of strings. */
export function oneOf<const T extends string>(...options: readonly T[]): Reader<T> {
  return (value, path) => {
    const found = options.find((option) => option === value);
    return found ?? refuse(path, `one of ${options.join(', ')}`);
  };
}

/** null, or what `reader` reads. */
export function nullable<T>(reader: Reader<T>): Reader<T | null> {
  return (value, path) => (value === null ? null : reader(value, path));
}

/** A list of `min` to `max` items. */
export function list<T>(reader: Reader<T>, min: number, max: number): Reader<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value) || value.length < min || value.length > max) {
      return refuse(path, `a list of ${min} to ${max} items`);
    }
    return value.map((item: Json, index) => reader(item, `${path}[${index}]`));
  };
}

/** A list whose items differ. */
export function set(reader: Reader<string>, min: number, max: number): Reader<readonly string[]> {
  const items = list(reader, min, max);
  return (value, path) => {
    const found = items(value, path);
    if (new Set(found).size !== found.length) return refuse(path, 'a list without repetitions');
    return found;
  };
}

/** Letters, as the members of documents have them, and nothing that an identifier could be made of. */
const PLAIN_NAME = /^[A-Za-z][A-Za-z_-]{0,63}$/;

/** The name of a member that is not known, as far as a message may repeat it; else `?`. */
export function printableName(name: string): string {
  return PLAIN_NAME.test(name) ? name : '?';
}

/**
 * An object with exactly the members named: none missing, none more. What it gives has them in order, so that
 * writing it again as a document takes no sorting.
 */
export function object<S extends { readonly [name: string]: Reader<unknown> }>(
  members: S,
): Reader<{ readonly [K in keyof S]: Read<S[K]> }> {
  const names = Object.keys(members).sort();
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return refuse(path, 'an object');
    }
    const source = value as JsonObject;
    for (const name of Object.keys(source)) {
      if (!Object.hasOwn(members, name)) {
        const printed = printableName(name);
        return refuse(path ? `${path}.${printed}` : printed, 'no such member');
      }
    }
    const out: { [name: string]: unknown } = {};
    for (const name of names) {
      const reader = members[name] as Reader<unknown>;
      const member = Object.hasOwn(source, name) ? source[name] : undefined;
      out[name] = reader(member, path ? `${path}.${name}` : name);
    }
    return out as { readonly [K in keyof S]: Read<S[K]> };
  };
}

/** Months since year 0 of what begins with `YYYY-MM`, so that months compare, and are counted on, as numbers. */
export function monthNumber(month: string): number {
  return Number(month.slice(0, 4)) * 12 + Number(month.slice(5, 7)) - 1;
}

/** `YYYY-MM` of {@link monthNumber}. */
export function monthText(month: number): string {
  const year = String(Math.floor(month / 12)).padStart(4, '0');
  return `${year}-${String((month % 12) + 1).padStart(2, '0')}`;
}
