import { randomBytes } from 'node:crypto';
import type { Command } from '../command.ts';
import { wrongUsage } from '../errors.ts';
import { writePrivate } from '../files.ts';
import { openApi } from '../instance.ts';
import { readSigningKey } from '../keys.ts';
import { readSeal, sealOptions, signExtension } from '../seals.ts';

/** `amanat seals extend`: a new ground for withholding longer, signed before the date. */
export const sealsExtend: Command = {
  usage: 'LEAF --as KEY --ground G --until DATE [--out FILE]',
  about:
    'Signs that a sealed look-up stays withheld until a later date: before its date, on a ground stated anew, and never ' +
    'past the days that the ground allows from the look-up on. LEAF is the entry of the log that the request was ' +
    'answered with. Nothing is changed yet: a file is written, which a second person completes with amanat approve.',
  example:
    'amanat seals extend 4711 --as officer.pem --ground CrimeInvestigation --until 2027-03-31',
  options: {
    as: { value: 'KEY', help: 'the private key file of an officer of the agency that sealed it' },
    ...sealOptions(''),
    out: { value: 'FILE', help: 'where to write it (extension-LEAF.json)' },
  },
  words: [1, 1],
  async run(call) {
    const word = call.arguments.word(0, 'LEAF');
    if (!/^\d{1,15}$/.test(word)) throw wrongUsage('LEAF is the number of an entry of the log');
    const index = Number(word);
    const key = await readSigningKey(call.arguments.required('as'));
    await using api = await openApi(call);
    const seal = await readSeal(call.arguments, '', api);
    if (seal === null) throw wrongUsage('--ground and --until are needed');
    const signed = signExtension(key, { index, ...seal }, { now: call.now(), random: randomBytes });
    const file = call.arguments.text('out') ?? `extension-${index}.json`;
    writePrivate(file, `${JSON.stringify({ type: 'signed-extension', ...signed })}\n`, {
      replace: false,
    });
    return {
      json: { outcome: 'written', file },
      lines: [`Signed and not sent: ${file}, for amanat approve within 72 hours`],
    };
  },
};
