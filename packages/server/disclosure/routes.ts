import { SUBJECTS_MAX } from '@amanat/core/grants';
import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { signedMembers, signedSchema, UNJUDGED } from '../http/body.ts';
import { problemSchema, witnessedSchema } from '../http/problem.ts';
import { readRequestBody } from './body.ts';
import type { Disclosure } from './disclosure.ts';
import {
  answerAsks,
  refusalSchema,
  secondPersonSchema,
  sendRefused,
  sendRejected,
} from './replies.ts';

const BODY_BYTES_MAX = 256 * 1024;

const requestBody = Type.Object(
  {
    ...signedMembers,
    selectors: Type.Array(
      Type.Object(
        { type: Type.String(), value: Type.String(), salt: Type.String() },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: SUBJECTS_MAX },
    ),
    approval: Type.Union([signedSchema, Type.Null()]),
  },
  { additionalProperties: false },
);

const record = Type.Object({
  holding: Type.String(),
  record: Type.String(),
  import: Type.Integer(),
  row: Type.Integer(),
  groups: Type.Optional(
    Type.Array(
      Type.Object({
        group: Type.String(),
        fields: Type.Array(
          Type.Object({ name: Type.String(), recorded: Type.String(), normalised: Type.String() }),
        ),
      }),
    ),
  ),
  error: Type.Optional(Type.String({ description: 'The record is not what was stored.' })),
});

const disclosed = Type.Object({
  outcome: Type.String(),
  results: Type.Array(
    Type.Object({
      selector: Type.Integer({ description: 'Place of the selector in the request, from 0.' }),
      controller: Type.String(),
      index: Type.Integer({ description: 'Place of the entry in the log.' }),
      number: Type.Integer({ description: 'Place of the entry in the subject’s chain.' }),
      records: Type.Array(record, { description: 'Empty where none are held.' }),
      error: Type.Optional(Type.String({ description: 'Why nothing was delivered.' })),
    }),
  ),
  ...witnessedSchema,
});

/** The officers' route. */
export async function requestRoutes(
  app: FastifyInstance,
  { disclosure }: { readonly disclosure: Pick<Disclosure, 'request'> },
): Promise<void> {
  answerAsks(app);
  app.post(
    '/v1/requests',
    {
      bodyLimit: BODY_BYTES_MAX,
      ...UNJUDGED,
      schema: {
        summary: 'Ask for records, by a signed request',
        body: requestBody,
        response: {
          200: disclosed,
          202: secondPersonSchema,
          400: problemSchema,
          401: problemSchema,
          403: refusalSchema,
          503: problemSchema,
        },
      },
    },
    async (request, reply) => {
      const answer = await disclosure.request(readRequestBody(request.body));
      switch (answer.outcome) {
        case 'disclosed':
          return answer;
        case 'second-person':
          return reply.code(202).send(answer);
        case 'refused':
          return sendRefused(reply, answer);
        case 'rejected':
          return sendRejected(reply, answer.code);
      }
    },
  );
}
