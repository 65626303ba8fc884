import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Witness } from './witness.ts';
import { REQUEST_BYTES_MAX, refusals } from './witness.ts';

/** The type of a size in an answer of 409 (tlog-witness). */
const SIZE_TYPE = 'text/x.tlog.size';
const TEXT_TYPE = 'text/plain; charset=utf-8';

/**
 * A witness's two calls (C2SP tlog-witness): POST /add-checkpoint and GET /<SHA-256 of the origin>/checkpoint, both
 * under whatever prefix a proxy gives them.
 */
export async function witnessRoutes(
  app: FastifyInstance,
  { witness }: { readonly witness: Witness },
): Promise<void> {
  // A body is octets whatever type it says it has, and none need be said.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

  app.post('/add-checkpoint', { bodyLimit: REQUEST_BYTES_MAX }, async (request, reply) => {
    const body = request.body instanceof Uint8Array ? request.body : new Uint8Array(0);
    const answer = witness.addCheckpoint(body);
    switch (answer.code) {
      case 'cosigned':
        return reply.type(TEXT_TYPE).send(answer.lines);
      case 'other-size':
        return reply.code(409).type(SIZE_TYPE).send(`${answer.size}\n`);
      default: {
        const { status, title } = refusals[answer.code];
        return sendText(reply, status, title);
      }
    }
  });

  app.get<{ Params: { hash: string } }>('/:hash/checkpoint', async (request, reply) => {
    const note = witness.latest(request.params.hash);
    if (note === null) return sendText(reply, 404, 'no checkpoint of this log was cosigned here');
    return reply.header('cache-control', 'no-cache').type(TEXT_TYPE).send(note);
  });
}

/** Answers with one line of text. */
export function sendText(reply: FastifyReply, status: number, line: string): FastifyReply {
  return reply.code(status).type(TEXT_TYPE).send(`${line}\n`);
}
