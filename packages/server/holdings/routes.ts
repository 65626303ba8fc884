import type { Register } from '@amanat/core/grants';
import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { faultOf, sendFault } from '../http/faults.ts';
import { problemSchema, witnessedSchema } from '../http/problem.ts';
import { contactSchema, nullableText, titleSchema } from '../http/schemas.ts';

const declaration = Type.Object({
  holding: Type.String(),
  version: Type.Integer(),
  title: titleSchema,
  controller: Type.Object({
    id: Type.String(),
    name: titleSchema,
    contact: contactSchema,
  }),
  purposes: Type.Array(Type.String()),
  legalBases: Type.Array(Type.String()),
  recipients: Type.Array(Type.String()),
  primaryIdentifier: Type.String(),
  recordKey: Type.Array(Type.String()),
  eventDate: nullableText,
  retentionMonths: Type.Integer(),
  reviewDate: Type.String(),
  fields: Type.Array(
    Type.Object({
      name: Type.String(),
      title: titleSchema,
      type: Type.String(),
      category: Type.String(),
      group: Type.String(),
      identifier: nullableText,
      required: Type.Boolean(),
      values: Type.Union([Type.Array(Type.String()), Type.Null()]),
    }),
  ),
});

/** What the register of holdings is read from. */
export interface HoldingsLog {
  readonly register: Register;
  now(): number;
}

/** The register: what is kept, why, by whom, for how long. Public, and as the log's entries say. */
export async function holdingRoutes(
  app: FastifyInstance,
  { log }: { readonly log: HoldingsLog },
): Promise<void> {
  app.get(
    '/v1/holdings',
    {
      schema: {
        summary: 'The holdings whose declarations are in force, and what is declared and will be',
        response: {
          200: Type.Object({
            holdings: Type.Array(declaration),
            upcoming: Type.Array(
              Type.Object({
                declaration,
                from: Type.Integer({ description: 'In milliseconds since 1970.' }),
              }),
            ),
            ...witnessedSchema,
          }),
        },
      },
    },
    async () => {
      const now = log.now();
      return {
        holdings: [...log.register.declarations(now).values()],
        upcoming: log.register.declarationsToCome(now),
      };
    },
  );

  app.get(
    '/v1/holdings/:holding',
    {
      schema: {
        summary: 'A holding’s declaration, where its entry stands, and its latest version',
        response: {
          200: Type.Object({
            declaration: Type.Union([declaration, Type.Null()], {
              description: 'Null where none is in force yet.',
            }),
            index: Type.Union([Type.Integer(), Type.Null()]),
            latestVersion: Type.Integer(),
            ...witnessedSchema,
          }),
          404: problemSchema,
        },
      },
    },
    async (request, reply) => {
      const { holding } = request.params as { readonly holding: string };
      const latestVersion = log.register.latestVersion('declaration', holding);
      if (latestVersion === 0) {
        return sendFault(reply, faultOf('not-found', 'no holding of this name is declared'));
      }
      const now = log.now();
      return {
        declaration: log.register.declaration(holding, now),
        index: log.register.declarationIndex(holding, now),
        latestVersion,
      };
    },
  );
}
