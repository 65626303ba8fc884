import { parseArgs } from 'node:util';
import { wrongUsage } from './errors.ts';

/** One option of a command. */
export interface Option {
  /** What stands for its value in the help; absent for an option that is there or not. */
  readonly value?: string;
  readonly help: string;
  /** Whether it may be given more than once. */
  readonly many?: boolean;
}

export interface OptionSet {
  readonly [name: string]: Option;
}

/** Options that every command takes. */
export const GLOBAL_OPTIONS: OptionSet = {
  dir: { value: 'DIR', help: 'the instance (AMANAT_DIR, otherwise ./amanat-data)' },
  json: { help: 'print one JSON object on standard output' },
  help: { help: 'show this help' },
};

/** Words and options of a command line, checked against what the command takes. */
export class Arguments {
  readonly words: readonly string[];
  readonly #values: ReadonlyMap<string, readonly (string | true)[]>;

  constructor(words: readonly string[], values: ReadonlyMap<string, readonly (string | true)[]>) {
    this.words = words;
    this.#values = values;
  }

  /** Whether an option without a value was given. */
  flag(name: string): boolean {
    return this.#values.has(name);
  }

  /** Every value of an option. */
  texts(name: string): readonly string[] {
    return (this.#values.get(name) ?? []).filter((value) => value !== true);
  }

  /** An option's value, or null. */
  text(name: string): string | null {
    return this.texts(name)[0] ?? null;
  }

  /** An option's value. @throws CliError 'wrong-usage' where it is not given */
  required(name: string): string {
    return this.text(name) ?? missing(name);
  }

  /** Every value of an option that must be given. @throws CliError 'wrong-usage' */
  requiredTexts(name: string): readonly string[] {
    const found = this.texts(name);
    return found.length > 0 ? found : missing(name);
  }

  /** A whole number. @throws CliError 'wrong-usage' */
  integer(name: string, bounds: { min: number; max: number; otherwise: number }): number {
    const text = this.text(name);
    if (text === null) return bounds.otherwise;
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= bounds.min && value <= bounds.max)) {
      throw wrongUsage(`--${name} is a whole number from ${bounds.min} to ${bounds.max}`);
    }
    return value;
  }

  /** One of a closed list. @throws CliError 'wrong-usage' */
  choice<const T extends string>(name: string, choices: readonly T[], otherwise: T | null): T {
    const text = this.text(name);
    if (text === null) return otherwise ?? missing(name);
    const found = choices.find((choice) => choice === text);
    if (found === undefined) throw wrongUsage(`--${name} is one of ${choices.join(', ')}`);
    return found;
  }

  /** The nth word. @throws CliError 'wrong-usage' where it is not given */
  word(nth: number, what: string): string {
    const found = this.words[nth];
    if (found === undefined) throw wrongUsage(`${what} is missing`);
    return found;
  }
}

/** Parses a command's arguments strictly: what it does not know is refused. @throws CliError 'wrong-usage' */
export function parseArguments(argv: readonly string[], options: OptionSet): Arguments {
  const known = { ...GLOBAL_OPTIONS, ...options };
  const config = Object.fromEntries(
    Object.entries(known).map(([name, { value }]) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const), multiple: true },
    ]),
  );
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: [...argv], options: config, allowPositionals: true, strict: true });
  } catch (error) {
    throw wrongUsage(describe(error, Object.keys(known)));
  }
  const values = new Map<string, readonly (string | true)[]>();
  for (const [name, found] of Object.entries(parsed.values)) {
    const list = (Array.isArray(found) ? found : [found]) as readonly (string | true)[];
    if (list.length > 1 && known[name]?.many !== true && known[name]?.value !== undefined) {
      throw wrongUsage(`--${name} is given more than once`);
    }
    values.set(name, list);
  }
  return new Arguments(parsed.positionals, values);
}

/** Our words instead of the parser's, which repeat what was typed. */
function describe(error: unknown, known: readonly string[]): string {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    return `an option is not known here; known are ${known.map((name) => `--${name}`).join(', ')}`;
  }
  if (code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE') {
    return 'an option lacks its value, or has one where it takes none';
  }
  throw error;
}

function missing(name: string): never {
  throw wrongUsage(`--${name} is missing`);
}
