import { randomBytes } from 'node:crypto';
import { formatAccessCode } from '@amanat/core/verify';
import { drawCode } from '../codes.ts';
import type { Command } from '../command.ts';
import { CliError } from '../errors.ts';
import { readInput, STANDARD_INPUT, writePrivate } from '../files.ts';
import { identifierRule, readIdentifiers } from '../identifiers.ts';
import { openApi } from '../instance.ts';
import { readSigningKey } from '../keys.ts';

/** `amanat person code`: the code with which a person sees her own history. */
export const personCode: Command = {
  usage: '--as REGISTRARKEY [--from FILE] [--out FILE]',
  about:
    'Draws a person’s access code. It is shown once and kept by nobody: the keeper has its hash. A new code ends the ' +
    'last one. The person’s identifier comes from standard input, as cnic:NUMBER or msisdn:NUMBER. Hand the code to her ' +
    'alone, when you have seen who she is.',
  example: 'amanat person code --as registrar.pem --out code.txt < person.txt',
  options: {
    as: { value: 'KEY', help: 'the registrar’s private key file' },
    from: { value: 'FILE', help: 'where the identifier stands (-, standard input)' },
    out: { value: 'FILE', help: 'write the code there instead of showing it' },
  },
  words: [0, 0],
  async run(call) {
    const key = await readSigningKey(call.arguments.required('as'));
    const input = await readInput(call.arguments.text('from') ?? STANDARD_INPUT, call.stdin);
    await using api = await openApi(call);
    const [identifier, another] = readIdentifiers(input, await identifierRule(api));
    if (identifier === undefined || another !== undefined) {
      throw new CliError('failed', 'a code is for one person: give one identifier');
    }
    const { code, signed } = drawCode(key, identifier, { now: call.now(), random: randomBytes });
    await api.post('/v1/codes', signed);
    const out = call.arguments.text('out');
    if (out !== null) {
      writePrivate(out, `${formatAccessCode(code)}\n`, { replace: false });
      return { json: { file: out }, lines: [`The code is in ${out}: for her alone.`] };
    }
    return {
      json: { code },
      lines: [formatAccessCode(code), 'It is shown this once: for her alone.'],
    };
  },
};
