import { randomBytes } from 'node:crypto';
import { groupNames } from '../../holdings/holdings.ts';
import type { Command } from '../command.ts';
import { describeAnswer } from '../disclosed.ts';
import { wrongUsage } from '../errors.ts';
import { readInput, STANDARD_INPUT, writePrivate } from '../files.ts';
import { fetchDeclarations, readTerms } from '../holdings.ts';
import { identifierRule, readIdentifiers } from '../identifiers.ts';
import { openApi } from '../instance.ts';
import { readSigningKey } from '../keys.ts';
import type { RequestAnswer, RequestTerms, SignedRequest } from '../requests.ts';
import { signRequest } from '../requests.ts';
import { readSeal, sealOptions } from '../seals.ts';
import { takeSequence } from '../sequence.ts';

/** `amanat request`: an officer's signed question. */
export const request: Command = {
  usage: '--as KEY --purpose P --legal-basis B --authority TEXT --case TEXT --holding H[:group,…]',
  about:
    'Asks for records. The people are read from standard input, one a line, as cnic:NUMBER or msisdn:NUMBER. The ' +
    'request is signed with the officer’s own key and numbered; the number is kept beside the key. Where a second ' +
    'person is needed, or --out is given, the signed request is written to a file for amanat approve. With --seal-ground ' +
    'and --seal-until it is withheld from those people until that date, which always takes a second person. Exits with 0 where ' +
    'the request was answered, also where nothing is held, where a second person is needed, or where it was only ' +
    'written (--json says which, as outcome: disclosed, second-person or written); with 1 where ' +
    'it was refused or failed; with 2 where the command line is wrong.',
  example:
    'echo "cnic:…" | amanat request --as officer.pem --purpose CrimeInvestigation \\\n' +
    '  --legal-basis LegalObligation --authority "order 12 of 2026" --case FIR-204 \\\n' +
    '  --holding sim-registrations:identity,number',
  options: {
    as: { value: 'KEY', help: 'the officer’s private key file' },
    purpose: { value: 'P', help: 'a purpose that the holding declares: its IRI, or its last part' },
    'legal-basis': { value: 'B', help: 'a legal basis that the holding declares, likewise' },
    authority: { value: 'TEXT', help: 'the order or law that it rests on' },
    case: { value: 'TEXT', help: 'the case that it is made in' },
    holding: {
      value: 'H[:g,…]',
      help: 'a holding, and the field groups asked for (all)',
      many: true,
    },
    ...sealOptions('seal-'),
    from: { value: 'FILE', help: 'where the people stand (-, standard input)' },
    out: { value: 'FILE', help: 'write the signed request there and do not send it' },
  },
  words: [0, 0],
  async run(call) {
    const keyPath = call.arguments.required('as');
    const key = await readSigningKey(keyPath);
    const input = await readInput(call.arguments.text('from') ?? STANDARD_INPUT, call.stdin);
    const asked = call.arguments.requiredTexts('holding').map(parseHolding);
    await using api = await openApi(call);
    const identifiers = readIdentifiers(input, await identifierRule(api));
    const declarations = await fetchDeclarations(api, asked);
    const seal = await readSeal(call.arguments, 'seal-', api);
    const terms: RequestTerms = {
      seal,
      ...readTerms(call.arguments, declarations),
      authority: call.arguments.required('authority'),
      case: call.arguments.required('case'),
      identifiers,
      holdings: asked.map(({ holding, groups }, at) => ({
        holding,
        groups: groups ?? groupNames(declarations[at] ?? { fields: [] }),
      })),
    };
    const sequence = await takeSequence(keyPath);
    const signed = signRequest(key, terms, { sequence, now: call.now(), random: randomBytes });
    const out = call.arguments.text('out');
    if (out !== null) {
      writeForApprover(out, signed);
      return {
        json: { outcome: 'written', file: out },
        lines: [
          `Signed and not sent: ${out}`,
          'It names the people: hand it over as you would a file.',
        ],
      };
    }
    const { body } = await api.post<RequestAnswer>('/v1/requests', { ...signed, approval: null });
    const outcome = describeAnswer(body);
    if (body.outcome !== 'second-person') return outcome;
    const file = `request-${body.request.slice(0, 8)}.json`;
    writeForApprover(file, signed);
    return {
      json: { ...body, file },
      lines: [...outcome.lines, `  file     ${file}, for amanat approve within 72 hours`],
    };
  },
};

function writeForApprover(path: string, signed: SignedRequest): void {
  writePrivate(path, `${JSON.stringify({ type: 'signed-request', ...signed })}\n`, {
    replace: false,
  });
}

interface Asked {
  readonly holding: string;
  readonly groups: readonly string[] | null;
}

function parseHolding(text: string): Asked {
  const [holding = '', groups, ...rest] = text.split(':');
  if (holding === '' || groups === '' || rest.length > 0) {
    throw wrongUsage('--holding is a holding’s name, or HOLDING:GROUP,GROUP');
  }
  return { holding, groups: groups?.split(',') ?? null };
}
