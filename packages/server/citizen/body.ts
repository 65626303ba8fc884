import type { Json } from '@amanat/core/canonical';
import type { Signed } from '@amanat/core/grants';
import { readDocument } from '@amanat/core/grants';
import { object, text } from '@amanat/core/shape';
import { signedReaders } from '../http/body.ts';
import type { SealedAsk } from './citizen.ts';

const DOCUMENT_CHARS_MAX = 2048;
const CIPHERTEXT_CHARS_MAX = 1024;

const signedBy = (signatures: number) =>
  object(
    signedReaders({
      charsMax: DOCUMENT_CHARS_MAX,
      signaturesMin: signatures,
      signaturesMax: signatures,
    }),
  );
const signedOnce = signedBy(1);
const signedTwice = signedBy(2);
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

/** Reads an erasure's document with two administrators' signatures. @throws CoreError 'bad-document' */
export function readErasureBody(body: unknown): Signed {
  const signed = signedTwice(body as Json, '');
  readDocument(signed.document, 'erasure');
  return signed;
}

/** Reads a sealed view ask strictly; only the keeper can look inside. @throws CoreError 'bad-document' */
export function readSealedAsk(body: unknown): SealedAsk {
  return sealedAsk(body as Json, '');
}
