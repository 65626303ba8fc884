import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { faultOf, sendFault } from '../http/faults.ts';
import { problemSchema, witnessedSchema } from '../http/problem.ts';
import type { Shredding } from './shredding.ts';

const PAGE_MAX = 100;

const members = {
  index: Type.Integer({ description: 'Of the entry by which the key was destroyed.' }),
  certificate: Type.String({ description: 'Canonical JSON, as the keeper signed it.' }),
  signature: Type.String(),
};

/** What was destroyed: the keeper's certificates, for anybody. */
export async function shreddingRoutes(
  app: FastifyInstance,
  { shredding }: { readonly shredding: Shredding },
): Promise<void> {
  app.get(
    '/v1/certificates',
    {
      schema: {
        summary: 'Certificates of what was destroyed, by the index of their entries',
        querystring: Type.Object(
          { from: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, default: 0 }) },
          { additionalProperties: false },
        ),
        response: {
          200: Type.Object({
            certificates: Type.Array(Type.Object(members)),
            next: Type.Union([Type.Integer(), Type.Null()], {
              description: 'Where the next page begins; null: this is the last one.',
            }),
            ...witnessedSchema,
          }),
          400: problemSchema,
        },
      },
    },
    async (request) => {
      const { from } = request.query as { readonly from: number };
      const found = shredding.certificates(from, PAGE_MAX + 1);
      const certificates = found.slice(0, PAGE_MAX);
      return { certificates, next: found[PAGE_MAX]?.index ?? null };
    },
  );

  app.get(
    '/v1/expired',
    {
      schema: {
        summary: 'The months of holdings whose keys are destroyed',
        response: {
          200: Type.Object({
            months: Type.Array(
              Type.Object({
                holding: Type.String(),
                month: Type.String(),
                index: members.index,
                destroyed: Type.Union([Type.Integer(), Type.Null()], {
                  description:
                    'In milliseconds since 1970, by its certificate; null: that is to come.',
                }),
              }),
            ),
            ...witnessedSchema,
          }),
        },
      },
    },
    async () => ({ months: shredding.months() }),
  );

  app.get(
    '/v1/certificates/:index',
    {
      schema: {
        summary: 'One certificate, with the leaf that it names',
        params: Type.Object({
          index: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
        }),
        response: {
          200: Type.Object({ ...members, leaf: Type.String(), ...witnessedSchema }),
          400: problemSchema,
          404: problemSchema,
        },
      },
    },
    async (request, reply) => {
      const { index } = request.params as { readonly index: number };
      const found = shredding.certificate(index);
      return found ?? sendFault(reply, faultOf('not-found', 'no such entry destroyed anything'));
    },
  );
}
