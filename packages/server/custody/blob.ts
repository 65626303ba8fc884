import { RECORD_NONCE_BYTES } from '@amanat/core/keys';
import { CustodyError } from './errors.ts';

const LENGTH_BYTES = 4;

/**
 * What one version of a record holds: the keeper's nonce, from which its keys are derived, and for each group a
 * ciphertext with its tag.
 */
export interface SealedVersion {
  readonly nonce: Uint8Array;
  /** In the order of the import's layout. */
  readonly ciphertexts: readonly Uint8Array[];
}

/** Writes nonce (16) ‖ for each group, uint32 length, big endian ‖ ciphertext. */
export function encodeSealed({ nonce, ciphertexts }: SealedVersion): Buffer {
  let size = RECORD_NONCE_BYTES;
  for (const ciphertext of ciphertexts) size += LENGTH_BYTES + ciphertext.length;
  const bytes = Buffer.allocUnsafe(size);
  bytes.set(nonce, 0);
  let at = RECORD_NONCE_BYTES;
  for (const ciphertext of ciphertexts) {
    at = bytes.writeUInt32BE(ciphertext.length, at);
    bytes.set(ciphertext, at);
    at += ciphertext.length;
  }
  return bytes;
}

/**
 * Reads what {@link encodeSealed} wrote, as views of it.
 * @throws CustodyError 'store-damaged' unless the bytes are a nonce and exactly that many groups.
 */
export function decodeSealed(bytes: Uint8Array, count: number): SealedVersion {
  if (bytes.length < RECORD_NONCE_BYTES) throw new CustodyError('store-damaged');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ciphertexts: Uint8Array[] = [];
  let at = RECORD_NONCE_BYTES;
  for (let i = 0; i < count; i++) {
    const start = at + LENGTH_BYTES;
    if (start > bytes.length) throw new CustodyError('store-damaged');
    const end = start + view.getUint32(at);
    if (end > bytes.length) throw new CustodyError('store-damaged');
    ciphertexts.push(bytes.subarray(start, end));
    at = end;
  }
  if (at !== bytes.length) throw new CustodyError('store-damaged');
  return { nonce: bytes.subarray(0, RECORD_NONCE_BYTES), ciphertexts };
}
