import { existsSync } from 'node:fs';
import { SHARES_MAX } from '@amanat/core/keys';
import { instancePaths } from '../../config/paths.ts';
import { CEREMONY_OPTIONS, CeremonyTable, describeEntry, describeRoot } from '../ceremony.ts';
import type { Command } from '../command.ts';
import { openApi } from '../instance.ts';
import { adopt, keepLastPassphrase } from '../root-change.ts';

/** `amanat ceremony adopt`: the drawn root takes the present one's place, once it is entered and every sheet given back. */
export const ceremonyAdopt: Command = {
  usage: '[SHEET…] [--keeper FOLDER]',
  about:
    'Gives the sheets of a drawn root back to the keeper, every one of them, and has it adopt that root: all generations ' +
    'are put under it in one step, and the root before opens nothing any more. Two administrators have to have entered ' +
    'it. Of a root in a device or under a passphrase there are no sheets to give.',
  example: 'amanat ceremony adopt share-1-of-3.txt share-2-of-3.txt share-3-of-3.txt',
  options: {
    ...CEREMONY_OPTIONS,
    'passphrase-file': { value: 'FILE', help: 'of a root under a passphrase (the instance’s own)' },
  },
  words: [0, SHARES_MAX],
  async run(call) {
    await using _api = await openApi(call);
    await using table = await CeremonyTable.open(call);
    const { root, entry } = await adopt(call, table, call.arguments.words);
    const path = call.arguments.text('passphrase-file') ?? instancePaths(call.dir).passphrase;
    if (root.provider === 'passphrase' && existsSync(path)) await keepLastPassphrase(path);
    return {
      json: { root: root.root, entry },
      lines: [
        `Adopted: ${describeRoot(root)}`,
        ...(root.shares === null
          ? []
          : [
              `From the next start on the keeper waits for ${root.shares.threshold} of its sheets.`,
            ]),
        describeEntry(entry),
      ],
    };
  },
};
