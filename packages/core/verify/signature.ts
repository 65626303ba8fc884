import { fromBase64 } from '../bytes.ts';
import { CoreError } from '../errors.ts';
import type { NoteKey } from '../log/index.ts';
import { own } from './open.ts';

/** 'unsupported': this browser has no such algorithm, so that nothing can be said. */
export type SignatureVerdict = 'ok' | 'wrong' | 'unsupported';

const ED25519 = 'ed25519:';
const P256 = 'p256:';
const SIGNATURE_BYTES = 64;
/** How a point begins that is written whole (SEC 1, 2.3.3). Its hybrid forms are the same point: one key must not have two texts. */
const UNCOMPRESSED = 4;

/**
 * Verifies by WebCrypto a signature of a public key in its text form (`ed25519:…` or `p256:…`; 64 bytes,
 * IEEE P1363 for ECDSA). Never throws: a key that does not parse has signed nothing.
 */
export async function verifyByWebCrypto(
  publicKey: string,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<SignatureVerdict> {
  if (signature.length !== SIGNATURE_BYTES) return 'wrong';
  if (publicKey.startsWith(ED25519)) {
    const raw = decode(publicKey.slice(ED25519.length));
    return raw?.length === 32 ? verifyRaw('Ed25519', raw, message, signature) : 'wrong';
  }
  if (publicKey.startsWith(P256)) {
    const raw = decode(publicKey.slice(P256.length));
    return raw?.length === 65 && raw[0] === UNCOMPRESSED
      ? verifyRaw('ECDSA', raw, message, signature)
      : 'wrong';
  }
  return 'wrong';
}

/** The same for a key of Ed25519 that signs notes: a log's, or a cosigner's. */
export async function verifyNoteByWebCrypto(
  key: NoteKey<1 | 4>,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<SignatureVerdict> {
  if (signature.length !== SIGNATURE_BYTES) return 'wrong';
  return verifyRaw('Ed25519', key.publicKey, message, signature);
}

async function verifyRaw(
  algorithm: 'Ed25519' | 'ECDSA',
  raw: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<SignatureVerdict> {
  const forKey = algorithm === 'Ed25519' ? algorithm : { name: algorithm, namedCurve: 'P-256' };
  const forSignature = algorithm === 'Ed25519' ? algorithm : { name: algorithm, hash: 'SHA-256' };
  try {
    const key = await crypto.subtle.importKey('raw', own(raw), forKey, false, ['verify']);
    const valid = await crypto.subtle.verify(forSignature, key, own(signature), own(message));
    return valid ? 'ok' : 'wrong';
  } catch (error) {
    // An older browser; anything else is a key that is no point of its curve.
    return error instanceof Error && error.name === 'NotSupportedError' ? 'unsupported' : 'wrong';
  }
}

function decode(text: string): Uint8Array | null {
  try {
    return fromBase64(text);
  } catch (error) {
    if (error instanceof CoreError) return null;
    throw error;
  }
}
