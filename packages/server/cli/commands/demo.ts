import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_PORT } from '../../config/config.ts';
import type { DemoResult, DemoTerms } from '../../demo/demo.ts';
import { PEOPLE_MAX } from '../../demo/generate/people.ts';
import { PEOPLE_MIN } from '../../demo/look-ups.ts';
import type { Call, Command, Outcome } from '../command.ts';
import { format } from '../progress.ts';

const PEOPLE = 10_000;
const SEED = 'amanat';

/** `amanat demo`: all of it, on synthetic people. */
export const demo: Command = {
  usage: '[--people N] [--once] [--port P] [--seed S]',
  about:
    'Shows all of Amanat on synthetic people: writes their files, imports them for three controllers, has the officers ' +
    'of three agencies look some of them up, and serves the pages: one person’s own page with her code, the register, ' +
    'the log, which four witnesses in a process of this machine cosign. It ends with Ctrl-C, and leaves nothing behind unless --dir is given. With --once it checks the log ' +
    'and ends by itself.',
  example: 'amanat demo --people 300 --once --json',
  options: {
    people: { value: 'N', help: `how many people (${PEOPLE})` },
    once: { help: 'do everything, check the log, and end' },
    port: {
      value: 'P',
      help: `port of the pages on 127.0.0.1 (${DEFAULT_PORT}, or another if it is taken)`,
    },
    seed: { value: 'S', help: 'other people for another word' },
  },
  words: [0, 0],
  async run(call) {
    const isOnce = call.arguments.flag('once');
    const people = call.arguments.integer('people', {
      min: PEOPLE_MIN,
      max: PEOPLE_MAX,
      otherwise: PEOPLE,
    });
    // Never the instance that the environment names: a demonstration is a new one.
    const given = call.arguments.text('dir');
    const dir = given === null ? mkdtempSync(join(tmpdir(), 'amanat-demo-')) : call.dir;
    const asked = call.arguments.text('port');
    const port =
      asked === null
        ? await findPort(isOnce)
        : call.arguments.integer('port', { min: 0, max: 65_535, otherwise: DEFAULT_PORT });
    const terms = { dir, people, port, seed: call.arguments.text('seed') ?? SEED };
    try {
      return await show(call, terms, { isOnce, isKept: given !== null });
    } finally {
      if (given === null) rmSync(dir, { recursive: true, force: true });
    }
  },
};

async function show(
  call: Call,
  terms: DemoTerms,
  { isOnce, isKept }: { readonly isOnce: boolean; readonly isKept: boolean },
): Promise<Outcome> {
  const { startDemo, verifyDemo } = await import('../../demo/demo.ts');
  const started = call.now();
  const { dir } = terms;
  await using running = await startDemo(terms, call);
  const { url, result } = running;
  if (isOnce) {
    const checked = await verifyDemo(dir, call);
    const seconds = (call.now() - started) / 1000;
    return {
      ok: checked.verified,
      json: { ...summarise(result), ...checked, seconds, banner: result.banner },
      lines: [
        ...describe(result),
        checked.verified
          ? `The log of ${format(checked.logSize)} leaves is verified, with the cosignatures of ` +
            `${checked.cosignatures} of its ${checked.witnesses} witnesses, and the store against it.`
          : 'The log, its cosignatures or the store are NOT VERIFIED.',
        `All in ${seconds.toFixed(1)} s.`,
      ],
    };
  }
  const seconds = (call.now() - started) / 1000;
  const open = [
    ...describe(result),
    ...whatToOpen(url, result, { seconds, dir, isKept }),
    result.banner,
  ];
  if (call.json) {
    call.stdout.write(
      `${JSON.stringify({ ...summarise(result), url, codes: result.codes, seconds })}\n`,
    );
  } else call.stdout.write(`${open.join('\n')}\n`);
  if (!call.signal.aborted) await once(call.signal, 'abort');
  return { json: null, lines: ['Stopped.'] };
}

function summarise({ people, imports, lookUps }: DemoResult) {
  const { refusals, ...counts } = lookUps;
  return {
    people,
    imports: imports.map(({ holding, rows, stored, unchanged, rejected, rowsPerSecond }) => ({
      holding,
      rows,
      stored,
      unchanged,
      rejected,
      rowsPerSecond,
    })),
    ...counts,
    refusals,
  };
}

function describe({ people, imports, lookUps }: DemoResult): string[] {
  const refused = Object.entries(lookUps.refusals);
  return [
    '',
    `${format(people)} synthetic people in three controllers’ holdings:`,
    ...imports.map(
      ({ holding, rows, stored, rejected, rowsPerSecond }) =>
        `  ${holding.padEnd(22)} ${format(rows)} rows, ${format(stored)} stored, ` +
        `${format(rejected)} rejected (${format(rowsPerSecond)} a second)`,
    ),
    `${format(lookUps.requests)} signed requests of three agencies:`,
    `  ${format(lookUps.disclosures)} disclosures, ${format(lookUps.misses)} about people not held`,
    `  ${format(lookUps.secondPersonAsked)} asked for a second person; ${format(lookUps.approved)} were approved`,
    ...refused.map(([code, count]) => `  ${format(count)} refused: ${code}`),
    '',
  ];
}

function whatToOpen(
  url: string,
  { codes }: DemoResult,
  { seconds, dir, isKept }: { seconds: number; dir: string; isKept: boolean },
): string[] {
  return [
    `Ready after ${seconds.toFixed(1)} s. Open:`,
    `  a person’s page  ${url}/`,
    `    her code:                   ${codes.protagonist}`,
    `    of one nobody looked up:    ${codes.quiet}`,
    `  the register     ${url}/register`,
    `  the log          ${url}/log`,
    '',
    `Everybody’s keys are in ${dir}/people, for amanat --dir ${dir} COMMAND.`,
    `Its witnesses are in ${dir}/witnesses, and run while it does, or amanat serve --dir ${dir}.`,
    isKept ? 'Ctrl-C ends it.' : 'Ctrl-C ends it and deletes that folder; --dir DIR keeps one.',
  ];
}

/** The usual port if it is free, or any; with --once nobody opens the pages, and any will do. */
async function findPort(isOnce: boolean): Promise<number> {
  if (isOnce) return 0;
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(0));
    probe.listen(DEFAULT_PORT, '127.0.0.1', () => probe.close(() => resolve(DEFAULT_PORT)));
  });
}
