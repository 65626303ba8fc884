import type { Json } from '@amanat/core/canonical';
import { SUBJECTS_MAX } from '@amanat/core/grants';
import {
  boolean,
  integer,
  list,
  nullable,
  object,
  set,
  slug,
  text,
  time,
} from '@amanat/core/shape';
import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { signedReaders, signedSchema, UNJUDGED } from '../http/body.ts';
import { faultOf, sendFault } from '../http/faults.ts';
import { problemSchema, sendProblem, witnessedSchema } from '../http/problem.ts';
import { contactSchema, nullableText, titleSchema } from '../http/schemas.ts';
import { entryRefusals } from './meanings.ts';
import type { ExplainAsk, People } from './people.ts';

/** An entry of the log is at most 65,535 bytes; JSON's escapes may double it. */
const BODY_BYTES_MAX = 192 * 1024;
const DOCUMENT_CHARS_MAX = 65_535;
const SIGNATURES_MAX = 4;

const readSigned = object(
  signedReaders({ charsMax: DOCUMENT_CHARS_MAX, signaturesMin: 0, signaturesMax: SIGNATURES_MAX }),
);

const readExplain = object({
  agency: slug,
  purpose: text(200),
  legalBasis: text(200),
  holdings: list(object({ holding: slug, groups: set(slug, 1, 40) }), 1, 8),
  subjects: integer(1, SUBJECTS_MAX),
  protected: boolean,
  approved: boolean,
  time: nullable(time),
});

const explainBody = Type.Object(
  {
    agency: Type.String(),
    purpose: Type.String(),
    legalBasis: Type.String(),
    holdings: Type.Array(
      Type.Object(
        { holding: Type.String(), groups: Type.Array(Type.String()) },
        { additionalProperties: false },
      ),
    ),
    subjects: Type.Integer(),
    protected: Type.Boolean({ description: 'Whether a subject asked about is protected.' }),
    approved: Type.Boolean({ description: 'Whether a second person has signed.' }),
    time: Type.Union([Type.Integer(), Type.Null()], { description: 'Milliseconds; null: now.' }),
  },
  { additionalProperties: false },
);

const agency = Type.Object({
  agency: Type.String(),
  version: Type.Integer(),
  name: titleSchema,
  contact: contactSchema,
  subjectsPerDay: Type.Integer(),
  time: Type.Integer(),
});

const grantRow = Type.Object({
  id: Type.String(),
  effect: Type.String(),
  agency: nullableText,
  purpose: nullableText,
  legalBasis: nullableText,
  holding: nullableText,
  groups: Type.Union([Type.Array(Type.String()), Type.Null()]),
  subjectsMax: Type.Integer(),
  secondPersonOver: Type.Integer(),
  hours: Type.Union([Type.Object({ from: Type.Integer(), to: Type.Integer() }), Type.Null()]),
  subjectsPerDay: Type.Integer(),
});

const table = Type.Object({
  version: Type.Integer(),
  utcOffsetMinutes: Type.Integer(),
  rows: Type.Array(grantRow),
  time: Type.Integer(),
});

const witnesses = Type.Object({
  version: Type.Integer(),
  witnesses: Type.Array(Type.Object({ key: Type.String(), url: Type.String() })),
  quorum: Type.Integer(),
  faulty: Type.Integer(),
  breakGlass: Type.Union([
    Type.Object({ quorum: Type.Integer(), releases: Type.Integer() }),
    Type.Null(),
  ]),
  time: Type.Integer(),
});

const decision = Type.Object({
  outcome: Type.String({ description: 'allowed, second-person or refused' }),
  rules: Type.Optional(Type.Array(Type.String())),
  reasons: Type.Optional(Type.Array(Type.String())),
  code: Type.Optional(Type.String()),
  rule: Type.Optional(nullableText),
  holding: Type.Optional(nullableText),
  ...witnessedSchema,
});

const latestVersion = Type.Integer({
  description: 'In force or not yet: the next document has the next.',
});

/** Documents of the two administrators, and what they say of agencies, keys and grants. */
export async function peopleRoutes(
  app: FastifyInstance,
  { people }: { readonly people: People },
): Promise<void> {
  app.post(
    '/v1/documents',
    {
      ...UNJUDGED,
      bodyLimit: BODY_BYTES_MAX,
      schema: {
        summary: 'Enter a document that two administrators have signed',
        body: signedSchema,
        response: {
          201: Type.Object({ index: Type.Integer(), type: Type.String(), ...witnessedSchema }),
          400: problemSchema,
          422: problemSchema,
          503: problemSchema,
        },
      },
    },
    async (request, reply) => {
      const answer = await people.enter(readSigned(request.body as Json, ''));
      if (answer.outcome === 'refused') {
        const meaning = entryRefusals[answer.code];
        return sendProblem(reply, answer.code, meaning, answer.detail ?? meaning.title);
      }
      const { index, type } = answer;
      return reply.code(201).send({ index, type });
    },
  );

  app.get(
    '/v1/agencies',
    {
      schema: {
        summary: 'The agencies in force',
        response: { 200: Type.Object({ agencies: Type.Array(agency), ...witnessedSchema }) },
      },
    },
    async () => ({ agencies: people.agencies() }),
  );

  app.get(
    '/v1/agencies/:agency',
    {
      schema: {
        summary: 'An agency, and its latest version',
        response: {
          200: Type.Object({
            agency: Type.Union([agency, Type.Null()]),
            latestVersion,
            ...witnessedSchema,
          }),
          404: problemSchema,
        },
      },
    },
    async (request, reply) => {
      const found = people.agency((request.params as { readonly agency: string }).agency);
      return found === null ? sendFault(reply, faultOf('not-found')) : found;
    },
  );

  app.get(
    '/v1/keys/:id',
    {
      schema: {
        summary: 'The state of a certified key; never whose it is',
        response: {
          200: Type.Object({
            key: Type.String(),
            version: Type.Union([Type.Integer(), Type.Null()]),
            latestVersion,
            state: Type.String({
              description: 'in-force, not-yet-active, revoked-key or expired-key',
            }),
            ...witnessedSchema,
          }),
          404: problemSchema,
        },
      },
    },
    async (request, reply) => {
      const found = people.key((request.params as { readonly id: string }).id);
      return found === null ? sendFault(reply, faultOf('not-found')) : found;
    },
  );

  app.get(
    '/v1/grants',
    {
      schema: {
        summary: 'The grants table in force',
        response: {
          200: Type.Object({
            grants: Type.Union([table, Type.Null()]),
            latestVersion,
            ...witnessedSchema,
          }),
        },
      },
    },
    async () => people.grants(),
  );

  app.get(
    '/v1/witnesses',
    {
      schema: {
        summary: 'Who has to cosign the log',
        response: {
          200: Type.Object({
            witnesses: Type.Union([witnesses, Type.Null()]),
            latestVersion,
            ...witnessedSchema,
          }),
        },
      },
    },
    async () => people.witnesses(),
  );

  app.post(
    '/v1/grants/explain',
    {
      ...UNJUDGED,
      schema: {
        summary: 'What the table would answer, to somebody whose budget is unspent',
        body: explainBody,
        response: { 200: decision, 400: problemSchema },
      },
    },
    async (request) => {
      const ask: ExplainAsk = readExplain(request.body as Json, '');
      return people.explain(ask);
    },
  );
}
