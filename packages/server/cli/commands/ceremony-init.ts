import { CEREMONY_OPTIONS, CeremonyTable, SHARES_OPTIONS } from '../ceremony.ts';
import type { Command } from '../command.ts';
import { CliError } from '../errors.ts';
import { openApi } from '../instance.ts';
import { changeToShares, rehearse } from '../root-change.ts';
import {
  findHalfSigned,
  SIGNING_ABOUT,
  SIGNING_OPTIONS,
  signByAdministrators,
} from '../signing.ts';

/** `amanat ceremony init`: the root's key among custodians instead of under a passphrase. */
export const ceremonyInit: Command = {
  usage:
    '[HALF.json] --sheets FOLDER --reason TEXT --as KEY [--as KEY] | --rehearse --sheets FOLDER',
  about:
    'Draws a root key whose shares are given to custodians, writes their sheets, and has the keeper adopt it once two ' +
    'administrators have entered it and every sheet was read back. From then on the keeper starts locked, until enough ' +
    `custodians unseal it. With --rehearse all of it is done with a throw-away key. ${SIGNING_ABOUT}`,
  example:
    'amanat ceremony init --rehearse --sheets /run/amanat-rehearsal\n' +
    'amanat ceremony init --sheets /run/amanat-sheets --reason "first custodians" --as admin-a.pem --as admin-b.pem',
  options: {
    ...SIGNING_OPTIONS,
    ...CEREMONY_OPTIONS,
    ...SHARES_OPTIONS,
    reason: { value: 'TEXT', help: 'why; the log is public, so that it names nobody' },
    rehearse: { help: 'with a throw-away key: nothing is changed' },
  },
  words: [0, 1],
  async run(call) {
    const half = await findHalfSigned(call.arguments.words[0]);
    // Held, so that one keeper lives through all of it.
    await using _api = await openApi(call);
    if (half !== null) return await completeRoot(call, half);
    await using table = await CeremonyTable.open(call);
    if (call.arguments.flag('rehearse')) return await rehearse(call, table);
    if ((await table.status()).present.provider === 'shares') {
      throw new CliError('refused', 'the root is among custodians already', {
        reason: 'not-first',
        remedy: 'new shares are made by amanat ceremony rotate --root, or recover',
      });
    }
    return await changeToShares(call, table);
  },
};

/** Has the second administrator complete what the first has signed of a root. */
export async function completeRoot(call: Parameters<Command['run']>[0], half: string) {
  const outcome = await signByAdministrators(call, 'root-rotation', half, async () => {
    throw new Error('a half-signed document is there already');
  });
  const next = 'The root is adopted by amanat ceremony adopt, with every sheet of it.';
  return { ...outcome, lines: [...outcome.lines, next] };
}
