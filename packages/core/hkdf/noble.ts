import { expand, extract } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';

/** HKDF-Extract (RFC 5869, 2.2) with SHA-256, where there is no `node:crypto`: 32 bytes. */
export function hkdfExtract(input: Uint8Array, salt: Uint8Array): Uint8Array {
  return extract(sha256, input, salt);
}

/** HKDF-Expand (RFC 5869, 2.3) with SHA-256. Throws past 8,160 bytes. */
export function hkdfExpand(key: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  return expand(sha256, key, info, length);
}
