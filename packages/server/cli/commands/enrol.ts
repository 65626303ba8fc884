import { writeDocument } from '@amanat/core/grants';
import type { Command } from '../command.ts';
import { CliError } from '../errors.ts';
import { readEnrolment } from '../keys.ts';
import {
  findHalfSigned,
  SIGNING_ABOUT,
  SIGNING_OPTIONS,
  signByAdministrators,
} from '../signing.ts';
import { nextVersion } from '../versions.ts';

const DAY_MS = 86_400_000;

/** `amanat enrol`: a certificate for a key, by two administrators. */
export const enrol: Command = {
  usage: 'REQUEST --as KEY [--as KEY] [--days N] [--subjects-per-day N]',
  about:
    'Certifies the key of an enrolment request: from then on its owner may sign in the role that the request names. ' +
    `Enrolling a key anew also ends a suspension. ${SIGNING_ABOUT}`,
  example: 'amanat enrol officer.pem.request.json --as admin-a.pem --as admin-b.pem',
  options: {
    ...SIGNING_OPTIONS,
    days: { value: 'N', help: 'how long the certificate is valid (365)' },
    'subjects-per-day': {
      value: 'N',
      help: 'subjects that this person may read in a day, whatever the grants allow (100)',
    },
  },
  words: [1, 1],
  async run(call) {
    const word = call.arguments.word(0, 'REQUEST');
    const half = await findHalfSigned(word);
    const days = call.arguments.integer('days', { min: 1, max: 3650, otherwise: 365 });
    const subjectsPerDay = call.arguments.integer('subjects-per-day', {
      min: 0,
      max: 1_000_000,
      otherwise: 100,
    });
    return signByAdministrators(call, 'certificate', half, async (api) => {
      const { key, parsed, role, person, agency, line } = await readEnrolment(word);
      if (role === 'administrator' || role === 'registrar') {
        throw new CliError('refused', `a key of the role ${role} is pinned at init, not enrolled`);
      }
      if (person === null || agency === null || line === null) {
        throw new CliError('failed', 'the request names no person, agency or line');
      }
      const now = call.now();
      return writeDocument<'certificate'>({
        type: 'certificate',
        key,
        version: await nextVersion(api, { kind: 'certificate', id: parsed.id }),
        person,
        agency,
        line,
        role,
        subjectsPerDay,
        notAfter: now + days * DAY_MS,
        time: now,
      });
    });
  },
};
