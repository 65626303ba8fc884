import { hash } from 'node:crypto';

/**
 * SHA-256 in one shot. The digest is taken as a binary string and copied out: with `node:crypto` that is
 * two to three times as fast as asking it for a buffer.
 */
export function sha256(data: Uint8Array): Uint8Array {
  const text = hash('sha256', data, 'binary');
  const digest = new Uint8Array(32);
  for (let i = 0; i < 32; i++) digest[i] = text.charCodeAt(i);
  return digest;
}
