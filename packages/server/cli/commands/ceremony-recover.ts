import { SHARES_MAX } from '@amanat/core/keys';
import { CEREMONY_OPTIONS, CeremonyTable, SHARES_OPTIONS } from '../ceremony.ts';
import type { Api } from '../client.ts';
import type { Command } from '../command.ts';
import { CliError } from '../errors.ts';
import { openApi } from '../instance.ts';
import { changeToShares } from '../root-change.ts';
import { SIGNING_ABOUT, SIGNING_OPTIONS } from '../signing.ts';
import { unseal } from './ceremony-unseal.ts';

const LOOK_MS = 200;
const LOOKS_MAX = 150;

/** `amanat ceremony recover`: from enough of the old shares to new ones, for new custodians. */
export const ceremonyRecover: Command = {
  usage: '[SHEET…] --sheets FOLDER --reason TEXT --as KEY [--as KEY]',
  about:
    'Where custodians or their sheets are lost, and enough of them are left: unseals the keeper with theirs, draws another ' +
    'root with new shares, and has the keeper adopt it. The old sheets open nothing of this keeper any more; they still ' +
    `open backups of it from before. ${SIGNING_ABOUT}`,
  example:
    'amanat ceremony recover share-1-of-3.txt share-3-of-3.txt --sheets /run/amanat-sheets \\\n' +
    '  --reason "a sheet is lost" --as admin-a.pem --as admin-b.pem',
  options: {
    ...SIGNING_OPTIONS,
    ...CEREMONY_OPTIONS,
    ...SHARES_OPTIONS,
    reason: { value: 'TEXT', help: 'why; the log is public, so that it names nobody' },
  },
  words: [0, SHARES_MAX],
  async run(call) {
    await using api = await openApi(call);
    await using table = await CeremonyTable.open(call);
    if ((await table.status()).isLocked) {
      const given = await unseal(call, table, call.arguments.words);
      if (given !== null) {
        throw new CliError('refused', `more shares are needed; given so far: ${given.join(', ')}`, {
          reason: 'shares-missing',
        });
      }
    }
    await waitForLog(api);
    return await changeToShares(call, table);
  },
};

/** The gateway finds by itself that the keeper is open. @throws CliError */
async function waitForLog(api: Api): Promise<void> {
  for (let looks = 0; ; looks++) {
    try {
      await api.get('/v1/health');
      return;
    } catch (error) {
      if (looks >= LOOKS_MAX) throw error;
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
  }
}
