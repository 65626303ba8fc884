import assert from 'node:assert/strict';
import { inspect, isDeepStrictEqual } from 'node:util';
import { getHeapStatistics } from 'node:v8';
import fc from 'fast-check';

/** The longer form: SLOW=1 tries each parser so many times. */
const RUNS = process.env.SLOW === '1' ? 10_000 : 300;
/** The same inputs at every run, so that a failure is everybody's; FUZZ_SEED=… tries others. */
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_123);
/** Bytes that one input may make a parser hold, beside a multiple of what it was given. */
const HELD_BYTES_MAX = 24 * 1024 * 1024;
const HELD_MULTIPLE_MAX = 1_000;
/** CPU that one input may cost: whether a parser ends, not how quick it is. Every input here is worth milliseconds. */
const HANG_MS = 15_000;
const MESSAGE_LENGTH_MAX = 16_384;
const SHOWN_LENGTH_MAX = 2_000;
const MUTATIONS_MAX = 4;
const LARGE_LENGTH = 200_000;
/** Places of one value that are made large, in turn. */
const LARGE_PLACES = 8;

/** An identifier as people write one, which no name of ours can be; what is said of an input must never repeat it. */
export const PLANTED = '09876 5043210 9';

/** How inputs of a parser are made: any, and long ones. */
export interface Inputs<I> {
  readonly any: fc.Arbitrary<I>;
  readonly large: readonly I[];
}

/** One parser of the project, and what it owes to whatever comes. */
export interface Parser<I, T> {
  /** Its file from the root, and its name there. */
  readonly file: string;
  readonly name: string;
  readonly inputs: Inputs<I>;
  readonly parse: (input: I) => T | Promise<T>;
  /** Whether an error is one of those that it says it throws. Without it, it must never throw. */
  readonly throws?: (error: Error) => boolean;
  /** What it says where it gives a refusal back instead of throwing; null for a value. */
  readonly refusal?: (value: T) => string | null;
  /** The inverse, for a strict form: writing the value gives the very input. */
  readonly write?: (value: T, input: I) => I | null;
  /** The inverse, where a value has several forms: what it writes is read as the same value. */
  readonly rewrite?: (value: T, input: I) => I | null;
}

/** Closes over a parser's types, so that all stand in one table. */
export interface FuzzedParser {
  readonly file: string;
  readonly name: string;
  fuzz(): Promise<void>;
  strain(): Promise<void>;
}

/** Settings of a property that costs more than a parser: fewer inputs, the same seed. */
export function inputsSettings(numRuns: number) {
  const isSlow = process.env.SLOW === '1';
  return { seed: SEED, numRuns: isSlow ? numRuns * 20 : numRuns, endOnFailure: true };
}

export function parser<I, T>(each: Parser<I, T>): FuzzedParser {
  return {
    file: each.file,
    name: each.name,
    async fuzz() {
      let taken = 0;
      const property = fc.asyncProperty(each.inputs.any, async (input) => {
        const outcome = await judge(each, input);
        if (outcome === null) return;
        taken += 1;
        await judgeInverse(each, outcome.value, input);
      });
      await fc.assert(property, { seed: SEED, numRuns: RUNS, endOnFailure: true });
      // Inputs that are all refused would have tested the first check alone.
      assert.ok(taken > 0, `${each.name} took none of its inputs`);
    },
    async strain() {
      for (const input of each.inputs.large) await judge(each, input);
    },
  };
}

/** What the parser took the input for, or null. */
async function judge<I, T>(each: Parser<I, T>, input: I): Promise<{ readonly value: T } | null> {
  const heldBefore = heldBytes();
  const cpuBefore = process.cpuUsage();
  let outcome: { readonly value: T } | { readonly error: unknown };
  try {
    outcome = { value: await each.parse(input) };
  } catch (error) {
    outcome = { error };
  }
  const held = heldBytes() - heldBefore;
  const { user, system } = process.cpuUsage(cpuBefore);
  assert.ok((user + system) / 1_000 < HANG_MS, `${(user + system) / 1_000} ms of CPU`);
  const heldMax = HELD_BYTES_MAX + HELD_MULTIPLE_MAX * sizeOf(input);
  assert.ok(held < heldMax, `holds ${held} bytes for ${sizeOf(input)}`);
  if ('error' in outcome) {
    const { error } = outcome;
    assert.ok(error instanceof Error && each.throws?.(error) === true, described(error));
    requireDiscreet(error.message);
    return null;
  }
  const { value } = outcome;
  const refusal = each.refusal?.(value) ?? null;
  if (refusal !== null) {
    requireDiscreet(refusal);
    return null;
  }
  return { value };
}

async function judgeInverse<I, T>(each: Parser<I, T>, value: T, input: I): Promise<void> {
  const written = each.write?.(value, input) ?? null;
  if (written !== null) requireSame(written, input, 'is written otherwise');
  const again = each.rewrite?.(value, input) ?? null;
  if (again !== null) requireSame(await each.parse(again), value, 'is read otherwise again');
}

function requireSame(actual: unknown, expected: unknown, what: string): void {
  if (isDeepStrictEqual(plain(actual), plain(expected))) return;
  const shown = (value: unknown) => inspect(value, { depth: 4 }).slice(0, SHOWN_LENGTH_MAX);
  assert.fail(`${what}: ${shown(actual)}\nand not: ${shown(expected)}`);
}

/** What is said of an input goes into answers, lines and terminals. */
function requireDiscreet(message: string): void {
  assert.ok(!message.includes(PLANTED), `repeats what it was given: ${message}`);
  assert.ok(message.length <= MESSAGE_LENGTH_MAX, `says ${message.length} characters`);
  assert.doesNotMatch(message, /[\p{Cf}\p{Cs}]|(?!\n)\p{Cc}/u, 'says what cannot be printed');
}

function described(error: unknown): string {
  return error instanceof Error ? `threw ${error.stack ?? error.message}` : `threw ${error}`;
}

function heldBytes(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}

function sizeOf(input: unknown): number {
  if (typeof input === 'string' || input instanceof Uint8Array) return input.length;
  return ArrayBuffer.isView(input) ? input.byteLength : nodesOf(input);
}

/** Bytes compare as bytes, whichever class of the platform they are in. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (value instanceof Map) return [...value].map(plain);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]));
}

/** What one place of an input is changed to. All numbers are taken modulo whatever there is to choose from. */
interface Mutation {
  readonly kind: number;
  readonly at: number;
  readonly length: number;
  readonly pick: number;
}

const mutations: fc.Arbitrary<readonly Mutation[]> = fc.array(
  fc.record({
    kind: fc.nat(1_000),
    at: fc.nat(),
    length: fc.nat({ max: 80 }),
    pick: fc.nat(),
  }),
  { maxLength: MUTATIONS_MAX },
);

const TEXTS: readonly string[] = [
  PLANTED,
  '\0',
  '\u{feff}',
  '\ud800',
  '\udc00',
  '\u202e\u2066',
  '\u200f',
  '۰۱۲۳۴۵۶۷۸۹',
  '٠١٢',
  'پولیس',
  '\u{1f600}',
  '\n',
  '\n\n',
  '\r',
  '\r\n',
  '\u2028',
  '\u001b[31m',
  '"',
  '""',
  ',',
  ';',
  ':',
  '=',
  '+',
  '-',
  '—',
  ' ',
  '\t',
  '/',
  '../',
  '%00',
  '0',
  '-0',
  '1e308',
  '9007199254740993',
  '18446744073709551616',
  '99999999999999999999999999999999',
  '0.1',
  'NaN',
  'null',
  'true',
  '{}',
  '[]',
  '[['.repeat(50),
  '{"a":'.repeat(50),
  '__proto__',
  'constructor',
  '\\u0000',
  '\\',
  '&a ',
  '*a',
  '!!js ',
  'İ',
  'ﬀ',
  'a\u0301',
  'x'.repeat(300),
];

const BYTES: readonly Uint8Array[] = [
  ...TEXTS.map((text) => Buffer.from(text)),
  Buffer.alloc(1, 0xff),
  Buffer.alloc(4, 0xff),
  Buffer.alloc(8, 0xff),
  Buffer.alloc(8, 0),
  Buffer.from([0xff, 0xfe]),
  Buffer.from([0xfe, 0xff]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from([0xc0, 0x80]),
  Buffer.from([0x7f, 0xff, 0xff, 0xff]),
  Buffer.from([0, 0, 0, 1]),
];

const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  0.5,
  -0,
  1e308,
  2 ** 53 - 1,
  2 ** 53,
  '',
  PLANTED,
  ...TEXTS,
  'x'.repeat(70_000),
  '9999-99',
  '0000-01-01',
  [],
  [null],
  {},
  JSON.parse('{"__proto__":{"kind":"request"}}'),
  { toString: 1, length: 1 },
  nested(200),
];

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = [value];
  return value;
}

/** Bytes near valid ones, and any bytes. */
export function bytesLike(...valid: readonly Uint8Array[]): Inputs<Uint8Array> {
  const near = fc
    .tuple(fc.nat({ max: valid.length - 1 }), mutations)
    .map(([from, changes]) =>
      changes.reduce(
        (bytes, change) => mutateBytes(bytes, change, valid),
        valid[from] as Uint8Array,
      ),
    );
  const any = fc.uint8Array({ maxLength: 300 });
  const units = [...valid, ...[0, 0x20, 0x22, 0x2d, 0x0a, 0x5b, 0xff].map((b) => Buffer.of(b))];
  return {
    any: fc.oneof({ weight: 5, arbitrary: near }, { weight: 1, arbitrary: any }),
    large: units.map((unit) => repeated(unit)),
  };
}

function repeated(unit: Uint8Array): Uint8Array {
  const times = Math.ceil(LARGE_LENGTH / Math.max(1, unit.length));
  return Buffer.concat(Array.from({ length: times }, () => unit)).subarray(0, LARGE_LENGTH);
}

function mutateBytes(
  bytes: Uint8Array,
  { kind, at, length, pick }: Mutation,
  others: readonly Uint8Array[],
): Uint8Array {
  const place = at % (bytes.length + 1);
  const [before, after] = [bytes.subarray(0, place), bytes.subarray(place)];
  const nasty = BYTES[pick % BYTES.length] as Uint8Array;
  const other = others[pick % others.length] as Uint8Array;
  switch (kind % 8) {
    case 0: {
      const flipped = Uint8Array.from(bytes);
      if (place < bytes.length) flipped[place] = (bytes[place] as number) ^ (1 << (pick & 7));
      return flipped;
    }
    case 1: {
      const set = Uint8Array.from(bytes);
      if (place < bytes.length) set[place] = pick;
      return set;
    }
    case 2:
      return before;
    case 3:
      return Buffer.concat([before, after.subarray(0, length), after]);
    case 4:
      return Buffer.concat([before, after.subarray(length)]);
    case 5:
      return Buffer.concat([before, nasty, after]);
    case 6:
      return Buffer.concat([before, nasty, after.subarray(nasty.length)]);
    default:
      return Buffer.concat([before, other.subarray(pick % (other.length + 1))]);
  }
}

/** Texts near valid ones, and any texts. */
export function textLike(...valid: readonly string[]): Inputs<string> {
  const near = fc
    .tuple(fc.nat({ max: valid.length - 1 }), mutations)
    .map(([from, changes]) =>
      changes.reduce((text, change) => mutateText(text, change, valid), valid[from] as string),
    );
  const any = fc.string({ unit: 'binary', maxLength: 200 });
  const units = [...valid, '0', ' ', '"', '\n', '[', '{"a":', '-', '\u06f0', '\ud800'];
  return {
    any: fc.oneof({ weight: 5, arbitrary: near }, { weight: 1, arbitrary: any }),
    large: units
      .filter((unit) => unit.length > 0)
      .map((unit) => unit.repeat(Math.ceil(LARGE_LENGTH / unit.length)).slice(0, LARGE_LENGTH)),
  };
}

function mutateText(
  text: string,
  { kind, at, length, pick }: Mutation,
  others: readonly string[],
): string {
  const place = at % (text.length + 1);
  const [before, after] = [text.slice(0, place), text.slice(place)];
  const nasty = TEXTS[pick % TEXTS.length] as string;
  const other = others[pick % others.length] as string;
  switch (kind % 7) {
    case 0:
      return before + String.fromCharCode(pick % 0x10000) + after.slice(1);
    case 1:
      return before;
    case 2:
      return before + after.slice(0, length) + after;
    case 3:
      return before + after.slice(length);
    case 4:
      return before + nasty + after;
    case 5:
      return before + nasty + after.slice(nasty.length);
    default:
      return before + other.slice(pick % (other.length + 1));
  }
}

/** Values of JSON near valid ones, and any. */
export function jsonLike(...valid: readonly unknown[]): Inputs<unknown> {
  const near = fc
    .tuple(fc.nat({ max: valid.length - 1 }), mutations)
    .map(([from, changes]) => changes.reduce(mutateJson, valid[from]));
  const long = [
    'x'.repeat(LARGE_LENGTH),
    Array.from({ length: LARGE_LENGTH / 10 }, () => null),
    Object.fromEntries(Array.from({ length: LARGE_LENGTH / 10 }, (_, i) => [`m${i}`, i])),
    nested(2_000),
  ];
  return {
    any: fc.oneof({ weight: 5, arbitrary: near }, { weight: 1, arbitrary: fc.jsonValue() }),
    large: valid.slice(0, 2).flatMap((value) => {
      const nodes = nodesOf(value);
      const places = Array.from({ length: LARGE_PLACES }, (_, at) =>
        Math.floor((at * nodes) / LARGE_PLACES),
      );
      return [...new Set(places)].flatMap((place) =>
        long.map((each) => replaced(value, place, () => each)),
      );
    }),
  };
}

function mutateJson(value: unknown, { kind, at, length, pick }: Mutation): unknown {
  const nasty = VALUES[pick % VALUES.length];
  const name = TEXTS[pick % TEXTS.length] as string;
  return replaced(value, at % nodesOf(value), (node) => {
    switch (kind % 7) {
      case 0:
      case 1:
        return nasty;
      case 2:
        return Array.isArray(node) ? [...node, ...node] : [node];
      case 3:
        return typeof node === 'string'
          ? mutateText(node, { kind: pick, at: length, length, pick: at }, [node])
          : nasty;
      case 4:
        return typeof node === 'number' ? node + (pick % 3) - 1 : nasty;
      case 5:
        return isObject(node) ? own([...Object.entries(node), [name, nasty]]) : nasty;
      default: {
        if (Array.isArray(node)) return node.toSpliced(pick % (node.length + 1), 1);
        if (!isObject(node)) return nasty;
        const entries = Object.entries(node);
        return own(entries.toSpliced(pick % (entries.length + 1), 1));
      }
    }
  });
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `__proto__` is a member like any other, as where JSON is read. */
function own(entries: readonly (readonly [string, unknown])[]): object {
  return Object.fromEntries(entries);
}

function nodesOf(value: unknown): number {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return 1;
  let count = 1;
  for (const each of Object.values(value)) count += nodesOf(each);
  return count;
}

/** The value with its node of that place, counted from the root down, changed. */
function replaced(value: unknown, place: number, change: (node: unknown) => unknown): unknown {
  if (place === 0 || typeof value !== 'object' || value === null) return change(value);
  let left = place - 1;
  const entries = Object.entries(value).map(([name, each]): [string, unknown] => {
    const nodes = nodesOf(each);
    const isHere = left >= 0 && left < nodes;
    const next = isHere ? replaced(each, left, change) : each;
    left -= nodes;
    return [name, next];
  });
  return Array.isArray(value) ? entries.map(([, each]) => each) : own(entries);
}

/** Texts of JSON: of values near valid ones, written by `write`, and texts near valid texts. */
export function jsonTextLike(
  write: (value: unknown) => string | null,
  ...valid: readonly unknown[]
): Inputs<string> {
  const values = jsonLike(...valid);
  const texts = textLike(...valid.map((value) => write(value) as string));
  const written = (value: unknown) => write(value) ?? JSON.stringify(value);
  return {
    any: fc.oneof(values.any.map(written), texts.any),
    large: [...values.large.map(written), ...texts.large],
  };
}

/** The same inputs as bytes, with bytes near them. */
export function asBytes(inputs: Inputs<string>): Inputs<Uint8Array> {
  const encode = (text: string): Uint8Array => Buffer.from(text);
  const bent = fc.tuple(inputs.any, mutations).map(([text, changes]) => {
    const bytes = encode(text);
    return changes.slice(0, 1).reduce((all, change) => mutateBytes(all, change, [bytes]), bytes);
  });
  return { any: fc.oneof(inputs.any.map(encode), bent), large: inputs.large.map(encode) };
}

/** The same inputs without long ones, for a parser that reads by another that is strained. */
export function unstrained<I>({ any }: Inputs<I>): Inputs<I> {
  return { any, large: [] };
}

/** Other inputs made of these. */
export function mapped<I, J>(inputs: Inputs<I>, make: (input: I) => J): Inputs<J> {
  return { any: inputs.any.map(make), large: inputs.large.map(make) };
}
