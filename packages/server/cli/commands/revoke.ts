import { writeDocument } from '@amanat/core/grants';
import type { Command } from '../command.ts';
import { CliError, wrongUsage } from '../errors.ts';
import {
  findHalfSigned,
  SIGNING_ABOUT,
  SIGNING_OPTIONS,
  signByAdministrators,
} from '../signing.ts';
import { nextVersion } from '../versions.ts';

const KEY_ID = /^[0-9a-f]{32}$/;

/** `amanat revoke`: a key's end, by two administrators, at once. */
export const revoke: Command = {
  usage: 'KEYID --as KEY [--as KEY] --reason TEXT',
  about: `Revokes a key: at once, and for every version of its certificate so far. ${SIGNING_ABOUT}`,
  example:
    'amanat revoke 5f0c7a94b1de2f6688d3a0c9e4b17f22 --reason "device lost" --as admin-a.pem --as admin-b.pem',
  options: {
    ...SIGNING_OPTIONS,
    reason: { value: 'TEXT', help: 'why; the log is public, so that it names nobody' },
  },
  words: [1, 1],
  async run(call) {
    const word = call.arguments.word(0, 'KEYID');
    const half = await findHalfSigned(word);
    if (half === null && !KEY_ID.test(word)) {
      throw wrongUsage('KEYID is the 32 digits that keygen printed, or a half-signed file');
    }
    return signByAdministrators(call, 'revocation', half, async (api) => {
      const version = (await nextVersion(api, { kind: 'certificate', id: word })) - 1;
      if (version === 0) {
        throw new CliError('refused', 'no key of this id was ever certified', {
          reason: 'unknown-key',
          remedy: 'check the id: keygen printed it',
        });
      }
      return writeDocument<'revocation'>({
        type: 'revocation',
        key: word,
        // What is in force now, and everything before it.
        version,
        reason: call.arguments.required('reason'),
        time: call.now(),
      });
    });
  },
};
