import { writeDocument } from '@amanat/core/grants';
import type { Command } from '../command.ts';
import { parseGrants } from '../grants-file.ts';
import {
  findHalfSigned,
  SIGNING_ABOUT,
  SIGNING_OPTIONS,
  signByAdministrators,
} from '../signing.ts';
import { nextVersion } from '../versions.ts';
import { readYamlFile } from '../yaml-file.ts';

/** `amanat grants declare`: who may read what, by two administrators. */
export const grantsDeclare: Command = {
  usage: 'FILE.yaml --as KEY [--as KEY]',
  about:
    'Puts a grants table in force in place of the last one. What no row permits is refused, and a row that forbids ' +
    `wins over every other. ${SIGNING_ABOUT}`,
  example: 'amanat grants declare grants.yaml --as admin-a.pem --as admin-b.pem',
  options: SIGNING_OPTIONS,
  words: [1, 1],
  async run(call) {
    const path = call.arguments.word(0, 'FILE.yaml');
    const half = await findHalfSigned(path);
    const table = half === null ? parseGrants(await readYamlFile(path)) : null;
    return signByAdministrators(call, 'grants', half, async (api) => {
      if (table === null) throw new Error('a half-signed document is not made again');
      const version = await nextVersion(api, { kind: 'grants' });
      return writeDocument<'grants'>({ type: 'grants', version, ...table, time: call.now() });
    });
  },
};
