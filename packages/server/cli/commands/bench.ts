import type { Command } from '../command.ts';
import { CliError } from '../errors.ts';
import { codeOf } from '../files.ts';

/** Where the measurements are; written apart from the server, which must not load them. */
const BENCH = new URL('../../../../bench/bench.ts', import.meta.url);

/** `amanat bench`: what this machine does. */
export const bench: Command = {
  usage: '[--quick] [--expiry]',
  about:
    'Measures disclosures a second, over HTTP with signatures and in process, there with no, one and four witnesses too, ' +
    'imported records a second, latencies and memory, on synthetic people in a folder of its own.',
  example: 'amanat bench --quick --json',
  options: {
    quick: { help: 'in less than a minute' },
    expiry: {
      help: 'instead: expiring a month and erasing a person, of 10,000,000 records (quick: 100,000)',
    },
  },
  words: [0, 0],
  async run(call) {
    const { runBench } = (await import(BENCH.href).catch((cause: unknown) => {
      if (codeOf(cause) !== 'ERR_MODULE_NOT_FOUND') throw cause;
      throw new CliError('failed', 'the measurements are not part of this installation', { cause });
    })) as { runBench: (options: BenchOptions) => Promise<{ [member: string]: unknown }> };
    const found = await runBench({
      quick: call.arguments.flag('quick'),
      expiry: call.arguments.flag('expiry'),
      signal: call.signal,
      say: call.say,
    });
    return {
      json: found,
      lines: Object.entries(found).map(([name, value]) => `${name.padEnd(44)} ${String(value)}`),
    };
  },
};

/** What the measurements are told. */
interface BenchOptions {
  readonly quick: boolean;
  readonly expiry: boolean;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}
