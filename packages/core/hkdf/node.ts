import { createHmac } from 'node:crypto';
import { concat } from '../bytes.ts';
import { CoreError } from '../errors.ts';

const HASH_BYTES = 32;
const BLOCKS_MAX = 255;

/** HKDF-Extract (RFC 5869, 2.2) with SHA-256: 32 bytes. */
export function hkdfExtract(input: Uint8Array, salt: Uint8Array): Uint8Array {
  return hmac(salt, input);
}

/** HKDF-Expand (RFC 5869, 2.3) with SHA-256. Throws `out-of-range` past 8,160 bytes. */
export function hkdfExpand(key: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  if (length > BLOCKS_MAX * HASH_BYTES) {
    throw new CoreError('out-of-range', 'hkdf gives at most 255 blocks');
  }
  const output = new Uint8Array(length);
  let block = new Uint8Array(0);
  for (let at = 0; at < length; at += HASH_BYTES) {
    block = hmac(key, concat(block, info, Uint8Array.of(at / HASH_BYTES + 1)));
    output.set(block.subarray(0, length - at), at);
  }
  return output;
}

function hmac(key: Uint8Array, message: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHmac('sha256', key).update(message).digest());
}
