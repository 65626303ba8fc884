import type { AskDecision, AskRejection } from '@amanat/keeper/client';
import { Type } from '@sinclair/typebox';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Meaning } from '../http/problem.ts';
import { problemSchema, sendProblem, witnessedSchema } from '../http/problem.ts';
import { AsksUnavailable } from './errors.ts';
import type { FloorClock } from './floor.ts';
import { MONOTONIC, reachFloor } from './floor.ts';
import { refusals, rejections, unavailable } from './meanings.ts';

/** The smallest size class of an answer about a person, in bytes; the others are its doublings. */
const SIZE_CLASS_BYTES_MIN = 2048;

/** A problem that says which rule of the grants decided, and about which holding. */
export const refusalSchema = Type.Object({
  ...problemSchema.properties,
  rule: Type.Union([Type.String(), Type.Null()]),
  holding: Type.Union([Type.String(), Type.Null()]),
});

/** An ask that waits for a second person. */
export const secondPersonSchema = Type.Object({
  outcome: Type.String(),
  request: Type.String({ description: 'The hash that a second person signs.' }),
  reasons: Type.Array(Type.String()),
  rules: Type.Array(Type.String()),
  ...witnessedSchema,
});

/** Answers an ask that the grants refuse. */
export function sendRefused(
  reply: FastifyReply,
  { code, rule, holding }: Extract<AskDecision, { outcome: 'refused' }>,
): FastifyReply {
  return sendProblem(reply, code, refusals[code], undefined, { rule, holding });
}

/**
 * Answers an ask that showed no authority.
 * @param meaning where the code means something of its own for this ask.
 */
export function sendRejected(
  reply: FastifyReply,
  code: AskRejection,
  meaning: Meaning = rejections[code],
): FastifyReply {
  return sendProblem(reply, code, meaning);
}

/**
 * Has every answer of these routes padded with trailing spaces to a size class and sent no sooner than the floor, so
 * that whoever watches the line does not tell a hit from a miss or a refusal; and has asks that cannot be carried
 * answered as problems. For an encapsulated instance.
 */
export function answerAsks(app: FastifyInstance, clock: FloorClock = MONOTONIC): void {
  const takenIn = new WeakMap<FastifyRequest, number>();
  app.addHook('preValidation', async (request) => {
    takenIn.set(request, clock.now());
  });
  app.addHook('onSend', async (request, _reply, payload) => {
    const padded = typeof payload === 'string' ? padToSizeClass(payload) : payload;
    const since = takenIn.get(request);
    // What was never read whole was answered by its form alone.
    if (since !== undefined) await reachFloor(since, clock);
    return padded;
  });
  app.setErrorHandler((error, _request, reply) => {
    // Anything else is for the server's own handler.
    if (!(error instanceof AsksUnavailable)) throw error;
    return sendProblem(reply, error.code, unavailable[error.code]);
  });
}

/** The text with as many spaces behind it as its size class asks for. */
export function padToSizeClass(text: string): string {
  const sizeBytes = Buffer.byteLength(text);
  let classBytes = SIZE_CLASS_BYTES_MIN;
  while (classBytes < sizeBytes) classBytes *= 2;
  return text + ' '.repeat(classBytes - sizeBytes);
}
