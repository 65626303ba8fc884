import { SHARES_MAX } from '@amanat/core/keys';
import { CEREMONY_OPTIONS, CeremonyTable, readSheets } from '../ceremony.ts';
import type { Call, Command } from '../command.ts';
import { CliError } from '../errors.ts';

/** `amanat ceremony unseal`: custodians give their shares to a locked keeper. */
export const ceremonyUnseal: Command = {
  usage: '[SHEET…] [--keeper FOLDER]',
  about:
    'Gives shares to a locked keeper, which opens once there are enough. Each custodian may come with a call of their ' +
    'own, or all together. Shares are read from files, or five lines each from standard input, and go to the keeper ' +
    'alone: neither through the gateway nor into any file.',
  example: 'amanat ceremony unseal',
  options: CEREMONY_OPTIONS,
  words: [0, SHARES_MAX],
  async run(call) {
    await using table = await CeremonyTable.open(call);
    const given = await unseal(call, table, call.arguments.words);
    return {
      json: { isLocked: given !== null, given },
      lines: [
        given === null
          ? 'The keeper is open.'
          : `Taken. Given so far: ${given.join(', ')}; more are needed.`,
      ],
    };
  },
};

/** Gives shares until the keeper opens. Gives which it has, or null once it is open. */
export async function unseal(
  call: Call,
  table: CeremonyTable,
  sheets: readonly string[],
): Promise<readonly number[] | null> {
  let given: readonly number[] = [];
  for await (const share of readSheets(sheets, call.stdin)) {
    const answer = await table.give(share);
    if (answer.of !== 'present') {
      throw new CliError('refused', 'the share is not of the present root', {
        reason: 'another-ceremony',
        remedy: 'a new root’s shares are given back by amanat ceremony adopt',
      });
    }
    if (answer.isEnough) {
      await table.waitUntil(({ isLocked }) => !isLocked, call.signal);
      return null;
    }
    given = answer.given;
  }
  return given;
}
