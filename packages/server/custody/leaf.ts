import { leafHash } from '@amanat/core/log';
import { CustodyError } from './errors.ts';
import type { NewRecord } from './store.ts';

const ID_BYTES = 16;
const MONTH_BYTES = 7;

/**
 * Hash of one stored row in the tree whose root the import-ended entry carries. The tree is RFC 6962's, its
 * leaves the rows that were stored (neither the unchanged nor the rejected), in order of row. Byte by byte,
 * integers big endian, a leaf is
 *
 * ```
 * 16 bytes  subject id
 * 16 bytes  record id
 * uint64    import: index of its import-begun entry
 * uint64    row, from 1
 * 7 bytes   expiry month, YYYY-MM
 * 16 bytes  keyed digest
 * then      the sealed groups as they are stored (see blob.ts)
 * ```
 *
 * and its hash SHA-256(0x00 ‖ leaf). It is everything that the store has of the row, so that whatever is changed,
 * lost or swapped gives another root, without any of it being opened.
 * @throws CustodyError 'store-damaged' where a part has not its length: where one ends and the next begins is not told
 */
export function storedRowHash(index: number, stored: NewRecord): Uint8Array {
  const { subject, record, row, expiryMonth, digest, ciphertexts } = stored;
  if (
    [subject, record, digest].some(({ length }) => length !== ID_BYTES) ||
    expiryMonth.length !== MONTH_BYTES ||
    !(Number.isSafeInteger(row) && row > 0)
  ) {
    throw new CustodyError('store-damaged');
  }
  const head = Buffer.allocUnsafe(16);
  writeUint64(head, index, 0);
  writeUint64(head, row, 8);
  const month = Buffer.from(expiryMonth, 'latin1');
  return leafHash(Buffer.concat([subject, record, head, month, digest, ciphertexts]));
}

function writeUint64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  bytes.writeUInt32BE(value % 2 ** 32, at + 4);
}
