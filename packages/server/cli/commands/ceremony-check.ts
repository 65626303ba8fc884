import { shareCommitment } from '@amanat/core/keys';
import { CEREMONY_OPTIONS, CeremonyTable, readShare, readSheets } from '../ceremony.ts';
import type { Command } from '../command.ts';
import { CliError } from '../errors.ts';

/** `amanat ceremony check`: whether a sheet is right, without giving it to anybody. */
export const ceremonyCheck: Command = {
  usage: '[SHEET] [--keeper FOLDER]',
  about:
    'Says of a share whose it is and whether it is right, by the commitments that the keeper holds. The share stays in ' +
    'this process. It is read from a file, or its five lines from standard input.',
  example: 'amanat ceremony check < share-2-of-3.txt',
  options: CEREMONY_OPTIONS,
  words: [0, 1],
  async run(call) {
    // Read first: the keeper serves one ceremony's command at a time, and typing takes its time.
    const { value: text } = await readSheets(call.arguments.words, call.stdin).next();
    const share = readShare(text ?? '');
    await using table = await CeremonyTable.open(call);
    const { present, drawn, rehearsal } = await table.status();
    const { ceremony, index, threshold, count } = share;
    const roots = { present, drawn, rehearsal };
    const [of] = (['present', 'drawn', 'rehearsal'] as const).filter(
      (each) => roots[each]?.shares?.ceremony === ceremony,
    );
    if (of === undefined) {
      throw new CliError('refused', `the share is of another ceremony: ${ceremony}`, {
        reason: 'another-ceremony',
        remedy: 'it is of an earlier root, or of another keeper',
      });
    }
    const isRight = roots[of]?.shares?.commitments[index - 1] === shareCommitment(share);
    share.value.fill(0);
    const whose = {
      present: 'the present root',
      drawn: 'the root that is drawn',
      rehearsal: 'a rehearsal',
    };
    return {
      json: { of, ceremony, index, threshold, count, isRight },
      lines: [
        isRight
          ? `Share ${index} of ${count} of ${whose[of]} is right; any ${threshold} open.`
          : `Share ${index} of ${count} of ${whose[of]} is not the one that was drawn.`,
      ],
      ok: isRight,
    };
  },
};
