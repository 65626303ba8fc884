import { writeDocument } from '@amanat/core/grants';
import type { Command } from '../command.ts';
import { wrongUsage } from '../errors.ts';
import {
  findHalfSigned,
  SIGNING_ABOUT,
  SIGNING_OPTIONS,
  signByAdministrators,
} from '../signing.ts';

const MONTH = /^\d{4}-(0[1-9]|1[0-2])$/;

/** `amanat expire`: a holding's month expires before it is over, by two administrators, after seven public days. */
export const expire: Command = {
  usage: 'HOLDING MONTH --as KEY [--as KEY] --reason TEXT',
  about:
    'Announces that what a holding keeps until a month expires early: seven days later the month’s key is destroyed, for ' +
    'good, and nothing of it can be read, wherever it is kept. A month that is over expires by itself. ' +
    `It is a public entry. ${SIGNING_ABOUT}`,
  example:
    'amanat expire sim-registrations 2031-01 --reason "not needed any more" --as admin-a.pem --as admin-b.pem',
  options: {
    ...SIGNING_OPTIONS,
    reason: { value: 'TEXT', help: 'why; the log is public, so that it names nobody' },
  },
  words: [1, 2],
  async run(call) {
    const word = call.arguments.word(0, 'HOLDING');
    const half = await findHalfSigned(word);
    return signByAdministrators(call, 'expiry-announced', half, async () => {
      const month = call.arguments.word(1, 'MONTH');
      if (!MONTH.test(month)) throw wrongUsage('MONTH is written YYYY-MM');
      return writeDocument<'expiry-announced'>({
        type: 'expiry-announced',
        holding: word,
        month,
        reason: call.arguments.required('reason'),
        time: call.now(),
      });
    });
  },
};
