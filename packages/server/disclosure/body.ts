import type { Json } from '@amanat/core/canonical';
import { CoreError } from '@amanat/core/errors';
import type { Request, Selector, Signed } from '@amanat/core/grants';
import { readDocument, readSelector, SUBJECTS_MAX } from '@amanat/core/grants';
import { list, nullable, object } from '@amanat/core/shape';
import { signedReaders } from '../http/body.ts';

/** Most characters of a signed document that asks something. */
const DOCUMENT_CHARS_MAX = 32_768;

const signedOnce = signedReaders({
  charsMax: DOCUMENT_CHARS_MAX,
  signaturesMin: 1,
  signaturesMax: 1,
});

const requestBody = object({
  ...signedOnce,
  selectors: list(readSelector, 1, SUBJECTS_MAX),
  approval: nullable(object(signedOnce)),
});

/** What POST /v1/requests takes, read strictly. */
export interface RequestBody {
  readonly signed: Signed;
  readonly request: Request;
  readonly selectors: readonly Selector[];
  readonly approval: Signed | null;
}

/**
 * Reads a request's body: an unknown or missing member anywhere is refused. Whether signatures, selectors and approval
 * hold is the keeper's to say.
 * @throws CoreError 'bad-document'
 */
export function readRequestBody(body: unknown): RequestBody {
  const { selectors, approval, ...signed } = requestBody(body as Json, '');
  const request = readDocument(signed.document, 'request');
  if (selectors.length !== request.selectors.count) {
    throw new CoreError('bad-document', 'selectors: expected as many as the signed request counts');
  }
  if (approval !== null) readDocument(approval.document, 'approval');
  return { signed, request, selectors, approval };
}
