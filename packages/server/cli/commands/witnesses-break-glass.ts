import { randomBytes } from 'node:crypto';
import { hex } from '@amanat/core/bytes';
import { writeDocument } from '@amanat/core/grants';
import type { Command } from '../command.ts';
import { wrongUsage } from '../errors.ts';
import {
  findHalfSigned,
  SIGNING_ABOUT,
  SIGNING_OPTIONS,
  signByAdministrators,
} from '../signing.ts';

const NONCE_BYTES = 16;
const HOUR_MS = 3_600_000;
const HOURS_MAX = 24;

/** `amanat witnesses break-glass`: for a time a smaller quorum does, by two administrators, in public. */
export const witnessesBreakGlass: Command = {
  usage: '[HALF.json] --as KEY [--as KEY] --reason TEXT --hours N',
  about:
    'While the quorum of witnesses is out of reach nothing is read. This has the smaller quorum of the witnesses’ ' +
    'document do for some hours, for so many releases as it says, and then no more until the full quorum has covered ' +
    `them. It is a public entry, at once. ${SIGNING_ABOUT}`,
  example:
    'amanat witnesses break-glass --reason "two witnesses are out of reach" --hours 4 --as admin-a.pem --as admin-b.pem',
  options: {
    ...SIGNING_OPTIONS,
    reason: { value: 'TEXT', help: 'why; the log is public, so that it names nobody' },
    hours: { value: 'N', help: 'for how long, up to 24' },
  },
  words: [0, 1],
  async run(call) {
    const half = await findHalfSigned(call.arguments.words[0]);
    return signByAdministrators(call, 'broken-glass', half, async () => {
      const hours = Number(call.arguments.required('hours'));
      if (!Number.isInteger(hours) || hours < 1 || hours > HOURS_MAX) {
        throw wrongUsage('--hours is a whole number from 1 to 24');
      }
      return writeDocument<'broken-glass'>({
        type: 'broken-glass',
        reason: call.arguments.required('reason'),
        until: call.now() + hours * HOUR_MS,
        nonce: hex(randomBytes(NONCE_BYTES)),
        time: call.now(),
      });
    });
  },
};
