import { resolve } from 'node:path';
import type { Call, Command, Outcome, Surroundings } from './command.ts';
import { helpOf } from './command.ts';
import { CliError, wrongUsage } from './errors.ts';
import { refuseIdentifiers } from './identifiers.ts';
import { parseArguments } from './options.ts';
import { Progress } from './progress.ts';
import { COMMANDS, overview } from './table.ts';

/** Exit codes: done, refused or failed, wrong usage. */
export const EXIT = { done: 0, refused: 1, usage: 2 } as const;
export type Exit = (typeof EXIT)[keyof typeof EXIT];

/**
 * Runs one command line and gives its exit code. What is asked for goes to standard output, all else to standard
 * error. Throws nothing that a user could cause.
 */
export async function runCli(argv: readonly string[], around: Surroundings): Promise<Exit> {
  const json = argv.includes('--json');
  try {
    refuseIdentifiers(argv);
    return await dispatch(argv, around);
  } catch (error) {
    return report(error, { ...around, json });
  }
}

async function dispatch(argv: readonly string[], around: Surroundings): Promise<Exit> {
  const { leading, name, rest } = findCommand(argv);
  const wantsHelp = argv.includes('--help') || argv.includes('-h');
  if (name === null) {
    const [unknown] = argv.filter((argument) => !argument.startsWith('-'));
    if (unknown !== undefined && !wantsHelp) {
      throw wrongUsage('there is no such command; amanat --help lists them');
    }
    (wantsHelp ? around.stdout : around.stderr).write(overview());
    return wantsHelp ? EXIT.done : EXIT.usage;
  }
  const entry = COMMANDS.get(name);
  if (entry === undefined) throw new Error('a command is named that the table does not have');
  const command = await entry.load();
  if (wantsHelp) {
    around.stdout.write(helpOf(name, command));
    return EXIT.done;
  }
  const call = toCall([...leading, ...rest], command, around);
  const outcome = await command.run(call);
  print(outcome, call);
  return outcome.ok === false ? EXIT.refused : EXIT.done;
}

/** The command's one or two words may come after options that every command takes. */
function findCommand(argv: readonly string[]): {
  leading: readonly string[];
  name: string | null;
  rest: readonly string[];
} {
  let at = 0;
  while (argv[at]?.startsWith('-') === true) at += argv[at] === '--dir' ? 2 : 1;
  const one = argv[at] ?? '';
  const two = `${one} ${argv[at + 1] ?? ''}`;
  const leading = argv.slice(0, at);
  if (COMMANDS.has(two)) return { leading, name: two, rest: argv.slice(at + 2) };
  if (COMMANDS.has(one)) return { leading, name: one, rest: argv.slice(at + 1) };
  return { leading, name: null, rest: [] };
}

function toCall(argv: readonly string[], command: Command, around: Surroundings): Call {
  const parsed = parseArguments(argv, command.options);
  const [min, max] = command.words;
  if (parsed.words.length < min) throw wrongUsage(`too little is given: ${command.usage}`);
  if (parsed.words.length > max) throw wrongUsage(`too much is given: ${command.usage}`);
  return {
    ...around,
    arguments: parsed,
    dir: resolve(parsed.text('dir') ?? around.env.AMANAT_DIR ?? 'amanat-data'),
    json: parsed.flag('json'),
    progress: (label, unit) => new Progress(around.stderr, { label, unit, now: around.now }),
    say: (line) => void around.stderr.write(`${line}\n`),
  };
}

function print(outcome: Outcome, call: Call): void {
  if (call.json) {
    if (outcome.json !== null) call.stdout.write(`${JSON.stringify(outcome.json)}\n`);
  } else if (outcome.lines.length > 0) call.stdout.write(`${outcome.lines.join('\n')}\n`);
}

function report(error: unknown, around: Surroundings & { readonly json: boolean }): Exit {
  const known = error instanceof CliError ? error : asFailure(error);
  if (around.json) {
    const { code, message, reason, rule, remedy } = known;
    around.stdout.write(`${JSON.stringify({ error: { code, message, reason, rule, remedy } })}\n`);
  }
  const lines = [`amanat: ${known.message}`];
  if (known.rule !== null) lines.push(`  rule: ${known.rule}`);
  if (known.remedy !== null) lines.push(`  what to do: ${known.remedy}`);
  if (known.code === 'wrong-usage') lines.push('  amanat COMMAND --help says how');
  around.stderr.write(`${lines.join('\n')}\n`);
  return known.code === 'wrong-usage' ? EXIT.usage : EXIT.refused;
}

/** A message of our own packages is fit to be shown; anything else is a fault of ours, shown for a report. */
function asFailure(error: unknown): CliError {
  if (!(error instanceof Error))
    return new CliError('failed', 'something failed', { cause: error });
  if (error.name === 'AbortError') return new CliError('interrupted', 'stopped');
  return new CliError('failed', error.message, { cause: error, reason: error.name });
}
