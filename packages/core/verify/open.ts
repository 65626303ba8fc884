import { CoreError } from '../errors.ts';

const TAG_BYTES = 16;
const ZERO_NONCE = new Uint8Array(12);

/**
 * Opens, by WebCrypto, what was sealed with AES-256-GCM under a key that sealed this one text and no other
 * (zero nonce; ciphertext ‖ 16-byte tag).
 * @throws CoreError 'bad-ciphertext' where key, additional data or ciphertext are not those it was sealed with.
 */
export async function openByWebCrypto(
  key: Uint8Array,
  sealed: Uint8Array,
  aad: Uint8Array,
): Promise<Uint8Array> {
  if (sealed.length < TAG_BYTES) throw new CoreError('bad-ciphertext', 'ciphertext is too short');
  try {
    const imported = await crypto.subtle.importKey('raw', own(key), 'AES-GCM', false, ['decrypt']);
    const parameters = { name: 'AES-GCM', iv: ZERO_NONCE, additionalData: own(aad) };
    return new Uint8Array(await crypto.subtle.decrypt(parameters, imported, own(sealed)));
  } catch (cause) {
    throw new CoreError('bad-ciphertext', 'ciphertext does not open', { cause });
  }
}

/** A copy on a buffer of its own, which WebCrypto's types ask for. */
export function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
