import { randomBytes } from 'node:crypto';
import { hex } from '@amanat/core/bytes';
import { writeDocument } from '@amanat/core/grants';
import type { Command } from '../command.ts';
import { onePersonOf } from '../one-person.ts';
import { saveShredProof } from '../shred-words.ts';
import { SIGNING_ABOUT, SIGNING_OPTIONS, signByAdministrators } from '../signing.ts';

/** `amanat subject erase`: the key of somebody's records at one controller is destroyed, by two administrators. */
export const subjectErase: Command = {
  usage:
    '[HALF.json] --as KEY [--as KEY] --controller ID --reason TEXT [--from FILE] [--save FILE]',
  about:
    'Erases a person at one controller, for good: the key of her records is destroyed, so that they are unreadable ' +
    'wherever they are kept, backups of the store included. Her history stays, and shows it. Her identifier comes from ' +
    `standard input, as cnic:NUMBER or msisdn:NUMBER. A half-signed file holds it too. ${SIGNING_ABOUT}`,
  example:
    'amanat subject erase --controller demo-telecom --reason "her wish" --as admin-a.pem --as admin-b.pem < person.txt',
  options: {
    ...SIGNING_OPTIONS,
    controller: { value: 'ID', help: 'whose holdings are to forget her' },
    reason: { value: 'TEXT', help: 'the ground; it is sealed into her history' },
    from: { value: 'FILE', help: 'where the identifier stands (-, standard input)' },
    save: { value: 'FILE', help: 'save the certificate’s proof, for amanat verify-proof' },
  },
  words: [0, 1],
  async run(call) {
    const person = await onePersonOf(call, 'erased');
    const save = call.arguments.text('save');
    return signByAdministrators(
      call,
      'erasure',
      person.half,
      async (api) => {
        const identifier = await person.identify(api);
        return writeDocument<'erasure'>({
          type: 'erasure',
          controller: call.arguments.required('controller'),
          identifier,
          reason: call.arguments.required('reason'),
          nonce: hex(randomBytes(16)),
          time: call.now(),
        });
      },
      async (api, index) => [
        ...(save === null
          ? [`Its certificate: amanat shredded ${index} --save FILE`]
          : await saveShredProof(api, index, save, call.now())),
        ...(person.half === null
          ? []
          : ['Delete the half-signed file, wherever it was: her identifier stands in it.']),
      ],
    );
  },
};
