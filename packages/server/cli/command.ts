import type { Arguments, OptionSet } from './options.ts';
import { GLOBAL_OPTIONS } from './options.ts';
import type { Progress, ProgressStream, Unit } from './progress.ts';

/** A JSON object as a command prints it. */
export interface Printed {
  readonly [member: string]: unknown;
}

/** What a command has to say: an object for `--json`, lines for people. */
export interface Outcome {
  /** null where everything has been said already. */
  readonly json: Printed | null;
  readonly lines: readonly string[];
  /** False where the command did its work and the finding is bad: exit 1. */
  readonly ok?: boolean;
}

/** A command's surroundings; tests give their own. */
export interface Surroundings {
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly stdout: ProgressStream;
  readonly stderr: ProgressStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Aborted at Ctrl-C. */
  readonly signal: AbortSignal;
}

/** One call of a command. */
export interface Call extends Surroundings {
  readonly arguments: Arguments;
  /** The instance's folder. */
  readonly dir: string;
  readonly json: boolean;
  progress(label: string, unit: Unit): Progress;
  /** A line for people, on standard error. */
  say(line: string): void;
}

/** A command: what its help says, and what it does. */
export interface Command {
  /** What follows its name. */
  readonly usage: string;
  /** What it does, in a sentence or a few. */
  readonly about: string;
  readonly example: string;
  readonly options: OptionSet;
  /** How many words it takes at least and at most. */
  readonly words: readonly [min: number, max: number];
  run(call: Call): Promise<Outcome>;
}

const WIDTH = 96;

/** A command's help. */
export function helpOf(name: string, command: Command): string {
  const own = optionLines(command.options);
  const common = optionLines(GLOBAL_OPTIONS);
  return [
    `amanat ${name} ${command.usage}`.trimEnd(),
    '',
    ...wrap(command.about),
    '',
    ...(own.length > 0 ? ['Options:', ...own, ''] : []),
    'Everywhere:',
    ...common,
    '',
    'Example:',
    ...command.example.split('\n').map((line) => `  ${line}`),
    '',
  ].join('\n');
}

function optionLines(options: OptionSet): string[] {
  return Object.entries(options).map(([name, { value, help, many }]) => {
    const left = `  --${name}${value === undefined ? '' : ` ${value}`}`;
    return `${left.padEnd(28)} ${help}${many === true ? ' (may be repeated)' : ''}`;
  });
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
