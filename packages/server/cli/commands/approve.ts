import { randomBytes } from 'node:crypto';
import type { Request } from '@amanat/core/grants';
import { readDocument } from '@amanat/core/grants';
import type { Command } from '../command.ts';
import { describeAnswer } from '../disclosed.ts';
import { CliError } from '../errors.ts';
import { readText } from '../files.ts';
import { openApi } from '../instance.ts';
import { readSigningKey } from '../keys.ts';
import type { RequestAnswer, SignedRequest } from '../requests.ts';
import { signApproval } from '../requests.ts';

/** `amanat approve`: the second person's signature over an officer's request. */
export const approve: Command = {
  usage: 'REQUEST-FILE --as KEY',
  about:
    'Shows what an officer asks, signs an approval over that very request, and sends both. The approver is another ' +
    'person than the officer, of the same agency and of another line of command. Prints what was disclosed.',
  example: 'amanat approve request-4f1a09c2.json --as approver.pem',
  options: { as: { value: 'KEY', help: 'the approver’s private key file' } },
  words: [1, 1],
  async run(call) {
    const { signed, request } = await readRequestFile(call.arguments.word(0, 'REQUEST-FILE'));
    const key = await readSigningKey(call.arguments.required('as'));
    for (const line of describeRequest(request)) call.say(line);
    const approval = signApproval(key, signed, { now: call.now(), random: randomBytes });
    await using api = await openApi(call);
    const { body } = await api.post<RequestAnswer>('/v1/requests', { ...signed, approval });
    return describeAnswer(body);
  },
};

async function readRequestFile(path: string): Promise<{ signed: SignedRequest; request: Request }> {
  try {
    const source = JSON.parse(await readText(path)) as SignedRequest & { readonly type?: unknown };
    if (source.type !== 'signed-request') throw new Error('not a signed request');
    const { document, signatures, selectors } = source;
    return {
      signed: { document, signatures, selectors },
      request: readDocument(document, 'request'),
    };
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError('failed', `${path} is no signed request`, {
      cause,
      remedy: 'the officer makes one with amanat request --out',
    });
  }
}

function describeRequest(request: Request): string[] {
  return [
    'Approving:',
    `  people       ${request.selectors.count}`,
    ...request.holdings.map(
      ({ holding, groups }) => `  reads        ${holding}: ${groups.join(', ')}`,
    ),
    `  purpose      ${request.purpose}`,
    `  legal basis  ${request.legalBasis}`,
    `  authority    ${request.authority}`,
    `  case         ${request.case}`,
    `  signed       ${new Date(request.time).toISOString()}`,
  ];
}
