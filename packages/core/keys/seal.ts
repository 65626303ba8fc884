import type { KeyObject } from 'node:crypto';
import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto';
import { CoreError } from '../errors.ts';

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ZERO_NONCE = new Uint8Array(NONCE_BYTES);

/** A raw key as a KeyObject: encrypting with one is several times as fast as with raw bytes. */
export function secretKey(bytes: Uint8Array): KeyObject {
  return createSecretKey(bytes);
}

/**
 * Seals with a key that encrypts this one plaintext and never another, so that the GCM nonce may be
 * zero. Gives ciphertext ‖ 16-byte tag.
 */
export function sealOnce(key: KeyObject, plaintext: Uint8Array, aad: Uint8Array): Buffer {
  return encrypt(key, ZERO_NONCE, plaintext, aad);
}

/**
 * Opens what {@link sealOnce} sealed.
 * @throws CoreError 'bad-ciphertext' where key, additional data or ciphertext are not those it was sealed with.
 */
export function openOnce(key: KeyObject, sealed: Uint8Array, aad: Uint8Array): Buffer {
  return decrypt(key, ZERO_NONCE, sealed, aad);
}

/**
 * Seals with a key that may seal again: wraps keys, and bodies whose number may be given anew.
 * Gives nonce ‖ ciphertext ‖ tag.
 * @param nonce 12 random bytes; one key may seal at most 2^32 times (NIST SP 800-38D, 8.3).
 */
export function seal(
  key: KeyObject,
  plaintext: Uint8Array,
  aad: Uint8Array,
  nonce: Uint8Array,
): Buffer {
  return Buffer.concat([nonce, encrypt(key, nonce, plaintext, aad)]);
}

/**
 * Opens what {@link seal} sealed.
 * @throws CoreError 'bad-ciphertext'
 */
export function open(key: KeyObject, sealed: Uint8Array, aad: Uint8Array): Buffer {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) {
    throw new CoreError('bad-ciphertext', 'ciphertext is too short');
  }
  return decrypt(key, sealed.subarray(0, NONCE_BYTES), sealed.subarray(NONCE_BYTES), aad);
}

/** A nonce's length in {@link seal}. */
export const SEAL_NONCE_BYTES = NONCE_BYTES;

function encrypt(
  key: KeyObject,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  aad: Uint8Array,
): Buffer {
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(aad);
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: KeyObject, nonce: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Buffer {
  if (sealed.length < TAG_BYTES) throw new CoreError('bad-ciphertext', 'ciphertext is too short');
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  try {
    const head = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES));
    return Buffer.concat([head, decipher.final()]);
  } catch (cause) {
    throw new CoreError('bad-ciphertext', 'ciphertext does not open', { cause });
  }
}
