import { resolve } from 'node:path';
import { base64 } from '@amanat/core/bytes';
import { mirrorLog, sourceAt } from '../../audit/audit.ts';
import { ConfigError } from '../../config/config.ts';
import type { Command } from '../command.ts';
import { CliError } from '../errors.ts';
import { describeFindings, LOG_OPTIONS, readLogKey, readPlace } from '../log-place.ts';
import { format } from '../progress.ts';

/** `amanat mirror`: a copy of a log that anyone may serve. */
export const mirror: Command = {
  usage: 'URL|FOLDER COPY --key VKEY|--keys FILE [--repair]',
  about:
    'Keeps an exact copy of a log’s files in a folder, which any web server may serve and amanat audit may check. ' +
    'Everything is verified; the checkpoint is put in place last, once all of its tree is there, and a run that was ' +
    'interrupted goes on where it was. A log that has forked or shrunk since is refused, and the copy stays as it is. ' +
    'Exits with 1 where anything is wrong.',
  example: 'amanat mirror https://log.example.org/ ./mirror --key "$VKEY"',
  options: {
    ...LOG_OPTIONS,
    repair: { help: 'look at every file of the copy, and fetch what is missing or wrong' },
  },
  words: [2, 2],
  async run(call) {
    const place = readPlace(call.arguments.word(0, 'URL|FOLDER'));
    const directory = resolve(call.arguments.word(1, 'COPY'));
    const key = await readLogKey(call.arguments);
    const progress = call.progress('mirroring', 'leaves');
    const { findings, checkpoint, oldSize, fetched } = await mirrorLog({
      source: sourceAt(place, call.signal),
      directory,
      key,
      repair: call.arguments.flag('repair'),
      onLeaves: (leaves, size) => progress.at(leaves, size),
      signal: call.signal,
    }).catch(toCliError);
    progress.end((checkpoint?.size ?? oldSize) - oldSize);
    const ok = findings.length === 0;
    const size = ok ? (checkpoint?.size ?? oldSize) : oldSize;
    return {
      ok,
      json: {
        mirrored: ok,
        origin: key.name,
        size,
        oldSize,
        offeredSize: checkpoint?.size ?? null,
        root: checkpoint === null ? null : base64(checkpoint.root),
        fetched,
        findings,
      },
      lines: [
        ...describeFindings(findings),
        ok
          ? `Mirrored ${key.name}: ${format(size)} leaves, ${format(fetched)} files fetched.`
          : `NOT MIRRORED: the copy stays at ${format(size)} leaves.`,
      ],
    };
  },
};

function toCliError(cause: unknown): never {
  const isHeld = cause instanceof ConfigError && cause.code === 'already-served';
  if (!isHeld) throw cause;
  throw new CliError('refused', 'another process brings this copy up to date', {
    cause,
    reason: 'already-mirrored',
  });
}
