import { hash } from 'node:crypto';
import { leafHash } from '@amanat/core/log';
import type { SealedGroup } from './blob.ts';

const RECORD_BYTES = 16;
const HASH_BYTES = 32;
const HEAD_BYTES = RECORD_BYTES + 8 + 8;

/**
 * Hash of one stored row in the tree whose root the import-ended entry carries. The tree is RFC 6962's, its
 * leaves the rows that were stored (neither the unchanged nor the rejected), in order of row. Byte by byte,
 * integers big endian, a leaf is
 *
 * ```
 * 16 bytes  record id
 * uint64    import: index of its import-begun entry
 * uint64    row, from 1
 * 32 bytes  SHA-256 of the key's nonce and the ciphertext, tag included, for each field group in declared order
 * ```
 *
 * and its hash SHA-256(0x00 ‖ leaf). The names bind each ciphertext to its place, so that one which was
 * changed, lost or swapped gives another root, without any being opened.
 */
export function storedRowHash(
  record: Uint8Array,
  index: number,
  row: number,
  groups: readonly SealedGroup[],
): Uint8Array {
  const leaf = Buffer.allocUnsafe(HEAD_BYTES + HASH_BYTES * groups.length);
  leaf.set(record, 0);
  writeUint64(leaf, index, RECORD_BYTES);
  writeUint64(leaf, row, RECORD_BYTES + 8);
  let at = HEAD_BYTES;
  for (const { nonce, ciphertext } of groups) {
    const sealed = Buffer.concat([nonce, ciphertext]);
    at += leaf.write(hash('sha256', sealed, 'binary'), at, 'latin1');
  }
  return leafHash(leaf);
}

function writeUint64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  bytes.writeUInt32BE(value % 2 ** 32, at + 4);
}
