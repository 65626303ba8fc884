import type { KeyObject } from 'node:crypto';
import { fromHex, fromUtf8 } from '@amanat/core/bytes';
import type { JsonObject } from '@amanat/core/canonical';
import { parseCanonical } from '@amanat/core/canonical';
import { deriveKey, open, secretKey } from '@amanat/core/keys';

/** What evidence is sealed under: the subject's view key, and the evidence's own hash. */
export function evidenceKey(viewKey: Uint8Array, hash: Uint8Array): KeyObject {
  return secretKey(deriveKey(viewKey, 'amanat/v1 evidence', hash));
}

/** The evidence that the keeper itself sealed. @param hash as drafts and statements write it. */
export function openEvidence(viewKey: Uint8Array, hash: string, sealed: Uint8Array): JsonObject {
  const bytes = fromHex(hash);
  return parseCanonical(fromUtf8(open(evidenceKey(viewKey, bytes), sealed, bytes)));
}
