import { CoreError } from '@amanat/core/errors';
import { printableName } from '@amanat/core/shape';
import { KeeperRefused, KeeperUnavailable } from '@amanat/keeper/client';
import type { FastifyError, FastifyReply } from 'fastify';
import { LogUnavailable, waitsFor } from '../log/log.ts';
import { toStorageError } from '../storage/errors.ts';
import type { Meaning } from './problem.ts';
import { sendProblem } from './problem.ts';
import { TooMuchUnread } from './unread.ts';

/** A problem that is nobody's refusal: the request's form, or our own state. */
export interface Fault {
  readonly code: string;
  readonly meaning: Meaning;
  readonly detail?: string;
}

const meaning = (status: number, title: string, remedy: string): Meaning => ({
  status,
  title,
  remedy,
});
const LATER = 'try again later; the health page shows when all is well';

const faults = {
  malformed: meaning(
    400,
    'the request is not in its form',
    'see the API’s description, and send it again',
  ),
  'not-found': meaning(404, 'there is nothing here', 'check the address'),
  'too-large': meaning(413, 'the body is too large', 'send less at a time'),
  'unsupported-type': meaning(415, 'the body’s type is not taken here', 'send application/json'),
  'too-many-requests': meaning(
    429,
    'too many requests have failed',
    'wait a minute, and try again',
  ),
  'log-unavailable': meaning(
    503,
    'the log takes no entries, and without an entry nothing is read',
    LATER,
  ),
  'keeper-unavailable': meaning(
    503,
    'the keeper does not answer, and without it nothing is read',
    LATER,
  ),
  'keeper-locked': meaning(
    503,
    'the keeper is locked until its custodians or its device open it, and without it nothing is read',
    LATER,
  ),
  'not-witnessed': meaning(
    503,
    'too few witnesses cosign the log, and without them nothing is read',
    LATER,
  ),
  busy: meaning(503, 'more is being asked than is taken at a time', 'ask again shortly'),
  'store-unavailable': meaning(503, 'the store cannot be read or written', LATER),
  'too-much-unread': meaning(
    503,
    'too many answers are on their way already',
    'read what was answered, and try again in a moment',
  ),
  stopping: meaning(503, 'the service is stopping', 'try again in a moment'),
  internal: meaning(
    500,
    'something failed that should not have',
    'tell the operator the request’s id',
  ),
} as const;

/** The fault of a code. */
export function faultOf(code: keyof typeof faults, detail?: string): Fault {
  return { code, meaning: faults[code], ...(detail === undefined ? {} : { detail }) };
}

/** Answers with a fault. */
export function sendFault(reply: FastifyReply, { code, meaning, detail }: Fault): FastifyReply {
  return sendProblem(reply, code, meaning, detail);
}

/** What an error that reached the server means to whoever asked. Anything unknown is ours, and says nothing more. */
export function toFault(error: unknown): Fault {
  if (error instanceof LogUnavailable) {
    return faultOf(waitsFor[error.code]);
  }
  if (error instanceof KeeperUnavailable || error instanceof KeeperRefused) {
    return faultOf('keeper-unavailable');
  }
  if (error instanceof TooMuchUnread) return faultOf('too-much-unread');
  if (error instanceof CoreError) return faultOf('malformed', error.message);
  if (toStorageError(error) !== null) return faultOf('store-unavailable');
  return fromFastify(error as Partial<FastifyError>);
}

function fromFastify(error: Partial<FastifyError>): Fault {
  const [invalid] = error.validation ?? [];
  if (invalid !== undefined) return faultOf('malformed', describe(invalid));
  switch (error.statusCode) {
    case 400:
      // A parser's own message may quote the body.
      return faultOf('malformed', 'the body is not json');
    case 404:
      return faultOf('not-found');
    case 413:
      return faultOf('too-large');
    case 415:
      return faultOf('unsupported-type');
    case 503:
      return faultOf('stopping');
    default:
      return faultOf('internal');
  }
}

/** Where the body is wrong, by its members' names alone. */
function describe(invalid: NonNullable<FastifyError['validation']>[number]): string {
  const place = invalid.instancePath.slice(1).replaceAll('/', '.');
  const { additionalProperty, missingProperty } = invalid.params as {
    readonly additionalProperty?: string;
    readonly missingProperty?: string;
  };
  const member =
    additionalProperty === undefined ? missingProperty : printableName(additionalProperty);
  const path = [place, member].filter(Boolean).join('.') || 'body';
  if (additionalProperty !== undefined) return `${path}: no such member`;
  if (missingProperty !== undefined) return `${path}: is missing`;
  return `${path}: ${invalid.message ?? 'is not in its form'}`;
}
