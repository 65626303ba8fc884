import type { Json } from '@amanat/core/canonical';
import type { Signed } from '@amanat/core/grants';
import { readDocument } from '@amanat/core/grants';
import { nullable, object } from '@amanat/core/shape';
import { signedReaders } from '../http/body.ts';

const DOCUMENT_CHARS_MAX = 4096;

const signedOnce = signedReaders({
  charsMax: DOCUMENT_CHARS_MAX,
  signaturesMin: 1,
  signaturesMax: 1,
});

const extensionBody = object({ ...signedOnce, approval: nullable(object(signedOnce)) });

/** What POST /v1/seals/extensions takes, read strictly. */
export interface ExtensionBody {
  readonly signed: Signed;
  readonly approval: Signed | null;
}

/**
 * Reads an extension's body. Whether signatures and approval hold is the keeper's to say.
 * @throws CoreError 'bad-document'
 */
export function readExtensionBody(body: unknown): ExtensionBody {
  const { approval, ...signed } = extensionBody(body as Json, '');
  readDocument(signed.document, 'seal-extension');
  if (approval !== null) readDocument(approval.document, 'approval');
  return { signed, approval };
}
