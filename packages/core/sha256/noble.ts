import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';

/** SHA-256 in one shot, where there is no `node:crypto`. WebCrypto's is asynchronous and so of no use to a tree. */
export function sha256(data: Uint8Array): Uint8Array {
  return nobleSha256(data);
}
