import { Type } from '@sinclair/typebox';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { answerAsks, sendRejected } from '../disclosure/disclosure.ts';
import { signedSchema, UNJUDGED } from '../http/body.ts';
import { clientOf } from '../http/network.ts';
import { problemSchema, sendProblem, witnessedSchema } from '../http/problem.ts';
import { readCodeBody, readProtectionBody, readSealedAsk } from './body.ts';
import type { Citizen, Placed } from './citizen.ts';

const BODY_BYTES_MAX = 64 * 1024;
const RETRY_AFTER_SECONDS = 60;
/** Whom attempts over the Unix socket are counted under. */
const LOCAL = 'local';

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
  withheld: Type.Object({ possible: Type.Boolean(), count: Type.Integer() }),
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
    sendPlaced(reply, await citizen.handOutCode(readCodeBody(request.body))),
  );
  app.post('/v1/protections', signing('Protect a subject, or end it'), async (request, reply) =>
    sendPlaced(reply, await citizen.protect(readProtectionBody(request.body))),
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

function sendPlaced(reply: FastifyReply, answer: Placed): FastifyReply {
  if (answer.outcome === 'rejected') return sendRejected(reply, answer.code);
  return reply.code(201).send({ entries: answer.entries });
}
