import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import {
  answerAsks,
  refusalSchema,
  secondPersonSchema,
  sendRefused,
  sendRejected,
} from '../disclosure/disclosure.ts';
import { signedMembers, signedSchema, UNJUDGED } from '../http/body.ts';
import { problemSchema, witnessedSchema } from '../http/problem.ts';
import { titleSchema } from '../http/schemas.ts';
import { readExtensionBody } from './body.ts';
import type { Seals } from './seals.ts';

const BODY_BYTES_MAX = 32 * 1024;

const rules = Type.Object({
  version: Type.Integer(),
  jurisdiction: Type.String(),
  grounds: Type.Array(
    Type.Object({
      ground: Type.String({ description: 'A term of the Data Privacy Vocabulary, or of amanat:.' }),
      title: titleSchema,
      daysMax: Type.Integer({ description: 'Counted from the look-up, extensions included.' }),
      source: Type.String({ description: 'The law that says so.' }),
    }),
  ),
  agencies: Type.Array(
    Type.Object({
      agency: Type.String(),
      openMax: Type.Integer({ description: 'Look-ups of hers that may be sealed at a time.' }),
    }),
  ),
  time: Type.Integer(),
});

const count = Type.Object({
  agency: Type.String(),
  month: Type.String({ description: 'YYYY-MM, in UTC.' }),
  sealed: Type.Integer(),
  extended: Type.Integer(),
  opened: Type.Integer(),
  refused: Type.Integer({ description: 'Sealed asks that were refused: nothing was read.' }),
  awaited: Type.Integer({ description: 'Sealed asks that a second person had yet to sign.' }),
});

const extensionBody = Type.Object(
  { ...signedMembers, approval: Type.Union([signedSchema, Type.Null()]) },
  { additionalProperties: false },
);

const extended = Type.Object({
  outcome: Type.String(),
  index: Type.Integer({ description: 'Place of the entry in the log.' }),
  number: Type.Integer({ description: 'Place among what is sealed about the subject.' }),
  ...witnessedSchema,
});

/** What may be sealed, what was, by agency and month; and the officers' route by which a seal is extended. */
export async function sealRoutes(
  app: FastifyInstance,
  { seals }: { readonly seals: Pick<Seals, 'told' | 'extend'> },
): Promise<void> {
  app.get(
    '/v1/seals',
    {
      schema: {
        summary:
          'The rules by which look-ups may be withheld until a date, and the keeper’s counts',
        response: {
          200: Type.Object({
            rules: Type.Union([rules, Type.Null()]),
            latestVersion: Type.Integer({
              description: 'In force or not yet: the next document has the next.',
            }),
            counts: Type.Array(count, {
              description: 'In the order in which the keeper told them last.',
            }),
            ...witnessedSchema,
          }),
        },
      },
    },
    async () => seals.told(),
  );
  await app.register(extensionRoute, { seals });
}

/** In an instance of its own: what answers about a person are padded to is nothing for the public ones. */
async function extensionRoute(
  app: FastifyInstance,
  { seals }: { readonly seals: Pick<Seals, 'extend'> },
): Promise<void> {
  answerAsks(app);
  app.post(
    '/v1/seals/extensions',
    {
      ...UNJUDGED,
      bodyLimit: BODY_BYTES_MAX,
      schema: {
        summary: 'Withhold for longer what is sealed, before its date',
        body: extensionBody,
        response: {
          201: extended,
          202: secondPersonSchema,
          400: problemSchema,
          401: problemSchema,
          403: refusalSchema,
          503: problemSchema,
        },
      },
    },
    async (request, reply) => {
      const answer = await seals.extend(readExtensionBody(request.body));
      switch (answer.outcome) {
        case 'extended':
          return reply.code(201).send(answer);
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
