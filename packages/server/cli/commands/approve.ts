import { randomBytes } from 'node:crypto';
import type { Request, SealExtension, Signed } from '@amanat/core/grants';
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
  usage: 'FILE --as KEY',
  about:
    'Shows what an officer asks, signs an approval over that very request, and sends both. The approver is another ' +
    'person than the officer, of the same agency and of another line of command. Prints what was disclosed. The file is ' +
    'what amanat request wrote, or amanat seals extend.',
  example: 'amanat approve request-4f1a09c2.json --as approver.pem',
  options: { as: { value: 'KEY', help: 'the approver’s private key file' } },
  words: [1, 1],
  async run(call) {
    const { signed, asked } = await readSignedFile(call.arguments.word(0, 'FILE'));
    const key = await readSigningKey(call.arguments.required('as'));
    const lines = asked.type === 'request' ? describeRequest(asked) : describeExtension(asked);
    for (const line of lines) call.say(line);
    const approval = signApproval(key, signed, { now: call.now(), random: randomBytes });
    await using api = await openApi(call);
    if (asked.type === 'request') {
      const { body } = await api.post<RequestAnswer>('/v1/requests', { ...signed, approval });
      return describeAnswer(body);
    }
    const { body } = await api.post<{ readonly index: number; readonly number: number }>(
      '/v1/seals/extensions',
      { ...signed, approval },
    );
    return {
      json: body,
      lines: [`Sealed until ${asked.until}: entry ${body.index} of the log.`],
    };
  },
};

/** What an officer signed, and the rest of what is sent with it. */
interface SignedFile {
  readonly signed: Signed | SignedRequest;
  readonly asked: Request | SealExtension;
}

async function readSignedFile(path: string): Promise<SignedFile> {
  try {
    const source = JSON.parse(await readText(path)) as SignedRequest & { readonly type?: unknown };
    const { type, document, signatures, selectors } = source;
    if (type === 'signed-extension') {
      return { signed: { document, signatures }, asked: readDocument(document, 'seal-extension') };
    }
    if (type !== 'signed-request') throw new Error('not a signed request');
    return {
      signed: { document, signatures, selectors },
      asked: readDocument(document, 'request'),
    };
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError('failed', `${path} is no signed request`, {
      cause,
      remedy: 'the officer makes one with amanat request --out, or amanat seals extend',
    });
  }
}

function describeExtension({ seal, ground, until, time }: SealExtension): string[] {
  return [
    'Approving that a look-up stays sealed:',
    `  entry        ${seal} of the log`,
    `  until        ${until}`,
    `  ground       ${ground}`,
    `  signed       ${new Date(time).toISOString()}`,
  ];
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
    ...(request.seal === null
      ? []
      : [`  sealed       until ${request.seal.until}, on ${request.seal.ground}`]),
    `  signed       ${new Date(request.time).toISOString()}`,
  ];
}
