import type { Json } from '@amanat/core/canonical';
import { CoreError } from '@amanat/core/errors';
import type { Request, Selector, Signed } from '@amanat/core/grants';
import { readDocument, readSelector } from '@amanat/core/grants';
import { hexText, list, nullable, object, text } from '@amanat/core/shape';

/** Most characters of a signed document that asks something. */
const DOCUMENT_CHARS_MAX = 32_768;
/** Most subjects that one request names. */
export const SELECTORS_MAX = 1000;

const document = text(DOCUMENT_CHARS_MAX);
const signature = object({ key: hexText(16), signature: text(88) });
const signedOnce = object({ document, signatures: list(signature, 1, 1) });

const requestBody = object({
  document,
  signatures: list(signature, 1, 1),
  selectors: list(readSelector, 1, SELECTORS_MAX),
  approval: nullable(signedOnce),
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
