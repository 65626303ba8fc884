import { writeDocument } from '@amanat/core/grants';
import { parseAgency } from '../agency-file.ts';
import type { Command } from '../command.ts';
import {
  findHalfSigned,
  SIGNING_ABOUT,
  SIGNING_OPTIONS,
  signByAdministrators,
} from '../signing.ts';
import { nextVersion } from '../versions.ts';
import { readYamlFile } from '../yaml-file.ts';

/** `amanat agency add`: who may ask at all, and how much, by two administrators. */
export const agencyAdd: Command = {
  usage: 'FILE.yaml --as KEY [--as KEY]',
  about:
    'Enters an agency: its names, its contact for the people concerned, and how many subjects a day all its officers ' +
    `together may read, which no grant exceeds. Entering it again changes it. ${SIGNING_ABOUT}`,
  example: 'amanat agency add demo-police.yaml --as admin-a.pem --as admin-b.pem',
  options: SIGNING_OPTIONS,
  words: [1, 1],
  async run(call) {
    const path = call.arguments.word(0, 'FILE.yaml');
    const half = await findHalfSigned(path);
    const agency = half === null ? parseAgency(await readYamlFile(path)) : null;
    return signByAdministrators(call, 'agency', half, async (api) => {
      if (agency === null) throw new Error('a half-signed document is not made again');
      const version = await nextVersion(api, { kind: 'agency', id: agency.agency });
      return writeDocument<'agency'>({ type: 'agency', version, ...agency, time: call.now() });
    });
  },
};
