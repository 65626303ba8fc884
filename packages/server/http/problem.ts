import { Type } from '@sinclair/typebox';
import type { FastifyReply } from 'fastify';

/** Members that the server adds to every answer whose schema has them. */
export const witnessedSchema = {
  witnessed: Type.Boolean(),
  witnessing: Type.String({ description: 'Whether independent witnesses cosign the log.' }),
};

/** What they say. */
export interface Witnessed {
  readonly witnessed: boolean;
  readonly witnessing: string;
}

/** What they say until witnesses are appointed. */
export const UNWITNESSED: Witnessed = { witnessed: false, witnessing: 'not yet witnessed' };

/** A problem (RFC 9457), with a code for programs and a remedy for people. */
export const problemSchema = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  code: Type.String(),
  remedy: Type.String(),
  ...witnessedSchema,
});

/** What a code means, and what whoever meets it can do. The pages translate by code. */
export interface Meaning {
  readonly status: number;
  readonly title: string;
  readonly remedy: string;
}

/** How long whoever meets a 503 is asked to wait. */
const RETRY_AFTER_SECONDS = 2;

/**
 * Answers with a problem. The detail may name a member of what was sent, never its value.
 * @param also members beyond those that every problem has.
 */
export function sendProblem(
  reply: FastifyReply,
  code: string,
  { status, title, remedy }: Meaning,
  detail: string = title,
  also: Readonly<Record<string, unknown>> = {},
): FastifyReply {
  if (status === 503) reply.header('retry-after', RETRY_AFTER_SECONDS);
  const problem = { type: `urn:amanat:problem:${code}`, title, status, detail, code, remedy };
  return reply
    .code(status)
    .type('application/problem+json')
    .send({ ...problem, ...also });
}
