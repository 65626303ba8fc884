import { CustodyError } from './errors.ts';

/** Bytes of the nonce that the keeper drew for a group. */
export const NONCE_BYTES = 16;
const LENGTH_BYTES = 4;

/** One group as it is stored: the keeper's nonce, from which its key is derived, and the ciphertext with its tag. */
export interface SealedGroup {
  readonly nonce: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/**
 * Writes what one version of a record holds: for each group, in the order of the import's layout,
 * nonce (16) ‖ uint32 length, big endian ‖ ciphertext.
 */
export function encodeSealedGroups(groups: readonly SealedGroup[]): Buffer {
  let size = 0;
  for (const { ciphertext } of groups) size += NONCE_BYTES + LENGTH_BYTES + ciphertext.length;
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const { nonce, ciphertext } of groups) {
    bytes.set(nonce, at);
    at = bytes.writeUInt32BE(ciphertext.length, at + NONCE_BYTES);
    bytes.set(ciphertext, at);
    at += ciphertext.length;
  }
  return bytes;
}

/**
 * Reads what {@link encodeSealedGroups} wrote, as views of it.
 * @throws CustodyError 'store-damaged' unless the bytes are exactly that many groups.
 */
export function decodeSealedGroups(bytes: Uint8Array, count: number): readonly SealedGroup[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const groups: SealedGroup[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const start = at + NONCE_BYTES + LENGTH_BYTES;
    if (start > bytes.length) throw new CustodyError('store-damaged');
    const end = start + view.getUint32(at + NONCE_BYTES);
    if (end > bytes.length) throw new CustodyError('store-damaged');
    groups.push({
      nonce: bytes.subarray(at, at + NONCE_BYTES),
      ciphertext: bytes.subarray(start, end),
    });
    at = end;
  }
  if (at !== bytes.length) throw new CustodyError('store-damaged');
  return groups;
}
