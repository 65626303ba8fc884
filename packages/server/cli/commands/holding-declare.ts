import { writeDocument } from '@amanat/core/grants';
import type { Command } from '../command.ts';
import { readDeclaration } from '../declaration-file.ts';
import { readBytes } from '../files.ts';
import {
  findHalfSigned,
  SIGNING_ABOUT,
  SIGNING_OPTIONS,
  signByAdministrators,
} from '../signing.ts';
import { nextVersion } from '../versions.ts';

/** `amanat holding declare`: what is kept, why, for how long, by two administrators. */
export const holdingDeclare: Command = {
  usage: 'FILE.yaml --as KEY [--as KEY]',
  about:
    'Declares a holding: controller, purposes, legal bases, fields, recipients, retention. The declaration is a public ' +
    `entry; what it does not name is refused. Its version is the log’s next, whatever the file says. ${SIGNING_ABOUT}`,
  example: 'amanat holding declare sim-registrations.yaml --as admin-a.pem --as admin-b.pem',
  options: SIGNING_OPTIONS,
  words: [1, 1],
  async run(call) {
    const path = call.arguments.word(0, 'FILE.yaml');
    const half = await findHalfSigned(path);
    const holding = half === null ? readDeclaration(await readBytes(path)) : null;
    return signByAdministrators(call, 'declaration', half, async (api) => {
      if (holding === null) throw new Error('a half-signed document is not made again');
      const version = await nextVersion(api, { kind: 'declaration', id: holding.holding });
      return writeDocument<'declaration'>({ ...holding, version });
    });
  },
};
