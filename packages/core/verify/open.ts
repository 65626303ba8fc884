import { CoreError } from '../errors.ts';

const TAG_BYTES = 16;
const NONCE_BYTES = 12;
const ZERO_NONCE = new Uint8Array(NONCE_BYTES);

/**
 * Opens, by WebCrypto, what `sealOnce` of core/keys sealed: AES-256-GCM, zero nonce; ciphertext ‖ 16-byte tag.
 * @throws CoreError 'bad-ciphertext' where key, additional data or ciphertext are not those it was sealed with.
 */
export function openOnceByWebCrypto(
  key: Uint8Array,
  sealed: Uint8Array,
  aad: Uint8Array,
): Promise<Uint8Array> {
  return decrypt(key, ZERO_NONCE, sealed, aad);
}

/**
 * Opens, by WebCrypto, what `seal` of core/keys sealed: nonce ‖ ciphertext ‖ tag.
 * @throws CoreError 'bad-ciphertext'
 */
export async function openByWebCrypto(
  key: Uint8Array,
  sealed: Uint8Array,
  aad: Uint8Array,
): Promise<Uint8Array> {
  return decrypt(key, sealed.subarray(0, NONCE_BYTES), sealed.subarray(NONCE_BYTES), aad);
}

async function decrypt(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  aad: Uint8Array,
): Promise<Uint8Array> {
  if (sealed.length < TAG_BYTES) throw new CoreError('bad-ciphertext', 'ciphertext is too short');
  try {
    const imported = await crypto.subtle.importKey('raw', own(key), 'AES-GCM', false, ['decrypt']);
    const parameters = { name: 'AES-GCM', iv: own(nonce), additionalData: own(aad) };
    return new Uint8Array(await crypto.subtle.decrypt(parameters, imported, own(sealed)));
  } catch (cause) {
    throw new CoreError('bad-ciphertext', 'ciphertext does not open', { cause });
  }
}

/** A copy on a buffer of its own, which WebCrypto's types ask for. */
export function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
