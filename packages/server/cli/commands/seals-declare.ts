import { writeDocument } from '@amanat/core/grants';
import type { Command } from '../command.ts';
import { parseSealRules } from '../seal-rules-file.ts';
import {
  findHalfSigned,
  SIGNING_ABOUT,
  SIGNING_OPTIONS,
  signByAdministrators,
} from '../signing.ts';
import { nextVersion } from '../versions.ts';
import { readYamlFile } from '../yaml-file.ts';

/** `amanat seals declare`: which look-ups may be withheld until a date, by two administrators. */
export const sealsDeclare: Command = {
  usage: 'FILE.yaml --as KEY [--as KEY]',
  about:
    'Puts rules in force by which an agency may have a look-up withheld from whom it is about, until a date: the grounds ' +
    'and their longest time, by the law of one jurisdiction, and how many each agency may have sealed at a time. Without ' +
    `rules nothing can be sealed. What is sealed already keeps its date. ${SIGNING_ABOUT}`,
  example: 'amanat seals declare seal-rules.yaml --as admin-a.pem --as admin-b.pem',
  options: SIGNING_OPTIONS,
  words: [1, 1],
  async run(call) {
    const path = call.arguments.word(0, 'FILE.yaml');
    const half = await findHalfSigned(path);
    const rules = half === null ? parseSealRules(await readYamlFile(path)) : null;
    return signByAdministrators(call, 'seal-rules', half, async (api) => {
      if (rules === null) throw new Error('a half-signed document is not made again');
      const version = await nextVersion(api, { kind: 'seal-rules' });
      return writeDocument<'seal-rules'>({
        type: 'seal-rules',
        version,
        ...rules,
        time: call.now(),
      });
    });
  },
};
