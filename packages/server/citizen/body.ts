import type { Json } from '@amanat/core/canonical';
import type { Signed } from '@amanat/core/grants';
import { readDocument } from '@amanat/core/grants';
import { hexText, list, object, text } from '@amanat/core/shape';
import type { SealedAsk } from './citizen.ts';

const DOCUMENT_CHARS_MAX = 2048;
const CIPHERTEXT_CHARS_MAX = 1024;

const document = text(DOCUMENT_CHARS_MAX);
const signature = object({ key: hexText(16), signature: text(88) });
const signedOnce = object({ document, signatures: list(signature, 1, 1) });
const signedTwice = object({ document, signatures: list(signature, 2, 2) });
const sealedAsk = object({
  enc: text(88, /^[A-Za-z0-9+/]{87}=$/, 'a P-256 point in base64'),
  ciphertext: text(CIPHERTEXT_CHARS_MAX, /^[A-Za-z0-9+/]+={0,2}$/, 'base64'),
});

/** Reads a code's document with the registrar's signature. @throws CoreError 'bad-document' */
export function readCodeBody(body: unknown): Signed {
  const signed = signedOnce(body as Json, '');
  readDocument(signed.document, 'code');
  return signed;
}

/** Reads a protection's document with two administrators' signatures. @throws CoreError 'bad-document' */
export function readProtectionBody(body: unknown): Signed {
  const signed = signedTwice(body as Json, '');
  readDocument(signed.document, 'protection');
  return signed;
}

/** Reads a sealed view ask strictly; only the keeper can look inside. @throws CoreError 'bad-document' */
export function readSealedAsk(body: unknown): SealedAsk {
  return sealedAsk(body as Json, '');
}
