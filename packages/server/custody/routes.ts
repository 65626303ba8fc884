import { Readable } from 'node:stream';
import { KeeperUnavailable } from '@amanat/keeper/client';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { UNJUDGED } from '../http/body.ts';
import { problemSchema, sendProblem, witnessedSchema } from '../http/problem.ts';
import { LogUnavailable, waitsFor } from '../log/log.ts';
import { StorageError } from '../storage/errors.ts';
import type { Custody } from './custody.ts';
import { CustodyError, meanings, unavailable } from './errors.ts';
import type { ImportStatus } from './import.ts';

/** What an upload is: files in the framing of rows/frames.ts. */
export const UPLOAD_TYPE = 'application/vnd.amanat.files';

/** Bytes of an announcement: a document, its signature, and a mapping. */
const ANNOUNCEMENT_BYTES_MAX = 128 * 1024;

const index = Type.Integer({ minimum: 0, description: 'Index of the import-begun entry.' });
const params = Type.Object({ import: index });

const announcement = Type.Object(
  {
    document: Type.String({ description: 'The import-begun document, in its canonical form.' }),
    signatures: Type.Array(
      Type.Object(
        { key: Type.String(), signature: Type.String() },
        { additionalProperties: false },
      ),
      { maxItems: 4 },
    ),
    salt: Type.String({
      description: 'Hexadecimal. The commitment is SHA-256(salt ‖ upload); the salt is not stored.',
    }),
    mapping: Type.Union([
      Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()])),
      Type.Null(),
    ]),
    encoding: Type.Union([Type.String(), Type.Null()]),
    sheet: Type.Union([Type.String(), Type.Null()]),
  },
  { additionalProperties: false },
);

const begun = Type.Object({
  import: index,
  upload: Type.String({ description: 'Bearer token of the upload. It is not shown again.' }),
  rowsDone: Type.Integer({
    description: 'Rows that an earlier upload of the same file dealt with.',
  }),
  ...witnessedSchema,
});

const status = Type.Object({
  import: index,
  holding: Type.String(),
  state: Type.String({ description: 'open, ended, refused or discarded' }),
  ended: Type.Union([Type.Integer(), Type.Null()], {
    description: 'Index of the import-ended entry.',
  }),
  rows: Type.Integer(),
  stored: Type.Integer(),
  unchanged: Type.Integer(),
  rejected: Type.Integer(),
  root: Type.String({ description: 'RFC 6962 root over the stored rows, in hexadecimal.' }),
  ...witnessedSchema,
});

const problems = {
  400: problemSchema,
  401: problemSchema,
  404: problemSchema,
  409: problemSchema,
  422: problemSchema,
  503: problemSchema,
};

/** The importers' routes. For an encapsulated instance. */
export async function importRoutes(
  app: FastifyInstance,
  { custody }: { readonly custody: Custody },
): Promise<void> {
  const { imports } = custody;
  // The upload is read as it comes: whoever takes it bounds what is held of it.
  app.addContentTypeParser(UPLOAD_TYPE, (_request, payload, done) => done(null, payload));
  app.setValidatorCompiler(UNJUDGED.validatorCompiler);
  app.setErrorHandler((error: unknown, _request, reply) => answerError(reply, error));

  app.post(
    '/v1/imports',
    {
      bodyLimit: ANNOUNCEMENT_BYTES_MAX,
      schema: {
        summary: 'Announce an import, or go on with one',
        body: announcement,
        response: { 200: begun, 201: begun, ...problems },
      },
    },
    async (request, reply) => {
      if (!Value.Check(announcement, request.body)) throw new CustodyError('malformed');
      const { document, signatures, ...terms } = request.body;
      const ask = { signed: { document, signatures }, ...terms };
      const { outcome, ...answer } = await imports.begin(ask);
      return reply.code(outcome === 'begun' ? 201 : 200).send(answer);
    },
  );

  app.put(
    '/v1/imports/:import/upload',
    {
      // A file of any size: there is no bound but the row limit of its announcement.
      bodyLimit: Number.MAX_SAFE_INTEGER,
      config: { isUpload: true },
      schema: {
        summary: 'Send the files of an import',
        consumes: [UPLOAD_TYPE],
        params,
        response: { 200: status, ...problems },
      },
    },
    async (request, reply) => {
      const body = request.body instanceof Readable ? request.body : Readable.from([]);
      const ended = await imports.upload(importOf(request), tokenOf(request), body);
      // An import that had ended already has read nothing of the body.
      if (!body.readableEnded) reply.header('connection', 'close');
      return answerStatus(ended);
    },
  );

  app.get(
    '/v1/imports/:import',
    { schema: { summary: 'How far an import is', params, response: { 200: status, ...problems } } },
    async (request) => answerStatus(imports.status(importOf(request))),
  );

  app.get(
    '/v1/imports/:import/rejects',
    { schema: { summary: 'The rows of an import that were not taken, as CSV', params } },
    async (request, reply) =>
      reply
        .type('text/csv; charset=utf-8')
        .send(imports.rejects(importOf(request), tokenOf(request))),
  );
}

function answerStatus(found: ImportStatus) {
  return found;
}

function importOf(request: FastifyRequest): number {
  const { import: text } = request.params as { readonly import: string };
  if (!/^\d{1,15}$/.test(text)) throw new CustodyError('unknown-import');
  return Number(text);
}

function tokenOf(request: FastifyRequest): string {
  const [, token] =
    /^Bearer ([A-Za-z0-9_-]{1,128})$/.exec(request.headers.authorization ?? '') ?? [];
  if (token === undefined) throw new CustodyError('bad-token');
  return token;
}

/**
 * Answers what importers can do something about, with what that is. All else is the instance's to answer. The
 * connection is closed: the rest of an upload that was refused is not worth reading.
 */
function answerError(reply: FastifyReply, error: unknown): FastifyReply {
  reply.header('connection', 'close');
  if (error instanceof CustodyError) {
    return sendProblem(reply, error.code, meanings[error.code], error.message);
  }
  // The log that is closed because of another says so.
  const waits = error instanceof LogUnavailable ? waitsFor[error.code] : null;
  if (error instanceof KeeperUnavailable || waits === 'keeper-unavailable') {
    return sendProblem(reply, 'keeper-unavailable', meanings['keeper-unavailable']);
  }
  if (waits !== null) return sendProblem(reply, waits, unavailable[waits]);
  if (error instanceof StorageError) {
    return sendProblem(reply, 'store-unavailable', unavailable['store-unavailable']);
  }
  throw error;
}
