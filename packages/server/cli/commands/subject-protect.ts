import { randomBytes } from 'node:crypto';
import { hex } from '@amanat/core/bytes';
import { writeDocument } from '@amanat/core/grants';
import type { Command } from '../command.ts';
import { onePersonOf } from '../one-person.ts';
import { SIGNING_ABOUT, SIGNING_OPTIONS, signByAdministrators } from '../signing.ts';

/** `amanat subject protect`: a second person for every look-up of somebody, by two administrators. */
export const subjectProtect: Command = {
  usage: '[HALF.json] --as KEY [--as KEY] --reason TEXT [--from FILE] [--end]',
  about:
    'Puts a person under protection at every controller: from then on each request about her takes a second person. ' +
    'Her identifier comes from standard input, as cnic:NUMBER or msisdn:NUMBER. A half-signed file holds it too, and ' +
    `is valid for five minutes. ${SIGNING_ABOUT}`,
  example:
    'amanat subject protect --reason "threatened witness" --as admin-a.pem --as admin-b.pem < person.txt',
  options: {
    ...SIGNING_OPTIONS,
    reason: { value: 'TEXT', help: 'why' },
    from: { value: 'FILE', help: 'where the identifier stands (-, standard input)' },
    end: { help: 'end the protection' },
  },
  words: [0, 1],
  async run(call) {
    const person = await onePersonOf(call, 'protected');
    return signByAdministrators(call, 'protection', person.half, async (api) => {
      const identifier = await person.identify(api);
      return writeDocument<'protection'>({
        type: 'protection',
        identifier,
        protected: !call.arguments.flag('end'),
        reason: call.arguments.required('reason'),
        nonce: hex(randomBytes(16)),
        time: call.now(),
      });
    });
  },
};
