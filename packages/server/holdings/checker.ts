/** The most problems that one answer lists. */
const PROBLEMS_MAX = 50;
/** The longest piece of somebody's text that a problem repeats, in characters. */
const QUOTED_MAX = 60;

/** What kind of thing is wrong with a member of a document. */
export type ProblemCode =
  | 'unknown-member'
  | 'missing-member'
  | 'wrong-type'
  | 'bad-value'
  | 'duplicate'
  | 'unknown-term'
  | 'contradiction';

/** One thing wrong: where (`fields[2].title.ur`), what kind, and what is expected there. */
export interface Problem {
  readonly path: string;
  readonly code: ProblemCode;
  readonly expected: string;
}

/** A plain object while it is being read. */
export type Members = Readonly<Record<string, unknown>>;

/**
 * Reads untrusted plain data member by member and gathers every problem instead of stopping at the
 * first. A reader that meets a problem returns a harmless stand-in; the caller must look at
 * {@link problems} before it uses anything that was read.
 */
export class Checker {
  readonly #problems: Problem[] = [];

  /** What was wrong, at most {@link PROBLEMS_MAX} of them, in the order of reading. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /** Notes a problem. */
  report(path: string, code: ProblemCode, expected: string): void {
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push({ path, code, expected });
  }

  /** An object that has all of `required` and nothing beyond `required` and `optional`. */
  object(
    value: unknown,
    path: string,
    required: readonly string[],
    optional: readonly string[] = [],
  ): Members | null {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.report(path, 'wrong-type', `an object with ${required.join(', ')}`);
      return null;
    }
    for (const name of Object.keys(value).slice(0, PROBLEMS_MAX)) {
      if (!required.includes(name) && !optional.includes(name)) {
        const known = [...required, ...optional].join(', ');
        this.report(join(path, printSafely(name)), 'unknown-member', `one of ${known}`);
      }
    }
    for (const name of required) {
      if (!Object.hasOwn(value, name)) this.report(join(path, name), 'missing-member', 'a value');
    }
    return value as Members;
  }

  /** A string of 1 to `max` UTF-16 code units, without control characters, that matches `pattern`. */
  string(value: unknown, path: string, max: number, expected: string, pattern?: RegExp): string {
    if (value === undefined) return '';
    if (typeof value !== 'string') {
      this.report(path, 'wrong-type', expected);
      return '';
    }
    if (
      value === '' ||
      value.length > max ||
      hasControl(value) ||
      (pattern && !pattern.test(value))
    ) {
      this.report(path, 'bad-value', `${expected}, at most ${max} characters`);
      return '';
    }
    return value;
  }

  /** A whole number from `min` to `max`. */
  integer(value: unknown, path: string, min: number, max: number): number {
    if (value === undefined) return min;
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
      this.report(path, 'wrong-type', `a whole number from ${min} to ${max}`);
      return min;
    }
    if (value < min || value > max) {
      this.report(path, 'bad-value', `a whole number from ${min} to ${max}`);
      return min;
    }
    return value;
  }

  /** One of a few values, compared exactly. */
  oneOf<Choice extends string | boolean | null>(
    value: unknown,
    path: string,
    choices: readonly Choice[],
  ): Choice {
    const found = choices.find((choice) => choice === value);
    if (found !== undefined) return found;
    if (value !== undefined) this.report(path, 'bad-value', `one of ${choices.join(', ')}`);
    return choices[0] as Choice;
  }

  /** A list of `min` to `max` items without repeats, each read by `read`. */
  list<Item>(
    value: unknown,
    path: string,
    bounds: { readonly min: number; readonly max: number },
    read: (item: unknown, path: string) => Item,
    identity: (item: Item) => string = String,
  ): readonly Item[] {
    if (value === undefined) return [];
    if (!Array.isArray(value)) {
      this.report(path, 'wrong-type', 'a list');
      return [];
    }
    if (value.length < bounds.min || value.length > bounds.max) {
      this.report(path, 'bad-value', `a list of ${bounds.min} to ${bounds.max} items`);
    }
    const items: Item[] = [];
    const seen = new Set<string>();
    for (const [index, entry] of value.slice(0, bounds.max).entries()) {
      const at = `${path}[${index}]`;
      const before = this.#problems.length;
      const item = read(entry, at);
      if (this.#problems.length > before) continue;
      const name = identity(item);
      if (seen.has(name)) this.report(at, 'duplicate', 'each item once');
      seen.add(name);
      items.push(item);
    }
    return items;
  }
}

/** Joins a path and a member's name. */
export function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/** A name from somebody's file made fit to print: bounded, one line, no control characters, no long number. */
function printSafely(text: string): string {
  const short = text.length > QUOTED_MAX ? `${text.slice(0, QUOTED_MAX)}…` : text;
  return short.replace(unprintable, '?').replace(digitRun, '####');
}

/** Runs of digits, Urdu and Arabic ones too, that may be of somebody's identifier. */
const digitRun = /[\d\u0660-\u0669\u06f0-\u06f9]{4,}/g;

// Control, format (which includes the bidirectional overrides) and unassigned characters, and
// lone surrogates.
const unprintable = /[\p{Cc}\p{Cf}\p{Cn}\p{Cs}\u2028\u2029]/gu;

function hasControl(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return true;
  }
  return false;
}
