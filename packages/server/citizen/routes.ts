import { Type } from '@sinclair/typebox';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { answerAsks, sendRejected } from '../disclosure/disclosure.ts';
import { signedSchema, UNJUDGED } from '../http/body.ts';
import { clientOf } from '../http/network.ts';
import type { Meaning } from '../http/problem.ts';
import { problemSchema, sendProblem, witnessedSchema } from '../http/problem.ts';
import { readCodeBody, readErasureBody, readProtectionBody, readSealedAsk } from './body.ts';
import type { Citizen, Placed } from './citizen.ts';

const BODY_BYTES_MAX = 64 * 1024;
const RETRY_AFTER_SECONDS = 60;
/** Whom attempts over the Unix socket are counted under. */
const LOCAL = 'local';

/** A code takes one key alone: under any other there is no signature to be mended. */
const NOT_THE_REGISTRAR: Meaning = {
  status: 401,
  title:
    'the signature is not the registrar’s over this document: only the registrar’s key may sign it',
  remedy: 'have the registrar sign it, whose key stands in the log’s first entry',
};

const placed = Type.Object({
  entries: Type.Array(
    Type.Object({
      controller: Type.String(),
      index: Type.Integer(),
      number: Type.Integer(),
    }),
  ),
  ...witnessedSchema,
});

const sealedBody = Type.Object(
  {
    enc: Type.String({ description: 'HPKE encapsulated key, base64.' }),
    ciphertext: Type.String({ description: 'The view ask, sealed to the keeper; base64.' }),
  },
  { additionalProperties: false },
);

const shown = Type.Object({
  view: Type.String({ description: 'The keeper’s answer, sealed to the asker; base64.' }),
  checkpoint: Type.String(),
  subjects: Type.Array(
    Type.Object({
      subject: Type.String(),
      controller: Type.String(),
      entries: Type.Array(
        Type.Object({ number: Type.Integer(), index: Type.Integer(), body: Type.String() }),
      ),
      sealed: Type.Array(
        Type.Object({ number: Type.Integer(), index: Type.Integer(), body: Type.String() }),
        { description: 'What was withheld and is opened.' },
      ),
      held: Type.Array(
        Type.Object({
          holding: Type.String(),
          records: Type.Integer(),
          firstImport: Type.Integer(),
          until: Type.String(),
        }),
      ),
    }),
  ),
  withheld: Type.Object({
    possible: Type.Boolean({
      description: 'Whether look-ups can be withheld until a date; the same for everyone.',
    }),
  }),
  ...witnessedSchema,
});

const problems = {
  400: problemSchema,
  401: problemSchema,
  409: problemSchema,
  429: problemSchema,
  503: problemSchema,
};

/** The routes about a person's own code, protection and history. */
export async function citizenRoutes(
  app: FastifyInstance,
  { citizen }: { readonly citizen: Citizen },
): Promise<void> {
  answerAsks(app);
  const options = { ...UNJUDGED, bodyLimit: BODY_BYTES_MAX };
  const signing = (summary: string) => ({
    ...options,
    schema: { summary, body: signedSchema, response: { 201: placed, ...problems } },
  });
  app.post('/v1/codes', signing('Hand out a person’s access code'), async (request, reply) =>
    sendPlaced(reply, await citizen.handOutCode(readCodeBody(request.body)), NOT_THE_REGISTRAR),
  );
  app.post('/v1/protections', signing('Protect a subject, or end it'), async (request, reply) =>
    sendPlaced(reply, await citizen.protect(readProtectionBody(request.body))),
  );
  app.post('/v1/erasures', signing('Erase a person at one controller'), async (request, reply) =>
    sendPlaced(reply, await citizen.erase(readErasureBody(request.body))),
  );
  app.post(
    '/v1/history',
    {
      ...options,
      schema: {
        summary: 'See one’s own history',
        body: sealedBody,
        response: { 200: shown, ...problems },
      },
    },
    async (request, reply) => {
      const answer = await citizen.history(readSealedAsk(request.body), clientOf(request) ?? LOCAL);
      switch (answer.outcome) {
        case 'shown':
          return answer;
        case 'rejected':
          return sendRejected(reply, answer.code);
        case 'too-many-attempts':
          reply.header('retry-after', RETRY_AFTER_SECONDS);
          return sendProblem(reply, answer.outcome, {
            status: 429,
            title: 'too many attempts have failed',
            remedy: 'wait a minute, then check the code and try again',
          });
      }
    },
  );
}

/** @param unsigned what it means that the signature does not hold, where that is more than it says. */
function sendPlaced(reply: FastifyReply, answer: Placed, unsigned?: Meaning): FastifyReply {
  if (answer.outcome === 'rejected') {
    const isUnsigned = answer.code === 'bad-signature';
    return sendRejected(reply, answer.code, isUnsigned ? unsigned : undefined);
  }
  return reply.code(201).send({ entries: answer.entries });
}
